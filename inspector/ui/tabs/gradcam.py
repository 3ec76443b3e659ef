"""The gradcam tab."""

from typing import ClassVar

from PySide6.QtWidgets import QWidget

from inspector.core.types import TaskName
from inspector.ui.canvas import ViewLink
from inspector.ui.tabs.base import AnalysisTab


class GradCamTab(AnalysisTab):
    """Shows the frame."""

    task: ClassVar[TaskName | None] = None

    def __init__(self, parent: QWidget | None = None, *, link: ViewLink | None = None) -> None:
        super().__init__(parent, link=link)
        self.panel.addStretch(1)
        self.retranslate()

    def refresh(self) -> None:
        """Show the frame."""

    def missing(self) -> str:
        return self.tr("This recipe has no predictions.")
