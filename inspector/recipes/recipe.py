"""A recipe: cameras, regions, bundles and rules for one product. A versioned TOML file."""

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, ConfigDict, Field, ValidationError, model_validator

from inspector.core.addresses import hide_secrets
from inspector.core.config import FiniteModel, FormField, Option, describe_validation
from inspector.core.errors import ConfigError
from inspector.core.registry import ENGINES
from inspector.core.types import Precision, Region
from inspector.core.untrusted import parse_toml, read_bounded
from inspector.imaging.tiling import Tiling
from inspector.recipes.history import MOST
from inspector.recipes.quantities import QUANTITIES, When

SILENCE_S = 2.0
SIMULATED = "simulated"  # the kind of source whose frames are rendered
_LARGEST_SIDE = 1_000_000  # pixels
Side = Annotated[int, Field(gt=0, le=_LARGEST_SIDE)]


def _known_quantity(name: str) -> str:
    if name not in QUANTITIES:
        raise ValueError(f"there is no quantity {name!r}; use one of: {', '.join(QUANTITIES)}")
    return name


def _engines() -> dict[str, str]:
    return {name: entry.label for name, entry in ENGINES.items()}


def _quantities() -> dict[str, str]:
    return {name: quantity.label or name for name, quantity in QUANTITIES.items()}


class _Model(FiniteModel):
    model_config = ConfigDict(extra="forbid")


class RegionModel(_Model):
    """A rectangle in frame pixels."""

    x: Annotated[int, FormField("Left", unit="px")] = Field(ge=0, le=_LARGEST_SIDE)
    y: Annotated[int, FormField("Top", unit="px")] = Field(ge=0, le=_LARGEST_SIDE)
    width: Annotated[int, FormField(unit="px")] = Field(gt=0, le=_LARGEST_SIDE)
    height: Annotated[int, FormField(unit="px")] = Field(gt=0, le=_LARGEST_SIDE)

    def region(self) -> Region:
        return Region(self.x, self.y, self.width, self.height)


class Gate(_Model):
    """Limits of the frame-quality check. A frame outside them gets no verdict. 0 or 1 switches a check off where noted."""

    black_mean: Annotated[float, FormField("Black")] = Field(
        8.0, ge=0, description="mean grey (of 255) below which a frame counts as black; 0: off"
    )
    white_share: Annotated[float, FormField("Over-exposed")] = Field(
        0.6, gt=0, le=1, description="share of saturated pixels above which it is over-exposed; 1: off"
    )
    blur: Annotated[float, FormField("Blurred")] = Field(
        0.0, ge=0, description="variance of the Laplacian below which it counts as blurred; 0: off"
    )
    stale_ms: Annotated[float, FormField("Stale", unit="ms")] = Field(
        2000.0, gt=0, description="age at inspection above which a frame is stale"
    )
    masked_share: Annotated[float, FormField("Without a value")] = Field(
        0.01, ge=0, le=1, description="share of thermal pixels without a value that is too much; 1: off"
    )
    frozen_frames: Annotated[int, FormField("Frozen")] = Field(
        5, ge=0, le=1_000_000, description="identical frames in a row of a live camera that mean frozen; 0: off"
    )


class CodeModel(_Model):
    """The DataMatrix or QR code on the part, whose GS1 content gives serial number, lot, order and material."""

    region: RegionModel = Field(description="where the code is in every frame, with some space around it")
    symbologies: tuple[Literal["DataMatrix", "QRCode"], ...] = Field(("DataMatrix", "QRCode"), min_length=1)


class CameraModel(_Model):
    """One camera of the station."""

    source: str = Field(min_length=1, description='"simulated", "folder:PATH", "video:PATH", "usb:0", "rtsp://..."')
    options: dict[str, Option] = Field({}, description="driver settings, for example rate or timeout")
    mm_per_px: Annotated[float | None, FormField("Pixel size", unit="mm")] = Field(
        None, gt=0, description="size of one pixel at the part, in mm"
    )
    frame_size: tuple[Side, Side] | None = Field(
        None, description="width and height that it was set up with, in pixels; frames of another size are not inspected"
    )
    gate: Gate = Gate()
    code: CodeModel | None = Field(None, description="the code on the part; none if left out")


class InspectModel(_Model):
    """One bundle inspecting one region of one camera."""

    bundle: str = Field(min_length=1, description="folder of the bundle, relative to the recipe or a shipped bundle's name")
    camera: str = Field(min_length=1)
    region: RegionModel | None = Field(None, description="whole frame if left out")
    place: Annotated[str | None, FormField("Name of the place")] = Field(
        None, min_length=1, max_length=80, description="how rules call what this bundle inspects here"
    )
    engine: Annotated[str | None, FormField(choices=_engines)] = Field(None, description="engine of this bundle only")
    precision: Precision | None = Field(None, description="precision of this bundle only")
    threshold: float | None = Field(None, ge=0, le=1, description="score or mask threshold; the bundle's own if left out")
    tiles: Tiling | None = Field(None, description="the region is inspected in tiles; the bundle's own if left out")
    hot_celsius: Annotated[float | None, FormField("Hot spots", unit="°C")] = Field(
        None, description="thermal: hot spots are areas above this"
    )
    ok_classes: Annotated[tuple[str, ...] | None, FormField("Good classes")] = Field(
        None, description="classes of a good part; the bundle's own if left out"
    )


class Rule(_Model):
    """Compares one quantity of a bundle's prediction with limits.

    Above `limit` (below it with `when = "below"`): NG. Beyond `review` but not `limit`: REVIEW.
    """

    bundle: str = Field(min_length=1, description="whose predictions are compared, as in [[inspect]]")
    quantity: Annotated[str, AfterValidator(_known_quantity), FormField(choices=_quantities)] = Field(
        description="what is compared with the limit"
    )
    class_name: Annotated[str | None, FormField("Class")] = Field(
        None, description="only this class; every class that is not an ok class if left out"
    )
    when: Annotated[When, FormField("NG if")] = Field("above", description="the side of the limit that is bad")
    limit: float = Field(description="beyond it: NG")
    review: Annotated[float | None, FormField("Warning limit")] = Field(
        None, description="beyond it, but not beyond the limit: REVIEW"
    )
    baseline_parts: Annotated[int | None, FormField("Compare with good parts", unit="parts")] = Field(
        None,
        ge=2,
        le=MOST,
        description="limits hold for the difference to the mean of so many good parts before; for the value itself if left out",
    )
    place: Annotated[str | None, FormField("Only at the place")] = Field(
        None, min_length=1, max_length=80, description="only what the bundle inspects at the place of this name"
    )
    minus: Annotated[str | None, FormField("Less the place")] = Field(
        None,
        min_length=1,
        max_length=80,
        description="limits hold for the difference to the same quantity at the place of this name, on the same part",
    )
    rise_s: Annotated[float | None, FormField("Rise a minute over", unit="s")] = Field(
        None, gt=0, le=86_400, description="limits hold for the rise a minute, measured over the parts of so many seconds"
    )

    @property
    def is_compared(self) -> bool:
        """Whether the limits hold for a difference or a rise, and not for the value itself."""
        return (self.baseline_parts, self.minus, self.rise_s) != (None, None, None)

    def is_about(self, step: InspectModel) -> bool:
        """Whether the rule judges what this step finds. A place that others are compared with is not compared with itself."""
        here = self.bundle == step.bundle and self.place in (None, step.place)
        return here and (self.minus is None or self.minus != step.place)

    @model_validator(mode="after")
    def _band(self) -> Self:
        if self.is_compared and self.quantity == "class":
            raise ValueError("The most likely class cannot be compared with the parts before.")
        if sum(one is not None for one in (self.baseline_parts, self.minus, self.rise_s)) > 1:
            raise ValueError("A rule compares with good parts, with another place, or with time: one of them.")
        if self.minus is not None and self.minus == self.place:
            raise ValueError("A place cannot be compared with itself.")
        if self.review is not None and (self.review > self.limit) == (self.when == "above"):
            raise ValueError("The warning limit must come before the limit.")
        return self


class ArchiveModel(_Model):
    """What the archive keeps of the product's parts. Records are always kept, and so are the images of NG and REVIEW parts."""

    ok_every: int = Field(100, ge=0, le=1_000_000, description="keep the images of every n-th OK part; 0: of none")
    burst: int = Field(0, ge=0, le=16, description="keep the images of so many parts before and after each NG part as well")
    unrecorded: Literal["not_inspected", "tell"] = Field(
        "not_inspected", description="what the line is told of a part whose record could not be written in time"
    )
    heat: bool = Field(
        False, description="keep with each NG part where its bundles looked: heat maps, made beside the line (needs torch)"
    )


class Alarm(_Model):
    """How the window announces an NG part."""

    flash: bool = Field(False, description="the verdict flashes twice")
    sound: bool = Field(False, description="the desktop's warning sound, at most once a second")


class Recipe(_Model):
    """Everything the station needs for one product."""

    format: Literal[1] = 1
    name: str = Field(min_length=1, max_length=80)
    revision: int = Field(1, ge=1, le=2**31 - 1)
    mode: Literal["free", "triggered"] = Field("free", description="free: every frame; triggered: one part a trigger")
    engine: Annotated[str, FormField(choices=_engines)] = Field("openvino", description="what computes the predictions")
    precision: Precision = Field("fp32", description="of the arithmetic; others than fp32 must have been exported before")
    join_ms: Annotated[float, FormField("Wait for other cameras", unit="ms")] = Field(
        500.0, gt=0, description="how long a part waits for its other cameras"
    )
    trigger_ms: Annotated[float, FormField("Wait for frames", unit="ms")] = Field(
        2000.0, gt=0, description="how long a trigger waits for the frame of each camera"
    )
    max_batch: Annotated[int, FormField("Largest batch", unit="images")] = Field(
        8, ge=1, le=64, description="frames that an engine is given at once at most"
    )
    max_wait_ms: Annotated[float, FormField("Wait for a batch", unit="ms")] = Field(
        5.0, ge=0, description="a batch never waits longer than this for more frames"
    )
    takt_ms: Annotated[float | None, FormField("Takt", unit="ms")] = Field(
        None, gt=0, description="the time the line gives each part; measured if left out"
    )
    deadline_ms: Annotated[float | None, FormField("Deadline", unit="ms")] = Field(
        None,
        gt=0,
        description="a part without a verdict by then is NOT_INSPECTED; if left out: in triggered mode trigger_ms and three "
        "takts (2000 ms at least), in free mode none",
    )
    cameras: dict[str, CameraModel] = Field(min_length=1)
    inspect: tuple[InspectModel, ...] = Field(min_length=1)
    rules: tuple[Rule, ...] = ()
    archive: ArchiveModel = ArchiveModel()
    alarm: Alarm = Alarm()

    def without_secrets(self) -> Self:
        """Return the recipe without passwords and tokens in its cameras' addresses: for records, and for other computers."""
        cameras = {
            name: camera.model_copy(update={"source": hide_secrets(camera.source)}) for name, camera in self.cameras.items()
        }
        return self.model_copy(update={"cameras": cameras})

    @property
    def is_simulated(self) -> bool:
        """Whether any camera is rendered, so that no verdict concerns a real part."""
        return any(camera.source.partition(":")[0] == SIMULATED for camera in self.cameras.values())

    def deadline_s(self, mode: Literal["free", "triggered"]) -> float | None:
        """Seconds from its trigger or first frame within which a part must have its verdict; None for no deadline."""
        if self.deadline_ms is not None:
            return self.deadline_ms / 1000
        return self.trigger_ms / 1000 + self.silence_s if mode == "triggered" else None

    @property
    def silence_s(self) -> float:
        """Seconds without a sign of life after which a worker on parts counts as hanging: three takts, at least 2 s."""
        return max(SILENCE_S, 3 * (self.takt_ms or 0.0) / 1000)

    @model_validator(mode="after")
    def _references(self) -> Self:
        bundles = {step.bundle for step in self.inspect}
        for step in self.inspect:
            if step.camera not in self.cameras:
                raise ValueError(f"inspect: there is no camera called {step.camera!r}")
        places = [step.place for step in self.inspect if step.place is not None]
        for place in places:
            if places.count(place) > 1:
                raise ValueError(f"inspect: two places are called {place!r}")
        for rule in self.rules:
            if rule.bundle not in bundles:
                raise ValueError(f"rules: no [[inspect]] uses the bundle {rule.bundle!r}")
            about = [step for step in self.inspect if rule.is_about(step)]
            if rule.place is not None and not about:
                raise ValueError(f"rules: {rule.bundle!r} inspects no place called {rule.place!r}")
            if rule.minus is not None and rule.minus not in places:
                raise ValueError(f"rules: there is no place called {rule.minus!r}")
            if not about:
                raise ValueError(f"rules: {rule.bundle!r} inspects no other place than {rule.minus!r} to compare with it")
            compared = [step for step in self.inspect if rule.minus is not None and step.place == rule.minus]
            camera_models = [self.cameras[step.camera] for step in (*about, *compared)]
            if QUANTITIES[rule.quantity].scaled and any(camera.mm_per_px is None for camera in camera_models):
                raise ValueError(f"rules: {rule.quantity} needs mm_per_px of the camera that {rule.bundle!r} looks at")
        return self


def load_recipe(path: Path) -> Recipe:
    """Read a recipe. Raises ConfigError naming the file and the key."""
    try:
        data = read_bounded(path)
    except FileNotFoundError:
        raise ConfigError("There is no recipe {file}.", remedy="Check the path.", file=path) from None
    except (OSError, ValueError) as error:
        raise ConfigError("The recipe {file} cannot be read ({detail}).", file=path, detail=error) from error
    try:
        return Recipe.model_validate(parse_toml(data))
    except ValidationError as error:
        raise ConfigError(
            "The recipe {file} is not valid: {detail}.",
            remedy="Correct it and load it again.",
            file=path,
            detail=describe_validation(error),
        ) from error
    except UnicodeDecodeError as error:
        raise ConfigError("The recipe {file} cannot be read ({detail}).", file=path, detail=error) from error
    except ValueError as error:
        raise ConfigError("The recipe {file} is not TOML: {detail}.", file=path, detail=error) from error
