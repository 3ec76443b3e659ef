"""The bundles of a recipe: which one looks at which camera, and where."""

from pathlib import Path
from typing import Final

from PySide6.QtCore import QSignalBlocker, QSize, Qt, Signal
from PySide6.QtWidgets import QHBoxLayout, QLabel, QPushButton, QToolButton, QVBoxLayout, QWidget

from inspector.bundles.bundle import read_card
from inspector.core.errors import ConfigError
from inspector.recipes.locate import bundle_roots, find_bundle, find_bundles
from inspector.recipes.recipe import InspectModel, RegionModel
from inspector.ui.recipes.draft import RecipeDraft, Values
from inspector.ui.shell import theme
from inspector.ui.training.labels import task_word
from inspector.ui.widgets.boxes import plain
from inspector.ui.widgets.file_dialogs import ask_folder
from inspector.ui.widgets.inputs import ComboBox
from inspector.ui.widgets.settings_form import SettingsForm
from inspector.ui.widgets.themed import Themed

_BROWSE: Final = "browse"
_FIELDS: Final = ("place", "threshold", "hot_celsius", "ok_classes", "engine", "precision")


class BundlesPanel(Themed, QWidget):
    """Edits the steps of a draft, one at a time.

    `chosen` carries the name of the camera that the step on display looks at; `draw_wanted` is emitted to draw its region.
    """

    chosen = Signal(str)
    draw_wanted = Signal()

    def __init__(self, draft: RecipeDraft, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._draft = draft
        self._place = -1
        self.step, self.add, self.remove = ComboBox(), QToolButton(), QToolButton()
        self.bundle, self.camera = ComboBox(), ComboBox()
        for box in (self.step, self.bundle, self.camera):
            box.setMinimumHeight(theme.TOUCH)
            box.setSizeAdjustPolicy(ComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self._titles = {name: QLabel() for name in ("bundle", "camera", "region")}
        self.region, self.task = QLabel(), QLabel()
        self.task.setProperty("role", "small")
        self.draw, self.whole = QPushButton(), QPushButton()
        self._form_place = QVBoxLayout()
        self.form: SettingsForm | None = None
        self._arrange()
        self.step.activated.connect(self.show_step)
        self.bundle.activated.connect(self._choose_bundle)
        self.camera.activated.connect(lambda _: self._set(camera=str(self.camera.currentData())))
        self.add.clicked.connect(self.add_step)
        self.remove.clicked.connect(lambda: draft.remove_step(self._place))
        self.draw.clicked.connect(self.draw_wanted)
        self.whole.clicked.connect(lambda: self._set(region=None))
        draft.changed.connect(self._refresh)
        self.retranslate()

    def _arrange(self) -> None:
        head = plain(QHBoxLayout())
        head.addWidget(self.step, 1)
        for tool, name in ((self.add, "add_bundle"), (self.remove, "remove_bundle")):
            tool.setObjectName(name)
            tool.setFixedSize(theme.TOUCH, theme.TOUCH)
            tool.setIconSize(QSize(theme.ICON, theme.ICON))
            head.addWidget(tool)
        box = QVBoxLayout(self)
        box.setContentsMargins(0, theme.SPACING, theme.SPACING, theme.SPACING)
        box.setSpacing(theme.SPACING)
        box.addLayout(head)
        for name, field in (("bundle", self.bundle), ("camera", self.camera), ("region", self.region)):
            row = plain(QHBoxLayout())
            self._titles[name].setMinimumWidth(theme.SPACING * 10)
            row.addWidget(self._titles[name])
            row.addWidget(field, 1)
            box.addLayout(row)
            if name == "bundle":
                box.addWidget(self.task)
        self.region.setMinimumHeight(theme.SPACING * 3)
        self.region.setTextFormat(Qt.TextFormat.PlainText)
        buttons = plain(QHBoxLayout())
        for button, name in ((self.draw, "draw_region"), (self.whole, "whole_frame")):
            button.setObjectName(name)
            buttons.addWidget(button, 1)
        box.addLayout(buttons)
        box.addLayout(self._form_place)
        box.addStretch(1)

    @property
    def current(self) -> Values | None:
        """The step on display."""
        return self._draft.steps[self._place] if 0 <= self._place < len(self._draft.steps) else None

    def show_step(self, place: int) -> None:
        """Show this step."""
        self._place = min(place, len(self._draft.steps) - 1)
        self._fill()
        if self.current is not None:
            self.chosen.emit(str(self.current.get("camera", "")))

    def add_step(self) -> None:
        """Add a bundle that looks at a camera: the first that no bundle looks at, else the one on display."""
        cameras = list(self._draft.cameras)
        if not cameras:
            return
        used = {step.get("camera") for step in self._draft.steps}
        camera = next((name for name in cameras if name not in used), cameras[0])
        names = self._known()
        if names:
            self._place = len(self._draft.steps)
            self.show_step(self._draft.add_step(names[-1], camera))

    def set_region(self, region: RegionModel) -> None:
        """Set the region of the step on display."""
        self._set(region=region.model_dump())

    def _set(self, **values: object) -> None:
        if self.current is not None:
            self._draft.set_step(self._place, **values)

    def _known(self) -> list[str]:
        """Return the bundles that can be named: shipped, then the user's own."""
        return [folder.name for root in bundle_roots() for folder in find_bundles(root)]

    def _choose_bundle(self, index: int) -> None:
        name = str(self.bundle.itemData(index))
        if name == _BROWSE:
            self._fill()  # until one was chosen
            ask_folder(self, self.tr("Choose a bundle"), lambda path: self._take_bundle(str(path)))
        else:
            self._take_bundle(name)

    def _take_bundle(self, name: str) -> None:
        """Have the step use another bundle; the rules of the earlier one go on with it."""
        step = self.current
        if step is None:
            return
        before = step.get("bundle")
        self._draft.values["rules"] = [
            {**rule, "bundle": name} if rule.get("bundle") == before else rule for rule in self._draft.rules
        ]
        self._set(bundle=name)

    def _refresh(self) -> None:
        if self._place >= len(self._draft.steps) or (self._place < 0 and self._draft.steps):
            self._place = min(max(self._place, 0), len(self._draft.steps) - 1)
        self._fill()

    def _fill(self) -> None:
        step = self.current
        with QSignalBlocker(self.step), QSignalBlocker(self.bundle), QSignalBlocker(self.camera):
            self.step.clear()
            for one in self._draft.steps:
                self.step.addItem(f"{Path(str(one['bundle'])).name} · {one['camera']}")
            self.step.setCurrentIndex(self._place)
            self.bundle.clear()
            names = self._known()
            if step is not None and step["bundle"] not in names:
                names.append(str(step["bundle"]))
            for name in names:
                self.bundle.addItem(Path(name).name, name)
            self.bundle.addItem(self.tr("Browse…"), _BROWSE)
            self.bundle.setCurrentIndex(-1 if step is None else self.bundle.findData(step["bundle"]))
            self.camera.clear()
            for name in self._draft.cameras:
                self.camera.addItem(name, name)
            self.camera.setCurrentIndex(-1 if step is None else self.camera.findData(step["camera"]))
        for widget in (self.bundle, self.camera, self.draw, self.whole, self.remove):
            widget.setEnabled(step is not None)
        self.add.setEnabled(bool(self._draft.cameras))
        self.region.setText(self._region_text(step))
        self.task.setText(self._task_text(step))
        self._make_form(step)

    def _region_text(self, step: Values | None) -> str:
        region = step.get("region") if step is not None else None
        if region is None:
            return self.tr("The whole frame") if step is not None else ""
        return f"({region['x']}, {region['y']})  {region['width']} × {region['height']} px"

    def _task_text(self, step: Values | None) -> str:
        if step is None:
            return self.tr("Add a bundle: it looks at a camera.")
        try:
            card = read_card(find_bundle(str(step["bundle"]), self._draft.base))
        except ConfigError:
            return ""
        return "  ·  ".join(filter(None, (task_word(card.task), ", ".join(card.classes))))

    def _make_form(self, step: Values | None) -> None:
        values: Values = {name: step[name] for name in _FIELDS if name in step} if step is not None else {}
        if self.form is not None:
            if step is not None and self.form.isEnabled() and self.form.property("place") == self._place:
                if self.form.values() != values:
                    self.form.set_values(values)
                return
            self.form.hide()
            self.form.deleteLater()
            self.form = None
        if step is not None:
            self.form = form = SettingsForm(InspectModel, values, names=_FIELDS, narrow=True)
            form.setProperty("place", self._place)
            form.changed.connect(lambda: self._set(**{name: form.values().get(name) for name in _FIELDS}))
            self._form_place.addWidget(form)

    def retranslate(self) -> None:
        texts = {"bundle": self.tr("Bundle"), "camera": self.tr("Camera"), "region": self.tr("Region")}
        for name, text in texts.items():
            self._titles[name].setText(text)
        self.bundle.setAccessibleName(texts["bundle"])
        self.camera.setAccessibleName(texts["camera"])
        self.step.setAccessibleName(self.tr("Bundles of the recipe"))
        for tool, text in ((self.add, self.tr("Add a bundle")), (self.remove, self.tr("Remove this bundle"))):
            tool.setToolTip(text)
            tool.setAccessibleName(text)
        for button, text in ((self.draw, self.tr("Draw the region")), (self.whole, self.tr("The whole frame"))):
            button.setText(text)
            button.setAccessibleName(text)
        self._fill()
        self.restyle()

    def restyle(self) -> None:
        self.add.setIcon(theme.icon("plus"))
        self.remove.setIcon(theme.icon("trash"))
