"""The recipes page: every recipe that there is, and the editor of one of them."""

from collections.abc import Callable
from pathlib import Path
from typing import Final

from PySide6.QtCore import QSignalBlocker, QSize, Qt, Signal
from PySide6.QtGui import QHideEvent, QShowEvent
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QListWidget, QListWidgetItem, QPushButton, QVBoxLayout, QWidget

from inspector.core.errors import InspectorError
from inspector.core.storage.paths import is_shipped
from inspector.recipes import adopt
from inspector.recipes.locate import known_recipes, own_recipes
from inspector.recipes.recipe import Recipe
from inspector.ui.inspect.choosers import recipe_name
from inspector.ui.recipes.draft import RecipeDraft
from inspector.ui.recipes.editor import RecipeEditor
from inspector.ui.shell import theme
from inspector.ui.widgets.banner import Banners
from inspector.ui.widgets.boxes import plain
from inspector.ui.widgets.question import Answer, Question
from inspector.ui.widgets.themed import Themed
from inspector.ui.widgets.tips import plain_tip

_LIST_WIDTH: Final = theme.SPACING * 22
_NEW: Final = "new"


class RecipesPage(Themed, QWidget):
    """Makes and changes recipes.

    `recipe_written` carries the file that was saved, `inspect_wanted` the file that the Inspect page is to open.
    """

    recipe_written = Signal(object)
    inspect_wanted = Signal(object)

    def __init__(self, parent: QWidget | None = None, *, current: Callable[[], Path | None] = lambda: None) -> None:
        """Create the page. `current`: returns the file of the station's recipe."""
        super().__init__(parent)
        self.setObjectName("page")
        self._current = current
        self.file: adopt.RecipeFile | None = None  # None: a new recipe
        self._opened = False  # something has been opened
        self._wanted: Path | str | None = None  # to be opened when the question about changes is answered
        self._title = QLabel()
        self._title.setProperty("role", "title")
        self.list = QListWidget()
        self.list.setObjectName("recipes")
        self.new, self.save, self.discard, self.go = QPushButton(), QPushButton(), QPushButton(), QPushButton()
        self.draft = RecipeDraft(self)
        self.editor = RecipeEditor(self.draft)
        self.banners = Banners(self)
        self.question = Question(self)
        self._arrange()
        self.list.itemClicked.connect(lambda item: self._want(item.data(Qt.ItemDataRole.UserRole)))
        self.new.clicked.connect(lambda: self._want(_NEW))
        self.save.clicked.connect(self.save_recipe)
        self.discard.clicked.connect(self._discard)
        self.go.clicked.connect(self._go)
        self.draft.changed.connect(self._settle)
        self.editor.back_wanted.connect(self._step_back)
        self.question.answered.connect(self._on_answer)
        self.retranslate()

    def _arrange(self) -> None:
        aside = QFrame()
        aside.setFixedWidth(_LIST_WIDTH)
        side = plain(QVBoxLayout(aside), theme.SPACING * 2)
        side.addWidget(self._title)
        side.addWidget(self.new)
        side.addWidget(self.list, 1)
        foot = plain(QHBoxLayout())
        foot.addStretch(1)
        for button, name in ((self.discard, "discard"), (self.save, "save_recipe"), (self.go, "go_to_inspect")):
            button.setObjectName(name)
            button.setIconSize(QSize(theme.ICON, theme.ICON))
            foot.addWidget(button)
        self.new.setObjectName("new_recipe")
        self.new.setIconSize(QSize(theme.ICON, theme.ICON))
        self.save.setProperty("role", "primary")
        main = plain(QVBoxLayout())
        main.addWidget(self.banners)
        main.addWidget(self.editor, 1)
        main.addLayout(foot)
        row = QHBoxLayout(self)
        row.setContentsMargins(*(theme.SPACING * 2,) * 4)
        row.setSpacing(theme.SPACING * 2)
        row.addWidget(aside)
        row.addLayout(main, 1)

    # Opening

    def open_recipe(self, path: Path) -> None:
        """Edit this recipe. A problem becomes a banner."""
        try:
            self.file = adopt.open_recipe_file(path)
        except InspectorError as error:
            self._say(error)
            self._fill_list()  # the recipe in the editor is still the one before
            return
        self.banners.clear_all()
        self._opened = True
        self.editor.open(self.file.recipe, path, self.file.base)
        self._fill_list()

    def new_recipe(self, source: str = "") -> None:
        """Begin a new recipe, with a camera if its source is given."""
        self.file = None
        self.banners.clear_all()
        self.editor.open(None, None, own_recipes(), name=self.tr("New recipe"))
        if source:
            self.draft.add_camera(source)
        self._fill_list()

    def _want(self, what: Path | str) -> None:
        """Open a recipe, after a question if changes would be lost."""
        if self.draft.is_changed:
            self._wanted = what
            self._fill_list()  # the chosen line is still the open recipe
            answers = (
                Answer("save", self.tr("Save them"), "save"),
                Answer("lose", self.tr("Discard them"), "trash"),
                Answer("stay", self.tr("Go on editing"), leading=True),
            )
            self.question.ask(self.tr("There are changes that are not saved"), str(self.draft.values["name"]), answers)
        else:
            self._open(what)

    def _open(self, what: Path | str) -> None:
        if isinstance(what, Path):
            self.open_recipe(what)
        else:
            self.new_recipe()

    def _on_answer(self, answer: str) -> None:
        wanted, self._wanted = self._wanted, None
        if wanted is None or answer == "stay" or (answer == "save" and not self.save_recipe()):
            return
        self._open(wanted)

    # Saving

    def save_recipe(self) -> bool:
        """Save the recipe as its next revision; one that came with the program becomes a copy. Returns whether it is saved."""
        recipe = self.draft.check.recipe
        if recipe is None:
            return False
        try:
            written = self._write(self.draft.with_sizes(recipe))
        except InspectorError as error:
            self._say(error)
            return False
        self.open_recipe(written.path)
        self.recipe_written.emit(written.path)
        return True

    def _write(self, recipe: Recipe) -> adopt.Written:
        file = self.file
        if file is None:
            path = adopt.own_path(recipe.name)
            return adopt.write_changed(adopt.RecipeFile(path, recipe), recipe, path)
        path = adopt.own_path(recipe.name) if is_shipped(file.path) else file.path
        return adopt.write_changed(file, recipe.model_copy(update={"revision": file.recipe.revision + 1}), path)

    def _step_back(self) -> None:
        if self.file is None:
            return
        try:
            adopt.step_back(self.file.path)
        except InspectorError as error:
            self._say(error)
            return
        self.open_recipe(self.file.path)
        self.recipe_written.emit(self.file.path)

    def _discard(self) -> None:
        if self.file is not None:
            self.open_recipe(self.file.path)
        else:
            self.new_recipe()

    def _go(self) -> None:
        if (not self.draft.is_changed or self.save_recipe()) and self.file is not None:
            self.inspect_wanted.emit(self.file.path)

    def _say(self, error: InspectorError) -> None:
        self.banners.show_problem("recipe", error.problem, error.remedy, retryable=False)

    # Display

    def _fill_list(self) -> None:
        open_path = self.file.path if self.file is not None else None
        with QSignalBlocker(self.list):
            self.list.clear()
            paths = known_recipes()
            for path in ((open_path,) if open_path is not None and open_path not in paths else ()) + tuple(paths):
                item = QListWidgetItem(recipe_name(path))
                item.setData(Qt.ItemDataRole.UserRole, path)
                item.setToolTip(plain_tip(str(path)))
                item.setSizeHint(QSize(0, theme.TOUCH))
                self.list.addItem(item)
                if path == open_path:
                    self.list.setCurrentItem(item)
        self._settle()

    def _settle(self) -> None:
        check, changed = self.draft.check, self.draft.is_changed
        self.save.setEnabled(changed and check.recipe is not None)
        self.discard.setEnabled(changed)
        self.go.setEnabled(check.runs and (changed or self.file is not None))
        number = 1 if self.file is None else self.file.recipe.revision + 1
        is_copy = self.file is not None and is_shipped(self.file.path)
        text = self.tr("Save a copy") if is_copy else self.tr("Save revision {number}")
        self.save.setText(text.format(number=number))
        self.save.setAccessibleName(self.tr("Save the recipe"))

    def leave(self) -> None:
        """Close the topmost overlay: a question, the sheet of sources, a tool in hand."""
        if self.question.isVisible():
            self.question.escape()
        else:
            self.editor.leave()

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        if not self._opened:
            self._opened = True
            self.new_recipe()
            path = self._current()
            if path is not None:
                self.open_recipe(path)
        else:
            self._fill_list()
            self.editor.wake()

    def hideEvent(self, event: QHideEvent) -> None:
        self.editor.rest()
        super().hideEvent(event)

    def close_workers(self) -> None:
        """End the threads."""
        self.editor.close_workers()

    def retranslate(self) -> None:
        self.setAccessibleName(self.tr("Recipes"))
        self._title.setText(self.tr("Recipes"))
        self.list.setAccessibleName(self.tr("Recipes"))
        texts = (
            (self.new, self.tr("New recipe")),
            (self.discard, self.tr("Discard changes")),
            (self.go, self.tr("Go to Inspect")),
        )
        for button, text in texts:
            button.setText(text)
            button.setAccessibleName(text)
        self._settle()
        self.restyle()

    def restyle(self) -> None:
        self.new.setIcon(theme.icon("plus"))
        self.save.setIcon(theme.icon("save", "on_accent"))
        self.discard.setIcon(theme.icon("retry"))
        self.go.setIcon(theme.icon("inspect"))
