"""The bounded queue between two threads. The behaviour of a full edge is chosen on construction; drops are counted."""

import time
from collections import deque
from collections.abc import Callable, Sequence
from threading import Condition, Lock
from typing import Generic, Literal, TypeVar

T = TypeVar("T")


def _weightless(_item: object) -> int:
    return 0


class Edge(Generic[T]):
    """A queue of at most `size` items with a total weight of at most `capacity` (a single item always fits).

    `drop="oldest"`: a full edge drops its oldest items, and `put` never waits. `drop="never"`: `put` waits for room, and
    returns an item that finds none in time. After closing, the consumer may take the remaining items.
    """

    def __init__(
        self,
        size: int,
        *,
        drop: Literal["oldest", "never"],
        capacity: int = 0,
        weigh: Callable[[T], int] = _weightless,
    ) -> None:
        """`capacity`: in the unit of `weigh` (usually bytes), 0 for no limit."""
        if size < 1:
            raise ValueError(f"an edge holds at least one item, not {size}")
        self.size = size
        self.drop = drop
        self._capacity = capacity
        self._weigh = weigh
        self._items: deque[T] = deque()
        self._weight = 0
        self._drops = 0
        self._out = 0  # taken and not settled
        self._closed = False
        self._stuck = False
        lock = Lock()
        self._room = Condition(lock)  # waited for by producers
        self._filled = Condition(lock)  # waited for by consumers
        self._wanted = 1  # number of items the consumer waits for; fewer do not wake it

    def put(self, item: T, *, timeout: float | None = None, over: bool = False) -> tuple[T, ...]:
        """Add an item. Returns the dropped items: none, the oldest, or `item` itself if it was refused.

        `timeout` in seconds, for `drop="never"`: how long to wait for room; None: until there is room or the edge is closed.
        `over`: accept the item at once even without room, if it must not be lost and the producer must not wait; not while the
        consumer hangs.
        """
        with self._room:
            lost = self._add(item, timeout, over)
            self._wake()
            return lost

    def put_all(self, items: Sequence[T], *, timeout: float | None = None, over: bool = False) -> None:
        """Add items like `put`, but wake the consumer once for all of them. `timeout` is for all of them together."""
        until = None if timeout is None else time.monotonic() + timeout
        with self._room:
            for item in items:
                self._add(item, None if until is None else until - time.monotonic(), over)
            self._wake()

    def _add(self, item: T, timeout: float | None, over: bool) -> tuple[T, ...]:
        """Add an item with the lock held; see `put`. The consumer is woken only where this waits for it."""
        weight = self._weigh(item)
        room = self.drop == "oldest" or self._closed or self._fits(weight) or (over and not self._stuck)
        if not room:
            self._wake()
            self._room.wait_for(lambda: self._closed or self._stuck or self._fits(weight), timeout)
            if not self._closed and not self._fits(weight):
                self._drops += 1
                return (item,)
        if self._closed:
            return (item,)
        lost: list[T] = []
        while self.drop == "oldest" and not self._fits(weight):
            oldest = self._items.popleft()
            self._weight -= self._weigh(oldest)
            lost.append(oldest)
        self._drops += len(lost)
        self._items.append(item)
        self._weight += weight
        return tuple(lost)

    def _wake(self) -> None:
        if len(self._items) >= self._wanted:
            self._filled.notify_all()

    def take(self, limit: int = 1, *, timeout: float | None = None, linger: float = 0.0) -> list[T]:
        """Return up to `limit` items, oldest first. Waits up to `timeout` for the first, then up to `linger` seconds for more.

        An empty list means that the time is over, or that the edge is closed and empty.
        """
        with self._filled:
            self._filled.wait_for(lambda: self._closed or bool(self._items), timeout)
            if linger > 0 and self._items:
                # At most as many as there is room for: a producer that waits for room must not be kept waiting for more items.
                self._wait_for_more(min(limit, self.size), linger)
            taken = [self._items.popleft() for _ in range(min(limit, len(self._items)))]
            self._weight -= sum(self._weigh(item) for item in taken)
            self._out += len(taken)
            self._room.notify_all()
            return taken

    def stick(self, stuck: bool) -> None:
        """Say whether the consumer hangs. Then nobody waits for room, and a full edge with `drop="never"` refuses items."""
        with self._room:
            self._stuck = stuck
            self._room.notify_all()

    def settle(self, count: int) -> None:
        """Mark this number of taken items as finished, for `idle`."""
        with self._room:
            self._out -= count

    @property
    def idle(self) -> bool:
        """Whether no item waits and all taken items are settled."""
        with self._room:
            return not self._items and not self._out

    def _wait_for_more(self, enough: int, linger: float) -> None:
        self._wanted = enough
        self._filled.wait_for(lambda: self._closed or len(self._items) >= enough, linger)
        self._wanted = 1

    def withdraw(self, item: T) -> None:
        """Remove this very item, if present."""
        with self._room:
            kept = [other for other in self._items if other is not item]
            if len(kept) < len(self._items):
                self._items = deque(kept)
                self._weight -= self._weigh(item)
                self._room.notify_all()

    def close(self) -> None:
        """Refuse new items from now on and wake all waiting threads."""
        with self._room:
            self._closed = True
            self._room.notify_all()
            self._filled.notify_all()

    @property
    def closed(self) -> bool:
        return self._closed

    @property
    def drops(self) -> int:
        """Number of items dropped because the edge was full."""
        return self._drops

    def __len__(self) -> int:
        return len(self._items)

    def _fits(self, weight: int) -> bool:
        if not self._items:
            return True
        return len(self._items) < self.size and (not self._capacity or self._weight + weight <= self._capacity)
