"""Histogram of the temperatures in a frame, upright at the side of the picture; a band marks the range of the colours.

Imported when the thermal tab is first shown: pyqtgraph takes longer to import than the rest of the window.
"""

from typing import Final

import numpy as np
import pyqtgraph as pg
from numpy.typing import NDArray
from PySide6.QtCore import QSignalBlocker, Signal
from PySide6.QtGui import QColor
from PySide6.QtWidgets import QVBoxLayout, QWidget

from inspector.core.types import Frame
from inspector.imaging.colormaps import PALETTES, Palette, Table, TemperatureUnit, equalised, kelvin, temperature
from inspector.ui.shell import theme
from inspector.ui.widgets.themed import Themed

BINS: Final = 96
NARROWEST: Final = 0.5  # kelvin between the ends of the band
_STRIP: Final = (-0.28, -0.06)  # position of the palette, in lengths of the longest bar
_MOST_SAMPLES: Final = 100_000  # more samples would not change the histogram visibly


class Histogram(Themed, QWidget):
    """Bars of log(1 + count), so that a hot spot of few pixels is visible next to a large background.

    `ranged(low, high)`: the band was dragged to this range, in kelvin.
    """

    ranged = Signal(float, float)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._unit: TemperatureUnit = "C"
        self._colours: Table = PALETTES["iron"]
        self._counts: NDArray[np.int64] = np.zeros(0, np.int64)
        self._edges: NDArray[np.float64] = np.zeros(0)
        # Neither a PlotWidget nor a PlotItem, whose menus are English and ignore the theme.
        self.view = pg.GraphicsView(self)
        self.layout_ = pg.GraphicsLayout()
        self.layout_.setContentsMargins(0, theme.SPACING, 0, theme.SPACING)
        self.layout_.setSpacing(0)
        self.view.setCentralItem(self.layout_)
        self.axis = pg.AxisItem("left")
        self.axis.setWidth(theme.SPACING * 6)
        self.axis.setStyle(tickFont=theme.font("small"), tickLength=-4, maxTickLevel=0)
        self.box = pg.ViewBox(enableMenu=False, enableMouse=False)
        self.layout_.addItem(self.axis, 0, 0)
        self.layout_.addItem(self.box, 0, 1)
        self.axis.linkToView(self.box)
        self.bars = pg.BarGraphItem(x0=[], y0=[], width=[], height=[])
        self.strip = pg.ImageItem(axisOrder="row-major")
        self.band = pg.LinearRegionItem(values=(0.0, 1.0), orientation="horizontal", swapMode="push")
        self.strip.setZValue(self.band.zValue() + 1)  # the band must not tint the palette
        for item in (self.bars, self.strip, self.band):
            self.box.addItem(item)
        self.box.setXRange(_STRIP[0], 1.05, padding=0)
        whole = QVBoxLayout(self)
        whole.setContentsMargins(0, 0, 0, 0)
        whole.addWidget(self.view)
        self.band.sigRegionChanged.connect(self._on_band)
        self.restyle()

    @property
    def counts(self) -> NDArray[np.int64]:
        """Pixels of the frame in each bin."""
        return self._counts

    @property
    def edges(self) -> NDArray[np.float64]:
        """Edges of the bins in kelvin, one more than there are bins."""
        return self._edges

    def band_range(self) -> tuple[float, float]:
        """Return the band's ends in kelvin."""
        low, high = self.band.getRegion()
        return kelvin(float(low), self._unit), kelvin(float(high), self._unit)

    def show_frame(
        self, frame: Frame, low: float, high: float, palette: Palette, unit: TemperatureUnit, *, equal: bool = False
    ) -> None:
        """Show the temperatures of a frame; the band spans `low` to `high` kelvin. `equal`: its colours are equalised."""
        self._unit = unit
        self._colours = PALETTES[palette][equalised(frame.pixels, low, high)] if equal else PALETTES[palette]
        values = frame.pixels[np.isfinite(frame.pixels)]
        if not values.size:
            return
        values = values[:: max(values.size // _MOST_SAMPLES, 1)]
        self._counts, self._edges = np.histogram(values, BINS)
        bottom, top = min(float(self._edges[0]), low), max(float(self._edges[-1]), high)
        margin = max(top - bottom, NARROWEST) * 0.03
        self.box.setYRange(temperature(bottom - margin, unit), temperature(top + margin, unit), padding=0)
        with QSignalBlocker(self.band):
            self.band.setRegion((temperature(low, unit), temperature(high, unit)))
        self._draw()

    def _draw(self) -> None:
        if not self._counts.size:
            return
        edges = np.array([temperature(float(edge), self._unit) for edge in self._edges])
        lengths = np.log1p(self._counts)
        lengths = lengths / max(float(lengths.max()), 1e-9)
        self.bars.setOpts(x0=0.0, y0=edges[:-1], width=lengths, height=np.diff(edges), pen=None)
        low, high = self.band.getRegion()
        self.strip.setImage(self._colours[:, None, :], levels=(0, 255))
        self.strip.setRect(_STRIP[0], low, _STRIP[1] - _STRIP[0], max(high - low, 1e-6))
        self.axis.setLabel(None)

    def _on_band(self) -> None:
        low, high = self.band_range()
        if high - low < NARROWEST:
            high = low + NARROWEST
            with QSignalBlocker(self.band):
                self.band.setRegion((temperature(low, self._unit), temperature(high, self._unit)))
        self._draw()
        self.ranged.emit(low, high)

    def restyle(self) -> None:
        dress = theme.current()
        self.view.setBackground(dress.color("window"))
        self.axis.setPen(dress.color("border"))
        self.axis.setTextPen(dress.color("text"))
        self.bars.setOpts(brush=dress.color("muted"))
        accent, hover = dress.color("accent"), dress.color("accent_hover")
        for color, alpha in ((accent, 48), (hover, 96)):
            color.setAlpha(alpha)
        self.band.setBrush(accent)
        self.band.setHoverBrush(hover)
        for line in self.band.lines:
            line.setPen(pg.mkPen(dress.color("accent"), width=3))
            line.setHoverPen(pg.mkPen(QColor(dress.color("accent_hover")), width=5))
