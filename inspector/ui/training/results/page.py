"""The results of a finished run: quality, confusions, worst errors, and the settings of the training."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Final

from PySide6.QtCore import QSize, Qt, QUrl, Signal
from PySide6.QtGui import QDesktopServices, QResizeEvent
from PySide6.QtWidgets import QHBoxLayout, QLabel, QPushButton, QSizePolicy, QVBoxLayout, QWidget

from inspector.core.config import write_atomically
from inspector.core.errors import InspectorError
from inspector.core.message import Message
from inspector.runs.folder import REPORT, REPORT_HTML
from inspector.runs.report import TrainReport, read_report
from inspector.training.state import RunInfo
from inspector.ui.shell import theme
from inspector.ui.shell.strings import translate
from inspector.ui.training.results import facts as result_facts
from inspector.ui.training.results.confusion_view import ConfusionView
from inspector.ui.training.results.labels import said
from inspector.ui.training.results.tables import FactsTable, Overview
from inspector.ui.training.results.three_numbers import ThreeNumbers
from inspector.ui.training.results.where_view import WhereView
from inspector.ui.training.results.worst_view import WorstView
from inspector.ui.widgets.boxes import leave_out_icons, plain
from inspector.ui.widgets.file_dialogs import ask_new_file
from inspector.ui.widgets.inputs import TabWidget
from inspector.ui.widgets.themed import Themed

if TYPE_CHECKING:
    from inspector.ui.training.results.curve_view import CurveView

TABS: Final = ("overview", "confusion", "curves", "errors", "where", "settings")


class ResultsView(Themed, QWidget):
    """Shows a run's report.json; a run without a report shows the reason.

    `judge_wanted`, `use_in_recipe` and `variants_wanted` carry the folder of the run's bundle, `train_wanted` the settings of a
    training that is advised.
    """

    judge_wanted = Signal(object)
    use_in_recipe = Signal(object)
    variants_wanted = Signal(object)
    train_wanted = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("results")
        self.info: RunInfo | None = None
        self.report: TrainReport | None = None
        self._problem: Message | None = None
        self._curves: CurveView | None = None  # made when first shown: pyqtgraph takes long to import
        self._headline, self._measured, self._said, self._doubt = QLabel(), QLabel(), QLabel(), QLabel()
        self.numbers, self.sentence = ThreeNumbers(), QLabel()
        self._doubt.setObjectName("doubt")
        self._doubt.setProperty("role", "error")
        self._headline.setProperty("role", "title")
        self._measured.setProperty("role", "muted")
        self._said.setProperty("role", "error")
        for label in (self._headline, self._measured, self._said, self._doubt, self.sentence):
            label.setTextFormat(Qt.TextFormat.PlainText)
            label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
            label.setWordWrap(True)
            label.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self.judge, self.use, self.open_report, self.export, self.variants = (QPushButton() for _ in range(5))
        for button, name, act in (
            (self.judge, "judge_pictures", self._judge),
            (self.use, "use_in_recipe", self._use),
            (self.open_report, "open_report", self._open_report),
            (self.export, "export_result", self._ask_where),
            (self.variants, "variants_of_bundle", self._show_variants),
        ):
            self._prepare(button, name, act)
        self.judge.setProperty("role", "primary")
        self.overview, self.confusion, self.worst = Overview(), ConfusionView(), WorstView()
        self.where = WhereView()
        self.where.train_wanted.connect(self.train_wanted)
        self.settings = FactsTable()
        self._curve_place = QWidget()
        self._curve_box = plain(QVBoxLayout(self._curve_place))
        self.tabs = TabWidget()
        self.tabs.tabBar().setDrawBase(False)
        for page in (self.overview, self.confusion, self._curve_place, self.worst, self.where, self.settings):
            self.tabs.addTab(page, "")
        self.tabs.currentChanged.connect(self._on_tab)
        self.confusion.picked.connect(self._show_cell)
        self._arrange()
        self.retranslate()

    def _prepare(self, button: QPushButton, name: str, act: Callable[[], None]) -> None:
        button.setObjectName(name)
        button.setIconSize(QSize(theme.ICON, theme.ICON))
        button.clicked.connect(act)

    def _arrange(self) -> None:
        words = plain(QHBoxLayout(), theme.SPACING * 2)
        words.addWidget(self._headline, 2)
        words.addWidget(self._measured, 3)
        head = plain(QHBoxLayout())
        for button in (self.export, self.open_report, self.variants):
            head.addWidget(button)
        head.addStretch(1)
        for button in (self.use, self.judge):
            head.addWidget(button)
        box = plain(QVBoxLayout(self), theme.SPACING)
        box.addLayout(words)
        box.addLayout(head)
        box.addWidget(self._said)
        box.addWidget(self._doubt)
        box.addWidget(self.numbers)
        box.addWidget(self.sentence)
        box.addWidget(self.tabs, 1)

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        leave_out_icons((self.judge, self.use, self.open_report, self.export), self.width())

    def show_run(self, info: RunInfo) -> None:
        """Show the results of this run."""
        same = self.info is not None and self.info.folder == info.folder
        self.info, self._problem = info, None
        try:
            self.report = read_report(info.folder / REPORT)
        except InspectorError as error:
            self.report, self._problem = None, error.problem
        if not same:
            self.tabs.setCurrentIndex(0)
        self._fill()

    @property
    def bundle(self) -> Path | None:
        """The run's bundle, if it exists."""
        folder = self.info.bundle if self.info is not None else None
        return folder if folder is not None and folder.is_dir() else None

    def _fill(self) -> None:
        report, info = self.report, self.info
        self.tabs.setVisible(report is not None)
        self._headline.setVisible(report is not None)
        self._measured.setVisible(report is not None)
        self.numbers.setVisible(report is not None)
        self._doubt.setVisible(False)
        self.sentence.setVisible(False)
        self._say(self._problem)
        self.judge.setEnabled(self.bundle is not None)
        self.use.setEnabled(self.bundle is not None)
        self.variants.setEnabled(self.bundle is not None)
        self.export.setEnabled(report is not None)
        self.open_report.setEnabled(info is not None and (info.folder / REPORT_HTML).is_file())
        if report is None or info is None:
            return
        number, measured = result_facts.headline(report)
        self._headline.setText(number)
        self.sentence.setText(said(report.summary[0]) if report.summary else "")
        self.sentence.setVisible(bool(report.summary))
        self._measured.setText(f"{report.name}  ·  {measured}")
        self.numbers.show_numbers(result_facts.three_numbers(report))
        doubt = result_facts.doubt(report)
        self._doubt.setText(doubt)
        self._doubt.setVisible(bool(doubt))
        self.overview.show_report(report)
        self.confusion.show_confusion(report.confusion)
        self.worst.show_worst(report.worst, info.folder)
        self.where.show_run(info)
        self.settings.show_facts([*result_facts.training(report), *result_facts.settings(report)])
        self._name_tabs()
        self._show_curves(make=TABS[self.tabs.currentIndex()] == "curves")

    def _on_tab(self, index: int) -> None:
        if TABS[index] == "curves":
            self._show_curves(make=True)

    def _show_curves(self, *, make: bool = False) -> None:
        if self._curves is None and make:
            from inspector.ui.training.results.curve_view import CurveView

            self._curves = CurveView()
            self._curve_box.addWidget(self._curves)
        if self._curves is not None and self.report is not None:
            self._curves.show_report(self.report)

    def _show_cell(self, truth: str, said: str) -> None:
        """Show the errors of a cell of the confusion matrix; a correct cell has none."""
        if truth != said:
            self.worst.show_cell((truth, said))
            self.tabs.setCurrentIndex(TABS.index("errors"))

    def _judge(self) -> None:
        if self.bundle is not None:
            self.judge_wanted.emit(self.bundle)

    def _use(self) -> None:
        if self.bundle is not None:
            self.use_in_recipe.emit(self.bundle)

    def _show_variants(self) -> None:
        if self.bundle is not None:
            self.variants_wanted.emit(self.bundle)

    def _open_report(self) -> None:
        if self.info is not None:
            QDesktopServices.openUrl(QUrl.fromLocalFile(str(self.info.folder / REPORT_HTML)))

    def _ask_where(self) -> None:
        name = self.report.name if self.report is not None else ""
        kinds = self.tr("Tables (*.csv);;Report with everything (*.json)")
        ask_new_file(self, self.tr("Export the results"), self._save_to, kinds=kinds, name=f"{name}.csv")

    def _save_to(self, path: Path) -> None:
        try:
            self.save(path)
            self._say(None)
        except InspectorError as error:
            self._say(error.problem)

    def save(self, path: Path) -> None:
        """Save the tables as .csv, or everything as .json. Raises StorageError."""
        if self.report is None:
            return
        if path.suffix.lower() == ".json":
            write_atomically(path, self.report.model_dump_json(indent=1).encode())
            return
        tables = (self.overview.metrics, self.overview.classes, self.settings)
        parts = [*(table.as_text(separator=",") for table in tables), self.confusion.as_text(",")]
        write_atomically(path, "\n".join(part for part in parts if part.strip()).encode("utf-8-sig"))

    def _say(self, problem: Message | None) -> None:
        self._said.setText(translate(problem) if problem is not None else "")
        self._said.setVisible(problem is not None)

    def _name_tabs(self) -> None:
        count = len(self.report.worst) if self.report is not None else 0
        names = (
            self.tr("Overview"),
            self.tr("Confusions"),
            self.tr("Curves"),
            self.tr("Errors ({count})").format(count=count),
            self.tr("Where it looks"),
            self.tr("Settings"),
        )
        for index, name in enumerate(names):
            self.tabs.setTabText(index, name)

    def retranslate(self) -> None:
        self.setAccessibleName(self.tr("Results"))
        self.tabs.setAccessibleName(self.tr("Results"))
        texts = (
            (self.judge, self.tr("Judge my pictures")),
            (self.use, self.tr("Use in a recipe")),
            (self.open_report, self.tr("Report")),
            (self.export, self.tr("Export")),
            (self.variants, self.tr("Variants")),
        )
        for button, text in texts:
            button.setText(text)
            button.setAccessibleName(text)
        self.variants.setToolTip(self.tr("What the bundle can be run with: export, check and remove"))
        self.judge.setIcon(theme.icon("review", "on_accent"))
        self.use.setIcon(theme.icon("recipes"))
        self.open_report.setIcon(theme.icon("open"))
        self.export.setIcon(theme.icon("save"))
        self._name_tabs()
        self._fill()

    def restyle(self) -> None:
        self.retranslate()
