"""Tells the service manager that the window is ready, and again and again that its event loop still runs.

A window whose loop hangs is silent; the manager then ends it and starts it again.
"""

from PySide6.QtCore import QObject, Qt, QTimer

from inspector.core.service import notify, watchdog_interval

_PER_INTERVAL = 3  # signs of life within the time after which silence counts as a hang


class Watchdog(QObject):
    """Sends READY once the event loop runs, then signs of life. Idle where the program is not a service."""

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        QTimer.singleShot(0, self, self._begin)

    def _begin(self) -> None:
        interval = watchdog_interval()
        if not notify("READY=1") or interval is None:
            return
        timer = QTimer(self)
        timer.setTimerType(Qt.TimerType.PreciseTimer)
        timer.timeout.connect(lambda: notify("WATCHDOG=1"))
        timer.start(max(1, round(interval * 1000 / _PER_INTERVAL)))
        notify("WATCHDOG=1")
