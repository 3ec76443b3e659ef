"""The cameras of a recipe: their sources, the size of a pixel, and what their drivers can set."""

from typing import Any, Final

from PySide6.QtCore import QCoreApplication, QSignalBlocker, QSize, Qt, Signal
from PySide6.QtWidgets import QHBoxLayout, QLabel, QLineEdit, QPushButton, QToolButton, QVBoxLayout, QWidget

from inspector.cameras.base import GreyOptions, kind_of, options_model
from inspector.core.addresses import hide_secrets
from inspector.core.errors import ConfigError
from inspector.core.registry import CAMERAS
from inspector.imaging.image import Reading
from inspector.recipes.recipe import CameraModel, Gate
from inspector.ui.recipes.draft import RecipeDraft
from inspector.ui.shell import theme
from inspector.ui.tabs.base import caption
from inspector.ui.tabs.controls import NumberField
from inspector.ui.widgets.boxes import plain
from inspector.ui.widgets.inputs import ComboBox
from inspector.ui.widgets.settings_form import SettingsForm
from inspector.ui.widgets.themed import Themed

_SCALE: Final = ("mm_per_px",)


class CamerasPanel(Themed, QWidget):
    """Edits the cameras of a draft, one at a time.

    `chosen` carries the name of the camera to show, `source_wanted` that of one whose source is to be chosen ("": a new
    camera), `measure_wanted` is emitted to measure a known length on the picture, `scale_wanted` to say what grey values are in
    degrees.
    """

    chosen = Signal(str)
    source_wanted = Signal(str)
    measure_wanted = Signal()
    scale_wanted = Signal()

    def __init__(self, draft: RecipeDraft, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._draft = draft
        self._camera = ""
        self.camera, self.add, self.remove = ComboBox(), QToolButton(), QToolButton()
        self.camera.setMinimumHeight(theme.TOUCH)
        self.name = QLineEdit()
        self.name.setMinimumHeight(theme.TOUCH)
        self._name_title, self._source_title, self.source = QLabel(), QLabel(), QLabel()
        self.source.setWordWrap(True)
        self.source.setTextFormat(Qt.TextFormat.PlainText)
        self.choose, self.measure, self.set_length, self.degrees = (QPushButton() for _ in range(4))
        self._pixels = 0.0  # length of the measured distance
        self._length_row, self._length_title = QWidget(), QLabel()
        self.length = NumberField(0.001, 100_000.0)
        self.length.field.setObjectName("length_mm")
        self.length.field.setDecimals(3)
        self.length.field.setSuffix(" mm")
        self.length.setValue(10.0)
        self._driver_title, self._gate_title = caption(QLabel()), caption(QLabel())
        self._scale_place, self._driver_place, self._gate_place = QVBoxLayout(), QVBoxLayout(), QVBoxLayout()
        self.forms: dict[str, SettingsForm] = {}
        self._arrange()
        self.camera.activated.connect(lambda _: self.show_camera(str(self.camera.currentData())))
        self.add.clicked.connect(lambda: self.source_wanted.emit(""))
        self.remove.clicked.connect(lambda: draft.remove_camera(self._camera))
        self.name.editingFinished.connect(self._rename)
        self.choose.clicked.connect(lambda: self.source_wanted.emit(self._camera))
        self.measure.clicked.connect(self.measure_wanted)
        self.degrees.clicked.connect(self.scale_wanted)
        self.set_length.clicked.connect(self._set_length)
        draft.changed.connect(self._refresh)
        self.retranslate()

    def _arrange(self) -> None:
        head = plain(QHBoxLayout())
        head.addWidget(self.camera, 1)
        for button, name in ((self.add, "add_camera"), (self.remove, "remove_camera")):
            button.setObjectName(name)
            button.setFixedSize(theme.TOUCH, theme.TOUCH)
            button.setIconSize(QSize(theme.ICON, theme.ICON))
            head.addWidget(button)
        self.choose.setObjectName("choose_source")
        self.measure.setObjectName("measure_scale")
        self.degrees.setObjectName("set_degrees")
        self.set_length.setObjectName("set_length")
        length = plain(QHBoxLayout(self._length_row))
        length.addWidget(self._length_title)
        length.addWidget(self.length, 1)
        length.addWidget(self.set_length)
        self._length_row.hide()
        box = QVBoxLayout(self)
        box.setContentsMargins(0, theme.SPACING, theme.SPACING, theme.SPACING)
        box.setSpacing(theme.SPACING)
        box.addLayout(head)
        for title, field in ((self._name_title, self.name), (self._source_title, self.source)):
            row = plain(QHBoxLayout())
            title.setMinimumWidth(theme.SPACING * 10)
            row.addWidget(title)
            row.addWidget(field, 1)
            box.addLayout(row)
        box.addWidget(self.choose)
        box.addLayout(self._scale_place)
        box.addWidget(self.measure)
        box.addWidget(self._length_row)
        box.addWidget(self.degrees)
        box.addWidget(self._driver_title)
        box.addLayout(self._driver_place)
        box.addWidget(self._gate_title)
        box.addLayout(self._gate_place)
        box.addStretch(1)

    @property
    def current(self) -> str:
        """The name of the camera on display; "" if there is none."""
        return self._camera

    def show_camera(self, name: str) -> None:
        """Show this camera."""
        self._camera = name if name in self._draft.cameras else next(iter(self._draft.cameras), "")
        self._length_row.hide()  # a distance was measured on the picture of another camera
        self._fill()
        self.chosen.emit(self._camera)

    def set_degrees(self, how: Reading) -> None:
        """Declare what the grey values of this camera are in degrees."""
        if self._camera:
            options = dict(self._draft.cameras[self._camera].get("options", {}))
            options |= {"unit": how.unit, "scale": how.scale, "offset": how.offset}
            self._draft.set_camera(self._camera, options=options)
            self._make_forms()
            self.chosen.emit(self._camera)

    def _set_scale(self, mm_per_px: float) -> None:
        if self._camera:
            self._draft.set_camera(self._camera, mm_per_px=round(mm_per_px, 6))
            self.forms["scale"].set_values({"mm_per_px": round(mm_per_px, 6)})

    def _refresh(self) -> None:
        """Follow the draft where it was changed elsewhere."""
        names = [self.camera.itemData(index) for index in range(self.camera.count())]
        if names != list(self._draft.cameras) or self._camera not in self._draft.cameras:
            self.show_camera(self._camera)
        elif self._camera:
            self.source.setText(self._source_text())

    def _fill(self) -> None:
        with QSignalBlocker(self.camera):
            self.camera.clear()
            for name in self._draft.cameras:
                self.camera.addItem(name, name)
            self.camera.setCurrentIndex(self.camera.findData(self._camera))
        there = bool(self._camera)
        for widget in (self.name, self.choose, self.measure, self.remove, self._driver_title, self._gate_title):
            widget.setEnabled(there)
        self.name.setText(self._camera)
        self.source.setText(self._source_text())
        self._make_forms()

    def _source_text(self) -> str:
        source = str(self._draft.cameras[self._camera].get("source", "")) if self._camera else ""
        if not source:
            return ""
        try:
            kind, address = kind_of(source)
        except ConfigError:
            return hide_secrets(source)
        label = QCoreApplication.translate("cameras", CAMERAS[kind].label)
        return f"{label}: {hide_secrets(address)}" if address else label

    def _make_forms(self) -> None:
        for form in self.forms.values():
            form.hide()
            form.deleteLater()
        self.forms = {}
        self.degrees.setVisible(False)
        if not self._camera:
            return
        values = self._draft.cameras[self._camera]
        scale = {name: values[name] for name in _SCALE if name in values}
        self._add_form("scale", SettingsForm(CameraModel, scale, names=_SCALE, narrow=True), self._scale_place)
        try:
            model = options_model(kind_of(values["source"])[0])
        except ConfigError:
            model = None
        self.degrees.setVisible(model is not None and issubclass(model, GreyOptions))
        if model is not None:
            self._add_form("options", SettingsForm(model, values.get("options", {}), narrow=True), self._driver_place)
        self._add_form("gate", SettingsForm(Gate, values.get("gate", {}), narrow=True), self._gate_place)

    def _add_form(self, key: str, form: SettingsForm, place: QVBoxLayout) -> None:
        self.forms[key] = form
        place.addWidget(form)
        form.changed.connect(lambda: self._take(key))

    def _take(self, key: str) -> None:
        values: dict[str, Any] = self.forms[key].values()
        if key == "scale":
            self._draft.set_camera(self._camera, **{name: values.get(name) for name in _SCALE})
        else:
            self._draft.set_camera(self._camera, **{key: values or None})
            if key == "options":
                self.chosen.emit(self._camera)  # it is opened with other options

    def _rename(self) -> None:
        to = self.name.text().strip()
        if to and to != self._camera and self._camera:
            before, self._camera = self._camera, to if to not in self._draft.cameras else self._camera
            self._draft.rename_camera(before, to)
            self.show_camera(self._camera)

    def ask_length(self, pixels: float) -> None:
        """Ask how long the measured distance is, in the panel."""
        self._pixels = pixels
        self._name_length()
        self._length_row.show()
        self.length.setFocus()
        self.length.field.selectAll()

    def _set_length(self) -> None:
        self._length_row.hide()
        if self._pixels:
            self._set_scale(self.length.value() / self._pixels)

    def _name_length(self) -> None:
        self._length_title.setText(self.tr("{pixels:.1f} px are").format(pixels=self._pixels))

    def retranslate(self) -> None:
        self.camera.setAccessibleName(self.tr("Camera"))
        self._name_title.setText(self.tr("Name"))
        self.name.setAccessibleName(self.tr("Name of the camera"))
        self._source_title.setText(self.tr("Source"))
        for button, text in (
            (self.choose, self.tr("Choose the source…")),
            (self.measure, self.tr("Measure a known length on the picture")),
            (self.set_length, self.tr("Set")),
            (self.degrees, self.tr("Grey values in degrees…")),
        ):
            button.setText(text)
            button.setAccessibleName(text)
        for tool, text in ((self.add, self.tr("Add a camera")), (self.remove, self.tr("Remove this camera"))):
            tool.setToolTip(text)
            tool.setAccessibleName(text)
        self.length.set_texts(self.tr("Length in millimetres"), self.tr("less"), self.tr("more"))
        self._name_length()
        self._driver_title.setText(self.tr("Driver"))
        self._gate_title.setText(self.tr("Frames that get no verdict"))
        self.source.setText(self._source_text())
        self.restyle()

    def restyle(self) -> None:
        self.add.setIcon(theme.icon("plus"))
        self.remove.setIcon(theme.icon("trash"))
