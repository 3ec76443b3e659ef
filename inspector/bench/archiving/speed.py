"""What the archive costs the line, and how soon it answers."""

import sqlite3
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Final

import numpy as np

from inspector.archive.keys import StationKey
from inspector.archive.recording.journal import open_journal
from inspector.archive.store.database import open_database
from inspector.bench.archiving.generated import fill
from inspector.bench.archiving.kill import Kills, bench_kills
from inspector.bench.archiving.line import LineCost, bench_line
from inspector.bench.archiving.queries import QuerySpeed, WhatIfSpeed, bench_queries, bench_what_if
from inspector.core.storage.temporary import temporary_folder
from inspector.core.text import json_line

_BATCH: Final = 16  # records that are committed together
_PAYLOAD: Final = 2000  # bytes of a record, about what a part with four rules has
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
class ArchiveFigures:
    """The results of `bench_archive`; None for what was not asked for. `line`: by bundle."""

    journal: JournalSpeed
    line: dict[str, LineCost]
    queries: QuerySpeed | None
    what_if: WhatIfSpeed | None
    kills: Kills | None


def bench_archive(
    bundles: Sequence[Path], *, inspections: int, kills: int, rounds: int = 5, progress: Progress = lambda _: None
) -> ArchiveFigures:
    """Measure on the disk of the temporary folder. No `bundles`: without the line; 0 `inspections` or `kills`: none."""
    with temporary_folder() as folder:
        progress("journal")
        journal = bench_journal(folder / "journal", rounds=rounds)
        queries = what = killed = None
        line: dict[str, LineCost] = {}
        for bundle in bundles:
            progress(f"line with {bundle.name}")
            line[bundle.name] = bench_line(folder / f"line-{bundle.name}", bundle, rounds=rounds)
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
