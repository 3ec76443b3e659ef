"""The panel that adds a new bundle to a recipe: its region, the step it replaces, its rule. The change can be undone."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from PySide6.QtCore import QCoreApplication, QSignalBlocker, QSize, Qt, Signal
from PySide6.QtWidgets import (
    QComboBox,
    QFrame,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from inspector.bundles.bundle import Card, read_card
from inspector.core.addresses import hide_secrets
from inspector.core.errors import ConfigError, InspectorError
from inspector.core.message import Message
from inspector.core.storage.paths import is_shipped
from inspector.recipes import adopt
from inspector.recipes.automatic import CAMERA, as_rule, cards_of, completed, default_rules, doubt
from inspector.recipes.locate import known_recipes
from inspector.recipes.quantities import QUANTITIES
from inspector.recipes.recipe import InspectModel, Recipe, Rule
from inspector.tasks.base import task_of
from inspector.ui.inspect.choosers import recipe_name
from inspector.ui.recipes.source_sheet import SourceSheet
from inspector.ui.shell import theme
from inspector.ui.shell.strings import translate
from inspector.ui.tabs.controls import NumberField
from inspector.ui.training.new.background_queries import AskThread
from inspector.ui.training.results.plan import area_text, likely_camera, plan_sentences
from inspector.ui.widgets.boxes import plain, scrolled
from inspector.ui.widgets.file_dialogs import ask_file
from inspector.ui.widgets.inputs import ComboBox
from inspector.ui.widgets.themed import Themed
from inspector.ui.widgets.tips import plain_tip

_NEW, _OTHER = "new", "other"
_WIDEST: Final = 1e6


class RecipePanel(Themed, QWidget):
    """Adds a bundle to a recipe.

    `applied` carries the path of the recipe that was written or restored; `inspect_wanted` that of a recipe to inspect with;
    `left`: the panel is done.
    """

    applied = Signal(object)
    inspect_wanted = Signal(object)
    left = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("recipe_panel")
        self._bundle: Path | None = None
        self._card: Card | None = None
        self._current: Path | None = None
        self._file: adopt.RecipeFile | None = None
        self._cards: dict[str, Card] = {}
        self.done: adopt.Written | None = None
        self._confirmed = False  # a bundle that learnt nothing is wanted nevertheless
        self.ask = AskThread(self)
        self._title = QLabel()
        self._title.setProperty("role", "title")
        names = ("recipe", "camera", "source", "replaces", "region", "threshold", "rule", "limit")
        self._captions = {name: QLabel() for name in names}
        self.recipe, self.camera, self.replaces, self.region, self.rule = (
            self._combo(name) for name in ("recipe_choice", "camera_choice", "replaces_choice", "region_choice", "rule_choice")
        )
        self._source = ""
        self.source = QPushButton()
        self.source.setObjectName("source")
        self.source.setMinimumHeight(theme.TOUCH)
        self.sheet: SourceSheet | None = None  # made when a source is chosen
        self.threshold, self.limit = NumberField(0.0, 1.0), NumberField(-_WIDEST, _WIDEST)
        self.threshold.field.setDecimals(3)
        self.threshold.field.setSingleStep(0.01)
        self.limit.field.setDecimals(2)
        self.said, self.preview = QLabel(), QLabel()
        self.said.setProperty("role", "error")
        for label, name in ((self.said, "problem"), (self.preview, "preview")):
            label.setObjectName(name)
            label.setWordWrap(True)
            label.setTextFormat(Qt.TextFormat.PlainText)
            label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.cancel, self.undo, self.apply, self.go = (QPushButton() for _ in range(4))
        self.apply.setProperty("role", "primary")
        self.go.setProperty("role", "primary")
        self._arrange()
        self._connect()
        self.retranslate()

    def _combo(self, name: str) -> QComboBox:
        box = ComboBox()
        box.setObjectName(name)
        box.setMinimumHeight(theme.TOUCH)
        box.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        return box

    def _fields(self) -> dict[str, QWidget]:
        return {
            "recipe": self.recipe,
            "source": self.source,
            "camera": self.camera,
            "replaces": self.replaces,
            "region": self.region,
            "threshold": self.threshold,
            "rule": self.rule,
            "limit": self.limit,
        }

    def _arrange(self) -> None:
        self._form = card = QFrame()
        card.setProperty("role", "card")
        card.setMaximumWidth(theme.SPACING * 120)
        grid = QGridLayout(card)
        grid.setContentsMargins(*(theme.SPACING * 2,) * 4)
        grid.setHorizontalSpacing(theme.SPACING * 3)
        grid.setVerticalSpacing(theme.SPACING)
        grid.setColumnStretch(1, 1)
        for row, (name, field) in enumerate(self._fields().items()):
            grid.addWidget(self._captions[name], row, 0)
            grid.addWidget(field, row, 1)
        inside = QWidget()
        column = plain(QVBoxLayout(inside), theme.SPACING * 2)
        column.addWidget(card)
        column.addWidget(self.preview)
        column.addStretch(1)
        foot = plain(QHBoxLayout())
        foot.addWidget(self.cancel)
        foot.addStretch(1)
        foot.addWidget(self.undo)
        foot.addWidget(self.apply)
        foot.addWidget(self.go)
        for button, name in ((self.cancel, "leave"), (self.undo, "undo"), (self.apply, "apply"), (self.go, "go_to_inspect")):
            button.setObjectName(name)
            button.setIconSize(QSize(theme.ICON, theme.ICON))
        box = plain(QVBoxLayout(self), theme.SPACING * 2)
        box.addWidget(self._title)
        box.addWidget(self.said)
        box.addWidget(scrolled(inside), 1)
        box.addLayout(foot)

    def _connect(self) -> None:
        self.recipe.activated.connect(self._choose_recipe)
        self.camera.activated.connect(lambda _: self._fill_camera())
        self.replaces.activated.connect(lambda _: self._fill_rules())
        for box in (self.region, self.rule):
            box.activated.connect(lambda _: self._preview())
        for field in (self.threshold, self.limit):
            field.valueChanged.connect(lambda _: self._preview())
        self.cancel.clicked.connect(self.left)
        self.apply.clicked.connect(self._apply)
        self.undo.clicked.connect(self._undo)
        self.go.clicked.connect(self._go)
        self.source.clicked.connect(self._choose_source)
        self.ask.answered.connect(self._on_answer)
        self.ask.troubled.connect(lambda _, trouble: self._on_trouble(trouble))

    # Interface for the page

    def show_bundle(self, bundle: Path, current: Path | None, *, source: str = "") -> None:
        """Show the panel for this bundle.

        `current`: the station's recipe, if it is a file. `source`: where the pictures come from that it learnt from; the demo
        line's recipe, with its regions, is then no place for it.
        """
        own = None if source and current is not None and is_shipped(current) else current
        self._bundle, self._current, self.done, self._confirmed = bundle, own, None, False
        self._source = source
        self._file, self._cards, self._card = None, {}, None
        self._say(None)
        try:
            self._card = read_card(bundle)
        except ConfigError as error:
            self._say(error.problem, error.remedy)
        self.retranslate()
        self._fill_recipes()
        self.open_recipe(own)

    def set_source(self, source: str) -> None:
        """Set the source of a new recipe's frames."""
        self._source = source
        self._name_source()
        self._preview()

    def open_recipe(self, path: Path | None) -> None:
        """Add the bundle to this recipe; None: to a new one."""
        self.done = None
        self._say(None)
        self._file, self._cards = None, {}
        try:
            if path is not None:
                file = adopt.open_recipe_file(path)
                self._cards = cards_of(file.recipe, file.base)
                self._file = file
                if self.recipe.findData(path) < 0:
                    self.recipe.insertItem(0, file.recipe.name, path)
        except ConfigError as error:
            self._say(error.problem, error.remedy)
        with QSignalBlocker(self.recipe):
            self.recipe.setCurrentIndex(self.recipe.findData(path if path is not None else _NEW))
        self._fill_cameras()

    def end(self) -> None:
        """End the background work."""
        if self.sheet is not None:
            self.sheet.close_workers()
        self.ask.end()

    # Choices

    def _fill_recipes(self) -> None:
        with QSignalBlocker(self.recipe):
            self.recipe.clear()
            if self._current is not None:
                self.recipe.addItem(self.tr("The one that runs now ({name})").format(name=self._current.name), self._current)
            for path in known_recipes():
                if path != self._current and not is_shipped(path):
                    self.recipe.addItem(recipe_name(path), path)
            self.recipe.addItem(self.tr("Another file…"), _OTHER)
            self.recipe.addItem(self.tr("A new recipe"), _NEW)

    def _choose_recipe(self, index: int) -> None:
        value = self.recipe.itemData(index)
        if value == _OTHER:
            ask_file(self, self.tr("Choose a recipe"), self.open_recipe, kinds=self.tr("Recipes (*.toml)"))
            value = self._file.path if self._file is not None and self._file.stamp else None  # until one was chosen
        self.open_recipe(value if isinstance(value, Path) else None)

    @property
    def _is_new(self) -> bool:
        return bool(self.recipe.currentData() == _NEW)

    def _fill_cameras(self) -> None:
        cameras = list(self._file.recipe.cameras) if self._file is not None else [CAMERA] if self._is_new else []
        with QSignalBlocker(self.camera):
            self.camera.clear()
            for name in cameras:
                self.camera.addItem(name, name)
            self.camera.setCurrentIndex(max(0, likely_camera(self._file, self._cards, self._card)))
        self._name_source()
        self._fill_camera()

    def _name_source(self) -> None:
        text = hide_secrets(self._source) if self._source else self.tr("Choose where the frames come from…")
        self.source.setText(text)
        self.source.setToolTip(plain_tip(text))

    def _choose_source(self) -> None:
        if self.sheet is None:
            self.sheet = SourceSheet(self)
            self.sheet.used.connect(self.set_source)
        self.sheet.open(self._source)

    def _go(self) -> None:
        if self.done is not None:
            self.inspect_wanted.emit(self.done.path)

    def _steps(self) -> list[InspectModel]:
        """Return the steps that inspect the chosen camera."""
        camera = self.camera.currentData()
        return [step for step in self._file.recipe.inspect if step.camera == camera] if self._file is not None else []

    def _fill_camera(self) -> None:
        task = self._card.task if self._card is not None else None
        with QSignalBlocker(self.replaces), QSignalBlocker(self.region):
            self.replaces.clear()
            self.replaces.addItem(self.tr("Nothing: it looks beside the others"), "")
            for step in self._steps():
                if self._cards[step.bundle].task == task:
                    self.replaces.addItem(step.bundle, step.bundle)
            self.replaces.setCurrentIndex(self.replaces.count() - 1 if self.replaces.count() == 2 else 0)
            self.region.clear()
            self.region.addItem(self.tr("The whole frame"), None)
            for region in dict.fromkeys(step.region for step in self._steps() if step.region is not None):
                names = ", ".join(step.bundle for step in self._steps() if step.region == region)
                self.region.addItem(self.tr("{region}, as {bundles}").format(region=area_text(region), bundles=names), region)
        self._fill_rules()

    def _fill_rules(self) -> None:
        card, gone = self._card, str(self.replaces.currentData() or "")
        if card is None:
            self._preview()
            return
        replaced = next((step for step in self._steps() if step.bundle == gone), None)
        with QSignalBlocker(self.rule), QSignalBlocker(self.region), QSignalBlocker(self.limit), QSignalBlocker(self.threshold):
            if replaced is not None:
                at = next((at for at in range(self.region.count()) if self.region.itemData(at) == replaced.region), 0)
                self.region.setCurrentIndex(at)
            self.rule.clear()
            going_on = adopt.going_on(self._file.recipe, gone, card) if self._file is not None and gone else ()
            if going_on:
                self.rule.addItem(
                    self.tr("The rules of {bundle} go on ({count})").format(count=len(going_on), bundle=gone), None
                )
            suggested = default_rules(self._completed(), card)
            if not suggested and not going_on:
                self.rule.addItem(self.tr("No rule yet: it is measured, not judged"), None)
            proposed = self._proposed(suggested)
            if proposed is not None:
                quantity = QUANTITIES[proposed.quantity]
                self.rule.addItem(QCoreApplication.translate("messages", quantity.asks), proposed.quantity)
                self.limit.field.setDecimals(quantity.decimals)
                self.limit.setValue(proposed.limit)
            self.threshold.setValue(self._card_threshold())
        self._preview()

    def _proposed(self, suggested: Sequence[Rule]) -> Rule | None:
        """Return the rule whose limit can be edited: the task's default rule, else the rule it proposes."""
        assert self._card is not None
        proposal = task_of(self._card.task).proposal
        return next(iter(suggested), None if proposal is None else as_rule(proposal, self._card.name))

    def _completed(self) -> InspectModel:
        assert self._card is not None
        return completed(InspectModel(bundle=self._card.name, camera=CAMERA), self._card)

    def _has_threshold(self) -> bool:
        return self._card is not None and bool(task_of(self._card.task).threshold_key)

    def _card_threshold(self) -> float:
        return float(self._completed().threshold or 0.0)

    # Result

    def wish(self) -> adopt.Wish:
        """Return the requested change. Raises ConfigError for an invalid area."""
        card = self._card
        if card is None or self._bundle is None:
            raise ConfigError("There is no bundle to use.")
        threshold = round(self.threshold.value(), 3)
        step = InspectModel(
            bundle=card.name,
            camera=str(self.camera.currentData()),
            region=self.region.currentData(),
            threshold=None if not self._has_threshold() or threshold == round(self._card_threshold(), 3) else threshold,
        )
        quantity = self.rule.currentData()
        rules: tuple[Rule, ...] = ()
        if quantity is not None:
            limit = self.limit.value()
            proposed = self._proposed(default_rules(self._completed(), card))
            banded = proposed is not None and proposed.review is not None  # uncertain parts go to review
            review = limit if banded else None
            rules = (Rule(bundle=card.name, quantity=quantity, limit=limit, review=review),)
        return adopt.Wish(step, rules, str(self.replaces.currentData() or ""))

    def _plan(self) -> tuple[adopt.RecipeFile, adopt.Wish, Path]:
        """Return the recipe, its changes, and the path to write. Raises ConfigError."""
        wish = self.wish()
        assert self._card is not None
        if self._is_new:
            if not self._source:
                raise ConfigError("A new recipe needs a source of frames.")
            path = adopt.own_path(self._card.name)
            cameras = {CAMERA: {"source": self._source}}
            step = wish.step.model_dump()
            recipe = Recipe.model_validate({"name": self._card.name, "cameras": cameras, "inspect": [step]})
            return adopt.RecipeFile(path, recipe), wish, path
        if self._file is None:
            raise ConfigError("There is no recipe to change.")
        path = adopt.own_path(self._file.recipe.name) if is_shipped(self._file.path) else self._file.path
        adopt.adopt(self._file.recipe, self._cards, wish, self._card)
        return self._file, wish, path

    def _preview(self) -> None:
        shown = {"source": self._is_new, "camera": not self._is_new, "replaces": not self._is_new and len(self._steps()) > 0}
        quantity = self.rule.currentData()
        shown |= {"limit": quantity is not None, "region": self.region.count() > 1}
        shown |= {"threshold": self._has_threshold() and quantity != "class"}  # there the limit decides
        for name, field in self._fields().items():
            field.setVisible(shown.get(name, True))
            self._captions[name].setVisible(shown.get(name, True))
        if self.done is not None:
            return
        try:
            file, wish, path = self._plan()
        except InspectorError as error:
            self.preview.setText(translate(error.problem))
            self.apply.setEnabled(False)
            return
        self.preview.setText("\n".join(plan_sentences(file, wish, path)))
        self.apply.setEnabled(not self.ask.waits("write"))

    def _apply(self) -> None:
        try:
            file, wish, path = self._plan()
        except InspectorError as error:
            self._say(error.problem, error.remedy)
            return
        assert self._bundle is not None
        assert self._card is not None
        problem = None if self._confirmed else doubt(self._card)
        if problem is not None:  # a second click confirms
            self._confirmed = True
            self._say(problem)
            self.retranslate()
            return
        bundle, cards = self._bundle, dict(self._cards)
        self._say(None)
        self.ask.ask("write", lambda: adopt.apply(file, bundle, cards, wish, path, confirmed=True))
        self.apply.setEnabled(False)

    def _undo(self) -> None:
        done = self.done
        if done is not None:
            self.ask.ask("undo", lambda: adopt.undo(done))
            self.undo.setEnabled(False)

    def _on_answer(self, kind: str, answer: Any) -> None:  # noqa: ANN401 - whatever was asked for
        self._say(None)
        if kind == "write":
            self.done = answer
            self._tell_done()
            self.applied.emit(answer.path)
        elif self.done is not None:
            undone, self.done = self.done, None
            self.open_recipe(undone.path if undone.before is not None else self._current)
            self._tell_done()
            if undone.before is not None:
                self.applied.emit(undone.path)
            elif self._current is not None:
                self.applied.emit(self._current)

    def _on_trouble(self, trouble: InspectorError) -> None:
        self._say(trouble.problem, trouble.remedy)
        self._tell_done()
        if self.done is None and self._file is not None:  # the file may have changed
            path = self._file.path
            said = self.said.text()
            self.open_recipe(path)
            self.said.setText(said)
            self.said.show()

    def _tell_done(self) -> None:
        done = self.done
        self.undo.setVisible(done is not None)
        self.undo.setEnabled(done is not None)
        self.apply.setVisible(done is None)
        self.go.setVisible(done is not None)
        self._form.setEnabled(done is None)
        if done is not None:
            text = self.tr("Done: the recipe {name}, revision {revision}, is in {file}.")
            lines = [text.format(name=done.recipe.name, revision=done.recipe.revision, file=done.path)]
            if done.backup is not None:
                lines.append(self.tr("The earlier one is kept as {file}.").format(file=done.backup))
            self.preview.setText("\n".join(lines))
        else:
            self._preview()

    def _say(self, problem: Message | None, remedy: Message | None = None) -> None:
        parts = [translate(part) for part in (problem, remedy) if part is not None]
        self.said.setText(" ".join(parts))
        self.said.setVisible(bool(parts))

    def retranslate(self) -> None:
        name = self._card.name if self._card is not None else ""
        self._title.setText(self.tr("Use {bundle} in a recipe").format(bundle=name))
        self.setAccessibleName(self.tr("Use in a recipe"))
        captions = {
            "recipe": self.tr("Recipe"),
            "source": self.tr("Source of frames"),
            "camera": self.tr("Camera"),
            "replaces": self.tr("In place of"),
            "region": self.tr("Region"),
            "threshold": self.tr("Counts from the score"),
            "rule": self.tr("Rule"),
            "limit": self.tr("Limit"),
        }
        for key, text in captions.items():
            self._captions[key].setText(text)
            field = self._fields()[key]
            if isinstance(field, NumberField):
                field.set_texts(text, self.tr("less"), self.tr("more"))
            else:
                field.setAccessibleName(text)
        for button, text, icon, color in (
            (self.cancel, self.tr("Back to the results"), "previous", "text"),
            (self.undo, self.tr("Undo"), "retry", "text"),
            (self.apply, self.tr("Use it nevertheless") if self._confirmed else self.tr("Use it"), "start", "on_accent"),
            (self.go, self.tr("Go to Inspect"), "inspect", "on_accent"),
        ):
            button.setText(text)
            button.setAccessibleName(text)
            button.setIcon(theme.icon(icon, color))
        self._tell_done()

    def restyle(self) -> None:
        self.retranslate()
