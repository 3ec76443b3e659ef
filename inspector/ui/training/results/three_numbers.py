"""The numbers that a result opens with, large, each with its caption and interval."""

from collections.abc import Sequence

from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QVBoxLayout, QWidget

from inspector.ui.shell import theme
from inspector.ui.widgets.boxes import plain


class ThreeNumbers(QWidget):
    """Cards beside each other."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._row = plain(QHBoxLayout(self), theme.SPACING * 2)
        self.texts: list[tuple[str, str, str]] = []

    def show_numbers(self, numbers: Sequence[tuple[str, str, str]]) -> None:
        """Show these as (value, caption, interval)."""
        self.texts = list(numbers)
        while (item := self._row.takeAt(0)) is not None:
            widget = item.widget()
            if widget is not None:
                widget.hide()
                widget.deleteLater()
        for value, caption, interval in numbers:
            card = QFrame()
            card.setProperty("role", "card")
            box = QVBoxLayout(card)
            box.setContentsMargins(theme.SPACING * 2, theme.SPACING, theme.SPACING * 2, theme.SPACING)
            box.setSpacing(0)
            for text, role in ((value, "title"), (caption, "strong"), (interval, "small")):
                label = QLabel(text)
                label.setProperty("role", role)
                box.addWidget(label)
            card.setAccessibleName(f"{caption} {value} {interval}")
            self._row.addWidget(card, 1)
