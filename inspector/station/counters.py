"""What the station counts, in bounded memory."""

import threading
import time
from collections import Counter, deque
from collections.abc import Mapping

import numpy as np

from inspector.core.types import Inspection, Verdict
from inspector.station.events import StageStats, Stats

KEPT = 300  # parts that percentiles are taken over
RATE_SECONDS = 5.0  # rates are taken over this long


class _Rate:
    """Events a second over the last seconds."""

    def __init__(self) -> None:
        self._times: deque[float] = deque(maxlen=1000)

    def tick(self, now: float) -> None:
        self._times.append(now)

    def value(self, now: float) -> float:
        times = list(self._times)
        recent = [t for t in times if now - t <= RATE_SECONDS]
        if len(recent) < 2:
            return 0.0
        # From the oldest event to now: a source that stopped is seen to fade. A full ring may cover less than the window.
        return len(recent) / max(now - recent[0], 1e-6)


class Counters:
    """Counts and times of one run. Every method may be called from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._started = time.monotonic()
        self._ended: float | None = None
        self._verdicts: Counter[Verdict] = Counter()
        self._dropped = 0
        self._latency: deque[float] = deque(maxlen=KEPT)
        self._stages: dict[str, deque[float]] = {}
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
            self._judged.tick(time.monotonic())
            self._latency.append(inspection.latency_ms)
            for stage, spent in inspection.timings_ms.items():
                self._stages.setdefault(stage, deque(maxlen=KEPT)).append(spent)

    def end(self, seconds: float | None = None) -> None:
        """Stop the clock, now or at so many seconds after the start."""
        with self._lock:
            self._ended = time.monotonic() if seconds is None else self._started + seconds

    def stats(self, edges: Mapping[str, StageStats]) -> Stats:
        """Everything so far; `edges`: depth and drops of the edges by name."""
        with self._lock:
            now = time.monotonic()
            p50, p99 = _percentiles(self._latency)
            stages = dict(edges)
            for stage, spent in self._stages.items():
                middle, high = _percentiles(spent)
                stages[stage] = StageStats(p50_ms=middle, p99_ms=high)
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
            )


def _percentiles(values: deque[float]) -> tuple[float, float]:
    if not values:
        return 0.0, 0.0
    p50, p99 = np.percentile(np.fromiter(values, np.float64), (50, 99))
    return float(p50), float(p99)
