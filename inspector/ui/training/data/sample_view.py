"""The samples with their labels drawn: a page of thumbnails, or a single sample in full."""

from typing import Final, assert_never

import numpy as np
from PySide6.QtCore import QSize, Qt, Signal
from PySide6.QtGui import QIcon, QKeyEvent, QPixmap
from PySide6.QtWidgets import (
    QHBoxLayout,
    QLabel,
    QPushButton,
    QStackedWidget,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from inspector.core.types import IGNORE, Annotation, Boxes, ClassLabel, Label, MaskLabel, Region, TemperatureLabel
from inspector.imaging.colormaps import temperature_text
from inspector.ui.canvas.canvas import Canvas
from inspector.ui.canvas.interaction import Rect
from inspector.ui.canvas.overlays import NOTHING, BoxMark, ClassLayer, Overlays
from inspector.ui.shell import theme
from inspector.ui.shell.strings import class_name, translate
from inspector.ui.training.data.dataset_threads import Picture
from inspector.ui.training.data.thumbnail_grid import PictureGrid
from inspector.ui.widgets.boxes import plain
from inspector.ui.widgets.themed import Themed

PAGE: Final = 24  # pictures on a page
SIDE: Final = theme.SPACING * 18


def drawn_labels(truth: Annotation, classes: tuple[str, ...], *, words: bool) -> Overlays:
    """Return the labels of a picture as overlays; `words`: label boxes with their class."""
    found = NOTHING
    for label in truth.labels:
        match label:
            case Boxes():
                marks = []
                for index, (xyxy, kind) in enumerate(zip(label.xyxy.tolist(), label.classes.tolist(), strict=True)):
                    rect: Rect = (xyxy[0], xyxy[1], xyxy[2], xyxy[3])
                    marks.append(BoxMark(rect, kind, class_name(classes[kind]) if words else "", index))
                found += Overlays(boxes=tuple(marks))
            case MaskLabel(pixels):
                height, width = pixels.shape
                known = np.where(pixels == IGNORE, np.uint8(0), pixels)
                found += Overlays(layers=(ClassLayer(Region(0, 0, width, height), known),))
            case ClassLabel() | TemperatureLabel():
                pass
            case _:
                assert_never(label)
    return found


class SampleView(Themed, QWidget):
    """Pages of thumbnails. `page_wanted(first)` requests a page, `whole_wanted(index)` a single picture in full."""

    page_wanted = Signal(int)
    whole_wanted = Signal(int)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._classes: tuple[str, ...] = ()
        self._total = self._first = 0
        self._shown: Picture | None = None
        self._brush = Canvas(self)  # never on screen: draws the labels into the thumbnails
        self._brush.hide()
        self.grid = PictureGrid("samples", QSize(SIDE, SIDE), words=theme.SPACING * 5)
        self.grid.setTextElideMode(Qt.TextElideMode.ElideMiddle)
        self.grid.opened.connect(self.whole_wanted)
        self.canvas = Canvas()
        self.canvas.setObjectName("sample")
        self._caption = QLabel()
        self._caption.setTextFormat(Qt.TextFormat.PlainText)
        self._caption.setWordWrap(True)
        self.back = QPushButton()
        self.back.setObjectName("all_samples")
        self.back.clicked.connect(self.show_all)
        self._stack = QStackedWidget()
        self._stack.addWidget(self._make_grid())
        self._stack.addWidget(self._make_whole())
        plain(QVBoxLayout(self)).addWidget(self._stack)
        self.retranslate()

    def _make_grid(self) -> QWidget:
        self.previous, self.next, self._place = QToolButton(), QToolButton(), QLabel()
        for button, step in ((self.previous, -PAGE), (self.next, PAGE)):
            button.setMinimumSize(theme.TOUCH, theme.TOUCH)
            button.setIconSize(QSize(theme.ICON, theme.ICON))
            button.clicked.connect(lambda _=False, step=step: self._turn(step))
        row = plain(QHBoxLayout())
        row.addWidget(self._place, 1)
        row.addWidget(self.previous)
        row.addWidget(self.next)
        made = QWidget()
        box = plain(QVBoxLayout(made))
        box.addWidget(self.grid, 1)
        box.addLayout(row)
        return made

    def _make_whole(self) -> QWidget:
        row = plain(QHBoxLayout())
        row.addWidget(self._caption, 1)
        row.addWidget(self.back)
        made = QWidget()
        box = plain(QVBoxLayout(made))
        box.addLayout(row)
        box.addWidget(self.canvas, 1)
        return made

    def show_samples(self, total: int, classes: tuple[str, ...]) -> None:
        """Set the number of samples and their classes, and request the first page."""
        self._total, self._classes = total, classes
        self.show_all()
        self._go(0)

    def show_picture(self, picture: Picture) -> None:
        """Show a thumbnail of this page."""
        row = picture.index - self._first
        if self.grid.number(row) == picture.index:
            self.grid.show_picture(self.grid.item(row), QIcon(self._draw(picture)), picture.name, self._words(picture))

    def show_whole(self, picture: Picture) -> None:
        """Show a picture in full, with its labels."""
        self._shown = picture
        self.canvas.show_frame(picture.frame)
        self.canvas.set_overlays(drawn_labels(picture.truth, self._classes, words=True))
        self._stack.setCurrentIndex(1)
        self.retranslate()
        self.back.setFocus()

    def show_all(self) -> None:
        """Return to the page of thumbnails."""
        self._stack.setCurrentIndex(0)

    @property
    def whole(self) -> Picture | None:
        """The picture shown in full, or None."""
        return self._shown if self._stack.currentIndex() == 1 else None

    def _draw(self, picture: Picture) -> QPixmap:
        if picture.frame is None:
            return theme.icon("warning", "banner_border").pixmap(SIDE // 2, SIDE // 2)
        self._brush.show_frame(picture.frame)
        self._brush.set_overlays(drawn_labels(picture.truth, self._classes, words=False))
        return QPixmap.fromImage(self._brush.render_whole())

    def _words(self, picture: Picture) -> str:
        """Return the labels as text: the class, the classes of boxes, the temperature."""
        if picture.trouble is not None:
            return translate(picture.trouble.problem)
        return self._label_in_words(picture.truth.labels[0]) if picture.truth.labels else ""

    def _label_in_words(self, label: Label) -> str:
        match label:
            case ClassLabel(index):
                return class_name(self._classes[index])
            case Boxes():
                kinds = sorted(set(label.classes.tolist()))
                names = ", ".join(class_name(self._classes[kind]) for kind in kinds)
                return f"{len(label)} × {names}" if kinds else self.tr("no object")
            case MaskLabel(pixels):
                kinds = [kind for kind in range(len(self._classes)) if (pixels == kind + 1).any()]
                return ", ".join(class_name(self._classes[kind]) for kind in kinds) or self.tr("no defect")
            case TemperatureLabel(maximum):
                return self.tr("hottest {value}").format(value=temperature_text(maximum, "C"))
            case _:
                assert_never(label)

    def _go(self, first: int) -> None:
        self._first = min(max(0, first), max(0, (self._total - 1) // PAGE * PAGE))
        self.grid.clear()
        for index in range(self._first, min(self._first + PAGE, self._total)):
            self.grid.add(index)
        self.retranslate()
        if self._total:
            self.page_wanted.emit(self._first)

    def _turn(self, step: int) -> None:
        self._go(self._first + step)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() == Qt.Key.Key_Escape and self.whole is not None:
            self.show_all()
            self.grid.setFocus()
        else:
            super().keyPressEvent(event)

    def retranslate(self) -> None:
        self.grid.setAccessibleName(self.tr("Images with their labels"))
        last = min(self._first + PAGE, self._total)
        text = self.tr("{first} to {last} of {total}").format(first=self._first + 1, last=last, total=f"{self._total:,}")
        self._place.setText(text if self._total else "")
        self.previous.setEnabled(self._first > 0)
        self.next.setEnabled(last < self._total)
        self.previous.setAccessibleName(self.tr("Previous images"))
        self.next.setAccessibleName(self.tr("Next images"))
        for button, icon in ((self.previous, "previous"), (self.next, "next")):
            button.setToolTip(button.accessibleName())
            button.setIcon(theme.icon(icon))
        self.back.setText(self.tr("All images"))
        self.back.setAccessibleName(self.tr("All images"))
        self.canvas.setAccessibleName(self.tr("Image with its labels"))
        picture = self._shown
        if picture is not None:
            words = self._words(picture)
            self._caption.setText(f"{picture.name}  ·  {words}" if words else picture.name)

    def restyle(self) -> None:
        self.retranslate()
