"""What one page hands to another: pictures to train on, a bundle to judge with, a recipe to inspect with."""

from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from inspector.inspection.run_request import resolve_recipe
from inspector.recipes.locate import demo_recipe
from inspector.recipes.revisions import user_name
from inspector.ui.review.chooser import OPEN, OpenRecipe, With
from inspector.ui.shell.settings import NO_RECIPE

if TYPE_CHECKING:
    from inspector.ui.recipes.audit_trail import AuditTrail
    from inspector.ui.shell.main_window import MainWindow


class Handover:
    """The ways between the pages of a window."""

    def __init__(self, window: "MainWindow", has: Callable[[str], bool]) -> None:
        """`has`: returns whether the window has made a page."""
        self._window, self._has = window, has

    def judge(self) -> OpenRecipe | None:
        """Return what the station inspects with, if it may judge other pictures: the demo line's networks know only that.

        Raises ConfigError for a recipe that cannot be read.
        """
        window = self._window
        if self._has("inspect"):
            choice, path = window.inspect.choice, window.inspect.recipe_file
            return None if choice is None or path == demo_recipe() else OpenRecipe(choice, path)
        chosen, last = window.settings.preferences.recipe, window.settings.layout.recipe
        chosen = chosen or (last if last != NO_RECIPE else "")
        file = Path(chosen) if chosen else demo_recipe()
        return None if file == demo_recipe() else OpenRecipe(resolve_recipe(file), file)

    def train_on(self, folder: Path) -> None:
        """Begin a new training with the pictures in this folder."""
        self._window.show_page("train")
        self._window.train.open_dialog().set_folder(folder)

    def review_with(self, folder: Path, bundle: Path | None) -> None:
        """Review a folder with a bundle; None: with the open recipe."""
        self._window.review.use(OPEN if bundle is None else With("bundle", bundle))
        self._window.open_path(folder)

    def take_recipe(self, path: Path) -> None:
        """Have the station go on with a recipe that was written, if it is the one that it runs."""
        if self._window.inspect.recipe_file == path:
            self._window.recipe_change.offer(path)

    def record_recipe(self, path: Path) -> None:
        """Have the audit trail of the archive say that a person has changed a recipe."""
        settings = self._window.settings
        if settings.preferences.archive == "on":
            self._audit_trail.record(path, settings.layout.person.strip() or user_name())

    @cached_property
    def _audit_trail(self) -> "AuditTrail":
        from inspector.ui.recipes.audit_trail import AuditTrail

        return AuditTrail()

    def close_workers(self) -> None:
        """Record what is not yet recorded."""
        if "_audit_trail" in vars(self):
            self._audit_trail.finish()

    def reopen_archive(self) -> None:
        """Have the archive page ask the server of the settings from now on."""
        if self._has("archive"):
            self._window.archive.source.renew()
            self._window.archive.refresh()

    def inspect_with(self, path: Path) -> None:
        """Open a recipe on the inspect page, and show that page."""
        self._window.show_page("inspect")
        self._window.recipe_change.offer(path)
