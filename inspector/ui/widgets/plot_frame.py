"""The plot area and axes of every chart, in the theme's colours.

Imported when a chart is first shown: pyqtgraph takes longer to import than the rest of the window.
"""

from typing import Final

import pyqtgraph as pg
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QWidget

from inspector.ui.shell import theme

_GRID: Final = 48  # opacity of the grid lines, of 255


class PlotFrame:
    """A plot area. `view` is the widget, `left` and `bottom` are its axes; add items to `box`."""

    def __init__(self, parent: QWidget, *, height: int, mouse: bool = False, marks: int = 2) -> None:
        """Create the area.

        `height`: minimum in pixels. `mouse`: the wheel zooms and dragging pans along the lower axis. `marks`: levels of axis
        ticks, 0 to 2.
        """
        # Neither a PlotWidget nor a PlotItem, whose menus are English and ignore the theme.
        self.view = pg.GraphicsView(parent)
        self.view.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.view.setMinimumHeight(height)
        layout = pg.GraphicsLayout()
        layout.setContentsMargins(0, theme.SPACING // 2, theme.SPACING, 0)
        layout.setSpacing(0)
        self.view.setCentralItem(layout)
        self.left, self.bottom = pg.AxisItem("left"), pg.AxisItem("bottom")
        self.box = pg.ViewBox(enableMenu=False, enableMouse=mouse)
        if mouse:
            self.box.setMouseEnabled(x=True, y=False)
        layout.addItem(self.left, 0, 0)
        layout.addItem(self.box, 0, 1)
        layout.addItem(self.bottom, 1, 1)
        for axis in (self.left, self.bottom):
            axis.linkToView(self.box)
            axis.setStyle(tickFont=theme.font("small"), tickLength=-4, maxTickLevel=marks)
            axis.enableAutoSIPrefix(False)
        self.left.setWidth(theme.SPACING * 7)

    def name_axes(self, bottom: str, left: str) -> None:
        """Set the labels of both axes."""
        self.bottom.setLabel(bottom)
        self.left.setLabel(left)

    def dress(self) -> None:
        """Apply the theme; call again after each change of the theme."""
        dress = theme.current()
        self.view.setBackground(dress.color("surface"))
        for axis in (self.left, self.bottom):
            axis.setPen(dress.color("border"))
            axis.setTextPen(dress.color("text"))
            axis.label.setDefaultTextColor(dress.color("muted"))
            axis.label.setFont(theme.font("small"))
            axis.setGrid(_GRID)
