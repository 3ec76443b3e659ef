"""Whether a recipe would run, said while it is written."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from inspector.bundles.bundle import Card, read_card
from inspector.cameras.base import open_camera
from inspector.core.config import describe_validation
from inspector.core.errors import ConfigError, InspectorError
from inspector.core.message import Message, message
from inspector.recipes.automatic import complete
from inspector.recipes.locate import find_bundle
from inspector.recipes.recipe import Recipe

Size = tuple[int, int]


@dataclass(frozen=True, slots=True)
class RecipeCheck:
    """The outcome: the recipe if its values are valid, completed if its bundles are there, and a sentence for every problem."""

    recipe: Recipe | None = None
    complete: Recipe | None = None
    cards: Mapping[str, Card] = field(default_factory=dict)
    problems: tuple[Message, ...] = ()

    @property
    def runs(self) -> bool:
        return self.complete is not None and not self.problems


def check_recipe(values: Mapping[str, Any], base: Path | None, *, sizes: Mapping[str, Size] | None = None) -> RecipeCheck:
    """Check the values of a recipe.

    `base`: the folder of the recipe. `sizes`: width and height of the frames of each camera, as far as they are known. Opens no
    camera and no engine.
    """
    if not values.get("cameras"):
        return RecipeCheck(problems=(message("The recipe has no camera yet."),))
    if not values.get("inspect"):
        return RecipeCheck(problems=(message("The recipe has no bundle yet."),))
    try:
        recipe = Recipe.model_validate(dict(values))
    except ValidationError as error:
        return RecipeCheck(problems=(message("The recipe is not valid: {detail}.", detail=describe_validation(error)),))
    problems = [*_cameras(recipe)]
    cards: dict[str, Card] = {}
    for step in recipe.inspect:
        try:
            cards[step.bundle] = read_card(find_bundle(step.bundle, base))
        except ConfigError as error:
            problems.append(error.problem)
    if len(cards) < len({step.bundle for step in recipe.inspect}):
        return RecipeCheck(recipe, None, cards, _once(problems))
    whole: Recipe | None = None
    try:
        whole = complete(recipe, cards)
    except ConfigError as error:
        problems.append(error.problem)
    else:
        problems += _unruled(whole)
    return RecipeCheck(recipe, whole, cards, _once([*problems, *_regions(recipe, sizes or {})]))


def _once(problems: list[Message]) -> tuple[Message, ...]:
    """Return each problem once. Messages cannot be hashed."""
    return tuple(problem for place, problem in enumerate(problems) if problem not in problems[:place])


def _cameras(recipe: Recipe) -> list[Message]:
    problems = []
    for name, camera in recipe.cameras.items():
        try:
            open_camera(name, camera.source, camera.options)
        except InspectorError as error:
            problems.append(error.problem)
    unused = recipe.cameras.keys() - {step.camera for step in recipe.inspect}
    return problems + [message("No bundle looks at the camera {camera}.", camera=name) for name in sorted(unused)]


def _unruled(recipe: Recipe) -> list[Message]:
    ruled = {rule.bundle for rule in recipe.rules}
    missing = dict.fromkeys(step.bundle for step in recipe.inspect if step.bundle not in ruled)
    return [message("The recipe has no rule for the bundle {bundle}.", bundle=bundle) for bundle in missing]


def _regions(recipe: Recipe, sizes: Mapping[str, Size]) -> list[Message]:
    problems = []
    for step in recipe.inspect:
        size = sizes.get(step.camera)
        if size is not None and step.region is not None and not step.region.region().fits(*size):
            text = "The region of {bundle} reaches beyond the frame of {camera}, which has {width} x {height} px."
            problems.append(message(text, bundle=step.bundle, camera=step.camera, width=size[0], height=size[1]))
    return problems
