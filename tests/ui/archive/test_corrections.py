"""What a person says of archived parts is about the parts that are seen, and is shown."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from pytestqt.qtbot import QtBot

from inspector.archive.archive import opened_archive
from inspector.archive.corrections import correct
from inspector.ui.archive.page import ArchivePage
from inspector.ui.shell import strings
from inspector.ui.shell.settings import Preferences, Settings
from tests.archive.recorded import COUNT, record_run
from tests.ui.archive.shown import calm, choose, known, listed, showing
from tests.ui.fitting import clipped
from tests.ui.pressing import press


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    record_run(tmp_path / "archive", "L1", "P{}")
    return tmp_path / "archive"


@pytest.fixture
def show(qtbot: QtBot, tmp_path: Path) -> Iterator[Callable[..., ArchivePage]]:
    yield from showing(qtbot, Settings(tmp_path / "window.toml", preferences=Preferences(language="en", theme="light")))


def test_what_is_corrected_is_what_is_seen(qtbot: QtBot, show: Callable[[Path], ArchivePage], archive: Path) -> None:
    page = show(archive)
    page.correction.who.setText("Ann")
    page.open_part(1)
    calm(qtbot, page)
    canvas = page.record.analysis.current().canvas
    qtbot.keyClick(canvas, Qt.Key.Key_R)  # and at once to the next part, while the correction is still being written
    qtbot.keyClick(canvas, Qt.Key.Key_Right)
    calm(qtbot, page)
    assert known(archive, "P21")["human_verdict"] == "NG"
    assert page.record.part.text() == page.correction.part.text() == "P20"
    qtbot.keyClick(page.record, Qt.Key.Key_Left)
    calm(qtbot, page)
    qtbot.keyClick(page.record, Qt.Key.Key_Right)  # there and back before the first is read
    qtbot.keyClick(page.record, Qt.Key.Key_Left)
    calm(qtbot, page)
    assert page.record.part.text() == page.correction.part.text() == "P21"


def test_places_stay_when_a_correction_takes_parts_out_of_the_list(
    qtbot: QtBot, show: Callable[[Path], ArchivePage], archive: Path
) -> None:
    page = show(archive)
    choose(qtbot, page, "truth", "no")
    page.correction.who.setText("Ann")
    page.gallery.go_to(1)
    calm(qtbot, page)
    press(page, qtbot, "Right")
    calm(qtbot, page)
    assert listed(page)[:4] == ["P22", "P21", "P20", "P19"]  # it is still seen, with what was said
    viewport, gallery = page.gallery.viewport(), page.gallery
    page.gallery.go_to(2)
    qtbot.mouseClick(viewport, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.ShiftModifier, gallery.cell(3).center())
    calm(qtbot, page)
    assert {
        entry.row["part_id"] for index in range(5) if (entry := page.parts.entry(index)) and entry.key in gallery.picks
    } == {
        "P20",
        "P19",
    }
    page.seek()
    calm(qtbot, page)
    assert page.gallery.current().row["part_id"] == "P14"  # type: ignore[union-attr]


def test_of_corrections_in_a_row_each_is_shown(qtbot: QtBot, show: Callable[[Path], ArchivePage], archive: Path) -> None:
    page = show(archive)
    keys = [entry.key for index in range(3) if (entry := page.parts.entry(index))]
    with opened_archive(archive) as opened:
        correct(opened, keys, who="Ann", verdict="OK")
    for key in keys:  # faster than they are read
        page.parts.update_rows([key])
    calm(qtbot, page)
    entries = [page.parts.entry(index) for index in range(4)]
    assert [entry and entry.row["human_verdict"] for entry in entries] == ["OK", "OK", "OK", None]


def test_parts_without_a_plain_verdict_are_refused_before_anything_is_written(
    qtbot: QtBot, show: Callable[[Path], ArchivePage], archive: Path
) -> None:
    page = show(archive)
    page.correction.who.setText("Ann")
    page.gallery.pick({page.parts.entry(index).key for index in (0, 1, 2)})  # type: ignore[union-attr]  # REVIEW, NG, OK
    press(page, qtbot, "Right")
    calm(qtbot, page)
    assert page.banners.problems() == {"archive": "A part is OK or NG, not REVIEW. Say what the part truly is."}
    assert [known(archive, name)["corrections"] for name in ("P22", "P21", "P20")] == [[], [], []]


def test_new_parts_are_offered_until_they_are_shown(qtbot: QtBot, show: Callable[[Path], ArchivePage], archive: Path) -> None:
    page = show(archive)
    record_run(archive, "L2", "Q{}", count=2)
    with opened_archive(archive):
        page._look()
    qtbot.waitUntil(lambda: page.refresh_button.text() == "New parts", timeout=10_000)
    assert page.refresh_button.property("role") == "primary"
    press(page, qtbot, "Refresh")
    calm(qtbot, page)
    assert page.total.text() == f"{COUNT + 2} parts"
    assert (page.refresh_button.text(), page.refresh_button.property("role")) == ("Refresh", "")


def test_two_parts_are_looked_at_side_by_side(qtbot: QtBot, show: Callable[[Path], ArchivePage], archive: Path) -> None:
    page = show(archive)
    with opened_archive(archive) as opened:
        correct(opened, [page.parts.entry(1).key], who="Ann", verdict="OK")  # type: ignore[union-attr]
    assert not page.pair_button.isVisible()
    for place in (1, 8):  # P21 and P14, both NG
        qtbot.mouseClick(
            page.gallery.viewport(),
            Qt.MouseButton.LeftButton,
            Qt.KeyboardModifier.ControlModifier,
            page.gallery.cell(place).center(),
        )
    press(page, qtbot, "Side by side")
    qtbot.waitUntil(page.pair.isVisible, timeout=10_000)
    first, second = page.pair.sides
    assert (first.part.text(), second.part.text()) == ("P14", "P21")
    assert "Truly" not in first.said.text()
    assert second.said.text().startswith("Truly: OK\n")
    assert first.canvas.frame is not None
    first.canvas.zoom_in()
    assert second.canvas.placement() == first.canvas.placement()  # in step
    for language in ("ja", "en"):
        strings.set_language(language)
        assert not clipped(page), language
    page.leave()
    assert page.gallery.isVisible()
