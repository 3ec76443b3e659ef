"""What a recipe leaves out comes from the bundles' cards; bundles are found by name."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from inspector.bundles.bundle import Card
from inspector.core.errors import ConfigError
from inspector.core.storage.paths import user_data
from inspector.imaging.preprocessing import InputSpec
from inspector.recipes.automatic import complete, only_camera, recipe_for, thresholds
from inspector.recipes.document import save_recipe
from inspector.recipes.locate import demo_recipe, find_bundle
from inspector.recipes.recipe import CameraModel, InspectModel, Recipe, Rule, load_recipe
from tests.station.fakes import write_classifier


def _card(task: str, **changes: Any) -> Card:
    fields: dict[str, Any] = {
        "name": "b",
        "task": task,
        "network": "simple_cnn",
        "classes": ("good", "bad"),
        "ok_classes": ("good",),
        "input": InputSpec(width=8, height=8),
        "mean": (0.0,) * 3,
        "std": (1.0,) * 3,
        "created": datetime.now(UTC),
        "software": "test",
        **changes,
    }
    return Card(**fields)


@pytest.mark.parametrize(
    ("task", "limits", "rules"),
    [
        ("classification", {"score": 0.7}, [("class", 0.7)]),
        ("classification", {}, [("class", 0.5)]),
        ("detection", {"score": 0.3}, [("count", 0)]),
        ("segmentation", {"mask": 0.4}, [("largest_px", 16)]),
        ("thermal", {"hot_celsius": 90.0}, [("temperature_max", 90)]),
        ("thermal", {}, []),
    ],
)
def test_a_bundle_without_rules_gets_those_of_its_task(
    task: str, limits: dict[str, float], rules: list[tuple[str, float]]
) -> None:
    full = complete(recipe_for(["b"], "simulated"), {"b": _card(task, thresholds=limits)})
    assert [(rule.quantity, rule.limit) for rule in full.rules] == rules
    assert full.inspect[0].ok_classes == ("good",)
    assert full.inspect[0].threshold == limits.get("mask" if task == "segmentation" else "score", 0.5)


def test_what_the_recipe_says_wins_over_the_card() -> None:
    step = InspectModel(bundle="b", camera="camera", threshold=0.9, hot_celsius=70, ok_classes=("bad",))
    rule = Rule(bundle="b", quantity="count", limit=3)
    recipe = recipe_for(["b"], "simulated").model_copy(update={"inspect": (step,), "rules": (rule,)})
    card = _card("detection", thresholds={"score": 0.3, "nms_iou": 0.4, "hot_celsius": 90})
    full = complete(recipe, {"b": card})
    assert full.inspect == (step,)
    assert full.rules == (rule,)
    assert thresholds(full.inspect[0], card) == {"score": 0.9, "nms_iou": 0.4, "hot_celsius": 70}
    assert complete(full, {"b": card}) == full


@pytest.mark.parametrize(
    ("rule", "named"),
    [
        (Rule(bundle="b", quantity="temperature_max", limit=3), "temperature_max"),
        (Rule(bundle="b", quantity="count", limit=3, class_name="rust"), "rust"),
    ],
)
def test_a_rule_that_can_never_work_is_refused_by_name(rule: Rule, named: str) -> None:
    recipe = recipe_for(["b"], "simulated").model_copy(update={"rules": (rule,)})
    with pytest.raises(ConfigError, match=named):
        complete(recipe, {"b": _card("detection")})


def test_a_recipe_can_be_cut_down_to_one_camera() -> None:
    recipe = Recipe(
        name="two",
        cameras={
            "top": CameraModel(source="simulated"),
            "side": CameraModel(source="usb:0"),
            "idle": CameraModel(source="usb:1"),
        },
        inspect=(InspectModel(bundle="a", camera="top"), InspectModel(bundle="b", camera="side")),
        rules=(Rule(bundle="a", quantity="count", limit=0), Rule(bundle="b", quantity="count", limit=0)),
    )
    cut = only_camera(recipe, "side")
    assert list(cut.cameras) == ["side"]
    assert [step.bundle for step in cut.inspect] == ["b"]
    assert [rule.bundle for rule in cut.rules] == ["b"]
    with pytest.raises(ConfigError, match="no camera bottom"):
        only_camera(recipe, "bottom")
    with pytest.raises(ConfigError, match="inspects nothing"):
        only_camera(recipe, "idle")


def test_bundles_are_found_beside_the_recipe_by_path_and_among_the_users_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in ("XDG_DATA_HOME", "LOCALAPPDATA"):
        monkeypatch.setenv(variable, str(tmp_path / "own"))
    beside = write_classifier(tmp_path / "line" / "states")
    assert find_bundle("states", tmp_path / "line") == beside
    assert find_bundle(str(beside)) == beside
    own = write_classifier(user_data() / "bundles" / "mine")
    assert find_bundle("mine", tmp_path) == own
    with pytest.raises(ConfigError, match="There is no bundle other"):
        find_bundle("other", tmp_path)


def test_the_demo_recipe_is_valid_and_survives_saving(tmp_path: Path) -> None:
    recipe = load_recipe(demo_recipe())
    assert set(recipe.cameras) == {"visible", "thermal"}
    save_recipe(recipe, tmp_path / "copy.toml")
    assert load_recipe(tmp_path / "copy.toml") == recipe
