"""Where the bundle of a run looks in the images it learnt from, beside other runs on them, and what to do about it."""

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from PySide6.QtCore import QProcess, Qt, QUrl, Signal
from PySide6.QtGui import QDesktopServices
from PySide6.QtWidgets import QHBoxLayout, QLabel, QProgressBar, QPushButton, QVBoxLayout, QWidget

from inspector.bundles.bundle import fingerprint_of, read_card
from inspector.core.errors import ConfigError
from inspector.core.installed import program_command
from inspector.runs.settings import TrainSettings
from inspector.runs.trust import PAGE, Advice, Trust, advised, read_trust, trust_folder
from inspector.training.state import RunInfo
from inspector.ui.shell import theme
from inspector.ui.shell.strings import translate
from inspector.ui.widgets.boxes import plain, scrolled
from inspector.ui.widgets.tables import Cell, Row, ValueTable
from inspector.ui.widgets.themed import Themed

_LONGEST_SAID: Final = 300  # letters of what went wrong


class WhereView(Themed, QWidget):
    """Shows the report of `inspector explain --report`, which it has made on its button.

    `train_wanted` carries the settings of a training with the change that is advised.
    """

    train_wanted = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("where_it_looks")
        self._info: RunInfo | None = None
        self._settings: TrainSettings | None = None
        self._process: QProcess | None = None
        self._about: Path | None = None  # the folder of the run that the process looks at
        self._said: dict[Path, str] = {}  # what went wrong, by the run's folder
        self.explain, self.open_page = QPushButton(), QPushButton()
        for button, name in ((self.explain, "explain_run"), (self.open_page, "open_trust_page")):
            button.setObjectName(name)
            button.setMinimumHeight(theme.TOUCH)
        self.explain.clicked.connect(self.make)
        self.open_page.clicked.connect(self._open_page)
        self.state = QLabel()
        self.state.setWordWrap(True)
        self.progress = QProgressBar()
        self.progress.setRange(0, 0)
        self.progress.setTextVisible(False)
        self.table = ValueTable()
        self.table.set_whole()
        self.advice: list[QPushButton] = []
        self._advised = plain(QVBoxLayout(), theme.SPACING)
        head = plain(QHBoxLayout())
        head.addWidget(self.explain)
        head.addWidget(self.open_page)
        head.addWidget(self.progress, 1)
        head.addStretch(1)
        inside = QWidget()
        column = plain(QVBoxLayout(inside), theme.SPACING)
        column.setContentsMargins(0, theme.SPACING, theme.SPACING, theme.SPACING)
        column.addLayout(head)
        column.addWidget(self.state)
        column.addWidget(self.table)
        column.addLayout(self._advised)
        column.addStretch(1)
        plain(QVBoxLayout(self)).addWidget(scrolled(inside))
        self.retranslate()

    def show_run(self, info: RunInfo) -> None:
        """Show the report on this run's bundle, if there is one."""
        self._info = info
        try:
            self._settings = info.record.train_settings()
        except ConfigError:
            self._settings = None
        self._show()

    @property
    def folder(self) -> Path | None:
        """The folder of the report on all runs that learnt from the same images."""
        info, settings = self._info, self._settings
        return None if info is None or settings is None else trust_folder(info.folder.parent, settings.data)

    def make(self) -> None:
        """Have the report made, by a process beside the window."""
        info, settings, folder = self._info, self._settings, self.folder
        if self._process is not None or info is None or info.bundle is None or settings is None or folder is None:
            return
        command = ("explain", str(settings.data), "--model", str(info.bundle), "--report", str(folder), "--background")
        program, *arguments = program_command(*command)
        self._said.pop(info.folder, None)
        self._about = info.folder
        self._process = process = QProcess(self)
        process.finished.connect(self._on_end)  # not a lambda: it would keep the view until the process, its child, is deleted
        process.errorOccurred.connect(self._on_error)
        process.start(program, arguments)
        self._show()

    def end(self) -> None:
        """End the process, if one runs."""
        process, self._process = self._process, None
        if process is not None:
            process.blockSignals(True)
            process.kill()
            process.waitForFinished(5000)
            process.deleteLater()

    def _on_error(self, error: QProcess.ProcessError) -> None:
        if error is QProcess.ProcessError.FailedToStart:
            self._on_end(1)

    def _on_end(self, code: int) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        if code and self._about is not None:
            said = bytes(process.readAllStandardError().data()).decode("utf-8", "replace").strip()
            self._said[self._about] = (said.splitlines() or [process.errorString()])[-1][-_LONGEST_SAID:]
        process.deleteLater()
        self._show()

    def _open_page(self) -> None:
        if self.folder is not None:
            QDesktopServices.openUrl(QUrl.fromLocalFile(str(self.folder / PAGE)))

    def _show(self) -> None:
        busy, info, folder = self._process is not None, self._info, self.folder
        found = [] if folder is None else read_trust(folder)
        fingerprint = _fingerprint(info)
        own = next((one for one in reversed(found) if one.fingerprint == fingerprint), None)
        self.progress.setVisible(busy)
        possible = info is not None and info.bundle is not None and info.bundle.is_dir() and self._settings is not None
        self.explain.setEnabled(possible and not busy)
        self.open_page.setVisible(own is not None and folder is not None and (folder / PAGE).is_file())
        told = "" if info is None else self._said.get(info.folder, "")
        if busy and info is not None and info.folder == self._about:
            told = self.tr("Looking at the images…")
        if not told and own is None:
            told = self.tr("Not looked at yet: how much of what the network looks at lies on the part and its defects.")
        self.state.setText(told)
        self.state.setVisible(bool(told))
        self.table.setVisible(own is not None)
        beside = [] if own is None else [one for one in found if one.data == own.data and one.task == own.task]
        self.table.set_rows([Row(number, tuple(_cells(one))) for number, one in enumerate(beside)])
        self._show_advice(() if own is None else own.advice)

    def _show_advice(self, advice: Sequence[Advice]) -> None:
        while (item := self._advised.takeAt(0)) is not None:
            if (widget := item.widget()) is not None:
                widget.hide()
                widget.deleteLater()
        self.advice = []
        for one in advice:
            row = QWidget()
            box = plain(QHBoxLayout(row), theme.SPACING)
            why = QLabel(translate(one.why.message))
            why.setWordWrap(True)
            why.setTextFormat(Qt.TextFormat.PlainText)
            box.addWidget(why, 1)
            if one.settings:
                button = QPushButton(self.tr("Train with this change"))
                button.setMinimumHeight(theme.TOUCH)
                button.setAccessibleName(f"{button.text()}: {why.text()}")
                button.clicked.connect(lambda _=False, one=one: self._train(one))
                box.addWidget(button, 0, Qt.AlignmentFlag.AlignTop)
                self.advice.append(button)
            self._advised.addWidget(row)

    def _train(self, advice: Advice) -> None:
        if self._settings is not None:
            self.train_wanted.emit(advised(self._settings, advice))

    def retranslate(self) -> None:
        self.explain.setText(self.tr("Look where it looks"))
        self.open_page.setText(self.tr("Open the page with pictures"))
        for button in (self.explain, self.open_page):
            button.setAccessibleName(button.text())
        self.progress.setAccessibleName(self.tr("Looking at the images…"))
        self.table.set_titles(
            [
                self.tr("Bundle"),
                self.tr("Right"),
                self.tr("On the part"),
                self.tr("On the defect"),
                self.tr("Times chance"),
                self.tr("Insertion"),
                self.tr("Deletion"),
                self.tr("ROAD"),
                self.tr("Wrong place"),
            ]
        )
        self.table.setAccessibleName(self.tr("Where it looks"))
        self._show()


def _fingerprint(info: RunInfo | None) -> str | None:
    """Return that of a run's bundle, whose name others may have had before; None if it has none that can be read."""
    with suppress(ConfigError):
        return None if info is None or info.bundle is None else fingerprint_of(read_card(info.bundle))
    return None


def _cells(one: Trust) -> list[Cell]:
    shares = [Cell("–" if value is None else f"{value:.0%}", value) for value in (one.right, one.inside_part, one.inside_truth)]
    numbers = (one.lift, one.insertion, one.deletion, one.road)
    shown = [Cell("–" if value is None else f"{value:.2f}", value) for value in numbers]
    places = Cell("–") if one.lift is None else Cell(str(len(one.wrong_place)), len(one.wrong_place))
    return [Cell(one.bundle), *shares, *shown, places]
