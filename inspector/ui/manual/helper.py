"""The help of a window: the manual and the tour, each made when it is first wanted."""

from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING

from inspector.ui.manual.manual import Manual
from inspector.ui.manual.topics import OF_PAGE
from inspector.ui.manual.tour import Tour

if TYPE_CHECKING:
    from inspector.ui.shell.main_window import MainWindow


class Helper:
    """Shows the manual and the tour over a window."""

    def __init__(self, window: "MainWindow") -> None:
        self._window = window

    @cached_property
    def manual(self) -> Manual:
        manual = Manual(self._window)
        manual.tour_wanted.connect(lambda: self.tour.open())
        return manual

    @cached_property
    def tour(self) -> Tour:
        tour = Tour(self._window)
        tour.page_wanted.connect(self._window.show_page)
        tour.ended.connect(self._remember)
        return tour

    def open(self) -> None:
        """Show the help for the current page."""
        self.manual.open(OF_PAGE[self._window.page])

    def toggle(self) -> None:
        """Show the help for the current page, or hide it."""
        if not self.leave():
            self.open()

    def leave(self) -> bool:
        """Hide the tour or the manual; return whether one of them was there."""
        made = vars(self)
        if "tour" in made and self.tour.isVisible():
            self.tour.end()
            return True
        if "manual" in made and self.manual.isVisible():
            self.manual.hide()
            return True
        return False

    def close_workers(self) -> None:
        """End a check that is under way."""
        if "manual" in vars(self):
            self.manual.close_workers()

    def _remember(self) -> None:
        settings = self._window.settings
        settings.remember(replace(settings.layout, toured=True))
