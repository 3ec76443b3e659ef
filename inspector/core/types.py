"""What flows through the station: frames in, predictions and a verdict out. Frozen, and checked when made.

Coordinates are pixels of the whole frame, x to the right, y down, a box as (left, top, right, bottom).
Colour frames are RGB. Temperatures are kelvin.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from inspector.core.message import Message
from inspector.core.verdict import SEVERITY as SEVERITY
from inspector.core.verdict import Verdict as Verdict

Pixels = NDArray[np.uint8 | np.uint16 | np.float32]
Floats = NDArray[np.float32]
Unit = Literal["intensity", "kelvin"]
TaskName = Literal["classification", "detection", "segmentation", "thermal"]

KELVIN_AT_0_C = 273.15
IGNORE = 255  # in a labelled mask: nobody said what this pixel shows


@dataclass(frozen=True, slots=True)
class Region:
    """A rectangle of a frame, in whole pixels."""

    x: int
    y: int
    width: int
    height: int

    def __post_init__(self) -> None:
        if self.x < 0 or self.y < 0 or self.width < 1 or self.height < 1:
            raise ValueError(f"not a region: {self}")

    @property
    def right(self) -> int:
        return self.x + self.width

    @property
    def bottom(self) -> int:
        return self.y + self.height

    def fits(self, width: int, height: int) -> bool:
        """Whether the region lies inside a frame of this size."""
        return self.right <= width and self.bottom <= height


@dataclass(frozen=True, slots=True, eq=False)
class Boxes:
    """Detected or labelled boxes: `xyxy` float32 [N, 4] in frame pixels, `scores` float32 [N] in 0..1, `classes` int64 [N]."""

    xyxy: Floats
    scores: Floats
    classes: NDArray[np.int64]

    def __post_init__(self) -> None:
        n = len(self.xyxy)
        if self.xyxy.shape != (n, 4) or self.scores.shape != (n,) or self.classes.shape != (n,):
            raise ValueError(f"boxes {self.xyxy.shape}, scores {self.scores.shape}, classes {self.classes.shape}")

    def __len__(self) -> int:
        return len(self.xyxy)

    @classmethod
    def empty(cls) -> "Boxes":
        return cls(np.zeros((0, 4), np.float32), np.zeros(0, np.float32), np.zeros(0, np.int64))

    def at_least(self, score: float) -> "Boxes":
        """The boxes whose score reaches `score`."""
        keep = self.scores >= score
        return Boxes(self.xyxy[keep], self.scores[keep], self.classes[keep])


@dataclass(frozen=True, slots=True)
class HotSpot:
    """A connected area hotter than the bundle's or recipe's limit: its hottest pixel and its size in frame pixels."""

    x: int
    y: int
    kelvin: float
    area_px: float


@dataclass(frozen=True, slots=True)
class Temperatures:
    """Temperatures of a region in kelvin, and whether they were measured by a radiometric camera or predicted by a network.

    `predicted` keeps the network's (maximum, mean, minimum) beside a measurement, for comparison.
    """

    maximum: float
    mean: float
    minimum: float
    source: Literal["measured", "predicted"]
    hot_spots: tuple[HotSpot, ...] = ()
    predicted: tuple[float, float, float] | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Annotation:
    """The truth of one frame, as labelled by a person or known by the simulator. Only what is known is set.

    `mask` is uint8 [H, W]: 0 background, k+1 the class with index k, IGNORE where it is not known. `temperatures` is
    (maximum, mean, minimum) in kelvin. `confidence` (0..1] is how sure whoever gave the label was that it is right.
    """

    label: int | None = None
    boxes: Boxes | None = None
    mask: NDArray[np.uint8] | None = None
    temperatures: tuple[float, float, float] | None = None
    confidence: float = 1.0


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """One image from one camera at its native depth.

    `pixels` is uint8 or uint16 [H, W] (mono) or [H, W, 3] (RGB), or float32 [H, W] kelvin with `unit="kelvin"`; it is
    never written to after the frame is made. `monotonic` is the time of grabbing in seconds of `time.monotonic()`.
    `part` is the part id where the source knows it; `source` names the file or stream. `grab_ms` is what making the frame
    took (transfer and decoding, reading a file), without waiting for the part; None where nobody measured it.
    """

    pixels: Pixels
    camera: str
    sequence: int
    monotonic: float
    utc: datetime
    unit: Unit = "intensity"
    part: str = ""
    source: str = ""
    truth: Annotation | None = None
    grab_ms: float | None = None

    def __post_init__(self) -> None:
        shape, dtype = self.pixels.shape, self.pixels.dtype
        if len(shape) not in (2, 3) or (len(shape) == 3 and shape[2] != 3) or 0 in shape:
            raise ValueError(f"a frame is [H, W] or [H, W, 3], not {shape}")
        if self.unit == "kelvin":
            if len(shape) != 2 or dtype != np.float32:
                raise ValueError(f"a kelvin frame is float32 [H, W], not {dtype} {shape}")
        elif dtype not in (np.uint8, np.uint16):
            raise ValueError(f"a frame is uint8 or uint16, not {dtype}")

    @property
    def width(self) -> int:
        return int(self.pixels.shape[1])

    @property
    def height(self) -> int:
        return int(self.pixels.shape[0])


@dataclass(frozen=True, slots=True, eq=False)
class Prediction:
    """What one bundle says of one region of one frame. Exactly one of the four kinds below is set.

    `scores` float32 [C], in the order of `classes`, summing to 1. `boxes` down to the bundle's floor score, not yet cut
    at the decision threshold. `mask` uint8 [K, h, w]: probability times 255 of each class at the network's resolution,
    covering `region`. `temperatures` for thermal bundles. `engine` and `precision`: the variant that judged, where it was
    the station.
    """

    bundle: str
    task: TaskName
    camera: str
    classes: tuple[str, ...]
    region: Region
    scores: Floats | None = None
    boxes: Boxes | None = None
    mask: NDArray[np.uint8] | None = None
    temperatures: Temperatures | None = None
    engine: str = ""
    precision: str = ""

    def __post_init__(self) -> None:
        kinds = (self.scores, self.boxes, self.mask, self.temperatures)
        if sum(kind is not None for kind in kinds) != 1:
            raise ValueError("a prediction has exactly one of scores, boxes, mask, temperatures")
        if self.scores is not None and self.scores.shape != (len(self.classes),):
            raise ValueError(f"{len(self.classes)} classes, scores {self.scores.shape}")
        if self.mask is not None and (self.mask.ndim != 3 or len(self.mask) != len(self.classes)):
            raise ValueError(f"{len(self.classes)} classes, mask {self.mask.shape}")


@dataclass(frozen=True, slots=True, eq=False)
class Inspection:
    """Everything the station knows of one part: its frames by camera name, predictions, verdict and why, and timings in ms."""

    part: str
    sequence: int
    verdict: Verdict
    reasons: tuple[Message, ...]
    frames: Mapping[str, Frame]
    predictions: tuple[Prediction, ...]
    recipe: str
    revision: int
    latency_ms: float
    timings_ms: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))
    utc: datetime = field(default_factory=lambda: datetime.now(UTC))
    source: str = ""  # file or stream the part was seen in, also where no frame could be made of it
