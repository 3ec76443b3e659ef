"""From a person's choice (a recipe, bundles, a source) to the recipe that is run."""

from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from inspector.bundles.bundle import read_card
from inspector.cameras.base import FileOptions, kind_of
from inspector.core.errors import ConfigError
from inspector.core.message import Message, message
from inspector.core.types import Unit
from inspector.imaging.preprocessing import fits
from inspector.recipes.automatic import doubt, only_camera, recipe_for, shipped_bundles
from inspector.recipes.locate import demo_recipe, find_bundle
from inspector.recipes.recipe import Recipe, load_recipe


@dataclass(frozen=True, slots=True)
class RunRequest:
    """A recipe, the folder in which its bundles are searched, and a note on how it was chosen."""

    recipe: Recipe
    base: Path | None = None
    note: Message | None = None


def resolve_recipe(
    recipe: Path | None = None, bundles: Sequence[str] = (), source: str = "", *, unit: Unit = "intensity"
) -> RunRequest:
    """Return the run request. Raises ConfigError.

    A recipe is used unchanged, except for `source` if given. Bundles without a recipe inspect the whole frame. Without either,
    the demo line has its own recipe, and any other source gets the shipped bundles for frames of this unit.
    """
    if recipe is not None:
        loaded, base = on_source(load_recipe(recipe), source), recipe.resolve().parent
        return RunRequest(loaded, base, note=_doubt([step.bundle for step in loaded.inspect], base))
    if bundles:
        found = [find_bundle(bundle).resolve() for bundle in bundles]
        return RunRequest(recipe_for(found, source or "simulated"), note=_doubt(bundles))
    if not source or kind_of(source)[0] == "simulated":
        path = demo_recipe()
        return RunRequest(on_source(load_recipe(path), source), path.parent)
    kind_of(source)
    shipped = shipped_bundles(unit)
    note = message(
        "No recipe or model was named: the bundles of the demo line ({names}) look at the whole frame.",
        names=", ".join(folder.name for folder in shipped),
    )
    return RunRequest(recipe_for(shipped, source), note=note)


def _doubt(bundles: Iterable[str], base: Path | None = None) -> Message | None:
    """Return the first bundle's doubt, if any has one. What cannot be read is reported where the bundles are opened."""
    for name in bundles:
        with suppress(ConfigError):
            problem = doubt(read_card(find_bundle(name, base)))
            if problem is not None:
                return problem
    return None


def on_source(recipe: Recipe, source: str) -> Recipe:
    """Return the recipe with only its first camera, reading another source. The other cameras would not match it.

    "" and, for a recipe on the demo line, "simulated" change nothing. Raises ConfigError for an invalid source.
    """
    if not source:
        return recipe
    kind, address = kind_of(source)
    on_demo_line = [name for name, camera in recipe.cameras.items() if kind_of(camera.source)[0] == "simulated"]
    if kind == "simulated" and not address and on_demo_line:
        return recipe
    if kind == "simulated":
        same = [name for name in on_demo_line if kind_of(recipe.cameras[name].source)[1] == address]
        if same:
            return only_camera(recipe, same[0])
    first = next(iter(recipe.cameras))
    cut = only_camera(recipe, first)
    # The options for reading files also apply to another folder.
    said = {key: value for key, value in cut.cameras[first].options.items() if key in FileOptions.model_fields}
    camera = cut.cameras[first].model_copy(update={"source": source, "options": said if kind == "folder" else {}})
    return cut.model_copy(update={"cameras": {first: camera}})


def camera_for(recipe: Recipe, base: Path | None, unit: Unit) -> str:
    """Return the camera of the recipe whose bundles use frames of this unit, else its first camera. Raises ConfigError."""
    for step in recipe.inspect:
        card = read_card(find_bundle(step.bundle, base))
        if fits(card.input, unit):
            return step.camera
    return next(iter(recipe.cameras))
