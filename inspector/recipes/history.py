"""What the last good parts measured, for rules that compare a part with them."""

import threading
from collections import deque
from collections.abc import Hashable, Iterable


class History:
    """The values of the last good parts, by rule and place. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._values: dict[Hashable, deque[float]] = {}

    def known(self, key: Hashable, count: int) -> int:
        """Return how many of the last `count` good parts are known."""
        with self._lock:
            return min(count, len(self._values.get(key, ())))

    def mean(self, key: Hashable) -> float:
        """Return the mean over the known parts; 0 if there is none."""
        with self._lock:
            values = self._values.get(key)
            return sum(values) / len(values) if values else 0.0

    def learn(self, found: Iterable[tuple[Hashable, int, float]]) -> None:
        """Take the (key, number of parts to keep, value) of a good part."""
        with self._lock:
            for key, count, value in found:
                values = self._values.get(key)
                if values is None or values.maxlen != count:
                    values = deque(values or (), maxlen=count)
                    self._values[key] = values
                values.append(value)

    def take_over(self, other: "History") -> None:
        """Start from the values of another history; rules that it does not know start without any."""
        with other._lock:
            values = {key: deque(kept, maxlen=kept.maxlen) for key, kept in other._values.items()}
        with self._lock:
            self._values = {**values, **self._values}
