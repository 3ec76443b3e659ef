"""What Start runs: a recipe, and perhaps another source than its own."""

from pathlib import Path

from PySide6.QtCore import QObject, Signal

from inspector.core.errors import InspectorError
from inspector.inspection.run_request import RunRequest, resolve_recipe
from inspector.ui.inspect.choosers import RecipeChooser, SourceChooser, with_source


class LineChoice(QObject):
    """Reads recipes and sources, and shows in the choosers what is chosen.

    `changed`: `request` is another one. `refused` carries the error of what cannot be used, and the choice stays as it was;
    `accepted`: it could be used.
    """

    changed = Signal()
    accepted = Signal()
    refused = Signal(object)

    def __init__(self, recipes: RecipeChooser, sources: SourceChooser, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._recipes, self._sources = recipes, sources
        self._written: RunRequest | None = None  # the recipe as written in its file
        self.file: Path | None = None  # of the recipe, if it has one
        self.source = ""  # inspected instead of the recipe's own; with its secrets
        self.request: RunRequest | None = None  # what Start runs, or what runs now

    def set(self, request: RunRequest, path: Path | None) -> None:
        """Choose this recipe, with its own source."""
        self.file, self._written, self.source = path, request, ""
        self._recipes.show_recipe(path, request.recipe.name)
        self._sources.show_source("")
        self._use(request)

    def open(self, path: Path) -> None:
        """Read a recipe and choose it."""
        try:
            request = resolve_recipe(path)
        except InspectorError as error:
            self.refused.emit(error)
            self._recipes.show_recipe(self.file, self._written.recipe.name if self._written else "")
            return
        self.accepted.emit()
        self.set(request, path)

    def use_source(self, source: str) -> bool:
        """Inspect the frames of this source; empty: the recipe's own. Return False if that cannot be done."""
        if self._written is None:
            return False
        try:
            request = with_source(self._written, self.file, source)
        except InspectorError as error:
            self.refused.emit(error)
            return False
        self.accepted.emit()
        self.source = source
        self._sources.show_source(source)
        self._use(request)
        return True

    def use_pending(self) -> bool:
        """Use what was typed in the source field and is not used yet; return False if that cannot be done."""
        pending = self._sources.pending()
        return pending is None or self.use_source(pending)

    def _use(self, request: RunRequest) -> None:
        self.request = request
        self.changed.emit()
