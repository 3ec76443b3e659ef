"""What an installed program does after its start: it tests its engines, and says after an update that it is another one."""

import json
import logging
import sys
from contextlib import suppress
from dataclasses import replace
from typing import Final

from PySide6.QtCore import QObject, QProcess, QTimer, Signal

from inspector.core.errors import InspectorError
from inspector.core.installed import installation, program_command
from inspector.core.message import Message, message
from inspector.ui.shell.settings import Settings

log = logging.getLogger(__name__)

DELAY_MS: Final = 20_000  # the window and the line start first
_LONGEST_MS: Final = 10 * 60_000  # at the lowest priority, on a PC whose line needs the whole processor


class StartTest(QObject):
    """Runs `inspector doctor --self-test` at the lowest priority, which keeps its outcome for the next start of a line.

    `failed` carries what a person must know; `finished` comes after it.
    """

    failed = Signal(object)  # InspectorError
    finished = Signal()

    def __init__(
        self, parent: QObject | None = None, *, command: list[str] | None = None, longest_ms: int = _LONGEST_MS
    ) -> None:
        super().__init__(parent)
        self._longest_ms = longest_ms
        self._command = command or program_command("doctor", "--self-test", "--json")
        self._process: QProcess | None = None

    def begin_later(self) -> None:
        """Start it in a while if this program was installed; whoever works on its sources runs the doctor."""
        if installation() is not None:
            QTimer.singleShot(DELAY_MS, self, self.begin)

    def begin(self) -> None:
        """Start the test now."""
        self._process = process = QProcess(self)
        process.started.connect(self._lower)
        process.finished.connect(self._on_end)
        process.errorOccurred.connect(self._on_error)
        program, *arguments = self._command
        process.start(program, arguments)
        QTimer.singleShot(self._longest_ms, process, self._give_up)

    def _lower(self) -> None:
        import psutil  # not before the window shows its first picture

        if self._process is not None:
            with suppress(psutil.Error, OSError):
                child = psutil.Process(self._process.processId())
                if sys.platform == "win32":
                    child.nice(psutil.IDLE_PRIORITY_CLASS)
                else:
                    child.nice(19)

    def _on_error(self, error: QProcess.ProcessError) -> None:
        if error is QProcess.ProcessError.FailedToStart and self._process is not None:
            self._tell(self._process.errorString())
            self.finished.emit()

    def _on_end(self, code: int, status: QProcess.ExitStatus) -> None:
        process = self._process
        if process is None:
            return
        if status is QProcess.ExitStatus.CrashExit:
            self._tell(process.errorString())
        elif code != 0:
            said = bytes(process.readAllStandardOutput().data()).decode("utf-8", "replace")
            self._tell(_problem(said) or f"exit code {code}")
        self.finished.emit()

    def _give_up(self) -> None:
        """End a test that takes too long: an engine hangs, or the line leaves it no time."""
        if self._process is not None and self._process.state() is not QProcess.ProcessState.NotRunning:
            self.close()
            minutes = self._longest_ms / 60_000
            log.warning("self-test: not finished in %.0f min", minutes)
            self.failed.emit(
                InspectorError(
                    "The self-test of this program was not finished in {minutes:.0f} minutes.",
                    remedy="It runs again at the next start. If the computer is not busy then, install the program again.",
                    minutes=minutes,
                )
            )
            self.finished.emit()

    def _tell(self, detail: str) -> None:
        log.warning("self-test: %s", detail)
        error = InspectorError(
            "The self-test of this program failed: {detail}",
            remedy="Install the program again; until then, look at what it judges with care.",
            detail=detail,
        )
        self.failed.emit(error)

    def close(self) -> None:
        """End a test that is under way."""
        process, self._process = self._process, None
        if process is not None and process.state() is not QProcess.ProcessState.NotRunning:
            process.kill()
            process.waitForFinished()


def _problem(said: str) -> str:
    """Return the first problem in the doctor's JSON lines; empty if there is none."""
    for line in said.splitlines():
        try:
            found = json.loads(line)
        except ValueError:
            continue
        if isinstance(found, dict) and found.get("status") == "problem":
            return str(found.get("text", ""))
    return ""


def updated(settings: Settings) -> tuple[Message, Message] | None:
    """Return what to say once after an update or a return to an older version, and remember the version; None otherwise."""
    from inspector import __version__  # reads the package's metadata, which is slow: not before the first picture

    before = settings.layout.version
    if before == __version__:
        return None
    settings.remember(replace(settings.layout, version=__version__))
    if not before:
        return None
    return (
        message("This is version {now} of the program; before, version {before} ran here.", now=__version__, before=before),
        message(
            "Help (F1) tells under What changed what is new. Your recipes, bundles, settings and results are as they were."
        ),
    )
