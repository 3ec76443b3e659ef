"""The worst errors of a run: the truth, the prediction, and where the network looked."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from PySide6.QtCore import QEvent, QSize, Qt
from PySide6.QtGui import QIcon, QImageReader, QPainter, QPixmap, QResizeEvent
from PySide6.QtWidgets import (
    QHBoxLayout,
    QLabel,
    QPushButton,
    QSizePolicy,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from inspector.runs.report import Worst
from inspector.ui.shell import theme
from inspector.ui.shell.strings import is_language_change
from inspector.ui.training.data.thumbnail_grid import PictureGrid
from inspector.ui.training.labels import label_word
from inspector.ui.widgets.boxes import plain
from inspector.ui.widgets.themed import Themed

SIDE: Final = theme.SPACING * 16
_COUNTED: Final = re.compile(r"^\d+ | \d+ px$")


def mentions(said: str, label: str) -> bool:
    """Return whether a picture's description ("scratch", "2 scratch, 1 dent", "dent 40 px", "-") contains this class."""
    if label == "(none)":
        return said == "-"
    return label in {_COUNTED.sub("", part) for part in said.split(", ")}


class Picture(QLabel):
    """An image file, as large as fits, but never larger than its own resolution."""

    def __init__(self) -> None:
        super().__init__()
        self._pixmap = QPixmap()
        self.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.setMinimumSize(SIDE, SIDE)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Ignored)

    def show_file(self, path: Path | None) -> None:
        self._pixmap = QPixmap(str(path)) if path is not None else QPixmap()
        self._fit()

    def _fit(self) -> None:
        if self._pixmap.isNull():
            self.clear()
            return
        keep, smooth = Qt.AspectRatioMode.KeepAspectRatio, Qt.TransformationMode.SmoothTransformation
        self.setPixmap(self._pixmap.scaled(self.size(), keep, smooth))

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._fit()


class WorstView(Themed, QWidget):
    """Thumbnails, the worst first, or a single picture in full."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._worst: tuple[Worst, ...] = ()
        self._folder = Path()
        self._cell: tuple[str, str] | None = None
        self._shown = -1
        self._note = QLabel()
        self._note.setWordWrap(True)
        self._note.setTextFormat(Qt.TextFormat.PlainText)
        self.everything, self.back = QPushButton(), QPushButton()
        self.everything.setObjectName("all_errors")
        self.everything.clicked.connect(lambda: self.show_cell(None))
        self.back.setObjectName("back_to_errors")
        self.back.clicked.connect(self.show_list)
        self.list = PictureGrid("worst", QSize(2 * SIDE, SIDE), words=theme.SPACING * 8)
        self.list.setWordWrap(True)
        self.list.opened.connect(self._open)
        self.picture, self.heat, self._caption = Picture(), Picture(), QLabel()
        self._caption.setWordWrap(True)
        self._caption.setTextFormat(Qt.TextFormat.PlainText)
        self._caption.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self._stack = QStackedWidget()
        self._stack.addWidget(self._make_list())
        self._stack.addWidget(self._make_whole())
        plain(QVBoxLayout(self)).addWidget(self._stack)
        self.retranslate()

    def _make_list(self) -> QWidget:
        row = plain(QHBoxLayout())
        row.addWidget(self._note, 1)
        row.addWidget(self.everything)
        made = QWidget()
        box = plain(QVBoxLayout(made))
        box.addLayout(row)
        box.addWidget(self.list, 1)
        return made

    def _make_whole(self) -> QWidget:
        row = plain(QHBoxLayout())
        row.addWidget(self._caption, 1)
        row.addWidget(self.back)
        pictures = plain(QHBoxLayout(), theme.SPACING * 2)
        pictures.addWidget(self.picture, 1)
        pictures.addWidget(self.heat, 1)
        made = QWidget()
        box = plain(QVBoxLayout(made))
        box.addLayout(row)
        box.addLayout(pictures, 1)
        return made

    def show_worst(self, worst: Sequence[Worst], folder: Path) -> None:
        """Show these errors; their pictures lie in the run's `folder`."""
        self._worst, self._folder = tuple(worst), folder
        self.show_cell(None)

    def show_cell(self, cell: tuple[str, str] | None) -> None:
        """Show only pictures of this (truth, said) pair; None: all."""
        self._cell = cell
        self.list.clear()
        for index, one in enumerate(self._worst):
            if cell is None or (mentions(one.truth, cell[0]) and mentions(one.said, cell[1])):
                self.list.show_picture(self.list.add(index), QIcon(self._both(one)), one.sample, self._words(one))
        self.show_list()
        self._tell()

    def show_list(self) -> None:
        """Return to the thumbnails."""
        self._shown = -1
        self._stack.setCurrentIndex(0)

    @property
    def shown(self) -> Worst | None:
        """The error shown in full."""
        return self._worst[self._shown] if self._shown >= 0 else None

    @property
    def note(self) -> str:
        return self._note.text()

    def _both(self, one: Worst) -> QPixmap:
        """Return the picture and its heat map, side by side."""
        whole = QPixmap(2 * SIDE, SIDE)
        whole.fill(Qt.GlobalColor.transparent)
        painter = QPainter(whole)
        for place, name in enumerate((one.image, one.heat)):
            part = _small(self._inside(name))
            painter.drawPixmap(place * SIDE + (SIDE - part.width()) // 2, (SIDE - part.height()) // 2, part)
        painter.end()
        return whole

    def _inside(self, name: str) -> Path | None:
        """Return a file named in the report if it lies in the run's folder: a foreign report must not show other files."""
        path = (self._folder / name).resolve()
        return path if name and path.is_relative_to(self._folder.resolve()) and path.is_file() else None

    def _words(self, one: Worst) -> str:
        text = self.tr("{truth}, said to be {said} ({score:.2f})")
        truth, said = (label_word("(none)" if part == "-" else part) for part in (one.truth, one.said))
        return text.format(truth=truth, said=said, score=one.score)

    def _open(self, number: int) -> None:
        self._shown = number
        one = self._worst[self._shown]
        self.picture.show_file(self._inside(one.image))
        heat = self._inside(one.heat)
        self.heat.setVisible(heat is not None)
        self.heat.show_file(heat)
        self._caption.setText(f"{one.sample}\n{self._words(one)}")
        self._stack.setCurrentIndex(1)
        self.back.setFocus()

    def _tell(self) -> None:
        if self._cell is None:
            text = self.tr("The worst errors first. Left: the image; right: where the network looked.")
            if not self._worst:
                text = self.tr("No error was found in the test images.")
        else:
            truth, said = (label_word(part) for part in self._cell)
            text = self.tr("{truth}, said to be {said}: {count} of the {total} errors that the report keeps.")
            text = text.format(truth=truth, said=said, count=self.list.count(), total=len(self._worst))
        self._note.setText(text)
        self.everything.setVisible(self._cell is not None)

    def retranslate(self) -> None:
        self.list.setAccessibleName(self.tr("Worst errors"))
        for button, text in ((self.everything, self.tr("All errors")), (self.back, self.tr("Back"))):
            button.setText(text)
            button.setAccessibleName(text)
        self._tell()

    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        if is_language_change(event):
            self.show_cell(self._cell)


def _small(path: Path | None) -> QPixmap:
    """Return a picture file, decoded at display size."""
    if path is None:
        return QPixmap()
    reader = QImageReader(str(path))
    size = reader.size()
    if size.isValid():
        reader.setScaledSize(size.scaled(SIDE - theme.SPACING, SIDE, Qt.AspectRatioMode.KeepAspectRatio))
    return QPixmap.fromImage(reader.read())
