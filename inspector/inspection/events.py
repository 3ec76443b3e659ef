"""Facts the station tells. Frozen; delivered on the station's own threads, so listeners must be quick."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal

from inspector.core.message import Message
from inspector.core.types import Inspection


class CameraState(StrEnum):
    CONNECTING = "CONNECTING"
    STREAMING = "STREAMING"
    LOST = "LOST"  # will be tried again
    FAULT = "FAULT"  # given up, or can never work; a person must act
    ENDED = "ENDED"  # a finite source is through


@dataclass(frozen=True, slots=True)
class CameraChanged:
    """A camera's state, and the error with its remedy where there is one."""

    camera: str
    state: CameraState
    problem: Message | None = None
    remedy: Message | None = None


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that stops verdicts: an engine that fails, a full edge in triggered mode. `where`: stage or bundle."""

    where: str
    problem: Message
    remedy: Message | None = None


@dataclass(frozen=True, slots=True)
class Cleared:
    """The fault at `where` is over."""

    where: str


@dataclass(frozen=True, slots=True)
class Inspected:
    """A part has its verdict."""

    inspection: Inspection


@dataclass(frozen=True, slots=True)
class Judging:
    """Which variants judge from now on, and why. `tuned`: they were chosen for this machine, not by the recipe.

    `note`: what a person must know, because it is not what was chosen last.
    """

    why: Message
    note: Message | None = None
    tuned: bool = False


class StationState(StrEnum):
    STOPPED = "STOPPED"
    STARTING = "STARTING"  # engines are being compiled
    RUNNING = "RUNNING"
    STOPPING = "STOPPING"


@dataclass(frozen=True, slots=True)
class StateChanged:
    state: StationState


Event = CameraChanged | Fault | Cleared | Inspected | Judging | StateChanged


@dataclass(frozen=True, slots=True)
class StageStats:
    """One stage or edge: how much waits, how much was dropped, and its time per part over the last parts."""

    depth: int = 0
    drops: int = 0
    p50_ms: float = 0.0
    p99_ms: float = 0.0


TaktSource = Literal["", "recipe", "triggers", "arrivals"]


@dataclass(frozen=True, slots=True)
class TaktStats:
    """The time the line gives each part, and what the inspection takes of it.

    `source`: where the takt is from, "" where it is not known; `waits`: the source waits for the inspection. `busy`: what one
    part takes of the thread that inspects, in ms. `late`: parts that took longer than the takt, or whose verdict came more
    than a takt after the part. `load`: share of the takt that the parts of the last seconds took, 1 for all of it.
    """

    takt_ms: float | None = None
    source: TaktSource = ""
    waits: bool = False
    busy_p50_ms: float | None = None
    busy_p99_ms: float | None = None
    late: int = 0
    load: float | None = None


@dataclass(frozen=True, slots=True)
class Stats:
    """Counters since start, and rates over the last seconds."""

    parts: int = 0
    ok: int = 0
    ng: int = 0
    review: int = 0
    not_inspected: int = 0
    dropped: int = 0
    seconds: float = 0.0
    verdicts_per_s: float = 0.0
    camera_fps: Mapping[str, float] = field(default_factory=dict)
    latency_p50_ms: float = 0.0
    latency_p99_ms: float = 0.0
    stages: Mapping[str, StageStats] = field(default_factory=dict)
    takt: TaktStats = TaktStats()

    @property
    def yield_share(self) -> float | None:
        """OK parts over inspected parts, or None before the first inspected part."""
        inspected = self.parts - self.not_inspected
        return self.ok / inspected if inspected else None
