"""The counters of the station, in bounded memory."""

import threading
import time
from collections import Counter, deque
from collections.abc import Mapping

import numpy as np

from inspector.core.types import Inspection, Verdict
from inspector.inspection.parts import SETTLE
from inspector.inspection.status import StageStats, Stats, TaktStats
from inspector.inspection.takt import FEW, INSPECTION, Arrivals

KEPT = 300  # number of parts for percentiles
COLD = 4  # number of first values to ignore
RATE_SECONDS = 5.0  # period of the rates
LOAD_SECONDS = 2.0  # period of the load,
LOAD_PARTS = 3  # or the time of this number of parts if longer


class _Rate:
    """Events per second over the last seconds."""

    def __init__(self) -> None:
        self._times: deque[float] = deque(maxlen=1000)

    def tick(self, now: float) -> None:
        self._times.append(now)

    def value(self, now: float) -> float:
        times = list(self._times)
        recent = [t for t in times if now - t <= RATE_SECONDS]
        if len(recent) < 2:
            return 0.0
        # The period ends now, so that the rate decays after a source has stopped. A full ring may cover less than the period.
        return len(recent) / max(now - recent[0], 1e-6)


class Spread:
    """The last values of a quantity, for percentiles. Used under a lock, or by one thread.

    The first COLD values count only until there are enough others, because caches are still filling and libraries loading.
    """

    def __init__(self) -> None:
        self._values: deque[float] = deque(maxlen=KEPT)
        self._cold = COLD

    def add(self, value: float) -> None:
        self._values.append(value)
        if self._cold and len(self._values) >= FEW:
            for _ in range(self._cold):
                self._values.popleft()
            self._cold = 0

    def __len__(self) -> int:
        return len(self._values)

    def percentiles(self) -> tuple[float, float]:
        """Return p50 and p99; zeros without values."""
        if not self._values:
            return 0.0, 0.0
        p50, p99 = np.percentile(np.fromiter(self._values, np.float64), (50, 99))
        return float(p50), float(p99)

    def stage(self) -> StageStats:
        """Return the values as the times of a stage, in ms."""
        p50, p99 = self.percentiles()
        return StageStats(p50_ms=p50, p99_ms=p99)


class _Takt:
    """The load of parts relative to the takt. Used under a lock."""

    def __init__(self) -> None:
        self.recipe_ms: float | None = None
        self.arrivals = Arrivals()
        self._busy = Spread()
        self._recent: deque[tuple[float, float]] = deque(maxlen=1000)
        self._late = 0

    def takt_ms(self) -> float | None:
        return self.recipe_ms if self.recipe_ms is not None else self.arrivals.takt_ms()

    def part(self, inspection: Inspection, now: float) -> None:
        spent = [inspection.timings_ms[stage] for stage in INSPECTION if stage in inspection.timings_ms]
        busy, takt = sum(spent), self.takt_ms()
        if len(spent) > 1:  # a part judged without inspection says nothing about its duration
            self._busy.add(busy)
            self._recent.append((now, busy))
        # A source that waits has its part ready when the station is: only the work itself can be late.
        # A watched file has to settle before it can be read.
        latency = inspection.latency_ms - inspection.timings_ms.get(SETTLE, 0.0)
        if takt is not None and (busy > takt or (not self.arrivals.held and latency > takt)):
            self._late += 1

    def stats(self, now: float) -> TaktStats:
        takt = self.takt_ms()
        p50, p99 = self._busy.percentiles()
        return TaktStats(
            takt_ms=takt,
            source="" if takt is None else self.arrivals.source if self.recipe_ms is None else "recipe",
            waits=self.arrivals.held,
            busy_p50_ms=p50 if len(self._busy) else None,
            busy_p99_ms=p99 if len(self._busy) else None,
            late=self._late,
            load=None if takt is None else self._load(takt, now),
        )

    def _load(self, takt: float, now: float) -> float:
        """Return the mean load over the last parts; 0 if none came for longer than a few parts take."""
        if not self._recent:
            return 0.0
        window = max(LOAD_SECONDS, LOAD_PARTS * max(takt, self._recent[-1][1]) / 1000)
        recent = [busy for at, busy in self._recent if now - at <= window]
        return sum(recent) / len(recent) / takt if recent else 0.0


class Counters:
    """Counts and times of one run. Every method may be called from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._started = time.monotonic()
        self._ended: float | None = None
        self._verdicts: Counter[Verdict] = Counter()
        self._dropped = 0
        self._latency = Spread()
        self._stages: dict[str, Spread] = {}
        self._takt = _Takt()
        self._judged = _Rate()
        self._grabbed: dict[str, _Rate] = {}

    def frame(self, camera: str) -> None:
        with self._lock:
            self._grabbed.setdefault(camera, _Rate()).tick(time.monotonic())

    def drop(self, count: int) -> None:
        with self._lock:
            self._dropped += count

    def part(self, inspection: Inspection) -> None:
        with self._lock:
            self._verdicts[inspection.verdict] += 1
            now = time.monotonic()
            self._judged.tick(now)
            self._latency.add(inspection.latency_ms)
            self._takt.part(inspection, now)
            for stage, spent in inspection.timings_ms.items():
                self._stages.setdefault(stage, Spread()).add(spent)

    def told(self, judged: Verdict, told: Verdict) -> None:
        """Count a part that was judged, and of which the line is told this verdict, under the latter."""
        with self._lock:
            self._verdicts[judged] -= 1
            self._verdicts[told] += 1

    def follow(self, arrivals: Arrivals, recipe_ms: float | None) -> None:
        """Measure against another takt from now on: the recipe's, in ms, or else that of the arrivals."""
        with self._lock:
            self._takt.arrivals, self._takt.recipe_ms = arrivals, recipe_ms

    def spent(self, stage: str, milliseconds: float) -> None:
        """Add the time of a stage that comes after the verdict."""
        with self._lock:
            self._stages.setdefault(stage, Spread()).add(milliseconds)

    def end(self, seconds: float | None = None) -> None:
        """Stop the clock, now or at this number of seconds after the start."""
        with self._lock:
            self._ended = time.monotonic() if seconds is None else self._started + seconds

    def stats(self, edges: Mapping[str, StageStats]) -> Stats:
        """Return all counters so far. `edges`: depth and drops of the edges by name."""
        with self._lock:
            now = time.monotonic()
            p50, p99 = self._latency.percentiles()
            stages = {**edges, **{stage: spread.stage() for stage, spread in self._stages.items()}}
            return Stats(
                parts=self._verdicts.total(),
                ok=self._verdicts[Verdict.OK],
                ng=self._verdicts[Verdict.NG],
                review=self._verdicts[Verdict.REVIEW],
                not_inspected=self._verdicts[Verdict.NOT_INSPECTED],
                dropped=self._dropped,
                seconds=(self._ended or now) - self._started,
                verdicts_per_s=self._judged.value(now),
                camera_fps={camera: rate.value(now) for camera, rate in self._grabbed.items()},
                latency_p50_ms=p50,
                latency_p99_ms=p99,
                stages=stages,
                takt=self._takt.stats(now),
            )
