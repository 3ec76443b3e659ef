"""The status of the station: the only source for commands, window and sinks. Frozen; replaced on every change."""

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
    LOST = "LOST"  # is retried
    FAULT = "FAULT"  # given up, or can never work; a person must act
    ENDED = "ENDED"  # a finite source has ended


@dataclass(frozen=True, slots=True)
class CameraStatus:
    """A camera's state, and the error with its remedy if there is one.

    `failures`: consecutive failures since the last frame. `seen`: it has given a frame since the start. `since`: monotonic
    seconds of the last change of state.
    """

    state: CameraState = CameraState.CONNECTING
    problem: Message | None = None
    remedy: Message | None = None
    failures: int = 0
    seen: bool = False
    since: float = 0.0

    @property
    def troubled(self) -> bool:
        """Whether the camera gives no frames although it should."""
        return self.state in (CameraState.LOST, CameraState.FAULT)


@dataclass(frozen=True, slots=True)
class Fault:
    """A problem that stops verdicts or loses records: a failing engine, a full edge in triggered mode, a full disk."""

    problem: Message
    remedy: Message | None = None


@dataclass(frozen=True, slots=True)
class Judging:
    """The variants that judge from now on, and why. `tuned`: they were chosen for this machine, not by the recipe.

    `note`: message for a person if they are not the last choice.
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
    """One stage or edge: number of waiting and of dropped items, and the time per part over the last parts."""

    depth: int = 0
    drops: int = 0
    p50_ms: float = 0.0
    p99_ms: float = 0.0


TaktSource = Literal["", "recipe", "triggers", "arrivals"]


@dataclass(frozen=True, slots=True)
class TaktStats:
    """The takt (time the line gives each part) and the load of the inspection.

    `source`: origin of the takt, "" if unknown. `waits`: the source waits for the inspection. `busy`: time per part of the
    inspection thread, in ms. `late`: parts that took longer than the takt, or whose verdict came more than a takt after the
    part. `load`: share of the takt used by the parts of the last seconds, 1 for all of it.
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
    """Counters since the start, and rates over the last seconds."""

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
        """Share of OK parts among the inspected parts; None before the first inspected part."""
        inspected = self.parts - self.not_inspected
        return self.ok / inspected if inspected else None


@dataclass(frozen=True, slots=True)
class StationStatus:
    """The current status of the station, or after a run, the status at its end.

    `recipe`: the current or last recipe, completed by its bundles; before a start, as given. `cameras`, `faults`: of this run,
    by name and by location (stage, bundle, sink). `failure`: why the last start failed. `stats`: up to date if the status was
    requested, otherwise None.
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
        """Whether the station inspects or is starting."""
        return self.state in (StationState.STARTING, StationState.RUNNING)

    @property
    def lost(self) -> Mapping[str, CameraStatus]:
        """The cameras that give no frames although they should."""
        return {name: camera for name, camera in self.cameras.items() if camera.troubled}

    @property
    def finished(self) -> bool:
        """Whether every source has ended."""
        return bool(self.cameras) and all(camera.state is CameraState.ENDED for camera in self.cameras.values())
