"""What this program is: its version, the folders of this user, the check of this computer, the log, and the licences."""

import importlib.metadata
import sys
from codecs import getincrementaldecoder
from pathlib import Path

from PySide6.QtCore import QProcess, QSize, Qt, QUrl
from PySide6.QtGui import QDesktopServices, QFontDatabase
from PySide6.QtWidgets import (
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPlainTextEdit,
    QPushButton,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from inspector import __version__
from inspector.core.installed import installation, program_command
from inspector.core.message import message
from inspector.core.storage.paths import resources, user_config, user_data
from inspector.runs.folder import runs_folder
from inspector.ui.shell import theme
from inspector.ui.shell.diagnostics.logfile import log_file
from inspector.ui.shell.strings import time_text, translate
from inspector.ui.tabs.base import caption
from inspector.ui.widgets.boxes import plain
from inspector.ui.widgets.themed import Themed


class AboutView(Themed, QWidget):
    """One place for all that is asked when somebody is called for help."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._title = QLabel()
        self._title.setProperty("role", "title")
        self._licence = QLabel()
        self._licence.setWordWrap(True)
        self.paths: dict[str, QLineEdit] = {}
        self.folders: dict[str, QToolButton] = {}
        self._names = {name: QLabel() for name in ("recipes", "bundles", "runs", "settings", "log")}
        self._folders_title = caption(QLabel())
        self.check, self.licences = QPushButton(), QPushButton()
        self.output = QPlainTextEdit()
        self.output.setObjectName("about_output")
        self.output.setReadOnly(True)
        fixed = QFontDatabase.systemFont(QFontDatabase.SystemFont.FixedFont).family()
        self.output.setStyleSheet(f'font-family: "{fixed}";')  # the program's style outdoes a font
        self._process: QProcess | None = None
        self._decoder = getincrementaldecoder("utf-8")("replace")  # a letter may arrive in two pieces
        self._said = False  # the check has said something
        self._arrange()
        self.check.clicked.connect(self.run_check)
        self.licences.clicked.connect(self.show_licences)
        self.retranslate()

    def _arrange(self) -> None:
        grid = plain(QGridLayout())
        for row, (name, label) in enumerate(self._names.items()):
            path, folder = QLineEdit(), QToolButton()
            path.setReadOnly(True)
            path.setMinimumHeight(theme.TOUCH)
            folder.setObjectName(f"open_{name}")
            folder.setFixedSize(theme.TOUCH, theme.TOUCH)
            folder.setIconSize(QSize(theme.ICON, theme.ICON))
            folder.clicked.connect(lambda _=False, name=name: self._open(self.places()[name]))
            self.folders[name], self.paths[name] = folder, path
            for column, widget in enumerate((label, path, folder)):
                grid.addWidget(widget, row, column)
        grid.setColumnStretch(1, 1)
        buttons = plain(QHBoxLayout())
        for button, name in ((self.check, "run_doctor"), (self.licences, "show_licences")):
            button.setObjectName(name)
            button.setMinimumHeight(theme.TOUCH)
            buttons.addWidget(button)
        buttons.addStretch(1)
        box = plain(QVBoxLayout(self), theme.SPACING)
        box.addWidget(self._title)
        box.addWidget(self._licence)
        box.addWidget(self._folders_title)
        box.addLayout(grid)
        box.addLayout(buttons)
        box.addWidget(self.output, 1)

    def places(self) -> dict[str, Path]:
        """Return where this user's files lie."""
        data = user_data()
        return {
            "recipes": data / "recipes",
            "bundles": data / "bundles",
            "runs": runs_folder(),
            "settings": user_config(),
            "log": log_file(),
        }

    def refresh(self) -> None:
        """Show the folders as they are now."""
        for name, place in self.places().items():
            self.paths[name].setText(str(place))
            self.paths[name].setCursorPosition(0)
            self.folders[name].setEnabled(place.exists())
        if not self.output.toPlainText():
            self.output.setPlainText(_last_test())

    def _open(self, place: Path) -> None:
        QDesktopServices.openUrl(QUrl.fromLocalFile(str(place)))

    def run_check(self) -> None:
        """Run `inspector doctor`, and show what it says as it comes."""
        self.close_workers()
        self._process = process = QProcess(self)
        process.setProcessChannelMode(QProcess.ProcessChannelMode.MergedChannels)
        process.readyReadStandardOutput.connect(self._read)
        process.finished.connect(self._on_end)
        process.errorOccurred.connect(self._on_error)
        self.output.setPlainText(self.tr("Looking at this computer…"))
        self.check.setEnabled(False)
        program, *arguments = program_command("doctor")
        self._said = False
        self._decoder.reset()
        process.start(program, arguments)

    def _on_end(self) -> None:
        self.check.setEnabled(True)

    def _on_error(self, error: QProcess.ProcessError) -> None:
        if error is QProcess.ProcessError.FailedToStart and self._process is not None:
            self.output.setPlainText(self._process.errorString())
            self.check.setEnabled(True)

    def _read(self) -> None:
        if self._process is None:
            return
        text = self._decoder.decode(bytes(self._process.readAllStandardOutput().data()))
        if not self._said:
            self.output.clear()
            self._said = True
        self.output.insertPlainText(text)

    def show_licences(self) -> None:
        """Show the licence of this program, and of every package it is made of; where it was installed, in full."""
        lines = ["Inspector: Apache-2.0", "Noto Sans CJK: SIL Open Font License 1.1 (resources/fonts/OFL.txt)", ""]
        packages = sorted(importlib.metadata.distributions(), key=lambda one: one.name.casefold())
        lines += [f"{package.name} {package.version}: {_licence(package.metadata)}" for package in packages]
        installed = installation()
        for folder in () if installed is None else (installed.folder / "licenses", installed.folder / "training-licenses"):
            texts = sorted(path for path in folder.rglob("*") if path.is_file())
            lines += ["", *(f"{'=' * 8} {path.relative_to(folder)}\n{path.read_text('utf-8', 'replace')}" for path in texts)]
        self.output.setPlainText("\n".join(lines))

    def close_workers(self) -> None:
        """End a check that is under way."""
        if self._process is not None and self._process.state() is not QProcess.ProcessState.NotRunning:
            self._process.kill()
            self._process.waitForFinished()
        self._process = None

    def retranslate(self) -> None:
        self._title.setText(f"Inspector {__version__}")
        text = self.tr("Licensed under Apache-2.0. Python {python}, {platform}. The program's files: {folder}")
        self._licence.setText(text.format(python=sys.version.split()[0], platform=sys.platform, folder=resources().parent))
        self._licence.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self._folders_title.setText(self.tr("Your files"))
        names = {
            "recipes": self.tr("Recipes"),
            "bundles": self.tr("Bundles"),
            "runs": self.tr("Trainings"),
            "settings": self.tr("Settings"),
            "log": self.tr("Log"),
        }
        for name, word in names.items():
            self._names[name].setText(word)
            self.paths[name].setAccessibleName(word)
            self.folders[name].setAccessibleName(self.tr("Open: {name}").format(name=word))
        for button, word in ((self.check, self.tr("Check this computer")), (self.licences, self.tr("Licences"))):
            button.setText(word)
            button.setAccessibleName(word)
        self.output.setAccessibleName(self.tr("What the check says"))
        self.refresh()
        self.restyle()

    def restyle(self) -> None:
        for button in self.folders.values():
            button.setIcon(theme.icon("open"))


def _last_test() -> str:
    """Return what the last self-test of the engines found; empty if there was none."""
    from inspector.tuning.self_test import in_words, kept

    test = kept()
    if test is None:
        return ""
    when = message("Self-test of the engines on {when}", when=time_text(test.created))
    return "\n".join(translate(one) for one in (when, *in_words(test)))


def _licence(meta: importlib.metadata.PackageMetadata) -> str:
    """Return what a package says of its licence, in one line."""
    said = meta.get_all("License-Expression") or []
    classified = [one.rpartition(" :: ")[2] for one in meta.get_all("Classifier") or [] if one.startswith("License ::")]
    named = meta.get_all("License") or []
    return next((lines[0] for one in (*said, ", ".join(classified), *named) if (lines := one.strip().splitlines())), "?")
