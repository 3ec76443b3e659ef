"""How widgets are put together: boxes without margins, and the splitter of the feed."""

from typing import TypeVar

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QFrame, QLayout, QScrollArea, QSplitter, QWidget

from inspector.ui.shell import theme

Box = TypeVar("Box", bound=QLayout)


def plain(box: Box, spacing: int = theme.SPACING) -> Box:
    """Return the box without margins and with this much between its widgets."""
    box.setContentsMargins(0, 0, 0, 0)
    box.setSpacing(spacing)
    return box


def scrolled(inside: QWidget) -> QScrollArea:
    """Return the widget in an area that scrolls up and down where there is no room; what lies behind both shows through."""
    area = QScrollArea()
    area.setWidget(inside)
    area.setWidgetResizable(True)
    area.setFrameShape(QFrame.Shape.NoFrame)
    area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
    area.setFocusPolicy(Qt.FocusPolicy.NoFocus)  # it follows the focus of what is in it
    for layer in (inside, area.viewport()):
        layer.setAutoFillBackground(False)
    return area


def two_thirds(left: QWidget, right: QWidget) -> QSplitter:
    """Return both side by side, the left one twice as wide until a person drags the line between them."""
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
