"""Base of the analysis tabs: the canvas, a side panel, and a chooser if several bundles qualify."""

from abc import abstractmethod
from collections.abc import Set as AbstractSet
from pathlib import Path
from typing import ClassVar

from PySide6.QtCore import QEvent, QSignalBlocker, Qt
from PySide6.QtGui import QResizeEvent, QShowEvent
from PySide6.QtWidgets import QBoxLayout, QFrame, QHBoxLayout, QLabel, QScrollArea, QSplitter, QVBoxLayout, QWidget

from inspector.core.types import Answer, Frame, Inspection, Prediction
from inspector.imaging.colormaps import TemperatureUnit
from inspector.recipes.recipe import InspectModel, Recipe
from inspector.ui.canvas.canvas import Canvas, ViewLink
from inspector.ui.shell import theme
from inspector.ui.shell.strings import is_language_change
from inspector.ui.tabs.controls import CanvasTools
from inspector.ui.widgets.inputs import ComboBox
from inspector.ui.widgets.themed import Themed

PANEL_WIDTH = theme.SPACING * 50
LABEL_WIDTH = theme.SPACING * 8
NARROW_PANEL = theme.SPACING * 37  # on small screens the picture comes first


class AnalysisTab(Themed, QWidget):
    """A view of an inspection.

    A hidden tab keeps the newest inspection and draws it when it becomes visible. A subclass fills `self.panel` (a
    QVBoxLayout), sets its texts in `retranslate` and draws in `refresh`.
    """

    tools_direction: ClassVar = QBoxLayout.Direction.TopToBottom
    answer: ClassVar[type[Answer] | None] = None  # type of answer that can be chosen; None: any

    def __init__(self, parent: QWidget | None = None, *, link: ViewLink | None = None) -> None:
        super().__init__(parent)
        self.link = link or ViewLink(self)
        self.canvas = Canvas(self, link=self.link)
        self.inspection: Inspection | None = None
        self.recipe: Recipe | None = None
        self.base: Path | None = None  # the recipe's folder
        self._stale = False
        self._chosen = ""
        self._dragged = False
        self.chooser = ComboBox()
        self.chooser.setMinimumHeight(theme.TOUCH)
        self.chooser.setMinimumWidth(theme.SPACING * 12)
        self.chooser_label = QLabel()
        self.chooser_label.setBuddy(self.chooser)
        self.note = QLabel()
        self.note.setWordWrap(True)
        self.panel = QVBoxLayout()
        self.beside = QVBoxLayout()
        self._lay_out()
        self.chooser.currentIndexChanged.connect(self._on_chosen)

    @property
    def busy(self) -> bool:
        """Whether the view will soon change by itself because an answer is pending."""
        return False

    def _lay_out(self) -> None:
        self.side = side = QWidget()
        side.setLayout(self.panel)
        self.panel.setContentsMargins(theme.SPACING * 2, theme.SPACING, theme.SPACING, theme.SPACING)
        self.panel.setSpacing(theme.SPACING)
        self.panel.addLayout(labelled(self.chooser_label, self.chooser))
        self.panel.addWidget(self.note)
        self.side_scroll = scroll = QScrollArea()
        scroll.setWidget(side)
        scroll.setWidgetResizable(True)
        scroll.setFrameShape(QFrame.Shape.NoFrame)
        scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        scroll.setMinimumWidth(NARROW_PANEL)
        self.splitter = QSplitter(Qt.Orientation.Horizontal)
        self.splitter.addWidget(self._picture_side())
        self.splitter.addWidget(scroll)
        self.splitter.setStretchFactor(0, 1)
        self.splitter.setStretchFactor(1, 0)
        self.splitter.setChildrenCollapsible(False)
        self.splitter.splitterMoved.connect(self._on_dragged)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.splitter)

    def panel_apart(self) -> QWidget:
        """Return the panel for use elsewhere; the picture then takes the whole tab."""
        self._dragged = True
        self.panel.setContentsMargins(0, theme.SPACING, theme.SPACING, theme.SPACING)
        return self.side_scroll

    def _picture_side(self) -> QWidget:
        """Return the canvas with its buttons at the side, where they do not hide marks."""
        side = QWidget()
        row = QHBoxLayout(side)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(0)
        row.addWidget(self.canvas, 1)
        self.beside.setSpacing(theme.SPACING)
        tools = CanvasTools(self.canvas, self.tools_direction)
        self.beside.addWidget(tools, 0, Qt.AlignmentFlag.AlignTop | Qt.AlignmentFlag.AlignHCenter)
        row.addLayout(self.beside)
        return side

    @classmethod
    def applies(cls, answers: AbstractSet[type[Answer]], inspection: Inspection | None) -> bool:
        """Return whether there is anything to see here of a part whose bundles give these kinds of answer."""
        del inspection
        return bool(answers) if cls.answer is None else cls.answer in answers

    def set_inspection(self, inspection: Inspection | None, recipe: Recipe | None) -> None:
        """Show this inspection, judged by this recipe; None empties the tab."""
        self.inspection, self.recipe = inspection, recipe
        self._stale = True
        if self.isVisible():
            self._catch_up()

    def set_frozen(self, frozen: bool) -> None:
        """Set whether the inspection stays on the screen; most tabs ignore it."""

    def set_resting(self, resting: bool) -> None:
        """Set whether the line needs the processor; most tabs need little of it and ignore this."""

    def set_unit(self, unit: TemperatureUnit) -> None:
        """Set the temperature unit."""
        self.canvas.set_unit(unit)

    def close_workers(self) -> None:
        """End background threads; most tabs have none."""

    def predictions(self) -> list[Prediction]:
        """Return the predictions that this tab can show."""
        found = self.inspection.predictions if self.inspection else ()
        return [prediction for prediction in found if self.answer is None or isinstance(prediction.answer, self.answer)]

    def prediction(self) -> Prediction | None:
        """Return the chosen prediction."""
        found = self.predictions()
        named = [prediction for prediction in found if _key(prediction) == self._chosen]
        return next(iter(named or found), None)

    def frame(self) -> Frame | None:
        """Return the frame of the chosen prediction, or any frame if there is no such prediction."""
        if self.inspection is None:
            return None
        chosen = self.prediction()
        if chosen is not None:
            return self.inspection.frames.get(chosen.camera)
        return next(iter(self.inspection.frames.values()), None)

    @abstractmethod
    def refresh(self) -> None:
        """Show the chosen prediction, with the contents of the panel."""

    @abstractmethod
    def missing(self) -> str:
        """Return the sentence for an inspection without a prediction of this task."""

    def retranslate(self) -> None:
        """Set all texts; called at the start and when the language changes."""
        self.chooser_label.setText(self.tr("Bundle"))
        self.chooser.setAccessibleName(self.tr("Bundle"))
        self.canvas.set_hint(
            self.tr("Nothing to show yet"), self.tr("Start the line, or open an image, folder or video under Review.")
        )

    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        if is_language_change(event):
            self._later()

    def restyle(self) -> None:
        self._later()

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Give the panel a third of the width, within its two limits, until a person drags it."""
        super().resizeEvent(event)
        if not self._dragged:
            panel = min(max(self.width() // 3, NARROW_PANEL), PANEL_WIDTH)
            self.splitter.setSizes([max(self.width() - panel, 1), panel])

    def _on_dragged(self) -> None:
        self._dragged = True

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        self._catch_up()

    def _later(self) -> None:
        self._stale = True
        if self.isVisible():
            self._catch_up()

    def _catch_up(self) -> None:
        if not self._stale:
            return
        self._stale = False
        found = self.predictions()
        with QSignalBlocker(self.chooser):
            self.chooser.clear()
            for prediction in found:
                self.chooser.addItem(f"{prediction.bundle} · {prediction.camera}", _key(prediction))
            chosen = self.prediction()
            if chosen is not None:
                self.chooser.setCurrentIndex(self.chooser.findData(_key(chosen)))
        several = len(found) > 1
        self.chooser.setVisible(several)
        self.chooser_label.setVisible(several)
        self.note.setText(self._note() if not found else "")
        self.note.setVisible(bool(self.note.text()))
        self.canvas.show_frame(self.frame())
        self.refresh()

    def _note(self) -> str:
        if self.inspection is None:
            return ""
        # Without any prediction the part was not inspected, so the recipe is not the cause.
        return self.missing() if self.inspection.predictions else self.tr("Nothing was predicted for this part.")

    def _on_chosen(self, index: int) -> None:
        self._chosen = str(self.chooser.itemData(index) or "")
        self._later()


def step_of(recipe: Recipe | None, prediction: Prediction) -> InspectModel | None:
    """Return the step of the recipe that made this prediction."""
    for step in recipe.inspect if recipe is not None else ():
        same = step.bundle == prediction.bundle and step.camera == prediction.camera
        if same and (step.region is None or step.region.region() == prediction.region):
            return step
    return None


def mm_per_px(recipe: Recipe | None, prediction: Prediction) -> float | None:
    """Return the size of a pixel on the part, if the recipe knows it."""
    camera = recipe.cameras.get(prediction.camera) if recipe is not None else None
    return camera.mm_per_px if camera is not None else None


def labelled(label: QLabel, chooser: QWidget) -> QHBoxLayout:
    """Return a chooser with its label in front. All labels have the same minimum width, so that choosers align."""
    row = QHBoxLayout()
    row.setSpacing(theme.SPACING)
    label.setMinimumWidth(LABEL_WIDTH)
    row.addWidget(label)
    row.addWidget(chooser, 1)
    return row


def headed(heading: QWidget, button: QWidget) -> QHBoxLayout:
    """Return a heading with a button at its right."""
    row = QHBoxLayout()
    row.setSpacing(theme.SPACING)
    row.addWidget(heading, 1)
    row.addWidget(button)
    return row


def caption(text: QLabel) -> QLabel:
    """Return a label that serves as heading of a group of controls."""
    text.setProperty("role", "strong")
    return text


def _key(prediction: Prediction) -> str:
    return f"{prediction.bundle}\n{prediction.camera}\n{prediction.region}"
