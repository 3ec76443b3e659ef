"""Confirmation of a recipe change while the line runs, so that a change is always deliberate."""

from pathlib import Path
from typing import Final

from PySide6.QtCore import QObject

from inspector.ui.inspect.page import InspectPage
from inspector.ui.widgets.question import Answer, Question

CHANGE: Final = "change_recipe"
KEEP: Final = "keep_recipe"


class RecipeChange(QObject):
    """Sets the recipe that Start runs: at once while the line is stopped, else after confirmation."""

    def __init__(self, page: InspectPage, question: Question, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._page, self.question = page, question
        self._path: Path | None = None
        question.answered.connect(self._on_answer)

    def offer(self, path: Path) -> None:
        """Open this recipe on the inspect page, after a confirmation if the line runs."""
        if not self._page.running:
            self._page.open_recipe(path)
            return
        self._path = path
        self.question.ask(
            self.tr("The line is running"),
            self.tr("{name} is saved. Shall the line go on with it now?").format(name=path.name),
            (Answer(CHANGE, self.tr("Go on with it"), "start"), Answer(KEEP, self.tr("Keep what runs"), leading=True)),
        )

    def _on_answer(self, answer: str) -> None:
        path, self._path = self._path, None
        if path is not None and answer == CHANGE:
            self._page.open_recipe(path)
