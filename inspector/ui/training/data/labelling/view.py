"""Sorting photographs into classes by hand: select some, press a class, its key, or drag them onto it."""

from pathlib import Path
from typing import Final

from PySide6.QtCore import QSignalBlocker, QSize, Qt, Signal
from PySide6.QtGui import QDragEnterEvent, QDropEvent, QKeyEvent, QKeySequence
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QLineEdit, QPushButton, QVBoxLayout, QWidget

from inspector.core.errors import InspectorError
from inspector.data.formats.table import BY_HAND
from inspector.data.labelling import HandLabels
from inspector.ui.shell import theme
from inspector.ui.shell.strings import class_name
from inspector.ui.training.data.labelling.grid import DRAGGED, LabelGrid
from inspector.ui.training.data.labelling.thread import Kept, LabelThread, Seen
from inspector.ui.widgets.banner import Banners
from inspector.ui.widgets.boxes import plain, scrolled
from inspector.ui.widgets.inputs import ComboBox
from inspector.ui.widgets.themed import Themed
from inspector.ui.widgets.tips import plain_tip

PICTURE: Final = QSize(theme.SPACING * 18, theme.SPACING * 14)
KEYS: Final = 9
ALL: Final = None
_WIDTH: Final = theme.SPACING * 43
_WIDEST: Final = theme.SPACING * 22  # of a class on its button, beside its key and its number


class ClassButton(QPushButton):
    """A class; pictures may be dropped on it. `given`: it was pressed, or something was dropped."""

    given = Signal(str)

    def __init__(self, name: str) -> None:
        """Create the button. `name`: of the class, "" for no class."""
        super().__init__()
        self.name = name
        self.setAcceptDrops(True)
        self.setMinimumHeight(theme.TOUCH)
        self.setProperty("role", "row")
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)  # a press leaves the focus with the pictures and their keys
        self.clicked.connect(lambda: self.given.emit(self.name))

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        if event.mimeData().hasFormat(DRAGGED):
            event.acceptProposedAction()
            self.setDown(True)

    def dragLeaveEvent(self, event: object) -> None:
        self.setDown(False)

    def dropEvent(self, event: QDropEvent) -> None:
        self.setDown(False)
        event.acceptProposedAction()
        self.given.emit(self.name)


class LabelView(Themed, QWidget):
    """Labels the images of a folder. `done`: the labels are on the disk, and are to be used."""

    done = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.labels: HandLabels | None = None
        self._folder: Path | None = None
        self._kept = b""  # the labels on the disk
        self._finishing = False
        self.grid = LabelGrid(PICTURE)
        self.thread_ = LabelThread(PICTURE, self)
        self.banners = Banners(self)
        self._title, self._hint, self.place = QLabel(), QLabel(), QLabel()
        self._title.setProperty("role", "strong")
        self._hint.setProperty("role", "small")
        for label in (self._title, self._hint):
            label.setWordWrap(True)
            label.setTextFormat(Qt.TextFormat.PlainText)
        self.buttons: dict[str, ClassButton] = {}
        self.name, self.add = QLineEdit(), QPushButton()
        self.undo_button, self.done_button = QPushButton(), QPushButton()
        self.filter = ComboBox()
        self._arrange()
        self._connect()
        self.retranslate()

    def _arrange(self) -> None:
        self.name.setObjectName("new_class")
        self.name.setMinimumHeight(theme.TOUCH)
        self.add.setObjectName("add_class")
        self.undo_button.setObjectName("undo_label")
        self.done_button.setObjectName("use_labels")
        self.done_button.setProperty("role", "primary")
        self.filter.setObjectName("label_filter")
        self.filter.setMinimumHeight(theme.TOUCH)
        for button in (self.add, self.undo_button, self.done_button):
            button.setIconSize(QSize(theme.ICON, theme.ICON))
        inside = QWidget()
        self._rows = plain(QVBoxLayout(inside), theme.SPACING // 2)
        adding = plain(QHBoxLayout())
        adding.addWidget(self.name, 1)
        adding.addWidget(self.add)
        card = QFrame()
        card.setProperty("role", "card")
        card.setFixedWidth(_WIDTH)
        box = QVBoxLayout(card)
        box.setContentsMargins(*(theme.SPACING * 2,) * 4)
        box.setSpacing(theme.SPACING)
        box.addWidget(self._title)
        box.addWidget(self._hint)
        box.addWidget(scrolled(inside), 1)
        box.addLayout(adding)
        box.addWidget(self.undo_button)
        box.addWidget(self.done_button)
        head = plain(QHBoxLayout())
        head.addWidget(self.filter)
        head.addWidget(self.place, 1)
        seen = plain(QVBoxLayout())
        seen.addWidget(self.banners)
        seen.addLayout(head)
        seen.addWidget(self.grid, 1)
        row = plain(QHBoxLayout(self), theme.SPACING * 2)
        row.addWidget(card)
        row.addLayout(seen, 1)

    def _connect(self) -> None:
        self.grid.keyed.connect(self._on_key)
        self.grid.itemSelectionChanged.connect(self._show_place)
        self.grid.pictures_wanted.connect(self._on_wanted)
        self.name.returnPressed.connect(self._add)
        self.add.clicked.connect(self._add)
        self.undo_button.clicked.connect(self.undo)
        self.done_button.clicked.connect(self.finish)
        self.filter.currentIndexChanged.connect(self._filter)
        self.banners.retry.connect(self._on_retry)
        self.thread_.opened.connect(self._on_opened)
        self.thread_.seen.connect(self._on_seen)
        self.thread_.written.connect(self._on_written)
        self.thread_.troubled.connect(self._on_trouble)

    # ---- commands --------------------

    def open(self, folder: Path) -> None:
        """Label the images of this folder."""
        self._folder, self.labels = folder, None
        self._finishing = False
        self.banners.clear_all()
        self.grid.show_images(())
        self.thread_.open(folder)
        self._refresh()

    def give(self, name: str) -> None:
        """Give the selected images this class, "" for none, and go on to the next image without one."""
        labels, chosen = self.labels, self.grid.chosen()
        if labels is None or not chosen:
            return
        self.grid.setFocus()
        if labels.set(chosen, name):
            self._changed(chosen)
        after = labels.images.index(chosen[-1]) + 1
        if name and (following := next((one for one in labels.images[after:] if not labels.label(one)), "")):
            self.grid.choose(following)

    def undo(self) -> None:
        """Take the last step back, and go to the first image that it had changed."""
        if self.labels is None or not (changed := self.labels.undo()):
            return
        self._changed(changed)
        self.grid.choose(changed[0])

    def finish(self) -> None:
        """Use the labels, as soon as they are on the disk."""
        self._finishing = True
        self._end_if_written()
        if self._finishing:  # on their way to the disk, or could not be written before
            self._write()

    def leave(self) -> bool:
        """Drop the selection and a name that is being typed; return False if there was neither."""
        begun = bool(self.grid.chosen() or self.name.text())
        self.grid.clearSelection()
        self.name.clear()
        return begun

    def end(self) -> None:
        """End the thread; labels that wait are written."""
        self.thread_.end()

    # ---- changes --------------------

    def _changed(self, names: tuple[str, ...]) -> None:
        assert self.labels is not None
        self.grid.show_words({name: class_name(self.labels.label(name)) for name in names})
        self._write()
        self._refresh()
        self._filter()

    def _write(self) -> None:
        if self.labels is not None:
            self.thread_.write(self.labels.folder, self.labels.as_table())

    def _on_retry(self, key: str) -> None:
        self.banners.clear(key)
        if self.labels is not None:
            self._write()
        elif self._folder is not None:
            self.open(self._folder)

    def _add(self) -> None:
        if self.labels is not None and self.labels.add_class(self.name.text()):
            self.name.clear()
            self._refresh()
            self.grid.setFocus()

    def _on_key(self, number: int) -> None:
        classes = self.labels.classes if self.labels is not None else []
        if number == 0:
            self.give("")
        elif number <= len(classes):
            self.give(classes[number - 1])

    def _end_if_written(self) -> None:
        if self._finishing and self.labels is not None and self._kept == self.labels.as_table():
            self._finishing = False
            self.done.emit()

    # ---- what the thread says --------------------

    def _on_wanted(self, names: tuple[str, ...]) -> None:
        if self._folder is not None:
            self.thread_.want(self._folder, names)

    def _on_opened(self, labels: HandLabels) -> None:
        if labels.folder != self._folder:
            return
        self.labels, self._kept = labels, labels.as_table()
        if not labels.classes:
            for name in (self.tr("good"), self.tr("defect")):
                labels.add_class(name)
        self.grid.show_images(labels.images)
        self.grid.show_words({name: class_name(labels.label(name)) for name in labels.images})
        self._refresh()
        self.filter.setCurrentIndex(0)
        self.grid.choose(next((name for name in labels.images if not labels.label(name)), labels.images[0]))
        self.grid.setFocus()

    def _on_seen(self, seen: Seen) -> None:
        if seen.folder == self._folder:
            self.grid.show_picture(seen.name, seen.image)

    def _on_written(self, kept: Kept) -> None:
        if kept.folder == self._folder:
            self._kept = kept.table
            self.banners.clear("write")
            self._end_if_written()

    def _on_trouble(self, trouble: InspectorError) -> None:
        self._finishing = False
        self.banners.show_problem("write", trouble.problem, trouble.remedy)

    # ---- display --------------------

    def _word(self, name: str) -> str:
        return class_name(name) if name else self.tr("no label")

    def _refresh(self) -> None:
        labels = self.labels
        classes = [*labels.classes, ""] if labels is not None else []
        if list(self.buttons) != classes:
            self._make_buttons(classes)
        counts = labels.counts() if labels is not None else {}
        for number, (name, button) in enumerate(self.buttons.items(), start=1):
            key = f"{number}  " if name and number <= KEYS else "0  " if not name else ""
            word = self._word(name)
            elided = button.fontMetrics().elidedText(word, Qt.TextElideMode.ElideMiddle, _WIDEST)
            button.setText(f"{key}{elided}  ({counts[name]:,})".replace("&", "&&"))
            button.setToolTip(plain_tip(word if elided != word else ""))
            button.setAccessibleName(self.tr("Selected pictures: {name}").format(name=word))
        self.undo_button.setEnabled(labels is not None and labels.can_undo)
        self.done_button.setEnabled(labels is not None and len(labels.images) > counts[""])
        self._name_filters()
        self._show_place()

    def _make_buttons(self, classes: list[str]) -> None:
        while (item := self._rows.takeAt(0)) is not None:
            widget = item.widget()
            if widget is not None:
                widget.hide()
                widget.deleteLater()
        self.buttons = {name: ClassButton(name) for name in classes}
        for button in self.buttons.values():
            button.given.connect(self.give)
            self._rows.addWidget(button)
            button.show()
        self._rows.addStretch(1)

    def _name_filters(self) -> None:
        words = [self.tr("All pictures"), self.tr("Without a label")]
        names: list[str | None] = [ALL, ""]
        if self.labels is not None:
            names += self.labels.classes
            words += [class_name(name) for name in self.labels.classes]
        chosen = self.filter.currentIndex()
        with QSignalBlocker(self.filter):
            self.filter.clear()
            for name, word in zip(names, words, strict=True):
                self.filter.addItem(word, name)
            self.filter.setCurrentIndex(max(chosen, 0))

    def _filter(self) -> None:
        labels, name = self.labels, self.filter.currentData()
        if labels is not None:
            self.grid.show_only({one for one in labels.images if name is ALL or labels.label(one) == name})
            self._show_place()

    def _show_place(self) -> None:
        count = len(self.grid.chosen())
        self.place.setText(self.tr("{count} selected").format(count=f"{count:,}") if count else "")

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.matches(QKeySequence.StandardKey.Undo):
            self.undo()
        else:
            super().keyPressEvent(event)

    def retranslate(self) -> None:
        self.setAccessibleName(self.tr("Sort pictures into classes"))
        self._title.setText(self.tr("Sort the pictures into classes"))
        text = self.tr(
            "Select pictures, then press a class or its number, or drag them onto it. The pictures stay where they are; "
            "the labels are kept beside them in {file}."
        )
        self._hint.setText(text.format(file=BY_HAND))
        self.grid.setAccessibleName(self.tr("Pictures to be sorted"))
        self.filter.setAccessibleName(self.tr("Show"))
        self.name.setPlaceholderText(self.tr("Another class"))
        self.name.setAccessibleName(self.tr("Name of another class"))
        for button, words in (
            (self.add, self.tr("Add")),
            (self.undo_button, self.tr("Undo")),
            (self.done_button, self.tr("Use these labels")),
        ):
            button.setText(words)
            button.setAccessibleName(words)
        self._refresh()
        self.restyle()

    def restyle(self) -> None:
        if self.labels is not None:  # in the colours and the language of now
            self.grid.show_words({name: class_name(self.labels.label(name)) for name in self.labels.images})
        self.add.setIcon(theme.icon("plus"))
        self.undo_button.setIcon(theme.icon("undo"))
        self.done_button.setIcon(theme.icon("next", "on_accent"))
