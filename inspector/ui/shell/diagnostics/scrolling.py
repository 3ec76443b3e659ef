"""`python -m` this module with a folder: how long the gallery of that archive keeps a person waiting while it scrolls.

It prints one line of JSON: the waits of the event loop at rest and while the gallery scrolls from its first part to its last,
and how much memory that took.
"""

import json
import sys
import time
from pathlib import Path
from typing import Final

import psutil
from PySide6.QtCore import Qt, QTimer

from inspector.core.storage.temporary import temporary_folder
from inspector.ui.archive.asking import ArchiveSource
from inspector.ui.archive.page import ArchivePage
from inspector.ui.shell import theme
from inspector.ui.shell.app import application
from inspector.ui.shell.diagnostics.measure import PERIOD_MS, SIZE, spread
from inspector.ui.shell.settings import Settings

REST_S: Final = 3.0
STEPS: Final = 1200  # places at which the gallery is painted on its way
STOPS: Final = 12  # at which the person looks until all pictures are there
STOP_S: Final = 0.5
PATIENCE_S: Final = 600.0


class Scroll:
    """Ticks of the event loop at rest, then from the first part to the last."""

    def __init__(self, page: ArchivePage) -> None:
        self._page = page
        self.rest: list[float] = []
        self.ran: list[float] = []
        self._step = 0
        self._until = 0.0  # the stop at which it is ends then
        self._process = psutil.Process()
        self.start_bytes = self.most_bytes = 0

    def tick(self) -> bool:
        """Note a tick and scroll on; return whether the last part is reached."""
        now = time.monotonic()
        if not self.rest or now - self.rest[0] < REST_S:
            self.rest.append(now)
            self.start_bytes = self._process.memory_info().rss
            return False
        self.ran.append(now)
        if now < self._until:
            return False
        self.most_bytes = max(self.most_bytes, self._process.memory_info().rss)
        self._step += 1
        bar = self._page.gallery.verticalScrollBar()
        bar.setValue(round(bar.maximum() * self._step / STEPS))
        if self._step % (STEPS // STOPS) == 0:
            self._until = now + STOP_S
        return self._step >= STEPS


def main(folder: str) -> None:
    """Print {"rest_p50_ms", "rest_p99_ms", "p50_ms", "p99_ms", "max_ms", "seconds", "parts", "start_mb", "memory_mb"}."""
    app = application()
    theme.apply(app, "light")
    with temporary_folder() as place:
        page = ArchivePage(Settings(place / "window.toml"), ArchiveSource(Path(folder)))
        page.resize(*SIZE)
        page.show()
        scroll = Scroll(page)

        def tick() -> None:
            ready = len(page.parts) and not page.busy and not page.counter.busy
            if (ready or scroll.rest) and scroll.tick():
                app.exit()

        timer = QTimer(page)
        timer.setTimerType(Qt.TimerType.PreciseTimer)
        timer.timeout.connect(tick)
        timer.start(round(PERIOD_MS))
        QTimer.singleShot(round(1000 * PATIENCE_S), app.exit)
        app.exec()
        parts = len(page.parts)
        page.close_workers()
    megabyte = 1024 * 1024
    said = {
        **spread(scroll.rest, scroll.ran),
        "seconds": scroll.ran[-1] - scroll.ran[0],
        "parts": parts,
        "start_mb": scroll.start_bytes / megabyte,
        "memory_mb": (scroll.most_bytes - scroll.start_bytes) / megabyte,
    }
    sys.stdout.write(json.dumps(said) + "\n")


if __name__ == "__main__":
    main(sys.argv[1])
