"""Texts fit where they are shown, on the smallest panel and the largest, in both languages and both themes."""

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QScrollArea, QTabBar
from pytestqt.qtbot import QtBot

from inspector.core.types import Verdict
from inspector.ui.shell import strings
from inspector.ui.shell.main_window import MainWindow
from tests.ui.fitting import clipped, settle
from tests.ui.line_double import Conductor

SIZES = [(1024, 700), (1366, 768), (1920, 1080)]
VIEWS = ("live", "classification", "detection", "segmentation", "thermal", "gradcam")


@pytest.mark.parametrize("size", SIZES)
def test_no_text_of_the_line_is_clipped(window: MainWindow, qtbot: QtBot, conductor: Conductor, size: tuple[int, int]) -> None:
    page = window.inspect
    page.start()
    qtbot.waitUntil(lambda: bool(conductor.stations) and page.running)
    for index in range(3):
        conductor.station.judge(index, Verdict.NG)
    qtbot.waitUntil(lambda: page.counters.total.value == "3" and page.status.figures["rate"].text().endswith("4.0/s"))
    wrong: dict[str, list[str]] = {}

    def look(place: str) -> None:
        settle()
        wrong[place] = clipped(window)

    languages: tuple[strings.Language, ...] = ("en", "ja")
    for language in languages:
        strings.set_language(language)
        window.resize(*size)
        window.show_page("inspect")
        for view in VIEWS:
            page.choose_tab(view)
            look(f"{language} {view}")
        page.choose_tab("live")
        page.hold(page.filmstrip.thumbs[0].inspection)
        look(f"{language} held")
        page.back_to_live()
        window.show_page("settings")
        look(f"{language} settings")
        window.toggle_operator_view()
        window.setWindowState(Qt.WindowState.WindowNoState)
        window.resize(*size)
        look(f"{language} operator")
        assert (window.width(), window.height()) == size
        window.toggle_operator_view()
    assert {place: texts for place, texts in wrong.items() if texts} == {}


@pytest.mark.parametrize("size", SIZES[:2])
def test_no_text_of_the_engineer_s_pages_is_clipped(window: MainWindow, qtbot: QtBot, size: tuple[int, int]) -> None:
    window.open_first()
    window.show_page("recipes")
    editor = window.recipes.editor
    qtbot.waitUntil(lambda: editor.canvas.frame is not None, timeout=20_000)
    wrong: dict[str, list[str]] = {}
    languages: tuple[strings.Language, ...] = ("en", "ja")
    for language in languages:
        strings.set_language(language)
        window.resize(*size)
        window.show_page("recipes")
        for tab in range(editor.tabs.count()):
            editor.tabs.setCurrentIndex(tab)
            settle()
            wrong[f"{language} recipes {tab}"] = clipped(window)
        editor.sheet.open("rtsp://127.0.0.1:9/stream")
        settle()
        wrong[f"{language} source"] = clipped(editor.sheet)
        editor.sheet.close_sheet()
        window.help.manual.open("about")
        settle()
        wrong[f"{language} about"] = clipped(window.help.manual)
        window.help.manual.hide()
        window.help.tour.open()
        settle()
        wrong[f"{language} tour"] = clipped(window.help.tour)
        window.help.tour.end()
        window.show_page("review")
        settle()
        wrong[f"{language} review"] = clipped(window.review)
    assert {place: texts for place, texts in wrong.items() if texts} == {}


def test_the_tabs_and_the_settings_of_a_training_fit_a_narrow_panel(window: MainWindow, qtbot: QtBot) -> None:
    window.resize(1024, 768)
    settle()
    bar = window.inspect.tab_bar
    cut = [bar.tabText(at) for at in range(bar.count()) if bar.isTabVisible(at) and bar.tabRect(at).width() < words_of(bar, at)]
    assert cut == []
    page = window.train.open_dialog().network
    window.show_page("train")
    window.train.dialog.stack.setCurrentWidget(page)  # type: ignore[union-attr]  # it is open
    settle()
    for row in page.rows.values():
        area = row.parentWidget()
        while area is not None and not isinstance(area, QScrollArea):
            area = area.parentWidget()
        assert area is not None
        assert area.widget().width() <= area.viewport().width()
    window.train.close_dialog()


def words_of(bar: QTabBar, at: int) -> int:
    """The pixels that the text of a tab needs."""
    return bar.fontMetrics().horizontalAdvance(bar.tabText(at))
