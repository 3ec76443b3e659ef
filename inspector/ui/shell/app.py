"""Start of the window: application, fonts, settings, worker; and an optional picture of the window."""

import gc
import logging
import signal
import socket
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Final, Literal

from PySide6.QtCore import QCoreApplication, QObject, QSocketNotifier, QTimer
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QApplication

from inspector.core.errors import InspectorError, StorageError
from inspector.core.service import notify
from inspector.ui.shell import theme
from inspector.ui.shell.diagnostics.logfile import begin_log
from inspector.ui.shell.diagnostics.start_test import StartTest, updated
from inspector.ui.shell.diagnostics.watchdog import Watchdog
from inspector.ui.shell.main_window import MainWindow
from inspector.ui.shell.settings import Settings
from inspector.ui.shell.theme import Choice

if TYPE_CHECKING:
    from inspector.ui.inspect.last_line import LastLine

log = logging.getLogger(__name__)

SWITCH_S: Final = 0.001  # a computing Python thread yields to the window after this time (default: 5 ms)
SETTLE_MS: Final = 600  # delay after the last awaited part, so that every widget has painted it


@dataclass(frozen=True, slots=True)
class Shot:
    """A picture to take of the window: the file, what to show, the number of parts to see first, and the timeout.

    `hold`: id of an NG part to pick from the filmstrip first. `takt`: unfold the takt meter.
    """

    file: Path
    page: str = "inspect"
    tab: str = "live"
    size: tuple[int, int] = (1920, 1080)
    parts: int = 20
    hold: str = ""
    takt: bool = False
    timeout_s: float = 120.0


@dataclass(frozen=True, slots=True)
class Options:
    """Options from the command line. `settings`: path of the settings file, by default the user's."""

    recipe: Path | None = None
    source: str = ""
    bundles: tuple[Path, ...] = ()
    start: bool = False
    open: Path | None = None
    language: Literal["", "en", "ja"] = ""
    theme: Choice | None = None
    shot: Shot | None = None
    settings: Path | None = None


def launch(options: Options, *, moments: dict[str, float] | None = None, stop_at: Sequence[signal.Signals] = ()) -> int:
    """Open the window and return the exit code when it is closed.

    Raises InspectorError if a picture cannot be taken. `moments`: if given, the program ends as soon as the file in
    `options.open` is shown with its verdict, and the moments until then are stored (see `moments.Moments`). `stop_at`: signals
    that close the window; the line is stopped and saved in order.
    """
    app = application()
    settings = Settings(options.settings)
    if options.language:
        settings.override(language=options.language)
    if options.theme is not None:
        settings.override(theme=options.theme)
    window = MainWindow(settings)
    shooter: Shooter | None = None

    def begin() -> None:
        nonlocal shooter
        if options.shot is not None:
            shooter = Shooter(window, options.shot)
        prepare(window, options)
        if options.shot is None and moments is None:
            _say_what_is_new(window, settings)
            test.begin_later()
        if options.shot is None and options.open is None and moments is None and not settings.layout.toured:
            window.help.tour.open()

    log_handler = begin_log()
    stopper = Stopper(window, stop_at)
    Watchdog(window)
    test = StartTest(window)
    test.failed.connect(window.show_error)
    previous = sys.excepthook
    sys.excepthook = _hook(window)
    try:
        window.load(begin)
        window.loaded.connect(_collect)
        if options.open is not None:
            window.open_path(options.open, recipe=options.recipe)
        if options.shot is not None:
            window.resize(*options.shot.size)
        if moments is not None:
            from inspector.ui.shell.diagnostics.moments import Moments

            Moments(window, moments)
        if options.shot is None:
            window.open_window()
        else:
            window.show()
        code = app.exec()
        notify("STOPPING=1")
        if shooter is not None and shooter.error is not None:
            raise shooter.error
        return code
    finally:
        gc.enable()
        sys.excepthook = previous
        test.close()
        window.close_now()
        stopper.restore()
        if log_handler is not None:
            logging.getLogger().removeHandler(log_handler)
            log_handler.close()
        window.deleteLater()
        QCoreApplication.sendPostedEvents(window, 0)


def _say_what_is_new(window: MainWindow, settings: Settings) -> None:
    news = updated(settings)
    if news is not None:
        window.inspect.banners.show_problem("update", *news, retryable=False)


def _collect() -> None:
    """Re-enable garbage collection after start-up, excluding the loaded objects, which stay alive."""
    gc.freeze()
    gc.enable()


def application() -> QApplication:
    """Return the single application, with the shipped fonts and a shorter interval between switches of Python threads."""
    sys.setswitchinterval(SWITCH_S)
    existing = QApplication.instance()
    app = existing if isinstance(existing, QApplication) else QApplication(sys.argv[:1])
    app.setApplicationName("inspector")
    app.setApplicationDisplayName("Inspector")
    QGuiApplication.setDesktopFileName("inspector")
    theme.load_fonts()
    app.setWindowIcon(theme.icon("inspect", "accent"))
    return app


def prepare(window: MainWindow, options: Options) -> None:
    """Apply the options to the window, once its inspect page can be made."""
    from inspector.inspection.run_request import resolve_recipe
    from inspector.recipes.locate import demo_recipe
    from inspector.ui.inspect.last_line import interrupted_line

    page = window.inspect
    line = None if options.shot is not None or options.bundles else interrupted_line()
    if line is not None and _goes_on(options, line):
        page.go_on(line)
        return
    try:
        if options.bundles:
            window.open_choice(resolve_recipe(None, [str(path) for path in options.bundles], options.source), None)
        elif options.recipe is not None or not options.source:
            window.open_first() if options.recipe is None else page.open_recipe(options.recipe)
        else:
            page.open_recipe(demo_recipe())
        if options.source and not options.bundles:
            page.use_source(options.source)
    except InspectorError as error:
        window.show_error(error)
        return
    if options.shot is not None:
        window.show_page(options.shot.page)
        page.choose_tab(options.shot.tab)
        page.takt.set_open(options.shot.takt)
    if options.start or (options.shot is not None and options.shot.parts > 0):
        page.start()


def _goes_on(options: Options, line: "LastLine") -> bool:
    """Return whether the options name nothing else than what ran when the program was killed."""
    same = options.recipe is None or options.recipe.absolute() == Path(line.recipe)
    return same and options.source in ("", line.source)


class Stopper(QObject):
    """Closes the window at a signal without a question, since nobody may be there to answer.

    Python handlers run only while Python code runs, and Qt's loop runs none. Each signal therefore also writes to a socket that
    wakes the loop.
    """

    def __init__(self, window: MainWindow, signals: Sequence[signal.Signals]) -> None:
        super().__init__(window)
        self._window = window
        self._before = {number: signal.signal(number, lambda _number, _frame: None) for number in signals}
        self._read, self._write = socket.socketpair()
        for end in (self._read, self._write):
            end.setblocking(False)
        self._before_fd = signal.set_wakeup_fd(self._write.fileno()) if signals else -1
        self._notifier = QSocketNotifier(self._read.fileno(), QSocketNotifier.Type.Read, self)
        self._notifier.activated.connect(self._on_signal)

    def _on_signal(self) -> None:
        self._read.recv(64)
        self._window.close_now()
        QCoreApplication.exit(0)

    def restore(self) -> None:
        """Restore the previous signal handlers."""
        self._notifier.setEnabled(False)
        for number, handler in self._before.items():
            signal.signal(number, handler)
        if self._before:
            signal.set_wakeup_fd(self._before_fd)
        self._read.close()
        self._write.close()


class Shooter(QObject):
    """Saves a picture of the window once enough parts are shown, and ends the program."""

    def __init__(self, window: MainWindow, shot: Shot) -> None:
        super().__init__(window)
        self._window, self._shot = window, shot
        self._taken = False
        self._until = time.monotonic() + shot.timeout_s
        self.error: InspectorError | None = None
        self._timer = QTimer(self)
        self._timer.setInterval(500)
        self._timer.timeout.connect(self._check)
        self._timer.start()
        window.inspect.parts_seen.connect(self._seen)
        if shot.parts == 0:
            QTimer.singleShot(SETTLE_MS, self, self._take_when_calm)

    def _seen(self, parts: int) -> None:
        if parts >= self._shot.parts and self._shot.parts > 0 and not self._taken:
            self._taken = True
            if self._shot.hold:
                self._window.inspect.filmstrip.pick(self._shot.hold)
            QTimer.singleShot(SETTLE_MS, self, self._take_when_calm)

    def _take_when_calm(self) -> None:
        """Take the picture once the page is there, no heat map is being computed, and lists and a recipe's frame are read."""
        window = self._window
        busy = (
            window.pages.opening.isVisible()
            or window.inspect.analysis.current().busy
            or (window.page == "train" and not window.train.calm)
        )
        busy = busy or (window.page == "recipes" and window.recipes.editor.canvas.frame is None)
        busy = busy or (window.page == "archive" and (window.archive.busy or window.archive.parts.pictures.busy))
        if busy and time.monotonic() < self._until:
            QTimer.singleShot(SETTLE_MS, self, self._take_when_calm)
        else:
            self._take()

    def _check(self) -> None:
        if time.monotonic() > self._until and not self._taken:
            self._taken = True
            self.error = InspectorError(
                "The line gave fewer than {parts} {parts:|part|parts} in {seconds:.0f} seconds.",
                remedy="The picture {file} shows the window as it was then.",
                parts=self._shot.parts,
                seconds=self._shot.timeout_s,
                file=self._shot.file,
            )
            self._take()

    def _take(self) -> None:
        self._timer.stop()
        if not self._window.grab().save(str(self._shot.file)):
            self.error = StorageError(
                "{file} cannot be written.", remedy="Name a .png or .jpg file in a folder that exists.", file=self._shot.file
            )
        self._window.close_now()
        QCoreApplication.exit(0)


def _hook(window: MainWindow) -> Callable[[type[BaseException], BaseException, TracebackType | None], None]:
    """Log errors that escape from a slot, with their traceback, and show them as a banner."""

    def hook(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        if issubclass(kind, KeyboardInterrupt):
            QCoreApplication.exit(1)
            return
        log.error("an error escaped", exc_info=(kind, error, trace))
        if window.usable:
            window.show_defect(error)
        else:  # no page can show the error
            QCoreApplication.exit(1)

    return hook
