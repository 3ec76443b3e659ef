"""The archive page as an operator and an engineer use it, on archives that a line left behind."""

import csv
import json
import re
import shutil
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import Qt
from pytestqt.qtbot import QtBot
from sqlalchemy import update

from inspector.archive.archive import opened_archive
from inspector.archive.corrections import correct
from inspector.archive.filters import Filters
from inspector.archive.store.database import open_database
from inspector.archive.store.models import SchemaVersion
from inspector.archive.store.query import events, every, keys_of_part
from inspector.bench.archiving.generated import fill
from inspector.core.types import Inspection, Verdict
from inspector.ui.archive.filtering import counting
from inspector.ui.archive.page import ArchivePage
from inspector.ui.shell import strings, theme
from inspector.ui.shell.settings import Preferences, Settings
from tests.archive.recorded import COUNT, record_run
from tests.ui.archive.shown import calm, choose, known, listed, showing, words
from tests.ui.fitting import clipped
from tests.ui.pressing import press

BAD = (0, 7, 14, 21)
CLASSES = ("scratch", "dent on the outer ring", "discoloured_edge_of_the_sealing_lip", "傷", "stain", "crack")


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Inspection]]:
    folder = tmp_path_factory.mktemp("kept") / "archive"
    return folder, record_run(folder, "L1", "P{}", cameras=("top", "side"))


@pytest.fixture
def archive(kept: tuple[Path, list[Inspection]], tmp_path: Path) -> Path:
    """A copy that a test may change."""
    return Path(shutil.copytree(kept[0], tmp_path / "archive"))


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(tmp_path / "window.toml", preferences=Preferences(language="en", theme="light"))


@pytest.fixture
def show(qtbot: QtBot, settings: Settings) -> Iterator[Callable[..., ArchivePage]]:
    yield from showing(qtbot, settings)


def test_a_wrong_reject_is_found_looked_at_and_corrected_in_two_taps(
    qtbot: QtBot, show: Callable[[Path], ArchivePage], archive: Path, kept: tuple[Path, list[Inspection]], settings: Settings
) -> None:
    page = show(archive)
    assert page.total.text() == f"{COUNT} parts"
    assert listed(page) == [f"P{number}" for number in reversed(range(COUNT))]
    assert "NG  (4)" in words(page, "verdict")
    choose(qtbot, page, "verdict", "NG")
    assert listed(page) == [f"P{number}" for number in reversed(BAD)]
    assert words(page, "verdict")[:2] == [f"All  ({COUNT})", "OK  (17)"]  # beside it stands what the other values have
    qtbot.mouseDClick(page.gallery.viewport(), Qt.MouseButton.LeftButton, pos=page.gallery.cell(1).center())
    calm(qtbot, page)
    assert page.record.isVisible()
    made = kept[1][14]
    read = page.record.read
    assert read is not None
    assert read.inspection.part == made.part
    assert all(np.array_equal(read.inspection.frames[name].pixels, frame.pixels) for name, frame in made.frames.items())
    table = page.record.judgements.as_text()
    assert f"{made.judgements[0].value:.4g}" in table
    assert "> 0.6" in table
    assert page.record.word.text() == "NG"
    page.correction.who.setText("Ann")
    press(page, qtbot, "Wrong")
    press(page, qtbot, "Truly OK")
    calm(qtbot, page)
    said = known(archive, "P14")
    assert (said["verdict"], said["human_verdict"]) == ("NG", "OK")  # the machine's verdict stays beside it
    assert [(one["who"], one["verdict"], one["undone"]) for one in said["corrections"]] == [("Ann", "OK", None)]
    assert "Ann: OK" in page.record.history.text()
    assert page.correction.truly.isVisible()
    assert settings.layout.person == "Ann"
    assert "Truly OK  (1)" in words(page, "truth")
    press(page, qtbot, "Undo")
    calm(qtbot, page)
    assert known(archive, "P14")["human_verdict"] is None
    assert "(taken back)" in page.record.history.text()


def test_keys_lead_through_the_archive(qtbot: QtBot, show: Callable[[Path], ArchivePage], archive: Path) -> None:
    page = show(archive)
    page.gallery.setFocus()
    for key, part in (
        (Qt.Key.Key_N, "P21"),
        (Qt.Key.Key_N, "P14"),
        (Qt.Key.Key_End, "P0"),
        (Qt.Key.Key_Home, "P22"),
        (Qt.Key.Key_Right, "P21"),
    ):
        qtbot.keyClick(page.gallery, key)
        calm(qtbot, page)
        entry = page.gallery.current()
        assert entry is not None
        assert entry.row["part_id"] == part
    qtbot.keyClick(page.gallery, Qt.Key.Key_Return)
    assert page.record.isVisible()
    canvas = page.record.analysis.current().canvas
    qtbot.keyClick(canvas, Qt.Key.Key_N, Qt.KeyboardModifier.ShiftModifier)
    calm(qtbot, page)
    assert page.total.text() == "No earlier NG part."
    qtbot.keyClick(canvas, Qt.Key.Key_Right)
    calm(qtbot, page)
    assert page.record.part.text() == "P20"
    assert "No picture of this part was kept" in page.record.hint.text()
    page.correction.who.setText("Ann")
    qtbot.keyClick(page.record, Qt.Key.Key_R)  # right, although nobody can see it any more: the part lay on the table
    calm(qtbot, page)
    assert known(archive, "P20")["human_verdict"] == "OK"
    page.leave()
    assert page.gallery.isVisible()


def test_filters_are_counted_combined_and_kept(
    qtbot: QtBot,
    show: Callable[[Path], ArchivePage],
    archive: Path,
    settings: Settings,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    record_run(archive, "L2", "Q{}", count=8)
    page = show(archive)
    assert words(page, "lot") == ["All  (31)", "L1  (23)", "L2  (8)"]
    with monkeypatch.context() as patched:
        patched.setattr(counting, "MOST", 1)  # of many lots only some are named; all of them are counted
        page.refresh()
        calm(qtbot, page)
        assert words(page, "lot") == ["All  (31)", "L1  (23)"]
    page.refresh()
    calm(qtbot, page)
    assert words(page, "period")[1:3] == ["Last hour  (31)", "Today  (31)"] or datetime.now().astimezone().hour < 1
    choose(qtbot, page, "period", "hour")
    ending = page.parts.blocks.filters.since  # type: ignore[union-attr]
    assert ending is not None
    assert page.meant().since == ending  # what is handed on is what is listed, whenever that is
    choose(qtbot, page, "period", "")
    assert page.choice.with_value("margin_below", "nan").filters(datetime.now().astimezone()).margin_below is None
    choose(qtbot, page, "lot", "L2")
    assert words(page, "verdict") == ["All  (8)", "OK  (6)", "NG  (2)"]
    choose(qtbot, page, "verdict", "NG")
    assert listed(page) == ["Q7", "Q0"]
    page.filters.known.setEditText("Rejects of L2")
    press(page, qtbot, "Save these filters")
    press(page, qtbot, "All parts")
    calm(qtbot, page)
    assert page.total.text() == "31 parts"
    page.filters.text.setText("P2")
    qtbot.waitUntil(lambda: page.total.text() == "4 parts", timeout=10_000)  # P2, P20, P21, P22
    page.order.setCurrentIndex(2)
    page.order.activated.emit(2)
    calm(qtbot, page)
    with opened_archive(archive) as opened:
        nearest = [row["part_id"] for row in every(opened.database, Filters(text="P2"), order="margin")]
    assert listed(page) == nearest
    again = Settings(tmp_path / "window.toml")
    assert [text.partition("\n")[0] for text in again.layout.filters] == ["Rejects of L2"]
    page.filters.known.setCurrentIndex(0)
    page.filters.known.activated.emit(0)
    calm(qtbot, page)
    assert set(listed(page)) == {"Q7", "Q0"}
    press(page, qtbot, "Remove saved filters")
    assert settings.layout.filters == ()


def test_many_parts_are_picked_and_corrected_together(qtbot: QtBot, show: Callable[[Path], ArchivePage], archive: Path) -> None:
    page = show(archive)
    viewport, gallery = page.gallery.viewport(), page.gallery
    qtbot.mouseClick(viewport, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.ShiftModifier, gallery.cell(2).center())
    calm(qtbot, page)
    assert page.total.text() == "3 of 23 parts picked"
    qtbot.mouseClick(viewport, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.ControlModifier, gallery.cell(1).center())
    assert page.total.text() == "2 of 23 parts picked"
    page.correction.who.setText("Bob")
    press(page, qtbot, "Wrong")
    press(page, qtbot, "Truly NG")
    calm(qtbot, page)
    assert [known(archive, name)["human_verdict"] for name in ("P22", "P21", "P20")] == ["NG", None, "NG"]


def test_without_a_name_nothing_is_corrected_and_the_page_says_what_is_missing(
    qtbot: QtBot, show: Callable[[Path], ArchivePage], archive: Path
) -> None:
    page = show(archive)
    press(page, qtbot, "Wrong" if page.correction.right.isVisible() else "Truly OK")
    if page.correction.truths:
        press(page, qtbot, page.correction.truths[0].accessibleName())
    calm(qtbot, page)
    assert page.banners.problems() == {"archive": "A correction needs the name of the person who made it."}
    assert known(archive, "P22")["corrections"] == []


def test_a_long_list_is_read_where_it_is_looked_at(qtbot: QtBot, show: Callable[[Path], ArchivePage], tmp_path: Path) -> None:
    folder = tmp_path / "archive"
    database = open_database(folder)
    fill(database, 3000)
    names = [row["part_id"] for row in every(database, Filters(), order="newest")]
    database.close()
    page = show(folder)
    assert page.total.text() == "3,000 parts"
    bar = page.gallery.verticalScrollBar()
    for share in (1.0, 0.5, 0.0):
        bar.setValue(round(share * bar.maximum()))
        calm(qtbot, page)
        places = page.gallery.shown()
        entries = [page.parts.entry(index) for index in places]
        assert [entry and entry.row["part_id"] for entry in entries] == names[places.start : places.stop]
    page.seek()
    calm(qtbot, page)
    entry = page.gallery.current()
    assert entry is not None
    assert entry.row["verdict"] == "NG"
    assert entry.row["part_id"] == names[page.gallery.index]


def test_an_empty_archive_says_how_it_fills_and_shows_the_first_part_by_itself(
    qtbot: QtBot, show: Callable[[Path], ArchivePage], tmp_path: Path
) -> None:
    page = show(tmp_path / "archive")
    assert page.empty.isVisible()
    assert "start the line" in page.empty.text.text()
    record_run(tmp_path / "archive", "L1", "P{}", count=2)
    page.refresh()
    qtbot.waitUntil(lambda: page.total.text() == "2 parts", timeout=10_000)
    assert page.gallery.isVisible()


def test_what_is_damaged_is_said_in_one_sentence(
    qtbot: QtBot, show: Callable[..., ArchivePage], archive: Path, tmp_path: Path
) -> None:
    # An image that somebody changed: the part is shown without it, and says so.
    image = sorted(archive.rglob("*-top.jxl"))[-1]
    image.write_bytes(image.read_bytes()[:-7] + b"changed")
    page = show(archive)
    page.open_part(0)
    calm(qtbot, page)
    assert "is not the one that was recorded" in page.record.reason.text()
    assert set(page.record.read.inspection.frames) == {"side"}  # type: ignore[union-attr]
    page.close_workers()
    # A database of a newer program, a file that is none, and a server that is away.
    newer = Path(shutil.copytree(archive, tmp_path / "newer"))
    database = open_database(newer)
    with database.write() as connection:
        connection.execute(update(SchemaVersion).values(version_num="9999"))
    database.close()
    assert "has the schema 9999" in show(newer).banners.problems()["archive"]
    broken = Path(shutil.copytree(archive, tmp_path / "broken"))
    for file in broken.glob("archive.sqlite*"):
        file.unlink()
    (broken / "archive.sqlite").write_bytes(b"no database" * 1000)
    assert "file is not a database" in show(broken).banners.problems()["archive"]
    away = show(archive, url="postgresql://nobody@127.0.0.1:1/archive")
    assert "cannot be used" in away.banners.problems()["archive"]
    assert away.isVisible()


def test_simulated_parts_say_so_in_the_gallery(qtbot: QtBot, show: Callable[[Path], ArchivePage], tmp_path: Path) -> None:
    for lot, is_simulated in (("real", False), ("demo", True)):
        record_run(tmp_path / "archive", lot, lot + "{}", count=3, is_simulated=is_simulated)
    page = show(tmp_path / "archive")
    shown, simulation = page.gallery.viewport().grab().toImage(), theme.current().color("simulation").rgb()

    def is_marked(index: int) -> bool:
        cell = page.gallery.cell(index)
        return any(
            shown.pixel(x, y) == simulation
            for x in range(cell.left(), cell.right())
            for y in range(cell.top(), cell.top() + 24)
        )

    parts = listed(page)
    assert [part[:4] for index, part in enumerate(parts) if is_marked(index)] == ["demo"] * 3
    assert len(parts) == 6


def test_a_gap_is_shown_as_a_gap(qtbot: QtBot, show: Callable[[Path], ArchivePage], tmp_path: Path) -> None:
    folder = tmp_path / "archive"
    record_run(
        folder, "L1", "P{}", url="postgresql://nobody@127.0.0.1:1/archive"
    )  # so that the records are only in the journal
    (segment,) = folder.glob("journals/*/*.journal")
    data = bytearray(segment.read_bytes())
    results = [found.start() for found in re.finditer(b'"kind":"result"', data)]
    data[results[6] + 3] ^= 1
    segment.write_bytes(data)
    page = show(folder)
    assert page.total.text() == "22 parts · gaps: 1"
    names = listed(page)
    assert "P6" not in names
    ((key, (gap,)),) = page.gallery.gaps.items()
    assert gap.damaged
    page.open_part(names.index("P7"))
    calm(qtbot, page)
    assert page.gallery.current().key == key  # type: ignore[union-attr]
    assert page.record.gap.text() == f"Before this part the records {gap.first} to {gap.last} are damaged."


def test_the_shown_parts_are_handed_on(
    qtbot: QtBot, show: Callable[[Path], ArchivePage], archive: Path, tmp_path: Path
) -> None:
    page = show(archive)
    choose(qtbot, page, "verdict", "NG")
    page.correction.who.setText("Ann")
    for index, truth in ((0, "Truly OK"), (1, "Right")):
        page.gallery.go_to(index)
        calm(qtbot, page)
        if truth != "Right":
            press(page, qtbot, "Wrong")
        press(page, qtbot, truth)
        calm(qtbot, page)

    def write(name: str, path: Path) -> str:
        page.hand_on.write(name, path)
        qtbot.waitUntil(lambda: page.hand_on.strip.close_button.isVisible(), timeout=20_000)
        text = page.hand_on.strip.text.text()
        press(page, qtbot, "Close")
        return text

    assert write("hold_list", tmp_path / "hold.csv") == f"Written to {tmp_path / 'hold.csv'}"
    with (tmp_path / "hold.csv").open(encoding="utf-8-sig", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [(row["part_id"], row["verdict"], row["human_verdict"]) for row in rows] == [
        ("P0", "NG", ""),
        ("P7", "NG", ""),
        ("P14", "NG", "NG"),
        ("P21", "NG", "OK"),
    ]
    write("report", tmp_path / "report.html")
    report = (tmp_path / "report.html").read_text("utf-8")
    assert "P21" in report
    assert "data:image/jpeg" in report
    page.gallery.pick({page.parts.entry(0).key})  # type: ignore[union-attr]
    write("evidence", tmp_path / "evidence")
    (record,) = (tmp_path / "evidence" / "data").glob("*/record.json")
    assert json.loads(record.read_text("utf-8"))["part_id"] == "P21"
    with opened_archive(archive) as opened:
        newest = events(opened.database, limit=1)[0]
    assert (newest["what"], newest["who"]) == ("export", "Ann")  # whoever hands evidence on
    page.gallery.pick(set())
    assert write("folders", tmp_path / "set") == f"Written to {tmp_path / 'set'}: 2 bad, 2 good"  # two cameras
    assert "is not empty" in write("folders", tmp_path / "set")
    with qtbot.waitSignal(page.train_wanted, timeout=20_000) as wanted:
        page.hand_on.begin("train")
    (folder,) = wanted.args
    names = sorted(path.parent.relative_to(folder).as_posix() for path in folder.rglob("*.png"))
    assert names == ["test/good"] * 2 + ["train/bad"] * 2  # P21 is one of the parts that are kept for testing
    choose(qtbot, page, "verdict", "OK")
    page.hand_on.begin("train")
    qtbot.waitUntil(lambda: "None of these parts" in page.hand_on.strip.text.text(), timeout=20_000)


def test_what_if_lists_the_parts_whose_verdict_flips(
    qtbot: QtBot, show: Callable[[Path], ArchivePage], archive: Path, kept: tuple[Path, list[Inspection]], tmp_path: Path
) -> None:
    with opened_archive(archive) as opened:
        truths = {"P0": "OK", "P7": "NG", "P14": "NG"}
        for part, truth in truths.items():
            correct(opened, keys_of_part(opened.database, part), who="Ann", verdict=truth)
    page = show(archive)
    press(page, qtbot, "What if another limit had been set")
    qtbot.waitUntil(page.what_if.isVisible, timeout=10_000)
    assert page.what_if.rule.currentText() == "1. Score > 0.6"
    scores = {one.part: one.judgements[0].value for one in kept[1]}
    bad = sorted(scores[f"P{number}"] for number in BAD)
    limit = (bad[1] + bad[2]) / 2
    page.what_if.limit.setText(f"{limit:.6f}")
    press(page, qtbot, "Judge again")
    qtbot.waitUntil(lambda: bool(page.gallery.then), timeout=10_000)
    calm(qtbot, page)
    then = {one.part: "NG" if scores[one.part] > limit else "OK" for one in kept[1]}
    flips = [one.part for one in reversed(kept[1]) if then[one.part] != one.verdict]
    assert {"P11", "P22"} < set(flips)  # without a warning band REVIEW becomes OK
    assert len(flips) == 4
    assert listed(page) == flips
    missed, rejected = sum(then[part] == "OK" for part in ("P7", "P14")), int(then["P0"] == "NG")
    answer = page.what_if.answer.text()
    assert f"23 parts judged again, {len(flips)} flip" in answer
    assert f"Misses among 2 parts that are truly NG: 0 → {missed} (95 %" in answer
    assert f"False rejects among 1 part that is truly OK: 1 → {rejected} (95 %" in answer
    choose(qtbot, page, "verdict", "OK")
    assert not page.what_if.isVisible()
    press(page, qtbot, "What if another limit had been set")
    qtbot.waitUntil(page.what_if.isVisible, timeout=10_000)
    press(page, qtbot, "Judge again")  # with the limit as it is
    qtbot.waitUntil(lambda: page.total.text() == "0 parts", timeout=10_000)
    calm(qtbot, page)
    page.hand_on.write("hold_list", tmp_path / "hold.csv")  # of what is listed: nothing
    qtbot.waitUntil(lambda: page.hand_on.strip.close_button.isVisible(), timeout=20_000)
    with (tmp_path / "hold.csv").open(encoding="utf-8-sig", newline="") as stream:
        assert list(csv.DictReader(stream)) == []
    press(page, qtbot, "Close what if")
    calm(qtbot, page)
    assert page.total.text() == "17 parts"


@pytest.mark.parametrize("language", ["en", "ja"])
@pytest.mark.parametrize("size", [(1024 - 96, 768), (1366 - 96, 768)])
def test_every_text_has_room(
    qtbot: QtBot, show: Callable[[Path], ArchivePage], archive: Path, size: tuple[int, int], language: strings.Language
) -> None:
    strings.set_language(language)
    try:
        page = show(archive)
        page.resize(*size)
        page.seek()
        calm(qtbot, page)
        wrong = {"gallery": clipped(page)}
        press(page, qtbot, page.correction.wrong.text())
        wrong["truths"] = clipped(page)
        page.correction.show_part("P0", machine=Verdict.NG, truth=Verdict.NG, classes=CLASSES)
        wrong["right or wrong"] = clipped(page)
        press(page, qtbot, page.correction.wrong.text())
        assert len(page.correction.truths) == 5
        wrong["classes"] = clipped(page)
        page.what_if_button.click()
        qtbot.waitUntil(page.what_if.isVisible, timeout=10_000)
        wrong["what if"] = clipped(page)
        page.hand_on.actions_by_name["compare"].trigger()
        qtbot.waitUntil(page.approving.panel.isVisible, timeout=10_000)
        assert not page.what_if.isVisible()
        wrong["new bundle"] = clipped(page)
        page.open_part(page.gallery.index)
        calm(qtbot, page)
        wrong["part"] = clipped(page)
        assert page.size().toTuple() == size
    finally:
        strings.set_language("en")
    assert {place: texts for place, texts in wrong.items() if texts} == {}
