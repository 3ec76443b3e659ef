"""Defaults of a recipe, filled in from the bundles' cards; and a recipe for bundles without a recipe."""

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from inspector.bundles.bundle import Card, read_card
from inspector.core.errors import ConfigError
from inspector.core.message import ClassName, Message, message
from inspector.core.storage.paths import models
from inspector.core.types import Precision, Unit
from inspector.imaging.preprocessing import fits
from inspector.recipes.locate import find_bundle, find_bundles
from inspector.recipes.quantities import fitting
from inspector.recipes.recipe import CameraModel, InspectModel, Recipe, Rule
from inspector.runs.report import NOTHING_LEARNT
from inspector.tasks.base import DefaultRule, card_threshold, task_of

CAMERA = "camera"  # the only camera of an automatic recipe


def recipe_for(
    bundles: Sequence[Path | str],
    source: str,
    *,
    name: str = "automatic",
    engine: str | None = None,
    precision: Precision = "fp32",
) -> Recipe:
    """Return a recipe in which every bundle inspects the whole frame of one source; the rules follow from the cards."""
    return Recipe(
        name=name,
        engine=engine or "openvino",
        precision=precision,
        cameras={CAMERA: CameraModel(source=source)},
        inspect=tuple(InspectModel(bundle=str(bundle), camera=CAMERA) for bundle in bundles),
    )


def recipe_with_limit(source: str, celsius: float, *, name: str) -> Recipe:
    """Return a recipe that measures the temperatures of a radiometric source: NG above this limit. Raises ConfigError."""
    bundle = shipped_bundles("kelvin")[0].name
    recipe = recipe_for([bundle], source, name=name)
    return recipe.model_copy(update={"rules": (Rule(bundle=bundle, quantity="temperature_max", limit=celsius),)})


def shipped_bundles(unit: Unit = "intensity") -> list[Path]:
    """Return the shipped bundles for frames of this unit. Raises ConfigError if there are none."""
    found = [folder for folder in find_bundles(models()) if fits(read_card(folder).input, unit)]
    if not found:
        raise ConfigError(
            "No bundle for this kind of picture comes with the program.", remedy="Name one with --model, or train one."
        )
    return found


def doubt(card: Card) -> Message | None:
    """Return why a bundle should judge no part, or None: its training ended no better than chance."""
    if not card.training.get(NOTHING_LEARNT):
        return None
    return message("{bundle} learnt nothing in its training: its answers are no better than chance.", bundle=card.name)


def cards_of(recipe: Recipe, base: Path) -> dict[str, Card]:
    """Return the card of every bundle of the recipe, by the bundle's name in the recipe. Raises ConfigError."""
    return {step.bundle: read_card(find_bundle(step.bundle, base)) for step in recipe.inspect}


def complete(recipe: Recipe, cards: Mapping[str, Card]) -> Recipe:
    """Write the defaults of the bundles' cards into the steps, and give bundles without rules the rules of their task.

    `cards`: by the bundle's name in the recipe. Raises ConfigError for a rule that can never work with its bundle.
    """
    steps = tuple(completed(step, cards[step.bundle]) for step in recipe.inspect)
    for rule in recipe.rules:
        _check(rule, cards[rule.bundle], recipe)
    ruled = {rule.bundle for rule in recipe.rules}
    added: list[Rule] = []
    for step in steps:
        if step.bundle not in ruled:
            ruled.add(step.bundle)
            added.extend(default_rules(step, cards[step.bundle]))
    return recipe.model_copy(update={"inspect": steps, "rules": (*recipe.rules, *added)})


def only_camera(recipe: Recipe, camera: str) -> Recipe:
    """Return the recipe with this camera only, without the bundles and rules that need other cameras.

    Raises ConfigError, also for a rule that compares what this camera sees with a place that another one sees: without it the
    part would be good.
    """
    if camera not in recipe.cameras:
        raise ConfigError(
            "The recipe {recipe} has no camera {camera}.",
            remedy="Choose one of: {names}.",
            recipe=recipe.name,
            camera=camera,
            names=", ".join(recipe.cameras),
        )
    steps = tuple(step for step in recipe.inspect if step.camera == camera)
    if not steps:
        raise ConfigError("The recipe {recipe} inspects nothing on the camera {camera}.", recipe=recipe.name, camera=camera)
    rules = tuple(rule for rule in recipe.rules if any(map(rule.is_about, steps)))
    for place in {rule.minus for rule in rules} - {None, *(step.place for step in steps)}:
        raise ConfigError(
            "The recipe {recipe} compares with the place {place}, which the camera {camera} does not see.",
            remedy="Judge the frames of all its cameras together.",
            recipe=recipe.name,
            place=place,
            camera=camera,
        )
    return recipe.model_copy(update={"cameras": {camera: recipe.cameras[camera]}, "inspect": steps, "rules": rules})


def seen_by(recipe: Recipe, cameras: Collection[str]) -> tuple[Recipe | None, tuple[int, ...]]:
    """Return the part of a complete recipe that looks at these cameras, and the places of its rules in the whole recipe.

    None if no bundle looks at them.
    """
    steps = tuple(step for step in recipe.inspect if step.camera in cameras)
    there = {None, *(step.place for step in steps)}
    places = tuple(number for number, rule in enumerate(recipe.rules) if rule.minus in there and any(map(rule.is_about, steps)))
    if not steps:
        return None, places
    seen = {
        "cameras": {name: camera for name, camera in recipe.cameras.items() if name in cameras},
        "inspect": steps,
        "rules": tuple(recipe.rules[place] for place in places),
    }
    return recipe.model_copy(update=seen), places


def thresholds(step: InspectModel, card: Card) -> dict[str, float]:
    """Return the thresholds used for decoding: the card's, overridden by those of the (complete) step."""
    merged, key = dict(card.thresholds), task_of(card.task).threshold_key
    if step.threshold is not None and key:
        merged[key] = step.threshold
    if step.hot_celsius is not None:
        merged["hot_celsius"] = step.hot_celsius
    return merged


def completed(step: InspectModel, card: Card) -> InspectModel:
    """Return the step with its missing values filled in from the bundle's card."""
    own = {
        "threshold": card_threshold(card) if step.threshold is None else step.threshold,
        "hot_celsius": card.thresholds.get("hot_celsius") if step.hot_celsius is None else step.hot_celsius,
        "ok_classes": card.ok_classes if step.ok_classes is None else step.ok_classes,
    }
    return step.model_copy(update=own)


def default_rules(step: InspectModel, card: Card) -> tuple[Rule, ...]:
    """Return the rules of the task, for a bundle without rules in the recipe; `step` is `completed`.

    There is no rule, and so no verdict, if the task needs a limit that nobody has set.
    """
    return tuple(as_rule(rule, step.bundle) for rule in task_of(card.task).default_rules(thresholds(step, card)))


def as_rule(rule: DefaultRule, bundle: str) -> Rule:
    """Convert a task's rule to a rule for a bundle."""
    return Rule(bundle=bundle, quantity=rule.quantity, limit=rule.limit, review=rule.review)


def _check(rule: Rule, card: Card, recipe: Recipe) -> None:
    fits = fitting(task_of(card.task))
    if rule.quantity not in fits:
        raise ConfigError(
            "The recipe {recipe} has a rule on {quantity} for {bundle}, which is a {task} bundle.",
            remedy="Use one of: {names}.",
            recipe=recipe.name,
            quantity=rule.quantity,
            bundle=rule.bundle,
            task=card.task,
            names=", ".join(sorted(fits)),
        )
    if rule.class_name is not None and rule.class_name not in card.classes:
        raise ConfigError(
            "The recipe {recipe} has a rule for the class {class_name}, which {bundle} does not know.",
            remedy="Use one of: {names}.",
            recipe=recipe.name,
            class_name=ClassName(rule.class_name),
            bundle=rule.bundle,
            names=ClassName(", ".join(card.classes)),
        )
