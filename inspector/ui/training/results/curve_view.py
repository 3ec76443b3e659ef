"""The curves of a result: precision over recall, calibration of the scores, the folds, and the benefit of more images."""

from collections.abc import Callable, Sequence
from typing import Final

from PySide6.QtWidgets import QGridLayout, QLabel, QVBoxLayout, QWidget

from inspector.runs.report import Interval, TrainReport
from inspector.ui.shell import theme
from inspector.ui.shell.strings import class_name
from inspector.ui.training.results.labels import measure_word, primary_name, primary_sign
from inspector.ui.training.results.plot import Line, Plot
from inspector.ui.widgets.boxes import plain, scrolled
from inspector.ui.widgets.themed import Themed

_MOST: Final = 7  # maximum number of curves in a chart; the worst are shown
_SHARE: Final = (0.0, 1.0)


class CurveView(Themed, QWidget):
    """A chart for each kind of curve in the report, two in a row."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._reports: tuple[TrainReport, ...] = ()
        self._none = QLabel()
        inside = QWidget()
        self.plots = {name: Plot(inside) for name in ("course", "precision", "calibration", "folds", "learning")}
        self._grid = QGridLayout(inside)
        self._grid.setContentsMargins(0, theme.SPACING, theme.SPACING, 0)
        self._grid.setSpacing(theme.SPACING * 2)
        box = plain(QVBoxLayout(self))
        box.addWidget(self._none)
        box.addWidget(scrolled(inside), 1)
        self.retranslate()

    def show_report(self, report: TrainReport) -> None:
        """Show the curves of a result."""
        self.show_reports([report])

    def show_reports(self, reports: Sequence[TrainReport]) -> None:
        """Show the curves of several results in the same charts."""
        self._reports = tuple(reports)
        self._fill()

    def _fill(self) -> None:
        fill: dict[str, Callable[[], bool]] = {
            "course": self._course,
            "precision": self._precision,
            "calibration": self._calibration,
            "folds": self._folds,
            "learning": self._learning,
        }
        shown = 0
        for name, plot in self.plots.items():
            some = bool(self._reports) and fill[name]()
            plot.setVisible(some)
            self._grid.removeWidget(plot)
            if some:
                self._grid.addWidget(plot, shown // 2, shown % 2)
                shown += 1
        self._none.setVisible(not shown)

    def _named(self, report: TrainReport, name: str) -> str:
        return f"{report.name}: {name}" if len(self._reports) > 1 else name

    def _course(self) -> bool:
        """Draw the loss curves (for several results those on validation, where known); return whether there are any."""
        lines = []
        for report in self._reports:
            training = _over_epochs(self._named(report, self.tr("Training")), [(one.epoch, one.loss) for one in report.course])
            name = self._named(report, self.tr("Validation"))
            validation = _over_epochs(name, [(one.epoch, one.val_loss) for one in report.course])
            both = (training, validation) if len(self._reports) == 1 else (validation or training,)
            lines += [line for line in both if line is not None]
        title = self.tr("Loss over the epochs")
        self.plots["course"].show_lines(lines, title=title, x=self.tr("Epoch"), y=self.tr("Loss"))
        return bool(lines)

    def _precision(self) -> bool:
        pairs = [(report, curve) for report in self._reports for curve in report.curves if len(curve.recall) > 1]
        pairs.sort(key=lambda pair: pair[1].area)
        lines = [
            Line(f"{self._named(report, class_name(curve.name))} ({curve.area:.3f})", curve.recall, curve.precision)
            for report, curve in pairs[:_MOST]
        ]
        title = self.tr("Precision over recall")
        if len(pairs) > _MOST:
            title = self.tr("Precision over recall: the worst {count} of {total} curves").format(count=_MOST, total=len(pairs))
        self.plots["precision"].show_lines(
            lines, title=title, x=measure_word("recall"), y=measure_word("precision"), x_range=_SHARE, y_range=_SHARE
        )
        return bool(lines)

    def _calibration(self) -> bool:
        lines = []
        for report in self._reports:
            known = report.calibration
            if known is not None and known.bins:
                lines.append(_bins(self._named(report, self.tr("calibrated")), known.bins))
                if known.bins_before and len(self._reports) == 1:
                    lines.append(_bins(self.tr("before"), known.bins_before))
        if lines:
            lines.append(Line("", _SHARE, _SHARE, faint=True))
        self.plots["calibration"].show_lines(
            lines,
            title=self.tr("Do scores tell the truth? On the line they do."),
            x=self.tr("Score"),
            y=self.tr("Share right"),
            x_range=_SHARE,
            y_range=_SHARE,
        )
        return bool(lines)

    def _folds(self) -> bool:
        lines = []
        for report in self._reports:
            folds, sign = report.cross_validation, primary_sign(report)
            if folds is not None:
                x = tuple(float(number) for number in range(1, len(folds.values) + 1))
                lines.append(
                    Line(self._named(report, self.tr("each fold")), x, tuple(sign * v for v in folds.values), dots=True)
                )
                whole = self._named(report, self.tr("all together"))
                lines.append(_dot(whole, len(folds.values) + 1.0, folds.pooled, sign))
        label = measure_word(primary_name(self._reports[0]))
        title = self.tr("Cross-validation; at the right end all folds together")
        self.plots["folds"].show_lines(lines, title=title, x=self.tr("Fold"), y=label)
        return bool(lines)

    def _learning(self) -> bool:
        lines = []
        for report in self._reports:
            learning, sign = report.learning, primary_sign(report)
            if learning is None or not learning.points:
                continue
            values = tuple(sign * point.result.value for point in learning.points)
            ends = [tuple(sorted((sign * point.result.low, sign * point.result.high))) for point in learning.points]
            bars = tuple((low, high) for low, high in ends)
            x = tuple(float(point.samples) for point in learning.points)
            lines.append(Line(self._named(report, self.tr("measured")), x, values, dots=True, bars=bars))
            if learning.curve:
                law = tuple(sign * value for _, value in learning.curve)
                lines.append(Line("", tuple(at for at, _ in learning.curve), law, faint=True))
            if learning.forecast is not None:
                at = float(learning.points[-1].samples + learning.more)
                lines.append(_dot(self._named(report, self.tr("forecast")), at, learning.forecast, sign))
        label = measure_word(primary_name(self._reports[0]))
        title = self.tr("What more images would bring")
        self.plots["learning"].show_lines(lines, title=title, x=self.tr("Training images"), y=label)
        return bool(lines)

    def retranslate(self) -> None:
        self._none.setText(self.tr("There are no curves for this task."))
        self._fill()


def _over_epochs(name: str, values: Sequence[tuple[int, float | None]]) -> Line | None:
    known = [(float(epoch), value) for epoch, value in values if value is not None]
    return Line(name, tuple(at for at, _ in known), tuple(value for _, value in known)) if known else None


def _bins(name: str, bins: Sequence[tuple[float, float, int]]) -> Line:
    return Line(name, tuple(score for score, _, _ in bins), tuple(share for _, share, _ in bins))


def _dot(name: str, at: float, number: Interval, sign: float) -> Line:
    low, high = sorted((sign * number.low, sign * number.high))
    return Line(name, (at,), (sign * number.value,), dots=True, bars=((low, high),))
