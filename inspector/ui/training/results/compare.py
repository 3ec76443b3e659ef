"""Comparison of runs: different settings and data, and whether the results differ beyond chance."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QCheckBox, QHBoxLayout, QLabel, QVBoxLayout, QWidget

from inspector.core.errors import ConfigError, InspectorError
from inspector.data.split import read_split
from inspector.runs.folder import REPORT
from inspector.runs.measures import measure_of
from inspector.runs.report import Interval, TrainReport, read_report
from inspector.training.state import RunInfo
from inspector.ui.shell import theme
from inspector.ui.shell.strings import class_name, translate
from inspector.ui.tabs.controls import CopyButton
from inspector.ui.training.results import facts as result_facts
from inspector.ui.training.results.labels import (
    interval_text,
    larger_is_better,
    measure_word,
    primary_name,
    setting_text,
    setting_word,
    told_settings,
    unit_of,
)
from inspector.ui.widgets.boxes import plain
from inspector.ui.widgets.inputs import TabWidget
from inspector.ui.widgets.tables import Cell, Row, ValueTable
from inspector.ui.widgets.themed import Themed

if TYPE_CHECKING:
    from inspector.ui.training.results.curve_view import CurveView

TABS: Final = ("measures", "settings", "curves")


def overlap(one: Interval, other: Interval) -> bool:
    """Return whether the intervals overlap; if they do, the difference is not proven."""
    return one.low <= other.high and other.low <= one.high


def tested_alike(infos: Sequence[RunInfo], reports: Sequence[TrainReport]) -> bool:
    """Return whether all runs were tested on the same images: data of the same names and contents."""
    if len({report.fingerprint for report in reports}) > 1 or len({report.part for report in reports}) > 1:
        return False
    try:
        return len({tuple(sorted(read_split(info.folder)["test"])) for info in infos}) == 1
    except ConfigError:
        return False  # unknown counts as different


class CompareView(Themed, QWidget):
    """A column for each run."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("compare")
        self._infos: tuple[RunInfo, ...] = ()
        self.reports: tuple[TrainReport, ...] = ()
        self._alike = True
        self._missing: list[str] = []
        self._curves: CurveView | None = None  # made when first shown: pyqtgraph takes long to import
        self._title, self.verdict = QLabel(), QLabel()
        self._title.setProperty("role", "title")
        for label in (self._title, self.verdict):
            label.setWordWrap(True)
            label.setTextFormat(Qt.TextFormat.PlainText)
            label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.verdict.setObjectName("verdict")
        self.measures, self.settings = ValueTable(), ValueTable()
        for table, name in ((self.measures, "compared_measures"), (self.settings, "compared_settings")):
            table.setObjectName(name)
            table.horizontalHeader().setSortIndicator(-1, Qt.SortOrder.AscendingOrder)
        self.everything = QCheckBox()
        self.everything.setObjectName("all_settings")
        self.everything.toggled.connect(self._fill_settings)
        self.copy_button = CopyButton()
        self.copy_button.setObjectName("copy_comparison")
        self.copy_button.clicked.connect(self._copy)
        self.tabs = TabWidget()
        self.tabs.tabBar().setDrawBase(False)
        self._curve_place = QWidget()
        self._curve_box = plain(QVBoxLayout(self._curve_place))
        for page in (self.measures, self._make_settings(), self._curve_place):
            self.tabs.addTab(page, "")
        self.tabs.currentChanged.connect(lambda _: self._show_curves())
        head = plain(QHBoxLayout())
        head.addWidget(self._title, 1)
        head.addWidget(self.copy_button)
        box = plain(QVBoxLayout(self))
        box.addLayout(head)
        box.addWidget(self.verdict)
        box.addWidget(self.tabs, 1)
        self.retranslate()

    def _make_settings(self) -> QWidget:
        made = QWidget()
        box = plain(QVBoxLayout(made))
        box.addWidget(self.everything)
        box.addWidget(self.settings, 1)
        return made

    def show_runs(self, infos: Sequence[RunInfo]) -> None:
        """Compare these runs, in this order. Runs without a report are named and left out."""
        found: list[tuple[RunInfo, TrainReport]] = []
        self._missing = []
        for info in infos:
            try:
                found.append((info, read_report(info.folder / REPORT)))
            except InspectorError as error:
                self._missing.append(translate(error.problem))
        self._infos, self.reports = tuple(info for info, _ in found), tuple(report for _, report in found)
        self._alike = tested_alike(self._infos, self.reports) if self.reports else True
        self._fill()

    @property
    def names(self) -> list[str]:
        """The column titles; runs of the same name are numbered."""
        names = [report.name for report in self.reports]
        return [name if names.count(name) == 1 else f"{name} ({at + 1})" for at, name in enumerate(names)]

    def _fill(self) -> None:
        self.verdict.setText("\n".join([*self._missing, *self._verdict()]))
        self._fill_measures()
        self._fill_settings()
        self._show_curves()

    # Statements about the results

    def _verdict(self) -> list[str]:
        reports = self.reports
        if len(reports) < 2:
            return [self.tr("Choose two finished runs or more to compare them.")]
        lines = []
        if len({report.task for report in reports}) > 1:
            lines.append(self.tr("These runs learnt different things; their numbers say nothing about each other."))
            return lines
        if not self._alike:
            lines.append(self.tr("Measured on different test images: a difference may come from the images."))
        name = primary_name(reports[0])
        if all(name in report.metrics for report in reports):
            lines.append(self._about(name))
        return lines

    def _about(self, name: str) -> str:
        """Return whether the best run is better beyond chance, as a sentence."""
        numbers = [report.metrics[name] for report in self.reports]
        order = sorted(range(len(numbers)), key=lambda at: numbers[at].value, reverse=larger_is_better(name))
        best, second = order[0], order[1]
        values = {"measure": measure_word(name), "best": self.names[best], "other": self.names[second]}
        if numbers[best].value == numbers[second].value:
            return self.tr("{measure}: {best} and {other} came to the same.").format(**values)
        doubtful = [self.names[at] for at in order[1:] if overlap(numbers[best], numbers[at])]
        if doubtful:
            text = self.tr("{measure}: {best} is highest, but not a proven difference to {others}: the intervals overlap.")
            if not larger_is_better(name):
                text = self.tr("{measure}: {best} is lowest, but not a proven difference to {others}: the intervals overlap.")
            return text.format(others=", ".join(doubtful), **values)
        return self.tr("{measure}: {best} is better than the others; the intervals do not overlap.").format(**values)

    def _fill_measures(self) -> None:
        reports = self.reports
        kept = dict.fromkeys(name for report in reports for name in report.metrics if measure_of(name) is not None)
        names = sorted(kept, key=lambda name: name != primary_name(reports[0]))
        self.measures.set_titles([self.tr("Measure"), *self.names, self.tr("Difference")])
        rows = []
        for key, name in enumerate(names):
            numbers = [report.metrics.get(name) for report in reports]
            cells = [
                Cell(interval_text(one, unit_of(name)), one.value) if one is not None else Cell("–", -1.0) for one in numbers
            ]
            rows.append(Row(key, (Cell(measure_word(name)), *cells, self._difference(numbers))))
        for report in reports[:1]:
            for kind in dict.fromkeys(kind for row in report.classes for kind in row.numbers):
                rows += self._class_rows(kind, len(rows))
        self.measures.set_rows(rows)

    def _class_rows(self, kind: str, first: int) -> list[Row]:
        """Return the same rows for each class."""
        owners = dict.fromkeys(row.name for report in self.reports for row in report.classes if kind in row.numbers)
        rows = []
        for key, owner in enumerate(owners, start=first):
            by_run = [{row.name: row.numbers for row in report.classes}.get(owner, {}).get(kind) for report in self.reports]
            cells = [Cell(interval_text(one), one.value) if one is not None else Cell("–", -1.0) for one in by_run]
            rows.append(Row(key, (Cell(f"{measure_word(kind)}: {class_name(owner)}"), *cells, self._difference(by_run))))
        return rows

    def _difference(self, numbers: Sequence[Interval | None]) -> Cell:
        """Return the range from lowest to highest, and whether it exceeds chance."""
        known = sorted((one for one in numbers if one is not None), key=lambda one: one.value)
        if len(known) < 2:
            return Cell("–", -1.0)
        spread = known[-1].value - known[0].value
        text = self.tr("{spread:.3f}, not proven") if overlap(known[0], known[-1]) else self.tr("{spread:.3f}, proven")
        return Cell(text.format(spread=spread) if spread else self.tr("none"), spread)

    # Settings and data

    def _fill_settings(self) -> None:
        columns = [dict(self._facts(report)) for report in self.reports]
        captions = dict.fromkeys(caption for column in columns for caption in column)
        self.settings.set_titles([self.tr("Setting"), *self.names])
        rows = []
        for key, caption in enumerate(captions):
            values = [column.get(caption, "–") for column in columns]
            if self.everything.isChecked() or len(set(values)) > 1:
                rows.append(Row(key, (Cell(caption), *(Cell(value) for value in values))))
        self.settings.set_rows(rows)

    def _facts(self, report: TrainReport) -> list[tuple[str, str]]:
        told: Mapping[str, object] = told_settings(report.settings)
        facts = [(setting_word(name), setting_text(name, value)) for name, value in told.items()]
        seen = {caption for caption, _ in facts}
        data = [(caption, text) for caption, text in result_facts.training(report) if caption not in seen]
        tested = (self.tr("Tested images"), f"{report.images:,}")
        return [*data, tested, *facts]

    def _show_curves(self) -> None:
        wanted = TABS[self.tabs.currentIndex()] == "curves"
        if self._curves is None and wanted and self.reports:
            from inspector.ui.training.results.curve_view import CurveView

            self._curves = CurveView()
            self._curve_box.addWidget(self._curves)
        if self._curves is not None:
            self._curves.show_reports(self.reports)

    def _copy(self) -> None:
        """Copy the visible table."""
        (self.settings if TABS[self.tabs.currentIndex()] == "settings" else self.measures).copy()

    def retranslate(self) -> None:
        self.setAccessibleName(self.tr("Compare runs"))
        self._title.setText(self.tr("Compare runs"))
        self.everything.setText(self.tr("Show also what is the same"))
        self.everything.setAccessibleName(self.tr("Show also what is the same"))
        for index, text in enumerate((self.tr("Measures"), self.tr("Settings and data"), self.tr("Curves"))):
            self.tabs.setTabText(index, text)
        self.measures.setAccessibleName(self.tr("Measures"))
        self.settings.setAccessibleName(self.tr("Settings and data"))
        self.tabs.setAccessibleName(self.tr("Compare runs"))
        self.copy_button.setIcon(theme.icon("copy"))
        self._fill()

    def restyle(self) -> None:
        self.retranslate()
