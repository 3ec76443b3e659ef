"""What if: rules with other limits over stored values, without touching an image, and the parts whose verdict flips.

Thousands of inspections are judged at once, on columns; `recipes.verdict.judge` would give the same verdicts one by one.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import ColumnElement, Connection, Integer, Select, case, cast, func, literal, select

from inspector.archive.filters import Filters
from inspector.archive.store.database import Database
from inspector.archive.store.models import JudgementRow, ResultRow
from inspector.archive.store.selection import matching
from inspector.core.errors import ConfigError
from inspector.core.types import SEVERITY, Verdict
from inspector.tasks.statistics.intervals import wilson

_AT_ONCE: Final = 10_000  # rows
VERDICTS: Final = (Verdict.OK, Verdict.REVIEW, Verdict.NOT_INSPECTED, Verdict.NG)  # by severity
_NG, _REVIEW, _MISSING = SEVERITY[Verdict.NG], SEVERITY[Verdict.REVIEW], SEVERITY[Verdict.NOT_INSPECTED]


@dataclass(frozen=True, slots=True)
class OtherLimits:
    """Other limits for a rule, by its number in the recipe. `review` None: without a warning band."""

    rule: int
    limit: float
    review: float | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Columns:
    """A selection as two tables: `results` [N] and the `judgements` [M] of its rules; `of` [M]: the row of `results`."""

    results: NDArray[np.void]
    judgements: NDArray[np.void]
    of: NDArray[np.int64]

    @classmethod
    def of_results(cls, rows: Sequence[tuple[int, int, int]]) -> "Columns":
        """Return rows of `result_columns` without judgements."""
        return cls(np.array(rows, _RESULT), np.zeros(0, _JUDGEMENT), np.zeros(0, np.int64))


# `human` -1: nobody said anything. Verdicts are severities.
_RESULT: Final = np.dtype([("key", np.int64), ("machine", np.int8), ("human", np.int8)])
_JUDGEMENT: Final = np.dtype(
    [
        ("key", np.int64),
        ("rule", np.int16),
        ("value", np.float64),
        ("above", np.bool_),
        ("is_class", np.bool_),
        ("wrong", np.bool_),
        ("verdict", np.int8),
    ]
)
# As they are read: of a row with few columns few objects are made, which take most of the time.
_PACKED_RESULT: Final = np.dtype([("key", np.int64), ("code", np.int64)])
_PACKED_JUDGEMENT: Final = np.dtype([("key", np.int64), ("value", np.float64), ("code", np.int64)])


@dataclass(frozen=True, slots=True)
class Share:
    """A count among `of`, with the 95 % interval of its share (Wilson)."""

    count: int
    of: int
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class WhatIf:
    """What other limits would have said. `flips`: key, verdict before, verdict then.

    Each of these is a pair, before and then: `misses`, parts that a person called NG and that are OK; `false_rejects`, parts
    that a person called OK and that are NG.
    """

    inspections: int
    counts: Mapping[str, Mapping[str, int]]
    flips: Sequence[tuple[int, str, str]]
    misses: tuple[Share, Share]
    false_rejects: tuple[Share, Share]


def result_columns() -> tuple[Any, ...]:
    """Return key, severity of the machine's verdict, and of the human one; -1 for none."""
    return ResultRow.id, _severity(ResultRow.verdict), _severity(ResultRow.human_verdict)


def load_columns(database: Database, filters: Filters) -> Columns:
    """Read the judgements of a selection. Raises StorageError."""
    judgement = JudgementRow
    severities = (_severity(ResultRow.verdict) + 1) * 8 + _severity(ResultRow.human_verdict) + 1
    chosen = matching(select(ResultRow.id, severities), filters)
    flags = (judgement.above, 32), (judgement.quantity == "class", 16), (judgement.wrong, 8)
    marks = sum(cast(flag, Integer) * place for flag, place in flags) + _severity(judgement.verdict) + 1
    packed = cast(judgement.rule, Integer) * 64 + marks
    value = func.coalesce(judgement.compared, literal(math.inf))
    with database.read() as connection:
        # Sorted here: in the order of the rows all of each row would be read, not an index.
        found = _table(connection, chosen, _PACKED_RESULT)
        results = _results(found[np.argsort(found["key"], kind="stable")])
        if not len(results):
            return Columns(results, np.zeros(0, _JUDGEMENT), np.zeros(0, np.int64))
        first, last = int(results["key"][0]), int(results["key"][-1])
        query = select(judgement.result_id, value, packed).where(judgement.result_id.between(first, last))
        judged = _judgements(_table(connection, query.order_by(judgement.result_id), _PACKED_JUDGEMENT))
    place = np.searchsorted(results["key"], judged["key"])
    known = results["key"][np.minimum(place, len(results) - 1)] == judged["key"]
    return Columns(results, judged, place) if known.all() else Columns(results, judged[known], place[known])


def _results(packed: NDArray[np.void]) -> NDArray[np.void]:
    rows = np.empty(len(packed), _RESULT)
    rows["key"] = packed["key"]
    rows["machine"] = (packed["code"] >> 3) - 1
    rows["human"] = (packed["code"] & 7) - 1
    return rows


def _judgements(packed: NDArray[np.void]) -> NDArray[np.void]:
    rows, code = np.empty(len(packed), _JUDGEMENT), packed["code"]
    for name in ("key", "value"):
        rows[name] = packed[name]
    rows["rule"] = code >> 6
    for name, place in (("above", 32), ("is_class", 16), ("wrong", 8)):
        rows[name] = code & place != 0
    rows["verdict"] = (code & 7) - 1
    return rows


def _severity(column: Any) -> ColumnElement[int]:  # noqa: ANN401 - a column that may be NULL
    return case({verdict.value: SEVERITY[verdict] for verdict in Verdict}, value=column, else_=-1)


def _table(connection: Connection, query: Select[*tuple[Any, ...]], dtype: np.dtype[np.void]) -> NDArray[np.void]:
    """Return the rows of a query as a table, read by the driver's cursor: an object a row would take most of the time."""
    cursor: Any = connection.execute(query).cursor
    return np.fromiter(chain.from_iterable(iter(lambda: cursor.fetchmany(_AT_ONCE), [])), dtype)


def judge_again(columns: Columns, others: Sequence[OtherLimits]) -> NDArray[np.int8]:
    """Return the verdict of every inspection with other limits, as severity."""
    judged = columns.judgements
    verdict = judged["verdict"].copy()
    for other in others:
        rows = np.flatnonzero((judged["rule"] == other.rule) & np.isfinite(judged["value"]))
        chosen = judged[rows]
        fresh = _decided(chosen["value"], chosen["above"], other)
        if chosen["is_class"].any():
            fresh = np.where(chosen["is_class"], _decided_class(chosen["value"], chosen["wrong"], other), fresh)
        verdict[rows] = fresh
    before, worst = _worst(columns, judged["verdict"]), _worst(columns, verdict)
    # NOT_INSPECTED for another reason than a rule stays, unless a rule says NG.
    failed = (columns.results["machine"] == _MISSING) & (before != _MISSING)
    return np.where(failed & (worst < _NG), _MISSING, worst).astype(np.int8)


def _worst(columns: Columns, verdict: NDArray[np.int8]) -> NDArray[np.int8]:
    worst = np.zeros(len(columns.results), np.int8)
    np.maximum.at(worst, columns.of, verdict)
    return worst


def _decided(value: NDArray[np.float64], above: NDArray[np.bool_], limits: OtherLimits) -> NDArray[np.int8]:
    """Return verdicts as `quantities.Quantity.decide` gives them."""
    fresh = np.zeros(len(value), np.int8)
    if limits.review is not None:
        fresh[np.where(above, value > limits.review, value < limits.review)] = _REVIEW
    fresh[np.where(above, value > limits.limit, value < limits.limit)] = _NG
    return fresh


def _decided_class(value: NDArray[np.float64], wrong: NDArray[np.bool_], limits: OtherLimits) -> NDArray[np.int8]:
    """Return verdicts as `quantities.MostLikelyClass.decide` gives them."""
    good = np.zeros(len(value), np.int8)
    if limits.review is not None:
        good[value < limits.review] = _REVIEW
    return np.where(wrong, np.where(value >= limits.limit, _NG, _REVIEW), good).astype(np.int8)


def what_if(database: Database, filters: Filters, others: Sequence[OtherLimits], *, most: int = 10_000) -> WhatIf:
    """Judge a selection again with other limits. Raises ConfigError for a rule that is not one rule there, and StorageError.

    `most`: flips that are listed; the counts are complete.
    """
    _check(database, filters, others)
    columns = load_columns(database, filters)
    return compared(columns, judge_again(columns, others), most=most)


def compared(columns: Columns, then: NDArray[np.int8], *, most: int = 10_000) -> WhatIf:
    """Return what differs between the machine's verdicts and others."""
    before, human = columns.results["machine"], columns.results["human"]
    flipped = np.flatnonzero(before != then)
    table = np.zeros((4, 4), np.int64)
    np.add.at(table, (before, then), 1)
    return WhatIf(
        inspections=len(columns.results),
        counts={
            VERDICTS[row].value: {VERDICTS[column].value: int(table[row, column]) for column in range(4)} for row in range(4)
        },
        flips=[_flip(columns, before, then, row) for row in flipped[:most].tolist()],
        misses=(_share(human == _NG, before == 0), _share(human == _NG, then == 0)),
        false_rejects=(_share(human == 0, before == _NG), _share(human == 0, then == _NG)),
    )


def _flip(columns: Columns, before: NDArray[np.int8], then: NDArray[np.int8], row: int) -> tuple[int, str, str]:
    return int(columns.results["key"][row]), VERDICTS[before[row]].value, VERDICTS[then[row]].value


def _share(of: NDArray[np.bool_], wrong: NDArray[np.bool_]) -> Share:
    total, count = int(of.sum()), int((of & wrong).sum())
    low, high = wilson(count, total)
    return Share(count, total, low, high)


def _check(database: Database, filters: Filters, others: Sequence[OtherLimits]) -> None:
    """Refuse a number that means no rule, or several, in this selection."""
    everywhere = select(JudgementRow.rule, JudgementRow.quantity).distinct()
    everywhere = everywhere.where(JudgementRow.rule.in_([other.rule for other in others]))
    chosen = matching(everywhere.join(ResultRow, ResultRow.id == JudgementRow.result_id), filters)
    with database.read() as connection:
        found = connection.execute(everywhere).all()  # of all inspections, which needs no look at each of them
        if len(found) != len({other.rule for other in others}):
            found = connection.execute(chosen).all()
    for other in others:
        count = sum(rule == other.rule for rule, _ in found)
        if count != 1:
            raise ConfigError(
                "Rule {rule} means {count} different quantities in this selection.",
                remedy="Choose inspections of one recipe revision.",
                rule=other.rule,
                count=count,
            )
