"""Flash and sound for an NG part, if the recipe wants them."""

import time
from collections.abc import Callable
from typing import Final

from PySide6.QtCore import QObject, QTimer, Signal
from PySide6.QtWidgets import QApplication

from inspector.recipes.recipe import Recipe

FLASH_MS: Final = 250  # of one phase: two flashes a second, fewer than the three that can harm people
PHASES: Final = 4
SOUND_S: Final = 1.0  # shortest time between two sounds


class Alarm(QObject):
    """Announces NG parts. `flashed(bool)`: exchange the colours, or show them as they are.

    The sound is that of the desktop, which needs no audio library.
    """

    flashed = Signal(bool)

    def __init__(self, parent: QObject | None = None, *, sound: Callable[[], None] = QApplication.beep) -> None:
        super().__init__(parent)
        self._sound = sound
        self._sounded = -SOUND_S
        self._phase = 0
        self._timer = QTimer(self)
        self._timer.setInterval(FLASH_MS)
        self._timer.timeout.connect(self._on_time)

    def ng(self, recipe: Recipe) -> None:
        """Announce an NG part that this recipe judged."""
        now = time.monotonic()
        if recipe.alarm.sound and now - self._sounded >= SOUND_S:
            self._sounded = now
            self._sound()
        if recipe.alarm.flash and not self._timer.isActive():
            self._phase = 0
            self._timer.start()
            self._on_time()

    def stop(self) -> None:
        """Show the colours as they are."""
        self._timer.stop()
        self.flashed.emit(False)

    def _on_time(self) -> None:
        self._phase += 1
        if self._phase > PHASES:
            self.stop()
        else:
            self.flashed.emit(self._phase % 2 == 1)
