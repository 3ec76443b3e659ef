"""Pictures, numbers and one-page reports of a tab as files."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from PySide6.QtCore import QBuffer, QIODevice, QPoint, QSize, QSizeF, Signal
from PySide6.QtGui import QAction, QImage, QImageWriter, QPainter
from PySide6.QtWidgets import QMenu, QToolButton, QWidget

from inspector.core.config import write_atomically
from inspector.core.errors import StorageError
from inspector.ui.canvas import painting
from inspector.ui.canvas.canvas import Canvas
from inspector.ui.shell import theme
from inspector.ui.widgets.file_dialogs import ask_new_file
from inspector.ui.widgets.themed import Themed

LONGEST: Final = 1280  # pixels of the longer side of a picture, at least; letters would hide small frames


class SaveButton(Themed, QToolButton):
    """A button with a menu of what can be saved. `failed` carries the StorageError of a file that could not be written.

    `makers`: by what is saved, a function that returns the bytes of the file.
    """

    failed = Signal(object)

    def __init__(self, makers: dict[str, Callable[[], bytes]], name: str, parent: QWidget | None = None) -> None:
        """Create the button. `name`: the proposed files are called so."""
        super().__init__(parent)
        self._name = name
        self._makers = makers
        self.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        self.setIconSize(QSize(theme.ICON, theme.ICON))
        self.setMinimumSize(theme.TOUCH, theme.TOUCH)
        self.setMenu(QMenu(self))
        self.actions_: dict[str, QAction] = {}
        for what in makers:
            action = QAction(self)
            action.triggered.connect(lambda _=False, what=what: self._ask(what))
            self.menu().addAction(action)
            self.actions_[what] = action
        self.retranslate()

    def save(self, what: str, path: Path) -> None:
        """Write what is shown to a file; a failure is told by `failed`."""
        try:
            write_atomically(path, self._makers[what]())
        except StorageError as error:
            self.failed.emit(error)

    def _ask(self, what: str) -> None:
        kinds = {
            "picture": (self.tr("Pictures (*.png)"), f"{self._name}.png"),
            "report": (self.tr("Pages (*.html)"), f"{self._name}.html"),
        }
        kind, name = kinds.get(what, (self.tr("Tables (*.csv)"), f"{self._name}-{what}.csv"))
        ask_new_file(self, self.actions_[what].text(), lambda path: self.save(what, path), kinds=kind, name=name)

    def retranslate(self) -> None:
        names = {
            "picture": self.tr("Save the picture"),
            "numbers": self.tr("Save the numbers"),
            "line": self.tr("Save the numbers along the line"),
            "time": self.tr("Save the numbers over time"),
            "report": self.tr("Save a report page"),
        }
        for what, action in self.actions_.items():
            action.setText(names[what])
        self.setAccessibleName(self.tr("Save"))
        self.setToolTip(self.tr("Save"))
        self.setIcon(theme.icon("save"))

    def restyle(self) -> None:
        self.retranslate()


def picture_png(canvas: Canvas, scale: painting.Scale | None) -> bytes:
    """Return the whole frame with its marks, and the colour bar if there is one, as PNG."""
    frame = canvas.frame
    if frame is None:
        return b""
    image = canvas.render_whole(max(1, round(LONGEST / max(frame.width, frame.height))))
    if scale is not None:
        wide = QImage(image.width() + int(painting.SCALE_WIDTH), image.height(), QImage.Format.Format_RGB32)
        painter = QPainter(wide)
        painter.drawImage(QPoint(0, 0), image)
        painting.draw_scale(painter, QSizeF(wide.size()), scale)
        painter.end()
        image = wide
    return png_of(image)


def png_of(image: QImage) -> bytes:
    """Return a picture as PNG."""
    buffer = QBuffer()
    buffer.open(QIODevice.OpenModeFlag.WriteOnly)
    QImageWriter(buffer, b"png").write(image)
    return bytes(buffer.data().data())


def joined(tables: Sequence[str]) -> bytes:
    """Return tables of CSV one below the other, with an empty line between, for a spreadsheet."""
    return "\n".join(table for table in tables if table).encode("utf-8-sig")
