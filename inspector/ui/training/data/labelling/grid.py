"""Small pictures of which several are selected at once, to give them a class by a key or by dragging them."""

from collections import OrderedDict
from collections.abc import Collection, Mapping, Sequence
from typing import Final

from PySide6.QtCore import QByteArray, QItemSelectionModel, QMimeData, QSize, Qt, QTimer, Signal
from PySide6.QtGui import QDrag, QIcon, QImage, QKeyEvent, QPixmap, QResizeEvent, QShowEvent
from PySide6.QtWidgets import QAbstractItemView, QListView, QListWidget, QListWidgetItem

from inspector.ui.shell import theme
from inspector.ui.widgets.tips import plain_tip

KEPT: Final = 600  # pictures in memory
DRAGGED: Final = "application/x-inspector-pictures"  # the selected ones of a grid
LATER_MS: Final = 60  # after scrolling, until pictures are asked for


class LabelGrid(QListWidget):
    """The images of a folder by name.

    `pictures_wanted` carries the names on the screen that have no picture yet; `keyed` the number 0..9 of a key, 0 also for
    those that delete.
    """

    pictures_wanted = Signal(object)
    keyed = Signal(int)
    _NAME: Final = Qt.ItemDataRole.UserRole

    def __init__(self, picture: QSize) -> None:
        """Create the grid. `picture`: largest size of a picture in pixels."""
        super().__init__()
        self.setObjectName("label_grid")
        self.setViewMode(QListView.ViewMode.IconMode)
        self.setResizeMode(QListView.ResizeMode.Adjust)
        self.setMovement(QListView.Movement.Static)
        self.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        self.setDragEnabled(True)
        self.setDragDropMode(QAbstractItemView.DragDropMode.DragOnly)
        self.setUniformItemSizes(True)
        self.setIconSize(picture)
        self.setGridSize(QSize(picture.width() + theme.SPACING * 2, picture.height() + theme.SPACING * 5))
        self.setVerticalScrollMode(QListView.ScrollMode.ScrollPerPixel)
        self.setTextElideMode(Qt.TextElideMode.ElideMiddle)
        self._items: dict[str, QListWidgetItem] = {}
        self._seen: OrderedDict[str, None] = OrderedDict()  # the pictures in memory, the newest last
        self._asked: tuple[str, ...] = ()
        self._blank = QPixmap(picture)
        self._blank.fill(Qt.GlobalColor.transparent)
        self._later = QTimer(self)
        self._later.setSingleShot(True)
        self._later.setInterval(LATER_MS)
        self._later.timeout.connect(self._ask)
        self.verticalScrollBar().valueChanged.connect(self._later.start)

    def show_images(self, names: Sequence[str]) -> None:
        """Start over with these images."""
        self.clear()
        self._seen.clear()
        self._asked = ()
        self._items = {}
        for name in names:
            item = QListWidgetItem(QIcon(self._blank), "")
            item.setData(self._NAME, name)
            item.setSizeHint(self.gridSize())
            self.addItem(item)
            self._items[name] = item
        self._later.start()

    def show_words(self, words: Mapping[str, str]) -> None:
        """Set the words below these images; "" for one without a label."""
        muted, text = theme.current().color("muted"), theme.current().color("text")
        for name, label in words.items():
            item, said = self._items[name], label or self.tr("no label")
            item.setForeground(text if label else muted)
            item.setText(said)
            item.setToolTip(plain_tip(f"{name}\n{said}"))
            item.setData(Qt.ItemDataRole.AccessibleTextRole, f"{name}: {said}")

    def show_only(self, names: Collection[str]) -> None:
        """Hide all other images."""
        for name, item in self._items.items():
            item.setHidden(name not in names)
        self._later.start()

    def show_picture(self, name: str, image: QImage) -> None:
        """Show an image's picture; null: a warning sign, because it cannot be read."""
        item = self._items.get(name)
        if item is None:
            return
        sign = theme.icon("warning", "banner_border")
        item.setIcon(sign if image.isNull() else QIcon(QPixmap.fromImage(image)))
        self._seen[name] = None
        while len(self._seen) > KEPT:
            self._items[self._seen.popitem(last=False)[0]].setIcon(QIcon(self._blank))

    def chosen(self) -> tuple[str, ...]:
        """Return the names of the selected images that can be seen, in their order."""
        found = [item for item in self.selectedItems() if not item.isHidden()]
        return tuple(item.data(self._NAME) for item in sorted(found, key=self.row))

    def choose(self, name: str) -> None:
        """Select only this image, and scroll to it."""
        self.setCurrentItem(self._items[name], QItemSelectionModel.SelectionFlag.ClearAndSelect)
        self.scrollToItem(self._items[name])

    def startDrag(self, actions: Qt.DropAction) -> None:
        """Drag the selected pictures; only a small one is drawn, so that the classes below can be read."""
        drag = QDrag(self)
        drag.setMimeData(self.mimeData(self.selectedItems()))
        drag.setPixmap(self.currentItem().icon().pixmap(self.iconSize() / 2))
        drag.exec(Qt.DropAction.CopyAction)

    def mimeData(self, items: Sequence[QListWidgetItem]) -> QMimeData:
        """Return the data of a drag, which says only that the selected pictures are meant."""
        data = QMimeData()
        data.setData(DRAGGED, QByteArray())
        return data

    def keyPressEvent(self, event: QKeyEvent) -> None:
        key = event.key()
        if not event.modifiers() & ~Qt.KeyboardModifier.KeypadModifier:
            if Qt.Key.Key_0 <= key <= Qt.Key.Key_9:
                self.keyed.emit(key - Qt.Key.Key_0)
                return
            if key in (Qt.Key.Key_Delete, Qt.Key.Key_Backspace):
                self.keyed.emit(0)
                return
        super().keyPressEvent(event)

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._later.start()

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        self._later.start()

    def _ask(self) -> None:
        """Ask for the pictures that are on the screen."""
        area = self.viewport().rect()
        missing = tuple(
            name
            for name, item in self._items.items()
            if name not in self._seen and not item.isHidden() and self.visualItemRect(item).intersects(area)
        )
        if missing and missing != self._asked:
            self.pictures_wanted.emit(missing)
        self._asked = missing
