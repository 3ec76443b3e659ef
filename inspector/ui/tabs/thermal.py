"""The thermal tab: temperatures as colours, measured if the camera is radiometric, otherwise predicted."""

import math
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from typing import TYPE_CHECKING, ClassVar, cast

import numpy as np
from PySide6.QtCore import QSignalBlocker, Qt, QTimer, Signal
from PySide6.QtGui import QShowEvent
from PySide6.QtWidgets import QBoxLayout, QGridLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from inspector.core.errors import InspectorError
from inspector.core.spreadsheet import table_text
from inspector.core.types import KELVIN_AT_0_C, Answer, Frame, HotSpot, Inspection, Temperatures
from inspector.imaging.colormaps import (
    PALETTES,
    Palette,
    Table,
    TemperatureUnit,
    difference,
    equalised,
    kelvin,
    sign,
    temperature,
    temperature_text,
)
from inspector.imaging.image import AS_STORED
from inspector.imaging.thermography import SpotEvent
from inspector.results.sheet import SheetTable, sheet
from inspector.ui.canvas import painting
from inspector.ui.canvas.canvas import ViewLink
from inspector.ui.canvas.overlays import Overlays, RegionMark, spot_marks
from inspector.ui.canvas.rendering import Display
from inspector.ui.canvas.thermal_scale import AT_START, ThermalScale, limits_of
from inspector.ui.shell import theme
from inspector.ui.shell.strings import translate
from inspector.ui.tabs.base import AnalysisTab, caption, headed
from inspector.ui.tabs.controls import Choice, CopyButton, NumberField
from inspector.ui.tabs.instrument.declared import frames_of_light
from inspector.ui.tabs.instrument.instrument import Instrument
from inspector.ui.tabs.instrument.saving import SaveButton, joined, picture_png
from inspector.ui.widgets.inputs import ComboBox
from inspector.ui.widgets.tables import Cell, Row, ValueTable

if TYPE_CHECKING:
    from inspector.ui.tabs.histogram import Histogram

SCALE_WIDTH = theme.SPACING * 20
LEAST_DIFFERENCE = 0.5  # kelvin either way that the colours of a difference reach
HOTTEST = 5000.0  # in either unit; more than any camera or process here


class ThermalTab(AnalysisTab):
    """Palette, range, unit; cursor temperature; highest, mean and lowest; hot spots; and the tools of the instrument."""

    scale_wanted = Signal()
    """What the grey values of the source are in degrees was said in the window, and is to be said anew."""
    register_wanted = Signal()
    """How this camera and one that sees light lie to each other is to be measured."""

    tools_direction: ClassVar = QBoxLayout.Direction.LeftToRight
    answer: ClassVar[type[Answer] | None] = Temperatures

    def __init__(self, parent: QWidget | None = None, *, link: ViewLink | None = None) -> None:
        super().__init__(parent, link=link)
        self.unit = Choice(("C", "K", "F"))
        self._shown_unit: TemperatureUnit = "C"
        self.palette_choice = ComboBox()
        self.palette_choice.setMinimumHeight(theme.TOUCH)
        self.palette_choice.setMinimumWidth(theme.SPACING * 12)
        for name in PALETTES:
            self.palette_choice.addItem(name, name)
        self._range = ThermalScale()
        self._marks = Overlays()
        self.span = ComboBox()
        self.span.setMinimumHeight(theme.TOUCH)
        for span in ("automatic", "equalised", "locked"):
            self.span.addItem(span, span)
        self.low, self.high = NumberField(-KELVIN_AT_0_C, HOTTEST), NumberField(-KELVIN_AT_0_C, HOTTEST)
        self.limits = {"high": QLabel(), "low": QLabel()}
        self.histogram: Histogram | None = None  # made when the tab is first shown
        self.cursor_value = QLabel()
        self.cursor_value.setProperty("role", "title")
        self.headings = {name: caption(QLabel()) for name in ("look", "whole", "cursor", "spots")}
        self.names = {name: QLabel() for name in ("maximum", "mean", "minimum", "source", "network")}
        self.values = {name: QLabel() for name in self.names}
        self.degrees = QPushButton()
        self.degrees.setMinimumHeight(theme.TOUCH)
        self.degrees.hide()
        self.register = QPushButton()
        self.register.setMinimumHeight(theme.TOUCH)
        self.register.hide()
        self.table = ValueTable()
        self.copy = CopyButton()
        self.instrument = Instrument(self.canvas)
        self.save = SaveButton(
            {
                "picture": self._png,
                "numbers": self._numbers_csv,
                "line": self._line_csv,
                "time": self._time_csv,
                "report": self._page,
            },
            "thermal",
        )
        self._fill_panel()
        self._connect()
        self.retranslate()

    def _fill_panel(self) -> None:
        self.scale_ = QWidget()
        self.scale_.setFixedWidth(SCALE_WIDTH)
        QVBoxLayout(self.scale_).setContentsMargins(theme.SPACING // 2, 0, theme.SPACING // 2, 0)
        self.beside.addWidget(self.instrument.buttons, 0, Qt.AlignmentFlag.AlignHCenter)
        self.beside.addWidget(self.scale_, 1)
        self.panel.addLayout(headed(self.headings["whole"], self.save))
        self.panel.addLayout(self._numbers())
        self.panel.addWidget(self.degrees)
        self.panel.addLayout(headed(self.headings["cursor"], self.cursor_value))
        self.panel.addWidget(self.instrument)
        self.panel.addLayout(headed(self.headings["spots"], self.copy))
        self.panel.addWidget(self.instrument.hot_spots)
        self.panel.addWidget(self.table)
        self.table.set_whole()
        self.table.set_minor(2)
        self.panel.addWidget(self.headings["look"])
        for widget in (self.unit, self.palette_choice, self.span):
            self.panel.addWidget(widget)
        for name, field in (("high", self.high), ("low", self.low)):
            self.limits[name].setBuddy(field)
            self.limits[name].setWordWrap(True)
            self.panel.addLayout(headed(self.limits[name], field))
        self.panel.addWidget(self.register)

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
            # The picture is on screen before pyqtgraph is imported. A panel that stands apart may be deleted before its tab.
            QTimer.singleShot(0, self.scale_, self._make_histogram)

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
        """Take over the range from the dragged band; from now on the range is locked."""
        self._set_spins(low, high)
        with QSignalBlocker(self.span):
            self.span.setCurrentIndex(self.span.findData("locked"))
        self._recolor()

    def _connect(self) -> None:
        self.palette_choice.currentIndexChanged.connect(self._recolor)
        self.unit.chosen.connect(self._on_unit)
        self.span.currentIndexChanged.connect(self._recolor)
        self.degrees.clicked.connect(self.scale_wanted)
        self.register.clicked.connect(self.register_wanted)
        self.instrument.changed.connect(self._on_instrument)
        self.instrument.draft_changed.connect(self._show_marks)
        self.save.failed.connect(self._on_failed)
        self.low.valueChanged.connect(self._recolor)
        self.high.valueChanged.connect(self._recolor)
        self.canvas.hovered.connect(self._on_hover)
        self.copy.clicked.connect(self.table.copy)
        self.table.picked.connect(self._on_picked)
        self.link.selection_changed.connect(self._on_selection)

    @classmethod
    def applies(cls, answers: AbstractSet[type[Answer]], inspection: Inspection | None) -> bool:
        """Return whether temperatures are predicted or a frame holds them."""
        frames = inspection.frames.values() if inspection is not None else ()
        return Temperatures in answers or any(frame.unit == "kelvin" for frame in frames)

    def frame(self) -> Frame | None:
        """Return the frame of the thermal prediction, else a frame in kelvin, else None: light is not a temperature."""
        if self.inspection is None:
            return None
        chosen, frames = self.prediction(), self.inspection.frames
        warm = next((frame for frame in frames.values() if frame.unit == "kelvin"), None)
        frame = warm if chosen is None else frames.get(chosen.camera)
        return frame if frame is None or frame.unit != "kelvin" else self.instrument.frame_for(frame, self.recipe)

    def temperatures(self) -> Temperatures | None:
        """Return the temperatures of the chosen prediction, or those measured on the whole frame if no bundle inspected it."""
        chosen, frame = self.prediction(), self.frame()
        if chosen is not None and not self._own_view(frame):
            return chosen.expect(Temperatures)
        values = None if frame is None else frame.pixels[np.isfinite(frame.pixels)]
        if values is None or not values.size:
            return None
        return Temperatures(float(values.max()), float(values.mean(dtype=np.float64)), float(values.min()), "measured")

    def _own_view(self, frame: Frame | None) -> bool:
        """Return whether a frame is shown under a person's conditions or as a difference, which no bundle has seen."""
        shown = self.instrument.shown
        own = any(tool.emissivity is not None for tool in self.instrument.tools)
        thermal = frame is not None and frame.unit == "kelvin"
        return thermal and (self.instrument.differs or (shown.problem is None and (shown.scene != AS_STORED or own)))

    def refresh(self) -> None:
        frame, chosen = self.frame(), self.prediction()
        radiometric = frame is not None and frame.unit == "kelvin"
        for widget in (self.palette_choice, self.span):
            widget.setEnabled(radiometric)
        self.save.setEnabled(frame is not None)
        self.register.setVisible(radiometric and self.inspection is not None and bool(frames_of_light(self.inspection)))
        thermal = frame if radiometric else None
        if thermal is None:
            self.instrument.leave()
        self._follow_unit()
        events = self.instrument.measure(thermal, self._unit())
        if self.histogram is not None:
            self.histogram.setVisible(radiometric)
        self._show_numbers()
        found, unit = self.temperatures(), self._unit()
        spots = tuple(event.last.spot for event in events) if events is not None else found.hot_spots if found else ()
        regions = (RegionMark(chosen.region),) if chosen is not None else ()
        self.canvas.set_unit(unit)
        self._marks = Overlays(spots=spot_marks(spots, unit), regions=regions) + self.instrument.overlays(thermal)
        self._show_marks()
        self._show_spots(spots, events)
        self._recolor()

    def _show_marks(self) -> None:
        self.canvas.set_overlays(self._marks + self.instrument.draft_overlay(), key=self._key())

    def _show_spots(self, spots: Sequence[HotSpot], events: Sequence[SpotEvent] | None) -> None:
        """Fill the table of hot spots; those over their surroundings have a difference and a trend."""
        unit, side = self._unit(), self._mm_per_px()
        titles = [self.tr("Hot spot"), sign(unit), self.tr("Area px") if side is None else self.tr("Area mm²")]
        self.table.set_titles(titles if events is None else [*titles, self.tr("Above"), self.tr("A frame")])
        rows = []
        for n, spot in enumerate(spots):
            area = spot.area_px * (1.0 if side is None else side * side)
            cells = [
                Cell(f"{n + 1}:  x {spot.x}, y {spot.y}"),
                Cell(f"{temperature(spot.kelvin, unit):.1f}", spot.kelvin),
                Cell(f"{area:.0f}" if side is None else f"{area:.1f}", area),
            ]
            if events is not None:
                event = events[n]
                cells.append(Cell(f"{difference(event.last.delta, unit):+.1f}", event.last.delta))
                cells.append(Cell(f"{difference(event.trend, unit):+.2f}" if event.seen > 1 else "–", event.trend))
            rows.append(Row(n, tuple(cells)))
        self.table.set_rows(rows)
        self.table.select_key(self.link.selection(self._key()))
        self.copy.setEnabled(bool(spots))

    def _mm_per_px(self) -> float | None:
        frame = self.frame()
        camera = self.recipe.cameras.get(frame.camera) if self.recipe is not None and frame is not None else None
        return None if camera is None else camera.mm_per_px

    def missing(self) -> str:
        if self.frame() is not None:
            return self.tr("No bundle looks at this frame; its temperatures are measured on the whole frame.")
        return self.tr("This recipe has no thermal camera and no bundle that predicts temperatures.")

    def retranslate(self) -> None:
        super().retranslate()
        palettes = (self.tr("Iron"), self.tr("Rainbow"), self.tr("Grey"), self.tr("Inferno"), self.tr("Viridis"))
        for index, text in enumerate(palettes):
            self.palette_choice.setItemText(index, text)
        self.palette_choice.setAccessibleName(self.tr("Palette"))
        self.unit.set_texts({"C": "°C", "K": "K", "F": "°F"})
        for index, text in enumerate((self.tr("Automatic range"), self.tr("Equalised colours"), self.tr("Locked range"))):
            self.span.setItemText(index, text)
        self.span.setAccessibleName(self.tr("Range of the colours"))
        self.span.setToolTip(
            self.tr(
                "Automatic: the same for every frame, up to the recipe's limits, or all that was seen. Equalised: every colour "
                "is as frequent as the others. Locked: as set, to compare pictures."
            )
        )
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
        self.degrees.setText(self.tr("Grey values in degrees…"))
        self.degrees.setAccessibleName(self.degrees.text())
        self.register.setText(self.tr("Align with the visible camera…"))
        self.register.setAccessibleName(self.register.text())
        for name, text in headings.items():
            self.headings[name].setText(text)
        for name, text in names.items():
            self.names[name].setText(text)
        self._on_hover(-1, -1)

    def _unit(self) -> TemperatureUnit:
        """Return the unit of what is shown; a difference is in kelvin."""
        return "K" if self.instrument.differs else cast("TemperatureUnit", self.unit.current())

    def _key(self) -> str:
        return "hot spots"

    def _show_numbers(self) -> None:
        found, unit = self.temperatures(), self._unit()
        texts = dict.fromkeys(self.values, "–")
        if found is not None:
            numbers = {"maximum": found.maximum, "mean": found.mean, "minimum": found.minimum}
            texts |= {name: temperature_text(value, unit) for name, value in numbers.items() if math.isfinite(value)}
            measured = found.source == "measured"
            texts["source"] = self.tr("measured by the camera") if measured else self.tr("predicted, not measured")
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
        span = self.span.currentData()
        manual = span == "locked"
        for widget in (self.low, self.high, *self.limits.values()):
            widget.setEnabled(manual)
        if frame is None or frame.unit != "kelvin":
            return
        unit = self._unit()
        if manual:
            low, high = kelvin(self.low.value(), unit), kelvin(self.high.value(), unit)
            high = max(high, low + 0.1)
        else:
            low, high = self._automatic(frame, own=span == "equalised")
            self._set_spins(low, high)
        palette = cast("Palette", self.palette_choice.currentData())
        equal = span == "equalised"
        self.canvas.set_display(Display(low, high, palette, equal))
        if self.histogram is not None:
            self.histogram.show_frame(frame, low, high, palette, unit, equal=equal)

    def _automatic(self, frame: Frame, *, own: bool) -> tuple[float, float]:
        """Return the range for a frame: its `own`, as far either way for a difference, or the one that lasts over frames."""
        if not own and not self.instrument.differs:
            return self._range.range_for(frame, limits_of(self.recipe, frame.camera))
        values = frame.pixels[np.isfinite(frame.pixels)]
        low, high = (float(values.min()), float(values.max())) if values.size else AT_START
        if self.instrument.differs:
            reach = max(abs(low), abs(high), LEAST_DIFFERENCE)
            return -reach, reach
        return low, max(high, low + 0.1)

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

    def set_frozen(self, frozen: bool) -> None:
        self.instrument.by_number = frozen

    def _on_unit(self, unit: str) -> None:
        del unit
        self.instrument.set_unit(cast("TemperatureUnit", self.unit.current()))
        self.refresh()

    def _follow_unit(self) -> None:
        """Turn the ends of the range to the unit of what is shown now."""
        old, self._shown_unit = self._shown_unit, self._unit()
        if old != self._shown_unit:
            self._set_spins(kelvin(self.low.value(), old), kelvin(self.high.value(), old))

    def _on_instrument(self) -> None:
        self.canvas.show_frame(self.frame())
        self.refresh()

    def _on_failed(self, error: InspectorError) -> None:
        self.note.setText(translate(error.problem))
        self.note.setVisible(True)

    # What is saved

    def _png(self) -> bytes:
        frame, display = self.canvas.frame, self.canvas.display
        scale = None
        if frame is not None and frame.unit == "kelvin" and display.low is not None and display.high is not None:
            scale = painting.Scale(display.low, display.high, display.palette or "iron", self._unit(), equal=self._equal(frame))
        return picture_png(self.canvas, scale)

    def _equal(self, frame: Frame) -> Table | None:
        """Return the equalised palette's indices, if the colours are equalised."""
        display = self.canvas.display
        if not display.equal or display.low is None or display.high is None:
            return None
        return equalised(frame.pixels, display.low, display.high)

    def _numbers_csv(self) -> bytes:
        tools = self.instrument.panel.sheet_table()
        return joined([table_text([tools.columns, *tools.rows]), self.table.as_text(separator=",")])

    def _line_csv(self) -> bytes:
        return joined([table_text(self.instrument.profile_rows())])

    def _time_csv(self) -> bytes:
        return joined([self.instrument.table()])

    def _page(self) -> bytes:
        """Return the report: picture, origin, tools, hot spots."""
        frame, part = self.frame(), self.inspection.part if self.inspection is not None else ""
        facts = [(name.text(), self.values[key].text()) for key, name in self.names.items() if not name.isHidden()]
        facts += (
            [] if frame is None else [(self.tr("File"), frame.source), (self.tr("Time"), f"{frame.utc:%Y-%m-%d %H:%M:%S} UTC")]
        )
        spots = [row.split("\t") for row in self.table.as_text().splitlines()]
        tables = [
            SheetTable(self.headings["whole"].text(), ("", ""), tuple(facts)),
            self.instrument.panel.sheet_table(),
            SheetTable(self.headings["spots"].text(), tuple(spots[0]), tuple(tuple(row) for row in spots[1:])),
            SheetTable(self.instrument.conditions.own.text(), ("", ""), self.instrument.conditions.rows()),
        ]
        notes = [] if frame is not None and frame.unit == "kelvin" else [self.tr("Temperatures are predicted, not measured.")]
        notes += [self.tr("Differences to the reference, in kelvin.")] if self.instrument.differs else []
        return sheet(part or self.tr("Thermal picture"), self._png(), tables, notes=notes).encode()

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
