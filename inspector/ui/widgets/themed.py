"""Updates of a widget's texts and colours when the language or the theme changes."""

from typing import TYPE_CHECKING

from PySide6.QtCore import QEvent

from inspector.ui.shell import theme
from inspector.ui.shell.strings import is_language_change

if TYPE_CHECKING:
    from PySide6.QtWidgets import QWidget as _Widget
else:
    _Widget = object


class Themed(_Widget):
    """Mixin: calls `retranslate()` after a change of language and `restyle()` after a change of theme.

    Place it before the Qt class: `class Panel(Themed, QWidget)`. Override the method that the widget needs.
    """

    def retranslate(self) -> None:
        """Set every text again, in the window's language."""

    def restyle(self) -> None:
        """Take colours and icons from the theme again; repaints unless overridden."""
        self.update()

    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        if is_language_change(event):
            self.retranslate()
            self.update()
        elif theme.is_theme_change(event):
            self.restyle()
