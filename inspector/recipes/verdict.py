"""From predictions to a verdict. Pure: the same recipe and predictions give the same verdict everywhere."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import MappingProxyType

from inspector.core.message import Message, message
from inspector.core.types import KELVIN_AT_0_C, SEVERITY, Boxes, Prediction, Verdict
from inspector.recipes.recipe import InspectModel, Recipe, Rule
from inspector.tasks.masks import SPECK_PX, areas

DEFAULT_THRESHOLD = 0.5

_Judged = tuple[Verdict, Message]


def judge(
    recipe: Recipe, predictions: Sequence[Prediction], failures: Sequence[Message]
) -> tuple[Verdict, tuple[Message, ...]]:
    """Return the verdict of one part and the rules that fired, worst first; no reasons for OK.

    `recipe` is complete (`automatic.complete` has filled in what the bundles' cards say). `predictions`: one for every
    [[inspect]] that could be made, `failures`: why others could not. NG if any rule says so, whatever else failed;
    otherwise NOT_INSPECTED if anything needed is missing; then REVIEW; then OK.
    """
    found: list[_Judged] = [(Verdict.NOT_INSPECTED, failure) for failure in failures]
    for step in recipe.inspect:
        prediction = _of_step(step, predictions, recipe)
        if prediction is not None:
            for rule in recipe.rules:
                if rule.bundle == step.bundle:
                    found.extend(_apply(rule, step, prediction, recipe))
        elif not failures:
            found.append((Verdict.NOT_INSPECTED, message("The bundle {bundle} gave no prediction.", bundle=step.bundle)))
    unchecked = {step.bundle for step in recipe.inspect} - {rule.bundle for rule in recipe.rules}
    found.extend(
        (Verdict.NOT_INSPECTED, message("The recipe has no rule for the bundle {bundle}.", bundle=bundle))
        for bundle in sorted(unchecked)
    )
    found.sort(key=lambda item: -SEVERITY[item[0]])
    verdict = found[0][0] if found else Verdict.OK
    return verdict, tuple(reason for _, reason in found)


def threshold_of(step: InspectModel) -> float:
    """Return the score or mask threshold of a step."""
    return DEFAULT_THRESHOLD if step.threshold is None else step.threshold


def _of_step(step: InspectModel, predictions: Sequence[Prediction], recipe: Recipe) -> Prediction | None:
    """Return the prediction a step made; a step without a region owns what no step with one does."""
    wanted = None if step.region is None else step.region.region()
    same = [other for other in recipe.inspect if (other.bundle, other.camera) == (step.bundle, step.camera)]
    regions = {other.region.region() for other in same if other.region is not None}
    for prediction in predictions:
        if (prediction.bundle, prediction.camera) == (step.bundle, step.camera):
            whole = len(same) == 1 or prediction.region not in regions
            if prediction.region == wanted or (wanted is None and whole):
                return prediction
    return None


def _apply(rule: Rule, step: InspectModel, prediction: Prediction, recipe: Recipe) -> Iterator[_Judged]:
    """Yield what one rule says of one prediction; nothing if it is content."""
    if rule.quantity == "class":
        yield from _judge_class(rule, step, prediction)
        return
    measured = _measure(rule, step, prediction, recipe.cameras[step.camera].mm_per_px)
    if measured is None:
        problem = "The rule on {quantity} does not fit the bundle {bundle} ({task})."
        yield (
            Verdict.NOT_INSPECTED,
            message(problem, quantity=rule.quantity, bundle=step.bundle, task=prediction.task),
        )
        return
    name, value = measured
    if not math.isfinite(value):
        yield Verdict.NOT_INSPECTED, message("The bundle {bundle} gave values that are not numbers.", bundle=step.bundle)
    elif _beyond(rule, value, rule.limit):
        yield Verdict.NG, _reason(rule, name, value, rule.limit)
    elif rule.review is not None and _beyond(rule, value, rule.review):
        yield Verdict.REVIEW, _reason(rule, name, value, rule.review)


def _beyond(rule: Rule, value: float, limit: float) -> bool:
    return value > limit if rule.when == "above" else value < limit


def _judge_class(rule: Rule, step: InspectModel, prediction: Prediction) -> Iterator[_Judged]:
    if prediction.scores is None:
        problem = "The rule on {quantity} does not fit the bundle {bundle} ({task})."
        yield Verdict.NOT_INSPECTED, message(problem, quantity="class", bundle=step.bundle, task=prediction.task)
        return
    best = int(prediction.scores.argmax())
    name, score = prediction.classes[best], float(prediction.scores[best])
    if not score >= 0:
        yield Verdict.NOT_INSPECTED, message("The bundle {bundle} gave values that are not numbers.", bundle=step.bundle)
        return
    wrong = name not in (step.ok_classes or ()) if rule.class_name is None else name == rule.class_name
    if wrong and score >= rule.limit:
        yield Verdict.NG, message("{name} (score {score:.2f})", name=name, score=score)
    elif wrong:
        yield (
            Verdict.REVIEW,
            message("{name} (score {score:.2f}), not certain enough for {limit:.2f}", name=name, score=score, limit=rule.limit),
        )
    elif rule.review is not None and score < rule.review:
        yield (
            Verdict.REVIEW,
            message(
                "{name} (score {score:.2f}), not certain enough for {limit:.2f}", name=name, score=score, limit=rule.review
            ),
        )


def _measure(rule: Rule, step: InspectModel, prediction: Prediction, mm_per_px: float | None) -> tuple[str, float] | None:
    """Return (what it is called, its value) of the rule's quantity, or None where the prediction has no such quantity."""
    quantity = rule.quantity
    if quantity.startswith("temperature") or quantity == "hot_spots":
        return _thermal(quantity, prediction)
    wanted = _wanted(rule, step, prediction)
    if quantity == "score":
        return _score(prediction, wanted)
    sizes = _sizes(prediction, threshold_of(step), wanted)
    if sizes is None:
        return None
    scale = (mm_per_px or float("nan")) ** 2 if quantity.endswith("mm2") else 1.0
    values = [(name, area * scale) for name, area in sizes]
    if quantity == "count":
        if prediction.mask is not None:
            values = [item for item in values if item[1] >= SPECK_PX]
        return _names(values, rule), float(len(values))
    if quantity.startswith("largest"):
        return max(values, key=lambda item: item[1], default=(_names([], rule), 0.0))
    return _names(values, rule), sum(area for _, area in values)


def _wanted(rule: Rule, step: InspectModel, prediction: Prediction) -> tuple[int, ...]:
    """Class indices the rule is about."""
    if rule.class_name is not None:
        return tuple(i for i, name in enumerate(prediction.classes) if name == rule.class_name)
    return tuple(i for i, name in enumerate(prediction.classes) if name not in (step.ok_classes or ()))


def _names(values: Sequence[tuple[str, float]], rule: Rule) -> str:
    return rule.class_name or ", ".join(sorted({name for name, _ in values})) or "-"


def _thermal(quantity: str, prediction: Prediction) -> tuple[str, float] | None:
    temperatures = prediction.temperatures
    if temperatures is None:
        return None
    if quantity == "hot_spots":
        return "-", float(len(temperatures.hot_spots))
    kelvin = {
        "temperature_max": temperatures.maximum,
        "temperature_mean": temperatures.mean,
        "temperature_min": temperatures.minimum,
    }[quantity]
    return "-", kelvin - KELVIN_AT_0_C


def _score(prediction: Prediction, wanted: Sequence[int]) -> tuple[str, float] | None:
    if prediction.scores is not None:
        scored = [(prediction.classes[i], float(prediction.scores[i])) for i in wanted]
    elif prediction.boxes is not None:
        scored = [(name, score) for name, _, score in _boxes(prediction, prediction.boxes, wanted)]
    else:
        return None
    return max(scored, key=lambda item: item[1], default=("-", 0.0))


def _sizes(prediction: Prediction, threshold: float, wanted: Sequence[int]) -> list[tuple[str, float]] | None:
    """Return (class, area in frame pixels) of every box, or connected area of the mask, at the threshold."""
    if prediction.boxes is not None:
        return [(name, area) for name, area, _ in _boxes(prediction, prediction.boxes.at_least(threshold), wanted)]
    if prediction.mask is not None:
        found = areas(prediction, threshold)
        return [(prediction.classes[area.class_index], area.area_px) for area in found if area.class_index in wanted]
    return None


def _boxes(prediction: Prediction, boxes: Boxes, wanted: Sequence[int]) -> Iterator[tuple[str, float, float]]:
    """Yield (class, area in frame pixels, score)."""
    for (left, top, right, bottom), score, index in zip(
        boxes.xyxy.tolist(), boxes.scores.tolist(), boxes.classes.tolist(), strict=True
    ):
        if index in wanted:
            yield prediction.classes[index], max(0.0, right - left) * max(0.0, bottom - top), score


def _reason(rule: Rule, name: str, value: float, limit: float) -> Message:
    shown_value, shown_limit = _numbers(value, limit)
    template = _TEMPLATES[rule.quantity](rule.when)
    return message(template, name=name, value=shown_value, limit=shown_limit)


def _numbers(value: float, limit: float) -> tuple[str, str]:
    """Return both with as many decimals as it takes to tell them apart, at least one (none where both are whole)."""
    if value.is_integer() and limit.is_integer():
        return f"{value:.0f}", f"{limit:.0f}"
    for decimals in range(1, 7):
        shown = f"{value:.{decimals}f}", f"{limit:.{decimals}f}"
        if shown[0] != shown[1]:
            break
    return shown


def _template(above: str, below: str) -> Callable[[str], str]:
    return lambda when: above if when == "above" else below


_AREA_PX = _template("{name} {value} px > {limit} px", "{name} {value} px < {limit} px")
_AREA_MM2 = _template("{name} {value} mm2 > {limit} mm2", "{name} {value} mm2 < {limit} mm2")
_LARGEST_PX = _template("largest {name} {value} px > {limit} px", "largest {name} {value} px < {limit} px")
_LARGEST_MM2 = _template("largest {name} {value} mm2 > {limit} mm2", "largest {name} {value} mm2 < {limit} mm2")
_TEMPLATES: Mapping[str, Callable[[str], str]] = MappingProxyType(
    {
        "score": _template("{name} score {value} > {limit}", "{name} score {value} < {limit}"),
        "count": _template("{name}: {value} found, more than {limit}", "{name}: {value} found, fewer than {limit}"),
        "area_px": _AREA_PX,
        "area_mm2": _AREA_MM2,
        "largest_px": _LARGEST_PX,
        "largest_mm2": _LARGEST_MM2,
        "temperature_max": _template("hottest {value} °C > {limit} °C", "hottest {value} °C < {limit} °C"),
        "temperature_mean": _template("mean {value} °C > {limit} °C", "mean {value} °C < {limit} °C"),
        "temperature_min": _template("coldest {value} °C > {limit} °C", "coldest {value} °C < {limit} °C"),
        "hot_spots": _template("{value} hot spots, more than {limit}", "{value} hot spots, fewer than {limit}"),
    }
)
