"""The newest predictions on validation images in a row; a press enlarges one."""

from collections.abc import Sequence
from typing import Final

from PySide6.QtCore import Qt
from PySide6.QtGui import QIcon, QMouseEvent, QPainter, QPaintEvent, QPixmap
from PySide6.QtWidgets import QHBoxLayout, QLabel, QScrollArea, QToolButton, QVBoxLayout, QWidget

from inspector.ui.shell import theme
from inspector.ui.training.run.bridge import SamplePicture
from inspector.ui.widgets.boxes import plain
from inspector.ui.widgets.cover import Cover
from inspector.ui.widgets.themed import Themed

SIDE: Final = theme.SPACING * 13
_WIDEST: Final = SIDE * 3


class SampleStrip(Themed, QWidget):
    """The strip of pictures, hidden while there are none."""

    def __init__(self, over: QWidget, parent: QWidget | None = None) -> None:
        """Create the strip. `over`: the widget that an enlarged picture covers."""
        super().__init__(parent)
        self.large = LargePicture(over)
        self._pictures: tuple[SamplePicture, ...] = ()
        self._title = QLabel()
        self._title.setProperty("role", "strong")
        self.buttons: list[QToolButton] = []
        inside = QWidget()
        self._row = plain(QHBoxLayout(inside))
        self._row.addStretch(1)
        area = QScrollArea()
        area.setWidget(inside)
        area.setWidgetResizable(True)
        area.setFrameShape(QScrollArea.Shape.NoFrame)
        area.setFixedHeight(SIDE + theme.SPACING * 3)
        area.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        for layer in (inside, area.viewport()):
            layer.setAutoFillBackground(False)
        box = plain(QVBoxLayout(self), theme.SPACING // 2)
        box.addWidget(self._title)
        box.addWidget(area)
        self.hide()
        self.retranslate()

    def show_pictures(self, pictures: Sequence[SamplePicture]) -> None:
        """Show these pictures."""
        self._pictures = tuple(pictures)
        for place in range(len(self.buttons), len(pictures)):
            button = QToolButton()
            button.clicked.connect(lambda _=False, place=place: self._enlarge(place))
            self._row.insertWidget(place, button)
            self.buttons.append(button)
        for place, button in enumerate(self.buttons):
            button.setVisible(place < len(pictures))
            if place < len(pictures):
                image = pictures[place].image
                size = image.size().scaled(_WIDEST, SIDE - theme.SPACING, Qt.AspectRatioMode.KeepAspectRatio)
                button.setIconSize(size)
                button.setFixedSize(size.width() + theme.SPACING, SIDE)
                button.setIcon(QIcon(QPixmap.fromImage(image)))
        self.setVisible(bool(pictures))
        self.retranslate()

    def _enlarge(self, place: int) -> None:
        self.large.show_picture(self._pictures[place])

    def retranslate(self) -> None:
        self._title.setText(self.tr("Predictions on validation images"))
        for place, button in enumerate(self.buttons, start=1):
            button.setAccessibleName(self.tr("Prediction {number}").format(number=place))
            button.setToolTip(self.tr("Show it large"))


class LargePicture(Cover):
    """An enlarged picture over the page. A press or Escape closes it."""

    def __init__(self, over: QWidget) -> None:
        super().__init__(over)
        self.setObjectName("large_sample")
        self._picture: SamplePicture | None = None

    def show_picture(self, picture: SamplePicture) -> None:
        """Show the picture."""
        self._picture = picture
        self.setAccessibleName(picture.file.name)
        self.uncover(True)
        self.setFocus()

    def mousePressEvent(self, event: QMouseEvent) -> None:
        self.uncover(False)

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.fillRect(self.rect(), theme.current().color("veil"))
        if self._picture is not None:
            room = self.rect().adjusted(*(theme.SPACING * 4,) * 2, *(-theme.SPACING * 4,) * 2)
            size = self._picture.image.size().scaled(room.size(), Qt.AspectRatioMode.KeepAspectRatio)
            place = room.adjusted(0, 0, 0, 0)
            place.setSize(size)
            place.moveCenter(room.center())
            painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
            painter.drawImage(place, self._picture.image)
        painter.end()
