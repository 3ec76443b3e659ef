"""A list in blocks is the list itself, wherever it is read."""

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import get_args

import pytest
from sqlalchemy import insert

from inspector.archive.archive import opened_archive
from inspector.archive.corrections import correct
from inspector.archive.filters import Filters
from inspector.archive.store.blocks import (
    Gap,
    block,
    blocks_of,
    gaps_before,
    keys_between,
    neighbour,
    newest_of,
    place_of,
    rows_of,
)
from inspector.archive.store.database import Database, open_database
from inspector.archive.store.models import GapRow, key_of
from inspector.archive.store.query import Order, count, every, page
from inspector.bench.archiving.generated import fill
from tests.archive.recorded import record_run

COUNT = 450
FILTERS = {
    "all": Filters(),
    "verdict": Filters(verdict="NG"),
    "class": Filters(class_name="scratch"),
    "text": Filters(text="P00001"),
    "margin": Filters(margin_above=0.02, margin_below=0.4),
    "score": Filters(score_above=0.25, score_below=0.75),
    "nothing": Filters(lot="none"),
}


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    database = open_database(tmp_path_factory.mktemp("filled"))
    fill(database, COUNT)
    yield database
    database.close()


@pytest.mark.parametrize("order", get_args(Order))
@pytest.mark.parametrize("name", FILTERS)
def test_blocks_make_up_the_list(filled: Database, name: str, order: Order) -> None:
    expected = [row["id"] for row in every(filled, FILTERS[name], order=order)]
    blocks = blocks_of(filled, FILTERS[name], order, size=20)
    assert blocks.total == len(expected)
    read = [[row["id"] for row in block(filled, blocks, number)] for number in range(len(blocks.starts))]
    assert [key for keys in read for key in keys] == expected
    assert all(len(keys) == 20 for keys in read[:-1])
    if len(expected) > 30:
        assert keys_between(filled, blocks, 7, 29) == expected[7:30]
        rows = page(filled, FILTERS[name], order=order, limit=26).rows
        row = rows[-1]
        assert place_of(filled, blocks, (row["margin" if order == "margin" else "creation_time"], row["id"])) == 25


@pytest.mark.parametrize("order", get_args(Order))
def test_the_next_ng_part_is_the_one_a_person_would_find(filled: Database, order: Order) -> None:
    rows = list(every(filled, Filters(), order=order))
    bad = [place for place, row in enumerate(rows) if row["verdict"] == "NG"]
    blocks = blocks_of(filled, Filters(), order)
    assert len(bad) > 3
    for before, after in pairwise(bad):
        assert neighbour(filled, blocks, before, verdict="NG", back=False) == (rows[after]["id"], after)
        assert neighbour(filled, blocks, after, verdict="NG", back=True) == (rows[before]["id"], before)
    assert neighbour(filled, blocks, bad[-1], verdict="NG", back=False) is None
    assert neighbour(filled, blocks, bad[0], verdict="NG", back=True) is None


def test_what_filters_mean(filled: Database) -> None:
    rows = list(every(filled, Filters()))
    scratched = [row for row in rows if row["rule"] == "score scratch"]
    assert count(filled, Filters(class_name="scratch")) == len(scratched) > 0
    assert count(filled, Filters(text="P00001")) == 100
    assert count(filled, Filters(text="L0")) == COUNT  # the lot
    assert count(filled, Filters(text="%")) == 0
    assert count(filled, Filters(keys=(rows[3]["id"], rows[9]["id"]))) == 2
    near = [row for row in rows if row["margin"] > 0.1]
    assert count(filled, Filters(margin_above=0.1)) == len(near)
    # The brightness was made of the value of the only rule.
    scores = [(row["brightness"] - 80) / 20 for row in rows]
    between = sum(0.25 < score < 0.75 for score in scores)
    assert count(filled, Filters(score_above=0.25, score_below=0.75)) == between


def test_a_list_stays_as_it_was_while_more_is_inspected_and_parts_are_corrected(tmp_path: Path) -> None:
    folder = tmp_path / "archive"
    record_run(folder, "L1", "A{}")
    with opened_archive(folder) as archive:
        untouched = Filters(corrected=False)
        before = [row["id"] for row in every(archive.database, untouched, order="newest")]
        blocks, newest = blocks_of(archive.database, untouched, "newest", size=5), newest_of(archive.database)
        record_run(folder, "L2", "B{}", count=3)
        archive.feeder.feed()
        assert newest_of(archive.database) > newest
        correct(archive, [before[7]], who="Ann", verdict="OK")
        read = [[row["id"] for row in block(archive.database, blocks, number)] for number in range(len(blocks.starts))]
        assert read[0] == before[:5]  # nothing new above it
        assert read[1] == [key for key in before[5:10] if key != before[7]]  # a place is empty, none is shown twice
        assert gaps_before(archive.database) == {}
        # A person still sees the corrected part: places are those of what is seen, or of what a block has now.
        seen = {1: list(rows_of(archive.database, before[5:10]).values())}
        seen[1].sort(key=lambda row: before.index(row["id"]))
        assert keys_between(archive.database, blocks, 8, 11, shown=seen) == before[8:12]
        assert keys_between(archive.database, blocks, 6, 11) == [before[6], before[8], before[9], before[10], before[11]]
        for number, place in ((16, 16), (9, 9)):  # in another block, and in the one with the corrected part
            row = rows_of(archive.database, [before[number]])[before[number]]
            assert place_of(archive.database, blocks, (row["creation_time"], row["id"]), shown=seen) == place
        bad = [place for place in range(len(before)) if place in (1, 8, 15, 22)]
        found = [neighbour(archive.database, blocks, place - 1, verdict="NG", back=False, shown=seen) for place in bad]
        assert found == [(before[place], place) for place in bad]


def test_several_gaps_before_one_inspection_are_all_told(tmp_path: Path) -> None:
    record_run(tmp_path / "archive", "L1", "A{}", count=3)
    with opened_archive(tmp_path / "archive") as archive:
        with archive.database.write() as connection:
            lost = [{"journal_id": 1, "first": 902, "last": 904, "damaged": True}]
            lost += [{"journal_id": 1, "first": 900, "last": 900, "damaged": False}]
            connection.execute(insert(GapRow), lost)
        assert gaps_before(archive.database) == {key_of(2, 0): [Gap(900, 900, damaged=False), Gap(902, 904, damaged=True)]}
