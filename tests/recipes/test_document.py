"""A recipe that a person wrote keeps its comments and layout, and only what has changed is written."""

import tomllib
from collections.abc import Mapping
from difflib import unified_diff
from pathlib import Path
from typing import Any

import pytest

from inspector.recipes.adopt import Wish, apply, open_recipe_file, undo
from inspector.recipes.automatic import cards_of
from inspector.recipes.document import recipe_text
from inspector.recipes.recipe import InspectModel, Recipe, Rule, load_recipe

TEXT = """\
# Line 3, cover plates
name = "plates"   # as on the order

[cameras.top]  # above the belt
source = "usb:0"
[[inspect]]
bundle = "window-state"
camera = "top"
# Limits agreed with QA on 2026-03-02, ticket 4711
[[rules]]
bundle = "window-state"
quantity = "class"
limit = 0.5     # was 0.7
"""

INLINE = """\
name = "plates"
cameras = {top = {source = "usb:0", mm_per_px = 0.1}}  # one
inspect = [
    {bundle = "a", camera = "top"},  # the first
    {bundle = "b", camera = "top", region = {x = 1, y = 2, width = 30, height = 40}},
]
rules = []
# the end
"""

SUBTABLES = """\
name = "plates"

[[inspect]]
bundle = "a"
camera = "top"

[inspect.region]  # the middle
x = 1
y = 2
width = 30
height = 40

[[inspect]]
bundle = "b"
camera = "top"

# lamps and lens as of March
[cameras.top]
source = "usb:0"

    [cameras.top.gate]
    blur = 100  # measured

# counts nothing
[[rules]]
bundle = "a"
quantity = "count"
limit = 2

# checked every month
[[rules]]
bundle = "b"
quantity = "area_mm2"
limit = 3
class_name = "scratch"
"""
SUBTABLES = SUBTABLES.replace('source = "usb:0"\n\n', 'source = "usb:0"\nmm_per_px = 0.1\n\n')


def parsed(text: str) -> Recipe:
    return Recipe.model_validate(tomllib.loads(text))


def changed(recipe: Recipe, **values: Any) -> Recipe:
    return Recipe.model_validate({**recipe.model_dump(), **values})


def changes(before: str, after: str) -> list[str]:
    """The lines that were removed (-) and added (+)."""
    lines = unified_diff(before.splitlines(), after.splitlines(), lineterm="", n=0)
    return [line for line in lines if line[0] in "+-" and not line.startswith(("+++", "---"))]


@pytest.mark.parametrize("text", [TEXT, INLINE, SUBTABLES, TEXT.replace("\n", "\r\n"), TEXT.rstrip("\n") + "\n\n# end"])
def test_what_has_not_changed_is_as_it_was(text: str) -> None:
    assert recipe_text(parsed(text), like=text).rstrip("\n") == text.rstrip("\n")


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_a_bundle_is_added_and_nothing_else(newline: str) -> None:
    recipe = parsed(TEXT)
    step = {"bundle": "scratches", "camera": "top", "threshold": 0.4}
    rule = {"bundle": "scratches", "quantity": "count", "limit": 0}
    wanted = changed(
        recipe,
        revision=2,
        inspect=[*recipe.model_dump()["inspect"], step],
        rules=[*recipe.model_dump()["rules"], rule],
    )
    like = TEXT.replace("\n", newline)
    after = recipe_text(wanted, like=like)
    assert parsed(after) == wanted
    assert after.count(newline) == after.count("\n")
    assert after.replace(newline, "\n") == TEXT.replace("order\n", "order\nrevision = 2\n").replace(
        "# Limits", '\n[[inspect]]\nbundle = "scratches"\ncamera = "top"\nthreshold = 0.4\n# Limits'
    ) + ('\n[[rules]]\nbundle = "scratches"\nquantity = "count"\nlimit = 0.0\n')


def test_a_changed_number_keeps_the_comment_beside_it() -> None:
    recipe = parsed(SUBTABLES)
    values = recipe.model_dump()
    values["cameras"]["top"]["gate"]["blur"] = 80
    values["inspect"][0]["region"]["x"] = 5
    values["rules"][1]["limit"] = 3.5
    values["rules"][1]["review"] = 3
    wanted = changed(recipe, **values)
    after = recipe_text(wanted, like=SUBTABLES)
    assert parsed(after) == wanted
    assert changes(SUBTABLES, after) == [
        "-x = 1",
        "+x = 5",
        "-    blur = 100  # measured",
        "+    blur = 80.0  # measured",
        "-limit = 3",
        "+limit = 3.5",
        "+review = 3.0",
    ]


def test_what_is_taken_away_goes_with_its_comment_and_the_others_keep_theirs() -> None:
    recipe = parsed(SUBTABLES)
    values = recipe.model_dump(mode="json")
    del values["inspect"][0], values["rules"][0]
    wanted = changed(recipe, **values)
    after = recipe_text(wanted, like=SUBTABLES)
    assert parsed(after) == wanted
    assert "counts nothing" not in after
    for kept in ('# checked every month\n[[rules]]\nbundle = "b"', "# lamps and lens as of March\n[cameras.top]", "# measured"):
        assert kept in after
    bare = {name: value for name, value in values.items() if name != "rules"}
    assert parsed(recipe_text(changed(recipe, **bare, rules=[]), like=SUBTABLES)).rules == ()


def test_a_bundle_that_takes_the_place_of_another_is_written_into_its_table() -> None:
    recipe = parsed(SUBTABLES)
    values = recipe.model_dump()
    for name in ("inspect", "rules"):
        values[name][1]["bundle"] = "c"
    after = recipe_text(changed(recipe, **values), like=SUBTABLES)
    assert changes(SUBTABLES, after) == ['-bundle = "b"', '+bundle = "c"'] * 2


def test_arrays_of_inline_tables_stay_arrays() -> None:
    recipe = parsed(INLINE)
    values = recipe.model_dump(mode="json")
    values["inspect"][1]["region"]["x"] = 7
    values["inspect"].append({"bundle": "c", "camera": "top"})
    values["rules"] = [{"bundle": "c", "quantity": "count", "limit": 1}]
    wanted = changed(recipe, **values)
    after = recipe_text(wanted, like=INLINE)
    assert parsed(after) == wanted
    assert "  # the first\n" in after
    assert "}}  # one\n" in after
    assert "region = {x = 7, y = 2, width = 30, height = 40}" in after
    assert '{bundle = "c", camera = "top"}' in after
    assert after.endswith("# the end\n")
    assert "[[" not in after


def test_dotted_keys_and_other_ways_of_writing_numbers_are_followed() -> None:
    text = TEXT.replace(
        '[cameras.top]  # above the belt\nsource = "usb:0"\n', 'cameras.top.source = "usb:0"  # above\n'
    ).replace("   # as on", "\nrevision = 0x04  # as on")
    recipe = parsed(text)
    wanted = changed(recipe, revision=5)
    after = recipe_text(wanted, like=text)
    assert parsed(after) == wanted
    assert changes(text, after) == ["-revision = 0x04  # as on the order", "+revision = 5  # as on the order"]


@pytest.mark.parametrize(
    "text",
    [
        TEXT.replace('"plates"', '"""\nplates\n[[rules]]\n"""'),
        TEXT.replace("[[inspect]]", "[[inspect]]\nok_classes = [\n  'good',\n  'very good',\n]"),
    ],
    ids=["a header in a text", "an array over lines"],
)
def test_what_looks_like_a_header_and_is_none_does_no_harm(text: str) -> None:
    recipe = parsed(text)
    wanted = changed(recipe, revision=9)
    assert parsed(recipe_text(wanted, like=text)) == wanted


def test_a_new_recipe_names_only_what_is_no_default() -> None:
    recipe = parsed(TEXT)
    text = recipe_text(recipe)
    assert parsed(text) == recipe
    assert tomllib.loads(text) == {
        "name": "plates",
        "cameras": {"top": {"source": "usb:0"}},
        "inspect": [{"bundle": "window-state", "camera": "top"}],
        "rules": [{"bundle": "window-state", "quantity": "class", "limit": 0.5}],
    }


def test_a_bundle_used_in_a_file_leaves_the_rest_of_it_and_can_be_undone(
    demo_bundles: Mapping[str, Path], tmp_path: Path
) -> None:
    path = tmp_path / "plates.toml"
    before = TEXT.replace("window-state", str(demo_bundles["window-state"])).replace("\n", "\r\n").encode()
    path.write_bytes(before)
    file = open_recipe_file(path)
    bundle = demo_bundles["plate-defects"]
    wish = Wish(InspectModel(bundle=str(bundle), camera="top"), (Rule(bundle=str(bundle), quantity="count", limit=0),))
    written = apply(file, bundle, cards_of(file.recipe, tmp_path), wish, path)
    after = path.read_bytes()
    assert load_recipe(path) == written.recipe
    removed = [line for line in changes(before.decode(), after.decode()) if line.startswith("-")]
    assert removed == []
    assert after.count(b"\r\n") == after.count(b"\n")
    assert b"# Limits agreed with QA on 2026-03-02, ticket 4711\r\n[[rules]]" in after
    assert written.backup is not None
    assert written.backup.read_bytes() == before
    undo(written)
    assert path.read_bytes() == before
