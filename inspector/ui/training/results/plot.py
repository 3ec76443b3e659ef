"""Curves of a result over two named axes, with values to copy and a picture to save.

Imported when a result is first shown: pyqtgraph takes longer to import than the rest of the window.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Final

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import QSize, Qt
from PySide6.QtGui import QColor, QGuiApplication, QPen
from PySide6.QtWidgets import QHBoxLayout, QLabel, QSizePolicy, QToolButton, QVBoxLayout, QWidget

from inspector.core.config import write_atomically
from inspector.core.errors import StorageError
from inspector.core.spreadsheet import table_text
from inspector.ui.shell import theme
from inspector.ui.shell.strings import translate
from inspector.ui.widgets.boxes import plain
from inspector.ui.widgets.file_dialogs import ask_new_file
from inspector.ui.widgets.plot_frame import PlotFrame
from inspector.ui.widgets.themed import Themed

_STROKES: Final = (Qt.PenStyle.SolidLine, Qt.PenStyle.DashLine, Qt.PenStyle.DotLine, Qt.PenStyle.DashDotLine)
_AROUND: Final = 7  # number of colours; further curves use other strokes


@dataclass(frozen=True, slots=True)
class Line:
    """One curve, in data units. `dots`: marked, not joined. `bars`: (low, high) at each point. `faint`: for comparison only."""

    name: str
    x: tuple[float, ...]
    y: tuple[float, ...]
    dots: bool = False
    bars: tuple[tuple[float, float], ...] = ()
    faint: bool = False


class Plot(Themed, QWidget):
    """A title, the curves and their legend. `copy` copies the values, `save` writes a picture or the values."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.lines: tuple[Line, ...] = ()
        self._items: list[object] = []
        self._title, self._legend, self._said = QLabel(), QLabel(), QLabel()
        self._title.setProperty("role", "strong")
        self._title.setWordWrap(True)
        self._legend.setTextFormat(Qt.TextFormat.RichText)
        self._legend.setWordWrap(True)
        self._said.setProperty("role", "error")
        self._said.setWordWrap(True)
        self._said.hide()
        for label in (self._title, self._legend):
            label.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self.copy_button, self.save_button = QToolButton(), QToolButton()
        for button, act in ((self.copy_button, self.copy), (self.save_button, self._ask_where)):
            button.setMinimumSize(theme.TOUCH, theme.TOUCH)
            button.setIconSize(QSize(theme.ICON, theme.ICON))
            button.clicked.connect(act)
        self.frame = PlotFrame(self, height=theme.SPACING * 24)
        self.box = self.frame.box
        head = plain(QHBoxLayout())
        head.addWidget(self._title, 1)
        head.addWidget(self.copy_button)
        head.addWidget(self.save_button)
        box = plain(QVBoxLayout(self), theme.SPACING // 2)
        box.addLayout(head)
        box.addWidget(self._said)
        box.addWidget(self.frame.view, 1)
        box.addWidget(self._legend)
        self.retranslate()

    def show_lines(
        self,
        lines: Sequence[Line],
        *,
        title: str,
        x: str,
        y: str,
        x_range: tuple[float, float] | None = None,
        y_range: tuple[float, float] | None = None,
    ) -> None:
        """Draw these curves; a range of None fits the points."""
        self.lines = tuple(lines)
        self._title.setText(title)
        self.setAccessibleName(title)
        self.frame.name_axes(x, y)
        self.box.enableAutoRange()
        if x_range is not None:
            self.box.setXRange(*x_range, padding=0.02)
        if y_range is not None:
            self.box.setYRange(*y_range, padding=0.02)
        self._draw()

    def _draw(self) -> None:
        for item in self._items:
            self.box.removeItem(item)
        self._items = []
        for index, line in enumerate(self.lines):
            pen = self._pen(index, line)
            if line.bars:
                value, ends = np.asarray(line.y), np.asarray(line.bars)
                self._add(
                    pg.ErrorBarItem(x=np.asarray(line.x), y=value, top=ends[:, 1] - value, bottom=value - ends[:, 0], pen=pen)
                )
            if line.dots:
                brush = pg.mkBrush(pen.color())
                self._add(pg.ScatterPlotItem(x=list(line.x), y=list(line.y), size=theme.SPACING, brush=brush, pen=None))
            else:
                self._add(pg.PlotCurveItem(x=np.asarray(line.x), y=np.asarray(line.y), pen=pen))
        named = ((index, line) for index, line in enumerate(self.lines) if line.name)
        entries = [f'<span style="color: {self._color(at, line).name()}">■</span> {escape(line.name)}' for at, line in named]
        self._legend.setText("&nbsp;&nbsp; ".join(entry.replace("</span> ", "</span>&nbsp;") for entry in entries))
        self._legend.setVisible(bool(entries))

    def _add(self, item: object) -> None:
        self.box.addItem(item)
        self._items.append(item)

    def _color(self, index: int, line: Line) -> QColor:
        return theme.current().color("muted") if line.faint else theme.current().series_color(index)

    def _pen(self, index: int, line: Line) -> QPen:
        stroke = Qt.PenStyle.DashLine if line.faint else _STROKES[index // _AROUND % len(_STROKES)]
        pen = QPen(self._color(index, line), 1 if line.faint else 2, stroke)
        pen.setCosmetic(True)
        return pen

    def as_text(self, separator: str = "\t") -> str:
        """Return the values, one point a line: curve, x, y, and low and high where they are known."""
        rows: list[list[object]] = [["curve", self.frame.bottom.labelText, self.frame.left.labelText, "low", "high"]]
        for line in self.lines:
            bars = line.bars or (("", ""),) * len(line.x)
            rows += [[line.name, x, y, *bar] for x, y, bar in zip(line.x, line.y, bars, strict=True)]
        return table_text(rows, separator=separator)

    def copy(self) -> None:
        """Copy the values to the clipboard."""
        QGuiApplication.clipboard().setText(self.as_text())

    def save(self, path: Path) -> None:
        """Save a picture (.png), or the values (.csv). Raises StorageError."""
        if path.suffix.lower() == ".csv":
            write_atomically(path, self.as_text(",").encode("utf-8-sig"))
        elif not self.grab().save(str(path)):
            raise StorageError("{file} cannot be written ({detail}).", remedy="Choose another folder.", file=path, detail="PNG")

    def _ask_where(self) -> None:
        kinds = self.tr("Picture (*.png);;Values (*.csv)")
        ask_new_file(self, self.tr("Save the chart"), self._save_to, kinds=kinds)

    def _save_to(self, path: Path) -> None:
        try:
            self.save(path if path.suffix else path.with_suffix(".png"))
            self._said.hide()
        except StorageError as error:
            self._said.setText(translate(error.problem))
            self._said.show()

    def retranslate(self) -> None:
        for button, text in ((self.copy_button, self.tr("Copy the values")), (self.save_button, self.tr("Save the chart"))):
            button.setAccessibleName(text)
            button.setToolTip(text)
        self.restyle()

    def restyle(self) -> None:
        self.copy_button.setIcon(theme.icon("copy"))
        self.save_button.setIcon(theme.icon("save"))
        self.frame.dress()
        self._draw()
