"""What the archive page shows while there is nothing in the archive: how it fills."""

from pathlib import Path

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QLabel, QVBoxLayout, QWidget

from inspector.ui.shell import theme
from inspector.ui.widgets.themed import Themed


class EmptyArchive(Themed, QWidget):
    """Teaches how the archive fills."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._archives = True
        self._folder = Path()
        self.title, self.text, self.place = QLabel(), QLabel(), QLabel()
        self.title.setProperty("role", "title")
        for label in (self.text, self.place):
            label.setProperty("role", "muted")
        layout = QVBoxLayout(self)
        layout.setSpacing(theme.SPACING * 2)
        layout.addStretch(1)
        for label in (self.title, self.text, self.place):
            label.setAlignment(Qt.AlignmentFlag.AlignHCenter)
            label.setWordWrap(True)
            label.setTextFormat(Qt.TextFormat.PlainText)
            layout.addWidget(label)
        layout.addStretch(2)
        self.retranslate()

    def show_state(self, *, archives: bool, folder: Path) -> None:
        """Say whether the station records, and where."""
        self._archives, self._folder = archives, folder
        self.retranslate()

    def retranslate(self) -> None:
        self.title.setText(self.tr("Nothing is in the archive yet"))
        fills = self.tr("It fills by itself: start the line on the Inspect page, and every part is recorded here.")
        off = self.tr("The archive is switched off. Switch it on under Settings; then every part of the line is recorded here.")
        self.text.setText(fills if self._archives else off)
        self.place.setText(str(self._folder) if self._folder != Path() else "")
