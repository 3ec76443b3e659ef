"""Pressing a button as a person finds it: by what it is called."""

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QAbstractButton, QWidget
from pytestqt.qtbot import QtBot


def press(inside: QWidget, qtbot: QtBot, name: str) -> None:
    """Press the visible button whose accessible name is `name`."""
    found = [b for b in inside.findChildren(QAbstractButton) if b.accessibleName() == name and b.isVisible()]
    assert len(found) == 1, f"{len(found)} visible buttons called {name!r}"
    assert found[0].isEnabled(), f"{name!r} is disabled"
    qtbot.mouseClick(found[0], Qt.MouseButton.LeftButton)
