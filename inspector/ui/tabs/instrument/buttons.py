"""The buttons that draw measuring tools."""

from typing import Final

from PySide6.QtCore import QSize
from PySide6.QtWidgets import QGridLayout, QToolButton, QWidget

from inspector.ui.canvas.drawing import KINDS, ToolDrawing, ToolKind
from inspector.ui.shell import theme
from inspector.ui.widgets.boxes import plain
from inspector.ui.widgets.themed import Themed

_COLUMNS: Final = 3


class DrawingButtons(Themed, QWidget):
    """A button a kind of tool, pressed while one is drawn, and one that takes the chosen tool away (`remove`)."""

    def __init__(self, drawing: ToolDrawing, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._drawing = drawing
        self.buttons: dict[ToolKind, QToolButton] = {}
        self.remove = _button()
        layout = plain(QGridLayout(self))
        layout.setContentsMargins(theme.SPACING, 0, theme.SPACING, 0)
        for number, kind in enumerate(KINDS):
            button = _button()
            button.setCheckable(True)
            button.clicked.connect(lambda on, kind=kind: self._drawing.start(kind if on else None))
            self.buttons[kind] = button
            layout.addWidget(button, number // _COLUMNS, number % _COLUMNS)
        layout.addWidget(self.remove, len(KINDS) // _COLUMNS, len(KINDS) % _COLUMNS)
        drawing.changed.connect(self._follow)
        self.retranslate()

    def _follow(self) -> None:
        for kind, button in self.buttons.items():
            button.setChecked(kind == self._drawing.kind)

    def retranslate(self) -> None:
        names = {
            "spot": self.tr("Draw a spot"),
            "line": self.tr("Draw a line"),
            "rectangle": self.tr("Draw a rectangle"),
            "ellipse": self.tr("Draw an ellipse"),
            "polygon": self.tr("Draw a polygon"),
        }
        for kind, button in self.buttons.items():
            button.setAccessibleName(names[kind])
            button.setToolTip(
                f"{names[kind]}\n" + self.tr("Drag or click in the picture; or arrows move, Enter sets, Escape gives up.")
            )
            button.setIcon(theme.icon(f"tool-{kind}"))
        self.remove.setAccessibleName(self.tr("Remove the chosen tool, or all"))
        self.remove.setToolTip(self.tr("Remove the chosen tool, or all"))
        self.remove.setIcon(theme.icon("trash"))

    def restyle(self) -> None:
        self.retranslate()


def _button() -> QToolButton:
    button = QToolButton()
    button.setMinimumSize(theme.TOUCH, theme.TOUCH)
    button.setIconSize(QSize(theme.ICON, theme.ICON))
    return button
