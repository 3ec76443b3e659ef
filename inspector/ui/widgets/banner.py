"""Problems inside the page: a sentence, its remedy and a button. Never a dialog that must be closed while the line runs."""

from PySide6.QtCore import QEvent, QSize, Qt, Signal
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QPushButton, QToolButton, QVBoxLayout, QWidget

from inspector.core.message import Message
from inspector.ui.shell import theme
from inspector.ui.shell.strings import translate
from inspector.ui.widgets.themed import Themed


class Banner(Themed, QFrame):
    """One problem. `retry` and `dismissed` are emitted when its buttons are pressed."""

    retry = Signal()
    dismissed = Signal()

    def __init__(self, problem: Message, remedy: Message | None, *, retryable: bool, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("banner")
        self.problem, self.remedy = problem, remedy
        self._sign = QLabel()
        self._text = QLabel()
        self._text.setWordWrap(True)
        self._text.setTextFormat(Qt.TextFormat.PlainText)
        self._button = QPushButton(self)  # without a parent it would briefly be a window of its own
        self._button.clicked.connect(self.retry)
        self._button.setVisible(retryable)
        self._close = QToolButton(self)
        self._close.clicked.connect(self.dismissed)
        self._close.setFixedWidth(theme.TOUCH)
        self._close.setVisible(not retryable)
        row = QHBoxLayout(self)
        row.setContentsMargins(theme.SPACING * 2, theme.SPACING, theme.SPACING * 2, theme.SPACING)
        row.setSpacing(theme.SPACING * 2)
        row.addWidget(self._sign)
        row.addWidget(self._text, 1)
        row.addWidget(self._button)
        row.addWidget(self._close)
        self.retranslate()

    @property
    def text(self) -> str:
        return self._text.text()

    def retranslate(self) -> None:
        sentence = translate(self.problem)
        whole = f"{sentence} {translate(self.remedy)}" if self.remedy else sentence
        self._text.setText(whole)
        self.setAccessibleName(whole)
        self._button.setText(self.tr("Retry"))
        self._button.setAccessibleName(self.tr("Retry"))
        self._close.setAccessibleName(self.tr("Dismiss"))
        self._close.setToolTip(self.tr("Dismiss"))
        self.restyle()

    def restyle(self) -> None:
        size = QSize(theme.ICON, theme.ICON)
        self._sign.setPixmap(theme.icon("warning", "banner_border").pixmap(size))
        self._close.setIcon(theme.icon("close"))


class Banners(QWidget):
    """The current problems, newest at the bottom.

    The banners are overlays, so nothing moves when one appears. `retry` carries the key of the problem whose button was
    pressed.
    """

    retry = Signal(str)
    resized = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("banners")
        self._rows: dict[str, Banner] = {}
        self._box = QVBoxLayout(self)
        self._box.setContentsMargins(0, 0, 0, 0)
        self._box.setSpacing(theme.SPACING // 2)
        self.hide()

    def event(self, event: QEvent) -> bool:
        """Ask to be placed again when a text needs another height, which is known only after the banner was styled."""
        if event.type() == QEvent.Type.LayoutRequest:
            self.resized.emit()
        return super().event(event)

    def problems(self) -> dict[str, str]:
        """Return the text of each problem shown, by key."""
        return {key: row.text for key, row in self._rows.items()}

    def show_problem(self, key: str, problem: Message, remedy: Message | None = None, *, retryable: bool = True) -> None:
        """Show a problem; one with the same key is replaced."""
        shown = self._rows.get(key)
        if shown is not None and (shown.problem, shown.remedy) == (problem, remedy):
            return
        self._remove(key)
        row = Banner(problem, remedy, retryable=retryable)
        row.retry.connect(lambda: self.retry.emit(key))
        row.dismissed.connect(lambda: self.clear(key))
        self._rows[key] = row
        self._box.addWidget(row)
        self._settle()

    def clear(self, key: str) -> None:
        """Remove a problem."""
        self._remove(key)
        self._settle()

    def clear_all(self, prefix: str = "") -> None:
        """Remove all problems whose key starts with `prefix`."""
        for key in [key for key in self._rows if key.startswith(prefix)]:
            self._remove(key)
        self._settle()

    def _remove(self, key: str) -> None:
        row = self._rows.pop(key, None)
        if row is not None:
            self._box.removeWidget(row)
            row.hide()
            row.deleteLater()

    def _settle(self) -> None:
        self.setVisible(bool(self._rows))
        self.resized.emit()
