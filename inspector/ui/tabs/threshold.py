"""Base of the tabs with a threshold: the slider, the verdict that would follow, and its way into the recipe."""

from abc import abstractmethod

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from inspector.core.types import Prediction, Verdict
from inspector.recipes.recipe import InspectModel, Recipe
from inspector.recipes.threshold import deciding_threshold, with_threshold
from inspector.recipes.verdict import as_then, judge
from inspector.tasks.base import DEFAULT_THRESHOLD
from inspector.ui.canvas.canvas import ViewLink
from inspector.ui.inspect.panels.readouts import Badge
from inspector.ui.shell import theme
from inspector.ui.shell.strings import translate, verdict_word
from inspector.ui.tabs.base import AnalysisTab, caption, step_of
from inspector.ui.tabs.controls import ShareSlider
from inspector.ui.widgets.boxes import plain


class ThresholdTab(AnalysisTab):
    """A tab with a threshold to try out: what would be found, and the resulting verdict.

    `tried_out` carries the recipe with the slider's threshold, None at the recipe's own; `write_wanted` the step and the
    threshold that a person wants in the recipe. What a subclass found goes into `findings`.
    """

    tried_out = Signal(object)
    write_wanted = Signal(object, float)

    def __init__(self, parent: QWidget | None = None, *, link: ViewLink | None = None) -> None:
        super().__init__(parent, link=link)
        self.threshold = ShareSlider(resettable=True, one_line=True)
        self.threshold.moved.connect(self._on_threshold)
        self.verdict_title = caption(QLabel())
        self.badge = Badge(Verdict.OK)
        self.badge.setFixedSize(theme.ICON, theme.ICON)
        self.verdict_word = QLabel()
        self.verdict_word.setProperty("role", "strong")
        self.effect = QLabel()
        self.effect.setProperty("role", "small")
        self.effect.setWordWrap(True)
        self.effect.hide()
        self.write = QPushButton()
        self.write.setObjectName("write_threshold")
        self.write.setMinimumHeight(theme.TOUCH)
        self.write.clicked.connect(self._on_write)
        self.write.hide()
        self.reasons = QLabel()
        self.reasons.setWordWrap(True)
        self.reasons.setTextFormat(Qt.TextFormat.PlainText)
        self.reasons.setAlignment(Qt.AlignmentFlag.AlignTop | Qt.AlignmentFlag.AlignLeft)
        self.reasons.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.findings = plain(QVBoxLayout())
        self._origin_of: tuple[str, float] | None = None
        self._writable = False
        row = plain(QHBoxLayout())
        row.addWidget(self.verdict_title, 1)
        row.addWidget(self.badge)
        row.addWidget(self.verdict_word)
        self.panel.addWidget(self.threshold)
        self.panel.addLayout(row)
        self.panel.addWidget(self.effect)
        self.panel.addWidget(self.write)
        self.panel.addLayout(self.findings)
        self.panel.addWidget(self.reasons)

    def set_writable(self, writable: bool) -> None:
        """Set whether there is a recipe that a threshold can be written to."""
        self._writable = writable
        self._show_verdict()

    def show_effect(self, text: str) -> None:
        """Show what the threshold on trial changes elsewhere; "" for nothing known."""
        self.effect.setText(text)
        self.effect.setVisible(bool(text))

    def _step(self) -> InspectModel | None:
        prediction = self.prediction()
        return step_of(self.recipe, prediction) if prediction is not None else None

    def recipe_threshold(self) -> float:
        """Return the threshold that the station uses."""
        step = self._step()
        return DEFAULT_THRESHOLD if self.recipe is None or step is None else deciding_threshold(self.recipe, step)

    def tried(self) -> Recipe | None:
        """Return the recipe with the slider's threshold; None where it is the recipe's own."""
        step = self._step()
        if self.recipe is None or step is None or self.threshold.value() == round(self.recipe_threshold(), 2):
            return None
        return with_threshold(self.recipe, step, self.threshold.value())

    def refresh(self) -> None:
        prediction = self.prediction()
        self.threshold.setEnabled(prediction is not None)
        origin = self.recipe_threshold()
        # Reset the slider only when the recipe's threshold changes, so that a trial lasts over several parts.
        source = (prediction.bundle if prediction is not None else "", origin)
        if source != self._origin_of:
            self._origin_of = source
            self.threshold.set_origin(origin)
            self.show_effect("")
        self.show_found(prediction)
        self._show_verdict()

    @abstractmethod
    def show_found(self, prediction: Prediction | None) -> None:
        """Show the prediction's contents at the slider's threshold."""

    def _on_threshold(self) -> None:
        self.show_found(self.prediction())
        self._show_verdict()
        self.show_effect("")
        self.tried_out.emit(self.tried())

    def _on_write(self) -> None:
        step = self._step()
        if step is not None:
            self.write_wanted.emit(step, self.threshold.value())

    def _show_verdict(self) -> None:
        recipe, inspection = self.tried(), self.inspection
        shown = inspection is not None
        for widget in (self.verdict_title, self.badge, self.verdict_word, self.reasons):
            widget.setVisible(shown)
        self.write.setVisible(self._writable and recipe is not None)
        self.write.setText(self.tr("Write {threshold:.2f} to the recipe").format(threshold=self.threshold.value()))
        self.write.setAccessibleName(self.tr("Write the threshold to the recipe"))
        if inspection is None:
            return
        verdict, reasons = inspection.verdict, inspection.reasons
        if recipe is not None:
            verdict, reasons, _ = judge(recipe, inspection.predictions, (), as_then(recipe, inspection.judgements))
        self.verdict_title.setText(self.tr("With this threshold") if recipe is not None else self.tr("Verdict"))
        self.badge.set_verdict(verdict)
        self.verdict_word.setText(verdict_word(verdict))
        self.verdict_word.setAccessibleName(verdict_word(verdict))
        self.reasons.setText("\n".join(translate(told) for told in (*reasons, *inspection.notes)))

    def retranslate(self) -> None:
        super().retranslate()
        self.threshold.set_texts(self.tr("Threshold"), self.tr("Back to the recipe's threshold"))
        self._show_verdict()
