"""Base of the tabs with a threshold: the slider, and the verdict that would follow."""

from abc import abstractmethod

from PySide6.QtCore import Qt
from PySide6.QtGui import QFontMetrics
from PySide6.QtWidgets import QHBoxLayout, QLabel, QWidget

from inspector.core.types import Prediction, Verdict
from inspector.recipes.recipe import Recipe
from inspector.recipes.verdict import as_then, judge, threshold_of
from inspector.tasks.base import DEFAULT_THRESHOLD
from inspector.ui.canvas.canvas import ViewLink
from inspector.ui.inspect.readouts import Badge
from inspector.ui.shell import theme
from inspector.ui.shell.strings import translate, verdict_word
from inspector.ui.tabs.base import AnalysisTab, caption, step_of
from inspector.ui.tabs.controls import ShareSlider


class ThresholdTab(AnalysisTab):
    """A tab with a threshold to try out: what would be found, and the resulting verdict. The recipe does not change."""

    def __init__(self, parent: QWidget | None = None, *, link: ViewLink | None = None) -> None:
        super().__init__(parent, link=link)
        self.threshold = ShareSlider(resettable=True)
        self.threshold.moved.connect(self._on_threshold)
        self.verdict_title = caption(QLabel())
        self.verdict_title.setWordWrap(True)
        self.badge = Badge(Verdict.OK)
        self.badge.setFixedSize(theme.ICON, theme.ICON)
        self.verdict_word = QLabel()
        self.verdict_word.setProperty("role", "strong")
        self.reasons = QLabel()
        self.reasons.setWordWrap(True)
        self.reasons.setTextFormat(Qt.TextFormat.PlainText)
        self.reasons.setAlignment(Qt.AlignmentFlag.AlignTop | Qt.AlignmentFlag.AlignLeft)
        self.reasons.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.reasons.setMinimumHeight(QFontMetrics(theme.font("body")).lineSpacing() * 2)  # the table below stays in place
        self._origin_of: tuple[str, float] | None = None
        row = QHBoxLayout()
        row.setSpacing(theme.SPACING)
        row.addWidget(self.verdict_title, 1)
        row.addWidget(self.badge)
        row.addWidget(self.verdict_word)
        self.panel.addWidget(self.threshold)
        self.panel.addLayout(row)
        self.panel.addWidget(self.reasons)

    def recipe_threshold(self) -> float:
        """Return the threshold that the station uses."""
        prediction = self.prediction()
        step = step_of(self.recipe, prediction) if prediction is not None else None
        return threshold_of(step) if step is not None else DEFAULT_THRESHOLD

    def tried(self) -> Recipe | None:
        """Return the recipe with the slider's threshold."""
        prediction = self.prediction()
        step = step_of(self.recipe, prediction) if prediction is not None else None
        if self.recipe is None or step is None:
            return None
        changed = step.model_copy(update={"threshold": self.threshold.value()})
        steps = tuple(changed if other is step else other for other in self.recipe.inspect)
        return self.recipe.model_copy(update={"inspect": steps})

    def refresh(self) -> None:
        prediction = self.prediction()
        self.threshold.setEnabled(prediction is not None)
        origin = self.recipe_threshold()
        # Reset the slider only when the recipe's threshold changes, so that a trial lasts over several parts.
        source = (prediction.bundle if prediction is not None else "", origin)
        if source != self._origin_of:
            self._origin_of = source
            self.threshold.set_origin(origin)
        self.show_found(prediction)
        self._show_verdict()

    @abstractmethod
    def show_found(self, prediction: Prediction | None) -> None:
        """Show the prediction's contents at the slider's threshold."""

    def _on_threshold(self) -> None:
        self.show_found(self.prediction())
        self._show_verdict()

    def _show_verdict(self) -> None:
        recipe, inspection = self.tried(), self.inspection
        shown = inspection is not None
        for widget in (self.verdict_title, self.badge, self.verdict_word, self.reasons):
            widget.setVisible(shown)
        if inspection is None:
            return
        verdict, reasons = inspection.verdict, inspection.reasons
        tried = recipe is not None and self.threshold.value() != round(self.recipe_threshold(), 2)
        if recipe is not None and tried:
            then = as_then(recipe, inspection.judgements)
            verdict, reasons, _ = judge(recipe, inspection.predictions, (), then)
        self.verdict_title.setText(self.tr("Verdict with this threshold") if tried else self.tr("Verdict"))
        self.badge.set_verdict(verdict)
        self.verdict_word.setText(verdict_word(verdict))
        self.verdict_word.setAccessibleName(verdict_word(verdict))
        self.reasons.setText("\n".join(translate(told) for told in (*reasons, *inspection.notes)))

    def retranslate(self) -> None:
        super().retranslate()
        self.threshold.set_texts(self.tr("Threshold"), self.tr("Back to the recipe's threshold"))
