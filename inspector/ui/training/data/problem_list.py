"""The problems of the data: sentences grouped by kind, to be copied, each with a link to its image."""

import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

from PySide6.QtCore import QCoreApplication, QEvent, QSize, Qt, Signal
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QHBoxLayout, QLabel, QTreeWidget, QTreeWidgetItem, QVBoxLayout, QWidget

from inspector.core.message import Message
from inspector.imaging.files import IMAGE_SUFFIXES
from inspector.ui.shell import theme
from inspector.ui.shell.strings import is_language_change, translate
from inspector.ui.tabs.controls import CopyButton
from inspector.ui.widgets.boxes import plain
from inspector.ui.widgets.themed import Themed
from inspector.ui.widgets.tips import plain_tip

LISTED: Final = 500  # maximum number of listed sentences of a kind; all are counted and copied
_PATH: Final = Qt.ItemDataRole.UserRole
_BLANK: Final = re.compile(r"\{[^{}]*\}")


def image_of(problem: Message, folder: Path) -> Path | None:
    """Return the image file named in a sentence, if it exists."""
    for value in problem.values.values():
        for text in str(value).split(", ") if isinstance(value, str | Path) else ():
            path = folder / text
            if path.suffix.lower() in IMAGE_SUFFIXES and path.is_file():
                return path
    return None


class ProblemList(Themed, QWidget):
    """The list of problems. `image_wanted` carries the path of the chosen sentence's image."""

    image_wanted = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._problems: tuple[Message, ...] = ()
        self._folder = Path()
        self._title = QLabel()
        self._title.setWordWrap(True)
        self.copy_button = CopyButton()
        self.copy_button.setObjectName("copy_problems")
        self.tree = QTreeWidget()
        self.copy_button.serve(self.tree, self.copy)
        self.tree.setObjectName("problems")
        self.tree.setHeaderHidden(True)
        self.tree.setUniformRowHeights(True)
        self.tree.setTextElideMode(Qt.TextElideMode.ElideMiddle)
        self.tree.itemActivated.connect(self._open)
        self.tree.itemClicked.connect(self._open)
        row = plain(QHBoxLayout())
        row.addWidget(self._title, 1)
        row.addWidget(self.copy_button)
        box = plain(QVBoxLayout(self))
        box.addLayout(row)
        box.addWidget(self.tree, 1)
        self.retranslate()

    @property
    def count(self) -> int:
        return len(self._problems)

    def show_problems(self, problems: Iterable[Message], folder: Path) -> None:
        """List these problems of the data in `folder`."""
        found = tuple({problem.text: problem for problem in problems}.values())
        if (found, folder) != (self._problems, self._folder):
            self._problems, self._folder = found, folder
            self._fill()

    def as_text(self) -> str:
        """Return every problem, one a line, under a line for its kind."""
        lines = []
        for template, problems in self._kinds().items():
            lines.append(f"{_kind_text(template)} ({len(problems)})")
            lines += [f"\t{translate(problem)}" for problem in problems]
        return "\n".join(lines)

    def copy(self) -> None:
        """Copy all problems to the clipboard."""
        QGuiApplication.clipboard().setText(self.as_text())

    def _kinds(self) -> dict[str, list[Message]]:
        kinds: dict[str, list[Message]] = {}
        for problem in self._problems:
            kinds.setdefault(problem.template, []).append(problem)
        return dict(sorted(kinds.items(), key=lambda item: -len(item[1])))

    def _fill(self) -> None:
        self.tree.clear()
        for template, problems in self._kinds().items():
            if len(problems) == 1:
                self.tree.addTopLevelItem(self._item(problems[0]))
                continue
            top = QTreeWidgetItem([f"{len(problems):,} ×  {_kind_text(template)}"])
            top.setSizeHint(0, QSize(0, theme.TOUCH))
            top.setToolTip(0, plain_tip(top.text(0)))
            top.addChildren(self._items(problems))
            self.tree.addTopLevelItem(top)
        self.retranslate()

    def _items(self, problems: Sequence[Message]) -> list[QTreeWidgetItem]:
        items = [self._item(problem) for problem in problems[:LISTED]]
        if len(problems) > LISTED:
            more = self.tr("… and {count} more; copy the list to see them all.").format(count=f"{len(problems) - LISTED:,}")
            items.append(QTreeWidgetItem([more]))
        return items

    def _item(self, problem: Message) -> QTreeWidgetItem:
        text = translate(problem)
        prefix = f"{self._folder}/"
        item = QTreeWidgetItem([text.replace(prefix, "")])
        item.setSizeHint(0, QSize(0, theme.TOUCH))
        item.setToolTip(0, plain_tip(text))
        item.setData(0, _PATH, problem)
        return item

    def _open(self, item: QTreeWidgetItem) -> None:
        problem = item.data(0, _PATH)
        if not isinstance(problem, Message):
            item.setExpanded(not item.isExpanded())
            return
        path = image_of(problem, self._folder)
        if path is not None:
            self.image_wanted.emit(path)

    def retranslate(self) -> None:
        if self._problems:
            text = self.tr("Found {count}. Press one to see its image.").format(count=f"{len(self._problems):,}")
        else:
            text = self.tr("No problem was found.")
        self._title.setText(text)
        self.copy_button.setEnabled(bool(self._problems))
        self.tree.setAccessibleName(self.tr("Problems found"))

    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        if is_language_change(event):
            self._fill()


def _kind_text(template: str) -> str:
    """Return the sentence without its variable values."""
    return _BLANK.sub("…", QCoreApplication.translate("messages", template))
