"""Latency against accuracy of every plan, the Pareto front marked.

Imported when a tuning is first shown: pyqtgraph takes longer to import than the rest of the window.
"""

from typing import Final

import pyqtgraph as pg
from PySide6.QtGui import QColor
from PySide6.QtWidgets import QVBoxLayout, QWidget

from inspector.tuning.plan import Plan, Tuning, pareto
from inspector.ui.shell import theme
from inspector.ui.widgets.plot_frame import PlotFrame
from inspector.ui.widgets.themed import Themed

DOT: Final = 12


class TunePlot(Themed, QWidget):
    """A dot a plan: full in the accent's colour on the front, ringed where it is chosen, grey elsewhere."""

    def __init__(self, tuning: Tuning, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setMinimumWidth(theme.SPACING * 36)
        self._tuning = tuning
        self.front = pareto(tuning.plans)
        self.frame = PlotFrame(self, height=theme.SPACING * 16)
        self.box = self.frame.box
        self.line = pg.PlotCurveItem([plan.p99_ms for plan in self.front], [100 * plan.accuracy for plan in self.front])
        self.limit = pg.InfiniteLine(tuning.limit_ms, angle=90)
        self.dots = pg.ScatterPlotItem()
        for item in (self.line, self.limit, self.dots):
            self.box.addItem(item)
        self._range()
        whole = QVBoxLayout(self)
        whole.setContentsMargins(0, 0, 0, 0)
        whole.addWidget(self.frame.view)
        self.retranslate()

    def _range(self) -> None:
        plans = self._tuning.plans
        slowest = max([plan.p99_ms for plan in plans] + [self._tuning.takt_ms])
        worst = min([100 * plan.accuracy for plan in plans] + [99.0])
        self.box.setXRange(0, slowest * 1.05, padding=0)
        self.box.setYRange(worst - 0.3, 100.3, padding=0)

    def restyle(self) -> None:
        dress = theme.current()
        self.frame.dress()
        self.line.setPen(pg.mkPen(dress.color("accent"), width=2))
        self.limit.setPen(pg.mkPen(dress.color("ng"), width=2, style=pg.QtCore.Qt.PenStyle.DashLine))
        self.dots.setData(
            x=[plan.p99_ms for plan in self._tuning.plans],
            y=[100 * plan.accuracy for plan in self._tuning.plans],
            size=[DOT * 3 // 2 if plan == self._tuning.chosen else DOT for plan in self._tuning.plans],
            brush=[self._color(plan) for plan in self._tuning.plans],
            pen=[self._ring(plan) for plan in self._tuning.plans],
        )

    def _color(self, plan: Plan) -> QColor:
        return theme.current().color("accent" if plan in self.front else "disabled")

    def _ring(self, plan: Plan) -> object:
        return pg.mkPen(theme.current().color("text"), width=3 if plan == self._tuning.chosen else 0.5)

    def retranslate(self) -> None:
        self.setAccessibleName(self.tr("Latency against accuracy"))
        self.setToolTip(
            self.tr("Blue: nothing is both quicker and as accurate. Ringed: chosen. Dashed: the limit of the takt.")
        )
        self.frame.name_axes(self.tr("p99 of a part (ms)"), self.tr("Accuracy kept (%)"))
        self.restyle()
