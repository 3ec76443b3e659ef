"""The classification tab: the score of every class as a bar, the threshold, and the margin to the next class."""

from typing import ClassVar

from PySide6.QtWidgets import QLabel, QWidget

from inspector.core.types import Answer, Prediction, Scores
from inspector.ui.canvas.canvas import ViewLink
from inspector.ui.canvas.overlays import Overlays, region_mark
from inspector.ui.shell.strings import class_name
from inspector.ui.tabs.base import caption, headed, step_of
from inspector.ui.tabs.controls import CopyButton
from inspector.ui.tabs.score_bars import Score, ScoreBars
from inspector.ui.tabs.threshold import ThresholdTab


class ClassificationTab(ThresholdTab):
    """The scores of the chosen prediction, the best first."""

    answer: ClassVar[type[Answer] | None] = Scores

    def __init__(self, parent: QWidget | None = None, *, link: ViewLink | None = None) -> None:
        super().__init__(parent, link=link)
        self.heading = caption(QLabel())
        self.bars = ScoreBars()
        self.margin = QLabel()
        self.margin.setWordWrap(True)
        self.copy = CopyButton()
        self.copy.serve(self.bars, self.bars.copy)
        self.findings.addLayout(headed(self.heading, self.copy))
        self.findings.addWidget(self.bars)
        self.findings.addWidget(self.margin)
        self.panel.addStretch(1)
        self.retranslate()

    def show_found(self, prediction: Prediction | None) -> None:
        marks = tuple(region_mark(one) for one in self.predictions() if prediction and one.camera == prediction.camera)
        self.canvas.set_overlays(Overlays(regions=marks))
        self.copy.setEnabled(prediction is not None)
        if prediction is None:
            self.bars.show_scores((), None)
            self.margin.setText("")
            return
        scores = prediction.expect(Scores)
        step = step_of(self.recipe, prediction)
        good = (step.ok_classes or ()) if step is not None else ()
        order = sorted(range(len(prediction.classes)), key=lambda index: -float(scores.values[index]))
        shown = [
            Score(class_name(prediction.classes[index]), float(scores.values[index]), prediction.classes[index] in good)
            for index in order
        ]
        self.bars.show_scores(shown, self.threshold.value())
        text = self.tr("{margin:.2f} ahead of the next class.") if len(shown) > 1 else ""
        self.margin.setText(text.format(margin=scores.margin))

    def missing(self) -> str:
        return self.tr("This recipe has no bundle that tells classes apart.")

    def retranslate(self) -> None:
        super().retranslate()
        self.heading.setText(self.tr("Scores"))
        self.bars.setAccessibleName(self.tr("Scores"))
