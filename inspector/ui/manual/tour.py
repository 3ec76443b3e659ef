"""The tour of the first start: four steps over the window, each about one page, to be skipped at any time."""

from typing import Final

from PySide6.QtCore import QSize, Signal
from PySide6.QtGui import QPainter, QPaintEvent
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from inspector.ui.shell import theme
from inspector.ui.widgets.boxes import plain
from inspector.ui.widgets.cover import Cover
from inspector.ui.widgets.themed import Themed

STEPS: Final = ("inspect", "review", "train", "recipes")  # the pages, in the order of the tour


class Tour(Themed, Cover):
    """`page_wanted` carries the page of the step on display; `ended`: the tour is over, or was skipped."""

    page_wanted = Signal(str)
    ended = Signal()

    def __init__(self, over: QWidget) -> None:
        super().__init__(over)
        self.setObjectName("tour")
        self._step = 0
        self._card = QFrame()
        self._card.setProperty("role", "card")
        self._count, self._title, self._text = QLabel(), QLabel(), QLabel()
        self._count.setProperty("role", "muted")
        self._title.setProperty("role", "title")
        self._text.setWordWrap(True)
        self._text.setMinimumHeight(theme.SPACING * 9)  # three lines, so that the card keeps its size over the steps
        self.skip, self.next = QPushButton(), QPushButton()
        self.next.setProperty("role", "primary")
        foot = plain(QHBoxLayout())
        foot.addWidget(self.skip)
        foot.addStretch(1)
        foot.addWidget(self.next)
        for button, name in ((self.skip, "skip_tour"), (self.next, "next_step")):
            button.setObjectName(name)
            button.setMinimumHeight(theme.TOUCH)
            button.setIconSize(QSize(theme.ICON, theme.ICON))
        box = QVBoxLayout(self._card)
        box.setContentsMargins(*(theme.SPACING * 3,) * 4)
        box.setSpacing(theme.SPACING * 2)
        for widget in (self._count, self._title, self._text):
            box.addWidget(widget)
        box.addLayout(foot)
        self._card.setFixedWidth(theme.SPACING * 66)
        across = plain(QHBoxLayout())
        across.addStretch(1)
        across.addWidget(self._card)
        across.addStretch(1)
        whole = QVBoxLayout(self)
        whole.setContentsMargins(*(theme.SPACING * 5,) * 4)
        whole.addStretch(1)
        whole.addLayout(across)
        self.skip.clicked.connect(self.end)
        self.next.clicked.connect(self._on_next)
        self.retranslate()

    @property
    def step(self) -> str:
        """The page of the step on display."""
        return STEPS[self._step]

    def open(self) -> None:
        """Begin with the first step."""
        self._show(0)
        self.uncover(True)
        self.next.setFocus()

    def end(self) -> None:
        """Hide the tour."""
        self.hide()
        self.ended.emit()

    def _on_next(self) -> None:
        if self._step + 1 < len(STEPS):
            self._show(self._step + 1)
        else:
            self.end()

    def _show(self, step: int) -> None:
        self._step = step
        self.retranslate()
        self.page_wanted.emit(STEPS[step])
        self.raise_()

    def retranslate(self) -> None:
        self.setAccessibleName(self.tr("Tour"))
        texts = {
            "inspect": (
                self.tr("The line"),
                self.tr(
                    "Here parts are inspected. What you see now is the demo line: the program draws its parts, and no "
                    "verdict is of a real one. Start is F5."
                ),
            ),
            "review": (
                self.tr("Your own pictures"),
                self.tr("Press Folder and open pictures of your own. Nothing judges them yet; the page leads to a training."),
            ),
            "train": (
                self.tr("Your own bundle"),
                self.tr("Quick look trains three minutes on your pictures. Judge my pictures then shows what it has learnt."),
            ),
            "recipes": (
                self.tr("Your own recipe"),
                self.tr("Cameras, regions and limits of a product are set here, with its picture in view. F1 helps anywhere."),
            ),
        }
        title, text = texts[self.step]
        self._count.setText(self.tr("{step} of {count}").format(step=self._step + 1, count=len(STEPS)))
        self._title.setText(title)
        self._text.setText(text)
        last = self._step + 1 == len(STEPS)
        for button, word in ((self.skip, self.tr("Skip the tour")), (self.next, self.tr("Done") if last else self.tr("Next"))):
            button.setText(word)
            button.setAccessibleName(word)
        self.restyle()

    def restyle(self) -> None:
        self.next.setIcon(theme.icon("next", "on_accent"))
        self.skip.setIcon(theme.icon("close"))

    def paintEvent(self, event: QPaintEvent) -> None:
        QPainter(self).fillRect(self.rect(), theme.current().color("veil"))
