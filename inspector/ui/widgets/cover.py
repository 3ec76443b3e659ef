"""An overlay that follows the size of another widget, so that nothing below moves when it appears."""

from PySide6.QtCore import QEvent, QObject
from PySide6.QtWidgets import QFrame, QWidget


class Cover(QFrame):
    """Covers all of `over`; a subclass covers a part by overriding `place`."""

    def __init__(self, over: QWidget) -> None:
        super().__init__(over)
        self.over = over
        over.installEventFilter(self)
        self.hide()

    def place(self) -> None:
        """Set the geometry over the other widget."""
        self.setGeometry(self.over.rect())

    def uncover(self, shown: bool) -> None:
        """Show in front of the other children of the covered widget, or hide."""
        if shown:
            self.place()
            self.raise_()
        self.setVisible(shown)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if event.type() == QEvent.Type.Resize and watched is self.over:
            self.place()
        return False
