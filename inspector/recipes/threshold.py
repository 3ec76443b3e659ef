"""The threshold that decides at a step of a recipe, and the recipe with another one."""

from inspector.recipes.recipe import InspectModel, Recipe, Rule
from inspector.recipes.verdict import threshold_of


def deciding_threshold(recipe: Recipe, step: InspectModel) -> float:
    """Return the limit of the step's rule on the most likely class, if it has one, else its score or mask threshold."""
    return next((rule.limit for rule in recipe.rules if _decides(rule, step)), threshold_of(step))


def with_threshold(recipe: Recipe, step: InspectModel, threshold: float) -> Recipe:
    """Return the recipe in which this threshold decides at the step.

    The band for review of a rule on the most likely class moves along if it began at the limit or would be beyond it.
    """
    if any(_decides(rule, step) for rule in recipe.rules):
        rules = tuple(_moved(rule, threshold) if _decides(rule, step) else rule for rule in recipe.rules)
        return recipe.model_copy(update={"rules": rules})
    changed = step.model_copy(update={"threshold": threshold})
    return recipe.model_copy(update={"inspect": tuple(changed if one is step else one for one in recipe.inspect)})


def same_step(recipe: Recipe, step: InspectModel) -> InspectModel | None:
    """Return the step of another form of the recipe that looks at the same place with the same bundle."""
    place = (step.bundle, step.camera, step.region)
    return next((one for one in recipe.inspect if (one.bundle, one.camera, one.region) == place), None)


def _decides(rule: Rule, step: InspectModel) -> bool:
    return rule.quantity == "class" and rule.is_about(step)


def _moved(rule: Rule, threshold: float) -> Rule:
    review = threshold if rule.review == rule.limit else rule.review
    if review is not None and rule.when == "above":
        review = min(review, threshold)
    return rule.model_copy(update={"limit": threshold, "review": review})
