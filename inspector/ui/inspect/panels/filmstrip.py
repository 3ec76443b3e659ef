"""The last NG parts, newest on the left. A pressed part stays on screen while the line goes on."""

from collections.abc import Callable, Sequence
from typing import Final

import numpy as np
from PySide6.QtCore import QRectF, QSize, Qt, QTimer, Signal
from PySide6.QtGui import QImage, QPainter, QPaintEvent, QPen, QPixmap, QResizeEvent, QShowEvent
from PySide6.QtWidgets import QAbstractButton, QHBoxLayout, QLabel, QSizePolicy, QWidget

from inspector.core.types import Frame, Inspection, Region, Verdict
from inspector.ui.canvas.rendering import Display, full_range, picture
from inspector.ui.inspect.evidence import class_of, evidence
from inspector.ui.inspect.panels.verdict_tile import paint_badge
from inspector.ui.inspect.station_worker import KEPT_NG
from inspector.ui.shell import theme
from inspector.ui.shell.strings import class_name, translate
from inspector.ui.widgets.themed import Themed
from inspector.ui.widgets.tips import plain_tip

PLACE: Final = QSize(128, 96)
LATER_MS: Final = 10  # the strip is painted after the part, so that each block of the event loop is shorter
_EDGE: Final = 3
_DETAIL: Final = 2  # pixels of the picture for each of the screen, for high-density screens

Ranges = Callable[[Frame], tuple[float, float]]


def thumbnail(frame: Frame, place: Region, *, size: QSize, ranges: Ranges) -> QImage:
    """Return a small picture of a part of a frame. `ranges`: the temperatures in kelvin between which the colours lie."""
    scale = min(size.width() / place.width, size.height() / place.height) * _DETAIL
    width, height = max(round(place.width * scale), 1), max(round(place.height * scale), 1)
    display = Display(*ranges(frame)) if frame.unit == "kelvin" else Display()
    crop = place.x, place.y, place.right, place.bottom
    words = np.ascontiguousarray(picture(frame, display, crop, (width, height), smooth=True))
    return QImage(words.data, width, height, width * 4, QImage.Format.Format_RGB32).copy()


class Thumb(Themed, QAbstractButton):
    """One place of the strip, empty until `show_part`: the place of the defect, its class and the time."""

    def __init__(self, ranges: Ranges, parent: QWidget | None = None) -> None:
        """Create the place. `ranges`: see `thumbnail`."""
        super().__init__(parent)
        self._ranges = ranges
        self.setCheckable(True)
        self.setFixedSize(PLACE)
        self.setEnabled(False)
        self.inspection: Inspection | None = None
        self._heading = ""
        self._picture: QImage | None = None  # None: not made yet; it is made when it is painted first
        self._face = QPixmap()  # cached drawing of everything but the pressed state; null: not drawn yet

    def show_part(self, inspection: Inspection | None) -> None:
        self.inspection, self._picture = inspection, None
        self.setEnabled(inspection is not None)
        self.describe()

    def take_over(self, other: "Thumb") -> None:
        """Copy another place's contents without rendering them again."""
        self.inspection, self._picture, self._face = other.inspection, other._picture, other._face
        self._heading = other._heading
        self.setEnabled(other.isEnabled())
        self.setAccessibleName(other.accessibleName())
        self.setAccessibleDescription(other.accessibleDescription())
        self.setToolTip(other.toolTip())
        self.update()

    @property
    def picture(self) -> QImage:
        """The place of the defect."""
        if self._picture is None:
            aspect = self.width() / self.height()
            found = None if self.inspection is None else evidence(self.inspection, aspect=aspect)
            self._picture = QImage() if found is None else thumbnail(*found, size=self.size(), ranges=self._ranges)
        return self._picture

    @property
    def heading(self) -> str:
        """The recipe whose parts begin here; "" within a recipe's parts."""
        return self._heading

    def set_heading(self, heading: str) -> None:
        if heading != self._heading:
            self._heading, self._face = heading, QPixmap()
            self.update()

    @property
    def caption(self) -> str:
        """The class that the rule is about, else the part."""
        if self.inspection is None:
            return ""
        names = class_of(self.inspection)
        return ", ".join(class_name(name) for name in names.split(", ")) if names else self.inspection.part

    @property
    def time(self) -> str:
        """The local time of the verdict."""
        return "" if self.inspection is None else f"{self.inspection.utc.astimezone():%H:%M:%S}"

    def describe(self) -> None:
        """Set the name, the caption, and the reasons as tool tip, in the window's language."""
        self._face = QPixmap()
        self.update()
        if self.inspection is None:
            self.setAccessibleName(self.tr("Empty place for an NG part"))
            self.setAccessibleDescription("")
            self.setToolTip("")
            return
        self.setAccessibleName(self.tr("NG part {part}").format(part=self.inspection.part))
        reasons = "\n".join(translate(told) for told in (*self.inspection.reasons, *self.inspection.notes))
        recipe = f"{self.inspection.recipe} r{self.inspection.revision}"
        self.setAccessibleDescription(f"{self.time} {self.caption}")
        self.setToolTip(plain_tip(f"{self.inspection.part}  {self.time}\n{recipe}\n{reasons}"))

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.drawPixmap(0, 0, self._drawn())
        if self.inspection is not None and (self.isChecked() or self.hasFocus() or self.underMouse()):
            painter.setRenderHint(QPainter.RenderHint.Antialiasing)
            color = "held" if self.isChecked() else "accent"
            painter.setPen(QPen(theme.current().color(color), 6 if self.isChecked() else 2))
            painter.drawRoundedRect(self._box(), theme.RADIUS / 2, theme.RADIUS / 2)

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._picture, self._face = None, QPixmap()

    def restyle(self) -> None:
        self._face = QPixmap()
        self.update()

    def _box(self) -> QRectF:
        return QRectF(self.rect()).adjusted(1.5, 1.5, -1.5, -1.5)

    def _drawn(self) -> QPixmap:
        ratio = self.devicePixelRatioF()
        if self._face.isNull() or self._face.devicePixelRatioF() != ratio:
            self._face = QPixmap(self.size() * ratio)
            self._face.setDevicePixelRatio(ratio)
            self._face.fill(Qt.GlobalColor.transparent)
            painter = QPainter(self._face)
            self._draw(painter)
            painter.end()
        return self._face

    def _draw(self, painter: QPainter) -> None:
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        dress = theme.current()
        painter.setPen(QPen(dress.color("border"), 1, Qt.PenStyle.SolidLine if self.inspection else Qt.PenStyle.DashLine))
        painter.setBrush(dress.color("canvas") if self.inspection else Qt.BrushStyle.NoBrush)
        painter.drawRoundedRect(self._box(), theme.RADIUS / 2, theme.RADIUS / 2)
        if self.inspection is None:
            return
        font = theme.font("small", bold=True)
        font.setPixelSize(max(self.height() // 8, theme.PIXELS["small"]))
        painter.setFont(font)
        line = painter.fontMetrics().height() + 2
        inside = QRectF(self.rect()).adjusted(_EDGE, _EDGE, -_EDGE, -_EDGE)
        painter.setClipRect(inside)
        shown = inside.adjusted(0, line, 0, -line)
        size = self.picture.size().scaled(shown.size().toSize(), Qt.AspectRatioMode.KeepAspectRatioByExpanding)
        room = QRectF(0, 0, size.width(), size.height())
        room.moveCenter(shown.center())
        painter.drawImage(room, self.picture)
        self._draw_words(painter, inside, line)

    def _draw_words(self, painter: QPainter, inside: QRectF, line: float) -> None:
        assert self.inspection is not None
        dress = theme.current()
        simulated = self.inspection.is_simulated
        head = QRectF(inside.left(), inside.top(), inside.width(), line)
        foot = QRectF(inside.left(), inside.bottom() - line, inside.width(), line)
        painter.fillRect(head, dress.color("simulation" if simulated else "rail"))
        painter.fillRect(foot, dress.color("rail"))
        side = line - 6
        paint_badge(painter, Verdict.NG, QRectF(foot.left() + 3, foot.top() + 3, side, side))
        metrics = painter.fontMetrics()
        words = f"{self.time}  {self._heading}" if self._heading else self.time
        aligned = Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignLeft
        painter.setPen(dress.color("on_simulation" if simulated else "on_rail"))
        painter.drawText(
            head.adjusted(4, 0, -2, 0), aligned, metrics.elidedText(words, Qt.TextElideMode.ElideRight, int(head.width()) - 6)
        )
        caption = foot.adjusted(side + 8, 0, -2, 0)
        painter.setPen(dress.color("on_rail"))
        painter.drawText(caption, aligned, metrics.elidedText(self.caption, Qt.TextElideMode.ElideMiddle, int(caption.width())))


class Filmstrip(Themed, QWidget):
    """The strip of NG parts, divided where another recipe judged.

    `chosen` carries the pressed inspection, or None when it is pressed again.
    """

    chosen = Signal(object)

    def __init__(self, parent: QWidget | None = None, *, places: int = KEPT_NG, ranges: Ranges = full_range) -> None:
        """Create the strip. `ranges`: see `thumbnail`."""
        super().__init__(parent)
        self.setObjectName("filmstrip")
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self._place = PLACE
        self._owed: tuple[Inspection, ...] = ()  # parts still to be added, oldest first
        self._later = QTimer(self)
        self._later.setSingleShot(True)
        self._later.setInterval(LATER_MS)
        self._later.timeout.connect(self._pay)
        self._title = QLabel()
        self._title.setProperty("role", "small")
        self._title.setFixedWidth(theme.SPACING * 9)
        self._title.setWordWrap(True)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, theme.SPACING // 2, 0, theme.SPACING // 2)
        row.setSpacing(theme.SPACING)
        row.addWidget(self._title)
        self.thumbs: list[Thumb] = []
        for index in range(places):
            thumb = Thumb(ranges)
            thumb.setObjectName(f"ng{index}")
            thumb.clicked.connect(lambda _checked=False, thumb=thumb: self._press(thumb))
            self.thumbs.append(thumb)
            row.addWidget(thumb)
        row.addStretch(1)
        self.set_place(PLACE)
        self.retranslate()

    def set_place(self, size: QSize, *, titled: bool = True) -> None:
        """Set the size of each place. `titled`: with the title at the left."""
        self._place = size
        self._title.setVisible(titled)
        self.setFixedHeight(size.height() + theme.SPACING)
        for thumb in self.thumbs:
            thumb.setFixedSize(size)
        self._show_places()

    def add_later(self, inspections: Sequence[Inspection]) -> None:
        """Insert new NG parts as `add` does, after what is to be painted first; if the strip is hidden, when it is shown."""
        self._owed = (*self._owed, *inspections)[-len(self.thumbs) :]
        if self.isVisible() and not self._later.isActive():
            self._later.start()

    def _pay(self) -> None:
        owed, self._owed = self._owed, ()
        self.add(owed)

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        self._pay()

    def add(self, inspections: Sequence[Inspection]) -> None:
        """Insert new NG parts, oldest first, at the front. The pressed part stays pressed until it leaves the strip."""
        held = self.held
        fresh = [item for item in reversed(inspections) if item.frames][: len(self.thumbs)]
        if not fresh:
            return
        for place in range(len(self.thumbs) - 1, len(fresh) - 1, -1):  # from the right: copy before overwriting
            self.thumbs[place].take_over(self.thumbs[place - len(fresh)])
        for thumb, item in zip(self.thumbs, fresh, strict=False):
            thumb.show_part(item)
        self.press(held)
        self._divide()

    def _divide(self) -> None:
        """Head the first part of each recipe, if parts of several are shown."""
        filled = [thumb for thumb in self.thumbs if thumb.inspection is not None]
        names = [(item.recipe, item.revision) for thumb in filled if (item := thumb.inspection) is not None]
        several = len(set(names)) > 1
        for at, thumb in enumerate(filled):
            begins = several and (at == 0 or names[at] != names[at - 1])
            name, revision = names[at]
            same = begins and len({other for other, _ in names}) == 1  # only the revision differs
            thumb.set_heading((f"r{revision}" if same else name) if begins else "")
        self.update()

    @property
    def held(self) -> Inspection | None:
        """The pressed part."""
        return next((thumb.inspection for thumb in self.thumbs if thumb.isChecked()), None)

    def press(self, inspection: Inspection | None) -> None:
        """Show this part as pressed, without a signal; None: no part."""
        if inspection is not None and self._owed:
            self._pay()
        for thumb in self.thumbs:
            thumb.setChecked(inspection is not None and thumb.inspection is inspection)

    def clear(self) -> None:
        """Empty all places."""
        for thumb in self.thumbs:
            thumb.show_part(None)
            thumb.setChecked(False)

    def pick(self, part: str) -> bool:
        """Hold the part with this id; return False if the strip does not have it."""
        self._pay()
        for thumb in self.thumbs:
            if thumb.inspection is not None and thumb.inspection.part == part:
                thumb.click()
                return True
        return False

    def step(self, by: int) -> None:
        """Hold the next (older, +1) or previous (newer, -1) NG part."""
        self._pay()
        filled = [thumb for thumb in self.thumbs if thumb.inspection is not None]
        if not filled:
            return
        held = next((index for index, thumb in enumerate(filled) if thumb.isChecked()), -1 if by > 0 else len(filled))
        filled[min(max(held + by, 0), len(filled) - 1)].setChecked(True)
        self._press(filled[min(max(held + by, 0), len(filled) - 1)])

    def _press(self, pressed: Thumb) -> None:
        for thumb in self.thumbs:
            if thumb is not pressed:
                thumb.setChecked(False)
        self.chosen.emit(pressed.inspection if pressed.isChecked() else None)

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw a line in front of each part at which another recipe's parts begin."""
        painter = QPainter(self)
        for thumb in self.thumbs[1:]:
            if thumb.heading and thumb.isVisible():
                left = thumb.x() - theme.SPACING // 2 - 2
                painter.fillRect(left, 0, 4, self.height(), theme.current().color("accent"))

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Show as many places as fit completely."""
        super().resizeEvent(event)
        self._show_places()

    def _show_places(self) -> None:
        room = self.width() - (0 if self._title.isHidden() else self._title.width() + theme.SPACING)
        for index, thumb in enumerate(self.thumbs):
            thumb.setVisible((index + 1) * (self._place.width() + theme.SPACING) - theme.SPACING <= room)

    def retranslate(self) -> None:
        self._title.setText(self.tr("Last NG parts"))
        self.setAccessibleName(self.tr("Last NG parts"))
        for thumb in self.thumbs:
            thumb.describe()
