"""The choice of the data folder: a button, recent folders, and drops on the page."""

from dataclasses import replace
from pathlib import Path
from typing import Final

from PySide6.QtCore import QSignalBlocker, QSize, Signal
from PySide6.QtWidgets import QComboBox, QHBoxLayout, QPushButton, QWidget

from inspector.ui.shell import theme
from inspector.ui.shell.settings import Settings
from inspector.ui.widgets.boxes import plain
from inspector.ui.widgets.file_dialogs import ask_folder
from inspector.ui.widgets.inputs import ComboBox
from inspector.ui.widgets.themed import Themed
from inspector.ui.widgets.tips import plain_tip

REMEMBERED: Final = 8


class FolderBar(Themed, QWidget):
    """`chosen` carries the path of a folder."""

    chosen = Signal(object)

    def __init__(self, settings: Settings, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._settings = settings
        self._folder: Path | None = None
        self.recent = ComboBox()
        self.recent.setObjectName("recent_folders")
        self.recent.setMinimumHeight(theme.TOUCH)
        self.recent.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.recent.view().setTextElideMode(self.recent.view().textElideMode().ElideMiddle)
        self.recent.activated.connect(self._pick)
        self.button = QPushButton()
        self.button.setObjectName("choose_folder")
        self.button.setIconSize(QSize(theme.ICON, theme.ICON))
        self.button.clicked.connect(self.browse)
        row = plain(QHBoxLayout(self))
        row.addWidget(self.recent, 1)
        row.addWidget(self.button)
        self.retranslate()

    def show_folder(self, folder: Path | None) -> None:
        """Show this folder as the current one, and remember it for the next time."""
        self._folder = folder
        if folder is not None:
            layout = self._settings.layout
            older = [text for text in layout.folders if text != str(folder)]
            folders = (str(folder), *older)[:REMEMBERED]
            if folders != layout.folders:
                self._settings.remember(replace(layout, folders=folders))
        self._fill()

    def browse(self) -> None:
        """Ask for a folder."""
        start = str(self._folder.parent) if self._folder is not None else ""
        ask_folder(self, self.tr("Choose a folder of labelled images"), self.chosen.emit, start=start)

    def _pick(self, index: int) -> None:
        folder = self.recent.itemData(index)
        if isinstance(folder, Path) and folder != self._folder:
            self.chosen.emit(folder)

    def _fill(self) -> None:
        with QSignalBlocker(self.recent):
            self.recent.clear()
            if self._folder is None:
                self.recent.addItem(self.tr("No folder is chosen yet"))
            for text in self._settings.layout.folders:
                self.recent.addItem(text, Path(text))
            self.recent.setCurrentIndex(0)
        self.recent.setToolTip(plain_tip(str(self._folder or "")))
        self.recent.setEnabled(self.recent.count() > 0)

    def retranslate(self) -> None:
        self.recent.setAccessibleName(self.tr("Data folder"))
        self.button.setText(self.tr("Choose a folder…"))
        self.button.setAccessibleName(self.tr("Choose a folder…"))
        self.button.setIcon(theme.icon("open"))
        self._fill()

    def restyle(self) -> None:
        self.retranslate()
