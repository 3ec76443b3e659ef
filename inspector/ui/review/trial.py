"""A threshold on trial: what it changes on the reviewed parts, and its way into the recipe's file."""

from collections.abc import Callable
from pathlib import Path

from PySide6.QtCore import QObject, Signal

from inspector.core.errors import InspectorError
from inspector.core.storage.paths import is_shipped
from inspector.recipes.automatic import recipe_with_limit
from inspector.recipes.recipe import InspectModel, Recipe
from inspector.ui.review.effect import Change, Effect, Judged
from inspector.ui.shell.strings import verdict_word
from inspector.ui.tabs.tabs import AnalysisTabs


def write_limit(parts: Path, celsius: float) -> Path:
    """Write a recipe that judges the temperatures of this folder or video by a limit. Raises InspectorError."""
    from inspector.recipes.adopt import own_path
    from inspector.recipes.document import save_recipe

    source = f"{'folder' if parts.is_dir() else 'video'}:{parts}"
    path = own_path(parts.stem)
    save_recipe(recipe_with_limit(source, celsius, name=parts.stem), path)
    return path


class ThresholdTrial(QObject):
    """Serves the threshold sliders of the tabs. `written` carries the file that was changed, `failed` the InspectorError."""

    written = Signal(object)
    failed = Signal(object)

    def __init__(self, tabs: AnalysisTabs, judged: Callable[[], list[Judged]], parent: QObject | None = None) -> None:
        """Create the trial. `judged`: returns the inspected parts."""
        super().__init__(parent)
        self._tabs, self._judged = tabs, judged
        self._file: Path | None = None
        self._effect = Effect(self)
        self._effect.told.connect(self._on_effect)
        tabs.tried_out.connect(self._on_tried)
        tabs.write_wanted.connect(self._write)

    def open(self, file: Path | None) -> None:
        """Begin with other parts. `file`: the recipe that judges them; None: it has no file."""
        self._effect.drop()
        self._file = None if file is None or is_shipped(file) else file
        self._tabs.set_writable(self._file is not None)

    def end(self) -> None:
        """Drop what is under way."""
        self._effect.drop()

    def _on_tried(self, recipe: Recipe | None) -> None:
        if recipe is None:
            self._effect.drop()
        else:
            self._effect.ask(recipe, self._judged())

    def _on_effect(self, change: Change) -> None:
        if not change.count:
            self._tabs.show_effect(self.tr("None of the {count} inspected parts changes.").format(count=change.parts))
            return
        to = ", ".join(f"{verdict_word(verdict)} {count}" for verdict, count in change.to.items())
        text = self.tr("{changed} of {count} inspected parts change: {to}")
        self._tabs.show_effect(text.format(changed=change.count, count=change.parts, to=to))

    def _write(self, step: InspectModel, threshold: float) -> None:
        if self._file is None:
            return
        from inspector.recipes.adopt import write_threshold  # not before the page shows its first picture

        try:
            write_threshold(self._file, step, threshold)
        except InspectorError as error:
            self.failed.emit(error)
        else:
            self.written.emit(self._file)
