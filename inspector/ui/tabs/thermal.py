"""The thermal tab: temperatures as colours, measured if the camera is radiometric, otherwise predicted."""

import math
from collections.abc import Set as AbstractSet
from typing import TYPE_CHECKING, ClassVar, cast

import numpy as np
from PySide6.QtCore import QSignalBlocker, QTimer
from PySide6.QtGui import QShowEvent
from PySide6.QtWidgets import QBoxLayout, QCheckBox, QGridLayout, QHBoxLayout, QLabel, QVBoxLayout, QWidget

from inspector.core.types import KELVIN_AT_0_C, Answer, Frame, Inspection, Temperatures
from inspector.imaging.colormaps import PALETTES, Palette, TemperatureUnit, kelvin, temperature, temperature_text
from inspector.ui.canvas.canvas import ViewLink
from inspector.ui.canvas.overlays import Overlays, RegionMark, spot_marks
from inspector.ui.canvas.rendering import Display
from inspector.ui.canvas.thermal_scale import ThermalScale, limits_of
from inspector.ui.shell import theme
from inspector.ui.tabs.base import AnalysisTab, caption, headed
from inspector.ui.tabs.controls import Choice, CopyButton, NumberField
from inspector.ui.widgets.inputs import ComboBox
from inspector.ui.widgets.tables import Cell, Row, ValueTable

if TYPE_CHECKING:
    from inspector.ui.tabs.histogram import Histogram

SCALE_WIDTH = theme.SPACING * 20
HOTTEST = 5000.0  # in either unit; more than any camera or process here


class ThermalTab(AnalysisTab):
    """Palette, range, unit; cursor temperature; highest, mean and lowest; hot spots on the canvas and in a table."""

    tools_direction: ClassVar = QBoxLayout.Direction.LeftToRight
    answer: ClassVar[type[Answer] | None] = Temperatures

    def __init__(self, parent: QWidget | None = None, *, link: ViewLink | None = None) -> None:
        super().__init__(parent, link=link)
        self.unit = Choice(("C", "K"))
        self.palette_choice = ComboBox()
        self.palette_choice.setMinimumHeight(theme.TOUCH)
        self.palette_choice.setMinimumWidth(theme.SPACING * 12)
        for name in PALETTES:
            self.palette_choice.addItem(name, name)
        self._range = ThermalScale()
        self.automatic = QCheckBox()
        self.automatic.setChecked(True)
        self.automatic.setMinimumHeight(theme.TOUCH)
        self.low, self.high = NumberField(-KELVIN_AT_0_C, HOTTEST), NumberField(-KELVIN_AT_0_C, HOTTEST)
        self.limits = {"high": QLabel(), "low": QLabel()}
        self.histogram: Histogram | None = None  # made when the tab is first shown
        self.cursor_value = QLabel()
        self.cursor_value.setProperty("role", "title")
        self.headings = {name: caption(QLabel()) for name in ("look", "whole", "cursor", "spots")}
        self.names = {name: QLabel() for name in ("maximum", "mean", "minimum", "source", "network")}
        self.values = {name: QLabel() for name in self.names}
        self.table = ValueTable()
        self.copy = CopyButton()
        self._fill_panel()
        self._connect()
        self.retranslate()

    def _fill_panel(self) -> None:
        self.scale_ = QWidget()
        self.scale_.setFixedWidth(SCALE_WIDTH)
        QVBoxLayout(self.scale_).setContentsMargins(theme.SPACING // 2, 0, theme.SPACING // 2, 0)
        self.beside.addWidget(self.scale_, 1)
        self.panel.addWidget(self.headings["whole"])
        self.panel.addLayout(self._numbers())
        self.panel.addLayout(headed(self.headings["cursor"], self.cursor_value))
        self.panel.addLayout(headed(self.headings["spots"], self.copy))
        self.panel.addWidget(self.table)
        self.table.set_whole()
        self.panel.addWidget(self.headings["look"])
        look = QHBoxLayout()
        look.setSpacing(theme.SPACING)
        look.addWidget(self.palette_choice, 1)
        look.addWidget(self.unit)
        self.panel.addLayout(look)
        self.panel.addWidget(self.automatic)
        for name, field in (("high", self.high), ("low", self.low)):
            self.limits[name].setBuddy(field)
            self.limits[name].setWordWrap(True)
            self.panel.addLayout(headed(self.limits[name], field))

    def _numbers(self) -> QGridLayout:
        """Return the grid with highest, mean and lowest temperature in a row, with their origin below."""
        grid = QGridLayout()
        grid.setHorizontalSpacing(theme.SPACING * 2)
        grid.setVerticalSpacing(0)
        for column, name in enumerate(("maximum", "mean", "minimum")):
            self.names[name].setProperty("role", "small")
            self.values[name].setProperty("role", "strong")
            grid.addWidget(self.names[name], 0, column)
            grid.addWidget(self.values[name], 1, column)
            grid.setColumnStretch(column, 1)
        for row, name in enumerate(("source", "network"), start=2):
            self.values[name].setWordWrap(True)
            grid.addWidget(self.names[name], row, 0)
            grid.addWidget(self.values[name], row, 1, 1, 2)
        return grid

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        if self.histogram is None:
            QTimer.singleShot(0, self, self._make_histogram)  # the picture is on screen before pyqtgraph is imported

    def _make_histogram(self) -> None:
        if self.histogram is not None:
            return
        from inspector.ui.tabs.histogram import Histogram

        self.histogram = Histogram()
        self.histogram.ranged.connect(self._on_ranged)
        layout = self.scale_.layout()
        if layout is not None:
            layout.addWidget(self.histogram)
        self._name_histogram()
        self._recolor()

    def _name_histogram(self) -> None:
        if self.histogram is not None:
            self.histogram.setAccessibleName(self.tr("Histogram of temperatures"))
            self.histogram.setToolTip(
                self.tr("How often each temperature occurs. Drag the band or its ends to set the colours.")
            )

    def _on_ranged(self, low: float, high: float) -> None:
        """Take over the range from the dragged band; from now on the range is manual."""
        self._set_spins(low, high)
        with QSignalBlocker(self.automatic):
            self.automatic.setChecked(False)
        self._recolor()

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

    def applies(self, answers: AbstractSet[type[Answer]], inspection: Inspection | None) -> bool:
        """Return whether temperatures are predicted or a frame holds them."""
        frames = inspection.frames.values() if inspection is not None else ()
        return Temperatures in answers or any(frame.unit == "kelvin" for frame in frames)

    def frame(self) -> Frame | None:
        """Return the frame of the thermal prediction, else a frame in kelvin, else None: light is not a temperature."""
        if self.inspection is None:
            return None
        chosen = self.prediction()
        if chosen is not None:
            return self.inspection.frames.get(chosen.camera)
        return next((frame for frame in self.inspection.frames.values() if frame.unit == "kelvin"), None)

    def temperatures(self) -> Temperatures | None:
        """Return the temperatures of the chosen prediction, or those measured on the whole frame if no bundle inspected it."""
        chosen, frame = self.prediction(), self.frame()
        if chosen is not None:
            return chosen.expect(Temperatures)
        if frame is None:
            return None
        values = frame.pixels
        return Temperatures(float(np.nanmax(values)), float(np.nanmean(values)), float(np.nanmin(values)), "measured")

    def refresh(self) -> None:
        frame, chosen = self.frame(), self.prediction()
        radiometric = frame is not None and frame.unit == "kelvin"
        for widget in (self.palette_choice, self.automatic):
            widget.setEnabled(radiometric)
        if self.histogram is not None:
            self.histogram.setVisible(radiometric)
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
        self.automatic.setText(self.tr("Automatic range"))
        self.automatic.setAccessibleName(self.tr("Automatic range"))
        self.automatic.setToolTip(self.tr("The same for every frame: up to the recipe's limits, or all that was seen."))
        less, more = self.tr("less"), self.tr("more")
        self.low.set_texts(self.tr("Lowest temperature shown"), less, more)
        self.high.set_texts(self.tr("Highest temperature shown"), less, more)
        self.limits["low"].setText(self.tr("Lowest shown"))
        self.limits["high"].setText(self.tr("Highest shown"))
        self._name_histogram()
        self.table.setAccessibleName(self.tr("Hot spots"))
        headings = {
            "look": self.tr("Palette, unit and range"),
            "whole": self.tr("The whole picture"),
            "cursor": self.tr("Under the cursor"),
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
        """Apply palette and range to the canvas and the colour bar."""
        frame = self.frame()
        manual = not self.automatic.isChecked()
        for widget in (self.low, self.high, *self.limits.values()):
            widget.setEnabled(manual)
        if frame is None or frame.unit != "kelvin":
            return
        unit = self._unit()
        if manual:
            low, high = kelvin(self.low.value(), unit), kelvin(self.high.value(), unit)
            high = max(high, low + 0.1)
        else:
            low, high = self._range.range_for(frame, limits_of(self.recipe, frame.camera))
            self._set_spins(low, high)
        palette = cast("Palette", self.palette_choice.currentData())
        self.canvas.set_display(Display(low, high, palette))
        if self.histogram is not None:
            self.histogram.show_frame(frame, low, high, palette, unit)

    def _set_spins(self, low: float, high: float) -> None:
        for spin, value in ((self.low, low), (self.high, high)):
            with QSignalBlocker(spin):
                spin.setValue(temperature(value, self._unit()))

    def set_unit(self, unit: TemperatureUnit) -> None:
        """Set the temperature unit; the tab's own switch follows."""
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
