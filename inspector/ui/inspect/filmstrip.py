"""The last NG parts, newest on the left. A pressed part stays on screen while the line goes on."""

from collections.abc import Sequence
from typing import Final

import numpy as np
from PySide6.QtCore import QRectF, QSize, Qt, Signal
from PySide6.QtGui import QImage, QPainter, QPaintEvent, QPen, QPixmap, QResizeEvent
from PySide6.QtWidgets import QAbstractButton, QHBoxLayout, QLabel, QSizePolicy, QWidget

from inspector.core.types import Frame, Inspection, Verdict
from inspector.imaging.colormaps import PALETTES
from inspector.ui.canvas.rendering import resized
from inspector.ui.inspect.station_worker import KEPT_NG
from inspector.ui.inspect.verdict_tile import paint_badge
from inspector.ui.shell import theme
from inspector.ui.shell.strings import translate
from inspector.ui.widgets.themed import Themed

WIDTH: Final = 128
HEIGHT: Final = 96


def thumbnail(frame: Frame) -> QImage:
    """Return a small picture of a frame in the colours the canvas uses by default."""
    scale = min(WIDTH / frame.width, HEIGHT / frame.height) * 2  # twice the size, for high-density screens
    size = (max(round(frame.width * scale), 1), max(round(frame.height * scale), 1))
    small = resized(frame.pixels, size, smooth=True)
    if frame.unit == "kelvin":
        low, high = float(small.min()), float(small.max())
        levels = ((small - low) * (255.0 / max(high - low, 1e-6))).astype(np.uint8)
        small = np.asarray(PALETTES["iron"], np.uint8)[levels]
    elif small.dtype == np.uint16:
        small = (small // max(int(small.max()) // 255, 1)).astype(np.uint8)
    if small.ndim == 2:
        small = np.repeat(small[..., None], 3, axis=2)
    small = np.ascontiguousarray(small)
    picture = QImage(small.data, size[0], size[1], size[0] * 3, QImage.Format.Format_RGB888)
    return picture.convertToFormat(QImage.Format.Format_RGB32)  # a copy in the screen's format


class Thumb(Themed, QAbstractButton):
    """One place of the strip, empty until `show_part`."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setCheckable(True)
        self.setFixedSize(WIDTH, HEIGHT)
        self.setEnabled(False)
        self.inspection: Inspection | None = None
        self._picture = QImage()
        self._face = QPixmap()  # cached drawing of everything but the pressed state; null: not drawn yet

    def show_part(self, inspection: Inspection | None, picture: QImage) -> None:
        self.inspection, self._picture, self._face = inspection, picture, QPixmap()
        self.setEnabled(inspection is not None)
        self.describe()
        self.update()

    def take_over(self, other: "Thumb") -> None:
        """Copy another place's contents without rendering them again."""
        self.inspection, self._picture, self._face = other.inspection, other.picture, other._drawn()
        self.setEnabled(other.isEnabled())
        self.setAccessibleName(other.accessibleName())
        self.setToolTip(other.toolTip())
        self.update()

    @property
    def picture(self) -> QImage:
        return self._picture

    def describe(self) -> None:
        """Return the name and reasons in the window's language."""
        if self.inspection is None:
            self.setAccessibleName(self.tr("Empty place for an NG part"))
            self.setToolTip("")
            return
        self.setAccessibleName(self.tr("NG part {part}").format(part=self.inspection.part))
        reasons = "\n".join(translate(told) for told in (*self.inspection.reasons, *self.inspection.notes))
        self.setToolTip(f"{self.inspection.part}\n{reasons}")

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.drawPixmap(0, 0, self._drawn())
        if self.inspection is not None and (self.isChecked() or self.hasFocus() or self.underMouse()):
            painter.setRenderHint(QPainter.RenderHint.Antialiasing)
            painter.setPen(QPen(theme.current().color("accent"), 4 if self.isChecked() else 2))
            painter.drawRoundedRect(self._box(), theme.RADIUS / 2, theme.RADIUS / 2)

    def restyle(self) -> None:
        self._face = QPixmap()

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
        size = self._picture.size().scaled(self.size() - QSize(6, 6), Qt.AspectRatioMode.KeepAspectRatio)
        room = QRectF((self.width() - size.width()) / 2, (self.height() - size.height()) / 2, size.width(), size.height())
        painter.drawImage(room, self._picture)
        caption = QRectF(3, self.height() - 3 - theme.SPACING * 3, self.width() - 6, theme.SPACING * 3)
        painter.fillRect(caption, dress.color("rail"))
        badge = QRectF(caption.left() + 4, caption.top() + 4, caption.height() - 8, caption.height() - 8)
        paint_badge(painter, Verdict.NG, badge)
        painter.setPen(dress.color("on_rail"))
        painter.setFont(theme.font("small"))
        words = painter.fontMetrics().elidedText(self.inspection.part, Qt.TextElideMode.ElideMiddle, int(caption.width() - 32))
        painter.drawText(caption.adjusted(28, 0, 0, 0), Qt.AlignmentFlag.AlignVCenter, words)


class Filmstrip(Themed, QWidget):
    """The strip of NG parts. `chosen` carries the pressed inspection, or None when it is pressed again."""

    chosen = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("filmstrip")
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.setFixedHeight(HEIGHT + theme.SPACING)
        self._title = QLabel()
        self._title.setProperty("role", "small")
        self._title.setFixedWidth(theme.SPACING * 9)
        self._title.setWordWrap(True)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, theme.SPACING // 2, 0, theme.SPACING // 2)
        row.setSpacing(theme.SPACING)
        row.addWidget(self._title)
        self.thumbs: list[Thumb] = []
        for index in range(KEPT_NG):
            thumb = Thumb()
            thumb.setObjectName(f"ng{index}")
            thumb.clicked.connect(lambda _checked=False, thumb=thumb: self._press(thumb))
            self.thumbs.append(thumb)
            row.addWidget(thumb)
        row.addStretch(1)
        self.retranslate()

    def add(self, inspections: Sequence[Inspection]) -> None:
        """Insert new NG parts, oldest first, at the front. The pressed part stays pressed until it leaves the strip."""
        held = next((thumb.inspection for thumb in self.thumbs if thumb.isChecked()), None)
        fresh = [item for item in reversed(inspections) if item.frames][: len(self.thumbs)]
        if not fresh:
            return
        for place in range(len(self.thumbs) - 1, len(fresh) - 1, -1):  # from the right: copy before overwriting
            self.thumbs[place].take_over(self.thumbs[place - len(fresh)])
        for thumb, item in zip(self.thumbs, fresh, strict=False):
            thumb.show_part(item, thumbnail(_telling_frame(item)))
        for thumb in self.thumbs:
            thumb.setChecked(held is not None and thumb.inspection is held)

    def clear(self) -> None:
        """Empty all places."""
        for thumb in self.thumbs:
            thumb.show_part(None, QImage())
            thumb.setChecked(False)

    def release(self) -> None:
        """Release the held part."""
        for thumb in self.thumbs:
            thumb.setChecked(False)

    def pick(self, part: str) -> bool:
        """Hold the part with this id; return False if the strip does not have it."""
        for thumb in self.thumbs:
            if thumb.inspection is not None and thumb.inspection.part == part:
                thumb.click()
                return True
        return False

    def step(self, by: int) -> None:
        """Hold the next (older, +1) or previous (newer, -1) NG part."""
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

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Show as many places as fit completely."""
        super().resizeEvent(event)
        room = event.size().width() - self._title.width()
        for index, thumb in enumerate(self.thumbs):
            thumb.setVisible((index + 1) * (WIDTH + theme.SPACING) <= room)

    def retranslate(self) -> None:
        self._title.setText(self.tr("Last NG parts"))
        self.setAccessibleName(self.tr("Last NG parts"))
        for thumb in self.thumbs:
            thumb.describe()


def _telling_frame(inspection: Inspection) -> Frame:
    """Return the colour frame if there is one, because people recognise it at a glance."""
    frames = list(inspection.frames.values())
    return next((frame for frame in frames if frame.unit == "intensity"), frames[0])
