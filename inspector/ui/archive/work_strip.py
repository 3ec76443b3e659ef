"""What is being written, how far it is, its end, and a button that stops it."""

import threading
from collections.abc import Callable

from PySide6.QtCore import QObject, QSize, Qt, Signal
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QProgressBar, QPushButton, QWidget

from inspector.core.errors import InspectorError
from inspector.ui.shell import theme
from inspector.ui.widgets.themed import Themed

Step = Callable[[int, int], None]


class Progress(QObject):
    """Counts on the thread that works. `moved` carries how much is done of how much."""

    moved = Signal(int, int)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._stop = threading.Event()

    def begin(self, *, keeps: bool = False) -> Step:
        """Begin another work; return what it calls with how far it is, which raises InspectorError when it is to stop.

        `keeps`: what is done of it stays when it is stopped. A work that was stopped before stays so.
        """
        self._stop = stop = threading.Event()

        def step(done: int, of: int) -> None:
            if stop.is_set():
                if keeps:
                    raise InspectorError("It was stopped. What was judged is kept, and it goes on from there.")
                raise InspectorError("It was stopped, and nothing is left of it.")
            if done % 20 == 0 or done == of:
                self.moved.emit(done, of)

        return step

    def stop(self) -> None:
        """Have the work end at its next step."""
        self._stop.set()


class WorkStrip(Themed, QFrame):
    """One line; hidden while there is nothing to say."""

    stopped = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setProperty("role", "card")
        self.text = QLabel()
        self.text.setWordWrap(True)
        self.text.setTextFormat(Qt.TextFormat.PlainText)
        self.bar = QProgressBar()
        self.bar.setTextVisible(False)
        self.stop, self.close_button = QPushButton(), QPushButton()
        for button, name in ((self.stop, "work_stop"), (self.close_button, "work_close")):
            button.setObjectName(name)
            button.setMinimumHeight(theme.TOUCH)
            button.setIconSize(QSize(theme.ICON, theme.ICON))
        row = QHBoxLayout(self)
        row.setContentsMargins(theme.SPACING * 2, theme.SPACING // 2, theme.SPACING, theme.SPACING // 2)
        row.setSpacing(theme.SPACING)
        row.addWidget(self.text, 2)
        row.addWidget(self.bar, 1)
        row.addWidget(self.stop)
        row.addWidget(self.close_button)
        self.stop.clicked.connect(self.stopped)
        self.close_button.clicked.connect(self.hide)
        self.hide()
        self.retranslate()

    def begin(self, text: str) -> None:
        """Say what is being done."""
        self.text.setText(text)
        self.bar.setRange(0, 0)
        self._show(working=True)

    def show_progress(self, done: int, of: int) -> None:
        """Say how far it is."""
        self.bar.setRange(0, of)
        self.bar.setValue(done)

    def end(self, text: str) -> None:
        """Say how it ended."""
        self.text.setText(text)
        self._show(working=False)

    def _show(self, *, working: bool) -> None:
        self.bar.setVisible(working)
        self.stop.setVisible(working)
        self.close_button.setVisible(not working)
        self.show()

    def retranslate(self) -> None:
        self.setAccessibleName(self.tr("Work in progress"))
        for button, text in ((self.stop, self.tr("Stop")), (self.close_button, self.tr("Close"))):
            button.setText(text)
            button.setAccessibleName(text)
        self.restyle()

    def restyle(self) -> None:
        self.stop.setIcon(theme.icon("stop"))
        self.close_button.setIcon(theme.icon("close"))
