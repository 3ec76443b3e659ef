"""A part on its way through the station."""

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum, auto
from types import MappingProxyType

from inspector.core.message import Message, message
from inspector.core.types import Frame, Inspection, Prediction
from inspector.inspection.program import Program
from inspector.inspection.quality import check_quality
from inspector.recipes.verdict import judge


@dataclass(frozen=True, slots=True)
class FrameCapture:
    """What one camera gave for a part: a frame, what is wrong with it, or both. `part`: its id where the source knows it."""

    frame: Frame | None
    problem: Message | None = None
    source: str = ""
    live: bool = False
    part: str = ""


class Life(Enum):
    """How far a part is: `OPEN` without a verdict, `DECIDED` by whoever came first, `TOLD` to everyone who is told."""

    OPEN = auto()
    DECIDED = auto()
    TOLD = auto()


@dataclass(slots=True, eq=False)
class Part:
    """A part on its way to its verdict. `opened`: monotonic seconds when the station first knew of it.

    `deadline_s`: seconds after which it must be answered, None for any time. `begun`: an engine has its frames. `life` is
    changed by the register of parts alone (`station.part_register`).
    """

    name: str
    sequence: int
    opened: float
    triggered: bool = False
    deadline_s: float | None = None
    begun: bool = False
    life: Life = Life.OPEN
    captures: dict[str, FrameCapture] = field(default_factory=dict)
    failures: list[Message] = field(default_factory=list)

    def frames(self) -> dict[str, Frame]:
        """The frames there are, by camera."""
        captures = list(self.captures.items())  # a camera may add to them meanwhile
        return {camera: capture.frame for camera, capture in captures if capture.frame is not None}

    def grabbed(self) -> float:
        """When its first frame was grabbed (the trigger, where there is no frame), in monotonic seconds."""
        return min((frame.monotonic for frame in self.frames().values()), default=self.opened)

    def due(self) -> float | None:
        """When it must be answered, in monotonic seconds: counted from its trigger, or from its first frame."""
        if self.deadline_s is None:
            return None
        return (self.opened if self.triggered else self.grabbed()) + self.deadline_s

    def grab_ms(self) -> float | None:
        """Return what its slowest frame took to make, in ms (cameras work side by side); None where nobody measured it."""
        return max((frame.grab_ms for frame in self.frames().values() if frame.grab_ms is not None), default=None)

    def weight(self) -> int:
        """Bytes of its frames."""
        return sum(frame.pixels.nbytes for frame in self.frames().values())

    def in_order(self, cameras: Iterable[str]) -> "Part":
        """The same part with its captures in this order of cameras, whichever came first."""
        ordered = {camera: self.captures[camera] for camera in cameras if camera in self.captures}
        self.captures = {**ordered, **self.captures}
        return self

    def source(self) -> str:
        """File or stream it was seen in."""
        return next((capture.frame.source if capture.frame else capture.source for capture in self.captures.values()), "")


@dataclass(slots=True)
class PartResult:
    """What the bundles said of one part, what went wrong, and how long its share of each stage took in ms."""

    predictions: list[Prediction] = field(default_factory=list)
    failures: list[Message] = field(default_factory=list)
    timings_ms: dict[str, float] = field(default_factory=dict)

    def spent(self, stage: str, seconds: float) -> None:
        self.timings_ms[stage] = self.timings_ms.get(stage, 0.0) + seconds * 1000

    def fail(self, problem: Message) -> None:
        """Note a problem once."""
        if problem not in self.failures:
            self.failures.append(problem)


def conclude(part: Part, result: PartResult, program: Program) -> Inspection:
    """Judge a part: the one place where an Inspection is made."""
    started, recipe = time.monotonic(), program.recipe
    part.in_order(recipe.cameras)
    failures = [*part.failures, *result.failures]
    due = part.due()
    if due is not None and part.deadline_s is not None and started > due:
        failures.append(late(started - due + part.deadline_s, part.deadline_s))
    decision = judge(recipe, result.predictions, failures)
    now = time.monotonic()
    result.spent("verdict", now - started)
    grab = part.grab_ms()
    if grab is not None:
        result.spent("grab", grab / 1000)
    timings: Mapping[str, float] = MappingProxyType(dict(result.timings_ms))
    return Inspection(
        part=part.name,
        sequence=part.sequence,
        verdict=decision.verdict,
        reasons=decision.reasons,
        judgements=decision.judgements,
        frames=MappingProxyType(part.frames()),
        predictions=tuple(result.predictions),
        recipe=recipe.name,
        revision=recipe.revision,
        latency_ms=(now - part.grabbed()) * 1000,
        timings_ms=timings,
        source=part.source(),
        judged_by=program.judged_by,
    )


def late(seconds: float, deadline_s: float) -> Message:
    """What is said of a part that was not judged in time."""
    return message(
        "The verdict came after {latency:.0f} ms, later than the deadline of {limit:.0f} ms.",
        latency=seconds * 1000,
        limit=deadline_s * 1000,
    )


def weight_of(inspection: Inspection) -> int:
    """Bytes of an inspection's frames."""
    return sum(frame.pixels.nbytes for frame in inspection.frames.values())


def capture_of(
    frame: Frame, camera: str, program: Program, *, problem: Message | None = None, live: bool = False
) -> FrameCapture:
    """A frame with what its picture itself shows to be wrong. `problem`: what is known to be wrong with it already."""
    gate = program.recipe.cameras[camera].gate if camera in program.recipe.cameras else None
    if problem is None and gate is not None:
        problem = check_quality(frame, gate, levels=program.levels(camera))
    return FrameCapture(frame, problem, frame.source, live, frame.part)
