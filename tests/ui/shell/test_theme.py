"""A change of colours styles what is visible at once, and each hidden part when it is shown."""

import numpy as np
from PySide6.QtCore import QEvent, QObject
from PySide6.QtGui import QColor
from PySide6.QtWidgets import QApplication, QWidget
from pytestqt.qtbot import QtBot

from inspector.ui.shell import theme
from inspector.ui.shell.main_window import MainWindow
from tests.ui.making import picture_of


class _Styled(QObject):
    """The widgets that are styled anew."""

    def __init__(self) -> None:
        super().__init__()
        self.widgets: set[QWidget] = set()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if event.type() == QEvent.Type.StyleChange and isinstance(watched, QWidget):
            self.widgets.add(watched)
        return False


def test_a_switch_styles_what_is_visible_and_the_rest_when_it_is_shown(window: MainWindow, qtbot: QtBot) -> None:
    app = QApplication.instance()
    assert isinstance(app, QApplication)
    window.show_page("review")
    window.show_page("settings")
    qtbot.waitUntil(window.settings_page.isVisible)
    styled = _Styled()
    app.installEventFilter(styled)
    try:
        window.settings.choose(theme="dark")
    finally:
        app.removeEventFilter(styled)
    inside = {widget for widget in window.findChildren(QWidget) if widget.isVisible()}
    assert {window, *inside} <= styled.widgets
    assert {widget for widget in styled.widgets if not widget.isVisible()} == set()
    pages = ("inspect", "review", "settings")
    after = {}
    for name in pages:
        window.show_page(name)
        if name == "inspect":
            window.inspect.choose_tab("segmentation")
        QApplication.processEvents()
        after[name] = picture_of(window.pages)
        assert QColor(*after[name][2, 2].tolist()) == theme.DARK.color("window")
    app.setStyleSheet(app.styleSheet())  # Qt styles every widget, shown or not
    for name in pages:
        window.show_page(name)
        QApplication.processEvents()
        difference = np.abs(picture_of(window.pages).astype(int) - after[name]).max(axis=2)
        assert int((difference > 0).sum()) < 400, name  # the clock of the page may have gone on
    window.settings.choose(theme="light")
