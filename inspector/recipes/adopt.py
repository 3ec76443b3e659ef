"""Adding a new bundle to a recipe: its role, where it is kept, and how the file is changed and restored."""

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from inspector.bundles.bundle import Bundle, Card, read_card
from inspector.core.config import describe_validation, write_atomically
from inspector.core.errors import ConfigError, StorageError
from inspector.core.storage.paths import user_data
from inspector.imaging.preprocessing import fits
from inspector.recipes.automatic import complete, doubt
from inspector.recipes.document import recipe_text
from inspector.recipes.locate import bundle_roots, find_bundle, find_bundles, own_recipes
from inspector.recipes.recipe import InspectModel, Recipe, Rule, load_recipe
from inspector.recipes.revisions import keep_revision, previous
from inspector.recipes.threshold import same_step, with_threshold


@dataclass(frozen=True, slots=True)
class RecipeFile:
    """A recipe as it was read. `stamp` tells whether the file has changed since; "" for a recipe that is not on disk yet."""

    path: Path
    recipe: Recipe
    stamp: str = ""

    @property
    def base(self) -> Path:
        """The folder that the bundles' paths are relative to."""
        return self.path.resolve().parent


@dataclass(frozen=True, slots=True)
class Written:
    """A written recipe. `before`: the file's previous content, None if there was none; `backup`: where that content is kept."""

    path: Path
    recipe: Recipe
    stamp: str
    before: bytes | None = None
    backup: Path | None = None


@dataclass(frozen=True, slots=True)
class Wish:
    """The requested role of a bundle in a recipe.

    The bundle inspects with `step` and takes the place of the bundle `replaces` on that camera. `rules`: the rules to judge it
    by; empty for the rules of the replaced bundle, if they fit.
    """

    step: InspectModel
    rules: tuple[Rule, ...] = ()
    replaces: str = ""


def open_recipe_file(path: Path) -> RecipeFile:
    """Read a recipe in order to change it. Raises ConfigError."""
    recipe = load_recipe(path)
    return RecipeFile(path, recipe, _stamp(path))


def own_path(name: str) -> Path:
    """Return where a recipe of the user's own is kept, named after the recipe; the file does not exist yet."""
    folder = own_recipes()
    stem = "".join(letter if letter.isalnum() or letter in "-_." else "-" for letter in name).strip("-.") or "recipe"
    path, number = folder / f"{stem}.toml", 1
    while path.exists():
        number += 1
        path = folder / f"{stem}-{number}.toml"
    return path


def adopt(recipe: Recipe, cards: dict[str, Card], wish: Wish, card: Card) -> Recipe:
    """Return the recipe with the bundle added and the revision incremented.

    `cards`: the cards of the recipe's bundles. The bundle takes over the name of the place of the one that it replaces. Raises
    ConfigError for a camera that gives another kind of frame, and for a rule that can never work.
    """
    step, gone = wish.step, wish.replaces
    _check_unit(recipe, cards, step, card, gone)
    before = [one for one in recipe.inspect if one.bundle in (gone, step.bundle) and one.camera == step.camera]
    steps = [one for one in recipe.inspect if one not in before]
    places = [one.place for one in before if one.place is not None]
    if step.place is None and len(places) == 1:
        step = step.model_copy(update={"place": places[0]})
    orphaned = {one.bundle for one in recipe.inspect} - {one.bundle for one in steps}
    rules = [rule for rule in recipe.rules if rule.bundle not in orphaned and rule.bundle != step.bundle]
    if not wish.rules:
        rules += [rule.model_copy(update={"bundle": step.bundle}) for rule in going_on(recipe, gone, card)]
    values = recipe.model_dump() | {
        "inspect": [one.model_dump() for one in (*steps, step)],
        "rules": [rule.model_dump() for rule in (*rules, *wish.rules)],
        "revision": recipe.revision + 1,
    }
    changed = _valid(values)
    complete(changed, {**cards, step.bundle: card})
    return changed


def _valid(values: dict[str, Any]) -> Recipe:
    """Return a recipe with these values, checked: a copy with other values is not, when it is made. Raises ConfigError."""
    try:
        return Recipe.model_validate(values)
    except ValidationError as error:
        raise ConfigError("The recipe is not valid: {detail}.", detail=describe_validation(error)) from error


def _check_unit(recipe: Recipe, cards: dict[str, Card], step: InspectModel, card: Card, gone: str) -> None:
    """Check that the bundle fits the camera: a camera gives either images or temperatures, as the other bundles on it show."""
    if step.camera not in recipe.cameras:
        raise ConfigError(
            "The recipe {recipe} has no camera {camera}.",
            remedy="Choose one of: {names}.",
            recipe=recipe.name,
            camera=step.camera,
            names=", ".join(recipe.cameras),
        )
    given = {cards[one.bundle].input.reads for one in recipe.inspect if one.camera == step.camera}
    if given and not any(fits(card.input, unit) for unit in given):
        raise ConfigError(
            "{bundle} reads temperatures, and the camera {camera} gives pictures."
            if card.input.reads == "kelvin"
            else "{bundle} reads pictures, and the camera {camera} gives temperatures.",
            remedy="Choose another camera.",
            bundle=card.name,
            camera=step.camera,
        )
    if gone and cards[gone].task != card.task:
        raise ConfigError(
            "{bundle} cannot take the place of {other}: one does {task}, the other {other_task}.",
            remedy="Add it beside the others.",
            bundle=card.name,
            other=gone,
            task=card.task,
            other_task=cards[gone].task,
        )


def going_on(recipe: Recipe, replaced: str, card: Card) -> tuple[Rule, ...]:
    """Return the rules of a bundle that also fit the bundle in its place."""
    return tuple(
        rule
        for rule in recipe.rules
        if rule.bundle == replaced and (rule.class_name is None or rule.class_name in card.classes)
    )


def keep_bundle(bundle: Path, *, base: Path) -> str:
    """Copy a bundle with its variants to the user's bundles, and return the name by which a recipe in `base` finds it.

    A bundle that is already there is not copied again and only gets the variants it lacks. Raises ConfigError for a damaged
    bundle, StorageError if there is no room.
    """
    opened = Bundle.open(bundle)
    place = user_data() / "bundles"
    for known in find_bundles(place):
        same = read_card(known).with_variants(()) == opened.card.with_variants(())
        if same and find_bundle(known.name, base) == known:
            Bundle.open(known).take_variants(opened)
            return known.name
    wished = "".join(letter if letter.isalnum() or letter in "-_." else "-" for letter in opened.name).strip("-.") or "bundle"
    name, number = wished, 1
    while any((root / name).exists() for root in (base, *bundle_roots())):
        number += 1
        name = f"{wished}-{number}"
    opened.copy_to(place / name)
    return name


def apply(
    file: RecipeFile, bundle: Path, cards: dict[str, Card], wish: Wish, path: Path, *, confirmed: bool = False
) -> Written:
    """Keep the bundle, add it to the recipe as requested, and write the recipe to `path`, its own file or another.

    `cards`: the cards of the recipe's bundles. `confirmed`: a person wants the bundle in spite of its `doubt`. Errors are found
    before anything is copied or written. Raises ConfigError or StorageError; the recipe is then unchanged.
    """
    card = read_card(bundle)
    problem = None if confirmed else doubt(card)
    if problem is not None:
        raise ConfigError(
            problem.template, remedy="Train it again, or confirm that it is to be used nevertheless.", **problem.values
        )
    if not file.stamp:  # a new recipe: nothing is in it yet but a place for the bundle
        named = _named(wish, keep_bundle(bundle, base=path.parent))
        values = file.recipe.model_dump() | {
            "inspect": [named.step.model_dump()],
            "rules": [rule.model_dump() for rule in named.rules],
        }
        fresh = _valid(values)
        complete(fresh, {named.step.bundle: card})
        return write_changed(file, fresh, path)
    adopt(file.recipe, cards, wish, card)
    changed = adopt(file.recipe, cards, _named(wish, keep_bundle(bundle, base=file.base)), card)
    return write_changed(file, changed, path)


def _named(wish: Wish, name: str) -> Wish:
    rules = tuple(rule.model_copy(update={"bundle": name}) for rule in wish.rules)
    return replace(wish, step=wish.step.model_copy(update={"bundle": name}), rules=rules)


def write_changed(file: RecipeFile, changed: Recipe, path: Path) -> Written:
    """Write the changed recipe to `path`, its own file or another.

    The file's previous content and the new one are kept among its revisions. Comments and layout are preserved; only changes
    are written. Raises ConfigError if the recipe would not load, or if the file was changed since it was read; StorageError if
    it cannot be written.
    """
    _valid(changed.model_dump())
    before: bytes | None = None
    backup: Path | None = None
    same = path.resolve() == file.path.resolve()
    if path.exists():
        if not same or _stamp(path) != file.stamp:
            raise ConfigError(
                "The recipe {file} was changed by somebody else meanwhile.",
                remedy="Look at it again, and use the bundle once more.",
                file=path,
            )
        before = path.read_bytes()
        backup = keep_revision(path, before, file.recipe.revision, noted=False)
    written = changed if same else _moved(changed, file.base, path.resolve().parent)
    content = recipe_text(written, like=_text(file.path)).encode()
    keep_revision(path, content, written.revision)
    write_atomically(path, content)
    return Written(path, written, _stamp(path), before, backup)


def write_threshold(path: Path, step: InspectModel, threshold: float) -> Written:
    """Write the threshold that decides at a step to the recipe's file, as its next revision.

    `step`: as in the complete recipe. Raises ConfigError if the file has no such step, StorageError if it cannot be written.
    """
    file = open_recipe_file(path)
    own = same_step(file.recipe, step)
    if own is None:
        raise ConfigError(
            "The recipe {file} no longer uses {bundle} at this place.",
            remedy="Open it again.",
            file=path,
            bundle=step.bundle,
        )
    changed = with_threshold(file.recipe, own, threshold)
    return write_changed(file, changed.model_copy(update={"revision": file.recipe.revision + 1}), path)


def step_back(path: Path, *, other_bundles: bool = False) -> Written:
    """Write the recipe's previous revision again, as its next one. Raises ConfigError if there is none, or StorageError.

    `other_bundles`: the newest one that has other bundles than the present one.
    """
    file, earlier = open_recipe_file(path), previous(path, other_bundles=other_bundles)
    recipe = earlier.load().model_copy(update={"revision": file.recipe.revision + 1})
    return write_changed(file, recipe, path)


def undo(written: Written) -> None:
    """Restore the previous content. Raises ConfigError if the file was changed since, StorageError if it cannot be written."""
    if _stamp(written.path) != written.stamp:
        raise ConfigError(
            "The recipe {file} was changed by somebody else meanwhile.",
            remedy="Change it back by hand; the earlier file is {backup}."
            if written.backup
            else "Delete it by hand, if it is not needed.",
            file=written.path,
            backup=written.backup,
        )
    if written.before is not None:
        write_atomically(written.path, written.before)
        return
    try:
        written.path.unlink()
    except OSError as error:
        raise StorageError("{file} cannot be deleted ({detail}).", file=written.path, detail=error.strerror or error) from error


def _moved(recipe: Recipe, old: Path, new: Path) -> Recipe:
    """Return the same bundles for a recipe kept elsewhere: paths relative to the old folder become absolute."""
    names: dict[str, str] = {}
    for step in recipe.inspect:
        found = find_bundle(step.bundle, old)
        try:
            same = find_bundle(step.bundle, new).resolve() == found.resolve()
        except ConfigError:
            same = False
        names[step.bundle] = step.bundle if same else str(found.resolve())
    return recipe.model_copy(
        update={
            "inspect": tuple(step.model_copy(update={"bundle": names[step.bundle]}) for step in recipe.inspect),
            "rules": tuple(rule.model_copy(update={"bundle": names[rule.bundle]}) for rule in recipe.rules),
        }
    )


def _text(path: Path) -> str:
    """Return the content of the file; "" if there is none."""
    try:
        return path.read_bytes().decode()
    except (OSError, UnicodeDecodeError):
        return ""


def _stamp(path: Path) -> str:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        return ""
