"""From what a person chooses (a recipe, bundles, a source) to what the station is to inspect."""

from collections.abc import Sequence
from pathlib import Path

from inspector.cameras.base import kind_of
from inspector.core.paths import resources
from inspector.recipes.automatic import only_camera, recipe_for
from inspector.recipes.locate import DEMO_RECIPE
from inspector.recipes.recipe import load_recipe
from inspector.ui.worker import Order


def demo_recipe() -> Path:
    """The recipe of the demo line, which the window starts with."""
    return resources() / "recipes" / DEMO_RECIPE


def open_recipe(path: Path) -> Order:
    """A recipe file, with the folder its bundles are looked for in. Raises ConfigError."""
    return Order(load_recipe(path), path.resolve().parent)


def bundle_order(bundles: Sequence[Path], source: str) -> Order:
    """Bundles that come without a recipe, on one source."""
    return Order(recipe_for([path.resolve() for path in bundles], source or "simulated"))


def changed_source(order: Order, source: str) -> Order:
    """The order on another source: its first camera looks there, and its other cameras, whose parts would not match,
    are left out. "simulated" and "" keep the cameras as they are written. Raises ConfigError for what is not a source.
    """
    if source == "":
        return order
    kind_of(source)
    recipe = order.recipe
    if source == "simulated" and any(kind_of(camera.source)[0] == "simulated" for camera in recipe.cameras.values()):
        return order
    first = next(iter(recipe.cameras))
    recipe = only_camera(recipe, first)
    camera = recipe.cameras[first].model_copy(update={"source": source, "options": {}})
    return Order(recipe.model_copy(update={"cameras": {first: camera}}), order.base)
