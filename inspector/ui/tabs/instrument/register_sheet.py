"""The sheet that measures how a thermal and a visible camera lie to each other, on a heated target or on points in both."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np
from PySide6.QtCore import QSignalBlocker, QSize, Qt
from PySide6.QtGui import QPainter, QPaintEvent
from PySide6.QtWidgets import QCheckBox, QFrame, QGridLayout, QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from inspector.archive.images import file_name
from inspector.core.config import write_atomically
from inspector.core.errors import ConfigError, InspectorError, StorageError
from inspector.core.types import Floats, Frame
from inspector.imaging.registration import LEAST, Points, Registration, as_points, find_grid, read_registration, register
from inspector.imaging.thermography import Spot
from inspector.results.overlays import warm_picture
from inspector.ui.canvas.canvas import Canvas
from inspector.ui.canvas.overlays import Overlays, ToolMark
from inspector.ui.shell import theme
from inspector.ui.shell.strings import translate
from inspector.ui.tabs.controls import NumberField
from inspector.ui.widgets.boxes import plain
from inspector.ui.widgets.cover import Cover
from inspector.ui.widgets.inputs import ComboBox, DoubleSpinBox
from inspector.ui.widgets.themed import Themed

REGISTRATIONS: Final = "registrations"  # folder of a user's data
_MOST: Final = 20  # spots along a side of a target
_DIGITS: Final = 4


class RegisterSheet(Themed, Cover):
    """Measures a `Registration` and keeps it in a file; says whether the one that was kept still holds."""

    def __init__(self, over: QWidget) -> None:
        super().__init__(over)
        self.setObjectName("register_sheet")
        self._thermal: Frame | None = None
        self._visible: tuple[Frame, ...] = ()
        self._folder = Path()
        self._sides: Mapping[str, float] = {}
        self._frames: dict[str, Frame] = {}
        self._points: dict[str, list[tuple[float, float]]] = {"thermal": [], "visible": []}
        self._file = Path()
        self._known: Registration | None = None
        self._found: Registration | None = None
        self._problem: InspectorError | None = None
        self._kept = False
        self.views = {name: Canvas() for name in self._points}
        self.names = {name: QLabel() for name in self._points}
        self._title, self._hint, self.says, self.known = QLabel(), QLabel(), QLabel(), QLabel()
        self._title.setProperty("role", "title")
        self.says.setObjectName("register_says")
        for label in (self._title, self._hint, self.says, self.known):
            label.setWordWrap(True)
            label.setTextFormat(Qt.TextFormat.PlainText)
        self.columns, self.rows = (NumberField(2, _MOST, field=_whole()) for _ in range(2))
        self.columns.setValue(4)
        self.rows.setValue(3)
        self.side = NumberField(0.0, 1000.0, field=_fine())
        self.labels = {name: QLabel() for name in ("columns", "rows", "side")}
        self.over_it = QCheckBox()
        self.over_it.setMinimumHeight(theme.TOUCH)
        self.find_target, self.undo, self.clear, self.cancel, self.keep = (QPushButton() for _ in range(5))
        self.keep.setProperty("role", "primary")
        for button, name in ((self.find_target, "find"), (self.undo, "undo"), (self.clear, "clear"), (self.cancel, "cancel")):
            button.setObjectName(f"register_{name}")
            button.setMinimumHeight(theme.TOUCH)
            button.setIconSize(QSize(theme.ICON, theme.ICON))
        self.keep.setObjectName("register_keep")
        self.keep.setMinimumHeight(theme.TOUCH)
        self.keep.setIconSize(QSize(theme.ICON, theme.ICON))
        self.camera = ComboBox()  # where several cameras see light
        self.camera.setMinimumHeight(theme.TOUCH)
        self._arrange()
        self._connect()
        self.retranslate()

    def _arrange(self) -> None:
        pictures = QGridLayout()
        pictures.setSpacing(theme.SPACING)
        for column, name in enumerate(self.views):
            head = plain(QHBoxLayout())
            head.addWidget(self.names[name])
            if name == "visible":
                head.addWidget(self.camera)
            head.addStretch(1)
            pictures.addLayout(head, 0, column)
            pictures.addWidget(self.views[name], 1, column)
            pictures.setColumnStretch(column, 1)
        pictures.setRowStretch(1, 1)
        fields = plain(QHBoxLayout(), theme.SPACING * 2)
        for name, field in (("columns", self.columns), ("rows", self.rows), ("side", self.side)):
            self.labels[name].setBuddy(field)
            stacked = plain(QVBoxLayout(), theme.SPACING // 2)
            stacked.addWidget(self.labels[name])
            stacked.addWidget(field)
            fields.addLayout(stacked)
        fields.addStretch(1)
        buttons = plain(QHBoxLayout())
        for widget in (self.find_target, self.undo, self.clear):
            buttons.addWidget(widget)
        buttons.addStretch(1)
        shown = plain(QHBoxLayout())
        shown.addWidget(self.over_it)
        shown.addWidget(self.known, 1)
        foot = plain(QHBoxLayout())
        foot.addWidget(self.cancel)
        foot.addWidget(self.says, 1)
        foot.addWidget(self.keep)
        card = QFrame()
        card.setProperty("role", "card")
        box = QVBoxLayout(card)
        box.setContentsMargins(*(theme.SPACING * 3,) * 4)
        box.setSpacing(theme.SPACING)
        box.addWidget(self._title)
        box.addWidget(self._hint)
        box.addLayout(pictures, 1)
        box.addLayout(fields)
        box.addLayout(buttons)
        box.addLayout(shown)
        box.addLayout(foot)
        whole = QVBoxLayout(self)
        whole.setContentsMargins(*(theme.SPACING * 2,) * 4)
        whole.addWidget(card)

    def _connect(self) -> None:
        self.views["thermal"].clicked.connect(lambda x, y: self._on_clicked("thermal", x, y))
        self.views["visible"].clicked.connect(lambda x, y: self._on_clicked("visible", x, y))
        self.find_target.clicked.connect(self._find)
        self.undo.clicked.connect(self._undo)
        self.clear.clicked.connect(self._clear)
        self.side.valueChanged.connect(self._measure)
        self.over_it.toggled.connect(self._show)
        self.camera.currentIndexChanged.connect(self._choose)
        self.cancel.clicked.connect(self.leave)
        self.keep.clicked.connect(self._keep)

    # Use

    def open(self, thermal: Frame, visible: Sequence[Frame], *, folder: Path, sides: Mapping[str, float]) -> None:
        """Show the sheet for a thermal frame and the frames of light of the same part, at least one.

        `folder`: where registrations are kept. `sides`: mm of a pixel, by camera, where it is known.
        """
        self._thermal, self._visible, self._folder, self._sides = thermal, tuple(visible), folder, sides
        with QSignalBlocker(self.camera):
            self.camera.clear()
            for frame in visible:
                self.camera.addItem(frame.camera)
        self.camera.setVisible(len(visible) > 1)
        self._choose(0)
        self.uncover(True)
        self.find_target.setFocus()

    def _choose(self, index: int) -> None:
        """Begin with one of the cameras that see light."""
        thermal, visible = self._thermal, self._visible[max(index, 0)] if self._visible else None
        if thermal is None or visible is None:
            return
        self._frames = {"thermal": thermal, "visible": visible}
        self._file = self._folder / f"{file_name(thermal.camera)}-{file_name(visible.camera)}.json"
        self._known = self._problem = self._found = None
        self._kept = False
        if self._file.exists():
            try:
                self._known = read_registration(self._file)
            except ConfigError as error:
                self._problem = error
        kept = None if self._known is None else self._known.mm_per_px
        with QSignalBlocker(self.side), QSignalBlocker(self.side.field):
            self.side.setValue(self._sides.get(visible.camera, kept or 0.0))
        self.over_it.setChecked(False)
        for points in self._points.values():
            points.clear()
        self._show()

    def leave(self) -> None:
        """Hide the sheet, as its Cancel button does."""
        self.uncover(False)

    def points(self) -> tuple[Points, Points]:
        """Return the points that were given in both pictures."""
        count = min(map(len, self._points.values()))
        return as_points(self._points["thermal"][:count]), as_points(self._points["visible"][:count])

    def _on_clicked(self, name: str, x: int, y: int) -> None:
        """Take a point; a second one in the same picture replaces the first, as long as it has no partner."""
        mine, other = self._points[name], self._points["visible" if name == "thermal" else "thermal"]
        if len(mine) > len(other):
            mine.pop()
        mine.append((float(x), float(y)))
        self._measure()

    def _find(self) -> None:
        columns, rows = round(self.columns.value()), round(self.rows.value())
        try:
            found = {
                name: find_grid(frame, columns, rows, name=self.names[name].text()) for name, frame in self._frames.items()
            }
        except ConfigError as error:
            self._found, self._problem = None, error
            self._show()
            return
        self._points = {name: [(float(x), float(y)) for x, y in points] for name, points in found.items()}
        self._measure()

    def _undo(self) -> None:
        longest = max(map(len, self._points.values()))
        for points in self._points.values():
            del points[longest - 1 :]
        self._measure()

    def _clear(self) -> None:
        for points in self._points.values():
            points.clear()
        self._measure()

    def _measure(self) -> None:
        thermal, seen = self.points()
        self._found = self._problem = None
        self._kept = False
        if len(thermal) >= LEAST:
            warm, light = self._frames["thermal"], self._frames["visible"]
            try:
                self._found = register(
                    thermal,
                    seen,
                    thermal_size=(warm.width, warm.height),
                    visible_size=(light.width, light.height),
                    mm_per_px=self.side.value() or None,
                )
            except ConfigError as error:
                self._problem = error
        self._show()

    def _keep(self) -> None:
        if self._found is None:
            return
        try:
            write_atomically(self._file, self._found.model_dump_json(indent=1).encode())
        except StorageError as error:
            self._problem = error
            self._show()
            return
        self._known, self._kept = self._found, True
        self._show()

    # Showing

    def _show(self) -> None:
        if not self._frames:
            return
        measured = self._found is not None and self._frames["thermal"].unit == "kelvin"
        self.over_it.setEnabled(measured)
        for name, canvas in self.views.items():
            frame, points = self._frames[name], self._points[name]
            if name == "visible" and measured and self.over_it.isChecked() and self._found is not None:
                kelvin: Floats = np.asarray(self._frames["thermal"].pixels, np.float32)
                frame = replace(frame, pixels=warm_picture(frame, self._found.warp(kelvin)), bits=None)
            canvas.show_frame(frame)
            marks = (ToolMark(Spot(round(x), round(y)), str(number)) for number, (x, y) in enumerate(points, 1))
            canvas.set_overlays(Overlays(tools=tuple(marks)))
        self.undo.setEnabled(any(self._points.values()))
        self.clear.setEnabled(any(self._points.values()))
        self.keep.setEnabled(self._found is not None and self._found.error_px is not None and not self._kept)
        self._say()

    def _say(self) -> None:
        theme.set_role(self.says, "strong")
        count, found = len(self.points()[0]), self._found
        self.known.setText(self._of_known())
        self.known.setVisible(bool(self.known.text()))
        if self._problem is not None:
            theme.set_role(self.says, "error")
            parts = (self._problem.problem, self._problem.remedy)
            self.says.setText(" ".join(translate(part) for part in parts if part is not None))
        elif self._kept:
            self.says.setText(self.tr("Kept in {file}.").format(file=self._file))
        elif found is None:
            text = self.tr("Points in both pictures: {count}. At least five are needed.")
            self.says.setText(text.format(count=count))
        elif found.error_px is None or found.worst_px is None:
            self.says.setText(self.tr("Four points always fit. Press a fifth, so that the error can be measured."))
        else:
            text = self.tr("{count} points: error {error:.2f} px, at worst {worst:.2f} px.")
            if found.error_mm is not None:
                text = self.tr("{count} points: error {error:.2f} px ({mm:.2f} mm), at worst {worst:.2f} px.")
            numbers = {"error": found.error_px, "worst": found.worst_px, "mm": found.error_mm or 0.0}
            self.says.setText(text.format(count=found.points, **numbers))

    def _of_known(self) -> str:
        """Return what is to be said of the registration that was kept."""
        known = self._known
        theme.set_role(self.known, "")
        if known is None or self._kept:
            return ""
        warm, light = self._frames["thermal"], self._frames["visible"]
        when = known.created.astimezone().strftime("%Y-%m-%d %H:%M")
        try:
            known.check_sizes((light.width, light.height), (warm.width, warm.height))
        except ConfigError as error:
            return " ".join(translate(part) for part in (error.problem, error.remedy) if part is not None)
        thermal, seen = self.points()
        if not len(thermal):
            return self.tr("Measured last on {when}. Find the target again to see whether it still holds.").format(when=when)
        off, limit = known.deviation(thermal, seen), known.limit_px()
        if off > limit:
            theme.set_role(self.known, "error")
            text = self.tr(
                "What was measured on {when} no longer holds: a camera was moved. Points lie up to {off:.1f} px from where it "
                "expects them (limit {limit:.1f} px)."
            )
        else:
            text = self.tr(
                "What was measured on {when} still holds: points lie up to {off:.1f} px from where it expects them (limit "
                "{limit:.1f} px)."
            )
        return text.format(when=when, off=off, limit=limit)

    # Texts

    def retranslate(self) -> None:
        self._title.setText(self.tr("How the thermal and the visible camera lie to each other"))
        self.setAccessibleName(self._title.text())
        self._hint.setText(
            self.tr(
                "Put a heated target of round spots before both cameras and find it, or press the same points in both "
                "pictures. It holds for the plane of the target."
            )
        )
        for name, text in (("thermal", self.tr("Thermal picture")), ("visible", self.tr("Visible picture"))):
            self.names[name].setText(text)
            self.views[name].setAccessibleName(text)
        less, more = self.tr("less"), self.tr("more")
        fields = {"columns": self.columns, "rows": self.rows, "side": self.side}
        texts = {
            "columns": self.tr("Spots in a row"),
            "rows": self.tr("Rows of spots"),
            "side": self.tr("Visible pixel, mm (0: unknown)"),
        }
        for name, text in texts.items():
            self.labels[name].setText(text)
            fields[name].set_texts(text, less, more)
        for button, text in (
            (self.find_target, self.tr("Find the target")),
            (self.undo, self.tr("Undo the last point")),
            (self.clear, self.tr("Remove all points")),
            (self.cancel, self.tr("Close")),
            (self.keep, self.tr("Keep it")),
        ):
            button.setText(text)
            button.setAccessibleName(text)
        self.camera.setAccessibleName(self.tr("Visible camera"))
        self.over_it.setText(self.tr("Show the temperatures over it"))
        self.over_it.setAccessibleName(self.over_it.text())
        self._show()
        self.restyle()

    def restyle(self) -> None:
        icons = {self.cancel: "close", self.find_target: "compare", self.undo: "undo", self.clear: "trash"}
        for button, name in icons.items():
            button.setIcon(theme.icon(name))
        self.keep.setIcon(theme.icon("save", "on_accent"))

    def paintEvent(self, event: QPaintEvent) -> None:
        QPainter(self).fillRect(self.rect(), theme.current().color("veil"))


def _whole() -> DoubleSpinBox:
    box = DoubleSpinBox()
    box.setDecimals(0)
    return box


def _fine() -> DoubleSpinBox:
    box = DoubleSpinBox()
    box.setDecimals(_DIGITS)
    box.setSingleStep(0.01)
    return box
