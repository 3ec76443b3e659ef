"""Rules to verdicts, without a camera or an engine."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from inspector.core.message import message
from inspector.core.types import Boxes, HotSpot, Masks, Prediction, Region, Scores, Temperatures, Verdict
from inspector.recipes.history import History
from inspector.recipes.quantities import QUANTITIES
from inspector.recipes.recipe import CameraModel, InspectModel, Recipe, RegionModel, Rule
from inspector.recipes.verdict import Decision, as_then, judge, learn, margin

WHOLE = Region(0, 0, 100, 80)
DEFECTS = ("scratch", "stain")


def _recipe(*rules: dict[str, Any], step: dict[str, Any] | None = None, mm_per_px: float | None = 0.5) -> Recipe:
    return Recipe(
        name="test",
        cameras={"top": CameraModel(source="simulated", mm_per_px=mm_per_px)},
        inspect=(InspectModel(bundle="b", camera="top", **(step or {})),),
        rules=tuple(Rule(bundle="b", **rule) for rule in rules),
    )


def _scores(*scores: float, classes: tuple[str, ...] = ("normal", "mild", "severe")) -> Prediction:
    return Prediction("b", "classification", "top", classes, WHOLE, Scores(np.array(scores, np.float32)))


def _boxes(*boxes: tuple[float, float, float, float, float, int]) -> Prediction:
    rows = np.array([box[:4] for box in boxes], np.float32).reshape(-1, 4)
    scores = np.array([box[4] for box in boxes], np.float32)
    classes = np.array([box[5] for box in boxes], np.int64)
    return Prediction("b", "detection", "top", DEFECTS, WHOLE, Boxes(rows, scores, classes))


def _mask(*squares: tuple[int, int, int, int]) -> Prediction:
    """Certain squares of (class, left, top, side) on the region's own grid."""
    mask = np.zeros((2, 80, 100), np.uint8)
    for index, left, top, side in squares:
        mask[index, top : top + side, left : left + side] = 255
    return Prediction("b", "segmentation", "top", DEFECTS, WHOLE, Masks(mask))


def _temperatures(celsius: float, spots: int = 0) -> Prediction:
    hot = tuple(HotSpot(0, 0, 400.0, 9.0) for _ in range(spots))
    found = Temperatures(celsius + 273.15, 300.0, 290.0, "measured", hot)
    return Prediction("b", "thermal", "top", (), WHOLE, found)


def _texts(recipe: Recipe, *predictions: Prediction) -> tuple[Verdict, list[str]]:
    verdict, reasons, _ = judge(recipe, predictions, ())
    return verdict, [reason.text for reason in reasons]


CLASS = {"quantity": "class", "limit": 0.6, "review": 0.6}
OK_NORMAL = {"ok_classes": ("normal",)}


@pytest.mark.parametrize(
    ("scores", "verdict", "reasons"),
    [
        ((0.9, 0.05, 0.05), Verdict.OK, []),
        ((0.1, 0.7, 0.2), Verdict.NG, ["mild (score 0.70)"]),
        ((0.3, 0.5, 0.2), Verdict.REVIEW, ["mild (score 0.50), not certain enough for 0.60"]),
        ((0.5, 0.3, 0.2), Verdict.REVIEW, ["normal (score 0.50), not certain enough for 0.60"]),
    ],
)
def test_the_class_rule(scores: tuple[float, ...], verdict: Verdict, reasons: list[str]) -> None:
    assert _texts(_recipe(CLASS, step=OK_NORMAL), _scores(*scores)) == (verdict, reasons)


def test_a_class_rule_for_one_class_leaves_the_others_alone() -> None:
    recipe = _recipe({"quantity": "class", "class_name": "severe", "limit": 0.5}, step=OK_NORMAL)
    assert _texts(recipe, _scores(0.1, 0.8, 0.1))[0] is Verdict.OK
    assert _texts(recipe, _scores(0.1, 0.1, 0.8))[0] is Verdict.NG


def test_where_no_class_is_good_every_class_is_wrong() -> None:
    assert _texts(_recipe(CLASS), _scores(0.9, 0.05, 0.05))[0] is Verdict.NG


def test_the_score_of_a_class() -> None:
    recipe = _recipe({"quantity": "score", "class_name": "severe", "limit": 0.2}, step=OK_NORMAL)
    assert _texts(recipe, _scores(0.5, 0.29, 0.21)) == (Verdict.NG, ["severe score 0.21 > 0.20"])
    assert _texts(recipe, _scores(0.5, 0.31, 0.19))[0] is Verdict.OK


def test_boxes_below_the_threshold_do_not_count() -> None:
    recipe = _recipe({"quantity": "count", "limit": 0}, step={"threshold": 0.5})
    assert _texts(recipe, _boxes((0, 0, 10, 10, 0.49, 0)))[0] is Verdict.OK
    two = _boxes((0, 0, 10, 10, 0.5, 0), (20, 20, 30, 30, 0.9, 1))
    assert _texts(recipe, two) == (Verdict.NG, ["scratch, stain: 2 found, more than 0"])
    only = _recipe({"quantity": "count", "limit": 1, "class_name": "stain"}, step={"threshold": 0.5})
    assert _texts(only, two)[0] is Verdict.OK


def test_a_good_class_of_boxes_does_not_count_unless_named() -> None:
    step = {"threshold": 0.5, "ok_classes": ("stain",)}
    boxes = _boxes((0, 0, 10, 10, 0.9, 1))
    assert _texts(_recipe({"quantity": "count", "limit": 0}, step=step), boxes)[0] is Verdict.OK
    missing = {"quantity": "count", "class_name": "stain", "when": "below", "limit": 2}
    assert _texts(_recipe(missing, step=step), boxes) == (Verdict.NG, ["stain: 1 found, fewer than 2"])


@pytest.mark.parametrize(
    ("rule", "reason"),
    [
        ({"quantity": "area_mm2", "limit": 49.9}, "scratch 50.0 mm2 > 49.9 mm2"),
        ({"quantity": "area_px", "limit": 199}, "scratch 200 px > 199 px"),
        ({"quantity": "largest_mm2", "limit": 20}, "largest scratch 25 mm2 > 20 mm2"),
        ({"quantity": "largest_px", "limit": 99.5}, "largest scratch 100.0 px > 99.5 px"),
    ],
)
def test_areas_in_pixels_and_millimetres_of_boxes_and_masks(rule: dict[str, Any], reason: str) -> None:
    # Two squares of 10 x 10 pixels of 0.5 mm: 100 px and 25 mm2 each.
    boxes = _boxes((0, 0, 10, 10, 0.9, 0), (20, 20, 30, 30, 0.9, 0))
    mask = _mask((0, 0, 0, 10), (0, 20, 20, 10))
    for prediction in (boxes, mask):
        assert _texts(_recipe(rule), prediction) == (Verdict.NG, [reason])
        at_limit = {**rule, "limit": {"area_mm2": 50, "area_px": 200, "largest_mm2": 25, "largest_px": 100}[rule["quantity"]]}
        assert _texts(_recipe(at_limit), prediction)[0] is Verdict.OK


def test_the_reason_reads_as_people_write_it() -> None:
    prediction = _boxes((0, 0, 3.2, 4, 0.9, 0))
    assert _texts(_recipe({"quantity": "area_mm2", "limit": 2.0}), prediction) == (Verdict.NG, ["scratch 3.2 mm2 > 2.0 mm2"])


def test_value_and_limit_never_read_the_same() -> None:
    prediction = _boxes((0, 0, 4, 2.004, 0.9, 0))
    assert _texts(_recipe({"quantity": "area_mm2", "limit": 2.0}), prediction)[1] == ["scratch 2.004 mm2 > 2.000 mm2"]


def test_specks_of_a_mask_are_not_counted() -> None:
    recipe = _recipe({"quantity": "count", "limit": 0})
    assert _texts(recipe, _mask((0, 5, 5, 3)))[0] is Verdict.OK
    assert _texts(recipe, _mask((0, 5, 5, 4))) == (Verdict.NG, ["scratch: 1 found, more than 0"])


def test_temperatures_and_hot_spots() -> None:
    hot = _recipe({"quantity": "temperature_max", "limit": 90, "review": 80})
    assert _texts(hot, _temperatures(79.9))[0] is Verdict.OK
    assert _texts(hot, _temperatures(85.25)) == (Verdict.REVIEW, ["hottest 85.2 °C > 80.0 °C"])
    assert _texts(hot, _temperatures(95.5))[0] is Verdict.NG
    cold = _recipe({"quantity": "temperature_min", "when": "below", "limit": 20})
    assert _texts(cold, _temperatures(30)) == (Verdict.NG, ["coldest 16.9 °C < 20.0 °C"])
    spots = _recipe({"quantity": "hot_spots", "limit": 1})
    assert _texts(spots, _temperatures(30, 1))[0] is Verdict.OK
    assert _texts(spots, _temperatures(30, 2)) == (Verdict.NG, ["2 hot spots, more than 1"])


def test_a_temperature_that_is_not_a_number_is_no_verdict() -> None:
    recipe = _recipe({"quantity": "temperature_max", "limit": 90})
    assert _texts(recipe, _temperatures(float("nan")))[0] is Verdict.NOT_INSPECTED


def test_a_defect_stands_whatever_else_failed_and_comes_first() -> None:
    recipe = _recipe(CLASS, step=OK_NORMAL)
    failure = message("the other camera is gone")
    verdict, reasons, _ = judge(recipe, [_scores(0.1, 0.8, 0.1)], [failure])
    assert verdict is Verdict.NG
    assert [reason.text for reason in reasons] == ["mild (score 0.80)", "the other camera is gone"]
    assert judge(recipe, [_scores(0.9, 0.1, 0.0)], [failure])[:2] == (Verdict.NOT_INSPECTED, (failure,))
    assert judge(recipe, [_scores(0.5, 0.3, 0.2)], [failure])[0] is Verdict.NOT_INSPECTED


def test_nothing_is_ok_without_a_prediction_or_without_a_rule() -> None:
    assert _texts(_recipe(CLASS, step=OK_NORMAL))[0] is Verdict.NOT_INSPECTED
    assert _texts(_recipe(step=OK_NORMAL), _scores(0.9, 0.1, 0.0)) == (
        Verdict.NOT_INSPECTED,
        ["The recipe has no rule for the bundle b."],
    )


def test_a_rule_that_does_not_fit_is_no_verdict() -> None:
    assert _texts(_recipe({"quantity": "count", "limit": 0}), _scores(0.9, 0.1, 0.0))[0] is Verdict.NOT_INSPECTED
    assert _texts(_recipe(CLASS), _boxes())[0] is Verdict.NOT_INSPECTED


def test_one_bundle_on_two_regions_is_judged_for_each() -> None:
    left, right = RegionModel(x=0, y=0, width=10, height=10), RegionModel(x=10, y=0, width=10, height=10)
    recipe = Recipe(
        name="two",
        cameras={"top": CameraModel(source="simulated")},
        inspect=tuple(InspectModel(bundle="b", camera="top", region=region, ok_classes=("good",)) for region in (left, right)),
        rules=(Rule(bundle="b", quantity="class", limit=0.5),),
    )

    def looks(region: RegionModel, good: float) -> Prediction:
        scores = np.array([good, 1 - good], np.float32)
        return Prediction("b", "classification", "top", ("good", "bad"), region.region(), Scores(scores))

    assert judge(recipe, [looks(left, 0.9), looks(right, 0.8)], ())[0] is Verdict.OK
    assert judge(recipe, [looks(left, 0.9), looks(right, 0.2)], ())[0] is Verdict.NG
    assert judge(recipe, [looks(left, 0.9)], ())[0] is Verdict.NOT_INSPECTED


def test_the_same_part_gets_the_same_verdict_again() -> None:
    recipe, prediction = _recipe(CLASS, step=OK_NORMAL), _scores(0.1, 0.8, 0.1)
    assert judge(recipe, [prediction], ()) == judge(recipe, [prediction], ())


def test_every_rule_leaves_what_it_measured_whether_it_fired_or_not() -> None:
    recipe = _recipe(
        {"quantity": "area_mm2", "limit": 30.0},
        {"quantity": "largest_px", "limit": 50.0, "review": 40.0},
        {"quantity": "temperature_max", "limit": 90.0},
        mm_per_px=0.5,
    )
    verdict, reasons, judgements = judge(recipe, [_boxes((0, 0, 10, 10, 0.9, 0))], ())
    assert verdict is Verdict.NG
    found = [(one.rule, one.quantity, one.name, one.value, one.limit, one.verdict) for one in judgements[:2]]
    assert found == [
        (0, "area_mm2", "scratch", 25.0, 30.0, Verdict.OK),
        (1, "largest_px", "scratch", 100.0, 50.0, Verdict.NG),
    ]
    assert judgements[2].verdict is Verdict.NOT_INSPECTED
    assert np.isnan(judgements[2].value), "boxes have no temperature"
    assert len(reasons) == 2, "a rule that is content has no sentence"


def test_a_judgement_names_the_limit_that_decided() -> None:
    hot = _recipe({"quantity": "temperature_max", "limit": 90.0, "review": 80.0})
    limits = [judge(hot, [_temperatures(celsius)], ()).judgements[0].limit for celsius in (70.0, 85.0, 95.0)]
    assert limits == [90.0, 80.0, 90.0]


@pytest.mark.parametrize("name", QUANTITIES)
def test_the_sentences_of_every_quantity_can_be_written(name: str) -> None:
    quantity = QUANTITIES[name]
    for verdict in (Verdict.NG, Verdict.REVIEW):
        for when in ("above", "below"):
            assert quantity.reason("scratch", 0.25, 0.5, verdict, when).text
    assert quantity.fits
    assert quantity.asks


def test_a_quantity_that_is_not_there_is_refused_with_those_that_are() -> None:
    with pytest.raises(ValidationError, match=r"no quantity 'area_km2'; use one of: class, score"):
        Rule(bundle="b", quantity="area_km2", limit=1.0)


COMPARED = {"quantity": "temperature_max", "limit": 4.0, "review": 2.0, "baseline_parts": 3}


def _part(recipe: Recipe, history: History, *predictions: Prediction, failed: bool = False) -> Decision:
    """Judge and learn, as the station does."""
    failures = (message("The camera is lost."),) if failed else ()
    decision = judge(recipe, predictions, failures, history)
    learn(recipe, decision, history)
    return decision


def test_a_part_is_compared_with_the_good_parts_before() -> None:
    recipe, history = _recipe(COMPARED), History()
    for known, celsius in enumerate((30.0, 31.0, 32.0)):
        verdict, reasons, _ = _part(recipe, history, _temperatures(celsius))
        assert verdict is Verdict.REVIEW
        assert reasons[0].text == f"The comparison with good parts needs 3; {known} are known so far."
    verdict, _, (judgement,) = _part(recipe, history, _temperatures(32.5))  # joins them: 31, 32, 32.5
    assert (verdict, judgement.baseline) == (Verdict.OK, pytest.approx(31.0))
    verdict, reasons, (judgement,) = _part(recipe, history, _temperatures(37.0))
    mean = (31 + 32 + 32.5) / 3
    assert verdict is Verdict.NG
    assert judgement.value == pytest.approx(37.0)
    assert judgement.baseline == pytest.approx(mean)
    said = f"hottest {37 - mean:.1f} °C > 4.0 °C, as the difference to the mean of the last 3 good parts ({mean:.1f} °C)"
    assert reasons[0].text == said
    assert _part(recipe, history, _temperatures(34.5)).verdict is Verdict.REVIEW
    assert _part(recipe, history, _temperatures(32.0), failed=True).verdict is Verdict.NOT_INSPECTED
    (judgement,) = judge(recipe, [_temperatures(32.0)], (), history).judgements
    assert judgement.baseline == pytest.approx(mean)  # neither the NG, the REVIEW nor the failed part joined


def test_the_margin_of_a_comparison_is_that_of_the_difference() -> None:
    recipe, history, part = _recipe(COMPARED), History(), [_temperatures(33.0)]
    assert margin(part, judge(recipe, part, (), history).judgements) is None  # nothing to compare with yet
    for _ in range(3):
        _part(recipe, history, _temperatures(30.0))
    (judgement,) = judge(recipe, part, (), history).judgements
    assert (judgement.verdict, judgement.limit) == (Verdict.REVIEW, 2.0)
    assert margin(part, [judgement]) == pytest.approx((3.0 - 2.0) / 3.0)


def test_a_part_that_another_rule_refuses_is_no_good_part() -> None:
    hot = {"quantity": "temperature_max", "limit": 60.0}
    recipe, history = _recipe(COMPARED, hot), History()
    for celsius in (30.0, 70.0, 30.0, 30.0):
        verdict = _part(recipe, history, _temperatures(celsius)).verdict
        assert verdict is (Verdict.NG if celsius == 70.0 else Verdict.REVIEW)
    verdict, _, judgements = judge(recipe, [_temperatures(30.0)], (), history)
    assert verdict is Verdict.OK
    assert judgements[0].baseline == pytest.approx(30.0)
    assert judgements[1].baseline is None


def test_heat_and_a_defect_have_one_verdict() -> None:
    """A crack, or a hot spot against the good parts before, whichever camera saw it."""
    recipe = Recipe(
        name="fused",
        cameras={"top": CameraModel(source="simulated"), "heat": CameraModel(source="simulated:thermal")},
        inspect=(InspectModel(bundle="b", camera="top"), InspectModel(bundle="t", camera="heat")),
        rules=(Rule(bundle="b", quantity="count", limit=0), Rule(bundle="t", **COMPARED)),
    )

    def warm(celsius: float) -> Prediction:
        return replace(_temperatures(celsius), bundle="t", camera="heat")

    history, crack = History(), _boxes((10, 10, 20, 20, 0.9, 0))
    for _ in range(3):
        _part(recipe, history, _boxes(), warm(30.0))
    assert _part(recipe, history, _boxes(), warm(30.0)).verdict is Verdict.OK
    assert _part(recipe, history, crack, warm(30.0)).verdict is Verdict.NG
    verdict, reasons, _ = _part(recipe, history, _boxes(), warm(36.0))
    assert verdict is Verdict.NG
    assert "6 °C > 4 °C" in reasons[0].text


def test_a_part_is_judged_again_with_what_was_known_then() -> None:
    recipe, history = _recipe(COMPARED), History()
    for celsius in (30.0, 30.0, 30.0, 31.0):
        found = _part(recipe, history, _temperatures(celsius))
    wider = _recipe({**COMPARED, "limit": 0.5, "review": None})
    verdict, _, (judgement,) = judge(wider, [_temperatures(31.0)], (), as_then(wider, found.judgements))
    assert (verdict, judgement.baseline) == (Verdict.NG, pytest.approx(30.0))


def test_another_limit_keeps_the_good_parts_and_another_quantity_does_not() -> None:
    old, new = History(), History()
    recipe = _recipe(COMPARED)
    for _ in range(3):
        _part(recipe, old, _temperatures(30.0))
    new.take_over(old)
    assert judge(_recipe({**COMPARED, "limit": 9.0}), [_temperatures(30.0)], (), new).verdict is Verdict.OK
    other = _recipe({**COMPARED, "quantity": "temperature_mean"})
    assert judge(other, [_temperatures(30.0)], (), new).verdict is Verdict.REVIEW


def test_two_rules_on_one_quantity_compare_with_as_many_parts_as_each_says() -> None:
    """A part counts once, however many rules look at it, and each rule looks at its own number of parts."""
    below = {"quantity": "temperature_max", "limit": -4.0, "when": "below", "baseline_parts": 3}
    longer = {"quantity": "temperature_max", "limit": 9.0, "baseline_parts": 5}
    recipe, history = _recipe(COMPARED, below, longer), History()
    for celsius in (30.0, 31.0, 30.0, 31.0, 32.0):
        decision = judge(recipe, [_temperatures(celsius)], (), history)
        learn(recipe, decision, history)
        assert decision.verdict is Verdict.REVIEW
    decision = judge(recipe, [_temperatures(31.0)], (), history)
    assert decision.verdict is Verdict.OK
    means = pytest.approx([31.0, 31.0, 30.8])
    assert [judgement.baseline for judgement in decision.judgements] == means
    again = judge(recipe, [_temperatures(31.0)], (), as_then(recipe, decision.judgements))
    assert [judgement.baseline for judgement in again.judgements] == means


def test_the_most_likely_class_has_no_difference() -> None:
    with pytest.raises(ValidationError, match="most likely class"):
        Rule(bundle="b", quantity="class", limit=0.6, baseline_parts=5)
