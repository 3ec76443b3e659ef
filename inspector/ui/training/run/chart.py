"""Curves over the epochs: axes with names, a legend, the values under the pointer, zoom, and export.

Imported when the first run is shown: pyqtgraph takes longer to import than the rest of the window.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import pyqtgraph as pg
from numpy.typing import NDArray
from PySide6.QtCore import QEvent, QPointF, QSize, Qt, Signal
from PySide6.QtGui import QColor, QKeyEvent, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QHBoxLayout, QLabel, QSizePolicy, QToolButton, QVBoxLayout, QWidget

from inspector.ui.shell import theme
from inspector.ui.widgets.boxes import plain
from inspector.ui.widgets.plot_frame import PlotFrame
from inspector.ui.widgets.themed import Themed
from inspector.ui.widgets.tips import plain_tip

_STROKES: Final = (Qt.PenStyle.SolidLine, Qt.PenStyle.DashLine, Qt.PenStyle.DotLine, Qt.PenStyle.DashDotLine)
_MOST_POINTS: Final = 1200  # a longer curve is drawn by the minimum and maximum of each stretch
_NARROWEST: Final = 5  # minimum number of epochs across the width, so that no tick falls between two epochs
_FEW: Final = 40  # up to this number, every point is marked


@dataclass(frozen=True, slots=True, eq=False)
class Series:
    """One curve: its name, and `values` float64 [n] over the chart's epochs (NaN: a gap)."""

    name: str
    label: str
    values: NDArray[np.float64]


class Chart(Themed, QWidget):
    """A chart over the epochs. `pointed` carries the epoch at the pointer or chosen by the arrow keys, or None."""

    pointed = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self._epochs: NDArray[np.float64] = np.zeros(0)
        self._series: tuple[Series, ...] = ()
        self._best = 0
        self._at: float | None = None
        self._title = QLabel()
        self._title.setProperty("role", "strong")
        self._where = QLabel()
        self._where.setProperty("role", "small")
        self._where.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self.whole = QToolButton()
        self.whole.setIconSize(QSize(theme.ICON, theme.ICON))
        self.whole.setMinimumWidth(theme.TOUCH)
        self.whole.clicked.connect(self.show_all)
        self.legend = Legend()
        self._make_plot()
        self.head = plain(QHBoxLayout())
        self.head.addWidget(self._title)
        self.head.addWidget(self._where, 1)
        self.head.addWidget(self.whole)
        box = plain(QVBoxLayout(self), theme.SPACING // 2)
        box.addLayout(self.head)
        box.addWidget(self.legend)
        box.addWidget(self.frame.view, 1)
        self.retranslate()

    def _make_plot(self) -> None:
        self.frame = PlotFrame(self, height=theme.SPACING * 16, mouse=True, marks=0)
        self.box = self.frame.box
        self.box.setDefaultPadding(0.02)
        self.box.setAutoVisible(y=True)
        self.curves: list[pg.PlotCurveItem] = []
        self.dots: list[pg.ScatterPlotItem] = []
        self.best_line, self.cross = pg.InfiniteLine(angle=90), pg.InfiniteLine(angle=90)
        for line in (self.best_line, self.cross):
            line.hide()
            self.box.addItem(line, ignoreBounds=True)
        self.frame.view.scene().sigMouseMoved.connect(self._on_mouse)
        self.box.sigXRangeChanged.connect(self._draw)

    # Display

    @property
    def series(self) -> tuple[Series, ...]:
        return self._series

    @property
    def epochs(self) -> NDArray[np.float64]:
        """Epochs of the curves, float64 [n]."""
        return self._epochs

    def show_curves(self, epochs: NDArray[np.float64], series: Sequence[Series], *, best: int = 0) -> None:
        """Show these curves. `best`: the epoch whose weights are kept, 0 if there is none."""
        anew = [one.name for one in series] != [one.name for one in self._series]
        if anew:
            self._remake(len(series))
        anew |= (len(epochs) > _MOST_POINTS) != (len(self._epochs) > _MOST_POINTS)  # the pens change
        self._epochs, self._series, self._best = epochs, tuple(series), best
        if len(epochs):
            first, last = float(epochs[0]), max(float(epochs[-1]), float(epochs[0]) + _NARROWEST)
            self.box.setLimits(xMin=first - 1, xMax=last + 1, minXRange=_NARROWEST)
        self.best_line.setVisible(bool(best))
        if best:
            self.best_line.setValue(best)
        self._draw()
        if anew:
            self.restyle()
        self._tell()

    def set_title(self, title: str, axis: str) -> None:
        """Set the title and the label of the vertical axis."""
        self._title.setText(title)
        self.frame.left.setLabel(axis)
        self.setAccessibleName(title)

    def point_at(self, epoch: float | None) -> None:
        """Mark an epoch and show its values; None: show the newest values without a mark."""
        if epoch is not None and not len(self._epochs):
            epoch = None
        if epoch is not None:
            epoch = float(self._epochs[_nearest(self._epochs, epoch)])
            self.cross.setValue(epoch)
        self.cross.setVisible(epoch is not None)
        self._at = epoch
        self._tell()

    def show_all(self) -> None:
        """Show all epochs."""
        self.box.enableAutoRange()

    def _remake(self, count: int) -> None:
        for item in (*self.curves, *self.dots):
            self.box.removeItem(item)
        self.curves = [pg.PlotCurveItem() for _ in range(count)]
        self.dots = [pg.ScatterPlotItem(size=theme.SPACING - 2, pen=None) for _ in range(count)]
        for item in (*self.curves, *self.dots):
            self.box.addItem(item)

    def _draw(self) -> None:
        """Draw only the visible range, with no more points than the screen has."""
        epochs = self._epochs
        first, last = 0, len(epochs)
        if len(epochs) > _MOST_POINTS and not self.box.autoRangeEnabled()[0]:
            low, high = self.box.viewRange()[0]
            first = max(int(np.searchsorted(epochs, low)) - 1, 0)
            last = min(int(np.searchsorted(epochs, high)) + 1, len(epochs))
        for curve, dots, one in zip(self.curves, self.dots, self._series, strict=True):
            x, y = thinned(epochs[first:last], one.values[first:last])
            known = np.isfinite(y)  # validation may leave epochs out
            x, y = x[known], y[known]
            curve.setData(x, y)
            few = slice(None if len(x) <= _FEW else 0)
            dots.setData(x[few], y[few])

    def _tell(self) -> None:
        """Show the values at the marked epoch, or the newest."""
        if not len(self._epochs):
            self._where.setText("")
            self.legend.show_entries([one.label for one in self._series])
            self.setAccessibleDescription("")
            return
        place = len(self._epochs) - 1 if self._at is None else _nearest(self._epochs, self._at)
        where = self.tr("Epoch {epoch}").format(epoch=f"{self._epochs[place]:g}")
        if self._best and self._best == self._epochs[place]:
            where = self.tr("{epoch}, the best so far").format(epoch=where)
        entries = [f"{one.label} {_number(one.values[place])}" for one in self._series]
        self._where.setText(where)
        self.legend.show_entries(entries)
        self.setAccessibleDescription(", ".join((where, *entries)))

    # Pointer and keys

    def _on_mouse(self, place: QPointF) -> None:
        inside = self.box.sceneBoundingRect().contains(place)
        epoch = float(self.box.mapSceneToView(place).x()) if inside else None
        self.pointed.emit(epoch)

    def leaveEvent(self, event: QEvent) -> None:
        super().leaveEvent(event)
        self.pointed.emit(None)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        count = len(self._epochs)
        steps: dict[int, int] = {Qt.Key.Key_Left: -1, Qt.Key.Key_Right: 1, Qt.Key.Key_Home: -count, Qt.Key.Key_End: count}
        step = steps.get(event.key())
        if step is None or not count:
            super().keyPressEvent(event)
            return
        place = count - 1 if self._at is None else _nearest(self._epochs, self._at) + step
        self.pointed.emit(float(self._epochs[min(max(place, 0), count - 1)]))

    # Theme and language

    def retranslate(self) -> None:
        self.frame.bottom.setLabel(self.tr("Epoch"))
        self.whole.setAccessibleName(self.tr("Show all epochs"))
        self.whole.setToolTip(self.tr("Show all epochs"))
        self._tell()
        self.restyle()

    def restyle(self) -> None:
        dress = theme.current()
        self.whole.setIcon(theme.icon("zoom-fit"))
        self.frame.dress()
        for index, (curve, dots) in enumerate(zip(self.curves, self.dots, strict=True)):
            curve.setPen(_pen(index, len(self._epochs)))
            dots.setBrush(dress.series_color(index))
        self.best_line.setPen(pg.mkPen(dress.color("muted"), width=1, style=Qt.PenStyle.DashLine))
        self.cross.setPen(pg.mkPen(dress.color("text"), width=1))
        self.legend.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        super().paintEvent(event)
        if self.hasFocus():
            painter = QPainter(self)
            painter.setPen(QPen(theme.current().color("accent"), 2))
            painter.drawRect(self.rect().adjusted(1, 1, -1, -1))
            painter.end()


class Legend(QWidget):
    """The stroke, name and value of each curve, on two lines, so that nothing moves."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._entries: tuple[str, ...] = ()
        self.setFixedHeight(theme.SPACING * 5)

    @property
    def entries(self) -> tuple[str, ...]:
        return self._entries

    def show_entries(self, entries: Sequence[str]) -> None:
        """Show these entries in order."""
        if self._entries != tuple(entries):
            self._entries = tuple(entries)
            self.setToolTip(plain_tip("\n".join(entries)))
            self.setAccessibleName(", ".join(entries))
            self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setFont(theme.font("small"))
        metrics, height = painter.fontMetrics(), self.height() // 2
        stroke, left, top = theme.SPACING * 5 // 2, 0, 0
        for index, entry in enumerate(self._entries):
            width = stroke + theme.SPACING // 2 + metrics.horizontalAdvance(entry)
            if left and left + width > self.width():
                left, top = 0, top + height
            if top + height > self.height():
                break  # the tool tip lists all
            painter.setPen(_pen(index, 0))
            painter.drawLine(left, top + height // 2, left + stroke, top + height // 2)
            painter.setPen(theme.current().color("text"))
            place = left + stroke + theme.SPACING // 2
            painter.drawText(place, top, width, height, Qt.AlignmentFlag.AlignVCenter, entry)
            left += width + theme.SPACING * 2
        painter.end()


def _number(value: float) -> str:
    return f"{value:.4g}" if np.isfinite(value) else "–"


def thinned(
    epochs: NDArray[np.float64], values: NDArray[np.float64], most: int = _MOST_POINTS
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return a curve of at most about `most` points that looks the same: the minimum and maximum of each stretch, in order."""
    if len(epochs) <= most:
        return epochs, values
    size = -(-len(epochs) // (most // 2))
    starts = np.arange(0, len(epochs), size)
    padded = np.full(len(starts) * size, np.nan)
    padded[: len(values)] = values
    stretches = padded.reshape(len(starts), size)
    known = np.isfinite(stretches)
    low = np.where(known, stretches, np.inf).argmin(axis=1)
    high = np.where(known, stretches, -np.inf).argmax(axis=1)
    places = np.unique(np.concatenate([starts + low, starts + high]))
    places = places[places < len(epochs)]
    return epochs[places], values[places]


def _nearest(epochs: NDArray[np.float64], epoch: float) -> int:
    place = int(np.searchsorted(epochs, epoch))
    if place and (place == len(epochs) or epoch - epochs[place - 1] < epochs[place] - epoch):
        return place - 1
    return place


def _pen(index: int, points: int) -> QPen:
    """Return a curve's pen, thin for many points, because Qt draws wide dashed lines slowly."""
    color: QColor = theme.current().series_color(index)
    pen = QPen(color, 1) if points > _MOST_POINTS else QPen(color, 2, _STROKES[index % len(_STROKES)])
    pen.setCosmetic(True)
    return pen
