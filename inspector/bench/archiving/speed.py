"""What the archive costs the line, and how soon it answers."""

import contextlib
import sqlite3
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median
from typing import Any, Final

import numpy as np

from inspector.archive.contents import RunContext, correction_content, result_content, run_content
from inspector.archive.filters import Filters
from inspector.archive.keys import StationKey
from inspector.archive.recording.journal import open_journal
from inspector.archive.recording.segment import JournalRecord, chained, genesis
from inspector.archive.recording.sinks import archive_sinks
from inspector.archive.store.database import Database, open_database
from inspector.archive.store.feeder import journal_row, store_records
from inspector.archive.store.models import result_id
from inspector.archive.store.query import facet, page
from inspector.archive.store.whatif import OtherLimits, compared, judge_again, load_columns, what_if
from inspector.bench.archiving.kill import Kills, bench_kills, made_inspection
from inspector.bench.frames import demo_frames
from inspector.bench.sides import Ours, Taken
from inspector.bundles.bundle import Bundle
from inspector.core.message import Message
from inspector.core.text import json_line
from inspector.core.types import Inspection, Prediction, Region, Scores, Verdict
from inspector.inspection.status import StationStatus
from inspector.recipes.automatic import recipe_for
from inspector.recipes.recipe import CameraModel, InspectModel, Recipe, Rule
from inspector.recipes.verdict import judge

_BATCH: Final = 16  # records that are committed together
_PAYLOAD: Final = 2000  # bytes of a record, about what a part with four rules has
_SHARE: Final = 0.7  # of the line's speed, for the time until the line is told
_ROUNDS: Final = 7  # of each query
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
class QuerySpeed:
    """The slowest p99 of a filter with first page and counts over `inspections`. `ratio`: over the same without our indices."""

    inspections: int
    filter: str
    p99_ms: float
    without_indices_ms: float
    ratio: float


@dataclass(frozen=True, slots=True)
class WhatIfSpeed:
    """Inspections a second, read and judged with another limit. `again_per_s`: with the next limit, once they are read.

    `one_by_one_per_s`: judged by the recipe's rules from predictions in memory. `ratio`: of `again_per_s` to it.
    """

    inspections: int
    per_s: float
    again_per_s: float
    one_by_one_per_s: float
    ratio: float


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
                sequences = [journal.submit(content) for _ in range(_BATCH)]
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


def fill(database: Database, inspections: int, *, batch: int = 2000) -> None:
    """Make inspections of one month on one line and store them as the feeder does."""
    rng = np.random.default_rng(0)
    start = datetime.now(UTC) - timedelta(days=30)
    template = result_content(made_inspection(1, part="", size=(8, 8)), keeps="")
    before, name, sequence = genesis("bench"), "bench", 0
    done = 0
    while done < inspections:
        records = []
        for _ in range(min(batch, inspections - done)):
            if done % 5000 == 0:
                sequence += 1
                records.append(_chained(run_content(StationStatus(), _context(done)), before, sequence))
                before = records[-1].digest
            sequence += 1
            made = _varied(template, done, start, inspections, rng)
            records.append(_chained(made, before, sequence))
            before = records[-1].digest
            if done % 100 == 99:  # a person says that one was misjudged
                truth = Verdict.OK if made["verdict"] == "NG" else Verdict.NG
                said = correction_content(
                    result_id(name, sequence),
                    who="Ann",
                    verdict=truth,
                    machine=made["verdict"],
                    class_name="",
                    reason="",
                    note="",
                )
                sequence += 1
                records.append(_chained(said, before, sequence))
                before = records[-1].digest
            done += 1
        with database.write() as connection:
            store_records(connection, int(journal_row(connection, name)["id"]), records)
    with database.write() as connection:
        if database.is_sqlite:
            connection.exec_driver_sql("ANALYZE")


def _context(number: int) -> RunContext:
    lot = number // 5000
    return RunContext(station="bench", line="1", shift="ABC"[lot % 3], operator=f"operator {lot % 12}", lot=f"L{lot}")


def _varied(template: dict[str, Any], number: int, start: datetime, total: int, rng: np.random.Generator) -> dict[str, Any]:
    value = float(rng.random())
    verdict = "NG" if value > 0.97 else "REVIEW" if value > 0.95 else "OK"
    (judgement,) = template["judgements"]
    name = ("scratch", "stain", "dent", "crack")[int(rng.integers(4))]
    return {
        **template,
        "creation_time": (start + timedelta(days=30) * (number / total)).isoformat(),
        "part_id": f"P{number:07d}",
        "run_sequence": number,
        "verdict": verdict,
        "result_evaluation": {"OK": 1, "NG": 2, "REVIEW": 3}[verdict],
        "internal_recipe_id": {**template["internal_recipe_id"], "id": f"product {number // 50_000}", "hash": "ab" * 32},
        "internal_configuration_id": {"states": f"{number // 100_000:064x}"},
        "judgements": [{**judgement, "class": name, "value": value, "limit": 0.97, "verdict": verdict}],
        "reasons": template["reasons"] if verdict != "OK" else [],
        "frames": [{**template["frames"][0], "brightness": 80 + 20 * value}],
    }


def _chained(content: dict[str, Any], before: bytes, sequence: int) -> JournalRecord:
    payload = json_line(content)
    return JournalRecord(sequence, payload, chained(before, sequence, payload))


def bench_queries(database: Database, inspections: int) -> QuerySpeed:
    """Time each filter with its first page and the counts beside it; then the same without our indices."""
    now = datetime.now(UTC)
    filters = {
        "none": Filters(),
        "time": Filters(since=now - timedelta(days=1)),
        "verdict": Filters(verdict="NG"),
        "rule": Filters(rule="score scratch"),
        "part": Filters(part=f"P{inspections // 2:07d}"),
        "lot": Filters(lot=f"L{inspections // 10_000}"),
        "recipe": Filters(recipe="product 0"),
        "shift": Filters(shift="B"),
        "operator": Filters(operator="operator 3"),
        "bundle": Filters(bundle=f"{0:064x}"),
        "margin": Filters(margin_below=0.01),
        "brightness": Filters(brightness_above=99.9),
        "corrected": Filters(corrected=True),
    }
    fast = {name: _p99(lambda chosen=chosen: _ask(database, chosen)) for name, chosen in filters.items()}  # type: ignore[misc]
    slowest = max(fast, key=lambda name: fast[name])
    with _without_indices(database):
        slow = {name: _p99(lambda chosen=chosen: _ask(database, chosen), rounds=1) for name, chosen in filters.items()}  # type: ignore[misc]
    return QuerySpeed(
        inspections=inspections,
        filter=slowest,
        p99_ms=fast[slowest],
        without_indices_ms=median(slow.values()),
        ratio=median(slow[name] / fast[name] for name in filters),
    )


def _ask(database: Database, filters: Filters) -> None:
    page(database, filters)
    facet(database, filters, "verdict")


def _p99(work: Callable[[], object], *, rounds: int = _ROUNDS) -> float:
    times = []
    for _ in range(rounds):
        began = time.perf_counter()
        work()
        times.append((time.perf_counter() - began) * 1000)
    return float(np.percentile(times, 99))


@contextlib.contextmanager
def _without_indices(database: Database) -> Iterator[None]:
    with database.write() as connection:
        query = "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND name LIKE 'ix_result%'"
        indices = connection.exec_driver_sql(query).all()
        for name, _ in indices:
            connection.exec_driver_sql(f"DROP INDEX {name}")
    yield


def bench_what_if(database: Database, inspections: int) -> WhatIfSpeed:
    """Time a what-if over everything, and the recipe's own rules over predictions one by one."""
    began = time.perf_counter()
    found = what_if(database, Filters(), [OtherLimits(0, 0.9)])
    ours = found.inspections / (time.perf_counter() - began)
    columns = load_columns(database, Filters())
    began = time.perf_counter()
    compared(columns, judge_again(columns, [OtherLimits(0, 0.8)]))
    again = found.inspections / (time.perf_counter() - began)
    model = InspectModel(bundle="states", camera="top")
    rule = Rule(bundle="states", quantity="score", limit=0.9)
    recipe = Recipe(name="bench", cameras={"top": CameraModel(source="bench")}, inspect=(model,), rules=(rule,))
    scores = np.array([0.2, 0.8], np.float32)
    region = Region(0, 0, 64, 48)
    predictions = [Prediction("states", "classification", "top", ("good", "bad"), region, Scores(scores)) for _ in range(2000)]
    failures: list[Message] = []
    began = time.perf_counter()
    for prediction in predictions:
        judge(recipe, [prediction], failures)
    single = len(predictions) / (time.perf_counter() - began)
    return WhatIfSpeed(inspections, ours, again, single, again / single)
