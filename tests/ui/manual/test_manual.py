"""Help inside the program: the topic of the page, the tour, and what this program is."""

import re
import sys

import pytest
from PySide6.QtCore import QCoreApplication, Qt
from PySide6.QtGui import QTextDocument
from pytestqt.qtbot import QtBot

from inspector import __version__
from inspector.core.storage.paths import resources
from inspector.ui.manual.topics import ABOUT, KEYS, OF_PAGE, TEXTS, TOPICS, text_of, title_of
from inspector.ui.shell import strings
from inspector.ui.shell.main_window import PAGES, MainWindow
from inspector.ui.shell.settings import Settings
from inspector.ui.shell.shortcuts import SHORTCUTS
from tests.ui.pressing import press


def test_f1_helps_with_the_page_one_is_on(qtbot: QtBot, window: MainWindow) -> None:
    for page in PAGES:
        window.show_page(page)
        qtbot.keyClick(window, Qt.Key.Key_F1)
        manual = window.help.manual
        assert manual.isVisible()
        assert manual.topic == OF_PAGE[page]
        assert manual.text.toPlainText().startswith(title_of(OF_PAGE[page]))
        qtbot.keyClick(window, Qt.Key.Key_F1)
        assert not manual.isVisible()


@pytest.mark.parametrize("language", ["en", "ja"])
def test_every_topic_is_there_with_its_pictures(qtbot: QtBot, window: MainWindow, language: strings.Language) -> None:
    strings.set_language(language)
    manual = window.help.manual
    manual.open()
    for row, topic in enumerate(TOPICS):
        manual.list.setCurrentRow(row)
        if topic in TEXTS:
            pictures = re.findall(r"\((\w+\.png)\)", text_of(topic))
            assert all((resources() / "screenshots" / name).is_file() for name in pictures)
            document = manual.text.document()
            kind = QTextDocument.ResourceType.ImageResource
            assert all(document.resource(kind.value, name).width() > 100 for name in pictures)
            assert manual.text.toPlainText().strip()
    titles = [title_of(topic) for topic in TOPICS]
    assert len(set(titles)) == len(TOPICS)
    keys = text_of(KEYS)
    assert all(f"**{shortcut.keys}**" in keys for shortcut in SHORTCUTS if "+" not in shortcut.keys)


def test_qt_s_own_dialogs_speak_japanese(window: MainWindow) -> None:
    strings.set_language("ja")
    assert QCoreApplication.translate("QPlatformTheme", "Cancel") == "キャンセル"
    assert QCoreApplication.translate("QFileDialog", "Look in:") != "Look in:"


def test_the_tour_leads_over_the_pages_is_skipped_and_found_again(qtbot: QtBot, window: MainWindow, settings: Settings) -> None:
    tour = window.help.tour
    tour.open()
    seen = []
    for _ in range(4):
        seen.append(window.page)
        assert tour.isVisible()
        qtbot.mouseClick(tour.next, Qt.MouseButton.LeftButton)
    assert seen == ["inspect", "review", "train", "recipes"]
    assert not tour.isVisible()
    assert settings.layout.toured
    qtbot.keyClick(window, Qt.Key.Key_F1)
    press(window, qtbot, "Show the tour")
    assert tour.isVisible()
    press(window, qtbot, "Skip the tour")
    assert not tour.isVisible()


def test_about_says_what_one_is_asked_on_the_telephone(qtbot: QtBot, window: MainWindow) -> None:
    manual = window.help.manual
    manual.open(ABOUT)
    about = manual.about
    assert __version__ in about._title.text()
    assert all(str(place) == about.paths[name].text() for name, place in about.places().items())
    press(window, qtbot, "Licences")
    assert re.search(r"^numpy \S+: .*BSD", about.output.toPlainText(), re.MULTILINE)
    press(window, qtbot, "Check this computer")
    qtbot.waitUntil(lambda: __version__ in about.output.toPlainText(), timeout=60_000)
    about.close_workers()


def test_a_check_that_cannot_be_started_says_so_and_can_be_tried_again(
    qtbot: QtBot, window: MainWindow, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("inspector.ui.manual.about.program_command", lambda *_: ["/nowhere/inspector"])
    window.help.manual.open(ABOUT)
    about = window.help.manual.about
    press(window, qtbot, "Check this computer")
    qtbot.waitUntil(about.check.isEnabled, timeout=10_000)
    assert about.output.toPlainText() not in ("", "Looking at this computer…")


def test_a_letter_that_arrives_in_two_pieces_is_whole(
    qtbot: QtBot, window: MainWindow, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = "import sys, time; o = sys.stdout.buffer; o.write(b'ok \\xe6\\x97'); o.flush(); time.sleep(0.3); o.write(b'\\xa5')"
    monkeypatch.setattr("inspector.ui.manual.about.program_command", lambda *_: [sys.executable, "-c", code])
    window.help.manual.open(ABOUT)
    about = window.help.manual.about
    press(window, qtbot, "Check this computer")
    qtbot.waitUntil(about.check.isEnabled, timeout=20_000)
    assert about.output.toPlainText() == "ok 日"
