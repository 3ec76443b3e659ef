"""What the archive costs the line."""

import math
import time
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Final

import numpy as np
import psutil

from inspector.archive.recording.sinks import JournalSink, archive_sinks
from inspector.archive.store.database import Database, open_database
from inspector.archive.store.query import fed_up_to
from inspector.bench.frames import demo_frames
from inspector.bench.sides import Ours, Taken
from inspector.bundles.bundle import Bundle
from inspector.core.errors import JobError
from inspector.core.types import Inspection
from inspector.recipes.automatic import recipe_for

_SHARE: Final = 0.7  # of the line's speed, for the time until the line is told
_FED_S: Final = 120.0  # longest wait for the feeder


@dataclass(frozen=True, slots=True)
class LineCost:
    """The line with the archive and without, in turns. `ratio`: parts a second with over without, median of the rounds.

    `p99_ms`, `without_p99_ms`: from frame to told at 70 % of the speed. `cpu_ms`, `without_cpu_ms`: processor time of the
    line's process for a part, which other programs change less than the clock; `cpu_ratio`: of both. `feeder_cpu_ms`: of the
    process that feeds the database, until all is fed; None if it was replaced. `behind`: most records that were not in the
    database at the end of a round; no side runs until they are. `ng_share`: of the parts, whose images are kept.
    """

    with_fps: float
    without_fps: float
    ratio: float
    p99_ms: float
    without_p99_ms: float
    cpu_ms: float
    without_cpu_ms: float
    cpu_ratio: float
    feeder_cpu_ms: float | None
    behind: int
    ng_share: float
    images: int


class _Told(Taken):
    """Counts the parts that the line was told of, and keeps how long each took from its frame on."""

    def __init__(self) -> None:
        super().__init__()
        self.times_ms: list[float] = []

    def take(self, inspection: Inspection) -> None:
        grabbed = min(frame.monotonic for frame in inspection.frames.values())
        self.times_ms.append((time.monotonic() - grabbed) * 1000)
        super().take(inspection)


def bench_line(folder: Path, bundle: Path, *, rounds: int = 5, seconds: float = 2.0) -> LineCost:
    """Measure a line of the shipped bundle's parts with the archive and without, in turns of about `seconds`."""
    made, good = demo_frames(Bundle.open(bundle).card.task, 400, seed=20)
    # One bad part in 32, as on a line and unlike on the demo line.
    bad = [picture for picture, is_good in zip(made, good, strict=True) if not is_good]
    pictures = [picture for picture, is_good in zip(made, good, strict=True) if is_good][:62] + bad[:2]
    recipe = recipe_for([bundle], "bench").model_copy(update={"max_batch": 8})
    records, keeper = archive_sinks(folder=folder)
    assert isinstance(records, JournalSink)
    told = _Told(), _Told()
    found: list[tuple[_Turn, _Turn]] = []
    times: tuple[list[float], list[float]] = [], []
    with (
        Ours(recipe, pictures, taken=told[0], sinks=[records, keeper]) as ours,
        Ours(recipe, pictures, taken=told[1]) as bare,
        closing(open_database(folder)) as database,
    ):
        sides = ours, bare
        frames = round(seconds * min(side.round(128, keep=False)[0] for side in sides))  # caches and clocks warm up
        for number in range(rounds):
            turn: dict[int, _Turn] = {}
            for side in (0, 1) if number % 2 else (1, 0):
                turn[side] = _turn(sides[side], frames, records, database)
            found.append((turn[0], turn[1]))
            rate = _SHARE * min(one.fps for one in found[-1])
            for side in (0, 1):
                told[side].times_ms.clear()
                sides[side].round(round(seconds * rate), rate=rate, keep=False)
                times[side].extend(told[side].times_ms)
                _wait_until_fed(records, database)
    fed = [pair[0].feeder_cpu_ms for pair in found if not math.isnan(pair[0].feeder_cpu_ms)]
    return LineCost(
        with_fps=median(pair[0].fps for pair in found),
        without_fps=median(pair[1].fps for pair in found),
        ratio=median(pair[0].fps / pair[1].fps for pair in found),
        p99_ms=float(np.percentile(times[0], 99)),
        without_p99_ms=float(np.percentile(times[1], 99)),
        cpu_ms=median(pair[0].cpu_ms for pair in found),
        without_cpu_ms=median(pair[1].cpu_ms for pair in found),
        cpu_ratio=median(pair[1].cpu_ms / pair[0].cpu_ms for pair in found),
        feeder_cpu_ms=median(fed) if fed else None,
        behind=max(pair[0].behind for pair in found),
        ng_share=2 / len(pictures),
        images=sum(1 for _ in folder.rglob("*.jxl")),
    )


@dataclass(frozen=True, slots=True)
class _Turn:
    """One turn of one side: parts a second, processor time a part, records that were not fed at its end."""

    fps: float
    cpu_ms: float
    feeder_cpu_ms: float
    behind: int


def _turn(side: Ours, frames: int, records: JournalSink, database: Database) -> _Turn:
    feeder = records.feeder
    before, pid = time.process_time(), None if feeder is None else feeder.pid
    fed = _cpu_s(pid)
    fps = side.round(frames, keep=False)[0]
    cpu, behind = time.process_time() - before, _behind(records, database)
    _wait_until_fed(records, database)
    return _Turn(fps, cpu / frames * 1000, (_cpu_s(pid) - fed) / frames * 1000, behind)


def _cpu_s(pid: int | None) -> float:
    try:
        used = psutil.Process(pid).cpu_times() if pid is not None else None
    except psutil.NoSuchProcess:  # another one feeds now
        return math.nan
    return math.nan if used is None else used.user + used.system


def _behind(records: JournalSink, database: Database) -> int:
    """Return how many records on the disk are not in the database."""
    journal = records.journal
    if journal is None:
        return 0
    return journal.durable - fed_up_to(database, journal.id)


def _wait_until_fed(records: JournalSink, database: Database) -> None:
    """Wait until the feeder has nothing to do, so that it takes no time from the side that runs next."""
    until = time.monotonic() + _FED_S
    while _behind(records, database):
        if time.monotonic() > until:
            raise JobError("The database was not fed within {seconds:.0f} s.", seconds=_FED_S)
        time.sleep(0.1)
