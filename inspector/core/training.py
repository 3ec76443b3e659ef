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

# (width, height) where a person gives none. Thermal cameras are small and their frames are 4:3.
_SIZES: Mapping[str, tuple[int, int]] = MappingProxyType(
    {"classification": (224, 224), "detection": (224, 224), "segmentation": (224, 224), "thermal": (160, 120)}
)
_NETWORKS: Mapping[str, str] = MappingProxyType(
    {"classification": "simple_cnn", "detection": "simple_yolo", "segmentation": "unet", "thermal": "thermal_cnn"}
)


class TrainSettings(BaseModel):
    """One training run. Everything that changes the result is here, so that two runs with equal settings and data agree."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    task: TaskName
    network: str = Field(min_length=1)
    data: Path
    out: Path = Field(description="folder of the bundle")
    name: str = Field("", max_length=80, description="name of the bundle; the folder's name if empty")
    width: int = Field(0, ge=0, le=4096, description="of the input in pixels; 0: the task's default")
    height: int = Field(0, ge=0, le=4096, description="of the input in pixels; 0: the task's default")
    channels: Literal[0, 1, 3] = Field(0, description="of the input; 0: 1 for thermal, otherwise 3")
    fit: Literal["stretch", "letterbox"] = "stretch"
    levels: tuple[float, float] | None = Field(None, description="frame values mapped to 0 and 255; thermal: kelvin")
    options: Mapping[str, Option] = Field({}, description="of the network, for example width=16")
    pretrained: str = Field("", description='weights to start from: "", "imagenet" or a file')
    loss: str = Field("", description="of the task; its default if empty")
    epochs: int = Field(30, ge=1, le=10_000)
    batch: int = Field(16, ge=1, le=1024)
    lr: float = Field(1e-3, gt=0, le=10)
    optimizer: Literal["adam", "adamw"] = "adamw"
    weight_decay: float = Field(1e-4, ge=0, le=1)
    schedule: Literal["cosine", "step", "constant"] = Field("cosine", description="step: a tenth every 7 epochs")
    warmup: float = Field(1.0, ge=0, le=100, description="epochs until the full learning rate")
    seed: int = Field(0, ge=0, le=2**31 - 1)
    val: float = Field(0.15, gt=0, lt=1, description="share of the groups that choose the best epoch")
    test: float = Field(0.15, gt=0, lt=1, description="share of the groups that are only measured at the end")
    group: str = Field("", description="regular expression; its match in a file's name is the part or lot it shows")
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

    @model_validator(mode="after")
    def _shares(self) -> Self:
        if self.val + self.test >= 1:
            raise ValueError("val and test together must leave something to train on")
        if (self.width == 0) != (self.height == 0):
            raise ValueError("width and height are given together")
        if self.levels is not None and not self.levels[0] < self.levels[1]:
            raise ValueError("levels must be (low, high) with low < high")
        return self

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) of the network's input."""
        return (self.width, self.height) if self.width else _SIZES[self.task]

    @property
    def bundle_name(self) -> str:
        return self.name or self.out.resolve().name


def default_network(task: TaskName) -> str:
    """The network for a task where a person names none."""
    return _NETWORKS[task]


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
