"""The data page without data: the supported folder layouts, and demo data to try."""

from typing import Final

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QFrame, QGridLayout, QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from inspector.core.errors import InspectorError
from inspector.data.annotations import LAYOUTS
from inspector.ui.shell import theme
from inspector.ui.shell.strings import translate
from inspector.ui.widgets.banner import Banner
from inspector.ui.widgets.boxes import plain, scrolled
from inspector.ui.widgets.themed import Themed

DEMO: Final = ("window", "plate-boxes", "plate-masks", "thermal")  # the folders `write_demo_data` makes


class EmptyView(Themed, QWidget):
    """Explains what to choose. `demo_wanted` carries the name of a demo folder; `retry` requests another look at the folder."""

    demo_wanted = Signal(str)
    retry = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._title, self._text, self._known, self._try = QLabel(), QLabel(), QLabel(), QLabel()
        self._title.setProperty("role", "title")
        self._known.setProperty("role", "strong")
        self._try.setProperty("role", "strong")
        self._text.setWordWrap(True)
        self._banner: Banner | None = None
        card = QFrame()
        card.setProperty("role", "card")
        self._box = QVBoxLayout(card)
        self._box.setContentsMargins(*(theme.SPACING * 3,) * 4)
        self._box.setSpacing(theme.SPACING * 2)
        self._box.addWidget(self._title)
        self._box.addWidget(self._text)
        self._box.addWidget(self._known)
        self._box.addLayout(self._make_layouts())
        self._box.addWidget(self._try)
        self._box.addLayout(self._make_demo())
        inside = QWidget()
        self._outer = plain(QVBoxLayout(inside), theme.SPACING * 2)
        self._outer.addWidget(card)
        self._outer.addStretch(1)
        area = scrolled(inside)
        plain(QVBoxLayout(self)).addWidget(area)
        self.retranslate()

    def _make_layouts(self) -> QGridLayout:
        usual = [LAYOUTS["folders"], LAYOUTS["table"]]
        others = [layout for layout in LAYOUTS.values() if layout not in usual]
        self._layouts = [(QLabel(), QLabel(), layout) for layout in (*usual, *others)]
        grid = plain(QGridLayout())
        grid.setHorizontalSpacing(theme.SPACING * 3)
        grid.setColumnStretch(1, 1)
        for row, (title, expected, _) in enumerate(self._layouts):
            expected.setProperty("role", "muted")
            expected.setWordWrap(True)
            grid.addWidget(title, row, 0, Qt.AlignmentFlag.AlignTop)
            grid.addWidget(expected, row, 1)
        return grid

    def _make_demo(self) -> QHBoxLayout:
        self.demo = {name: QPushButton() for name in DEMO}
        row = plain(QHBoxLayout())
        for name, button in self.demo.items():
            button.setObjectName(f"demo_{name}")
            button.clicked.connect(lambda _=False, name=name: self.demo_wanted.emit(name))
            row.addWidget(button)
        row.addStretch(1)
        return row

    def show_trouble(self, trouble: InspectorError | None) -> None:
        """Show why the chosen folder cannot be used; None: nothing is wrong, or no folder was chosen."""
        if self._banner is not None:
            self._outer.removeWidget(self._banner)
            self._banner.hide()
            self._banner.deleteLater()
            self._banner = None
        if trouble is not None:
            self._banner = Banner(trouble.problem, trouble.remedy, retryable=True)
            self._banner.retry.connect(self.retry)
            self._outer.insertWidget(0, self._banner)

    @property
    def trouble(self) -> str:
        """The sentence on display; empty if there is none."""
        return self._banner.text if self._banner is not None else ""

    def retranslate(self) -> None:
        self._title.setText(self.tr("Choose a folder of images"))
        self._text.setText(
            self.tr(
                "Press the button above, or drop a folder here. The program shows what it has understood and what is wrong; "
                "it moves nothing. Pictures that have no labels yet are sorted into classes here."
            )
        )
        self._known.setText(self.tr("Folders that are understood"))
        self._try.setText(self.tr("No images yet? Try it with pictures of the demo line:"))
        for title, expected, layout in self._layouts:
            title.setText(translate(layout.TITLE))
            expected.setText(translate(layout.EXPECTED))
        words = {
            "window": self.tr("Classes"),
            "plate-boxes": self.tr("Boxes"),
            "plate-masks": self.tr("Masks"),
            "thermal": self.tr("Temperatures"),
        }
        for name, button in self.demo.items():
            button.setText(words[name])
            button.setAccessibleName(self.tr("Demo data: {name}").format(name=words[name]))
