"""What is left out when the line needs the processor, in a fixed order: Grad-CAM, then overlays, then display rate.

The verdict is not in the list: nothing here can slow it, leave it out or change it.
"""

from dataclasses import dataclass
from enum import IntEnum


class Shed(IntEnum):
    """How much is left out; each level includes those before it."""

    NOTHING = 0
    GRADCAM = 1  # no heat maps
    OVERLAYS = 2  # and pictures without what was found drawn over them
    RATE = 3  # and fewer pictures


@dataclass(frozen=True, slots=True)
class Limits:
    """Loads (shares of the takt that the inspection takes) and times in seconds.

    At `enter` or more for `enter_s`, one level more is left out; at `leave` or less for `leave_s`, one less. Between the two
    nothing changes. A level that had to be taken up again soon after it was left waits twice as long the next time, at most
    `longest_s`: a display that is itself the load must not flicker.
    """

    enter: float = 0.95
    leave: float = 0.75
    enter_s: float = 0.5
    leave_s: float = 3.0
    longest_s: float = 60.0


class Shedder:
    """Decides the level from the load. Has no clock of its own; used by one thread."""

    def __init__(self, limits: Limits | None = None) -> None:
        self._limits = limits or Limits()
        self._level = Shed.NOTHING
        self._over: float | None = None  # since when the load is at `enter` or more
        self._calm: float | None = None  # since when it is at `leave` or less
        self._left: float | None = None  # when a level was left last
        self._patience = self._limits.leave_s

    @property
    def level(self) -> Shed:
        return self._level

    def observe(self, load: float | None, now: float) -> Shed:
        """Return the level from now on. `load`: None where there is no takt to keep; `now`: monotonic seconds."""
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
            self._patience = self._limits.leave_s  # calm with everything shown: what was is over
            return
        self._level, self._left = Shed(self._level - 1), now
