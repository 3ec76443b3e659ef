"""Reduction of load in a fixed order when the line needs the processor: Grad-CAM, then overlays, then display rate.

The verdict is not in the list: nothing here can delay, omit or change it.
"""

from dataclasses import dataclass
from enum import IntEnum


class Shed(IntEnum):
    """The level of reduction; each level includes the lower ones."""

    NOTHING = 0
    GRADCAM = 1  # no heat maps
    OVERLAYS = 2  # and pictures without what was found drawn over them
    RATE = 3  # and fewer pictures


@dataclass(frozen=True, slots=True)
class Limits:
    """Thresholds of the load (share of the takt used by the inspection) and times in seconds.

    At `enter` or more for `enter_s`, the level rises by one; at `leave` or less for `leave_s`, it falls by one. In between
    nothing changes. If a level is entered again soon after it was left, the next wait is doubled, up to `longest_s`: a display
    that itself causes the load must not flicker.
    """

    enter: float = 0.95
    leave: float = 0.75
    enter_s: float = 0.5
    leave_s: float = 3.0
    longest_s: float = 60.0


class Shedder:
    """Chooses the level from the load. Has no clock of its own; used by one thread."""

    def __init__(self, limits: Limits | None = None) -> None:
        self._limits = limits or Limits()
        self._level = Shed.NOTHING
        self._over: float | None = None  # time since which the load is at `enter` or more
        self._calm: float | None = None  # time since which it is at `leave` or less
        self._left: float | None = None  # time when a level was last left
        self._patience = self._limits.leave_s

    @property
    def level(self) -> Shed:
        return self._level

    def observe(self, load: float | None, now: float) -> Shed:
        """Return the level from now on. `load`: None if there is no takt; `now`: monotonic seconds."""
        limits, load = self._limits, load or 0.0
        if load >= limits.enter:
            self._calm = None
            self._over = now if self._over is None else self._over
            if now - self._over >= limits.enter_s and self._level < Shed.RATE:
                self._more(now)
        elif load <= limits.leave:
            self._over = None
            self._calm = now if self._calm is None else self._calm
            if now - self._calm >= self._patience:
                self._less(now)
        else:
            self._over = self._calm = None
        return self._level

    def _more(self, now: float) -> None:
        self._level, self._over = Shed(self._level + 1), now
        if self._left is not None and now - self._left < self._patience + self._limits.enter_s:
            self._patience = min(self._patience * 2, self._limits.longest_s)
        self._left = None

    def _less(self, now: float) -> None:
        self._calm = now
        if self._level is Shed.NOTHING:
            self._patience = self._limits.leave_s  # calm at level 0: forget earlier changes
            return
        self._level, self._left = Shed(self._level - 1), now
