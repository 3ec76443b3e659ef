"""From predictions to a verdict. Deterministic: the same recipe and predictions give the same verdict everywhere."""

import math
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import replace
from typing import Final, NamedTuple

from inspector.core.message import Message, message
from inspector.core.types import SEVERITY, Boxes, Judgement, Prediction, Scores, Verdict
from inspector.recipes.history import LEAST_TIMED, History
from inspector.recipes.quantities import QUANTITIES, Limits, Measured, Subject
from inspector.recipes.recipe import InspectModel, Recipe, Rule
from inspector.tasks.base import DEFAULT_THRESHOLD

NOTHING_BEFORE: Final = History()  # of a part that is judged by itself; nothing is ever learnt into it
_Judged = tuple[Verdict, Message]


class Decision(NamedTuple):
    """A verdict, the sentences of fired rules and of failures, worst first (none for OK), and the judgement of every rule."""

    verdict: Verdict
    reasons: tuple[Message, ...]
    judgements: tuple[Judgement, ...]


def judge(
    recipe: Recipe,
    predictions: Sequence[Prediction],
    failures: Sequence[Message],
    history: History = NOTHING_BEFORE,
    *,
    at: float | None = None,
) -> Decision:
    """Return the verdict of one part. Changes nothing: `learn` takes its values to the history.

    `recipe` is complete (`automatic.complete` has filled in the defaults of the bundles' cards). `predictions`: one for every
    [[inspect]] step that succeeded; `failures`: why other steps did not; `history`: the parts before, for rules with
    `baseline_parts` or `rise_s`, which are REVIEW until enough are known; `at`: the part's time in seconds. NG if any rule says
    so, whatever else failed; otherwise NOT_INSPECTED if anything needed is missing; then REVIEW; then OK.
    """
    judgements: list[Judgement] = []
    found: list[_Judged] = [(Verdict.NOT_INSPECTED, failure) for failure in failures]
    for step in recipe.inspect:
        prediction = _of_step(step, predictions, recipe)
        if prediction is not None:
            for number, rule in enumerate(recipe.rules):
                if rule.is_about(step):
                    judgement = _apply(number, rule, step, prediction, recipe)
                    if rule.is_compared and math.isfinite(judgement.value):
                        judgement = _compared(judgement, rule, recipe, predictions, history, at)
                    judgements.append(judgement)
                    found.extend(_reason(judgement, rule, prediction, history))
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


def margin(predictions: Sequence[Prediction], judgements: Sequence[Judgement]) -> float | None:
    """Return how far, 0..1, the nearest judgement was from another result; None where nothing was judged.

    Classes: the best score minus the next. Boxes: of the scores, the least distance to the threshold. Others: the distance of
    the value to the limit, as a share of the larger of both.
    """
    found = {(one.bundle, one.camera, one.region): one for one in predictions}
    near = [_nearness(one, found.get((one.bundle, one.camera, one.region))) for one in judgements]
    return min((value for value in near if value is not None), default=None)


def _nearness(judgement: Judgement, prediction: Prediction | None) -> float | None:
    if prediction is None or not math.isfinite(judgement.compared):
        return None
    answer, value = prediction.answer, judgement.compared
    if isinstance(answer, Scores):
        return answer.margin if judgement.quantity == "class" else abs(value - judgement.limit)
    if isinstance(answer, Boxes):
        return min((abs(float(score) - prediction.threshold) for score in answer.scores), default=1.0)
    larger = max(abs(value), abs(judgement.limit))
    return abs(value - judgement.limit) / larger if larger else 1.0


def learn(recipe: Recipe, decision: Decision, history: History, *, at: float | None = None) -> None:
    """Take the values of a good part to the history, and those of any part with its time `at` in seconds.

    A part counts as good if its verdict is OK, or would be if its comparisons with good parts were not still waiting for some.
    """
    rules = [(recipe.rules[judgement.rule], judgement) for judgement in decision.judgements]
    if at is not None:
        timed = {
            (_key(rule, judgement), rule.rise_s): judgement.value
            for rule, judgement in rules
            if rule.rise_s is not None and math.isfinite(judgement.value)
        }
        history.note(timed, at)
    if any(judgement.verdict is not Verdict.OK and not _waits(judgement) for judgement in decision.judgements):
        return
    if len(decision.reasons) > sum(_waits(judgement) for judgement in decision.judgements):
        return  # something was not inspected
    history.learn({_key(rule, judgement): judgement.value for rule, judgement in rules if rule.baseline_parts is not None})


def as_then(recipe: Recipe, judgements: Sequence[Judgement]) -> History:
    """Return a history in which the good parts before are those that these judgements of a part were made with."""
    means: dict[Hashable, dict[int, float]] = {}
    history = History()
    for judgement in judgements:
        rule = recipe.rules[judgement.rule] if judgement.rule < len(recipe.rules) else None
        baseline = judgement.baseline
        if rule is not None and rule.baseline_parts is not None and baseline is not None and math.isfinite(baseline):
            means.setdefault(_key(rule, judgement), {})[rule.baseline_parts] = baseline
        if rule is not None and rule.rise_s is not None and baseline is not None and math.isfinite(baseline):
            history.set_rise(_key(rule, judgement), rule.rise_s, judgement.value - baseline)
    for key, found in means.items():
        values: list[float] = []  # the newest first
        for count, mean in sorted(found.items()):
            more = count - len(values)
            values += [(count * mean - sum(values)) / more] * more
        history.extend(key, reversed(values))
    return history


def _waits(judgement: Judgement) -> bool:
    """Return whether a comparison waits for more good parts."""
    return judgement.baseline is not None and math.isnan(judgement.baseline) and judgement.verdict is Verdict.REVIEW


def _key(rule: Rule, judgement: Judgement) -> Hashable:
    """Return what the values of a rule are kept under: the same for every limit and number of parts."""
    return rule.bundle, rule.quantity, rule.class_name, judgement.camera, judgement.region


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
    """Return the judgement of one rule on one prediction; one that compares is not decided yet."""
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
        if math.isfinite(value) and not rule.is_compared:
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


def _compared(
    judgement: Judgement,
    rule: Rule,
    recipe: Recipe,
    predictions: Sequence[Prediction],
    history: History,
    at: float | None,
) -> Judgement:
    """Return the judgement of a rule on the difference to the last good parts or another place, or on the rise a minute."""
    key, count = _key(rule, judgement), rule.baseline_parts or 0
    if rule.minus is not None:
        baseline = _value_at(rule.minus, rule, predictions, recipe)
        if not math.isfinite(baseline):
            return replace(judgement, baseline=math.nan)
    elif rule.rise_s is not None:
        rise = history.rise(key, rule.rise_s, at, judgement.value)
        baseline = math.nan if rise is None else judgement.value - rise
    else:
        baseline = history.mean(key, count) if history.known(key, count) == count else math.nan
    if math.isnan(baseline):
        return replace(judgement, verdict=Verdict.REVIEW, baseline=math.nan)
    known = replace(judgement, baseline=baseline)
    difference = Measured(known.name, known.compared)
    verdict, limit = QUANTITIES[rule.quantity].decide(difference, Limits(rule.when, rule.limit, rule.review))
    return replace(known, verdict=verdict, limit=limit)


def _value_at(place: str, rule: Rule, predictions: Sequence[Prediction], recipe: Recipe) -> float:
    """Return the quantity of a rule at another place of the same part; NaN if it was not measured there."""
    step = next(step for step in recipe.inspect if step.place == place)
    prediction = _of_step(step, predictions, recipe)
    return math.nan if prediction is None else _apply(0, rule, step, prediction, recipe).value


def _wanted(rule: Rule, step: InspectModel, prediction: Prediction) -> tuple[int, ...]:
    """Return the indices of the classes that the rule is about."""
    if rule.class_name is not None:
        return tuple(i for i, name in enumerate(prediction.classes) if name == rule.class_name)
    return tuple(i for i, name in enumerate(prediction.classes) if name not in (step.ok_classes or ()))


def _reason(judgement: Judgement, rule: Rule, prediction: Prediction, history: History) -> Iterator[_Judged]:
    """Yield the sentence of a rule that fired; nothing for a rule that did not."""
    quantity, verdict = QUANTITIES[judgement.quantity], judgement.verdict
    if verdict is Verdict.OK:
        return
    if not isinstance(prediction.answer, quantity.fits):
        problem = "The rule on {quantity} does not fit the bundle {bundle} ({task})."
        yield verdict, message(problem, quantity=judgement.quantity, bundle=judgement.bundle, task=prediction.task)
    elif verdict is Verdict.NOT_INSPECTED and rule.minus is not None and math.isfinite(judgement.value):
        yield verdict, message("There is no value at the place {place} to compare with.", place=rule.minus)
    elif not math.isfinite(judgement.value):
        yield verdict, message("The bundle {bundle} gave values that are not numbers.", bundle=judgement.bundle)
    elif _waits(judgement) and rule.rise_s is not None:
        yield (
            verdict,
            message("The rise a minute needs {count} parts within {seconds:g} s.", count=LEAST_TIMED, seconds=rule.rise_s),
        )
    elif _waits(judgement):
        count = rule.baseline_parts or 0
        known = history.known(_key(rule, judgement), count)
        problem = "The comparison with good parts needs {count}; {known} are known so far."
        yield verdict, message(problem, count=count, known=known)
    else:
        baseline = judgement.baseline
        reason = quantity.reason(judgement.name, judgement.compared, judgement.limit, verdict, rule.when)
        if rule.rise_s is not None:
            reason = message("{reason}, as the rise a minute over {seconds:g} s", reason=reason, seconds=rule.rise_s)
        elif rule.minus is not None:
            reason = message(
                "{reason}, as the difference to the place {place} ({mean} {unit})",
                reason=reason,
                place=rule.minus,
                mean=f"{baseline or 0.0:.{quantity.decimals}f}",
                unit=quantity.unit,
            )
        elif baseline is not None:
            reason = message(
                "{reason}, as the difference to the mean of the last {count} good parts ({mean} {unit})",
                reason=reason,
                count=rule.baseline_parts,
                mean=f"{baseline:.{quantity.decimals}f}",
                unit=quantity.unit,
            )
        yield verdict, reason
