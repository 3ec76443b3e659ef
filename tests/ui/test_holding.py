"""The fixtures of the window's tests: a widget that a test has handed over lives until it is closed."""

import gc
import weakref

from PySide6.QtWidgets import QWidget
from pytestqt.qtbot import QtBot


class _Circle(QWidget):
    """Refers to itself, as a window does whose lambdas are connected; so only the collector ends it."""

    def __init__(self) -> None:
        super().__init__()
        self.own = self


def test_a_widget_outlives_its_name_until_it_is_closed(qtbot: QtBot) -> None:
    widget = _Circle()
    qtbot.addWidget(widget)
    seen = weakref.ref(widget)
    del widget
    gc.collect()
    assert seen() is not None
