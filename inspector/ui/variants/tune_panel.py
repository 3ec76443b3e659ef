"""The auto-tune panel: measures every variant of the recipe's bundles and finds the cheapest that keeps the takt."""

from typing import Final

from PySide6.QtCore import QSize, Signal
from PySide6.QtWidgets import (
    QCheckBox,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QStackedWidget,
    QToolButton,
    QWidget,
)

from inspector.core.message import Message
from inspector.inspection.run_request import RunRequest
from inspector.tuning.plan import Judged, Plan, Tuned, Tuning, exported, pareto, ranked, refused, unavailable, why
from inspector.ui.shell import theme
from inspector.ui.shell.strings import translate
from inspector.ui.variants.job_cover import JobCover, in_words, sentences, wrapped
from inspector.ui.widgets.boxes import plain
from inspector.ui.widgets.inputs import DoubleSpinBox
from inspector.ui.widgets.tables import Cell, Row, ValueTable
from inspector.ui.widgets.themed import Themed
from inspector.workers.jobs import TuneJob
from inspector.workers.outcome import End, Outcome

FIRST_TAKT_MS: Final = 500.0
BUDGET_S: Final = 180.0


class TunePanel(Themed, JobCover):
    """A panel over the page. `variants_wanted` is emitted when the variants themselves are to be shown."""

    variants_wanted = Signal()

    def __init__(self, over: QWidget) -> None:
        super().__init__(over)
        self.setObjectName("tune")
        self._choice: RunRequest | None = None
        self._running = self._training = False
        self._tuning: Tuning | None = None
        self._make()
        self._lay_out()
        self.retranslate()

    def _make(self) -> None:
        self.title, self.takt_label = QLabel(), QLabel()
        self.state, self.reason = wrapped(QLabel()), wrapped(QLabel())
        self.title.setProperty("role", "title")
        self.reason.setProperty("role", "strong")
        self.takt = DoubleSpinBox()
        self.takt.setRange(1, 600_000)
        self.takt.setDecimals(1)
        self.takt.setValue(FIRST_TAKT_MS)
        self.takt.setMinimumHeight(theme.TOUCH)
        self.takt_label.setBuddy(self.takt)
        self.export = QCheckBox()
        self.export.setObjectName("tune_export")
        self.export.setChecked(True)
        self.export.setMinimumHeight(theme.TOUCH)
        self.start_button, self.cancel_button, self.close_button = QPushButton(), QPushButton(), QToolButton()
        self.variants_button = QPushButton()
        self.variants_button.clicked.connect(self.variants_wanted)
        self.start_button.setProperty("role", "primary")
        self.close_button.setFixedSize(theme.TOUCH, theme.TOUCH)
        self.close_button.setIconSize(QSize(theme.ICON, theme.ICON))
        self.start_button.clicked.connect(self.start)
        self.cancel_button.clicked.connect(self.cancel)
        self.close_button.clicked.connect(self.leave)
        self.table = ValueTable()
        self.plot = QStackedWidget()  # holds the plot once there is something to show; pyqtgraph takes long to import

    def _lay_out(self) -> None:
        box = self._card()
        top = plain(QHBoxLayout())
        top.addWidget(self.title, 1)
        top.addWidget(self.close_button)
        head = plain(QHBoxLayout(), theme.SPACING * 2)
        head.addWidget(self.takt_label)
        head.addWidget(self.takt)
        head.addWidget(self.export)
        head.addStretch(1)
        head.addWidget(self.start_button)
        head.addWidget(self.cancel_button)
        head.addWidget(self.variants_button)
        found = plain(QHBoxLayout(), theme.SPACING * 2)
        found.addWidget(self.table, 5)
        found.addWidget(self.plot, 3)
        box.addLayout(top)
        box.addLayout(head)
        box.addWidget(self.progress)
        box.addWidget(self.state)
        box.addLayout(found, 1)
        box.addWidget(self.reason)

    # ---- commands --------------------

    def open(self, choice: RunRequest, *, running: bool, takt_ms: float | None) -> None:
        """Show the panel for this recipe. `takt_ms`: the measured takt of the line."""
        same = self._choice is not None and self._choice.recipe == choice.recipe
        self._choice = choice
        if not same and not self.busy:
            self._tuning, self._outcome = None, None
            self.takt.setValue(choice.recipe.takt_ms or takt_ms or FIRST_TAKT_MS)
        self.set_running(running)
        self._show()
        self.uncover(True)
        self.start_button.setFocus()

    def set_running(self, running: bool) -> None:
        """Set whether the line runs: while it does, nothing is measured, since both would slow each other."""
        if running == self._running:
            return
        self._running = running
        if running:
            self.cancel()
        self._show()

    def set_training(self, training: bool) -> None:
        """Set whether a training runs: what is measured beside it would be too slow, and the choice a wrong one."""
        if training != self._training:
            self._training = training
            if training:
                self.cancel()
            self._show()

    def start(self) -> None:
        """Start measuring."""
        if self._choice is None or self.busy or self._running or self._training:
            return
        recipe, base = self._choice.recipe, self._choice.base
        job = TuneJob(
            recipe=recipe.model_dump(mode="json", exclude_none=True),
            base=base,
            takt_ms=self.takt.value(),
            budget_s=BUDGET_S,
            export=self.export.isChecked(),
        )
        self._tuning = None
        self._begin(job)

    def _finished(self, outcome: Outcome) -> None:
        if outcome.end is End.SUCCEEDED:
            self._tuning = outcome.read(Tuned).tuning
            self._fill(self._tuning)

    # ---- display --------------------

    def _show(self) -> None:
        super()._show()
        busy, name = self.busy, self._choice.recipe.name if self._choice else ""
        self.title.setText(self.tr("Auto-tune: {recipe}").format(recipe=name))
        disturbed = self._running or self._training
        self.start_button.setEnabled(not busy and not disturbed and self._choice is not None)
        self.takt.setEnabled(not busy)
        self.export.setEnabled(not busy)
        self.cancel_button.setEnabled(busy)
        self.variants_button.setEnabled(not busy)
        self.state.setText(self._state())
        self.reason.setText("" if self._tuning is None else _sentence(why(self._tuning)))
        shown = self._tuning is not None
        self.table.setVisible(shown)
        self.plot.setVisible(shown)

    def _state(self) -> str:
        if self.busy:
            if self._stalled is not None:
                return sentences(self._stalled)
            phases = {
                "export": self.tr("Exporting: {what}"),
                "variants": self.tr("Measuring each variant: {what}"),
                "parts": self.tr("Measuring whole parts"),
                "confirm": self.tr("Confirming on whole parts: {what}"),
                "suggest": self.tr("Measuring what would be needed: {what}"),
            }
            words = phases.get(self._phase.phase, self.tr("Starting"))
            return words.format(what=self._phase.what)
        if self._tuning is not None:
            notes = [_sentence(one.message) for one in (*self._tuning.left_out, *self._tuning.needs)]
            notes += [self._refused(one) for one in refused(self._tuning)]
            if self._tuning.made:
                told = self.tr("Exported now, for so many bundles: {variants}")
                notes.append(told.format(variants=exported(self._tuning)))
            missing = ", ".join(unavailable(self._tuning))
            if missing:
                notes.append(self.tr("Not exported, or not on this computer: {variants}").format(variants=missing))
            return "\n".join(notes)
        if self._outcome is not None and self._outcome.end is not End.CANCELLED and self._outcome.problem is not None:
            return in_words(self._outcome)
        if self._running:
            return self.tr("Stop the line first: measuring and inspecting would slow each other.")
        if self._training:
            return self.tr("A training runs: measured beside it, everything would be too slow. Wait for it, or pause it.")
        if self._outcome is not None:
            return self.tr("Cancelled; nothing was changed.")
        return self.tr(
            "Exports what is missing, which takes some minutes the first time, then measures every engine, precision, batch "
            "and number of threads on this computer with the recipe's own bundles, for about three minutes. What does not "
            "judge like the trained network is refused. The cheapest that keeps the takt judges from the next start on."
        )

    def _refused(self, one: Judged) -> str:
        reason = "" if one.reason is None else _sentence(one.reason.message)
        return f"{one.bundle}, {one.engine} {one.precision}: {reason}"

    def _fill(self, tuning: Tuning) -> None:
        front = pareto(tuning.plans)
        titles = (self.tr("Variants"), self.tr("Threads"), self.tr("p50 ms"), self.tr("p99 ms"), self.tr("CPU ms"))
        self.table.set_titles([*titles, self.tr("Accuracy"), self.tr("Mark")])
        rows = [self._row(number, plan, tuning, front) for number, plan in enumerate(ranked(tuning.plans, tuning.limit_ms))]
        self.table.set_rows(rows)
        from inspector.ui.variants.tune_plot import TunePlot

        while (old := self.plot.widget(0)) is not None:
            self.plot.removeWidget(old)
            old.deleteLater()
        self.plot.addWidget(TunePlot(tuning))

    def _row(self, number: int, plan: Plan, tuning: Tuning, front: list[Plan]) -> Row:
        chosen = self.tr("chosen") if plan == tuning.chosen else ""
        marks = ", ".join(filter(None, (chosen, self.tr("front") if plan in front else "")))
        return Row(
            number,
            (
                Cell(plan.words),
                Cell(str(plan.threads), plan.threads),
                Cell(f"{plan.p50_ms:.1f}", plan.p50_ms),
                Cell(f"{plan.p99_ms:.1f}", plan.p99_ms),
                Cell(f"{plan.cpu_ms:.1f}", plan.cpu_ms),
                Cell(f"{plan.accuracy * 100:.1f} %", plan.accuracy),
                Cell(marks),
            ),
        )

    def retranslate(self) -> None:
        self.setAccessibleName(self.tr("Auto-tune"))
        self.takt_label.setText(self.tr("Takt (ms)"))
        self.takt.setAccessibleName(self.tr("Takt (ms)"))
        self.export.setText(self.tr("Export what is missing"))
        self.export.setAccessibleName(self.tr("Export what is missing"))
        self.export.setToolTip(self.tr("Without it only the variants that are there already are measured"))
        for button, text in (
            (self.start_button, self.tr("Measure")),
            (self.cancel_button, self.tr("Cancel")),
            (self.variants_button, self.tr("Variants")),
        ):
            button.setText(text)
            button.setAccessibleName(text)
        self.close_button.setAccessibleName(self.tr("Close"))
        self.close_button.setToolTip(self.tr("Close"))
        self.progress.setAccessibleName(self.tr("Progress"))
        self.table.setAccessibleName(self.tr("Variants"))
        self.close_button.setIcon(theme.icon("close"))
        if self._tuning is not None:
            self._fill(self._tuning)
        self._show()

    def restyle(self) -> None:
        self.close_button.setIcon(theme.icon("close"))


def _sentence(message: Message) -> str:
    return translate(message)
