"""Placeholder for a page that is being opened.

It shows the requested picture where Qt's own decoders can show it at once, and exactly as the page will show it.
"""

from pathlib import Path
from typing import Final

from PySide6.QtCore import QBuffer, QByteArray, QIODevice, QRect, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QImage, QImageIOHandler, QImageReader, QPainter, QPaintEvent
from PySide6.QtWidgets import QWidget

from inspector.imaging.headers import check_png, is_dji, is_flir
from inspector.ui.shell import theme
from inspector.ui.widgets.themed import Themed

MOST_BYTES: Final = 16 << 20  # of a file that is decoded before anything else is done
MOST_PIXELS: Final = 12_000_000
_PLAIN: Final = (QImage.Format.Format_RGB32, QImage.Format.Format_Grayscale8)
_PNG: Final = b"\x89PNG\r\n\x1a\n"
_JPEG, _JPEG_END = b"\xff\xd8\xff", b"\xff\xd9"


def plain_picture(path: Path) -> QImage | None:
    """Return the picture in a PNG or JPEG file of 8-bit grey or RGB.

    None for anything that needs full decoding: deeper pixels, temperatures, palettes, transparency, animations, an orientation
    noted by the camera, a damaged or very large file.
    """
    try:
        data = path.read_bytes() if path.is_file() and path.stat().st_size <= MOST_BYTES else b""
        if not _is_plain(data):
            return None
    except (OSError, ValueError):
        return None
    buffer = QBuffer()
    buffer.setData(QByteArray(data))
    buffer.open(QIODevice.OpenModeFlag.ReadOnly)
    reader = QImageReader(buffer)
    size = reader.size()
    if reader.transformation() != QImageIOHandler.Transformation.TransformationNone or reader.imageFormat() not in _PLAIN:
        return None
    if reader.supportsAnimation() or size.width() * size.height() > MOST_PIXELS:
        return None
    image = reader.read()
    return None if image.isNull() or image.format() not in _PLAIN else image


def _is_plain(data: bytes) -> bool:
    """Return whether these are the bytes of a complete PNG or JPEG without temperatures.

    Raises ValueError for a damaged file.
    """
    if data.startswith(_PNG):
        check_png(data)
        return b"acTL" not in data[:256]  # several frames
    return data.startswith(_JPEG) and data.endswith(_JPEG_END) and not is_flir(data) and not is_dji(data)


class Opening(Themed, QWidget):
    """The placeholder of a page that is not made yet. `painted` is emitted after the first paint."""

    painted = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("opening")
        self.setAttribute(Qt.WidgetAttribute.WA_OpaquePaintEvent)
        self._picture: QImage | None = None
        self._name = ""
        self._was_painted = False
        self.retranslate()

    @property
    def picture(self) -> QImage | None:
        """The picture on display, if there is one."""
        return self._picture

    def look_at(self, path: Path | None) -> None:
        """Show the picture in this file if that can be done at once."""
        self._picture = None if path is None else plain_picture(path)
        self._name = "" if path is None else path.name
        self.retranslate()

    def sizeHint(self) -> QSize:
        return QSize(theme.SPACING * 80, theme.SPACING * 60)

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        dress = theme.current()
        painter.fillRect(self.rect(), dress.color("window"))
        foot = QRect(0, self.height() - theme.TOUCH, self.width(), theme.TOUCH)
        if self._picture is not None:
            space = self.rect().adjusted(theme.SPACING * 2, theme.SPACING * 2, -theme.SPACING * 2, -theme.TOUCH)
            size = self._picture.size().scaled(space.size(), Qt.AspectRatioMode.KeepAspectRatio)
            place = QRect(space.topLeft(), size)
            place.moveCenter(space.center())
            painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
            painter.drawImage(QRectF(place), self._picture)
        painter.setPen(dress.color("muted"))
        painter.drawText(foot if self._picture is not None else self.rect(), Qt.AlignmentFlag.AlignCenter, self._words())
        painter.end()
        if not self._was_painted:
            self._was_painted = True
            self.painted.emit()

    def _words(self) -> str:
        return self.tr("Opening {name}…").format(name=self._name) if self._name else self.tr("Opening…")

    def retranslate(self) -> None:
        self.setAccessibleName(self._words())
        self.update()

    def restyle(self) -> None:
        self.update()
