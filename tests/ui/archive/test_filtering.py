"""What is chosen in the archive's filters: kept as text, and days that begin when the clocks of the station say so."""

import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime

import numpy as np
import pytest
from PySide6.QtWidgets import QPushButton
from pytestqt.qtbot import QtBot

from inspector.ui.archive.filtering.choice import NUMBERS, PERIODS, TEXTS, Choice, number, saved_choice
from inspector.ui.archive.filtering.filter_panel import FilterPanel
from inspector.ui.archive.filtering.saved_filters import SavedFilters
from inspector.ui.shell.settings import Settings

NAMES = ("period", "since", "until", "truth", "simulated", *NUMBERS, *TEXTS)
LETTERS = tuple('aZ09 \n\t"\\{}[]:,=\0\x1f%_üñ部品𝔘‮')


@pytest.fixture
def berlin(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The station's clock where summer time ended on 25 October 2026 and begins on 28 March 2027."""
    if not hasattr(time, "tzset"):
        pytest.skip("the time zone of a process cannot be set here")
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    if datetime(2026, 7, 1, tzinfo=UTC).astimezone().utcoffset() == datetime(2026, 12, 1, tzinfo=UTC).astimezone().utcoffset():
        pytest.skip("no table of time zones is installed")
    yield
    monkeypatch.undo()
    time.tzset()


def test_any_choice_comes_back_from_its_text() -> None:
    rng = np.random.default_rng(11)
    for _ in range(300):
        names = rng.permutation(NAMES)[: rng.integers(0, len(NAMES) + 1)]
        choice = Choice()
        for name in names.tolist():
            choice = choice.with_value(name, "".join(rng.choice(LETTERS, rng.integers(0, 12))))
        text = choice.as_text()
        assert saved_choice(text).values == choice.values
        assert "\n" not in text  # it stands behind its name in one line of the settings


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "null", "1", '"OK"', '{"period": null}', '{"unknown": "x"}', "[" * 100_000, '{"lot": NaN}', "\0"]
)
def test_what_is_damaged_means_any(text: str) -> None:
    assert set(saved_choice(text).values) <= {"lot"}


def test_any_kept_text_makes_filters() -> None:
    """Whatever stands in the settings, the page asks for something, or for everything."""
    rng = np.random.default_rng(12)
    values = [
        "",
        "OK",
        "yes",
        "today",
        "dates",
        "1,5",
        "nan",
        "1e999",
        "9999-12-31T23:59",
        "0001-01-01",
        5,
        None,
        [],
        {"a": 1},
        True,
    ]
    now = datetime(2026, 11, 30, 12, tzinfo=UTC)
    for _ in range(300):
        kept = {name: values[rng.integers(len(values))] for name in NAMES}
        filters = saved_choice(json.dumps(kept)).filters(now)
        assert filters.human_verdict in ("", "OK", "NG")
        assert all(bound is None or np.isfinite(bound) for bound in (filters.score_above, filters.margin_below))


@pytest.mark.parametrize(
    ("now", "began", "before"),
    [
        ("2026-10-25T15:00", "2026-10-24T22:00", "2026-10-23T22:00"),  # 25 hours long, and begun in summer time
        ("2026-10-26T15:00", "2026-10-25T23:00", "2026-10-24T22:00"),
        ("2027-03-28T15:00", "2027-03-27T23:00", "2027-03-26T23:00"),  # 23 hours long
        ("2027-03-29T15:00", "2027-03-28T22:00", "2027-03-27T23:00"),
    ],
)
def test_a_day_begins_at_midnight_though_the_clocks_changed(berlin: None, now: str, began: str, before: str) -> None:
    at = datetime.fromisoformat(now).astimezone()
    today, yesterday = (Choice({"period": name}).filters(at) for name in ("today", "yesterday"))
    assert today.since == datetime.fromisoformat(began + "+00:00")
    assert (yesterday.since, yesterday.until) == (datetime.fromisoformat(before + "+00:00"), today.since)


@pytest.mark.parametrize("period", PERIODS)
def test_no_period_ends_before_it_begins(period: str) -> None:
    found = Choice({"period": period, "since": "2026-01-01", "until": "2026-02-01"}).filters(datetime.now().astimezone())
    assert found.since is None or found.until is None or found.since < found.until


@pytest.mark.parametrize(("text", "value"), [("0,5", 0.5), ("0.5", 0.5), (" 1 ", 1.0), ("５", 5.0), ("inf", None), ("x", None)])
def test_a_number_is_read_as_people_write_it(text: str, value: float | None) -> None:
    assert number(text) == value


def test_a_kept_filter_is_used_again_after_the_next_start(qtbot: QtBot, settings: Settings) -> None:
    def panel() -> FilterPanel:
        made = FilterPanel()
        qtbot.addWidget(made)
        return made

    first = panel()
    SavedFilters(first, settings)
    first.show_choice(Choice({"lot": 'L"1\n=x', "verdict": "NG"}))
    first.saved.emit("rejects of \n  the lamp")
    second = panel()
    SavedFilters(second, settings)
    names = [second.known.itemText(row) for row in range(second.known.count())]
    assert "rejects of the lamp" in names
    with qtbot.waitSignal(second.changed):
        second.known.setCurrentIndex(names.index("rejects of the lamp"))
        second.known.activated.emit(names.index("rejects of the lamp"))
    assert second.choice.value("verdict") == "NG"
    assert [button for button in second.findChildren(QPushButton) if not button.text() and not button.accessibleName()] == []
