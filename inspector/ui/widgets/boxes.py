"""Layout helpers: boxes without margins, scroll areas, and splitters."""

from collections.abc import Iterable
from typing import Final, TypeVar

from PySide6.QtCore import QSize, Qt
from PySide6.QtWidgets import QAbstractButton, QFrame, QLayout, QScrollArea, QSplitter, QWidget

from inspector.ui.shell import theme

Box = TypeVar("Box", bound=QLayout)
_NARROW: Final = theme.SPACING * 84


def plain(box: Box, spacing: int = theme.SPACING) -> Box:
    """Return the layout without margins and with this spacing between its widgets."""
    box.setContentsMargins(0, 0, 0, 0)
    box.setSpacing(spacing)
    return box


def scrolled(inside: QWidget) -> QScrollArea:
    """Return the widget in a vertical scroll area with a transparent background."""
    area = QScrollArea()
    area.setWidget(inside)
    area.setWidgetResizable(True)
    area.setFrameShape(QFrame.Shape.NoFrame)
    area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
    area.setFocusPolicy(Qt.FocusPolicy.NoFocus)  # the area scrolls to the focused child
    for layer in (inside, area.viewport()):
        layer.setAutoFillBackground(False)
    return area


def two_thirds(left: QWidget, right: QWidget) -> QSplitter:
    """Return both in a splitter, the left one twice as wide until a person drags the handle."""
    splitter = QSplitter(Qt.Orientation.Horizontal)
    splitter.setObjectName("splitter")
    splitter.setHandleWidth(theme.SPACING)
    splitter.setChildrenCollapsible(False)
    splitter.addWidget(left)
    splitter.addWidget(right)
    splitter.setStretchFactor(0, 2)
    splitter.setStretchFactor(1, 1)
    splitter.setSizes([theme.SPACING * 200, theme.SPACING * 100])
    return splitter


def leave_out_icons(buttons: Iterable[QAbstractButton], width: int) -> None:
    """Show the icons of buttons with texts only if their row is wide enough for both, in pixels."""
    side = 0 if width < _NARROW else theme.ICON
    for button in buttons:
        button.setIconSize(QSize(side, side))
