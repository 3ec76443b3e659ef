"""A part on its way through the station."""

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum, auto
from types import MappingProxyType

from inspector.core.message import Message, message
from inspector.core.types import CodeReading, Frame, Inspection, Origin, Prediction
from inspector.inspection.codes import read_code
from inspector.inspection.program import Program
from inspector.inspection.quality import check_quality
from inspector.recipes.verdict import judge, learn

SETTLE = "settle"  # timing of a watched file: from its arrival until it was read


@dataclass(frozen=True, slots=True)
class FrameCapture:
    """The capture of one camera for a part: a frame, a problem, or both. `part`: the part id, if the source knows it.

    `origin`: the watched file that it was read from. `code`: what is written on the part.
    """

    frame: Frame | None
    problem: Message | None = None
    source: str = ""
    live: bool = False
    part: str = ""
    origin: Origin | None = None
    code: CodeReading | None = None


class Life(Enum):
    """State of a part: `OPEN` without a verdict, `DECIDED` by one thread, `TOLD` to all sinks."""

    OPEN = auto()
    DECIDED = auto()
    TOLD = auto()


@dataclass(slots=True, eq=False)
class Part:
    """A part on its way to its verdict. `opened`: monotonic seconds when the station first knew of it.

    `deadline_s`: seconds until the verdict is due, None for no deadline. `then`: seconds when a part that is judged again was
    grabbed; rises are over that time and not over that of reading. `begun`: an engine has its frames. `life` is changed only by
    the register of parts (`station.part_register`).
    """

    name: str
    sequence: int
    opened: float
    triggered: bool = False
    deadline_s: float | None = None
    then: float | None = None
    begun: bool = False
    life: Life = Life.OPEN
    captures: dict[str, FrameCapture] = field(default_factory=dict)
    failures: list[Message] = field(default_factory=list)

    def frames(self) -> dict[str, Frame]:
        """The frames so far, by camera."""
        captures = list(self.captures.items())  # a camera may add captures concurrently
        return {camera: capture.frame for camera, capture in captures if capture.frame is not None}

    def grabbed(self) -> float:
        """Monotonic seconds when the first frame was grabbed; without frames, those of the trigger."""
        return min((frame.monotonic for frame in self.frames().values()), default=self.opened)

    def origins(self) -> tuple[Origin, ...]:
        """The watched files that the part was read from."""
        return tuple(capture.origin for capture in self.captures.values() if capture.origin is not None)

    def due(self) -> float | None:
        """Monotonic seconds when the verdict is due, counted from the trigger or first frame; None without a deadline."""
        if self.deadline_s is None:
            return None
        return (self.opened if self.triggered else self.grabbed()) + self.deadline_s

    def grab_ms(self) -> float | None:
        """Return the grab time of the slowest frame in ms (cameras work in parallel); None if not measured."""
        return max((frame.grab_ms for frame in self.frames().values() if frame.grab_ms is not None), default=None)

    def weight(self) -> int:
        """Size of the frames in bytes."""
        return sum(frame.pixels.nbytes for frame in self.frames().values())

    def in_order(self, cameras: Iterable[str]) -> "Part":
        """Return the part with its captures in this order of cameras, whatever their order of arrival."""
        ordered = {camera: self.captures[camera] for camera in cameras if camera in self.captures}
        self.captures = {**ordered, **self.captures}
        return self

    def source(self) -> str:
        """File or stream that the first capture came from; "" without captures."""
        return next((capture.frame.source if capture.frame else capture.source for capture in self.captures.values()), "")


@dataclass(slots=True)
class PartResult:
    """The results of the bundles for one part, its failures, and its share of each stage's time in ms."""

    predictions: list[Prediction] = field(default_factory=list)
    failures: list[Message] = field(default_factory=list)
    timings_ms: dict[str, float] = field(default_factory=dict)

    def spent(self, stage: str, seconds: float) -> None:
        self.timings_ms[stage] = self.timings_ms.get(stage, 0.0) + seconds * 1000

    def fail(self, problem: Message) -> None:
        """Add a problem, without duplicates."""
        if problem not in self.failures:
            self.failures.append(problem)


def conclude(part: Part, result: PartResult, program: Program) -> Inspection:
    """Judge a part. The only place where an Inspection is made."""
    started, recipe = time.monotonic(), program.recipe
    part.in_order(recipe.cameras)
    failures = [*part.failures, *result.failures]
    due = part.due()
    if due is not None and part.deadline_s is not None and started > due:
        failures.append(late(started - due + part.deadline_s, part.deadline_s))
    grabbed = part.grabbed()
    at = grabbed if part.then is None else part.then
    decision = judge(recipe, result.predictions, failures, program.history, at=at)
    learn(recipe, decision, program.history, at=at)
    now, origins = time.monotonic(), part.origins()
    result.spent("verdict", now - started)
    arrived = min([grabbed, *(origin.arrived for origin in origins)])
    if origins:
        result.spent(SETTLE, grabbed - arrived)
    grab = part.grab_ms()
    if grab is not None:
        result.spent("grab", grab / 1000)
    codes = tuple(capture.code for capture in part.captures.values() if capture.code is not None)
    if codes:
        result.spent("code", sum(code.ms for code in codes) / 1000)
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
        latency_ms=(now - arrived) * 1000,
        timings_ms=timings,
        source=part.source(),
        judged_by=program.judged_by,
        origins=origins,
        due=due,
        codes=codes,
    )


def late(seconds: float, deadline_s: float) -> Message:
    """Return the message for a part that was not judged in time."""
    return message(
        "The verdict came after {latency:.0f} ms, later than the deadline of {limit:.0f} ms.",
        latency=seconds * 1000,
        limit=deadline_s * 1000,
    )


def weight_of(inspection: Inspection) -> int:
    """Return the size of an inspection's frames in bytes."""
    return sum(frame.pixels.nbytes for frame in inspection.frames.values())


def capture_of(
    frame: Frame,
    camera: str,
    program: Program,
    *,
    problem: Message | None = None,
    live: bool = False,
    origin: Origin | None = None,
) -> FrameCapture:
    """Return a capture with the frame, its quality problem, and the code in it, if any. `problem`: an already known problem."""
    model = program.recipe.cameras.get(camera)
    if problem is None and model is not None:
        problem = check_quality(frame, model.gate, levels=program.levels(camera))
    code = None if model is None or model.code is None else read_code(frame, model.code)
    return FrameCapture(frame, problem, frame.source, live, frame.part, origin, code)
