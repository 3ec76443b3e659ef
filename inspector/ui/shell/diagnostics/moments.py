"""Moments at which a starting window has shown its contents, in seconds of `time.monotonic()`, shared by all programs."""

import time
from typing import TYPE_CHECKING, Final

from PySide6.QtCore import QCoreApplication, QObject, QTimer

from inspector.ui.shell.main_window import MainWindow

if TYPE_CHECKING:
    from inspector.ui.review.thread import Shown

TICK_MS: Final = 5


class Moments(QObject):
    """Stores moments in `moments`, then ends the program.

    `window`: the window had painted itself. `picture`: the requested picture was painted, by whatever decoder. `page`: the
    review page had painted the inspected frame and could be used. `verdict`: that part had its verdict. `held`: longest time in
    seconds in between during which the event loop did not run.
    """

    def __init__(self, window: MainWindow, moments: dict[str, float]) -> None:
        super().__init__(window)
        self._window, self._moments = window, moments
        self._ticked = 0.0
        self._timer = QTimer(self)
        self._timer.setInterval(TICK_MS)
        self._timer.timeout.connect(self._tick)
        window.pages.opening.painted.connect(lambda: QTimer.singleShot(0, self, self._on_window))
        window.pages.loaded.connect(self._on_loaded)

    def _on_window(self) -> None:
        self._note("window")
        if self._window.pages.opening.picture is not None:
            self._note("picture")
        self._ticked = time.monotonic()
        self._timer.start()

    def _on_loaded(self, name: str) -> None:
        if name == "review":
            self._window.review.thread_.shown.connect(self._on_shown)
            self._window.review.thread_.troubled.connect(lambda _trouble: QCoreApplication.exit(1))

    def _on_shown(self, shown: "Shown") -> None:
        final = shown.final
        QTimer.singleShot(0, self, lambda: self._on_page(final=final))

    def _on_page(self, *, final: bool) -> None:
        self._window.repaint()
        self._note("picture")
        self._note("page")
        if final:
            self._note("verdict")
            self._tick()
            QCoreApplication.exit(0)

    def _note(self, what: str) -> None:
        self._moments.setdefault(what, time.monotonic())

    def _tick(self) -> None:
        now = time.monotonic()
        self._moments["held"] = max(self._moments.get("held", 0.0), now - self._ticked)
        self._ticked = now
