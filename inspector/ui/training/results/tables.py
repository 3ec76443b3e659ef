"""The numbers of a report: as sentences, as a table of measures, and by class."""

from collections.abc import Sequence

from PySide6.QtCore import QSize, Qt
from PySide6.QtWidgets import QHBoxLayout, QLabel, QSizePolicy, QVBoxLayout, QWidget

from inspector.runs.measures import measure_of
from inspector.runs.report import TrainReport
from inspector.ui.shell import theme
from inspector.ui.shell.strings import class_name
from inspector.ui.tabs.controls import CopyButton
from inspector.ui.training.results import facts as result_facts
from inspector.ui.training.results.labels import (
    interval_text,
    measure_help,
    measure_word,
    primary_name,
    range_text,
    said,
    unit_of,
    value_text,
)
from inspector.ui.widgets.boxes import plain, scrolled
from inspector.ui.widgets.tables import Cell, Row, ValueTable
from inspector.ui.widgets.themed import Themed


class FactsTable(ValueTable):
    """Captions and texts, in the given order until a header is pressed."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._facts: tuple[tuple[str, str], ...] = ()
        self.setObjectName("facts")
        self.horizontalHeader().setSortIndicator(-1, Qt.SortOrder.AscendingOrder)
        self.retranslate()

    def show_facts(self, facts: Sequence[tuple[str, str]]) -> None:
        """Show these facts."""
        self._facts = tuple(facts)
        self.set_rows([Row(key, (Cell(caption), Cell(text))) for key, (caption, text) in enumerate(self._facts)])

    def retranslate(self) -> None:
        self.set_titles([self.tr("Setting"), self.tr("Value")])
        self.setAccessibleName(self.tr("Settings"))
        self.show_facts(self._facts)


class Overview(Themed, QWidget):
    """The summary as sentences on the left; all measures and the classes on the right."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._report: TrainReport | None = None
        self._words = QLabel()
        self._words.setWordWrap(True)
        self._words.setTextFormat(Qt.TextFormat.PlainText)
        self._words.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self._words.setAlignment(Qt.AlignmentFlag.AlignTop)
        self._words.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self._titles = (QLabel(), QLabel())
        self.metrics, self.classes = ValueTable(), ValueTable()
        self.copy_metrics, self.copy_classes = CopyButton(), CopyButton()
        for table, name in ((self.metrics, "measures"), (self.classes, "classes")):
            table.setObjectName(name)
            table.horizontalHeader().setSortIndicator(-1, Qt.SortOrder.AscendingOrder)
        self._arrange()
        self.retranslate()

    def _arrange(self) -> None:
        inside = QWidget()
        left = QVBoxLayout(inside)
        left.setContentsMargins(0, theme.SPACING, theme.SPACING, 0)
        left.addWidget(self._words)
        left.addStretch(1)
        numbers = QWidget()
        right = QVBoxLayout(numbers)
        right.setContentsMargins(0, 0, theme.SPACING, 0)
        right.setSpacing(theme.SPACING)
        pairs = zip(self._titles, (self.metrics, self.classes), (self.copy_metrics, self.copy_classes), strict=True)
        for title, table, button in pairs:
            title.setProperty("role", "strong")
            button.setIconSize(QSize(theme.ICON, theme.ICON))
            button.clicked.connect(table.copy)
            head = plain(QHBoxLayout())
            head.addWidget(title, 1)
            head.addWidget(button)
            right.addLayout(head)
            right.addWidget(table)
            table.set_whole()
        right.addStretch(1)
        row = plain(QHBoxLayout(self), theme.SPACING * 2)
        row.addWidget(scrolled(inside), 2)
        row.addWidget(scrolled(numbers), 3)

    def show_report(self, report: TrainReport) -> None:
        """Show the numbers of a report."""
        self._report = report
        self._fill()

    def _fill(self) -> None:
        report = self._report
        if report is None:
            return
        lines = [said(line) for line in (*report.summary, *report.trials)]
        facts = [f"{caption}: {text}" for caption, text in result_facts.decision(report)]
        problems = [said(line) for line in report.problems[:20]]
        if problems:
            problems.insert(0, self.tr("Problems in the data: {count}").format(count=len(report.problems)))
        blocks = ("\n\n".join(lines), "\n".join(facts), "\n".join(problems))
        self._words.setText("\n\n".join(block for block in blocks if block))
        self.metrics.set_titles([self.tr("Measure"), self.tr("Value"), self.tr("95 % confidence")])
        names = [name for name in report.metrics if measure_of(name) is not None]
        names.sort(key=lambda name: name != primary_name(report))
        self.metrics.set_rows([self._metric(key, name, report) for key, name in enumerate(names)])
        for row, name in enumerate(names):
            item = self.metrics.item(row, 0)
            if item is not None:
                item.setToolTip(measure_help(name))
        self._fill_classes(report)

    def _metric(self, key: int, name: str, report: TrainReport) -> Row:
        number, unit = report.metrics[name], unit_of(name)
        value = Cell(value_text(number.value, unit), number.value)
        return Row(key, (Cell(measure_word(name)), value, Cell(range_text(number), number.low)))

    def _fill_classes(self, report: TrainReport) -> None:
        kinds = list(dict.fromkeys(kind for row in report.classes for kind in row.numbers))
        for widget in (self._titles[1], self.classes, self.copy_classes):
            widget.setVisible(bool(report.classes))
        self.classes.set_titles([self.tr("Class"), self.tr("Tested"), *(measure_word(kind) for kind in kinds)])
        rows = []
        for key, row in enumerate(report.classes):
            cells = [Cell(class_name(row.name)), Cell(f"{row.support:,}", row.support)]
            for kind in kinds:
                number = row.numbers.get(kind)
                cells.append(Cell(interval_text(number), number.value) if number is not None else Cell("–", -1.0))
            rows.append(Row(key, tuple(cells)))
        self.classes.set_rows(rows)

    def retranslate(self) -> None:
        self._titles[0].setText(self.tr("Measures"))
        self._titles[1].setText(self.tr("Classes"))
        self.metrics.setAccessibleName(self.tr("Measures"))
        self.classes.setAccessibleName(self.tr("Classes"))
        for button in (self.copy_metrics, self.copy_classes):
            button.setIcon(theme.icon("copy"))
        self._fill()

    def restyle(self) -> None:
        self.retranslate()
