"""The table of keys, from which the actions and the help page are made."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from PySide6.QtCore import QCoreApplication, Qt
from PySide6.QtGui import QKeySequence, QMouseEvent, QPainter, QPaintEvent
from PySide6.QtWidgets import QFrame, QGridLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from inspector.ui.shell import theme
from inspector.ui.shell.strings import later
from inspector.ui.widgets.cover import Cover
from inspector.ui.widgets.themed import Themed


@dataclass(frozen=True, slots=True)
class Shortcut:
    """`name` of the action, its keys, and its effect in words."""

    name: str
    keys: str
    words: str


SHORTCUTS: Final = (
    Shortcut("start", "F5", later("Shortcuts", "Start inspecting")),
    Shortcut("stop", "Shift+F5", later("Shortcuts", "Stop inspecting")),
    Shortcut("trigger", "F8", later("Shortcuts", "Inspect one part now")),
    Shortcut("live", "Ctrl+L", later("Shortcuts", "Back to live")),
    Shortcut("older_ng", "Ctrl+Right", later("Shortcuts", "Hold the next older NG part")),
    Shortcut("newer_ng", "Ctrl+Left", later("Shortcuts", "Hold the next newer NG part")),
    Shortcut("page_inspect", "Ctrl+1", later("Shortcuts", "Inspect page")),
    Shortcut("page_review", "Ctrl+2", later("Shortcuts", "Review page")),
    Shortcut("page_train", "Ctrl+3", later("Shortcuts", "Train page")),
    Shortcut("page_recipes", "Ctrl+4", later("Shortcuts", "Recipes page")),
    Shortcut("page_settings", "Ctrl+5", later("Shortcuts", "Settings page")),
    Shortcut("next_tab", "Ctrl+Tab", later("Shortcuts", "Next view")),
    Shortcut("previous_tab", "Ctrl+Shift+Tab", later("Shortcuts", "Previous view")),
    Shortcut("open_image", "Ctrl+O", later("Shortcuts", "Review an image")),
    Shortcut("open_folder", "Ctrl+Shift+O", later("Shortcuts", "Review a folder of images")),
    Shortcut("open_video", "Ctrl+Alt+O", later("Shortcuts", "Review a video")),
    Shortcut("open_recipe", "Ctrl+R", later("Shortcuts", "Open a recipe")),
    Shortcut("fullscreen", "F11", later("Shortcuts", "Operator view on the full screen, and back")),
    Shortcut("leave", "Esc", later("Shortcuts", "Leave the full screen, the held part or this help")),
    Shortcut("help", "F1", later("Shortcuts", "What the keys do")),
    Shortcut("quit", "Ctrl+Q", later("Shortcuts", "Quit")),
)


# Keys that a widget handles itself, listed for the help page only.
REVIEW_KEYS: Final = (
    Shortcut("", "Left / Right", later("Shortcuts", "Previous, next part")),
    Shortcut("", "Home / End", later("Shortcuts", "First, last part")),
    Shortcut("", "Space", later("Shortcuts", "Play and pause")),
    Shortcut("", "N / Shift+N", later("Shortcuts", "Next, previous NG part")),
)
PICTURE_KEYS: Final = (
    Shortcut("", "F / 0", later("Shortcuts", "The whole frame")),
    Shortcut("", "1", later("Shortcuts", "One pixel of the frame on one of the screen")),
    Shortcut("", "+ / −", later("Shortcuts", "Zoom in, zoom out")),
    Shortcut("", "Shift+← ↑ → ↓", later("Shortcuts", "Move the view")),
)


class HelpOverlay(Themed, Cover):
    """The table of keys over the whole window. A press outside the table closes it."""

    def __init__(self, over: QWidget) -> None:
        super().__init__(over)
        self.setObjectName("help_overlay")
        self._card = QFrame()
        self._card.setProperty("role", "card")
        self._title = QLabel()
        self._title.setProperty("role", "title")
        self._rows: list[tuple[QLabel, Shortcut]] = []
        self._groups: list[QLabel] = []
        grid = QGridLayout()
        grid.setHorizontalSpacing(theme.SPACING * 3)
        grid.setVerticalSpacing(theme.SPACING)
        half = (len(SHORTCUTS) + 1) // 2
        self._add(grid, 0, 0, SHORTCUTS[:half])
        self._add(grid, 0, 2, SHORTCUTS[half:])
        for column, keys in ((0, REVIEW_KEYS), (2, PICTURE_KEYS)):
            heading = QLabel()
            heading.setProperty("role", "muted")
            grid.addWidget(heading, half, column, 1, 2)
            self._groups.append(heading)
            self._add(grid, half + 1, column, keys)
        self._mouse = QLabel()
        self._mouse.setProperty("role", "muted")
        self._mouse.setWordWrap(True)
        self._close = QPushButton()
        self._close.setObjectName("close_help")
        self._close.clicked.connect(self.hide)
        card = QVBoxLayout(self._card)
        card.setContentsMargins(*(theme.SPACING * 4,) * 4)
        card.setSpacing(theme.SPACING * 3)
        card.addWidget(self._title)
        card.addLayout(grid)
        card.addWidget(self._mouse)
        card.addWidget(self._close, 0, Qt.AlignmentFlag.AlignRight)
        whole = QVBoxLayout(self)
        whole.addWidget(self._card, 0, Qt.AlignmentFlag.AlignCenter)
        self.retranslate()

    def _add(self, grid: QGridLayout, top: int, column: int, shortcuts: Sequence[Shortcut]) -> None:
        for row, shortcut in enumerate(shortcuts, start=top):
            keys, words = QLabel(), QLabel()
            native = QKeySequence(shortcut.keys).toString(QKeySequence.SequenceFormat.NativeText)
            keys.setText(native if shortcut.name else shortcut.keys)
            keys.setProperty("role", "strong")
            grid.addWidget(keys, row, column)
            grid.addWidget(words, row, column + 1)
            self._rows.append((words, shortcut))

    def open(self) -> None:
        """Show the table."""
        self.uncover(True)
        self._close.setFocus()

    def retranslate(self) -> None:
        self._title.setText(self.tr("Keys"))
        self.setAccessibleName(self.tr("Keys"))
        for label, shortcut in self._rows:
            label.setText(QCoreApplication.translate("Shortcuts", shortcut.words))
        for heading, text in zip(self._groups, (self.tr("On the review page"), self.tr("In a picture")), strict=True):
            heading.setText(text)
        self._mouse.setText(
            self.tr("In a picture the wheel and two fingers zoom, dragging moves, a double click shows all of it.")
        )
        self._close.setText(self.tr("Close"))
        self._close.setAccessibleName(self.tr("Close"))

    def mousePressEvent(self, event: QMouseEvent) -> None:
        if not self._card.geometry().contains(event.position().toPoint()):
            self.hide()

    def paintEvent(self, event: QPaintEvent) -> None:
        QPainter(self).fillRect(self.rect(), theme.current().color("veil"))
