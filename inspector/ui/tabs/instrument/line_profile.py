"""The plot of the temperatures along a line, with a cursor that shows where in the picture a value is.

Imported when there is something to plot: pyqtgraph takes longer to import than the rest of the window.
"""

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import QEvent, QObject, QPointF, Qt, Signal
from PySide6.QtGui import QKeyEvent, QMouseEvent
from PySide6.QtWidgets import QLabel, QVBoxLayout, QWidget

from inspector.core.types import Floats
from inspector.imaging.colormaps import TemperatureUnit, sign, temperature, temperature_text
from inspector.ui.shell import theme
from inspector.ui.widgets.boxes import plain
from inspector.ui.widgets.plot_frame import PlotFrame
from inspector.ui.widgets.themed import Themed


class LineProfile(Themed, QWidget):
    """Temperatures by pixel along the line. `pointed`: the cursor stands at another pixel (`at`), or at none.

    The cursor follows the mouse; with the focus, the arrow keys move it.
    """

    pointed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._kelvin: Floats = np.zeros(0, np.float32)
        self._unit: TemperatureUnit = "C"
        self._number = 0
        self.at: int | None = None
        self.plot = PlotFrame(self, height=theme.SPACING * 20, marks=1)
        self.curve = pg.PlotCurveItem()
        self.needle = pg.InfiniteLine(angle=90)
        self.plot.box.addItem(self.curve)
        self.plot.box.addItem(self.needle, ignoreBounds=True)
        self.plot.view.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.plot.view.viewport().setMouseTracking(True)
        self.plot.view.viewport().installEventFilter(self)
        self.plot.view.installEventFilter(self)
        self.value = QLabel()
        self.value.setWordWrap(True)
        layout = plain(QVBoxLayout(self))
        layout.addWidget(self.plot.view)
        layout.addWidget(self.value)
        self.retranslate()

    def show_profile(self, kelvin: Floats, number: int, unit: TemperatureUnit) -> None:
        """Draw the temperatures along the line with this number; NaN leaves a gap. The cursor stays at its pixel."""
        named = self._number, self._unit
        self._kelvin, self._number, self._unit = kelvin, number, unit
        values = np.array([temperature(value, unit) for value in kelvin.tolist()])
        self.curve.setData(np.arange(len(values)), values, connect="finite")
        self.plot.box.autoRange(padding=0.05)
        if self.at is not None and self.at >= len(kelvin):
            self.at = None
        if named == (number, unit):
            self._show_cursor()
        else:
            self.retranslate()

    def point(self, at: int | None) -> None:
        """Set the cursor to a pixel of the line; None: to none."""
        at = None if at is None or not len(self._kelvin) else min(max(at, 0), len(self._kelvin) - 1)
        if at != self.at:
            self.at = at
            self._show_cursor()
            self.pointed.emit()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if isinstance(event, QMouseEvent) and event.type() in (QEvent.Type.MouseMove, QEvent.Type.MouseButtonPress):
            place = self.plot.box.mapSceneToView(QPointF(self.plot.view.mapToScene(event.position().toPoint())))
            self.point(round(place.x()))
        elif event.type() == QEvent.Type.Leave:
            self.point(None)
        elif isinstance(event, QKeyEvent) and event.type() == QEvent.Type.KeyPress:
            steps = {Qt.Key.Key_Left: -1, Qt.Key.Key_Right: 1}
            step = steps.get(Qt.Key(event.key()))
            if step is not None:
                self.point((0 if step > 0 else len(self._kelvin) - 1) if self.at is None else self.at + step)
                return True
        return False

    def _show_cursor(self) -> None:
        self.needle.setVisible(self.at is not None)
        if self.at is None:
            self.value.setText(self.tr("Move over the plot to find a value in the picture."))
            return
        self.needle.setPos(self.at)
        kelvin = float(self._kelvin[self.at])
        shown = temperature_text(kelvin, self._unit) if np.isfinite(kelvin) else "–"
        self.value.setText(self.tr("Pixel {at}: {value}").format(at=self.at, value=shown))

    def retranslate(self) -> None:
        self.plot.name_axes(self.tr("Pixel of line {number}").format(number=self._number + 1), sign(self._unit))
        self.setAccessibleName(self.tr("Temperatures along the line"))
        self.plot.view.setAccessibleName(self.accessibleName())
        self._show_cursor()
        self.restyle()

    def restyle(self) -> None:
        self.plot.dress()
        self.curve.setPen(pg.mkPen(theme.current().series_color(self._number), width=2))
        self.needle.setPen(pg.mkPen(theme.current().color("accent"), width=1))
        self.plot.view.setContextMenuPolicy(Qt.ContextMenuPolicy.NoContextMenu)
