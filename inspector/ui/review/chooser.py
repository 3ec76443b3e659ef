"""The chooser of what inspects the reviewed frames: the open recipe, another recipe, or a single bundle."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from PySide6.QtCore import QSignalBlocker, Signal
from PySide6.QtWidgets import QComboBox, QWidget

from inspector.inspection.run_request import RunRequest
from inspector.recipes.automatic import recipe_for
from inspector.recipes.locate import bundle_roots, find_bundles, known_recipes
from inspector.recipes.recipe import Recipe, load_recipe
from inspector.ui.inspect.choosers import recipe_name
from inspector.ui.shell import theme
from inspector.ui.widgets.file_dialogs import ask_file, ask_folder
from inspector.ui.widgets.inputs import ComboBox
from inspector.ui.widgets.themed import Themed


@dataclass(frozen=True, slots=True)
class OpenRecipe:
    """The recipe that is open on the Inspect page, and its file, if it has one."""

    request: RunRequest
    path: Path | None = None


@dataclass(frozen=True, slots=True)
class With:
    """A choice: the recipe that is open on the Inspect page, a recipe file, or a bundle's folder."""

    kind: Literal["open", "recipe", "bundle"]
    path: Path | None = None

    def load(self) -> tuple[Recipe | None, Path | None]:
        """Return the recipe (None for the open one) and the folder of its bundles. Raises ConfigError."""
        if self.kind == "recipe" and self.path is not None:
            return load_recipe(self.path), self.path.parent
        if self.kind == "bundle" and self.path is not None:
            return recipe_for([self.path], "folder:.", name=self.path.name), None
        return None, None


OPEN: Final = With("open")
_BROWSE_RECIPE: Final = "browse recipe"
_BROWSE_BUNDLE: Final = "browse bundle"


class WithChooser(Themed, ComboBox):
    """The chooser. `chosen` carries a `With`."""

    chosen = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("review_with")
        self.setMinimumHeight(theme.TOUCH)
        self.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.setMinimumContentsLength(6)
        self._current = OPEN
        self._open_name = ""
        self.addItem("", OPEN)
        for path in known_recipes():
            self.addItem(recipe_name(path), With("recipe", path))
        for root in bundle_roots():
            for folder in find_bundles(root):
                self.addItem(folder.name, With("bundle", folder))
        self.addItem("", _BROWSE_RECIPE)
        self.addItem("", _BROWSE_BUNDLE)
        self.activated.connect(self._activate)
        self.retranslate()

    def current(self) -> With:
        return self._current

    def name_open(self, name: str) -> None:
        """Set the name of the open recipe; "": there is none that may judge other pictures."""
        if name != self._open_name:
            self._open_name = name
            self.retranslate()

    def show_choice(self, choice: With) -> None:
        """Show a choice without a signal; an unlisted choice is added."""
        self._current = choice
        with QSignalBlocker(self):
            data = [self.itemData(index) for index in range(self.count())]
            if choice not in data and choice.path is not None:
                self.insertItem(1, recipe_name(choice.path) if choice.kind == "recipe" else choice.path.name, choice)
                data.insert(1, choice)
            self.setCurrentIndex(data.index(choice))

    def _activate(self, index: int) -> None:
        data = self.itemData(index)
        if isinstance(data, With):
            self._take(data)
            return
        self.show_choice(self._current)  # until one was chosen
        if data == _BROWSE_RECIPE:
            kinds = self.tr("Recipes (*.toml)")
            ask_file(self, self.tr("Open a recipe"), lambda path: self._take(With("recipe", path)), kinds=kinds)
        else:
            ask_folder(self, self.tr("Open a bundle"), lambda path: self._take(With("bundle", path)))

    def browse_recipe(self) -> None:
        """Ask for a recipe to inspect with."""
        self._activate(self.findData(_BROWSE_RECIPE))

    def _take(self, choice: With) -> None:
        self.show_choice(choice)
        self.chosen.emit(choice)

    def retranslate(self) -> None:
        name = self._open_name
        self.setItemText(0, self.tr("The open recipe: {name}").format(name=name) if name else self.tr("Nothing: pictures only"))
        self.setItemText(self.count() - 2, self.tr("Open a recipe…"))
        self.setItemText(self.count() - 1, self.tr("Open a bundle…"))
        self.setAccessibleName(self.tr("Inspect with"))
        self.setToolTip(self.tr("The recipe or bundle that judges what is reviewed"))
