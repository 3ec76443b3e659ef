"""The takt: the time the line gives each part, and how much of it the station needs.

The takt is set by the recipe, or measured: the time between two triggers or two arrivals. A source that waits for the
inspection (a folder read as fast as it is judged) has no takt of its own, and none is invented for it.
"""

import threading
from collections import deque
from statistics import median
from typing import Final

from inspector.inspection.status import StageStats, Stats, TaktSource

# In the order in which a part passes them. "wait" is the time until an inspection begins; "line" and "archive" are
# measured if there is a line and an archive. A stage without measurements is not listed.
STAGES: Final = ("grab", "wait", "prepare", "infer", "decode", "verdict", "line", "archive", "save", "display")
# One thread runs these for one part after the other, so their sum must stay within the takt; other stages run in parallel.
INSPECTION: Final = ("prepare", "infer", "decode", "verdict")

FEW: Final = 20  # parts; with fewer, p99 is the worst part and predicts nothing
KEPT: Final = 32  # number of intervals for the median
ENOUGH: Final = 8  # consecutive intervals that count as a rhythm,
ENOUGH_S: Final = 2.0  # and their duration in seconds: the free places for parts fill at once
HELD_SHARE: Final = 0.05  # largest share of an interval that the source may have waited; otherwise the interval is not its own


class Arrivals:
    """Arrival times of parts. Every method may be called from any thread."""

    def __init__(self, source: TaktSource = "arrivals") -> None:
        """`source`: the origin of parts, "triggers" or "arrivals"."""
        self.source: TaktSource = source
        self._lock = threading.Lock()
        self._own: deque[float] = deque(maxlen=KEPT)  # seconds; intervals in which the source did not wait
        self._row = 0  # consecutive intervals of that kind
        self._last: float | None = None
        self._held = False
        self._known = False

    def came(self, now: float, *, held_s: float = 0.0) -> None:
        """Add a part. `now`: monotonic seconds. `held_s`: how long the source has waited since the previous part."""
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
        """Return the median interval once parts arrive in a rhythm of their own.

        The value is kept if the source waits later.
        """
        with self._lock:
            return median(self._own) * 1000 if self._known else None


def measured(stats: Stats) -> dict[str, StageStats]:
    """Return the stages with measurements, in the order in which a part passes them."""
    return {stage: stats.stages[stage] for stage in STAGES if stage in stats.stages}


def needed_ms(stats: Stats) -> float | None:
    """Return the p99 of the slowest serial work per part in ms; None while there are few parts."""
    if stats.parts < FEW:
        return None
    grab = stats.stages.get("grab")
    found = [time for time in (stats.takt.busy_p99_ms, grab.p99_ms if grab is not None else None) if time is not None]
    return max(found, default=None)


def headroom_ms(stats: Stats) -> float | None:
    """Return what the takt leaves at p99 in ms, negative if exceeded; None without a takt or while there are few parts."""
    takt, needed = stats.takt.takt_ms, needed_ms(stats)
    return None if takt is None or needed is None else takt - needed
