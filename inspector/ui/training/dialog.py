"""New training: data, network, further settings and start, in one place in the page."""

from pathlib import Path

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QWidget

from inspector.core.training import TrainSettings
from inspector.ui.settings import Settings
from inspector.ui.training.draft import Draft


class TrainingDialog(QWidget):
    """Puts a training together. `accepted` is emitted with its `TrainSettings`, `rejected` when it is given up."""

    accepted = Signal(object)
    rejected = Signal()

    def __init__(self, settings: Settings, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("page")
        self._settings = settings
        self.draft = Draft(self)

    def set_folder(self, folder: Path) -> None:
        """Begin with this data."""
        self.draft.set_folder(folder)

    def open_with(self, settings: TrainSettings) -> None:
        """Begin with the settings of an earlier run, to train again with changes."""
        self.draft.take(settings)

    def end(self) -> None:
        """End what runs in the background; called before the window closes."""
