"""The conditions of a radiometric picture: emissivity, reflected temperature, distance, humidity and air."""

from collections.abc import Collection
from typing import Final

from PySide6.QtCore import QSignalBlocker, Signal
from PySide6.QtWidgets import QCheckBox, QLabel, QVBoxLayout, QWidget

from inspector.core.types import KELVIN_AT_0_C
from inspector.imaging.colormaps import TemperatureUnit, kelvin, sign, temperature
from inspector.imaging.image import AS_STORED, Scene
from inspector.ui.shell import theme
from inspector.ui.tabs.base import headed
from inspector.ui.tabs.controls import NumberField
from inspector.ui.widgets.boxes import plain
from inspector.ui.widgets.inputs import DoubleSpinBox
from inspector.ui.widgets.themed import Themed

_HOTTEST: Final = 4000.0
_FARTHEST: Final = 10_000.0
_WARM: Final = ("reflected", "air")


class ConditionsPanel(Themed, QWidget):
    """A check box for conditions of one's own, and a field for each. `changed`: the scene is another one.

    `wanted`: the box was ticked; `offer` then gives the conditions that held so far.
    """

    changed = Signal()
    wanted = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._unit: TemperatureUnit = "C"
        self._set: set[str] = set()  # by a person; the others hold as they were, not as they are rounded here
        self.own = QCheckBox()
        self.own.setMinimumHeight(theme.TOUCH)
        self.fields = {
            "emissivity": emissivity_field(),
            "reflected": NumberField(-KELVIN_AT_0_C + 1, _HOTTEST),
            "distance": NumberField(0.0, _FARTHEST),
            "humidity": NumberField(0.0, 100.0),
            "air": NumberField(-KELVIN_AT_0_C + 1, _HOTTEST),
        }
        self.labels = {name: QLabel() for name in self.fields}
        layout = plain(QVBoxLayout(self))
        layout.addWidget(self.own)
        for name, field in self.fields.items():
            self.labels[name].setBuddy(field)
            self.labels[name].setWordWrap(True)
            layout.addLayout(headed(self.labels[name], field))
            field.valueChanged.connect(lambda _, name=name: self._on_value(name))
        self.own.toggled.connect(self._on_own)
        self.show_fields()
        self.retranslate()

    @property
    def scene(self) -> Scene:
        """The conditions of the whole picture; as stored while the box is not ticked."""
        if not self.own.isChecked():
            return AS_STORED
        return Scene(**{name: self._value(name) for name in self._set})

    def _value(self, name: str) -> float:
        value = self.fields[name].value()
        return kelvin(value, self._unit) if name in _WARM else value / 100 if name == "humidity" else value

    def rows(self) -> tuple[tuple[str, str], ...]:
        """Return (name, value) of every condition for a report; none while the box is not ticked."""
        if not self.own.isChecked():
            return ()
        return tuple((self.labels[name].text(), field.field.text()) for name, field in self.fields.items())

    def offer(self, scene: Scene) -> None:
        """Show these conditions, without a signal, where a person has not set others."""
        self._fill(scene, self.fields.keys() - self._set)

    def _fill(self, scene: Scene, names: Collection[str]) -> None:
        for name in names:
            field, value = self.fields[name], getattr(scene, name)
            if value is not None:
                with QSignalBlocker(field), QSignalBlocker(field.field):
                    field.setValue(
                        temperature(value, self._unit) if name in _WARM else value * (100 if name == "humidity" else 1)
                    )

    def set_unit(self, unit: TemperatureUnit) -> None:
        """Show temperatures in this unit."""
        scene = Scene(**{name: self._value(name) for name in self.fields})
        self._unit = unit
        self._fill(scene, self.fields)
        self.retranslate()

    def _on_value(self, name: str) -> None:
        self._set.add(name)
        self.changed.emit()

    def _on_own(self, own: bool) -> None:
        self._set.clear()
        self.show_fields()
        if own:
            self.wanted.emit()
        self.changed.emit()

    def show_fields(self) -> None:
        """Show the fields only while the box is ticked."""
        for name, field in self.fields.items():
            field.setVisible(self.own.isChecked())
            self.labels[name].setVisible(self.own.isChecked())

    def retranslate(self) -> None:
        self.own.setText(self.tr("Own conditions"))
        self.own.setAccessibleName(self.tr("Own conditions"))
        self.own.setToolTip(self.tr("Emissivity and surroundings of the whole picture, in place of those the camera stored."))
        less, more, unit = self.tr("less"), self.tr("more"), sign(self._unit)
        texts = {
            "emissivity": self.tr("Emissivity"),
            "reflected": self.tr("Reflected, {unit}").format(unit=unit),
            "distance": self.tr("Distance, m"),
            "humidity": self.tr("Humidity, %"),
            "air": self.tr("Air, {unit}").format(unit=unit),
        }
        for name, text in texts.items():
            self.labels[name].setText(text)
            self.fields[name].set_texts(text, less, more)


def emissivity_field() -> NumberField:
    """Return a field for an emissivity: 0.01 to 1 in steps of a hundredth."""
    box = DoubleSpinBox()
    box.setDecimals(2)
    box.setSingleStep(0.01)
    field = NumberField(0.01, 1.0, field=box)
    field.setValue(0.95)
    return field
