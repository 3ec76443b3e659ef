"""What the archive costs the line, and how soon it answers."""

import sqlite3
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Final

import numpy as np

from inspector.archive.keys import StationKey
from inspector.archive.recording.journal import open_journal
from inspector.archive.recording.sinks import archive_sinks
from inspector.archive.store.database import open_database
from inspector.bench.archiving.generated import fill
from inspector.bench.archiving.kill import Kills, bench_kills
from inspector.bench.archiving.queries import QuerySpeed, WhatIfSpeed, bench_queries, bench_what_if
from inspector.bench.frames import demo_frames
from inspector.bench.sides import Ours, Taken
from inspector.bundles.bundle import Bundle
from inspector.core.text import json_line
from inspector.core.types import Inspection
from inspector.recipes.automatic import recipe_for

_BATCH: Final = 16  # records that are committed together
_PAYLOAD: Final = 2000  # bytes of a record, about what a part with four rules has
_SHARE: Final = 0.7  # of the line's speed, for the time until the line is told
Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class JournalSpeed:
    """`p50_ms`, `p99_ms`: until a lone record is durable. `records_per_s` in commits of 16; `bare_per_s`: of SQLite.

    Bare SQLite (WAL, synchronous FULL) commits the same bytes in the same batches on the same disk, in turns; `ratio` is the
    median of the rounds.
    """

    p50_ms: float
    p99_ms: float
    records_per_s: float
    bare_per_s: float
    ratio: float


@dataclass(frozen=True, slots=True)
class LineCost:
    """The line with the archive and without, in turns. `ratio`: parts a second with over without, median of the rounds.

    `p99_ms`, `without_p99_ms`: from frame to told at 70 % of the speed. `ng_share`: of the parts, whose images are kept.
    """

    with_fps: float
    without_fps: float
    ratio: float
    p99_ms: float
    without_p99_ms: float
    ng_share: float
    images: int


@dataclass(frozen=True, slots=True)
class ArchiveFigures:
    """The results of `bench_archive`; None for what was not asked for."""

    journal: JournalSpeed
    line: LineCost | None
    queries: QuerySpeed | None
    what_if: WhatIfSpeed | None
    kills: Kills | None


def bench_archive(
    bundle: Path | None, *, inspections: int, kills: int, rounds: int = 5, progress: Progress = lambda _: None
) -> ArchiveFigures:
    """Measure on the disk of the temporary folder. `bundle` None: without the line; 0 `inspections` or `kills`: none."""
    with tempfile.TemporaryDirectory(prefix="inspector-bench-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        progress("journal")
        journal = bench_journal(folder / "journal", rounds=rounds)
        line = queries = what = killed = None
        if bundle is not None:
            progress("line")
            line = bench_line(folder / "line", bundle, rounds=rounds)
        if inspections:
            progress("inspections are made")
            database = open_database(folder / "store")
            with closing(database):
                fill(database, inspections)
                progress("queries")
                queries, what = bench_queries(database, inspections), bench_what_if(database, inspections)
        if kills:
            progress("kills")
            killed = bench_kills(folder / "kills", kills=kills)
        return ArchiveFigures(journal, line, queries, what, killed)


def bench_journal(folder: Path, *, rounds: int = 5, records: int = 1600) -> JournalSpeed:
    """Measure the journal against bare SQLite."""
    folder.mkdir(parents=True)
    journal = open_journal(folder, StationKey(folder))
    content = {"kind": "bench", "text": "x" * (_PAYLOAD - 40)}
    alone, pairs = [], []
    with closing(sqlite3.connect(folder / "bare.sqlite", isolation_level=None)) as bare:
        bare.execute("PRAGMA journal_mode=WAL")
        bare.execute("PRAGMA synchronous=FULL")
        bare.execute("CREATE TABLE record (id INTEGER PRIMARY KEY, payload BLOB)")
        for _ in range(rounds):
            for _ in range(100):
                began = time.perf_counter()
                journal.wait(journal.submit(content), time.monotonic() + 60)
                alone.append((time.perf_counter() - began) * 1000)
            began = time.perf_counter()
            for _ in range(records // _BATCH):
                sequences = journal.submit_all([(content, None)] * _BATCH)
                journal.wait(sequences[-1], time.monotonic() + 60)
            ours = records / (time.perf_counter() - began)
            payload = json_line(content)
            began = time.perf_counter()
            for _ in range(records // _BATCH):
                bare.execute("BEGIN")
                bare.executemany("INSERT INTO record (payload) VALUES (?)", [(payload,)] * _BATCH)
                bare.execute("COMMIT")
            pairs.append((ours, records / (time.perf_counter() - began)))
    journal.close()
    return JournalSpeed(
        p50_ms=median(alone),
        p99_ms=float(np.percentile(alone, 99)),
        records_per_s=median(pair[0] for pair in pairs),
        bare_per_s=median(pair[1] for pair in pairs),
        ratio=median(pair[0] / pair[1] for pair in pairs),
    )


class _Told(Taken):
    """Counts the parts that the line was told of, and keeps how long each took from its frame on."""

    def __init__(self) -> None:
        super().__init__()
        self.times_ms: list[float] = []

    def take(self, inspection: Inspection) -> None:
        grabbed = min(frame.monotonic for frame in inspection.frames.values())
        self.times_ms.append((time.monotonic() - grabbed) * 1000)
        super().take(inspection)


def bench_line(folder: Path, bundle: Path, *, rounds: int = 5, frames: int = 256) -> LineCost:
    """Measure a line of the shipped bundle's parts with the archive and without, in turns."""
    made, good = demo_frames(Bundle.open(bundle).card.task, 400, seed=20)
    # One bad part in 32, as on a line and unlike on the demo line.
    bad = [picture for picture, is_good in zip(made, good, strict=True) if not is_good]
    pictures = [picture for picture, is_good in zip(made, good, strict=True) if is_good][:62] + bad[:2]
    recipe = recipe_for([bundle], "bench").model_copy(update={"max_batch": 8})
    sinks = archive_sinks(folder=folder)
    with_, without = _Told(), _Told()
    rates: list[tuple[float, float]] = []
    times: tuple[list[float], list[float]] = [], []
    with Ours(recipe, pictures, taken=with_, sinks=sinks) as ours, Ours(recipe, pictures, taken=without) as bare:
        for number in range(rounds + 1):
            pair = ours.round(frames, keep=False)[0], bare.round(frames, keep=False)[0]
            rate = _SHARE * min(pair)
            for side, told, kept in ((ours, with_, times[0]), (bare, without, times[1])):
                told.times_ms.clear()
                side.round(frames // 2, rate=rate, keep=False)
                kept += told.times_ms if number else []
            rates.append(pair)
    del rates[0]  # caches and clocks warm up
    return LineCost(
        with_fps=median(pair[0] for pair in rates),
        without_fps=median(pair[1] for pair in rates),
        ratio=median(pair[0] / pair[1] for pair in rates),
        p99_ms=float(np.percentile(times[0], 99)),
        without_p99_ms=float(np.percentile(times[1], 99)),
        ng_share=2 / len(pictures),
        images=sum(1 for _ in folder.rglob("*.jxl")),
    )
