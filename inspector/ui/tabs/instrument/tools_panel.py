"""The table of measuring tools, and what belongs to the chosen one."""

from collections.abc import Sequence

import numpy as np
from PySide6.QtCore import QSignalBlocker, Signal
from PySide6.QtWidgets import QCheckBox, QLabel, QVBoxLayout, QWidget

from inspector.imaging.colormaps import TemperatureUnit, difference, sign, temperature
from inspector.imaging.measuring import PlacedTool
from inspector.imaging.thermography import Ellipse, Line, Polygon, Rectangle, Spot, Tool, ToolValues
from inspector.results.sheet import SheetTable
from inspector.ui.shell import theme
from inspector.ui.tabs.base import caption, headed
from inspector.ui.tabs.controls import CopyButton
from inspector.ui.tabs.instrument.conditions import emissivity_field
from inspector.ui.widgets.boxes import plain
from inspector.ui.widgets.tables import Cell, Row, ValueTable
from inspector.ui.widgets.themed import Themed


class ToolsPanel(Themed, QWidget):
    """Highest, mean and lowest temperature of every tool; of the chosen one also where they are, and its own emissivity.

    `emissivity_set(float or None)`: for the chosen tool. `picked`: another tool is chosen.
    """

    emissivity_set = Signal(object)
    picked = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._tools: tuple[PlacedTool, ...] = ()
        self._values: tuple[ToolValues, ...] = ()
        self._rise: float | None = None
        self._unit: TemperatureUnit = "C"
        self.heading = caption(QLabel())
        self.copy = CopyButton()
        self.table = ValueTable()
        self.detail = QLabel()
        self.detail.setWordWrap(True)
        self.own = QCheckBox()
        self.own.setMinimumHeight(theme.TOUCH)
        self.emissivity = emissivity_field()
        layout = plain(QVBoxLayout(self))
        layout.addLayout(headed(self.heading, self.copy))
        layout.addWidget(self.table)
        layout.addWidget(self.detail)
        self.table.set_whole()
        self.table.set_minor(3)
        self._row = QWidget()
        column = plain(QVBoxLayout(self._row))
        column.addWidget(self.own)
        column.addWidget(self.emissivity)
        layout.addWidget(self._row)
        self.copy.serve(self.table, self.table.copy)
        self.table.picked.connect(self._on_picked)
        self.own.toggled.connect(self._on_emissivity)
        self.emissivity.valueChanged.connect(self._on_emissivity)
        self.retranslate()

    @property
    def chosen(self) -> int | None:
        """The position of the chosen tool."""
        key = self.table.selected_key()
        return key if key is not None and key < len(self._tools) else None

    def choose(self, number: int) -> None:
        """Choose a tool as a press on its row does."""
        self.table.select_key(number)
        self._on_picked()

    def show_tools(
        self,
        tools: Sequence[PlacedTool],
        values: Sequence[ToolValues],
        rise: float | None,
        unit: TemperatureUnit,
    ) -> None:
        """Show what the tools measured, and by how many kelvin a minute the chosen one rises; None if that is not known."""
        self._tools, self._values, self._rise, self._unit = tuple(tools), tuple(values), rise, unit
        self.table.set_titles([self.tr("Tool"), self.tr("Highest"), self.tr("Mean"), self.tr("Lowest")])
        rows = []
        for number, (one, value) in enumerate(zip(tools, values, strict=True)):
            numbers = (value.maximum, value.mean, value.minimum)
            cells = (Cell(self.number_text(kelvin), kelvin) for kelvin in numbers)
            rows.append(Row(number, (Cell(f"{number + 1} {self.kind(one.tool)}"), *cells)))
        self.table.set_rows(rows)
        self.copy.setEnabled(bool(rows))
        self.table.setVisible(bool(rows))
        self._show_detail()

    def number_text(self, kelvin: float) -> str:
        """Return a temperature in the unit of the table; a dash without one."""
        return f"{temperature(kelvin, self._unit):.1f}" if np.isfinite(kelvin) else "–"

    def sheet_table(self) -> SheetTable:
        """Return all values for a report."""
        unit = sign(self._unit)
        rows = tuple(
            (
                f"{number} {self.kind(one.tool)}",
                *(self.number_text(kelvin) for kelvin in (value.minimum, value.maximum, value.mean)),
                self._spread(value.std),
                *("–" if at is None else f"{at[0]}, {at[1]}" for at in (value.coldest, value.hottest)),
                str(value.pixels),
                "" if one.emissivity is None else f"{one.emissivity:.2f}",
            )
            for number, (one, value) in enumerate(zip(self._tools, self._values, strict=True), start=1)
        )
        return SheetTable(f"{self.heading.text()} ({unit})", self._columns(), rows)

    def kind(self, tool: Tool) -> str:
        """Return the word for a kind of tool."""
        words: dict[type[Tool], str] = {
            Spot: self.tr("Spot"),
            Line: self.tr("Line"),
            Rectangle: self.tr("Box"),
            Ellipse: self.tr("Ellipse"),
            Polygon: self.tr("Polygon"),
        }
        return words[type(tool)]

    def _columns(self) -> tuple[str, ...]:
        return (
            self.tr("Tool"),
            self.tr("Lowest"),
            self.tr("Highest"),
            self.tr("Mean"),
            self.tr("Deviation"),
            self.tr("Lowest at"),
            self.tr("Highest at"),
            self.tr("Pixels"),
            self.tr("Emissivity"),
        )

    def _spread(self, kelvin: float) -> str:
        return f"{difference(kelvin, self._unit):.2f}" if np.isfinite(kelvin) else "–"

    def _show_detail(self) -> None:
        chosen = self.chosen
        self._row.setVisible(chosen is not None)
        if not self._tools:
            self.detail.setText(self.tr("Draw a spot, line, rectangle, ellipse or polygon with the buttons at the picture."))
            return
        if chosen is None:
            self.detail.setText(self.tr("Choose a tool to see where its values are."))
            return
        value = self._values[chosen]
        if value.hottest is None or value.coldest is None:
            self.detail.setText(self.tr("No pixel has a temperature here."))
        else:
            texts = [
                self.tr("Highest at {x}, {y}").format(x=value.hottest[0], y=value.hottest[1]),
                self.tr("Lowest at {x}, {y}").format(x=value.coldest[0], y=value.coldest[1]),
                self.tr("Deviation {value} over {count} px").format(value=self._spread(value.std), count=value.pixels),
            ]
            if self._rise is not None:
                rise = f"{difference(self._rise, self._unit):+.1f} {sign(self._unit)}"
                texts.append(self.tr("{value} a minute").format(value=rise))
            self.detail.setText("\n".join(texts))
        own = self._tools[chosen].emissivity
        with QSignalBlocker(self.own), QSignalBlocker(self.emissivity), QSignalBlocker(self.emissivity.field):
            self.own.setChecked(own is not None)
            if own is not None:
                self.emissivity.setValue(own)
        self.emissivity.setVisible(own is not None)

    def _on_picked(self) -> None:
        self._rise = None  # that of the tool chosen before
        self._show_detail()
        self.picked.emit()

    def _on_emissivity(self) -> None:
        self.emissivity_set.emit(self.emissivity.value() if self.own.isChecked() else None)

    def retranslate(self) -> None:
        self.heading.setText(self.tr("Tools"))
        self.table.setAccessibleName(self.tr("Tools"))
        self.own.setText(self.tr("Own emissivity here"))
        self.own.setAccessibleName(self.tr("Own emissivity here"))
        self.emissivity.set_texts(self.tr("Emissivity of the chosen tool"), self.tr("less"), self.tr("more"))
        self.show_tools(self._tools, self._values, self._rise, self._unit)
