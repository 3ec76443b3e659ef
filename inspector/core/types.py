"""The station's data: frames in, predictions and a verdict out. Immutable, and validated on construction.

Coordinates are pixels of the whole frame, x to the right, y down; a box is (left, top, right, bottom). Colour frames are RGB.
Temperatures are in kelvin.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Literal, TypeVar, assert_never, get_args

import numpy as np
from numpy.typing import NDArray

from inspector.core.message import Message
from inspector.core.verdict import SEVERITY as SEVERITY
from inspector.core.verdict import Verdict as Verdict

Pixels = NDArray[np.uint8 | np.uint16 | np.float32]
Floats = NDArray[np.float32]
Json = str | int | float | bool | None | Sequence["Json"] | Mapping[str, "Json"]  # what a JSON file holds
Unit = Literal["intensity", "kelvin"]
Precision = Literal["fp32", "bf16", "fp16", "int8"]
PRECISIONS: tuple[Precision, ...] = get_args(Precision)
TaskName = str  # a key of core.registry.TASKS

KELVIN_AT_0_C = 273.15
IGNORE = 255  # in a labelled mask: pixel without a label


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
        """Return whether the region lies inside a frame of this size."""
        return self.right <= width and self.bottom <= height


@dataclass(frozen=True, slots=True, eq=False)
class Scores:
    """A classifier's confidence per class: `values` float32 [C], in the order of the classes, with sum 1."""

    values: Floats

    @property
    def best(self) -> int:
        """The index of the most likely class."""
        return int(self.values.argmax())

    @property
    def margin(self) -> float:
        """The score of the most likely class minus that of the next."""
        first, second, *_ = (*sorted(self.values.tolist(), reverse=True), 0.0, 0.0)
        return float(first - second)


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
        """Return the boxes whose score reaches `score`."""
        keep = self.scores >= score
        return Boxes(self.xyxy[keep], self.scores[keep], self.classes[keep])


@dataclass(frozen=True, slots=True, eq=False)
class Masks:
    """Probability per class and pixel of a region: `planes` uint8 [K, h, w], probability * 255, at the network's resolution."""

    planes: NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class HotSpot:
    """A connected area hotter than the limit of the bundle or recipe: its hottest pixel, and its size in frame pixels."""

    x: int
    y: int
    kelvin: float
    area_px: float


@dataclass(frozen=True, slots=True)
class Temperatures:
    """Temperatures of a region in kelvin, measured by a radiometric camera or predicted by a network.

    `predicted` keeps the network's (maximum, mean, minimum) next to a measurement, for comparison.
    """

    maximum: float
    mean: float
    minimum: float
    source: Literal["measured", "predicted"]
    hot_spots: tuple[HotSpot, ...] = ()
    predicted: tuple[float, float, float] | None = None


# What a bundle answers. Whoever handles answers of any kind matches all of them and ends with `assert_never`, so that
# mypy reports every place that a new kind affects.
Answer = Scores | Boxes | Masks | Temperatures
AnswerT = TypeVar("AnswerT", Scores, Boxes, Masks, Temperatures)


@dataclass(frozen=True, slots=True)
class ClassLabel:
    """A labelled class, given by its index."""

    index: int


@dataclass(frozen=True, slots=True, eq=False)
class MaskLabel:
    """A labelled mask: uint8 [H, W], 0 background, k+1 the class with index k, IGNORE where the class is unknown."""

    pixels: NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class TemperatureLabel:
    """Known temperatures in kelvin."""

    maximum: float
    mean: float
    minimum: float


# What an annotation may hold, matched like `Answer`; `LabelKind` names the field.
Label = ClassLabel | Boxes | MaskLabel | TemperatureLabel
LabelKind = Literal["label", "boxes", "mask", "temperatures"]


@dataclass(frozen=True, slots=True, eq=False)
class Annotation:
    """The ground truth of one frame, as labelled by a person or known by the simulator.

    Only known fields are set. A frame may have labels of several kinds. A task reads the field of its own kind; code that shows
    labels of any kind matches `labels`. `mask` is uint8 [H, W]: 0 background, k+1 the class with index k, IGNORE where the
    class is unknown. `temperatures` is (maximum, mean, minimum) in kelvin. `confidence` (0..1] is the annotator's certainty
    that the label is right.
    """

    label: int | None = None
    boxes: Boxes | None = None
    mask: NDArray[np.uint8] | None = None
    temperatures: tuple[float, float, float] | None = None
    confidence: float = 1.0

    @property
    def labels(self) -> tuple[Label, ...]:
        """Every label that is known."""
        known: tuple[Label | None, ...] = (
            None if self.label is None else ClassLabel(self.label),
            self.boxes,
            None if self.mask is None else MaskLabel(self.mask),
            None if self.temperatures is None else TemperatureLabel(*self.temperatures),
        )
        return tuple(label for label in known if label is not None)


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """One image from one camera at its native depth.

    `pixels` is uint8 or uint16 [H, W] (mono) or [H, W, 3] (RGB), or float32 [H, W] in kelvin with `unit="kelvin"`. Pixels are
    never written to after the frame is made. A kelvin pixel without a temperature is NaN. `monotonic` is the time of grabbing
    in seconds of `time.monotonic()`. `part` is the part id if the source knows it; `source` names the file or stream. `grab_ms`
    is the time spent making the frame (transfer and decoding, or reading a file), without waiting for the part; None if not
    measured. `bits`: how many of 16 bits are used; None if unknown. `notes`: remarks for a person on how the image was read.
    `is_simulated`: the frame was rendered, so its verdict concerns no real part.
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
    bits: int | None = None
    notes: tuple[Message, ...] = ()
    is_simulated: bool = False

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
    """One bundle's answer for one region of one frame.

    `answer`: boxes down to the bundle's floor score, not yet cut at the decision threshold. `engine` and `precision`: the
    variant that was used, if the station predicted. `threshold`: the score or mask threshold in force at that time.
    """

    bundle: str
    task: TaskName
    camera: str
    classes: tuple[str, ...]
    region: Region
    answer: Answer
    engine: str = ""
    precision: str = ""
    threshold: float = 0.5

    def __post_init__(self) -> None:
        match self.answer:
            case Scores(values):
                if values.shape != (len(self.classes),):
                    raise ValueError(f"{len(self.classes)} classes, scores {values.shape}")
            case Masks(planes):
                if planes.ndim != 3 or len(planes) != len(self.classes):
                    raise ValueError(f"{len(self.classes)} classes, masks {planes.shape}")
            case Boxes() | Temperatures():
                pass
            case _:
                assert_never(self.answer)

    def expect(self, kind: type[AnswerT]) -> AnswerT:
        """Return the answer, narrowed to its expected kind. Raises TypeError for another kind."""
        if not isinstance(self.answer, kind):
            raise TypeError(f"{self.bundle} answers with {type(self.answer).__name__}, not {kind.__name__}")
        return self.answer


@dataclass(frozen=True, slots=True)
class Judgement:
    """The result of one rule on one prediction, whether the rule fired or not.

    `rule`: the rule's index in the complete recipe. `name`: the classes concerned, "-" for none. `value`, in the quantity's
    unit, is NaN if it could not be measured. `limit`: the limit that decided; the rule's own limit if the rule did not fire.
    `baseline`: where the limit holds for the difference of the value to it: the mean of the last good parts, the value at
    another place, or the value less its rise a minute; NaN while it is not known. `wrong`: whether the classes concerned are
    bad.
    """

    rule: int
    bundle: str
    camera: str
    region: Region
    quantity: str
    name: str
    value: float
    when: Literal["above", "below"]
    limit: float
    verdict: Verdict
    baseline: float | None = None
    wrong: bool = True

    @property
    def compared(self) -> float:
        """What the limit holds for: the value, or its difference to the baseline; NaN while that is not known."""
        return self.value - (self.baseline or 0.0)


@dataclass(frozen=True, slots=True)
class JudgedBy:
    """What judged a part, so that its record can be traced.

    Holds the SHA-256 of the complete recipe, the fingerprint of each bundle and the SHA-256 of its card by its name in the
    recipe, and the version of this program. `documents`: the recipe and the bundles' cards as JSON, the recipe by its hash and
    a card by its bundle's fingerprint.
    """

    recipe_digest: str = ""
    bundles: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    cards: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    software: str = ""
    documents: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, slots=True)
class CodeReading:
    """What a code on the part says, read from one camera's frame; `problem`: why it says nothing.

    `text`: as it is written. `symbology`: kind of the code. `ms`: time spent reading. `serial_number`, `lot`, `job_id` (order)
    and `material`: as GS1 names them, "" where it does not say.
    """

    camera: str
    text: str = ""
    symbology: str = ""
    serial_number: str = ""
    lot: str = ""
    job_id: str = ""
    material: str = ""
    problem: Message | None = None
    ms: float = 0.0


@dataclass(frozen=True, slots=True)
class FileState:
    """The properties of a file by which a change of its content is noticed. `changed_ns` is the time of change of any of them
    (on Windows: of the file's creation)."""

    size: int
    modified_ns: int
    changed_ns: int
    inode: int

    def same_content(self, other: "FileState") -> bool:
        """Return whether size and time of modification are the same, which a replaced file may keep."""
        return (self.size, self.modified_ns) == (other.size, other.modified_ns)

    def __str__(self) -> str:
        return f"{self.size}:{self.modified_ns}:{self.changed_ns}:{self.inode}"

    @classmethod
    def parse(cls, text: str) -> "FileState":
        return cls(*map(int, text.split(":")))


@dataclass(frozen=True, slots=True, eq=False)
class Origin:
    """The page of a watched file that a capture was read from.

    `path`: relative to the folder, with slashes. `digest`: of the file's bytes. `arrived`: monotonic seconds when the file came
    or was last modified. `ledger`: the file that keeps what was judged; "" for none.
    """

    path: str
    page: int
    pages: int
    state: FileState
    digest: bytes
    arrived: float
    ledger: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Inspection:
    """The station's complete record of one part: frames by camera name, predictions, verdict, reasons, and timings in ms.

    `judgements`: the result of every rule; `reasons`: the sentences of the rules that fired and of every failure. `latency_ms`:
    from the grab to the verdict; from a watched file's arrival. `origins`: the watched files that it was read from. `due`:
    monotonic seconds by which the line must know the verdict, None for no deadline. `lot`: its name, "" if it has none;
    None where parts are not counted by lot. `codes`: what is written on the part.
    """

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
    judgements: tuple[Judgement, ...] = ()
    judged_by: JudgedBy = JudgedBy()
    origins: tuple[Origin, ...] = ()
    due: float | None = None
    lot: str | None = None
    codes: tuple[CodeReading, ...] = ()

    @property
    def is_simulated(self) -> bool:
        """Whether any frame was rendered, so that the verdict concerns no real part."""
        return any(frame.is_simulated for frame in self.frames.values())

    @property
    def notes(self) -> tuple[Message, ...]:
        """Remarks on how the part's frames and codes were read, each once."""
        notes: list[Message] = []
        for frame in self.frames.values():
            notes += [note for note in frame.notes if note not in notes]
        return (*notes, *(code.problem for code in self.codes if code.problem is not None))
