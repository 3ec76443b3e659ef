"""From predictions to a verdict. Deterministic: the same recipe and predictions give the same verdict everywhere."""

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from inspector.core.message import Message, message
from inspector.core.types import SEVERITY, Judgement, Prediction, Verdict
from inspector.recipes.quantities import QUANTITIES, Limits, Subject
from inspector.recipes.recipe import InspectModel, Recipe, Rule
from inspector.tasks.base import DEFAULT_THRESHOLD

_Judged = tuple[Verdict, Message]


class Decision(NamedTuple):
    """A verdict, the sentences of fired rules and of failures, worst first (none for OK), and the judgement of every rule."""

    verdict: Verdict
    reasons: tuple[Message, ...]
    judgements: tuple[Judgement, ...]


def judge(recipe: Recipe, predictions: Sequence[Prediction], failures: Sequence[Message]) -> Decision:
    """Return the verdict of one part.

    `recipe` is complete (`automatic.complete` has filled in the defaults of the bundles' cards). `predictions`: one for every
    [[inspect]] step that succeeded; `failures`: why other steps did not. NG if any rule says so, whatever else failed;
    otherwise NOT_INSPECTED if anything needed is missing; then REVIEW; then OK.
    """
    judgements: list[Judgement] = []
    found: list[_Judged] = [(Verdict.NOT_INSPECTED, failure) for failure in failures]
    for step in recipe.inspect:
        prediction = _of_step(step, predictions, recipe)
        if prediction is not None:
            for number, rule in enumerate(recipe.rules):
                if rule.bundle == step.bundle:
                    judgement = _apply(number, rule, step, prediction, recipe)
                    judgements.append(judgement)
                    found.extend(_reason(judgement, rule, prediction))
        elif not failures:
            found.append((Verdict.NOT_INSPECTED, message("The bundle {bundle} gave no prediction.", bundle=step.bundle)))
    unchecked = {step.bundle for step in recipe.inspect} - {rule.bundle for rule in recipe.rules}
    found.extend(
        (Verdict.NOT_INSPECTED, message("The recipe has no rule for the bundle {bundle}.", bundle=bundle))
        for bundle in sorted(unchecked)
    )
    found.sort(key=lambda item: -SEVERITY[item[0]])
    verdict = found[0][0] if found else Verdict.OK
    return Decision(verdict, tuple(reason for _, reason in found), tuple(judgements))


def threshold_of(step: InspectModel) -> float:
    """Return the score or mask threshold of a step."""
    return DEFAULT_THRESHOLD if step.threshold is None else step.threshold


def _of_step(step: InspectModel, predictions: Sequence[Prediction], recipe: Recipe) -> Prediction | None:
    """Return the prediction of a step; a step without a region owns the predictions that no step with a region owns."""
    wanted = None if step.region is None else step.region.region()
    same = [other for other in recipe.inspect if (other.bundle, other.camera) == (step.bundle, step.camera)]
    regions = {other.region.region() for other in same if other.region is not None}
    for prediction in predictions:
        if (prediction.bundle, prediction.camera) == (step.bundle, step.camera):
            whole = len(same) == 1 or prediction.region not in regions
            if prediction.region == wanted or (wanted is None and whole):
                return prediction
    return None


def _apply(number: int, rule: Rule, step: InspectModel, prediction: Prediction, recipe: Recipe) -> Judgement:
    """Return the judgement of one rule on one prediction."""
    quantity, limits = QUANTITIES[rule.quantity], Limits(rule.when, rule.limit, rule.review)
    name, value, wrong, verdict, limit = "-", math.nan, True, Verdict.NOT_INSPECTED, rule.limit
    if isinstance(prediction.answer, quantity.fits):
        scale = recipe.cameras[step.camera].mm_per_px
        found = quantity.measure(
            Subject(
                prediction,
                _wanted(rule, step, prediction),
                threshold_of(step),
                rule.class_name or "",
                math.nan if scale is None else scale,
            )
        )
        name, value, wrong = found.name, found.value, found.wrong
        if math.isfinite(value):
            verdict, limit = quantity.decide(found, limits)
    return Judgement(
        rule=number,
        bundle=step.bundle,
        camera=step.camera,
        region=prediction.region,
        quantity=rule.quantity,
        name=name,
        value=value,
        when=rule.when,
        limit=limit,
        verdict=verdict,
        wrong=wrong,
    )


def _wanted(rule: Rule, step: InspectModel, prediction: Prediction) -> tuple[int, ...]:
    """Return the indices of the classes that the rule is about."""
    if rule.class_name is not None:
        return tuple(i for i, name in enumerate(prediction.classes) if name == rule.class_name)
    return tuple(i for i, name in enumerate(prediction.classes) if name not in (step.ok_classes or ()))


def _reason(judgement: Judgement, rule: Rule, prediction: Prediction) -> Iterator[_Judged]:
    """Yield the sentence of a rule that fired; nothing for a rule that did not."""
    quantity, verdict = QUANTITIES[judgement.quantity], judgement.verdict
    if verdict is Verdict.OK:
        return
    if not isinstance(prediction.answer, quantity.fits):
        problem = "The rule on {quantity} does not fit the bundle {bundle} ({task})."
        yield verdict, message(problem, quantity=judgement.quantity, bundle=judgement.bundle, task=prediction.task)
    elif not math.isfinite(judgement.value):
        yield verdict, message("The bundle {bundle} gave values that are not numbers.", bundle=judgement.bundle)
    else:
        yield verdict, quantity.reason(judgement.name, judgement.value, judgement.limit, verdict, rule.when)
