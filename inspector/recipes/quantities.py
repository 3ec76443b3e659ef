"""The quantities that a rule may compare: one table with each quantity's unit, sentences, fitting answers and measurement.

To add a quantity: one entry in QUANTITIES. Recipes are validated against its keys, and `packaging/translate.py` collects its
sentences.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, assert_never

from inspector.core.message import ClassName, Message, message
from inspector.core.types import KELVIN_AT_0_C, Answer, Boxes, Masks, Prediction, Scores, Temperatures
from inspector.core.verdict import Verdict
from inspector.tasks.base import Task
from inspector.tasks.masks import SPECK_PX, areas

When = Literal["above", "below"]


@dataclass(frozen=True, slots=True)
class Subject:
    """A prediction as seen by a rule: the indices of the classes that the rule is about, and the step's threshold.

    `named`: the class that the rule names, "" if the rule is about every class that is not good. `mm_per_px`: of the camera,
    NaN if unknown.
    """

    prediction: Prediction
    wanted: tuple[int, ...]
    threshold: float
    named: str = ""
    mm_per_px: float = math.nan

    def names(self, found: Sequence[tuple[str, float]]) -> str:
        """Return the name that a sentence uses: the rule's class, else the classes found, else "-"."""
        return self.named or ", ".join(sorted({name for name, _ in found})) or "-"


@dataclass(frozen=True, slots=True)
class Measured:
    """The value of a quantity and the class or classes it is about, "-" for none. `wrong`: whether these classes are bad."""

    name: str
    value: float
    wrong: bool = True


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits of a rule: see `recipe.Rule`."""

    when: When
    limit: float
    review: float | None = None

    def beyond(self, value: float, limit: float) -> bool:
        """Return whether the value is on the bad side of a limit."""
        return value > limit if self.when == "above" else value < limit


@dataclass(frozen=True, slots=True)
class Quantity:
    """A quantity.

    `label`: its name in a list; its key if empty. `above`, `below`: the sentence of a rule that fired, with {name}, {value} and
    {limit}. `asks`: the question that asks a person for a limit. `fits`: the kinds of answer that have this quantity.
    `decimals`: of a limit in a form. `scaled`: needs the camera's mm_per_px. `measure` is only called with predictions whose
    answer fits.
    """

    unit: str
    above: str
    below: str
    asks: str
    fits: tuple[type[Answer], ...]
    measure: Callable[[Subject], Measured]
    decimals: int = 1
    scaled: bool = False
    label: str = ""

    def decide(self, found: Measured, limits: Limits) -> tuple[Verdict, float]:
        """Return the verdict and the limit that decided it."""
        if limits.beyond(found.value, limits.limit):
            return Verdict.NG, limits.limit
        if limits.review is not None and limits.beyond(found.value, limits.review):
            return Verdict.REVIEW, limits.review
        return Verdict.OK, limits.limit

    def reason(self, name: str, value: float, limit: float, verdict: Verdict, when: When) -> Message:
        """Return the sentence of a rule that fired."""
        shown_value, shown_limit = _numbers(value, limit)
        template = self.above if when == "above" else self.below
        return message(template, name=ClassName(name), value=shown_value, limit=shown_limit)


@dataclass(frozen=True, slots=True)
class MostLikelyClass(Quantity):
    """The most likely class.

    A bad class is NG from the score `limit` upwards, else REVIEW; a good class below `review` is REVIEW.
    """

    def decide(self, found: Measured, limits: Limits) -> tuple[Verdict, float]:
        if found.wrong:
            return (Verdict.NG if found.value >= limits.limit else Verdict.REVIEW), limits.limit
        if limits.review is not None and found.value < limits.review:
            return Verdict.REVIEW, limits.review
        return Verdict.OK, limits.limit

    def reason(self, name: str, value: float, limit: float, verdict: Verdict, when: When) -> Message:
        return message(self.above if verdict is Verdict.NG else self.below, name=ClassName(name), score=value, limit=limit)


def fitting(task: Task) -> tuple[str, ...]:
    """Return the quantities that rules for a task's bundles may use."""
    return tuple(name for name, quantity in QUANTITIES.items() if task.answer in quantity.fits)


def _numbers(value: float, limit: float) -> tuple[str, str]:
    """Format both numbers with as many decimals as it takes to tell them apart, at least one; none if both are integers."""
    if value.is_integer() and limit.is_integer():
        return f"{value:.0f}", f"{limit:.0f}"
    for decimals in range(1, 7):
        shown = f"{value:.{decimals}f}", f"{limit:.{decimals}f}"
        if shown[0] != shown[1]:
            break
    return shown


def _best_class(subject: Subject) -> Measured:
    scores = subject.prediction.expect(Scores)
    return Measured(subject.prediction.classes[scores.best], float(scores.values[scores.best]), scores.best in subject.wanted)


def _score(subject: Subject) -> Measured:
    answer, classes = subject.prediction.answer, subject.prediction.classes
    match answer:
        case Scores(values):
            scored = [(classes[index], float(values[index])) for index in subject.wanted]
        case Boxes():
            scored = [(name, score) for name, _, score in _boxes(subject, answer)]
        case Masks() | Temperatures():
            raise TypeError(f"{subject.prediction.bundle} gives no scores")
        case _:
            assert_never(answer)
    return Measured(*max(scored, key=lambda item: item[1], default=("-", 0.0)))


def _count(subject: Subject) -> Measured:
    found = _sizes(subject)
    if isinstance(subject.prediction.answer, Masks):
        found = [item for item in found if item[1] >= SPECK_PX]
    return Measured(subject.names(found), float(len(found)))


def _area(subject: Subject) -> Measured:
    found = _sizes(subject)
    return Measured(subject.names(found), sum(area for _, area in found))


def _largest(subject: Subject) -> Measured:
    return Measured(*max(_sizes(subject), key=lambda item: item[1], default=(subject.names([]), 0.0)))


def _in_mm2(measure: Callable[[Subject], Measured]) -> Callable[[Subject], Measured]:
    def scaled(subject: Subject) -> Measured:
        found = measure(subject)
        return Measured(found.name, found.value * subject.mm_per_px**2)

    return scaled


def _sizes(subject: Subject) -> list[tuple[str, float]]:
    """Return (class, area in frame pixels) of every box, or connected area of the mask, at the threshold."""
    prediction, answer = subject.prediction, subject.prediction.answer
    match answer:
        case Boxes():
            return [(name, area) for name, area, _ in _boxes(subject, answer.at_least(subject.threshold))]
        case Masks():
            found = areas(prediction, subject.threshold)
            return [
                (prediction.classes[area.class_index], area.area_px) for area in found if area.class_index in subject.wanted
            ]
        case Scores() | Temperatures():
            raise TypeError(f"{prediction.bundle} gives no areas")
        case _:
            assert_never(answer)


def _boxes(subject: Subject, boxes: Boxes) -> Iterator[tuple[str, float, float]]:
    """Yield (class, area in frame pixels, score) of every box."""
    for (left, top, right, bottom), score, index in zip(
        boxes.xyxy.tolist(), boxes.scores.tolist(), boxes.classes.tolist(), strict=True
    ):
        if index in subject.wanted:
            yield subject.prediction.classes[index], max(0.0, right - left) * max(0.0, bottom - top), score


def _celsius(read: Callable[[Temperatures], float]) -> Callable[[Subject], Measured]:
    return lambda subject: Measured("-", read(subject.prediction.expect(Temperatures)) - KELVIN_AT_0_C)


def _hot_spots(subject: Subject) -> Measured:
    return Measured("-", float(len(subject.prediction.expect(Temperatures).hot_spots)))


_AREAS: tuple[type[Answer], ...] = (Boxes, Masks)

QUANTITIES: dict[str, Quantity] = {
    "class": MostLikelyClass(
        "",
        above="{name} (score {score:.2f})",
        below="{name} (score {score:.2f}), not certain enough for {limit:.2f}",
        asks="NG if a class that is not good scores more than",
        fits=(Scores,),
        measure=_best_class,
        decimals=3,
        label="Most likely class",
    ),
    "score": Quantity(
        "",
        above="{name} score {value} > {limit}",
        below="{name} score {value} < {limit}",
        asks="NG if a class scores more than",
        fits=(Scores, Boxes),
        measure=_score,
        decimals=3,
        label="Score",
    ),
    # Boxes, or connected areas of the mask that are more than specks.
    "count": Quantity(
        "",
        above="{name}: {value} found, more than {limit}",
        below="{name}: {value} found, fewer than {limit}",
        asks="NG if there are more objects than",
        fits=_AREAS,
        measure=_count,
        label="Number of objects",
    ),
    "area_px": Quantity(
        "px",
        above="{name} {value} px > {limit} px",
        below="{name} {value} px < {limit} px",
        asks="NG if all areas together have more pixels than",
        fits=_AREAS,
        measure=_area,
        label="Area together (px)",
    ),
    "area_mm2": Quantity(
        "mm2",
        above="{name} {value} mm2 > {limit} mm2",
        below="{name} {value} mm2 < {limit} mm2",
        asks="NG if all areas together have more square millimetres than",
        fits=_AREAS,
        measure=_in_mm2(_area),
        scaled=True,
        label="Area together (mm2)",
    ),
    "largest_px": Quantity(
        "px",
        above="largest {name} {value} px > {limit} px",
        below="largest {name} {value} px < {limit} px",
        asks="NG if the largest area has more pixels than",
        fits=_AREAS,
        measure=_largest,
        label="Largest area (px)",
    ),
    "largest_mm2": Quantity(
        "mm2",
        above="largest {name} {value} mm2 > {limit} mm2",
        below="largest {name} {value} mm2 < {limit} mm2",
        asks="NG if the largest area has more square millimetres than",
        fits=_AREAS,
        measure=_in_mm2(_largest),
        scaled=True,
        label="Largest area (mm2)",
    ),
    "temperature_max": Quantity(
        "°C",
        above="hottest {value} °C > {limit} °C",
        below="hottest {value} °C < {limit} °C",
        asks="NG if the hottest place has more degrees Celsius than",
        fits=(Temperatures,),
        measure=_celsius(lambda temperatures: temperatures.maximum),
        label="Hottest place (°C)",
    ),
    "temperature_mean": Quantity(
        "°C",
        above="mean {value} °C > {limit} °C",
        below="mean {value} °C < {limit} °C",
        asks="NG if the mean temperature has more degrees Celsius than",
        fits=(Temperatures,),
        measure=_celsius(lambda temperatures: temperatures.mean),
        label="Mean temperature (°C)",
    ),
    "temperature_min": Quantity(
        "°C",
        above="coldest {value} °C > {limit} °C",
        below="coldest {value} °C < {limit} °C",
        asks="NG if the coldest place has more degrees Celsius than",
        fits=(Temperatures,),
        measure=_celsius(lambda temperatures: temperatures.minimum),
        label="Coldest place (°C)",
    ),
    # Connected areas above the step's `hot_celsius`.
    "hot_spots": Quantity(
        "",
        above="{value} hot spots, more than {limit}",
        below="{value} hot spots, fewer than {limit}",
        asks="NG if there are more hot spots than",
        fits=(Temperatures,),
        measure=_hot_spots,
        label="Number of hot spots",
    ),
}
