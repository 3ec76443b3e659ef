"""Rules that compare places of a part, or parts over time."""

from typing import Any

import pytest
from pydantic import ValidationError

from inspector.core.errors import ConfigError
from inspector.core.types import Prediction, Temperatures, Verdict
from inspector.recipes.automatic import only_camera, seen_by
from inspector.recipes.history import History
from inspector.recipes.recipe import CameraModel, InspectModel, Recipe, RegionModel, Rule
from inspector.recipes.verdict import Decision, as_then, judge, learn

BEARING, WALL = RegionModel(x=0, y=0, width=10, height=10), RegionModel(x=50, y=0, width=10, height=10)


def recipe(*rules: dict[str, Any], walls: str = "heat") -> Recipe:
    wall = next((str(rule["bundle"]) for rule in rules if "bundle" in rule), "t")
    return Recipe(
        name="r",
        cameras={"heat": CameraModel(source="simulated:thermal"), "other": CameraModel(source="simulated:thermal")},
        inspect=(
            InspectModel(bundle="t", camera="heat", place="bearing", region=BEARING),
            InspectModel(bundle=wall, camera=walls, place="wall", region=WALL),
        ),
        rules=tuple(Rule(**{"bundle": "t", "quantity": "temperature_max", **rule}) for rule in rules),
    )


def warm(celsius: float, region: RegionModel = BEARING, camera: str = "heat") -> Prediction:
    found = Temperatures(celsius + 273.15, 290.0, 280.0, "measured")
    return Prediction("t", "thermal", camera, (), region.region(), found)


def inspected(recipe: Recipe, history: History, at: float, *predictions: Prediction) -> Decision:
    decision = judge(recipe, predictions, (), history, at=at)
    learn(recipe, decision, history, at=at)
    return decision


def test_a_place_is_compared_with_another_place_of_the_same_part() -> None:
    made = recipe({"limit": 10.0, "review": 6.0, "minus": "wall"})
    for bearing, verdict in ((27.0, Verdict.OK), (29.0, Verdict.REVIEW), (33.5, Verdict.NG)):
        found, reasons, (judgement,) = judge(made, [warm(bearing), warm(22.0, WALL)], ())
        assert found is verdict
        assert judgement.region == BEARING.region()  # the wall is not compared with itself
        assert (judgement.value, judgement.baseline) == (pytest.approx(bearing), pytest.approx(22.0))
    assert reasons[0].text == "hottest 11.5 °C > 10.0 °C, as the difference to the place wall (22.0 °C)"
    verdict, reasons, (judgement,) = judge(made, [warm(33.5), warm(float("nan"), WALL)], ())
    assert (verdict, reasons[0].text) == (Verdict.NOT_INSPECTED, "There is no value at the place wall to compare with.")
    assert judgement.verdict is Verdict.NOT_INSPECTED
    again = judge(
        made, [warm(33.5), warm(22.0, WALL)], (), as_then(made, judge(made, [warm(33.5), warm(22.0, WALL)], ()).judgements)
    )
    assert again.verdict is Verdict.NG


def test_a_rule_for_one_place_leaves_the_others_alone() -> None:
    made = recipe({"limit": 30.0, "place": "wall"}, {"limit": 90.0})
    decision = judge(made, [warm(50.0), warm(22.0, WALL)], ())
    assert decision.verdict is Verdict.OK
    assert [(one.rule, one.region) for one in decision.judgements] == [
        (1, BEARING.region()),
        (0, WALL.region()),
        (1, WALL.region()),
    ]
    assert judge(made, [warm(50.0), warm(35.0, WALL)], ()).verdict is Verdict.NG


def test_a_rise_a_minute_counts_all_parts_of_the_last_seconds() -> None:
    made, history = recipe({"limit": 5.5, "place": "bearing", "rise_s": 40.0}), History()
    for number in range(2):
        decision = inspected(made, history, 10.0 * number, warm(30.0), warm(20.0, WALL))
        assert decision.verdict is Verdict.REVIEW
        assert decision.reasons[0].text == "The rise a minute needs 3 parts within 40 s."
    for number in range(2, 12):  # 1 K in 10 s: 6 K a minute, which is NG, and NG parts count as well
        decision = inspected(made, history, 10.0 * number, warm(30.0 + number - 1), warm(20.0, WALL))
    (judgement,) = decision.judgements
    assert judgement.value - (judgement.baseline or 0.0) == pytest.approx(6.0)
    assert decision.verdict is Verdict.NG
    assert decision.reasons[0].text == "hottest 6.0 °C > 5.5 °C, as the rise a minute over 40 s"
    for number in range(12, 17):
        decision = inspected(made, history, 10.0 * number, warm(40.0), warm(20.0, WALL))
    assert decision.verdict is Verdict.OK
    late = judge(made, [warm(50.0), warm(20.0, WALL)], (), history, at=1000.0)  # all the others are too old
    assert late.verdict is Verdict.REVIEW
    taken = History()
    taken.take_over(history)  # another recipe of the same line
    assert judge(made, [warm(40.0), warm(20.0, WALL)], (), taken, at=170.0).verdict is Verdict.OK


def test_rules_on_the_same_rise_count_a_part_once() -> None:
    rule = {"place": "bearing", "rise_s": 40.0}
    made, history = recipe({"limit": 5.0, **rule}, {"limit": -5.0, "when": "below", **rule}, {"limit": 90.0}), History()
    for number in range(2):
        decision = inspected(made, history, 10.0 * number, warm(30.0), warm(20.0, WALL))
        assert decision.verdict is Verdict.REVIEW


def test_a_fast_line_is_known_over_all_the_seconds_of_a_rise() -> None:
    history = History()
    for number in range(20_000):  # 30 frames a second for eleven minutes: 6 K a minute, and nothing more in the last one
        at = number / 30
        history.note({("bearing", 600.0): 20.0 + min(at, 606.0) / 10}, at)
    rise = history.rise("bearing", 600.0, 20_000 / 30, 80.6)
    known = [(20_000 / 30 - second, min(20_000 / 30 - second, 606.0) / 10) for second in range(601)]
    middle = sum(at for at, _ in known) / 601
    spread = sum((at - middle) ** 2 for at, _ in known)
    assert rise == pytest.approx(60 * sum((at - middle) * value for at, value in known) / spread, rel=1e-3)


def test_a_part_is_judged_again_with_the_rise_it_had() -> None:
    made, history = recipe({"limit": 5.0, "place": "bearing", "rise_s": 40.0}), History()
    for number in range(4):
        decision = inspected(made, history, 10.0 * number, warm(30.0 + number), warm(20.0, WALL))
    assert decision.verdict is Verdict.NG
    wider = recipe({"limit": 7.0, "place": "bearing", "rise_s": 40.0})
    again = judge(wider, [warm(33.0), warm(20.0, WALL)], (), as_then(wider, decision.judgements))
    assert again.verdict is Verdict.OK
    assert again.judgements[0].value - (again.judgements[0].baseline or 0.0) == pytest.approx(6.0)


def test_without_the_camera_of_the_other_place_the_comparison_is_left_out() -> None:
    made = recipe({"limit": 10.0, "minus": "wall", "place": "bearing"}, {"limit": 90.0}, walls="other")
    seen, places = seen_by(made, ["heat"])
    assert seen is not None
    assert places == (1,)
    assert judge(seen, [warm(50.0)], ()).verdict is Verdict.OK
    with pytest.raises(ConfigError, match="compares with the place wall, which the camera heat does not see"):
        only_camera(made, "heat")
    alone, places = seen_by(recipe({"limit": 10.0, "minus": "wall"}, walls="other"), ["other"])
    assert alone is not None
    assert places == ()  # the wall is not compared with itself
    assert judge(alone, [warm(50.0, WALL, "other")], ()).verdict is Verdict.NOT_INSPECTED


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        ({"minus": "roof"}, "there is no place called 'roof'"),
        ({"place": "roof"}, "inspects no place called 'roof'"),
        ({"minus": "wall", "place": "wall"}, "compared with itself"),
        ({"minus": "wall", "bundle": "wall only"}, "no other place than 'wall' to compare with it"),
        ({"minus": "wall", "rise_s": 10.0}, "one of them"),
        ({"baseline_parts": 5, "rise_s": 10.0}, "one of them"),
        ({"rise_s": 0.0}, "greater than 0"),
    ],
)
def test_a_comparison_that_cannot_be_is_refused(rule: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        recipe({"limit": 1.0, **rule})


def test_two_places_have_two_names() -> None:
    with pytest.raises(ValidationError, match="two places are called 'wall'"):
        Recipe.model_validate(
            {
                "name": "r",
                "cameras": {"heat": {"source": "simulated:thermal"}},
                "inspect": [{"bundle": "t", "camera": "heat", "place": "wall"}] * 2,
            }
        )
