"""The panel of a bundle's variants: exported in a worker process, inspected, checked again, removed."""

from collections.abc import Callable
from pathlib import Path
from typing import Final

from PySide6.QtCore import QSignalBlocker, QSize, Qt
from PySide6.QtWidgets import (
    QComboBox,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QToolButton,
    QWidget,
)

from inspector.core.errors import InspectorError
from inspector.core.message import message
from inspector.core.registry import ENGINES
from inspector.core.types import PRECISIONS, Precision
from inspector.inspection.run_request import RunRequest
from inspector.tuning.variant_list import Listed, Listing, judging, known_bundles, list_variants, names_of
from inspector.ui.shell import theme
from inspector.ui.training.new.background_queries import AskThread
from inspector.ui.variants.job_cover import JobCover, in_words, sentences, wrapped
from inspector.ui.variants.labels import details, metric_texts, state_word
from inspector.ui.widgets.boxes import plain
from inspector.ui.widgets.file_dialogs import ask_folder
from inspector.ui.widgets.inputs import ComboBox, DoubleSpinBox
from inspector.ui.widgets.question import Answer, Question
from inspector.ui.widgets.tables import Cell, Row, ValueTable
from inspector.ui.widgets.themed import Themed
from inspector.workers.jobs import VariantJob
from inspector.workers.outcome import End, Outcome

DROP: Final = 1.0  # percent
_LIST: Final = "list"
_FIELDS: Final = ("bundle", "engine", "precision", "drop", "calibration")


class VariantsPanel(Themed, JobCover):
    """A panel over a page. Leaving the panel ends an export in progress."""

    def __init__(self, over: QWidget) -> None:
        super().__init__(over)
        self.setObjectName("variants")
        self._choice: RunRequest | None = None
        self._running: Callable[[], bool] = lambda: False
        self._folders: list[Path] = []
        self._listing: Listing | None = None
        self._trouble: InspectorError | None = None
        self._calibration: Path | None = None
        self._checking = False
        self._wanted: tuple[str, str] | None = None  # the row to select as soon as it exists
        self.ask = AskThread(self)
        self._make()
        self._lay_out()
        self.question = Question(self)
        self._connect()
        self.retranslate()

    # ---- building --------------------

    def _make(self) -> None:
        self.title = QLabel()
        self.title.setProperty("role", "title")
        self._captions = {name: QLabel() for name in _FIELDS}
        self.bundle, self.engine, self.precision = ComboBox(), ComboBox(), ComboBox()
        for box, name in ((self.bundle, "bundle"), (self.engine, "engine"), (self.precision, "precision")):
            box.setObjectName(f"variants_{name}")
            box.setMinimumHeight(theme.TOUCH)
            box.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
            box.setMinimumContentsLength(20 if name == "bundle" else 10)
        for name, entry in ENGINES.items():
            self.engine.addItem(entry.label, name)
        self.drop = DoubleSpinBox()
        self.drop.setRange(0, 100)
        self.drop.setDecimals(1)
        self.drop.setSingleStep(0.5)
        self.drop.setSuffix(" %")
        self.drop.setValue(DROP)
        self.drop.setMinimumHeight(theme.TOUCH)
        self.calibration = QPushButton()
        self.start_button, self.cancel_button, self.close_button = QPushButton(), QPushButton(), QToolButton()
        self.start_button.setProperty("role", "primary")
        self.check_button, self.remove_button = QPushButton(), QPushButton()
        for button in (self.start_button, self.cancel_button, self.check_button, self.remove_button):
            button.setIconSize(QSize(theme.ICON, theme.ICON))
        self.close_button.setFixedSize(theme.TOUCH, theme.TOUCH)
        self.close_button.setIconSize(QSize(theme.ICON, theme.ICON))
        self.state, self.details = wrapped(QLabel()), wrapped(QLabel())
        self.state.setProperty("role", "strong")
        self.table = ValueTable()
        room = self.table.sizePolicy()
        room.setRetainSizeWhenHidden(True)  # nothing moves when the variants become known
        self.table.setSizePolicy(room)

    def _lay_out(self) -> None:
        box = self._card()
        head = plain(QHBoxLayout(), theme.SPACING * 2)
        head.addWidget(self.title, 1)
        head.addWidget(self.close_button)
        form = QGridLayout()
        form.setHorizontalSpacing(theme.SPACING * 2)
        form.setVerticalSpacing(theme.SPACING // 2)
        fields = (self.bundle, self.engine, self.precision, self.drop, self.calibration)
        for column, (name, field) in enumerate(zip(_FIELDS, fields, strict=True)):
            form.addWidget(self._captions[name], 0, column)
            form.addWidget(field, 1, column)
            self._captions[name].setBuddy(field)
        said = plain(QHBoxLayout(), theme.SPACING * 2)
        said.addWidget(self.state, 1)
        said.addWidget(self.start_button, 0, Qt.AlignmentFlag.AlignTop)
        said.addWidget(self.cancel_button, 0, Qt.AlignmentFlag.AlignTop)
        form.setColumnStretch(0, 3)
        form.setColumnStretch(1, 1)
        foot = plain(QHBoxLayout(), theme.SPACING * 2)
        foot.addWidget(self.details, 1)
        foot.addWidget(self.check_button, 0, Qt.AlignmentFlag.AlignTop)
        foot.addWidget(self.remove_button, 0, Qt.AlignmentFlag.AlignTop)
        for part in (head, form):
            box.addLayout(part)
        box.addWidget(self.progress)
        box.addLayout(said)
        box.addWidget(self.table, 1)
        box.addLayout(foot)

    def _connect(self) -> None:
        self.bundle.activated.connect(lambda _: self._look())
        self.engine.activated.connect(lambda _: self._fill_precisions())
        self.precision.activated.connect(lambda _: self._show())
        self.calibration.clicked.connect(self._choose_calibration)
        self.start_button.clicked.connect(self.start)
        self.cancel_button.clicked.connect(self.cancel)
        self.close_button.clicked.connect(self.leave)
        self.check_button.clicked.connect(self.check)
        self.remove_button.clicked.connect(self._ask_remove)
        self.question.answered.connect(self._on_answer)
        self.table.picked.connect(lambda _: self._show())
        self.ask.answered.connect(self._on_listing)
        self.ask.troubled.connect(self._on_trouble)
        self._fill_precisions()

    # ---- commands --------------------

    def open(
        self, choice: RunRequest | None, *, first: Path | None = None, running: Callable[[], bool] = lambda: False
    ) -> None:
        """Show the variants of this recipe's bundles and of all others.

        `first`: the bundle to show first. `running`: whether the line runs.
        """
        self._choice, self._running = choice, running
        folders = known_bundles(*((None, None) if choice is None else (choice.recipe, choice.base)))
        if first is not None:
            folders = [first.resolve(), *(folder for folder in folders if folder != first.resolve())]
        if not self.busy:
            self._outcome = None
        with QSignalBlocker(self.bundle):
            before = self.folder
            self._folders = folders
            self.bundle.clear()
            self.bundle.addItems(names_of(folders))
            if first is None and before in folders:
                self.bundle.setCurrentIndex(folders.index(before))
        self._look()
        self.uncover(True)
        self.bundle.setFocus()

    @property
    def folder(self) -> Path | None:
        """Folder of the chosen bundle."""
        index = self.bundle.currentIndex()
        return self._folders[index] if 0 <= index < len(self._folders) else None

    @property
    def kind(self) -> tuple[str, Precision]:
        """The chosen engine and precision."""
        precision: Precision = self.precision.currentData()
        return str(self.engine.currentData()), precision

    def start(self) -> None:
        """Export the chosen variant."""
        self._export(self.kind, calibration=self._calibration)

    def check(self) -> None:
        """Check the selected variant on the reference images again."""
        listed = self.selected
        precision = None if listed is None else next((one for one in PRECISIONS if one == listed.precision), None)
        if listed is not None and precision is not None:
            self._export((listed.engine, precision), check=True)

    def _export(self, kind: tuple[str, Precision], *, check: bool = False, calibration: Path | None = None) -> None:
        folder = self.folder
        if folder is None or self.busy:
            return
        self._trouble, self._wanted, self._checking = None, kind, check
        job = VariantJob(
            bundle=folder,
            engine=kind[0],
            precision=kind[1],
            check=check,
            calibration=calibration,
            max_drop=self.drop.value() / 100,
            low_priority=True,  # a running line has priority
        )
        self._begin(job)

    def leave(self) -> None:
        """Return to the page and end an export in progress. An open question is answered with its harmless answer first."""
        if self.question.isVisible():
            self.question.escape()
            return
        self.cancel()
        super().leave()

    def close_workers(self) -> None:
        """End the worker process and the thread."""
        super().close_workers()
        self.ask.end()

    @property
    def selected(self) -> Listed | None:
        """The variant in the selected row."""
        key = self.table.selected_key()
        return None if key is None or self._listing is None else self._listing.variants[key]

    def _choose_calibration(self) -> None:
        """Choose more images for calibration; pressed again: only the bundle's own."""
        if self._calibration is not None:
            self._calibrate_with(None)
        else:
            ask_folder(self, self.tr("Images of good and bad parts to calibrate with"), self._calibrate_with)

    def _calibrate_with(self, folder: Path | None) -> None:
        self._calibration = folder
        self._show()

    def _ask_remove(self) -> None:
        listed = self.selected
        if listed is not None and listed.variant is not None:
            title = self.tr("Remove {engine} {precision}?").format(engine=listed.engine, precision=listed.precision)
            text = self.tr(
                "Its files are deleted; it can be exported again. Where it was chosen, the recipe's own judges instead."
            )
            remove, stay = self.tr("Remove"), self.tr("Keep it")
            self.question.ask(title, text, (Answer("remove", remove, "trash"), Answer("stay", stay, leading=True)))

    def _on_answer(self, answer: str) -> None:
        listed, listing = self.selected, self._listing
        if answer == "remove" and listed is not None and listing is not None:
            bundle, kind = listing.bundle, (listed.engine, listed.precision)
            self._ask_list(lambda: bundle.remove_variant(*kind))

    # ---- results --------------------

    def _look(self) -> None:
        """Read the chosen bundle."""
        self._listing, self._trouble = None, None
        self._ask_list(lambda: None)
        self._show()

    def _ask_list(self, first: Callable[[], object]) -> None:
        """Do something and then list the variants, on a thread."""
        folder, choice = self.folder, self._choice
        if folder is None:
            return

        def look() -> Listing:
            first()
            return list_variants(folder, {} if choice is None else judging(choice.recipe, choice.base))

        self.ask.ask(_LIST, look)

    def _on_listing(self, kind: str, listing: object) -> None:
        if isinstance(listing, Listing):
            before = self.selected
            if self._wanted is None and before is not None:
                self._wanted = before.engine, before.precision
            self._listing, self._trouble = listing, None
            self._fill()
            self._show()

    def _on_trouble(self, kind: str, trouble: InspectorError) -> None:
        self._trouble = trouble
        self._show()

    def _finished(self, outcome: Outcome) -> None:
        self._ask_list(lambda: None)

    # ---- display --------------------

    def _fill_precisions(self) -> None:
        kept = self.precision.currentData()
        with QSignalBlocker(self.precision):
            self.precision.clear()
            for precision in ENGINES[str(self.engine.currentData())].precisions:
                self.precision.addItem(precision, precision)
            self.precision.setCurrentIndex(max(0, self.precision.findData(kept if kept is not None else "int8")))
        self._show()

    def _fill(self) -> None:
        if self._listing is None:
            return
        numbers = (self.tr("Other verdicts"), self.tr("Mean difference"), self.tr("Trained"), self.tr("Exported"))
        self.table.set_titles([self.tr("Variant"), *numbers, self.tr("Metric"), self.tr("MB"), self.tr("State")])
        for column in (5, 7):
            self._left(column)
        self.table.set_rows([self._row(number, listed) for number, listed in enumerate(self._listing.variants)])
        found = None if self._wanted is None else self._listing.find(*self._wanted)
        self.table.select_key(None if found is None else self._listing.variants.index(found))
        self._wanted = None

    def _left(self, column: int) -> None:
        """Align the title of a text column with the texts below."""
        title = self.table.horizontalHeaderItem(column)
        if title is not None:
            title.setTextAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)

    def _row(self, number: int, listed: Listed) -> Row:
        parity = None if listed.variant is None else listed.variant.parity
        measured = (Cell(""),) * 5
        if parity is not None:
            metric, before, after = metric_texts(parity)
            apart = f"{parity.mean_difference:.4f}{' K' if parity.unit == 'kelvin' else ''}"
            measured = (
                Cell(f"{parity.flips} / {parity.images}", parity.flips / parity.images),
                Cell(apart, parity.mean_difference),
                Cell(before, parity.before),
                Cell(after, parity.after),
                Cell(metric),
            )
        engine = ENGINES[listed.engine].label if listed.engine in ENGINES else listed.engine
        name = f"{engine} {listed.precision}"
        there = listed.standing.state not in ("failed", "refused")  # failed and refused exports leave no files
        size = Cell(f"{listed.megabytes:.2f}", listed.megabytes) if there else Cell("")
        return Row(number, (Cell(name), *measured, size, Cell(state_word(listed))))

    def _show(self) -> None:
        super()._show()
        busy, listed = self.busy, self.selected
        name = "" if self._listing is None else self._listing.bundle.name
        self.title.setText(self.tr("Variants of {bundle}").format(bundle=name) if name else self.tr("Variants"))
        for field in (self.bundle, self.engine, self.precision, self.drop):
            field.setEnabled(not busy)
        self.calibration.setEnabled(not busy and self.kind[1] == "int8")
        folder = self._calibration
        self.calibration.setText(
            self.tr("The bundle's images") if folder is None else self.tr("+ {name}").format(name=folder.name)
        )
        self.start_button.setEnabled(not busy and self._listing is not None)
        self.cancel_button.setEnabled(busy)
        judges = listed is not None and listed.active and self._running()
        self.check_button.setEnabled(not busy and listed is not None and listed.standing.state != "later")
        self.remove_button.setEnabled(not busy and listed is not None and listed.variant is not None and not judges)
        self.table.setVisible(self._listing is not None)
        self.state.setText(self._state())
        self.details.setText("" if listed is None else details(listed))

    def _state(self) -> str:
        if self.busy:
            if self._stalled is not None:
                return sentences(self._stalled)
            phases = {
                "reference": self.tr("The trained network judges the reference images"),
                "calibrate": self.tr("Quantising"),
                "judge": self.tr("The variant judges the reference images"),
            }
            return phases.get(self._phase.phase, self.tr("Starting"))
        if self._trouble is not None:
            return sentences(self._trouble.problem, self._trouble.remedy)
        if self._outcome is None:
            return self.tr(
                "A variant may judge parts once it agrees with the trained network on the bundle's reference images."
            )
        if self._outcome.end is End.CANCELLED:
            return self.tr("Cancelled; nothing was changed.")
        if self._outcome.end is End.SUCCEEDED:
            return self.tr("It agrees and may be used.") if self._checking else self.tr("Exported: it agrees and may be used.")
        listed = self.selected
        if listed is not None and listed.standing.state in ("refused", "failed"):  # the reason is shown below
            return sentences(message("It may not be used."), self._outcome.remedy)
        return in_words(self._outcome)

    def retranslate(self) -> None:
        self.setAccessibleName(self.tr("Variants"))
        captions = (self.tr("Bundle"), self.tr("Engine"), self.tr("Precision"), self.tr("Largest drop"), self.tr("Calibration"))
        fields = (self.bundle, self.engine, self.precision, self.drop, self.calibration)
        for name, caption, field in zip(_FIELDS, captions, fields, strict=True):
            self._captions[name].setText(caption)
            field.setAccessibleName(caption)
        self.drop.setToolTip(
            self.tr(
                "How much worse than the trained network's the metric on the reference images may be; temperatures: of 20 K"
            )
        )
        self.calibration.setToolTip(
            self.tr("Int8 is calibrated with images that the bundle holds; a folder with more can be added")
        )
        texts = (
            (self.start_button, self.tr("Export"), "start"),
            (self.cancel_button, self.tr("Cancel"), "close"),
            (self.check_button, self.tr("Check again"), "retry"),
            (self.remove_button, self.tr("Remove"), "trash"),
        )
        for button, text, _ in texts:
            button.setText(text)
            button.setAccessibleName(text)
        self.close_button.setAccessibleName(self.tr("Close"))
        self.close_button.setToolTip(self.tr("Close"))
        self.progress.setAccessibleName(self.tr("Progress"))
        self.table.setAccessibleName(self.tr("Variants"))
        self.restyle()
        listed = self.selected
        self._wanted = None if listed is None else (listed.engine, listed.precision)
        self._fill()
        self._show()

    def restyle(self) -> None:
        self.start_button.setIcon(theme.icon("start", "on_accent"))
        self.check_button.setIcon(theme.icon("retry"))
        self.remove_button.setIcon(theme.icon("trash"))
        self.close_button.setIcon(theme.icon("close"))
