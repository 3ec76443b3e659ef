"""What will happen when a bundle is taken into a recipe, in sentences."""

from collections.abc import Mapping
from pathlib import Path

from PySide6.QtCore import QCoreApplication

from inspector.bundles.bundle import Card
from inspector.imaging.preprocessing import fits
from inspector.recipes import adopt
from inspector.recipes.recipe import RegionModel


def plan_sentences(file: adopt.RecipeFile, wish: adopt.Wish, path: Path) -> list[str]:
    """Return what is written where."""
    if not file.stamp:
        lines = [QCoreApplication.translate("RecipePanel", "A new recipe is written to {file}.").format(file=path)]
    elif path != file.path:
        text = QCoreApplication.translate(
            "RecipePanel", "The recipe came with the program; its changed copy is written to {file}."
        )
        lines = [text.format(file=path)]
    else:
        text = QCoreApplication.translate(
            "RecipePanel", "{file} becomes revision {revision}. What it holds now is kept among its revisions."
        )
        lines = [text.format(file=path, revision=file.recipe.revision + 1)]
    if wish.replaces:
        text = QCoreApplication.translate("RecipePanel", "{bundle} takes the place of {other}.")
        lines.append(text.format(bundle=wish.step.bundle, other=wish.replaces))
    lines.append(
        QCoreApplication.translate(
            "RecipePanel", "The bundle is copied to the program's own folder, so that the run may be deleted."
        )
    )
    lines.append(QCoreApplication.translate("RecipePanel", "Regions, cameras and further rules are set on the Recipes page."))
    return lines


def area_text(region: RegionModel) -> str:
    """Return a region as text."""
    return f"({region.x}, {region.y}) {region.width} × {region.height} px"


def likely_camera(file: adopt.RecipeFile | None, cards: Mapping[str, Card], card: Card | None) -> int:
    """Return the place of the camera whose bundles do the same task, else of one whose frames have the same unit.

    `cards`: the cards of the recipe's bundles; `card`: that of the new one.
    """
    if file is None or card is None:
        return 0
    seen = [[cards[step.bundle] for step in file.recipe.inspect if step.camera == name] for name in file.recipe.cameras]
    same = [at for at, those in enumerate(seen) if any(one.task == card.task for one in those)]
    alike = [at for at, those in enumerate(seen) if any(fits(one.input, card.input.reads) for one in those)]
    return next(iter((*same, *alike)), 0)
