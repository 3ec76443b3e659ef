"""The takt: how much time the line gives each part, and how much of it the station needs.

The takt is the recipe's, or what the parts themselves show: the time between two triggers, or between two arrivals. A source
that waits for the inspection (a folder read as fast as it is judged) has no takt of its own, and none is made up for it.
"""

import threading
from collections import deque
from statistics import median
from typing import Final

from inspector.inspection.status import StageStats, Stats, TaktSource

# In the order in which a part goes through them. "wait" is the time until an inspection begins; "line" and "archive" are
# measured where there is a line and an archive. A stage that nobody measured is not among a station's stages.
STAGES: Final = ("grab", "wait", "prepare", "infer", "decode", "verdict", "line", "archive", "save", "display")
# One thread does these for one part after the other, so their sum must stay within the takt; the others go on beside it.
INSPECTION: Final = ("prepare", "infer", "decode", "verdict")

FEW: Final = 20  # parts; p99 of fewer is their worst one, and says nothing of the next
KEPT: Final = 32  # intervals that the median is taken over
ENOUGH: Final = 8  # intervals in a row, and
ENOUGH_S: Final = 2.0  # seconds they last, before they count as a rhythm: room for some parts fills at once
HELD_SHARE: Final = 0.05  # of an interval that the source may have waited for us; more, and it was not its own


class Arrivals:
    """When parts came. Every method may be called from any thread."""

    def __init__(self, source: TaktSource = "arrivals") -> None:
        """`source`: what the parts come by, "triggers" or "arrivals"."""
        self.source: TaktSource = source
        self._lock = threading.Lock()
        self._own: deque[float] = deque(maxlen=KEPT)  # seconds; intervals in which nothing waited for us
        self._row = 0  # of them without one between that did
        self._last: float | None = None
        self._held = False
        self._known = False

    def came(self, now: float, *, held_s: float = 0.0) -> None:
        """Note a part. `now` in monotonic seconds; `held_s`: how long its source has waited for us since the part before."""
        with self._lock:
            last, self._last = self._last, now
            if last is None or now <= last:
                return
            self._held = held_s > HELD_SHARE * (now - last)
            if self._held:
                self._row = 0
                if not self._known:
                    self._own.clear()
                return
            self._own.append(now - last)
            self._row += 1
            self._known = self._known or (self._row >= ENOUGH and sum(self._own) >= ENOUGH_S)

    @property
    def held(self) -> bool:
        """Whether the source waits for the inspection."""
        return self._held

    def takt_ms(self) -> float | None:
        """Return the median interval, once parts came in a rhythm of their own; kept while the source waits for us later on."""
        with self._lock:
            return median(self._own) * 1000 if self._known else None


def measured(stats: Stats) -> dict[str, StageStats]:
    """Return the stages that were measured, in the order in which a part goes through them."""
    return {stage: stats.stages[stage] for stage in STAGES if stage in stats.stages}


def needed_ms(stats: Stats) -> float | None:
    """Return what 99 of 100 parts need at most of the slowest thing that works on one part at a time; None after a few
    parts.
    """
    if stats.parts < FEW:
        return None
    grab = stats.stages.get("grab")
    found = [time for time in (stats.takt.busy_p99_ms, grab.p99_ms if grab is not None else None) if time is not None]
    return max(found, default=None)


def headroom_ms(stats: Stats) -> float | None:
    """Return what the takt leaves at p99, negative where it is not kept; None without a takt or after a few parts."""
    takt, needed = stats.takt.takt_ms, needed_ms(stats)
    return None if takt is None or needed is None else takt - needed
