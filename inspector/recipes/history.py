"""What parts before measured, for rules that compare a part with them: good parts, and any parts over time."""

import threading
from collections import deque
from collections.abc import Hashable, Iterable, Mapping
from itertools import islice
from typing import Final

MOST: Final = 1000  # parts that a rule may compare with
LEAST_TIMED: Final = 3  # parts that make a rise


class History:
    """The values of the last good parts, and of all parts with their time, by what was measured and where. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._values: dict[Hashable, deque[float]] = {}
        self._timed: dict[Hashable, deque[tuple[float, float]]] = {}
        self._rises: dict[Hashable, float] = {}

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

    def note(self, key: Hashable, at: float, value: float) -> None:
        """Take the value of a part, good or bad, at a time in seconds."""
        with self._lock:
            self._timed.setdefault(key, deque(maxlen=MOST)).append((at, value))

    def rise(self, key: Hashable, seconds: float, at: float | None, value: float) -> float | None:
        """Return by how much a minute the value rises over the last seconds, up to this part; None while too few parts are
        known, or at no time, unless the rise then is known.
        """
        with self._lock:
            if at is None:
                return self._rises.get((key, seconds))
            known = [one for one in self._timed.get(key, ()) if at - seconds <= one[0] < at]
        known.append((at, value))
        middle = sum(one[0] for one in known) / len(known)
        mean = sum(one[1] for one in known) / len(known)
        spread = sum((one[0] - middle) ** 2 for one in known)
        if len(known) < LEAST_TIMED or spread <= 0:
            return None
        return 60 * sum((one[0] - middle) * (one[1] - mean) for one in known) / spread

    def set_rise(self, key: Hashable, seconds: float, rise: float) -> None:
        """Set the rise of a part that is judged again, without its time."""
        with self._lock:
            self._rises[key, seconds] = rise

    def take_over(self, other: "History") -> None:
        """Start from the values of another history; rules that it does not know start without any."""
        with other._lock:
            values = {key: deque(kept, maxlen=MOST) for key, kept in other._values.items()}
            timed = {key: deque(kept, maxlen=MOST) for key, kept in other._timed.items()}
        with self._lock:
            self._values = {**values, **self._values}
            self._timed = {**timed, **self._timed}
