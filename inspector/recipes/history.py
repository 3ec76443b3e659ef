"""What the last good parts measured, for rules that compare a part with them."""

import threading
from collections import deque
from collections.abc import Hashable, Iterable, Mapping
from itertools import islice
from typing import Final

MOST: Final = 1000  # parts that a rule may compare with


class History:
    """The values of the last good parts, by what was measured and where. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._values: dict[Hashable, deque[float]] = {}

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

    def take_over(self, other: "History") -> None:
        """Start from the values of another history; rules that it does not know start without any."""
        with other._lock:
            values = {key: deque(kept, maxlen=MOST) for key, kept in other._values.items()}
        with self._lock:
            self._values = {**values, **self._values}
