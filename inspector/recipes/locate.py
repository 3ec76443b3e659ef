"""Places of recipes and bundles, and finding the bundle that a recipe names."""

from pathlib import Path

from inspector.bundles.bundle import CARD
from inspector.core.errors import ConfigError
from inspector.core.storage.paths import models, resources, user_config, user_data

DEMO_RECIPE = "demo-line.toml"


def find_bundle(name: str, base: Path | None = None) -> Path:
    """Return the folder of the bundle named `name`.

    Search order: as a path (from `base`, the folder of the recipe, else from the working folder), the shipped bundles, the
    user's own bundles. Raises ConfigError, which names the existing bundles.
    """
    places = [(base or Path.cwd()) / name, *(root / name for root in bundle_roots())]
    for place in places:
        if (place / CARD).is_file():
            return place
    known = sorted({folder.name for root in bundle_roots() for folder in find_bundles(root)})
    raise ConfigError(
        "There is no bundle {bundle}.",
        remedy="Give the folder of a bundle, or one of: {known}." if known else "Give the folder of a bundle.",
        bundle=name,
        known=", ".join(known),
    )


def bundle_roots() -> tuple[Path, ...]:
    """Return the folders in which bundles are searched by name: shipped, then the user's own."""
    return (models(), user_data() / "bundles")


def demo_recipe() -> Path:
    """Return the shipped recipe of the demo line."""
    return resources() / "recipes" / DEMO_RECIPE


def own_recipes() -> Path:
    """Return the folder of the user's own recipes; it may not exist yet."""
    return user_data() / "recipes"


def known_recipes() -> list[Path]:
    """Return the shipped recipes and the user's own, the demo line first."""
    folders = (resources() / "recipes", own_recipes(), user_config() / "recipes")
    found = [path for folder in folders if folder.is_dir() for path in sorted(folder.glob("*.toml"))]
    return sorted(found, key=lambda path: path.name != DEMO_RECIPE)


def find_bundles(root: Path) -> list[Path]:
    """Return the folders directly under `root` that hold a card, sorted by name."""
    return sorted(card.parent for card in root.glob(f"*/{CARD}")) if root.is_dir() else []
