"""What parts before measured, for rules that compare a part with them: good parts, and any parts over time."""

import math
import threading
from collections import deque
from collections.abc import Hashable, Iterable, Mapping, Sequence
from itertools import islice
from typing import Final, NamedTuple

MOST: Final = 1000  # parts that a rule may compare with
LEAST_TIMED: Final = 3  # parts that make a rise


class Timed(NamedTuple):
    """The mean value of parts that follow each other, at their mean time in seconds."""

    at: float
    value: float
    parts: int = 1


class History:
    """The values of the last good parts, and of all parts with their time, by what was measured and where. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._values: dict[Hashable, deque[float]] = {}
        self._timed: dict[tuple[Hashable, float], deque[Timed]] = {}
        self._rises: dict[tuple[Hashable, float], float] = {}

    def known(self, key: Hashable, count: int) -> int:
        """Return how many of the last `count` good parts are known."""
        with self._lock:
            return min(count, len(self._values.get(key, ())))

    def mean(self, key: Hashable, count: int) -> float:
        """Return the mean over the last `count` parts, as far as they are known; 0 if there is none."""
        with self._lock:
            values = list(islice(reversed(self._values.get(key, ())), count))
        return sum(values) / len(values) if values else 0.0

    def learn(self, found: Mapping[Hashable, float]) -> None:
        """Take the values of a good part."""
        for key, value in found.items():
            self.extend(key, (value,))

    def extend(self, key: Hashable, values: Iterable[float]) -> None:
        """Take the values of several good parts, the oldest first."""
        with self._lock:
            self._values.setdefault(key, deque(maxlen=MOST)).extend(values)

    def note(self, values: Mapping[tuple[Hashable, float], float], at: float) -> None:
        """Take the values of a part, good or bad, at a time in seconds; each by its key and the seconds of its rise."""
        with self._lock:
            for (key, seconds), value in values.items():
                kept = self._timed.setdefault((key, seconds), deque())
                kept.append(Timed(at, value))
                while kept[0].at < at - seconds:
                    kept.popleft()
                if len(kept) > 2 * MOST:
                    self._timed[key, seconds] = _fewer(kept)

    def rise(self, key: Hashable, seconds: float, at: float | None, value: float) -> float | None:
        """Return by how much a minute the value rises over the last seconds, up to this part; None while too few parts are
        known, or at no time, unless the rise then is known.
        """
        with self._lock:
            if at is None:
                return self._rises.get((key, seconds))
            known = [one for one in self._timed.get((key, seconds), ()) if at - seconds <= one.at < at]
        known.append(Timed(at, value))
        parts = sum(one.parts for one in known)
        middle = sum(one.parts * one.at for one in known) / parts
        mean = sum(one.parts * one.value for one in known) / parts
        spread = sum(one.parts * (one.at - middle) ** 2 for one in known)
        if parts < LEAST_TIMED or spread <= 0:
            return None
        return 60 * sum(one.parts * (one.at - middle) * (one.value - mean) for one in known) / spread

    def set_rise(self, key: Hashable, seconds: float, rise: float) -> None:
        """Set the rise of a part that is judged again, without its time."""
        with self._lock:
            self._rises[key, seconds] = rise

    def take_over(self, other: "History") -> None:
        """Start from the values of another history; rules that it does not know start without any."""
        with other._lock:
            values = {key: deque(kept, maxlen=MOST) for key, kept in other._values.items()}
            timed = {key: deque(kept) for key, kept in other._timed.items()}
        with self._lock:
            self._values = {**values, **self._values}
            self._timed = {**timed, **self._timed}


def _fewer(known: Sequence[Timed]) -> deque[Timed]:
    """Return the same parts as at most about `MOST` means, evenly over their time: a fast line fills any number of places."""
    step = max(known[-1].at - known[0].at, 0.0) / MOST
    found: deque[Timed] = deque()
    began = -math.inf
    for one in known:
        if one.at - began > step:
            found.append(one)
            began = one.at
            continue
        last, parts = found[-1], found[-1].parts + one.parts
        at, value = (
            (last.parts * before + one.parts * now) / parts for before, now in ((last.at, one.at), (last.value, one.value))
        )
        found[-1] = Timed(at, value, parts)
    return found
