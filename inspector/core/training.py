"""What a training run is told: plain data, sent as JSON to the worker process that trains."""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from inspector.core.config import describe_validation
from inspector.core.errors import ConfigError
from inspector.core.types import TaskName

Option = int | float | str | bool

# What suits a task where a person gives none. Thermal cameras are small and their frames are 4:3. Defects cover so little of
# a mask that large first steps teach a wide U-Net to see none anywhere, which it does not unlearn.
TASK_DEFAULTS: Mapping[str, Mapping[str, object]] = MappingProxyType(
    {
        "classification": {"network": "simple_cnn", "width": 224, "height": 224, "batch": 16, "lr": 1e-3},
        "detection": {"network": "simple_yolo", "width": 224, "height": 224, "batch": 16, "lr": 2e-3},
        "segmentation": {
            "network": "unet",
            "width": 224,
            "height": 224,
            "batch": 8,
            "lr": 5e-4,
            "loss": "bce_dice",
        },
        "thermal": {"network": "thermal_cnn", "width": 160, "height": 120, "batch": 16, "lr": 2e-3, "channels": 1},
    }
)


_NEVER_EMPTY = frozenset({"network", "width", "height", "channels", "loss", "batch", "lr"})


class TrainSettings(BaseModel):
    """One training run. Everything that changes the result is here, so that two runs with equal settings and data agree.

    What is left out, or 0 or "" where that is no value, is filled in from TASK_DEFAULTS.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    task: TaskName
    network: str = Field(min_length=1)
    data: Path
    out: Path = Field(description="folder of the bundle")
    name: str = Field("", max_length=80, description="name of the bundle; the folder's name if empty")
    width: int = Field(ge=8, le=4096, description="of the input in pixels")
    height: int = Field(ge=8, le=4096, description="of the input in pixels")
    channels: Literal[1, 3] = Field(3, description="of the input")
    fit: Literal["stretch", "letterbox"] = "stretch"
    levels: tuple[float, float] | None = Field(None, description="frame values mapped to 0 and 255; thermal: kelvin")
    options: Mapping[str, Option] = Field({}, description="of the network, for example width=16")
    pretrained: str = Field("", description='weights to start from: "", "imagenet" or a file')
    loss: str = Field("", description="of the task; its own if empty")
    epochs: int = Field(30, ge=1, le=10_000)
    batch: int = Field(ge=1, le=1024)
    lr: float = Field(gt=0, le=10)
    optimizer: Literal["adam", "adamw"] = "adamw"
    weight_decay: float = Field(1e-4, ge=0, le=1)
    schedule: Literal["cosine", "step", "constant"] = Field("cosine", description="step: a tenth every 7 epochs")
    warmup: float = Field(1.0, ge=0, le=100, description="epochs until the full learning rate")
    seed: int = Field(0, ge=0, le=2**31 - 1)
    val: float = Field(0.15, gt=0, lt=1, description="share of the groups that choose the best epoch")
    test: float = Field(0.15, gt=0, lt=1, description="share of the groups that are only measured at the end")
    group: str = Field("", description="regular expression; its match in a file's name is the part or lot it shows")
    one_class: str = Field("", max_length=80, description="detection, segmentation: every class counts as this one")
    augment: bool = True
    class_weights: bool = Field(True, description="classification: rare classes count more")
    ok_classes: tuple[str, ...] = ()
    score: float = Field(
        0, ge=0, lt=1, description="decision threshold of the bundle; 0: 0.5, or for detection the best on validation"
    )
    label_smoothing: float = Field(0, ge=0, lt=1, description="classification")
    precision: Literal["32", "bf16"] = "32"
    threads: int = Field(0, ge=0, le=256, description="CPU threads; 0: one a core")
    time_limit: float = Field(0, ge=0, description="seconds after which no further epoch begins; 0: none")
    keep_best: bool = Field(False, description="a cancelled run still leaves a bundle of its best epoch")

    @model_validator(mode="before")
    @classmethod
    def _fill_in(cls, values: object) -> object:
        if not isinstance(values, Mapping):
            return values
        given = {key: value for key, value in values.items() if key not in _NEVER_EMPTY or value}
        defaults = TASK_DEFAULTS.get(str(given.get("task")), {})
        if ("width" in given) != ("height" in given):
            raise ValueError("width and height are given together")
        return {**defaults, **given}

    @model_validator(mode="after")
    def _shares(self) -> Self:
        if self.val + self.test >= 1:
            raise ValueError("val and test together must leave something to train on")
        if self.levels is not None and not self.levels[0] < self.levels[1]:
            raise ValueError("levels must be (low, high) with low < high")
        return self

    @property
    def bundle_name(self) -> str:
        return self.name or self.out.resolve().name


def train_settings(values: Mapping[str, object]) -> TrainSettings:
    """Settings from a mapping. Raises ConfigError naming the setting."""
    try:
        return TrainSettings.model_validate(dict(values))
    except ValidationError as error:
        raise ConfigError(
            "The training settings are not valid: {detail}.",
            remedy="Correct them and start again.",
            detail=describe_validation(error),
        ) from error


def parse_size(text: str) -> tuple[int, int]:
    """ "224" or "320x240" -> (width, height). Raises ConfigError."""
    width, _, height = text.lower().partition("x")
    try:
        size = (int(width), int(height or width))
    except ValueError:
        size = (0, 0)
    if not (8 <= size[0] <= 4096 and 8 <= size[1] <= 4096):
        raise ConfigError(
            "{text!r} is not an input size.", remedy="Give one number or WIDTHxHEIGHT, 8 to 4096 pixels.", text=text
        )
    return size


def parse_option(text: str) -> tuple[str, Option]:
    """ "width=16" -> ("width", 16); numbers and true/false are recognised. Raises ConfigError."""
    key, equals, value = text.partition("=")
    if not equals or not key.strip().isidentifier():
        raise ConfigError("{text!r} is not an option.", remedy="Write it as key=value.", text=text)
    if value.lower() in ("true", "false"):
        return key.strip(), value.lower() == "true"
    for kind in (int, float):
        try:
            return key.strip(), kind(value)
        except ValueError:
            continue
    return key.strip(), value
