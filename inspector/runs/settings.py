"""The settings of a training run: plain data, sent as JSON to the worker process that trains."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, ConfigDict, Field, ValidationError, model_validator

from inspector.core.config import FiniteModel, FormField, Option, describe_validation, form_fields
from inspector.core.errors import ConfigError
from inspector.core.registry import TASKS, known_task
from inspector.core.types import TaskName
from inspector.imaging.tiling import Tiling

_NEVER_EMPTY = frozenset({"network", "width", "height", "channels", "loss", "batch", "lr"})


# Trainings of a learning curve: on these shares of the training images, repeated this many times.
CURVE_SHARES = (0.25, 0.5, 0.75, 1.0)
CURVE_REPEATS = 2
LARGEST_COVER = 0.9  # share of the input that may be covered
Area = tuple[float, float, float, float]  # left, top, width, height as shares of the input

GROUPS = ("data", "network", "learning", "images", "quality", "machine")  # sections of the form
Augmentations = Literal["none", "standard", "surface", "part", "window", "strong"]


def task_defaults(task: str) -> Mapping[str, object]:
    """Return a task's default settings; none for an unknown task."""
    return TASKS[task].defaults if task in TASKS else {}


class TrainSettings(FiniteModel):
    """Settings of one training run.

    All inputs that change the result are here, so that two runs with equal settings and data agree. Values that are omitted
    (also 0 or "" where these are no values) are filled in from `TaskEntry.defaults`. Fields with a group are set by a person;
    the window and the command line build their forms from these declarations.
    """

    model_config = ConfigDict(extra="forbid")

    task: Annotated[TaskName, AfterValidator(known_task)]
    network: str = Field(min_length=1)
    data: Path
    out: Path = Field(description="folder of the bundle")
    run: Path | None = Field(None, description="folder of the run: config, split, curves, messages, report")
    name: str = Field("", max_length=80, description="name of the bundle; the folder's name if empty")

    # Data
    layout: str = Field("", max_length=40, description="how the labels are stored; by default the layout that is recognised")
    backgrounds: Annotated[bool, FormField("Backgrounds", "data")] = Field(
        False, description="images without a label file count as good, where labels are objects"
    )
    group: Annotated[str, FormField("Part or lot", "data")] = Field(
        "", description="regular expression; its match in a file's name is the part or lot it shows"
    )
    one_class: Annotated[str, FormField("One class", "data")] = Field(
        "", max_length=80, description="detection, segmentation: every class counts as this one"
    )
    ok_classes: Annotated[tuple[str, ...], FormField("Good classes", "data")] = Field((), description="classes of good parts")
    val: Annotated[float, FormField("Validation share", "data")] = Field(
        0.15, gt=0, lt=1, description="share of the groups that choose the best epoch"
    )
    test: Annotated[float, FormField("Test share", "data")] = Field(
        0.15, gt=0, lt=1, description="share of the groups that are only measured at the end"
    )
    seed: Annotated[int, FormField("Seed", "data")] = Field(
        0, ge=0, le=2**31 - 1, description="of split, start weights, order and augmentation"
    )
    folds: Annotated[int, FormField("Folds", "data")] = Field(
        0, ge=0, le=20, description="k-fold cross-validation before the final training, for small sets; 0: none"
    )

    # Network
    width: Annotated[int, FormField("Input width", "network", "px")] = Field(
        ge=8, le=4096, description="frames are fitted into the input; a larger one shows smaller defects and takes longer"
    )
    height: Annotated[int, FormField("Input height", "network", "px")] = Field(ge=8, le=4096, description="likewise")
    tile: Annotated[int, FormField("Tile", "network", "px")] = Field(
        0,
        ge=0,
        le=4096,
        description="detection, segmentation: large images are learnt and inspected in squares of this side; 0: as a whole",
    )
    tile_overlap: Annotated[int, FormField("Overlap", "network", "px")] = Field(
        0, ge=0, le=2048, description="of neighbouring tiles; defects up to this size are whole in one of them"
    )
    channels: Annotated[Literal[1, 3], FormField("Channels", "network")] = Field(3, description="1: grey input, 3: colour")
    fit: Annotated[Literal["stretch", "letterbox"], FormField("Fit", "network")] = Field(
        "stretch", description="how frames of another shape are fitted into the input"
    )
    levels: Annotated[tuple[float, float] | None, FormField("Levels", "network")] = Field(
        None,
        description="frame values (thermal: kelvin) mapped to 0 and 255; beyond 8 bits they are found in the images",
    )
    depth: Annotated[Literal["auto", "8"], FormField("Depth", "network")] = Field(
        "auto", description="of the input; auto: as the images have it, 8: their levels are rounded to 256"
    )
    options: Mapping[str, Option] = Field({}, description="of the network, for example filters=16")
    pretrained: Annotated[str, FormField("Start weights", "network")] = Field(
        "", description='weights to start from: "", "imagenet" or a file'
    )

    # Learning
    epochs: Annotated[int, FormField("Epochs", "learning")] = Field(30, ge=1, le=10_000, description="passes over the images")
    batch: Annotated[int, FormField("Batch", "learning", "images")] = Field(ge=1, le=1024, description="images a step")
    accumulate: Annotated[int, FormField("Accumulate", "learning", "batches")] = Field(
        1, ge=1, le=256, description="batches whose gradients make one step"
    )
    lr: Annotated[float, FormField("Learning rate", "learning")] = Field(
        gt=0, le=10, description="how far a step changes the weights: too large never settles, too small takes very long"
    )
    optimizer: Annotated[Literal["adam", "adamw", "sgd"], FormField("Optimizer", "learning")] = Field(
        "adamw", description="how steps are made of gradients; sgd needs a larger learning rate"
    )
    weight_decay: Annotated[float, FormField("Weight decay", "learning")] = Field(
        1e-4, ge=0, le=1, description="pull of the weights towards 0"
    )
    schedule: Annotated[Literal["cosine", "step", "constant"], FormField("Schedule", "learning")] = Field(
        "cosine", description="of the learning rate; step: a tenth every 7 epochs"
    )
    warmup: Annotated[float, FormField("Warm-up", "learning", "epochs")] = Field(
        1.0, ge=0, le=100, description="epochs until the full learning rate"
    )
    ema: Annotated[float, FormField("Weight averaging", "learning")] = Field(
        0, ge=0, lt=1, description="decay of the moving average of the weights that is validated and kept; 0: none"
    )
    patience: Annotated[int, FormField("Patience", "learning", "epochs")] = Field(
        0, ge=0, le=10_000, description="epochs without a better validation result after which training stops; 0: none"
    )
    freeze_epochs: Annotated[int, FormField("Frozen epochs", "learning", "epochs")] = Field(
        0, ge=0, le=10_000, description="pretrained networks: only the new layers learn for so long"
    )
    freeze_stages: Annotated[int, FormField("Frozen stages", "learning", "stages")] = Field(
        0, ge=0, le=100, description="with start weights: stages, counted from the input, that never learn; training is faster"
    )
    backbone_rate: Annotated[float, FormField("Backbone rate", "learning")] = Field(
        1.0, gt=0, le=1, description="pretrained networks: the backbone's learning rate over that of the new layers"
    )
    layer_decay: Annotated[float, FormField("Layer decay", "learning")] = Field(
        1.0, gt=0, le=1, description="pretrained networks: factor of the learning rate from one stage to the one before it"
    )
    loss: Annotated[str, FormField("Loss", "learning")] = Field("", description="of the task; its own if empty")
    label_smoothing: Annotated[float, FormField("Label smoothing", "learning")] = Field(
        0, ge=0, lt=1, description="classification"
    )
    balance: Annotated[Literal["none", "weights", "sampler"], FormField("Rare classes", "learning")] = Field(
        "weights", description="classification: weights, rare classes count more; sampler, they are shown more often"
    )

    # Images
    augment: Annotated[Augmentations, FormField("Augmentation", "images")] = Field(
        "standard",
        description="how training images are varied; surface: any direction; part: it lies always alike; window: light only; "
        "strong: few images",
    )
    piece: Annotated[int, FormField("Piece", "images", "px")] = Field(
        0,
        ge=0,
        le=4096,
        description="detection, segmentation: a step learns from squares of this side of the input, most of them around an "
        "object, which is faster; 0: from all of it",
    )
    cover: Annotated[str, FormField("Covered", "images", "%")] = Field(
        "",
        max_length=200,
        description="left,top,width,height of an area of the input that training images show covered, so that nothing is "
        "learnt from it; several are joined by +; not for temperatures",
    )

    # Quality
    score: Annotated[float, FormField("Threshold", "quality")] = Field(
        0, ge=0, lt=1, description="decision threshold of the bundle; 0: chosen on validation"
    )
    false_reject: Annotated[float, FormField("Allowed false rejects", "quality")] = Field(
        0, ge=0, lt=1, description="share of good parts that may be rejected; the threshold is chosen for it; 0: not asked"
    )
    calibrate: Annotated[bool, FormField("Calibrate scores", "quality")] = Field(
        True, description="classification: temperature scaling, so that a score is a probability"
    )
    mirrored: Annotated[bool, FormField("Mirrored views", "quality")] = Field(
        False,
        description="answers are the mean over four mirrored views of a frame; inspecting takes 4 times as long",
    )
    learning_curve: Annotated[bool, FormField("Learning curve", "quality")] = Field(
        False, description="also train on smaller parts of the data, to tell what more images would bring"
    )

    # Machine
    precision: Annotated[Literal["32", "bf16", "16"], FormField("Precision", "machine")] = Field(
        "32", description="of the arithmetic; bf16 and 16 are mixed precision"
    )
    threads: Annotated[int, FormField("Threads", "machine")] = Field(
        0, ge=0, le=256, description="CPU threads; 0: as many as cores are free"
    )
    devices: Annotated[int, FormField("Devices", "machine")] = Field(
        1, ge=1, le=64, description="processes or GPUs that train together, each with a batch of its own"
    )
    time_limit: Annotated[float, FormField("Time limit", "machine", "s")] = Field(
        0, ge=0, description="after which the training ends, within an epoch if need be; 0: none"
    )
    keep_best: bool = Field(False, description="a cancelled run still leaves a bundle of its best epoch")

    @model_validator(mode="before")
    @classmethod
    def _fill_in(cls, values: object) -> object:
        if not isinstance(values, Mapping):
            return values
        given = {key: value for key, value in values.items() if key not in _NEVER_EMPTY or value}
        defaults = task_defaults(str(given.get("task")))
        if ("width" in given) != ("height" in given):
            raise ValueError("Width and height are given together.")
        return {**defaults, **given}

    @model_validator(mode="after")
    def _shares(self) -> Self:
        if self.val + self.test >= 1:
            raise ValueError("Validation and test together must leave something to train on.")
        if self.folds == 1:
            raise ValueError("One fold is no cross-validation: give 0 for none, or 2 and more.")
        if self.tile:
            self.tiling()
        if self.levels is not None and not self.levels[0] < self.levels[1]:
            raise ValueError("Levels are two numbers, the lower one first.")
        areas_of(self.cover)
        return self

    def tiling(self) -> Tiling | None:
        """Return how images are divided; None if they are not. Raises ValueError."""
        return Tiling(size=self.tile, overlap=self.tile_overlap) if self.tile else None

    @property
    def bundle_name(self) -> str:
        return self.name or self.out.resolve().name


def shown_settings() -> Mapping[str, FormField]:
    """Return the settings that a person may set, in the order of declaration."""
    return {name: shown for name, shown in form_fields(TrainSettings).items() if shown.group}


def train_settings(values: Mapping[str, object]) -> TrainSettings:
    """Build settings from a mapping. Raises ConfigError naming the setting."""
    try:
        return TrainSettings.model_validate(dict(values))
    except ValidationError as error:
        raise ConfigError(
            "The training settings are not valid: {detail}.",
            remedy="Correct them and start again.",
            detail=describe_validation(error),
        ) from error


def areas_of(text: str) -> tuple[Area, ...]:
    """Parse "0,0,20,20+80,0,20,20", in percent of the input, as (left, top, width, height) from 0 to 1. Raises ValueError."""
    areas: list[Area] = []
    for piece in text.split("+") if text.strip() else ():
        try:
            left, top, width, height = (float(word) / 100 for word in piece.split(","))
        except ValueError:
            raise ValueError(f"{piece!r} is not left,top,width,height in percent.") from None
        if not (left >= 0 and top >= 0 and width > 0 and height > 0 and left + width <= 1.0001 and top + height <= 1.0001):
            raise ValueError(f"The covered area {piece!r} does not lie inside the input.")
        areas.append((left, top, width, height))
    if sum(width * height for _, _, width, height in areas) > LARGEST_COVER:
        raise ValueError("The covered areas leave less than a tenth of the input.")
    return tuple(areas)


def parse_size(text: str) -> tuple[int, int]:
    """Parse "224" or "320x240" as (width, height). Raises ConfigError."""
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
    """Parse "width=16" as ("width", 16); numbers and true/false are recognised. Raises ConfigError."""
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
