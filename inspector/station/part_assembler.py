"""Assembly of frames into parts.

Frames are joined, in this order of preference: by part id, if the source knows it; by position, if no camera is live (the n-th
file of one folder with the n-th of another); by time, each camera's newest frame with the others' newest. A trigger opens its
own part, and every camera contributes one frame.
"""

import itertools
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from threading import Condition, Event

from inspector.core.errors import ConfigError
from inspector.core.message import Message, message
from inspector.inspection.parts import FrameCapture, Part
from inspector.inspection.status import CameraState, Mode
from inspector.inspection.takt import Arrivals

AHEAD = 4  # most parts by which a camera that can wait may be ahead of the others
PATIENCE = 10.0  # a camera that can wait is no longer waited for after this many seconds without a frame
_SILENT = (CameraState.ENDED, CameraState.FAULT)


@dataclass(slots=True)
class _CameraSeen:
    live: bool
    state: CameraState = CameraState.CONNECTING
    problem: Message | None = None
    touched: float = 0.0  # time of the last frame or permission for one
    busy: bool = False  # the camera waits for the assembler, not the other way round
    furthest: int = -1  # sequence of the newest part with a frame of this camera
    held_s: float = 0.0  # how long the camera has waited since its last frame
    held_since: float | None = None


@dataclass(slots=True)
class Assembled:
    """The result of a frame: completed parts, and the number of frames dropped for newer ones."""

    ready: list[Part] = field(default_factory=list)
    replaced: int = 0


class PartAssembler:
    """The parts that wait for frames. Every method may be called from any thread."""

    def __init__(
        self,
        cameras: Mapping[str, bool],
        *,
        mode: Mode,
        join_s: float,
        trigger_s: float,
        opened: Callable[[Part], bool] = lambda part: True,
        issue: Callable[[], str] | None = None,
    ) -> None:
        """`cameras`: name -> live. `join_s`, `trigger_s`: how long a part waits for its cameras, in seconds.

        `opened` receives every new part and returns False for a part that will not be answered, which is then not waited for.
        `issue` returns the id of a part that has none, or only that of a simulation, which begins anew at every start; by
        default the part's number in this run, and the simulation's.
        """
        self.deadline_s: float | None = None  # for parts opened from now on
        self._opened = opened
        self._issue = issue
        self.arrivals = Arrivals("triggers" if mode == "triggered" else "arrivals")
        self._cameras = {name: _CameraSeen(live, touched=time.monotonic()) for name, live in cameras.items()}
        self._mode = mode
        self._join_s = join_s
        self._trigger_s = trigger_s
        self._any_live = any(cameras.values())
        self._open: dict[str, Part] = {}  # by joining key, oldest first
        self._numbers = itertools.count()
        self._newest = -1  # number given last
        self._changed = Condition()

    def live(self, camera: str) -> bool:
        """Return whether a camera is live."""
        return self._cameras[camera].live

    def wanted(self, camera: str, stop: Event) -> bool:
        """Wait until a frame of a camera that can wait is needed; return False if `stop` was set.

        A live camera is always read, because its frames do not wait.
        """
        seen = self._cameras[camera]
        if seen.live:
            return not stop.is_set()
        with self._changed:
            seen.busy = True
            asked = time.monotonic()
            while not stop.is_set() and not self._of_use(camera):
                self._changed.wait(0.1)
            seen.busy = False
            seen.touched = time.monotonic()
            seen.held_s += seen.touched - asked
        return not stop.is_set()

    def add(self, camera: str, capture: FrameCapture) -> Assembled:
        """Add a camera's capture to its part."""
        now = time.monotonic()
        assembled = Assembled()
        with self._changed:
            seen = self._cameras[camera]
            seen.touched = now
            part = self._part_for(camera, capture, now, assembled)
            if part is not None:
                part.captures[camera] = capture
                seen.furthest = max(seen.furthest, part.sequence)
                if self._cameras.keys() <= part.captures.keys():
                    assembled.ready.append(self._close(part))
            elif self._mode == "free":  # its part is not answered; the camera has gone past those that are
                seen.furthest = self._newest
            seen.held_s = 0.0
            self._changed.notify_all()
        return assembled

    def held_up(self, camera: str, held_up: bool) -> None:
        """Record that a camera waits for room, so that its silence does not count as a fault."""
        with self._changed:
            seen, now = self._cameras[camera], time.monotonic()
            if held_up:
                seen.held_since = now
            elif seen.held_since is not None:
                seen.held_s += now - seen.held_since
                seen.held_since = None
            seen.busy, seen.touched = held_up, now

    def trigger(self, name: str) -> Part:
        """Open a part to which every camera will contribute one frame."""
        with self._changed:
            if self._mode != "triggered":
                raise ConfigError("The station is not in triggered mode.", remedy="Start it in triggered mode.")
            part = self._triggered(name)
            self._open[f"trigger {part.sequence}"] = part
            self._changed.notify_all()
            return part

    def refused(self, name: str) -> Part:
        """Return a triggered part that is not waited for; its verdict is immediate."""
        with self._changed:
            return self._triggered(name)

    def withdraw(self, part: Part) -> None:
        """Stop waiting for the frames of a part that has been answered."""
        with self._changed:
            self._close(part)
            self._changed.notify_all()

    def camera_is(self, camera: str, state: CameraState, problem: Message | None) -> None:
        """Record a camera's state; a camera that has ended is not waited for."""
        with self._changed:
            self._cameras[camera].state = state
            self._cameras[camera].problem = problem
            self._changed.notify_all()

    def expired(self) -> list[Part]:
        """Remove and return the parts that have waited long enough, with their missing cameras as failures."""
        now = time.monotonic()
        gone: list[Part] = []
        with self._changed:
            for part in list(self._open.values()):
                missing = [name for name in self._cameras if name not in part.captures]
                if missing and all(self._given_up(name, part, now) for name in missing):
                    part.failures.extend(self._absence(name) for name in missing)
                    gone.append(self._close(part))
            if gone:
                self._changed.notify_all()
        return gone

    def __len__(self) -> int:
        return len(self._open)

    def _of_use(self, camera: str) -> bool:
        waiting = [part for part in self._open.values() if camera not in part.captures]
        if self._mode == "triggered":
            return bool(waiting)
        ahead = len(self._open) - len(waiting)
        return ahead < (1 if self._any_live else AHEAD)

    def _part_for(self, camera: str, capture: FrameCapture, now: float, assembled: Assembled) -> Part | None:
        """Return the part of a capture, opened if necessary; None for a capture that was not requested."""
        seen, frame = self._cameras[camera], capture.frame
        if self._mode == "triggered":
            grabbed = frame.monotonic if frame is not None and seen.live else now
            asked = (part for part in self._open.values() if camera not in part.captures and part.opened <= grabbed)
            return next(asked, None)
        if capture.part:
            key = f"part {capture.part}"
        elif not self._any_live:
            key = f"position {frame.sequence if frame is not None else -1}"
        else:
            key = "newest"
        part = self._open.get(key)
        if part is not None and camera in part.captures:
            if key == "newest" and seen.live:
                assembled.replaced += 1
                return part
            part.failures.extend(self._absence(name) for name in self._cameras if name not in part.captures)
            assembled.ready.append(self._close(part))
            part = None
        if part is None:
            simulated = frame is not None and frame.is_simulated
            part = self._new("" if simulated and self._issue is not None else capture.part, now)
            if part is not None:
                self._open[key] = part
                self.arrivals.came(now, held_s=seen.held_s)
        return part

    def _triggered(self, name: str) -> Part:
        part = self._new(name, time.monotonic(), triggered=True)
        if part is None:
            raise ConfigError("The station is not running any more.", remedy="Start it, and wait until it runs.")
        self.arrivals.came(part.opened)
        return part

    def _new(self, name: str, now: float, *, triggered: bool = False) -> Part | None:
        self._newest = sequence = next(self._numbers)
        name = name or (str(sequence) if self._issue is None else self._issue())
        part = Part(name, sequence, now, triggered, self.deadline_s)
        return part if self._opened(part) else None

    def _close(self, part: Part) -> Part:
        self._open = {key: other for key, other in self._open.items() if other is not part}
        return part

    def _given_up(self, camera: str, part: Part, now: float) -> bool:
        seen = self._cameras[camera]
        if seen.state in _SILENT:
            return True
        if part.triggered:
            return now - part.opened > self._trigger_s
        if seen.live or seen.state is CameraState.LOST:
            return now - part.opened > self._join_s
        if seen.furthest > part.sequence:
            return True
        return not seen.busy and now - max(part.opened, seen.touched) > max(self._join_s, PATIENCE)

    def _absence(self, camera: str) -> Message:
        seen = self._cameras[camera]
        if seen.problem is not None and seen.state in (CameraState.LOST, CameraState.FAULT):
            return message("{camera} gave no frame for this part: {problem}", camera=camera, problem=seen.problem)
        if seen.state is CameraState.ENDED:
            return message("{camera} has no more frames for this part.", camera=camera)
        return message("{camera} gave no frame for this part in time.", camera=camera)
