"""The tools of the thermal tab in one panel: what is drawn, measured, compared, and saved."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import numpy as np
from PySide6.QtCore import QSignalBlocker, QTimer, Signal
from PySide6.QtWidgets import QLabel, QPushButton, QVBoxLayout, QWidget

from inspector.core.errors import ConfigError
from inspector.core.types import Floats, Frame, Pixels
from inspector.imaging.colormaps import TemperatureUnit, temperature
from inspector.imaging.measuring import PlacedTool, ToolHistory, ToolReading
from inspector.imaging.thermography import (
    Line,
    Spot,
    SpotEvent,
    Tool,
    ToolValues,
    check_tool,
    measure_tool,
    pixels_of,
    profile,
)
from inspector.recipes.recipe import Recipe
from inspector.ui.canvas.canvas import Canvas
from inspector.ui.canvas.drawing import ToolDrawing
from inspector.ui.canvas.overlays import Overlays, ToolMark
from inspector.ui.shell import theme
from inspector.ui.shell.strings import translate
from inspector.ui.tabs.base import caption
from inspector.ui.tabs.instrument.buttons import DrawingButtons
from inspector.ui.tabs.instrument.conditions import ConditionsPanel
from inspector.ui.tabs.instrument.hot_spots import HotSpotFinder
from inspector.ui.tabs.instrument.isotherm import IsothermPanel
from inspector.ui.tabs.instrument.kept import MOST_TOOLS, KeptTools
from inspector.ui.tabs.instrument.shown import ShownFrame
from inspector.ui.tabs.instrument.tools_panel import ToolsPanel
from inspector.ui.widgets.boxes import plain
from inspector.ui.widgets.themed import Themed

if TYPE_CHECKING:
    from inspector.ui.tabs.instrument.line_profile import LineProfile
    from inspector.ui.tabs.instrument.over_time import OverTime


_PACE_MS: Final = 16  # between two values of a tool that is being drawn, so about one a displayed frame


class Instrument(Themed, QWidget):
    """Measures the frame of the thermal tab. `changed`: another frame, or other marks on it, are to be shown.

    `draft_changed`: only what `draft_overlay` returns is to be shown anew, at most once a displayed frame.
    """

    changed = Signal()
    draft_changed = Signal()

    def __init__(self, canvas: Canvas, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._canvas = canvas
        self._kept = KeptTools()
        self._key: tuple[str, str] | None = None
        self._raw: Frame | None = None
        self._kelvin: Floats | None = None  # what is shown, and measured
        self._pace = QTimer(self)
        self._pace.setSingleShot(True)
        self._pace.setInterval(_PACE_MS)
        self._moved = False  # the tool that is being drawn, since it was measured last
        self._recipe: Recipe | None = None
        self._unit: TemperatureUnit = "C"
        self.by_number = False  # frames are steps of a file, not of time
        self.tools: tuple[PlacedTool, ...] = ()
        self.values: tuple[ToolValues, ...] = ()
        self.history = ToolHistory()
        self.shown = ShownFrame()
        self.drawing = ToolDrawing(canvas)
        self.buttons = DrawingButtons(self.drawing)
        self.panel = ToolsPanel()
        self.isotherm = IsothermPanel()
        self.hot_spots = HotSpotFinder()
        self.conditions = ConditionsPanel()
        self.reference, self.compare = QPushButton(), QPushButton()
        self.problem = QLabel()
        self.problem.setWordWrap(True)
        self.headings = {name: caption(QLabel()) for name in ("line", "time", "reference")}
        self.line: LineProfile | None = None
        self._line = plain(QVBoxLayout())
        self.over_time: OverTime | None = None
        self._time = plain(QVBoxLayout())
        self._lay_out()
        self._connect()
        self.retranslate()

    def _lay_out(self) -> None:
        for button in (self.reference, self.compare):
            button.setMinimumHeight(theme.TOUCH)
        self.compare.setCheckable(True)
        self.compare.setEnabled(False)
        layout = plain(QVBoxLayout(self))
        for widget in (self.panel, self.problem, self.isotherm, self.conditions, self.headings["reference"]):
            layout.addWidget(widget)
        for button in (self.reference, self.compare):
            layout.addWidget(button)
        for name, place in (("line", self._line), ("time", self._time)):
            layout.addWidget(self.headings[name])
            layout.addLayout(place)
            self.headings[name].hide()

    def _connect(self) -> None:
        self.drawing.drawn.connect(self._on_drawn)
        self.drawing.changed.connect(self._on_draft)
        self._pace.timeout.connect(self._on_pace)
        for changed in (self.isotherm.changed, self.hot_spots.changed, self.panel.picked):
            changed.connect(self.changed)
        self.buttons.remove.clicked.connect(self._on_remove)
        self.panel.emissivity_set.connect(self._on_emissivity)
        self.conditions.wanted.connect(self._offer_conditions)
        self.conditions.changed.connect(self._on_conditions)
        self.reference.clicked.connect(self._on_reference)
        self.compare.toggled.connect(self._on_compare)
        self._canvas.clicked.connect(self._on_clicked)

    # What the tab asks

    @property
    def differs(self) -> bool:
        """Whether differences to the reference are shown, in kelvin."""
        shown = self.shown
        return self._raw is not None and shown.differs and shown.reference is not None and shown.problem is None

    def frame_for(self, frame: Frame, recipe: Recipe | None) -> Frame:
        """Return the frame to show in place of one in kelvin; the tools of its recipe and camera come with it."""
        key = ("" if recipe is None else recipe.name, frame.camera)
        another, self._raw, self._recipe = frame is not self._raw, frame, recipe
        if key != self._key:
            self._key, self.tools = key, self._kept.read(*key)
            self.history = ToolHistory()
        if another and self.conditions.own.isChecked():
            with suppress(ConfigError):  # told by `shown`, if the conditions are changed at all
                self.conditions.offer(self.shown.stored(frame, recipe))
        return self.shown.of(frame, recipe, self.tools)

    def leave(self) -> None:
        """Forget the last frame: what is shown now holds no temperatures, so there is nothing to measure or compare."""
        self._raw = None

    def measure(self, frame: Frame | None, unit: TemperatureUnit) -> tuple[SpotEvent, ...] | None:
        """Measure a frame in kelvin with all tools; None if there is none. Returns hot spots, if any are asked for."""
        self.setEnabled(frame is not None)
        self.buttons.setEnabled(frame is not None)
        self._unit = unit
        self.isotherm.set_unit(unit)
        self._show_problem(None if frame is None else self.shown.problem)
        self._kelvin = None if frame is None else np.asarray(frame.pixels, np.float32)
        if frame is None or self._kelvin is None:
            self.values = ()
            self.panel.show_tools((), (), None, unit)
            self._show_line()
            return None
        self._drop_tools_beyond(frame)
        self.values = tuple(measure_tool(self._kelvin, one.tool) for one in self.tools)
        self._remember(frame)
        chosen = self.panel.chosen
        rise = None if self.by_number or chosen is None or chosen >= len(self.tools) else self.history.rise(chosen)
        self.panel.show_tools(self.tools, self.values, rise, unit)
        self._show_line()
        self._show_time()
        return self.hot_spots.look(self._kelvin, (frame.sequence, frame.part), (frame.camera, *self.shown.conditions))

    def overlays(self, frame: Frame | None) -> Overlays:
        """Return the isotherm and the tools with their numbers and highest temperatures."""
        if frame is None:
            return Overlays()
        layer = self.isotherm.layer(self._kelvin)
        marks = [
            ToolMark(one.tool, f"{n + 1}: {self.panel.number_text(value.maximum)}", n)
            for n, (one, value) in enumerate(zip(self.tools, self.values, strict=True))
        ]
        return Overlays(tools=tuple(marks), layers=() if layer is None else (layer,))

    def draft_overlay(self) -> Overlays:
        """Return the tool that is being drawn with its highest temperature so far, and the cursor of the line's plot.

        Nothing else is measured.
        """
        tools = [self.drawing.draft, self._pointed()]
        return Overlays(
            tools=tuple(
                ToolMark(tool, self.panel.number_text(measure_tool(self._kelvin, tool).maximum))
                for tool in tools
                if tool is not None and self._kelvin is not None and _fits(tool, self._kelvin)
            )
        )

    def profile_line(self) -> int | None:
        """Return the position of the line whose profile is shown: the chosen tool, else the first line."""
        lines = [n for n, one in enumerate(self.tools) if isinstance(one.tool, Line)]
        return self.panel.chosen if self.panel.chosen in lines else next(iter(lines), None)

    def profile_rows(self) -> list[list[object]]:
        """Return pixel, place and temperature along the shown line as the rows of a table, with a head; none without a line."""
        number = self.profile_line()
        if number is None or self._kelvin is None:
            return []
        tool = self.tools[number].tool
        rows, columns = pixels_of(tool, self._kelvin.shape)
        values = self._kelvin[rows, columns]
        cells = (f"{temperature(float(value), self._unit):.3f}" if np.isfinite(value) else "" for value in values)
        body = zip(range(len(values)), columns.tolist(), rows.tolist(), cells, strict=True)
        return [["pixel", "x", "y", self._unit], *(list(row) for row in body)]

    def set_unit(self, unit: TemperatureUnit) -> None:
        """Take conditions in this unit; limits are in that of what is shown."""
        self.conditions.set_unit(unit)

    def set_tools(self, tools: Sequence[PlacedTool]) -> None:
        """Replace the tools, and keep them for this recipe and camera."""
        self.tools = tuple(tools)[:MOST_TOOLS]
        self.history = ToolHistory()
        if self._key is not None:
            self._kept.write(*self._key, self.tools)
        self.changed.emit()

    def table(self) -> str:
        """Return the tools' temperatures in all frames seen as CSV."""
        return self.history.table([one.tool for one in self.tools], self._unit)

    # What a person does

    def _on_draft(self) -> None:
        """Show the tool that is being drawn at once, then again when a displayed frame has passed."""
        if self._pace.isActive():
            self._moved = True
            return
        self._moved = False
        self._pace.start()
        self.draft_changed.emit()

    def _on_pace(self) -> None:
        if self._moved:
            self._on_draft()

    def _on_drawn(self, tool: Tool) -> None:
        self.set_tools((*self.tools, PlacedTool(tool)))

    def _on_remove(self) -> None:
        chosen = self.panel.chosen
        self.drawing.start(None)
        self.set_tools(() if chosen is None else self.tools[:chosen] + self.tools[chosen + 1 :])

    def _on_emissivity(self, emissivity: float | None) -> None:
        chosen = self.panel.chosen
        if chosen is not None:
            changed = replace(self.tools[chosen], emissivity=emissivity)
            self.set_tools((*self.tools[:chosen], changed, *self.tools[chosen + 1 :]))

    def _on_clicked(self, x: int, y: int) -> None:
        """Choose the tool at this pixel."""
        reach = theme.TOUCH / 2 / self._canvas.placement().scale
        if self._raw is None:
            return
        for number, one in enumerate(self.tools):
            rows, columns = pixels_of(one.tool, self._raw.pixels.shape)
            if float(((rows - y) ** 2 + (columns - x) ** 2).min()) <= reach * reach:
                self.panel.choose(number)
                return

    def _offer_conditions(self) -> None:
        if self._raw is None:
            return
        try:
            self.conditions.offer(self.shown.stored(self._raw, self._recipe))
        except ConfigError as error:
            with QSignalBlocker(self.conditions.own):
                self.conditions.own.setChecked(False)
            self.conditions.show_fields()
            self._show_problem(error)

    def _on_conditions(self) -> None:
        scene = self.conditions.scene
        if scene != self.shown.scene:
            self.shown.scene = scene
            self.history = ToolHistory()
            self.changed.emit()

    def _on_reference(self) -> None:
        if self._raw is None:
            return
        self.shown.take(self._raw, self._recipe, self.tools)
        self.compare.setEnabled(True)
        self.changed.emit()

    def _on_compare(self, on: bool) -> None:
        self.shown.differs = on
        self.history = ToolHistory()
        self.changed.emit()

    # Showing

    def _show_problem(self, error: ConfigError | None) -> None:
        sentences = [] if error is None else [one for one in (error.problem, error.remedy) if one is not None]
        self.problem.setText(" ".join(translate(sentence) for sentence in sentences))
        self.problem.setVisible(bool(sentences))

    def _drop_tools_beyond(self, frame: Frame) -> None:
        """Leave out tools that reach beyond a frame, for example of another camera under the same name."""
        inside = tuple(one for one in self.tools if _fits(one.tool, frame.pixels))
        if inside != self.tools:
            self.tools = inside
            self.history = ToolHistory()

    def _remember(self, frame: Frame) -> None:
        self.history.add(ToolReading(frame.sequence, frame.utc.timestamp(), frame.utc, frame.part, self.values))

    def _pointed(self) -> Spot | None:
        """Return the pixel of the picture at which the cursor of the line's plot stands."""
        number, at = self.profile_line(), None if self.line is None else self.line.at
        if number is None or at is None or self._kelvin is None:
            return None
        rows, columns = pixels_of(self.tools[number].tool, self._kelvin.shape)
        return Spot(int(columns[at]), int(rows[at])) if at < len(rows) else None

    def _show_line(self) -> None:
        number = self.profile_line()
        tool = None if number is None or self._kelvin is None else self.tools[number].tool
        shown = isinstance(tool, Line)
        self.headings["line"].setVisible(shown)
        if self.line is not None:
            self.line.setVisible(shown)
        if number is None or self._kelvin is None or not isinstance(tool, Line):
            return
        if self.line is None:
            from inspector.ui.tabs.instrument.line_profile import LineProfile

            self.line = LineProfile()
            self.line.pointed.connect(self._on_draft)
            self._line.addWidget(self.line)
        self.line.show_profile(profile(self._kelvin, tool), number, self._unit)

    def _show_time(self) -> None:
        several = bool(self.tools) and len(self.history.readings) > 1
        self.headings["time"].setVisible(several)
        if self.over_time is not None:
            self.over_time.setVisible(several)
        if not several:
            return
        if self.over_time is None:
            from inspector.ui.tabs.instrument.over_time import OverTime

            self.over_time = OverTime()
            self._time.addWidget(self.over_time)
        courses = [self.history.course(n, by_number=self.by_number) for n in range(len(self.tools))]
        self.over_time.show_courses(courses, self._unit, by_number=self.by_number)

    def retranslate(self) -> None:
        self.reference.setText(self.tr("Take as reference"))
        self.reference.setAccessibleName(self.tr("Take as reference"))
        self.reference.setToolTip(self.tr("Keep this picture to compare others with it."))
        self.compare.setText(self.tr("Difference"))
        self.compare.setAccessibleName(self.tr("Show the difference to the reference"))
        self.compare.setToolTip(self.tr("Show by how many kelvin each pixel differs from the reference."))
        self.headings["reference"].setText(self.tr("Comparison"))
        self.headings["line"].setText(self.tr("Along the line"))
        self.headings["time"].setText(self.tr("Highest over time"))


def _fits(tool: Tool, pixels: Pixels) -> bool:
    try:
        check_tool(tool, pixels.shape)
    except ConfigError:
        return False
    return True
