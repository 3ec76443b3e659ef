"""The Grad-CAM tab: which pixels contributed to the network's prediction."""

from typing import TYPE_CHECKING, assert_never

import numpy as np
from PySide6.QtCore import QCoreApplication, QSignalBlocker, QTimer, Signal
from PySide6.QtGui import QHideEvent
from PySide6.QtWidgets import QCheckBox, QFormLayout, QHBoxLayout, QLabel, QProgressBar, QPushButton, QWidget

from inspector.core.errors import ConfigError, InspectorError
from inspector.core.message import Message
from inspector.core.spreadsheet import table_text
from inspector.core.types import Boxes, Floats, Inspection, Masks, Prediction, Scores, Temperatures
from inspector.recipes.locate import find_bundle
from inspector.recipes.recipe import Recipe
from inspector.recipes.verdict import threshold_of
from inspector.results.records import bundle_name
from inspector.tasks.base import DEFAULT_THRESHOLD
from inspector.tasks.masks import class_map
from inspector.ui.canvas.canvas import ViewLink
from inspector.ui.canvas.interaction import Rect
from inspector.ui.canvas.overlays import HeatLayer, Overlays, box_marks, region_mark
from inspector.ui.shell import theme
from inspector.ui.shell.strings import class_name, translate
from inspector.ui.tabs.base import AnalysisTab, caption, headed, labelled, step_of
from inspector.ui.tabs.controls import ShareSlider
from inspector.ui.tabs.explain_thread import Answer, ExplainThread, Question
from inspector.ui.tabs.heat_views import HeatBar, HeatViews, clipped, in_a_row
from inspector.ui.tabs.instrument.saving import SaveButton, joined, png_of
from inspector.ui.widgets.inputs import ComboBox

if TYPE_CHECKING:  # what starts a worker is imported with the first question
    from inspector.engines.explainer import HeatMap
    from inspector.results.heat import PartHeat
    from inspector.workers.messages import ExplainMethod

MOST_CLIPPED = 25  # percent of the pixels of a map that are cut off at either end
METHODS: "tuple[tuple[str, ExplainMethod | None], ...]" = (
    ("", None),
    ("Grad-CAM", "gradcam"),
    ("Grad-CAM++", "gradcam++"),
    ("LayerCAM", "layercam"),
    ("Eigen-CAM", "eigencam"),
    ("Occlusion", "occlusion"),
    ("RISE", "rise"),
)
_OF_NO_CLASS = ("eigencam",)  # it shows what stands out
SETTLE_MS = 150  # while stepping through frames, explain only the frame where the person stops


class GradCamTab(AnalysisTab):
    """Explains on the button, or by itself if the inspection stays on the screen.

    Never explains while hidden, and never in the event loop. On a running line the explained part must stay: `hold_wanted`
    carries the inspection, and the page holds it until back to live.
    """

    hold_wanted = Signal(object)

    def __init__(self, parent: QWidget | None = None, *, link: ViewLink | None = None) -> None:
        super().__init__(parent, link=link)
        self.thread_ = ExplainThread(self)
        self.thread_.answered.connect(self._on_answer)
        self.thread_.refused.connect(self._on_refusal)
        self._frozen = False
        self._resting = False
        self._asking = False
        self.kept: tuple[PartHeat, ...] = ()  # maps that the archive has of the inspection
        self._answer: HeatMap | None = None
        self._is_kept = False  # whether the answer is one of those
        self._problem: InspectorError | None = None
        self._bundle = ""
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(SETTLE_MS)
        self._timer.timeout.connect(self.explain)
        self.link.selection_changed.connect(self._on_selection)
        self._make_controls()
        self._fill_panel()
        application = QCoreApplication.instance()
        if application is not None:
            application.aboutToQuit.connect(self.close_workers)
        self.retranslate()

    def _make_controls(self) -> None:
        self.layer, self.class_choice, self.method = ComboBox(), ComboBox(), ComboBox()
        self.layer_label, self.class_label, self.method_label = QLabel(), QLabel(), QLabel()
        self.method_label.setBuddy(self.method)
        for text, method in METHODS:
            self.method.addItem(text, method)
        self.layer_label.setBuddy(self.layer)
        self.class_label.setBuddy(self.class_choice)
        for chooser in (self.method, self.layer, self.class_choice):
            chooser.setMinimumHeight(theme.TOUCH)
            chooser.setMinimumWidth(theme.SPACING * 12)
            chooser.activated.connect(self.explain)
        self.method.currentIndexChanged.connect(self._on_method)
        self.button = QPushButton()
        self.button.setProperty("role", "primary")
        self.button.setMinimumHeight(theme.TOUCH)
        self.button.clicked.connect(self.explain)
        self.opacity = ShareSlider(percent=True)
        self.opacity.set_value(0.7)
        self.canvas.set_opacity(0.7)
        self.opacity.moved.connect(self.canvas.set_opacity)
        self.clip = ShareSlider(percent=True)
        self.clip.slider.setMaximum(MOST_CLIPPED)
        self.clip.moved.connect(self._draw)
        self.views = HeatViews(self.link)
        self.views.hide()
        self.beside_each_other = QCheckBox()
        self.beside_each_other.setMinimumHeight(theme.TOUCH)
        self.beside_each_other.toggled.connect(self._on_views)
        self.bar = HeatBar()
        self.save = SaveButton({"picture": self._png, "numbers": self._numbers_csv}, "heat")
        self.save.failed.connect(self._on_refusal)
        self.marks = QCheckBox()
        self.marks.setChecked(True)
        self.marks.setMinimumHeight(theme.TOUCH)
        self.marks.toggled.connect(self._draw)
        self.progress = QProgressBar()
        self.progress.setRange(0, 0)
        self.progress.setTextVisible(False)
        self.state = QLabel()
        self.state.setWordWrap(True)
        self.names = {name: QLabel() for name in ("class", "layer", "target", "share")}
        self.values = {name: QLabel() for name in self.names}
        self.heading = caption(QLabel())

    def _fill_panel(self) -> None:
        self.panel.addLayout(labelled(self.method_label, self.method))
        self.panel.addLayout(labelled(self.layer_label, self.layer))
        self.panel.addLayout(labelled(self.class_label, self.class_choice))
        self.panel.addWidget(self.button)
        row = QHBoxLayout()
        row.addWidget(self.progress)
        self.panel.addLayout(row)
        for other in (self.state, self.bar, self.opacity, self.clip, self.marks, self.beside_each_other):
            self.panel.addWidget(other)
        self.panel.addLayout(headed(self.heading, self.save))
        side = self.canvas.parentWidget()
        picture = side.layout() if side is not None else None
        assert isinstance(picture, QHBoxLayout)
        picture.insertWidget(0, self.views, 1)
        numbers = QFormLayout()
        numbers.setRowWrapPolicy(QFormLayout.RowWrapPolicy.WrapLongRows)
        for name, label in self.names.items():
            numbers.addRow(label, self.values[name])
        self.panel.addLayout(numbers)
        self.panel.addStretch(1)
        policy = self.progress.sizePolicy()
        policy.setRetainSizeWhenHidden(True)  # nothing jumps when an explanation begins and ends
        self.progress.setSizePolicy(policy)
        self._busy(False)

    # Inspection

    def set_inspection(self, inspection: Inspection | None, recipe: Recipe | None) -> None:
        if inspection is not self.inspection:
            self._drop()
        super().set_inspection(inspection, recipe)

    def set_frozen(self, frozen: bool) -> None:
        self._frozen = frozen
        if not frozen:
            self._timer.stop()

    def set_resting(self, resting: bool) -> None:
        if resting == self._resting:
            return
        self._resting = resting
        if resting:
            self._timer.stop()
            self.thread_.give_up()
            self._busy(False)
        self._later()

    def close_workers(self) -> None:
        self._timer.stop()
        self.thread_.end()

    def hideEvent(self, event: QHideEvent) -> None:
        super().hideEvent(event)
        self._timer.stop()
        self.thread_.forget()
        self._busy(False)

    def refresh(self) -> None:
        prediction = self.prediction()
        if prediction is not None and prediction.bundle != self._bundle:
            self._bundle = prediction.bundle
            self._drop()
            self._offer_layers(())
            self._offer_classes(prediction)
        if self._answer is None and prediction is not None:
            self._answer = self._kept_of(prediction)
            self._is_kept = self._answer is not None
        self.button.setEnabled(prediction is not None and not self._resting)
        self._draw()
        if self._resting:
            return
        if self._frozen and prediction is not None and self._answer is None and self._problem is None and not self._asking:
            self._timer.start()

    def missing(self) -> str:
        return self.tr("No bundle said anything of this part.")

    @property
    def busy(self) -> bool:
        return self._asking or self._timer.isActive()

    # Requests and answers

    def explain(self) -> None:
        """Request the heat map of the current choice."""
        question = self._question()
        if question is None or self._resting or not self.isVisible():
            return
        self._timer.stop()
        self._problem = None
        self._busy(True)
        self.thread_.ask(question)
        if not self._frozen:
            self.hold_wanted.emit(self.inspection)

    def _question(self) -> Question | None:
        prediction, frame = self.prediction(), self.frame()
        if prediction is None or frame is None:
            return None
        try:
            folder = find_bundle(prediction.bundle, self.base)
        except ConfigError as error:
            self._problem = error
            self._draw()
            return None
        method = self.method.currentData()
        layer = self.layer.currentData() if self._looks_into_layers() else None
        kind, box = (None, None) if method in _OF_NO_CLASS else (self.class_choice.currentData(), self._box(prediction))
        return Question(folder, frame, prediction.region, layer, kind, box, method)

    def _on_method(self) -> None:
        """Offer only what the method heeds."""
        self._show_layers()
        self.class_choice.setEnabled(self.method.currentData() not in _OF_NO_CLASS)

    def _kept_of(self, prediction: Prediction) -> "HeatMap | None":
        """Return the map that the archive has of a prediction."""
        about = bundle_name(prediction.bundle), prediction.camera, prediction.region
        return next((one.heat for one in self.kept if (one.bundle, one.camera, one.heat.region) == about), None)

    def _box(self, prediction: Prediction) -> Rect | None:
        """Return the selected box, if boxes are explained and a box is selected."""
        index = self.link.selection(f"boxes:{prediction.bundle}:{prediction.camera}")
        boxes = prediction.answer
        if not isinstance(boxes, Boxes) or index is None or index >= len(boxes):
            return None
        left, top, right, bottom = (float(value) for value in boxes.xyxy[index])
        return (left, top, right, bottom)

    def _on_selection(self) -> None:
        """Explain the newly chosen box."""
        prediction = self.prediction()
        boxed = prediction is not None and isinstance(prediction.answer, Boxes)
        if self.isVisible() and boxed and self._frozen and not self._resting:
            self._timer.start()

    def _on_answer(self, answer: Answer) -> None:
        self._answer, self._is_kept, self._problem = answer.heat, False, None
        self._offer_layers(answer.layers)
        self._busy(False)
        self._draw()

    def _on_refusal(self, refusal: InspectorError) -> None:
        self._problem = refusal
        self._busy(False)
        self._draw()

    def _drop(self) -> None:
        """Discard the answer, which no longer matches the choice."""
        self.thread_.forget()
        self._answer = self._problem = None
        self._busy(False)

    # Showing

    def _draw(self) -> None:
        prediction, answer = self.prediction(), self._answer
        found = Overlays()
        if prediction is not None:
            marks = box_marks(prediction, self._threshold(prediction)) if self.marks.isChecked() else ()
            found += Overlays(boxes=marks, regions=(region_mark(prediction),))
        layer = None
        if answer is not None:
            layer = HeatLayer.of(clipped(answer.values, self.clip.value()), answer.region)
            found += Overlays(layers=(layer,))
        if self.beside_each_other.isChecked():
            self.views.show_heat(self.frame(), layer)
        self.save.setEnabled(answer is not None)
        key = f"boxes:{prediction.bundle}:{prediction.camera}" if prediction is not None else ""
        self.canvas.set_overlays(found, key=key)
        self.marks.setVisible(prediction is not None and isinstance(prediction.answer, Boxes))
        self._show_numbers(prediction)
        self._show_state()

    def _on_views(self, shown: bool) -> None:
        self.views.setVisible(shown)
        self._draw()

    def _png(self) -> bytes:
        """Return original, map and overlay in a row."""
        self.views.show_heat(self.frame(), next((x for x in self.canvas.overlays.layers if isinstance(x, HeatLayer)), None))
        canvases = (self.views.original, self.views.map, self.canvas)
        return png_of(in_a_row([canvas.render_whole() for canvas in canvases]))

    def _numbers_csv(self) -> bytes:
        """Return what is explained, and the map row by row at the network's resolution, as it is without clipping."""
        facts = [[self.names[name].text(), label.text()] for name, label in self.values.items() if not label.isHidden()]
        heat = self._answer.values if self._answer is not None else np.zeros((0, 0), np.float32)
        return joined([table_text(facts), table_text([[f"{value:.4f}" for value in row] for row in heat.tolist()])])

    def _show_numbers(self, prediction: Prediction | None) -> None:
        texts = dict.fromkeys(self.values, "–")
        answer = self._answer
        if answer is not None and prediction is not None:
            texts["class"] = class_name(answer.class_name) or "–"
            texts["layer"] = answer.layer
            texts["target"] = f"{answer.target:.2f}"
            share = heat_share(answer.values, prediction, self._threshold(prediction))
            if share is not None:
                texts["share"] = f"{share * 100:.0f} %"
        located = prediction is not None and isinstance(prediction.answer, Boxes | Masks)
        self.names["share"].setVisible(located)
        self.values["share"].setVisible(located)
        for name, text in texts.items():
            self.values[name].setText(text)
            self.values[name].setAccessibleName(f"{self.names[name].text()}: {text}")

    def _show_state(self) -> None:
        problem = self._problem
        if problem is not None:
            sentences: list[Message | None] = [problem.problem, problem.remedy]
            self.state.setText(" ".join(translate(sentence) for sentence in sentences if sentence is not None))
        elif self._answer is not None and not self._answer.values.any():
            self.state.setText(self.tr("Nothing in this region spoke for this class."))
        elif self._is_kept and not self._asking:
            self.state.setText(self.tr("Kept when the part was inspected. Explain makes another one."))
        elif self._resting and self._answer is None:
            self.state.setText(self.tr("No heat maps now: the line needs the processor."))
        elif self._answer is None and not self._asking:
            self.state.setText(self.tr("Press Explain to see where the network looked."))
        else:
            self.state.setText("")

    def _busy(self, busy: bool) -> None:
        self._asking = busy
        self.progress.setVisible(busy)
        if busy:
            self.state.setText(self.tr("Explaining…"))

    def _threshold(self, prediction: Prediction) -> float:
        step = step_of(self.recipe, prediction)
        return threshold_of(step) if step is not None else DEFAULT_THRESHOLD

    def _offer_layers(self, layers: tuple[str, ...]) -> None:
        chosen = self.layer.currentData() if layers else None
        with QSignalBlocker(self.layer):
            self.layer.clear()
            self.layer.addItem(self.tr("Default layer"), None)
            for name in layers:
                self.layer.addItem(name, name)
            self.layer.setCurrentIndex(max(0, self.layer.findData(chosen)) if chosen is not None else 0)

    def _show_layers(self) -> None:
        """Offer the layers only to a method that looks into one."""
        self.layer.setVisible(self._looks_into_layers())
        self.layer_label.setVisible(self._looks_into_layers())

    def _looks_into_layers(self) -> bool:
        from inspector.workers.messages import BLACK_BOX

        return self.method.currentData() not in BLACK_BOX

    def _offer_classes(self, prediction: Prediction) -> None:
        with QSignalBlocker(self.class_choice):
            self.class_choice.clear()
            self.class_choice.addItem(self.tr("What the network says"), None)
            for index, name in enumerate(prediction.classes):
                self.class_choice.addItem(class_name(name), index)
        several = len(prediction.classes) > 1
        self.class_choice.setVisible(several)
        self.class_label.setVisible(several)

    def retranslate(self) -> None:
        super().retranslate()
        texts = {self.method: self.tr("Method"), self.layer: self.tr("Layer"), self.class_choice: self.tr("Class")}
        self.method.setItemText(0, self.tr("The usual one"))
        self.method_label.setText(texts[self.method])
        self.layer_label.setText(texts[self.layer])
        self.class_label.setText(texts[self.class_choice])
        for widget, text in texts.items():
            widget.setAccessibleName(text)
        self._bundle = ""  # refills the choosers in the new language
        self.button.setText(self.tr("Explain"))
        self.button.setAccessibleName(self.tr("Explain"))
        self.opacity.set_texts(self.tr("Opacity"))
        self.clip.set_texts(self.tr("Cut off at either end"))
        self.beside_each_other.setText(self.tr("Original and map beside it"))
        self.beside_each_other.setAccessibleName(self.tr("Original and map beside it"))
        self.marks.setText(self.tr("Show boxes"))
        self.marks.setAccessibleName(self.tr("Show boxes"))
        self.progress.setAccessibleName(self.tr("Explaining…"))
        self.heading.setText(self.tr("Explained"))
        names = {
            "class": self.tr("Class"),
            "layer": self.tr("Layer"),
            "target": self.tr("Score explained"),
            "share": self.tr("Heat on what was found"),
        }
        for name, text in names.items():
            self.names[name].setText(text)


def heat_share(values: Floats, prediction: Prediction, threshold: float) -> float | None:
    """Return the share (0..1) of the heat on the boxes or the mask at `threshold`; None if there is neither.

    `values` float32 [h, w] covers the prediction's region. A low share means that the network looked elsewhere.
    """
    total = float(values.sum())
    height, width = values.shape
    region = prediction.region
    if total <= 0:
        return None
    answer = prediction.answer
    match answer:
        case Masks():
            found = class_map(prediction, threshold) > 0
            rows = np.minimum(((np.arange(height) + 0.5) * region.height / height).astype(int), region.height - 1)
            columns = np.minimum(((np.arange(width) + 0.5) * region.width / width).astype(int), region.width - 1)
            inside = found[rows][:, columns]
        case Boxes():
            inside = np.zeros(values.shape, bool)
            x = region.x + (np.arange(width) + 0.5) * region.width / width
            y = region.y + (np.arange(height) + 0.5) * region.height / height
            for left, top, right, bottom in answer.at_least(threshold).xyxy.tolist():
                inside |= ((y >= top) & (y <= bottom))[:, None] & ((x >= left) & (x <= right))[None, :]
        case Scores() | Temperatures():
            return None
        case _:
            assert_never(answer)
    return float(values[inside].sum()) / total if inside.any() else None
