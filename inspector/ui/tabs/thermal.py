"""The thermal tab: temperatures as colours, measured where the camera is radiometric and predicted where it is not."""

import math
from typing import ClassVar, cast

import numpy as np
from PySide6.QtCore import QSignalBlocker
from PySide6.QtWidgets import QCheckBox, QComboBox, QDoubleSpinBox, QFormLayout, QHBoxLayout, QLabel, QPushButton, QWidget

from inspector.core.types import KELVIN_AT_0_C, Frame, TaskName, Temperatures
from inspector.ui import theme
from inspector.ui.canvas import ViewLink
from inspector.ui.colormaps import PALETTES, Palette, TemperatureUnit, kelvin, temperature, temperature_text
from inspector.ui.overlays import Overlays, RegionMark, spot_marks
from inspector.ui.rendering import Display, full_range
from inspector.ui.tables import Cell, Row, ValueTable
from inspector.ui.tabs.base import AnalysisTab, caption
from inspector.ui.tabs.controls import Choice, ColorBar

HOTTEST = 5000.0  # in either unit; more than any camera or process here


class ThermalTab(AnalysisTab):
    """Palette, range, unit; cursor temperature; highest, mean and lowest; hot spots on the canvas and in a table."""

    task: ClassVar[TaskName | None] = "thermal"

    def __init__(self, parent: QWidget | None = None, *, link: ViewLink | None = None) -> None:
        super().__init__(parent, link=link)
        self.unit = Choice(("C", "K"))
        self.palette_choice = QComboBox()
        self.palette_choice.setMinimumHeight(theme.TOUCH)
        self.palette_choice.setMinimumWidth(theme.SPACING * 12)
        for name in PALETTES:
            self.palette_choice.addItem(name, name)
        self.automatic = QCheckBox()
        self.automatic.setChecked(True)
        self.automatic.setMinimumHeight(theme.TOUCH)
        self.low, self.high = _spin(), _spin()
        self.color_bar = ColorBar()
        self.cursor_value = QLabel()
        self.cursor_value.setProperty("role", "title")
        self.headings = {name: caption(QLabel()) for name in ("look", "cursor", "numbers", "spots")}
        self.names = {name: QLabel() for name in ("maximum", "mean", "minimum", "source", "network")}
        self.values = {name: QLabel() for name in self.names}
        self.table = ValueTable()
        self.copy = QPushButton()
        self.copy.setMinimumHeight(theme.TOUCH)
        self._fill_panel()
        self._connect()
        self.retranslate()

    def _fill_panel(self) -> None:
        self.beside.addWidget(self.color_bar, 1)
        limits = QHBoxLayout()
        limits.addWidget(self.low)
        limits.addWidget(self.high)
        numbers = QFormLayout()
        numbers.setVerticalSpacing(theme.SPACING // 2)
        numbers.setRowWrapPolicy(QFormLayout.RowWrapPolicy.WrapLongRows)
        for name, label in self.names.items():
            self.values[name].setWordWrap(True)
            numbers.addRow(label, self.values[name])
        for widget in (self.headings["cursor"], self.cursor_value, self.headings["numbers"]):
            self.panel.addWidget(widget)
        self.panel.addLayout(numbers)
        look = QHBoxLayout()
        look.addWidget(self.palette_choice, 1)
        look.addWidget(self.unit)
        self.panel.addWidget(self.headings["look"])
        self.panel.addLayout(look)
        self.panel.addWidget(self.automatic)
        self.panel.addLayout(limits)
        self.panel.addWidget(self.headings["spots"])
        self.panel.addWidget(self.table, 1)
        self.panel.addWidget(self.copy)

    def _connect(self) -> None:
        self.palette_choice.currentIndexChanged.connect(self._recolor)
        self.unit.chosen.connect(self._on_unit)
        self.automatic.toggled.connect(self._recolor)
        self.low.valueChanged.connect(self._recolor)
        self.high.valueChanged.connect(self._recolor)
        self.canvas.hovered.connect(self._on_hover)
        self.copy.clicked.connect(self.table.copy)
        self.table.picked.connect(self._on_picked)
        self.link.selection_changed.connect(self._on_selection)

    def frame(self) -> Frame | None:
        """The frame of the thermal prediction, else a frame in kelvin, else none: colours of light are not temperatures."""
        if self.inspection is None:
            return None
        chosen = self.prediction()
        if chosen is not None:
            return self.inspection.frames.get(chosen.camera)
        return next((frame for frame in self.inspection.frames.values() if frame.unit == "kelvin"), None)

    def temperatures(self) -> Temperatures | None:
        """Those of the chosen prediction, or measured on the whole frame where no bundle looked at it."""
        chosen, frame = self.prediction(), self.frame()
        if chosen is not None:
            return chosen.temperatures
        if frame is None:
            return None
        values = frame.pixels
        return Temperatures(float(np.nanmax(values)), float(np.nanmean(values)), float(np.nanmin(values)), "measured")

    def refresh(self) -> None:
        frame, chosen = self.frame(), self.prediction()
        radiometric = frame is not None and frame.unit == "kelvin"
        for widget in (self.palette_choice, self.automatic):
            widget.setEnabled(radiometric)
        self.color_bar.setVisible(radiometric)
        self._show_numbers()
        found = self.temperatures()
        spots = found.hot_spots if found is not None else ()
        regions = (RegionMark(chosen.region),) if chosen is not None else ()
        unit = self._unit()
        self.canvas.set_unit(unit)
        self.canvas.set_overlays(Overlays(spots=spot_marks(spots, unit), regions=regions), key=self._key())
        sign = "°C" if unit == "C" else "K"
        self.table.set_titles([self.tr("Hot spot"), sign, self.tr("Area px")])
        self.table.set_rows(
            [
                Row(
                    n,
                    (
                        Cell(f"{n + 1}:  x {spot.x}, y {spot.y}"),
                        Cell(f"{temperature(spot.kelvin, unit):.1f}", spot.kelvin),
                        Cell(f"{spot.area_px:.0f}", spot.area_px),
                    ),
                )
                for n, spot in enumerate(spots)
            ]
        )
        self.table.select_key(self.link.selection(self._key()))
        self.copy.setEnabled(bool(spots))
        self._recolor()

    def missing(self) -> str:
        if self.frame() is not None:
            return self.tr("No bundle looks at this frame; its temperatures are measured on the whole frame.")
        return self.tr("This recipe has no thermal camera and no bundle that predicts temperatures.")

    def retranslate(self) -> None:
        super().retranslate()
        palettes = (self.tr("Iron"), self.tr("Rainbow"), self.tr("Grey"), self.tr("Inferno"))
        for index, text in enumerate(palettes):
            self.palette_choice.setItemText(index, text)
        self.palette_choice.setAccessibleName(self.tr("Palette"))
        self.unit.set_texts({"C": "°C", "K": "K"})
        self.automatic.setText(self.tr("Range follows the frame"))
        self.automatic.setAccessibleName(self.tr("Range follows the frame"))
        self.low.setAccessibleName(self.tr("Lowest temperature shown"))
        self.high.setAccessibleName(self.tr("Highest temperature shown"))
        self.low.setToolTip(self.tr("Lowest temperature shown"))
        self.high.setToolTip(self.tr("Highest temperature shown"))
        self.table.setAccessibleName(self.tr("Hot spots"))
        self.color_bar.setAccessibleName(self.tr("Colour bar"))
        self.copy.setText(self.tr("Copy table"))
        self.copy.setAccessibleName(self.tr("Copy table"))
        headings = {
            "look": self.tr("Palette, unit and range"),
            "cursor": self.tr("Under the cursor"),
            "numbers": self.tr("Temperatures"),
            "spots": self.tr("Hot spots"),
        }
        names = {
            "maximum": self.tr("Highest"),
            "mean": self.tr("Mean"),
            "minimum": self.tr("Lowest"),
            "source": self.tr("Origin"),
            "network": self.tr("Network says"),
        }
        for name, text in headings.items():
            self.headings[name].setText(text)
        for name, text in names.items():
            self.names[name].setText(text)
        self._on_hover(-1, -1)

    def _unit(self) -> TemperatureUnit:
        return cast("TemperatureUnit", self.unit.current())

    def _key(self) -> str:
        return "hot spots"

    def _show_numbers(self) -> None:
        found, unit = self.temperatures(), self._unit()
        texts = dict.fromkeys(self.values, "–")
        if found is not None:
            numbers = {"maximum": found.maximum, "mean": found.mean, "minimum": found.minimum}
            texts |= {name: temperature_text(value, unit) for name, value in numbers.items() if math.isfinite(value)}
            measured = found.source == "measured"
            texts["source"] = self.tr("measured by the camera") if measured else self.tr("predicted by the network")
            if found.predicted is not None:
                texts["network"] = " / ".join(f"{temperature(value, unit):.1f}" for value in found.predicted)
        for name, text in texts.items():
            self.values[name].setText(text)
            self.values[name].setAccessibleName(f"{self.names[name].text()}: {text}")
        shown = found is not None and found.predicted is not None
        self.names["network"].setVisible(shown)
        self.values["network"].setVisible(shown)

    def _recolor(self) -> None:
        """Palette and range to canvas and colour bar."""
        frame = self.frame()
        manual = not self.automatic.isChecked()
        self.low.setEnabled(manual)
        self.high.setEnabled(manual)
        if frame is None or frame.unit != "kelvin":
            return
        unit = self._unit()
        if manual:
            low, high = kelvin(self.low.value(), unit), kelvin(self.high.value(), unit)
            high = max(high, low + 0.1)
        else:
            low, high = full_range(frame)
            self._set_spins(low, high)
        palette = cast("Palette", self.palette_choice.currentData())
        self.canvas.set_display(Display(low, high, palette))
        self.color_bar.show_scale(low, high, palette, unit)

    def _set_spins(self, low: float, high: float) -> None:
        for spin, value in ((self.low, low), (self.high, high)):
            with QSignalBlocker(spin):
                spin.setValue(temperature(value, self._unit()))

    def set_unit(self, unit: TemperatureUnit) -> None:
        """In which unit temperatures are shown; the tab's own switch follows."""
        super().set_unit(unit)
        if unit != self._unit():
            self.unit.set_current(unit)
            self._on_unit(unit)

    def _on_unit(self, unit: str) -> None:
        old: TemperatureUnit = "K" if unit == "C" else "C"
        self._set_spins(kelvin(self.low.value(), old), kelvin(self.high.value(), old))
        self.refresh()

    def _on_hover(self, x: int, y: int) -> None:
        frame = self.canvas.frame
        if x < 0 or frame is None or frame.unit != "kelvin":
            self.cursor_value.setText("–")
            return
        self.cursor_value.setText(temperature_text(float(frame.pixels[y, x]), self._unit()))

    def _on_picked(self, key: object) -> None:
        self.link.select(self._key(), key if isinstance(key, int) else None)

    def _on_selection(self) -> None:
        self.table.select_key(self.link.selection(self._key()))


def _spin() -> QDoubleSpinBox:
    spin = QDoubleSpinBox()
    spin.setRange(-KELVIN_AT_0_C, HOTTEST)
    spin.setDecimals(1)
    spin.setSingleStep(1.0)
    spin.setMinimumHeight(theme.TOUCH)
    spin.setMinimumWidth(theme.SPACING * 12)
    return spin
