"""How soon the store answers: filters with their first page and counts, and rules with other limits."""

import contextlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from statistics import median
from typing import Final

import numpy as np

from inspector.archive.filters import Filters
from inspector.archive.store.database import Database
from inspector.archive.store.query import FACETS, facets, page
from inspector.archive.store.tally import counted_one_by_one
from inspector.archive.store.whatif import OtherLimits, compared, judge_again, load_columns, what_if
from inspector.core.message import Message
from inspector.core.types import Prediction, Region, Scores
from inspector.recipes.recipe import CameraModel, InspectModel, Recipe, Rule
from inspector.recipes.verdict import judge

_ROUNDS: Final = 20  # of each query


@dataclass(frozen=True, slots=True)
class QuerySpeed:
    """Filters with their first page and all counts over `inspections`: `p99_ms` of the slowest one.

    `without_indices_ms`: median of the same without our indices and counts. `ratio`: the smallest gain of a filter.
    """

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


def bench_queries(database: Database, inspections: int) -> QuerySpeed:
    """Time each filter with its first page and the counts beside it; then the same without our indices."""
    now = datetime.now(UTC)
    filters = {
        "none": Filters(),
        "time": Filters(since=now - timedelta(days=2, minutes=20), until=now - timedelta(days=1)),
        "verdict": Filters(verdict="NG"),
        "rule": Filters(rule="score scratch"),
        "class": Filters(class_name="dent"),
        "part": Filters(part=f"P{inspections // 2:07d}"),
        "text": Filters(text=f"P{inspections // 2:07d}"[:-4]),  # ten thousand parts
        "hundred thousand": Filters(text=f"P{inspections // 2:07d}"[:-5]),  # and one between them that is named otherwise
        "nearly all": Filters(text="P"),
        "lots": Filters(text="L"),
        "lot": Filters(lot=f"L{inspections // 10_000}"),
        "recipe": Filters(recipe="product 0"),
        "shift": Filters(shift="B"),
        "operator": Filters(operator="operator 3"),
        "bundle": Filters(bundle=f"{0:064x}"),
        "margin": Filters(margin_below=0.01),
        "score": Filters(score_above=0.5, score_below=0.51),
        "brightness": Filters(brightness_above=99.9),
        "corrected": Filters(corrected=True),
        "human verdict": Filters(human_verdict="OK"),
    }
    fast = {name: _times_ms(lambda chosen=chosen: _ask(database, chosen)) for name, chosen in filters.items()}  # type: ignore[misc]
    p99 = {name: float(np.percentile(times, 99)) for name, times in fast.items()}
    slowest = max(p99, key=lambda name: p99[name])
    with _without_indices(database):
        slow = {name: _times_ms(lambda chosen=chosen: _ask_plainly(database, chosen), 1)[0] for name, chosen in filters.items()}  # type: ignore[misc]
    return QuerySpeed(
        inspections=inspections,
        filter=slowest,
        p99_ms=p99[slowest],
        without_indices_ms=median(slow.values()),
        ratio=min(slow[name] / median(fast[name]) for name in filters),
    )


def _ask(database: Database, filters: Filters) -> None:
    page(database, filters)
    facets(database, filters)


def _ask_plainly(database: Database, filters: Filters) -> None:
    page(database, filters)
    with database.read() as connection:
        connection.execute(counted_one_by_one(filters, FACETS)).all()


def _times_ms(work: Callable[[], object], rounds: int = _ROUNDS) -> list[float]:
    times = []
    for _ in range(rounds):
        began = time.perf_counter()
        work()
        times.append((time.perf_counter() - began) * 1000)
    return times


@contextlib.contextmanager
def _without_indices(database: Database) -> Iterator[None]:
    """Drop the indices of inspections, and make them again."""
    with database.write() as connection:
        query = "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND name LIKE 'ix_result%'"
        indices = connection.exec_driver_sql(query).all()
        for name, _ in indices:
            connection.exec_driver_sql(f"DROP INDEX {name}")
    yield
    with database.write() as connection:
        for _, made in indices:
            connection.exec_driver_sql(made)


def bench_what_if(database: Database, inspections: int) -> WhatIfSpeed:
    """Time a what-if over everything, and the recipe's own rules over predictions one by one."""
    began = time.perf_counter()
    found = what_if(database, Filters(), [OtherLimits(0, 0.9)])
    ours = found.inspections / (time.perf_counter() - began)
    columns = load_columns(database, Filters())
    model = InspectModel(bundle="states", camera="top")
    rule = Rule(bundle="states", quantity="score", limit=0.9)
    recipe = Recipe(name="bench", cameras={"top": CameraModel(source="bench")}, inspect=(model,), rules=(rule,))
    scores = np.array([0.2, 0.8], np.float32)
    region = Region(0, 0, 64, 48)
    predictions = [Prediction("states", "classification", "top", ("good", "bad"), region, Scores(scores)) for _ in range(2000)]
    failures: list[Message] = []
    rates = []
    for round_ in range(5):  # in turns
        began = time.perf_counter()
        compared(columns, judge_again(columns, [OtherLimits(0, 0.8 + round_ / 100)]))
        again = found.inspections / (time.perf_counter() - began)
        began = time.perf_counter()
        for prediction in predictions:
            judge(recipe, [prediction], failures)
        rates.append((again, len(predictions) / (time.perf_counter() - began)))
    again, single = (median(rate[side] for rate in rates) for side in range(2))
    return WhatIfSpeed(inspections, ours, again, single, median(first / second for first, second in rates))
