"""The isotherm: where the picture is hotter or colder than a limit, or between two."""

from PySide6.QtCore import QSignalBlocker, Signal
from PySide6.QtWidgets import QHBoxLayout, QLabel, QVBoxLayout, QWidget

from inspector.core.types import KELVIN_AT_0_C, Floats, Region
from inspector.imaging.colormaps import TemperatureUnit, kelvin, sign, temperature
from inspector.imaging.thermography import isotherm
from inspector.ui.canvas.overlays import ClassLayer
from inspector.ui.shell import theme
from inspector.ui.tabs.base import headed
from inspector.ui.tabs.controls import NumberField
from inspector.ui.widgets.boxes import plain
from inspector.ui.widgets.inputs import ComboBox
from inspector.ui.widgets.themed import Themed

_HOTTEST = 5000.0
_COLOUR = 6  # in a class map: the palettes of temperatures have no such green


class IsothermPanel(Themed, QWidget):
    """None, above, below or between; the share of the picture that this is. `changed`: another isotherm is wanted."""

    changed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._unit: TemperatureUnit = "C"
        self.kind = ComboBox()
        self.kind.setSizeAdjustPolicy(ComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.kind.setMinimumHeight(theme.TOUCH)
        for name in ("none", "above", "below", "between"):
            self.kind.addItem(name, name)
        self.share = QLabel()
        self.above, self.below = (NumberField(-KELVIN_AT_0_C, _HOTTEST) for _ in range(2))
        self.above.setValue(50.0)
        self.below.setValue(80.0)
        self.labels = {"above": QLabel(), "below": QLabel()}
        layout = plain(QVBoxLayout(self))
        row = plain(QHBoxLayout())
        row.addWidget(self.kind, 1)
        row.addWidget(self.share)
        layout.addLayout(row)
        for name, field in (("above", self.above), ("below", self.below)):
            self.labels[name].setBuddy(field)
            layout.addLayout(headed(self.labels[name], field))
            field.valueChanged.connect(self.changed)
        self.kind.currentIndexChanged.connect(self._on_kind)
        self._on_kind()
        self.retranslate()

    def limits(self) -> tuple[float | None, float | None]:
        """Return (above, below) in kelvin; None for a side without a limit. Both are None without an isotherm."""
        kind = self.kind.currentData()
        above = kelvin(self.above.value(), self._unit) if kind in ("above", "between") else None
        below = kelvin(self.below.value(), self._unit) if kind in ("below", "between") else None
        return above, below

    def layer(self, pixels: Floats | None) -> ClassLayer | None:
        """Return the isotherm of these temperatures as an overlay, and show its share; None without one."""
        above, below = self.limits()
        if pixels is None or (above is None and below is None):
            self.share.setText("")
            return None
        inside = isotherm(pixels, above=above, below=below)
        self.share.setText(f"{inside.mean():.1%}")
        self.share.setAccessibleName(self.tr("Share of the picture: {share}").format(share=self.share.text()))
        height, width = inside.shape
        return ClassLayer(Region(0, 0, width, height), inside.view("u1") * _COLOUR)

    def set_unit(self, unit: TemperatureUnit) -> None:
        """Show and take the limits in this unit."""
        if unit == self._unit:
            return
        old, self._unit = self._unit, unit
        for field in (self.above, self.below):
            with QSignalBlocker(field), QSignalBlocker(field.field):
                field.setValue(temperature(kelvin(field.value(), old), unit))
        self.retranslate()

    def _on_kind(self) -> None:
        kind = self.kind.currentData()
        for name, field, kinds in (
            ("above", self.above, ("above", "between")),
            ("below", self.below, ("below", "between")),
        ):
            field.setVisible(kind in kinds)
            self.labels[name].setVisible(kind in kinds)
        self.changed.emit()

    def retranslate(self) -> None:
        names = (self.tr("No isotherm"), self.tr("Hotter than"), self.tr("Colder than"), self.tr("Between"))
        for index, text in enumerate(names):
            self.kind.setItemText(index, text)
        self.kind.setAccessibleName(self.tr("Isotherm"))
        less, more, unit = self.tr("less"), self.tr("more"), sign(self._unit)
        texts = {
            "above": self.tr("Hotter than, {unit}").format(unit=unit),
            "below": self.tr("Colder than, {unit}").format(unit=unit),
        }
        for name, field in (("above", self.above), ("below", self.below)):
            self.labels[name].setText(texts[name])
            field.set_texts(texts[name], less, more)
