"""The plot of the tools' highest temperatures over the frames seen.

Imported when there is something to plot: pyqtgraph takes longer to import than the rest of the window.
"""

from collections.abc import Sequence

import pyqtgraph as pg
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QVBoxLayout, QWidget

from inspector.imaging.colormaps import TemperatureUnit, sign, temperature
from inspector.ui.shell import theme
from inspector.ui.widgets.boxes import plain
from inspector.ui.widgets.plot_frame import PlotFrame
from inspector.ui.widgets.themed import Themed


class OverTime(Themed, QWidget):
    """A line a tool, in the colours of the theme."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._unit: TemperatureUnit = "C"
        self._by_number = False
        self.plot = PlotFrame(self, height=theme.SPACING * 20, marks=1)
        self.curves: list[pg.PlotCurveItem] = []
        plain(QVBoxLayout(self)).addWidget(self.plot.view)
        self.retranslate()

    def show_courses(
        self, courses: Sequence[tuple[Sequence[float], Sequence[float]]], unit: TemperatureUnit, *, by_number: bool
    ) -> None:
        """Draw (place, kelvin) of every tool. `by_number`: places are numbers of frames, else seconds."""
        self._unit, self._by_number = unit, by_number
        while len(self.curves) > len(courses):
            self.plot.box.removeItem(self.curves.pop())
        while len(self.curves) < len(courses):
            self.curves.append(pg.PlotCurveItem())
            self.plot.box.addItem(self.curves[-1])
        for number, (curve, (places, values)) in enumerate(zip(self.curves, courses, strict=True)):
            curve.setData(list(places), [temperature(value, unit) for value in values], connect="finite")
            curve.setPen(pg.mkPen(theme.current().series_color(number), width=2))
        self.plot.box.autoRange(padding=0.05)
        self.retranslate()

    def retranslate(self) -> None:
        place = self.tr("Frame") if self._by_number else self.tr("Seconds")
        self.plot.name_axes(place, sign(self._unit))
        self.setAccessibleName(self.tr("Temperatures of the tools over time"))
        self.plot.dress()

    def restyle(self) -> None:
        self.plot.dress()
        for number, curve in enumerate(self.curves):
            curve.setPen(pg.mkPen(theme.current().series_color(number), width=2))
        self.plot.view.setContextMenuPolicy(Qt.ContextMenuPolicy.NoContextMenu)
