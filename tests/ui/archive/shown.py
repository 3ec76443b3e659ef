"""The archive page, shown and read by the tests of it."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from PySide6.QtWidgets import QComboBox
from pytestqt.qtbot import QtBot

from inspector.archive.archive import opened_archive
from inspector.archive.store.query import keys_of_part, result_of
from inspector.ui.archive.asking import ArchiveSource
from inspector.ui.archive.page import ArchivePage
from inspector.ui.shell.settings import Settings


def showing(qtbot: QtBot, settings: Settings) -> Iterator[Callable[..., ArchivePage]]:
    """Give what shows the page on an archive, and waits until the list or the reason for its absence is there."""
    pages: list[ArchivePage] = []

    def shown(folder: Path, *, url: str = "") -> ArchivePage:
        page = ArchivePage(settings, ArchiveSource(folder, url=url))
        qtbot.addWidget(page)
        page.resize(1270, 768)
        pages.append(page)
        with qtbot.waitSignal(page.settled, timeout=30_000):
            page.show()
        calm(qtbot, page)
        return page

    yield shown
    for page in pages:
        page.close_workers()


def calm(qtbot: QtBot, page: ArchivePage) -> None:
    qtbot.waitUntil(lambda: not page.busy and not page.counter.busy, timeout=30_000)


def choose(qtbot: QtBot, page: ArchivePage, name: str, value: str) -> None:
    """Choose a value in the list of a filter, as a press on its line does."""
    box: QComboBox = page.filters.boxes[name]
    place = box.findData(value)
    assert place >= 0, [box.itemText(index) for index in range(box.count())]
    box.setCurrentIndex(place)
    box.activated.emit(place)
    calm(qtbot, page)


def listed(page: ArchivePage) -> list[str]:
    """The parts of the list by their ids."""
    entries = [page.parts.entry(index) for index in range(len(page.parts))]
    return [entry.row["part_id"] for entry in entries if entry is not None]


def words(page: ArchivePage, name: str) -> list[str]:
    box = page.filters.boxes[name]
    return [box.itemText(index) for index in range(box.count())]


def known(folder: Path, part: str) -> Any:
    with opened_archive(folder) as archive:
        return result_of(archive.database, keys_of_part(archive.database, part)[-1])
