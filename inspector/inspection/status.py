"""What is known of the station: the one truth that commands, window and sinks read. Frozen; a new one at every change."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Literal

from inspector.core.errors import InspectorError
from inspector.core.message import Message
from inspector.recipes.recipe import Recipe

Mode = Literal["free", "triggered"]
Report = Callable[[str, Message | None, Message | None], None]
"""Told where something is wrong, what, and the remedy; problem None: it is over."""


class CameraState(StrEnum):
    CONNECTING = "CONNECTING"
    STREAMING = "STREAMING"
    LOST = "LOST"  # will be tried again
    FAULT = "FAULT"  # given up, or can never work; a person must act
    ENDED = "ENDED"  # a finite source is through


@dataclass(frozen=True, slots=True)
class CameraStatus:
    """A camera's state, and the error with its remedy where there is one.

    `failures`: in a row since it last gave a frame. `seen`: it has given one since the start. `since`: when it came to this
    state, in monotonic seconds.
    """

    state: CameraState = CameraState.CONNECTING
    problem: Message | None = None
    remedy: Message | None = None
    failures: int = 0
    seen: bool = False
    since: float = 0.0

    @property
    def troubled(self) -> bool:
        """Whether it gives no frames although it should."""
        return self.state in (CameraState.LOST, CameraState.FAULT)


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that stops verdicts or loses records: an engine that fails, a full edge in triggered mode, a full disk."""

    problem: Message
    remedy: Message | None = None


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


@dataclass(frozen=True, slots=True)
class StationStatus:
    """The station as it is now, and after a run, as it was at its end.

    `recipe`: the one that runs or ran last, with everything that it left to its bundles; before a start, as it was given.
    `cameras`, `faults`: of this run, by name and by where they are (stage, bundle, sink). `failure`: why the last start did not
    succeed. `stats`: where the status was asked for, as they are then.
    """

    state: StationState = StationState.STOPPED
    mode: Mode = "free"
    recipe: Recipe | None = None
    cameras: Mapping[str, CameraStatus] = field(default_factory=lambda: MappingProxyType({}))
    faults: Mapping[str, Fault] = field(default_factory=lambda: MappingProxyType({}))
    judging: Judging | None = None
    failure: InspectorError | None = None
    stats: Stats = Stats()

    @property
    def running(self) -> bool:
        """Whether it inspects or is about to."""
        return self.state in (StationState.STARTING, StationState.RUNNING)

    @property
    def lost(self) -> Mapping[str, CameraStatus]:
        """The cameras that give no frames although they should."""
        return {name: camera for name, camera in self.cameras.items() if camera.troubled}

    @property
    def finished(self) -> bool:
        """Whether every source is through."""
        return bool(self.cameras) and all(camera.state is CameraState.ENDED for camera in self.cameras.values())
