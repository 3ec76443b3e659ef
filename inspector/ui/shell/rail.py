"""The rail: a button for each page of the window."""

from typing import Final

from PySide6.QtCore import QSize, Qt
from PySide6.QtWidgets import QFrame, QToolButton, QVBoxLayout, QWidget

from inspector.ui.shell import theme
from inspector.ui.widgets.themed import Themed

PAGES: Final = ("inspect", "review", "archive", "train", "recipes", "settings")


class Rail(Themed, QFrame):
    """The buttons of the pages."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("rail")
        self.setFixedWidth(theme.RAIL)
        self.buttons: dict[str, QToolButton] = {}
        box = QVBoxLayout(self)
        box.setContentsMargins(theme.SPACING, theme.SPACING * 2, theme.SPACING, theme.SPACING * 2)
        box.setSpacing(theme.SPACING)
        for page in PAGES:
            button = QToolButton()
            button.setObjectName(f"page_{page}")
            button.setCheckable(True)
            button.setAutoExclusive(True)
            button.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextUnderIcon)
            button.setIconSize(QSize(theme.ICON, theme.ICON))
            if page == "settings":
                box.addStretch(1)
            box.addWidget(button)
            self.buttons[page] = button
            button.toggled.connect(self.restyle)
        self.retranslate()

    def retranslate(self) -> None:
        self.setAccessibleName(self.tr("Pages"))
        texts = {
            "inspect": self.tr("Inspect"),
            "review": self.tr("Review"),
            "archive": self.tr("Archive"),
            "train": self.tr("Train"),
            "recipes": self.tr("Recipes"),
            "settings": self.tr("Settings"),
        }
        for page, button in self.buttons.items():
            button.setText(texts[page])
            button.setAccessibleName(texts[page])
        self.restyle()

    def restyle(self) -> None:
        for page, button in self.buttons.items():
            button.setIcon(theme.icon(page, "on_accent" if button.isChecked() else "on_rail"))
