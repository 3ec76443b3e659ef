"""A part on its way through the station."""

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from inspector.core.message import Message, message
from inspector.core.types import Frame, Inspection, Prediction
from inspector.inspection.program import Program
from inspector.inspection.quality import check_quality
from inspector.recipes.recipe import Recipe
from inspector.recipes.verdict import judge


@dataclass(frozen=True, slots=True)
class Shot:
    """What one camera gave for a part: a frame, what is wrong with it, or both. `part`: its id where the source knows it."""

    frame: Frame | None
    problem: Message | None = None
    source: str = ""
    live: bool = False
    part: str = ""


@dataclass(slots=True)
class Part:
    """A part that has no verdict yet. `opened`: monotonic seconds when the station first knew of it."""

    name: str
    sequence: int
    opened: float
    triggered: bool = False
    shots: dict[str, Shot] = field(default_factory=dict)
    failures: list[Message] = field(default_factory=list)

    def frames(self) -> dict[str, Frame]:
        """Return the frames there are, by camera."""
        return {camera: shot.frame for camera, shot in self.shots.items() if shot.frame is not None}

    def grabbed(self) -> float:
        """When its first frame was grabbed (the trigger, where there is no frame), in monotonic seconds."""
        return min((frame.monotonic for frame in self.frames().values()), default=self.opened)

    def grab_ms(self) -> float | None:
        """Return what its slowest frame took to make, in ms (cameras work side by side); None where nobody measured it."""
        return max((frame.grab_ms for frame in self.frames().values() if frame.grab_ms is not None), default=None)

    def weight(self) -> int:
        """Bytes of its frames."""
        return sum(frame.pixels.nbytes for frame in self.frames().values())

    def in_order(self, cameras: Iterable[str]) -> "Part":
        """Return the same part with its shots in this order of cameras, whichever came first."""
        ordered = {camera: self.shots[camera] for camera in cameras if camera in self.shots}
        self.shots = {**ordered, **self.shots}
        return self

    def source(self) -> str:
        """File or stream it was seen in."""
        return next((shot.frame.source if shot.frame else shot.source for shot in self.shots.values()), "")


@dataclass(slots=True)
class Findings:
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


def conclude(part: Part, findings: Findings, recipe: Recipe) -> Inspection:
    """Judge a part: the one place where an Inspection is made."""
    started = time.monotonic()
    part.in_order(recipe.cameras)
    latency = (started - part.grabbed()) * 1000
    failures = [*part.failures, *findings.failures]
    if recipe.deadline_ms is not None and latency > recipe.deadline_ms:
        late = "The verdict came after {latency:.0f} ms, later than the deadline of {limit:.0f} ms."
        failures.append(message(late, latency=latency, limit=recipe.deadline_ms))
    decision = judge(recipe, findings.predictions, failures)
    now = time.monotonic()
    findings.spent("verdict", now - started)
    grab = part.grab_ms()
    if grab is not None:
        findings.spent("grab", grab / 1000)
    timings: Mapping[str, float] = MappingProxyType(dict(findings.timings_ms))
    return Inspection(
        part=part.name,
        sequence=part.sequence,
        verdict=decision.verdict,
        reasons=decision.reasons,
        judgements=decision.judgements,
        frames=MappingProxyType(part.frames()),
        predictions=tuple(findings.predictions),
        recipe=recipe.name,
        revision=recipe.revision,
        latency_ms=(now - part.grabbed()) * 1000,
        timings_ms=timings,
        source=part.source(),
    )


def weight_of(inspection: Inspection) -> int:
    """Bytes of an inspection's frames."""
    return sum(frame.pixels.nbytes for frame in inspection.frames.values())


def shoot(frame: Frame, camera: str, program: Program, *, problem: Message | None = None, live: bool = False) -> Shot:
    """Return a frame with what its picture itself shows to be wrong. `problem`: what is known to be wrong with it already."""
    gate = program.recipe.cameras[camera].gate if camera in program.recipe.cameras else None
    if problem is None and gate is not None:
        problem = check_quality(frame, gate, levels=program.levels(camera))
    return Shot(frame, problem, frame.source, live, frame.part)
