"""A new bundle is taken into a recipe: the file says so, the old one is kept, and it can be taken back."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from inspector.bundles.bundle import Bundle, read_card, sha256, write_card
from inspector.bundles.variants import Variant
from inspector.core.errors import ConfigError, StorageError
from inspector.core.storage.paths import is_shipped, models, user_data
from inspector.core.types import Unit
from inspector.imaging.preprocessing import InputSpec
from inspector.inspection.run_request import resolve_recipe
from inspector.recipes import adopt
from inspector.recipes.automatic import cards_of, completed, default_rules
from inspector.recipes.document import save_recipe
from inspector.recipes.locate import demo_recipe, find_bundle
from inspector.recipes.recipe import CameraModel, InspectModel, Recipe, Rule, load_recipe
from inspector.recipes.revisions import list_revisions
from inspector.runs.report import NOTHING_LEARNT
from inspector.tasks.base import DEFAULT_THRESHOLD


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    """The demo line's recipe, as a file of the user's own."""
    path = tmp_path / "line.toml"
    path.write_bytes(demo_recipe().read_bytes())
    return path


def wished(bundle: str, camera: str, replaces: str = "") -> adopt.Wish:
    card = read_card(models() / bundle)
    step = InspectModel(bundle=card.name, camera=camera)
    return adopt.Wish(step, () if replaces else default_rules(completed(step, card), card), replaces)


def applied(path: Path, bundle: str, wish: adopt.Wish, to: Path | None = None) -> adopt.Written:
    file = adopt.open_recipe_file(path)
    return adopt.apply(file, models() / bundle, cards_of(file.recipe, file.base), wish, to or path)


def test_a_bundle_takes_the_place_of_another_with_its_rules(recipe: Path) -> None:
    before = recipe.read_bytes()
    written = applied(recipe, "plate-mask", wished("plate-mask", "visible", replaces="plate-mask"))
    now = load_recipe(recipe)
    assert now.revision == load_recipe(demo_recipe()).revision + 1
    added = now.inspect[-1]
    assert find_bundle(added.bundle, recipe.parent).is_relative_to(user_data() / "bundles")
    assert [step.bundle for step in now.inspect].count("plate-mask") == 0
    assert [(rule.quantity, rule.limit) for rule in now.rules if rule.bundle == added.bundle] == [("largest_mm2", 12.0)]
    assert written.backup is not None
    assert written.backup.read_bytes() == before
    adopt.undo(written)
    assert recipe.read_bytes() == before


def test_beside_the_others_it_brings_the_rule_of_its_card(recipe: Path) -> None:
    applied(recipe, "window-state", wished("window-state", "visible"))
    now = load_recipe(recipe)
    assert len(now.inspect) == len(load_recipe(demo_recipe()).inspect) + 1
    card = read_card(models() / "window-state")
    rule = next(rule for rule in now.rules if rule.bundle == now.inspect[-1].bundle)
    assert (rule.quantity, rule.limit) == ("class", card.thresholds.get("score", DEFAULT_THRESHOLD))


def test_the_bundle_is_kept_once(recipe: Path) -> None:
    names = {adopt.keep_bundle(models() / "window-state", base=recipe.parent) for _ in range(2)}
    assert len(names) == 1


def test_a_bundle_brings_its_variants_and_later_ones_follow(recipe: Path, tmp_path: Path) -> None:
    trained = Bundle.open(models() / "window-state").copy_to(tmp_path / "trained")
    for precision in ("int8", "fp16"):
        file = trained.folder / f"onnxruntime-{precision}-00000000.onnx"
        file.write_bytes(precision.encode())
        made = {"engine": "onnxruntime", "files": {file.name: sha256(file)}, "created": datetime(2026, 1, 1, tzinfo=UTC)}
        trained = trained.add_variant(Variant(precision=precision, **made))
        name = adopt.keep_bundle(trained.folder, base=recipe.parent)
        kept = Bundle.open(find_bundle(name, recipe.parent))
        assert kept.folder.is_relative_to(user_data() / "bundles")
        assert kept.card == trained.card
        assert kept.variant_file("onnxruntime", precision, ".onnx").read_bytes() == precision.encode()
        assert kept.variant_file("onnxruntime", precision, ".onnx").parent == kept.folder
    assert {file.name for file in kept.folder.iterdir()} == {file.name for file in trained.folder.iterdir()}


@pytest.mark.parametrize(
    ("bundle", "camera", "said"),
    [
        ("equipment-temperature", "visible", "reads temperatures"),
        ("window-state", "thermal", "reads pictures"),
        ("window-state", "third", "no camera third"),
    ],
)
def test_a_camera_of_another_kind_is_refused_and_nothing_changes(recipe: Path, bundle: str, camera: str, said: str) -> None:
    before = recipe.read_bytes()
    with pytest.raises(ConfigError, match=said):
        applied(recipe, bundle, wished(bundle, camera))
    assert recipe.read_bytes() == before
    assert not recipe.with_name("line.revisions").exists()


def test_another_task_cannot_take_the_place(recipe: Path) -> None:
    with pytest.raises(ConfigError, match="cannot take the place"):
        applied(recipe, "window-state", wished("window-state", "visible", replaces="plate-mask"))


def test_a_rule_that_cannot_work_is_refused(recipe: Path) -> None:
    wish = wished("window-state", "visible")
    wrong = Rule(bundle=wish.step.bundle, quantity="count", limit=1)
    with pytest.raises(ConfigError, match="rule on count"):
        applied(recipe, "window-state", adopt.Wish(wish.step, (wrong,)))


def test_a_bundle_that_learnt_nothing_is_used_only_if_that_is_confirmed(recipe: Path, tmp_path: Path) -> None:
    before = recipe.read_bytes()
    copy = Bundle.open(models() / "window-state").copy_to(tmp_path / "copy")
    card = copy.card.model_copy(update={"training": {**copy.card.training, NOTHING_LEARNT: True}})
    write_card(copy.folder, card)
    file, wish = adopt.open_recipe_file(recipe), wished("window-state", "visible", "window-state")
    cards = cards_of(file.recipe, file.base)
    with pytest.raises(ConfigError, match="learnt nothing in its training: its answers are no better than chance"):
        adopt.apply(file, copy.folder, cards, wish, recipe)
    assert recipe.read_bytes() == before
    done = adopt.apply(file, copy.folder, cards, wish, recipe, confirmed=True)
    assert done.recipe.revision == 2
    for asked in (resolve_recipe(recipe), resolve_recipe(bundles=[str(copy.folder)])):  # and it is said at every start
        assert asked.note is not None
        assert "window-state learnt nothing" in asked.note.text
    assert resolve_recipe(demo_recipe()).note is None


def test_a_recipe_that_somebody_changed_meanwhile_is_left_alone(recipe: Path) -> None:
    file = adopt.open_recipe_file(recipe)
    changed = recipe.read_text().replace("Demo line", "Another line")
    recipe.write_text(changed)
    cards = cards_of(file.recipe, file.base)
    with pytest.raises(ConfigError, match="changed by somebody else"):
        adopt.apply(file, models() / "window-state", cards, wished("window-state", "visible"), recipe)
    assert recipe.read_text() == changed


def test_what_was_changed_after_it_is_not_undone(recipe: Path) -> None:
    written = applied(recipe, "window-state", wished("window-state", "visible"))
    recipe.write_text(recipe.read_text() + "# mine\n")
    with pytest.raises(ConfigError, match="changed by somebody else"):
        adopt.undo(written)
    assert recipe.read_text().endswith("# mine\n")


def test_a_shipped_recipe_is_copied_and_finds_its_bundles_there() -> None:
    assert is_shipped(demo_recipe())
    before = demo_recipe().read_bytes()
    path = adopt.own_path("Demo line")
    written = applied(demo_recipe(), "window-state", wished("window-state", "visible"), path)
    assert written.path == path
    assert path.is_relative_to(user_data())
    assert set(cards_of(load_recipe(path), path.parent)) == {step.bundle for step in load_recipe(path).inspect}
    assert demo_recipe().read_bytes() == before
    adopt.undo(written)
    assert not path.exists()


def test_a_place_that_cannot_be_written_is_said_and_the_recipe_stays(recipe: Path) -> None:
    recipe.with_name("line.revisions").write_bytes(b"")  # the revisions cannot be kept there
    before = recipe.read_bytes()
    with pytest.raises(StorageError, match="cannot be written"):
        applied(recipe, "window-state", wished("window-state", "visible"))
    assert recipe.read_bytes() == before


def test_a_damaged_bundle_is_not_used(recipe: Path, tmp_path: Path) -> None:
    damaged = tmp_path / "damaged"
    damaged.mkdir()
    for file in (models() / "window-state").iterdir():
        (damaged / file.name).write_bytes(file.read_bytes())
    (damaged / "model.onnx").write_bytes(b"something else")
    file = adopt.open_recipe_file(recipe)
    before = recipe.read_bytes()
    with pytest.raises(ConfigError, match="SHA-256"):
        adopt.apply(file, damaged, cards_of(file.recipe, file.base), wished("window-state", "visible"), recipe)
    assert recipe.read_bytes() == before


@pytest.mark.parametrize("said", ["kelvin", None])
def test_a_detector_of_temperatures_goes_to_the_thermal_camera_and_to_no_other(recipe: Path, said: Unit | None) -> None:
    """Also one whose card is older than the field that says so."""
    file = adopt.open_recipe_file(recipe)
    cards = cards_of(file.recipe, file.base)
    spec = InputSpec(width=64, height=64, channels=1, kind="float", levels=(280.0, 400.0), unit=said)
    card = cards["plate-defects"].model_copy(update={"name": "hot-bolts", "input": spec, "mean": (127.5,), "std": (127.5,)})
    step = InspectModel(bundle="hot-bolts", camera="thermal")
    changed = adopt.adopt(file.recipe, cards, adopt.Wish(step), card)
    assert changed.inspect[-1] == step
    with pytest.raises(ConfigError, match="hot-bolts reads temperatures, and the camera visible gives pictures"):
        adopt.adopt(file.recipe, cards, adopt.Wish(step.model_copy(update={"camera": "visible"})), card)


def test_a_damaged_list_of_revisions_hides_none_of_them(recipe: Path) -> None:
    file = adopt.open_recipe_file(recipe)
    adopt.write_changed(file, file.recipe.model_copy(update={"name": "Another", "revision": 2}), recipe)
    notes = recipe.with_name("line.revisions") / "revisions.jsonl"
    first, second = sorted(path.name for path in notes.parent.glob("*.toml"))
    lines = [{"file": first}, {"file": second, "who": "Ann", "utc": "2026-11-30T08:00:00"}]  # one time lost, the other bare
    notes.write_text("".join(json.dumps(line) + "\n" for line in lines))
    newest, oldest = list_revisions(recipe)
    assert [(one.number, one.who) for one in (newest, oldest)] == [(2, "Ann"), (1, "")]
    assert newest.utc == datetime(2026, 11, 30, 8).astimezone(UTC)
    assert oldest.utc.tzinfo is not None


@pytest.mark.parametrize(
    ("limit", "review", "threshold", "kept"), [(0.6, 0.6, 0.3, 0.3), (0.6, 0.4, 0.5, 0.4), (0.6, 0.4, 0.3, 0.3)]
)
def test_a_threshold_takes_the_band_of_its_rule_along(
    tmp_path: Path, limit: float, review: float, threshold: float, kept: float
) -> None:
    path, step = tmp_path / "line.toml", InspectModel(bundle="window-state", camera="top")
    rule = Rule(bundle=step.bundle, quantity="class", limit=limit, review=review)
    save_recipe(Recipe(name="Line", cameras={"top": CameraModel(source="simulated")}, inspect=(step,), rules=(rule,)), path)
    adopt.write_threshold(path, step, threshold)
    written = load_recipe(path)
    assert (written.revision, written.rules[0].limit, written.rules[0].review) == (2, threshold, kept)


def test_a_recipe_that_would_not_load_is_not_written(recipe: Path) -> None:
    file, before = adopt.open_recipe_file(recipe), recipe.read_bytes()
    wrong = file.recipe.rules[0].model_copy(update={"limit": 0.2, "review": 0.4})
    with pytest.raises(ConfigError, match=r"is not valid: rules\.0: .*must come before the limit"):
        adopt.write_changed(file, file.recipe.model_copy(update={"rules": (wrong,)}), recipe)
    assert recipe.read_bytes() == before
    assert not recipe.with_name("line.revisions").exists()


def test_a_bundle_takes_over_the_name_of_the_place_that_rules_know(recipe: Path) -> None:
    file = adopt.open_recipe_file(recipe)
    cards = cards_of(file.recipe, file.base)
    steps = tuple(one.model_copy(update={"place": one.bundle}) for one in file.recipe.inspect)
    rule = Rule(bundle="window-state", quantity="score", class_name="severe", limit=0.5, place="window-state")
    named = file.recipe.model_copy(update={"inspect": steps, "rules": (*file.recipe.rules, rule)})
    card = cards["window-state"].model_copy(update={"name": "newer"})
    wish = adopt.Wish(InspectModel(bundle="newer", camera="visible"), (), "window-state")
    found = adopt.adopt(named, cards, wish, card)
    assert [one.place for one in found.inspect if one.bundle == "newer"] == ["window-state"]
    assert [one.place for one in found.rules if one.bundle == "newer"] == [None, "window-state"]
    # Two regions become one: what rules say of the second is then a sentence, and no error of the program.
    other = steps[0].model_copy(update={"bundle": "window-state", "camera": "visible", "place": "second"})
    two = named.model_copy(update={"inspect": (*steps, other)})
    with pytest.raises(ConfigError, match="inspects no place called 'window-state'"):
        adopt.adopt(two, cards, wish, card)
