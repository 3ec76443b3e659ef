"""The manual over the window: topics on the left, the text on the right."""

import re
from typing import Final

from PySide6.QtCore import QSignalBlocker, QSize, Qt, QUrl, Signal
from PySide6.QtGui import QImage, QMouseEvent, QPainter, QPaintEvent, QResizeEvent, QTextDocument
from PySide6.QtWidgets import (
    QFrame,
    QHBoxLayout,
    QListWidget,
    QListWidgetItem,
    QPushButton,
    QStackedWidget,
    QTextBrowser,
    QVBoxLayout,
    QWidget,
)

from inspector.core.storage.paths import resources
from inspector.ui.manual.about import AboutView
from inspector.ui.manual.topics import ABOUT, TOPICS, text_of, title_of
from inspector.ui.shell import theme
from inspector.ui.widgets.boxes import plain
from inspector.ui.widgets.cover import Cover
from inspector.ui.widgets.themed import Themed

_PICTURE_WIDTH: Final = 560
_PICTURE: Final = re.compile(r"!\[[^\]]+\]\(([\w.-]+)\)")  # Qt leaves out a picture without words


class _Text(QTextBrowser):
    resized = Signal()

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self.resized.emit()


class Manual(Themed, Cover):
    """Help for every job. `tour_wanted`: the tour of the first start is to be shown again."""

    tour_wanted = Signal()

    def __init__(self, over: QWidget) -> None:
        super().__init__(over)
        self.setObjectName("manual")
        self._card = QFrame()
        self._card.setProperty("role", "card")
        self.list = QListWidget()
        self.list.setObjectName("topics")
        self.list.setFixedWidth(theme.SPACING * 30)
        self.list.setWordWrap(True)
        self.text, self.about = _Text(), AboutView()
        self._pictures: dict[str, QImage] = {}  # of the topic on display
        self.text.setObjectName("manual_text")
        self.text.setOpenLinks(False)
        self.text.setFrameShape(QFrame.Shape.NoFrame)
        self.stack = QStackedWidget()
        self.stack.addWidget(self.text)
        self.stack.addWidget(self.about)
        self.tour, self.close_button = QPushButton(), QPushButton()
        self.tour.setObjectName("show_tour")
        self.close_button.setObjectName("close_help")
        self._arrange()
        self.list.currentRowChanged.connect(self._show)
        self.text.resized.connect(self._show_pictures)
        self.tour.clicked.connect(self._to_tour)
        self.close_button.clicked.connect(self.hide)
        self.retranslate()

    def _arrange(self) -> None:
        body = plain(QHBoxLayout(), theme.SPACING * 2)
        body.addWidget(self.list)
        body.addWidget(self.stack, 1)
        foot = plain(QHBoxLayout())
        foot.addWidget(self.tour)
        foot.addStretch(1)
        foot.addWidget(self.close_button)
        for button in (self.tour, self.close_button):
            button.setMinimumHeight(theme.TOUCH)
            button.setIconSize(QSize(theme.ICON, theme.ICON))
        box = QVBoxLayout(self._card)
        box.setContentsMargins(*(theme.SPACING * 3,) * 4)
        box.setSpacing(theme.SPACING * 2)
        box.addLayout(body, 1)
        box.addLayout(foot)
        whole = QHBoxLayout(self)
        whole.setContentsMargins(*(theme.SPACING * 5,) * 4)
        whole.addStretch(1)
        whole.addWidget(self._card, 20)
        whole.addStretch(1)

    @property
    def topic(self) -> str:
        """The topic on display."""
        return TOPICS[max(0, self.list.currentRow())]

    def open(self, topic: str = "start") -> None:
        """Show this topic."""
        self.list.setCurrentRow(TOPICS.index(topic))
        self._show(self.list.currentRow())
        self.uncover(True)
        self.list.setFocus()

    def _show(self, row: int) -> None:
        if row < 0:
            return
        about = TOPICS[row] == ABOUT
        self.stack.setCurrentIndex(int(about))
        if about:
            self.about.refresh()
        else:
            self._show_text(text_of(TOPICS[row]))

    def _show_text(self, markdown: str) -> None:
        """Show a text with its pictures."""
        pictures = {name: QImage(str(resources() / "screenshots" / name)) for name in _PICTURE.findall(markdown)}
        self._pictures = {name: picture for name, picture in pictures.items() if not picture.isNull()}
        self.text.setMarkdown(markdown)
        self._show_pictures()

    def _show_pictures(self) -> None:
        """Show the pictures as wide as there is room, but not wider than they are easily read."""
        document = self.text.document()
        width = min(_PICTURE_WIDTH, self.text.viewport().width() - 2 * round(document.documentMargin()))
        for name, picture in self._pictures.items():
            small = picture.scaledToWidth(max(width, 1), Qt.TransformationMode.SmoothTransformation)
            document.addResource(QTextDocument.ResourceType.ImageResource, QUrl(name), small)
        document.markContentsDirty(0, document.characterCount())

    def _to_tour(self) -> None:
        self.hide()
        self.tour_wanted.emit()

    def close_workers(self) -> None:
        """End a check that is under way."""
        self.about.close_workers()

    def retranslate(self) -> None:
        self.setAccessibleName(self.tr("Help"))
        self.list.setAccessibleName(self.tr("Topics"))
        self.text.setAccessibleName(self.tr("Help"))
        row = max(0, self.list.currentRow())
        with QSignalBlocker(self.list):
            self.list.clear()
            for topic in TOPICS:
                item = QListWidgetItem(title_of(topic))
                item.setSizeHint(QSize(0, theme.TOUCH))
                self.list.addItem(item)
            self.list.setCurrentRow(row)
        self._show(row)
        for button, text in ((self.tour, self.tr("Show the tour")), (self.close_button, self.tr("Close"))):
            button.setText(text)
            button.setAccessibleName(text)
        self.restyle()

    def restyle(self) -> None:
        self.tour.setIcon(theme.icon("start"))
        self.close_button.setIcon(theme.icon("close"))

    def mousePressEvent(self, event: QMouseEvent) -> None:
        if not self._card.geometry().contains(event.position().toPoint()):
            self.hide()

    def paintEvent(self, event: QPaintEvent) -> None:
        QPainter(self).fillRect(self.rect(), theme.current().color("veil"))
