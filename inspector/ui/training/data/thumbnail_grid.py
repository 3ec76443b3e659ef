"""Thumbnails with captions, as many in a row as fit; a press opens one."""

from PySide6.QtCore import QSize, Qt, Signal
from PySide6.QtGui import QIcon
from PySide6.QtWidgets import QListView, QListWidget, QListWidgetItem

from inspector.ui.shell import theme
from inspector.ui.widgets.tips import plain_tip


class PictureGrid(QListWidget):
    """A grid of thumbnails. `opened` carries the number of the pressed picture."""

    opened = Signal(int)
    _NUMBER = Qt.ItemDataRole.UserRole

    def __init__(self, name: str, picture: QSize, *, words: int) -> None:
        """Create the grid. `picture`: size of a picture in pixels. `words`: height of the caption."""
        super().__init__()
        self.setObjectName(name)
        self.setViewMode(QListView.ViewMode.IconMode)
        self.setResizeMode(QListView.ResizeMode.Adjust)
        self.setMovement(QListView.Movement.Static)
        self.setUniformItemSizes(True)
        self.setIconSize(picture)
        self.setGridSize(QSize(picture.width() + theme.SPACING * 2, picture.height() + words))
        self.setVerticalScrollMode(QListView.ScrollMode.ScrollPerPixel)
        self.itemClicked.connect(self._open)
        self.itemActivated.connect(self._open)

    def add(self, number: int) -> QListWidgetItem:
        """Add and return another picture; its contents may come later."""
        item = QListWidgetItem()
        item.setData(self._NUMBER, number)
        item.setSizeHint(self.gridSize())
        self.addItem(item)
        return item

    def show_picture(self, item: QListWidgetItem, icon: QIcon, name: str, words: str) -> None:
        """Set a picture's contents. `name` is shown in the tool tip and read out with the caption."""
        item.setIcon(icon)
        item.setText(words)
        item.setToolTip(plain_tip(f"{name}\n{words}"))
        item.setData(Qt.ItemDataRole.AccessibleTextRole, f"{name}: {words}")

    def number(self, row: int) -> int:
        """Return the number of the picture in this row; -1 if there is none."""
        item = self.item(row)
        return -1 if item is None else int(item.data(self._NUMBER))

    def _open(self, item: QListWidgetItem) -> None:
        self.opened.emit(int(item.data(self._NUMBER)))
