"""A button that acts only when it is held, so that a sleeve or a brush does nothing."""

from typing import Final

from PySide6.QtCore import QElapsedTimer, QEvent, QRectF, Qt, QTimer, Signal
from PySide6.QtGui import QFocusEvent, QHideEvent, QKeyEvent, QMouseEvent, QPainter, QPaintEvent
from PySide6.QtWidgets import QPushButton, QWidget

from inspector.ui.shell import theme

HOLD_MS: Final = 800
_TICK_MS: Final = 40
_KEYS: Final = (Qt.Key.Key_Space, Qt.Key.Key_Return, Qt.Key.Key_Enter)


class HoldButton(QPushButton):
    """Emits `held` once it has been pressed for `HOLD_MS`, by a finger, the mouse or a key. Fills up meanwhile."""

    held = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._clock = QElapsedTimer()
        self._timer = QTimer(self)
        self._timer.setInterval(_TICK_MS)
        self._timer.timeout.connect(self._on_tick)

    @property
    def share(self) -> float:
        """How much of the time it has been held, 0..1."""
        return min(self._clock.elapsed() / HOLD_MS, 1.0) if self._timer.isActive() else 0.0

    def begin(self) -> None:
        """Begin to hold it; a button that cannot be pressed now stays as it is."""
        if self.isVisible() and self.isEnabled():
            self.setDown(True)
            self._clock.start()
            self._timer.start()

    def end(self) -> None:
        """Let it go."""
        self._timer.stop()
        self.setDown(False)
        self.update()

    def _on_tick(self) -> None:
        if self._clock.elapsed() >= HOLD_MS:
            self.end()
            self.held.emit()
        self.update()

    def mousePressEvent(self, event: QMouseEvent) -> None:
        super().mousePressEvent(event)
        if event.button() == Qt.MouseButton.LeftButton:
            self.begin()

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        super().mouseMoveEvent(event)
        if self._timer.isActive() and not self.rect().contains(event.position().toPoint()):
            self.end()

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        super().mouseReleaseEvent(event)
        self.end()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() in _KEYS:
            if not event.isAutoRepeat():
                self.begin()
            return
        super().keyPressEvent(event)

    def keyReleaseEvent(self, event: QKeyEvent) -> None:
        if event.key() in _KEYS:
            if not event.isAutoRepeat():
                self.end()
            return
        super().keyReleaseEvent(event)

    def focusOutEvent(self, event: QFocusEvent) -> None:
        super().focusOutEvent(event)
        self.end()

    def hideEvent(self, event: QHideEvent) -> None:
        super().hideEvent(event)
        self.end()

    def event(self, event: QEvent) -> bool:
        """Let it go when another window comes in front: the key or the finger is lifted there."""
        if event.type() == QEvent.Type.WindowDeactivate:
            self.end()
        return super().event(event)

    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        if event.type() == QEvent.Type.EnabledChange:
            self.end()

    def paintEvent(self, event: QPaintEvent) -> None:
        super().paintEvent(event)
        if self.share > 0:
            painter = QPainter(self)
            color = theme.current().color("accent")
            color.setAlphaF(0.45)
            painter.fillRect(QRectF(0, 0, self.width() * self.share, self.height()), color)
