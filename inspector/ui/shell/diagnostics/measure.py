"""Window measurements of `inspector bench`, as separate programs that print one line of JSON each.

`python -m` this module with `stall SECONDS`: how long the event loop keeps a person waiting while the demo line is inspected
at full speed. `looking FOLDER`: the same for the dialog of a new training while it surveys a folder. `bare FILE`:
when a bare Qt window has shown a picture, as a reference for the program's own start.
"""

import json
import os
import sys
import time
from collections.abc import Callable, Mapping
from itertools import pairwise
from pathlib import Path

PERIOD_MS = 4.0  # interval between two ticks of the event loop
SIZE = (1366, 768)
WARM_PARTS = 20
PATIENCE_S = 180.0
_REST_S, _LOOKING_PATIENCE_S = 3.0, 1500.0


def waits(ticks: list[float], period: float = PERIOD_MS / 1000) -> list[float]:
    """Return the wait of every moment at which a tick was due, in the unit of the ticks.

    A stall delays every event within it, not only the next tick. A tick that comes n periods late therefore stands for n + 1
    ticks, each a period less late than the one before.
    """
    found: list[float] = []
    for before, after in pairwise(ticks):
        late = max(0.0, after - before - period)
        found.append(late)
        while late > period:
            late -= period
            found.append(late)
    return found


def spread(rest: list[float], ran: list[float]) -> Mapping[str, float]:
    """Return percentiles of the waits in ms, at rest and at work, from tick times of the event loop in seconds."""
    import numpy as np

    calm, busy = (1000 * np.asarray(waits(ticks)) for ticks in (rest, ran))
    rest_p50, rest_p99 = np.percentile(calm, (50, 99)).tolist()
    p50, p99 = np.percentile(busy, (50, 99)).tolist()
    return {"rest_p50_ms": rest_p50, "rest_p99_ms": rest_p99, "p50_ms": p50, "p99_ms": p99, "max_ms": float(busy.max())}


def stall(seconds: str) -> None:
    """Print {"rest_p50_ms", "rest_p99_ms", "p50_ms", "p99_ms", "max_ms", "parts_per_s", "load"}.

    The window is measured at rest for half as long, then while the line runs. load: share of all cores that this process took.
    """
    from PySide6.QtCore import Qt, QTimer

    from inspector.core.storage.temporary import temporary_folder
    from inspector.inspection.run_request import RunRequest, resolve_recipe
    from inspector.recipes.locate import demo_recipe
    from inspector.ui.inspect.station_worker import StationWorker
    from inspector.ui.shell.app import application
    from inspector.ui.shell.main_window import MainWindow
    from inspector.ui.shell.settings import Settings

    app = application()
    with temporary_folder() as folder:
        window = MainWindow(Settings(folder / "window.toml"), StationWorker())
        given = resolve_recipe(demo_recipe())
        cameras = {
            name: model.model_copy(update={"options": {**model.options, "rate": 0.0}})
            for name, model in given.recipe.cameras.items()
        }
        window.open_choice(RunRequest(given.recipe.model_copy(update={"cameras": cameras}), given.base), None)
        window.worker.start()
        window.resize(*SIZE)
        window.show()
        watch = _Watch(float(seconds), begin=window.inspect.start, done=app.exit)
        window.inspect.parts_seen.connect(watch.seen)
        timer = QTimer(window)
        timer.setTimerType(Qt.TimerType.PreciseTimer)
        timer.timeout.connect(watch.tick)
        timer.start(round(PERIOD_MS))
        QTimer.singleShot(round(1000 * (PATIENCE_S + 2 * float(seconds))), app.exit)
        app.exec()
        window.close_now()
    _say(watch.result())


class _Watch:
    """Records the event loop's ticks: at rest, then for the given seconds once the line runs."""

    def __init__(self, seconds: float, *, begin: Callable[[], None], done: Callable[[], None]) -> None:
        self._seconds, self._begin, self._done = seconds, begin, done
        self._rest: list[float] = []
        self._ticks: list[float] = []
        self._begun = False
        self._parts, self._parts_before, self._processor = 0, 0, 0.0

    def seen(self, parts: int) -> None:
        self._parts = parts

    def tick(self) -> None:
        now = time.monotonic()
        if not self._begun:
            self._rest.append(now)
            if now - self._rest[0] >= self._seconds / 2:
                self._begun = True
                self._begin()
        elif self._ticks or self._parts >= WARM_PARTS:
            if not self._ticks:
                self._parts_before, self._processor = self._parts, time.process_time()
            self._ticks.append(now)
            if now - self._ticks[0] >= self._seconds:
                self._done()

    def result(self) -> Mapping[str, float]:
        took = self._ticks[-1] - self._ticks[0]
        return {
            **spread(self._rest, self._ticks),
            "parts_per_s": (self._parts - self._parts_before) / took,
            "load": (time.process_time() - self._processor) / took / (os.cpu_count() or 1),
        }


def looking(folder: str) -> None:
    """Print {"rest_p50_ms", "rest_p99_ms", "p50_ms", "p99_ms", "max_ms", "seconds", "images"}.

    The dialog is measured at rest, then from the choice of this folder until everything the dialog shows about it is known.
    """
    from PySide6.QtCore import Qt, QTimer

    from inspector.core.storage.temporary import temporary_folder
    from inspector.ui.shell.app import application
    from inspector.ui.shell.settings import Settings
    from inspector.ui.training.new.wiring import training_dialog

    app = application()
    with temporary_folder() as place:
        dialog = training_dialog(Settings(place / "window.toml"), place / "runs")
        dialog.resize(*SIZE)
        dialog.show()
        rest, ran, known = list[float](), list[float](), list[int]()

        def tick() -> None:
            now = time.monotonic()
            if not rest or now - rest[0] < _REST_S:
                rest.append(now)
            elif not ran:
                ran.append(now)
                dialog.set_folder(Path(folder))
            else:
                ran.append(now)
                found = dialog.data.survey
                if found is not None and found.complete and dialog.network.settled and dialog.data.samples_known:
                    known.append(found.images)
                    app.exit()

        timer = QTimer(dialog)
        timer.setTimerType(Qt.TimerType.PreciseTimer)
        timer.timeout.connect(tick)
        timer.start(round(PERIOD_MS))
        QTimer.singleShot(round(1000 * _LOOKING_PATIENCE_S), app.exit)
        app.exec()
        dialog.end()
    _say({**spread(rest, ran), "seconds": ran[-1] - ran[0], "images": known[0] if known else 0})


def bare(file: str) -> None:
    """Print {"shown"}: when a Qt window with nothing but this picture had painted itself."""
    from PySide6.QtCore import QTimer
    from PySide6.QtGui import QPixmap
    from PySide6.QtWidgets import QApplication, QLabel

    app = QApplication(sys.argv[:1])
    label = QLabel()
    label.setPixmap(QPixmap(file))
    label.resize(*SIZE)
    label.show()
    shown: list[float] = []

    def paint() -> None:
        label.repaint()
        shown.append(time.monotonic())
        app.exit()

    QTimer.singleShot(0, label, paint)
    app.exec()
    _say({"shown": shown[0]})


def _say(packet: Mapping[str, object]) -> None:
    sys.stdout.write(json.dumps(packet) + "\n")


if __name__ == "__main__":
    {"stall": stall, "looking": looking, "bare": bare}[sys.argv[1]](sys.argv[2])
