"""The detection tab."""

from typing import ClassVar

from PySide6.QtWidgets import QWidget

from inspector.core.types import TaskName
from inspector.ui.canvas import ViewLink
from inspector.ui.tabs.base import AnalysisTab


class DetectionTab(AnalysisTab):
    """Shows the frame."""

    task: ClassVar[TaskName | None] = "detection"

    def __init__(self, parent: QWidget | None = None, *, link: ViewLink | None = None) -> None:
        super().__init__(parent, link=link)
        self.panel.addStretch(1)
        self.retranslate()

    def refresh(self) -> None:
        """Show the frame."""

    def missing(self) -> str:
        return self.tr("This recipe has no bundle that finds boxes.")
