"""From corrected parts to a better bundle in the recipe, and one step back: each step leaves who, when and what by its hash."""

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from click.testing import CliRunner

from inspector.archive import approval
from inspector.archive.archive import opened_archive
from inspector.archive.exports.dataset import is_test_part
from inspector.archive.recording.sinks import archive_sinks
from inspector.archive.store.query import events
from inspector.bundles.bundle import Bundle
from inspector.cli.main import cli
from inspector.core.errors import ConfigError, StorageError
from inspector.core.storage.paths import user_data
from inspector.data.annotations import read_dataset
from inspector.data.split import SPLIT
from inspector.recipes import adopt
from inspector.recipes.locate import find_bundle
from inspector.recipes.recipe import ArchiveModel, load_recipe
from inspector.station.part_inspector import PartInspector
from tests.archive.test_line import _parts, _run
from tests.station.fakes import Behaviour, frame, recipe_of, write_classifier

TOTAL = 24  # parts; 5 and 17 are NG; P0, P5, P12, P20, P21 and P23 are kept for testing


def _do(folder: Path, *arguments: str | Path, code: int = 0) -> Any:
    result = CliRunner().invoke(cli, ["archive", "--folder", str(folder), *map(str, arguments)], standalone_mode=False)
    if result.exception is not None:
        raise result.exception
    assert (result.return_value or 0) == code, result.output
    return json.loads(result.stdout) if "--json" in arguments else result.output


@pytest.fixture
def archive(behaviour: Behaviour, bundle: str, tmp_path: Path) -> Path:
    _run(bundle, archive_sinks(folder=tmp_path / "archive"), _parts({5, 17}, TOTAL), archive=ArchiveModel(ok_every=1))
    return tmp_path / "archive"


@pytest.fixture
def recipe(bundle: str, tmp_path: Path) -> Path:
    path = tmp_path / "line.toml"
    made = recipe_of(bundle, rules=[{"bundle": bundle, "quantity": "class", "limit": 0.6}])
    adopt.write_changed(adopt.RecipeFile(path, made), made, path)
    return path


def test_a_bundle_is_compared_approved_and_taken_back_with_every_step_in_the_audit_trail(
    archive: Path, recipe: Path, bundle: str, tmp_path: Path
) -> None:
    old = Bundle.open(find_bundle(bundle))
    new = Bundle.open(write_classifier(tmp_path / "runs" / "better", ok_classes=("good", "bad")))  # nothing is wrong for it
    _do(archive, "correct", "P5", "P12", "--who", "Ann", "--verdict", "OK")
    _do(archive, "correct", "P17", "--who", "Ann", "--verdict", "NG")
    choice = ("--model", new.folder, "--to-recipe", recipe, "--who", "Bob")
    with pytest.raises(ConfigError, match="No comparison of"):
        _do(archive, "approve", *choice)
    found = _do(archive, "compare", *choice, "--out", tmp_path / "new.html", "--json")
    tested, whole = found["tested"], found["whole"]
    assert (tested["inspections"], tested["flips"]) == (6, 1)
    assert [share["count"] for share in tested["false_rejects"]] == [1, 0]
    assert (tested["false_rejects"][0]["of"], tested["misses"][0]["of"]) == (2, 0)
    assert (whole["inspections"], whole["flips"], [share["count"] for share in whole["misses"]]) == (TOTAL, 2, [0, 1])
    page = (tmp_path / "new.html").read_text("utf-8")
    assert page.count("data:image/jpeg") == 2
    assert all(text in page for text in ("P5", "P17", old.fingerprint, new.fingerprint))
    before = recipe.read_bytes()
    approved = _do(archive, "approve", *choice, "--json")
    kept = Bundle.open(find_bundle(load_recipe(recipe).inspect[0].bundle, tmp_path))
    assert (kept.fingerprint, kept.folder.parent) == (new.fingerprint, user_data() / "bundles")
    assert (approved["revision_before"], approved["revision"]) == (1, 2)
    with PartInspector(load_recipe(recipe), base=tmp_path) as inspector:
        part = inspector.inspect({"top": frame(200)}, name="Q1")
    assert part.judged_by.recipe_digest == approved["recipe_hash"]  # by which its record names the recipe
    back = _do(archive, "step-back", "--to-recipe", recipe, "--who", "Cid", "--reason", "misses", "--json")
    assert load_recipe(recipe).inspect == load_recipe_text(before, tmp_path).inspect
    assert (back["revision"], back["bundles_before"], back["bundles"]) == (
        3,
        {"better": new.fingerprint},
        {bundle: old.fingerprint},
    )
    with opened_archive(archive) as opened:
        said = {one["what"]: (one["who"], json.loads(one["detail"])) for one in events(opened.database)}
    report = hashlib.sha256((tmp_path / "new.html").read_bytes()).hexdigest()
    assert (said["comparison"][0], said["comparison"][1]["report"]) == ("Bob", report)
    who, given = said["approval"]
    assert (who, given["comparison"], given["bundle"]) == ("Bob", report, new.fingerprint)
    assert given["file_hash_before"] == hashlib.sha256(before).hexdigest()
    assert (said["step_back"][0], said["step_back"][1]["reason"]) == ("Cid", "misses")
    assert said["step_back"][1]["file_hash_before"] == given["file_hash"]
    assert "sound" in _do(archive, "verify", "--images")
    with pytest.raises(ConfigError, match="0 bundles"):
        _do(archive, "compare", *choice, "--instead-of", "nobody", "--out", tmp_path / "none.html")


@pytest.mark.parametrize("keeping", [(), ("--keep-test",)])
def test_a_report_says_so_if_the_bundle_may_have_learnt_from_the_parts_that_it_is_tested_on(
    archive: Path, recipe: Path, tmp_path: Path, keeping: tuple[str, ...]
) -> None:
    _do(archive, "correct", *(f"P{number}" for number in range(TOTAL)), "--who", "Ann", "--verdict", "OK")
    made = _do(archive, "dataset", "--out", tmp_path / "data", "--json", *keeping)
    new = write_classifier(
        tmp_path / "runs" / "better", ok_classes=("good", "bad"), dataset={"fingerprint": made["fingerprint"]}
    )
    choice = ("--model", new, "--to-recipe", recipe, "--who", "Bob", "--out", tmp_path / "new.html")
    found = _do(archive, "compare", *choice, "--json")
    page = (tmp_path / "new.html").read_text("utf-8")
    assert found["kept_apart"] is bool(keeping)
    assert ("it may have learnt from all of these" in page) is not bool(keeping)
    assert ("no training has learnt from them" in page) is bool(keeping)
    assert ("may have learnt" in _do(archive, "compare", *choice)) is not bool(keeping)


def test_a_bundle_that_took_the_place_of_the_compared_one_is_not_approved(archive: Path, recipe: Path, tmp_path: Path) -> None:
    new, before = write_classifier(tmp_path / "runs" / "better", ok_classes=("good", "bad")), recipe.read_bytes()
    with opened_archive(archive) as opened:
        candidate = approval.proposed(recipe, new)
        shutil.rmtree(new)
        write_classifier(new, thresholds={"score": 0.1})
        with pytest.raises(ConfigError, match="Another bundle is in"):
            approval.approve(opened, candidate, who="Bob")
        assert not any(one["what"] == "approval" for one in events(opened.database))
    assert recipe.read_bytes() == before


@pytest.mark.parametrize("away", ["feeder", "journal"])
def test_the_recipe_and_the_audit_trail_say_the_same_whatever_of_the_archive_is_away(
    archive: Path, recipe: Path, tmp_path: Path, away: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    new, before = write_classifier(tmp_path / "runs" / "better", ok_classes=("good", "bad")), recipe.read_bytes()

    def fails(*_: object, **_given: object) -> None:
        raise StorageError("It is away.")

    with opened_archive(archive) as opened, monkeypatch.context() as patched:
        candidate = approval.proposed(recipe, new)
        if away == "feeder":
            patched.setattr(opened.feeder, "feed", fails)
            assert approval.approve(opened, candidate, who="Bob")["revision"] == 2
        else:
            patched.setattr("inspector.archive.archive.open_journal", fails)
            with pytest.raises(StorageError, match="away"):
                approval.approve(opened, candidate, who="Bob")
    with opened_archive(archive) as opened:
        recorded = [one["what"] for one in events(opened.database)].count("approval")
    assert (recorded, load_recipe(recipe).revision) == ((1, 2) if away == "feeder" else (0, 1))
    assert (recipe.read_bytes() == before) is (away == "journal")


def load_recipe_text(content: bytes, folder: Path) -> Any:
    path = folder / "before.toml"
    path.write_bytes(content)
    return load_recipe(path)


def test_no_training_learns_from_the_parts_that_are_kept_for_testing(archive: Path, bundle: str, tmp_path: Path) -> None:
    """Whether the data set holds corrected parts alone, or those of the bundle before as well."""
    names = [f"P{number}" for number in range(TOTAL)]
    _do(archive, "correct", *names[:12], "--who", "Ann", "--verdict", "OK")
    _do(archive, "correct", *names[12:], "--who", "Ann", "--verdict", "NG", "--class", "scratch")
    out = tmp_path / "corrected"
    made = _do(archive, "dataset", "--out", out, "--keep-test", "--who", "Ann", "--json")
    assert (made["counts"], made["test"], made["images"]) == ({"good": 12, "scratch": 12}, 6, TOTAL)
    data = read_dataset(out, "classification")
    assert data.fingerprint() == made["fingerprint"]
    assert sum(sample.part == "test" for sample in data.samples) == 6
    assert sum(is_test_part(name) for name in names) == 6
    given = tmp_path / "given"
    for name in ("good", "bad"):
        (given / name).mkdir(parents=True)
        for number in range(3):
            cv2.imwrite(str(given / name / f"{number}.png"), np.full((16, 16, 3), number, np.uint8))
    split = {"train": ["good/0.png", "bad/0.png"], "val": ["good/1.png", "bad/1.png"], "test": ["good/2.png", "bad/2.png"]}
    (find_bundle(bundle) / SPLIT).write_text(json.dumps(split))
    both = tmp_path / "both"
    made = _do(archive, "dataset", "--out", both, "--with", given, "--trained", bundle, "--json")
    assert (made["images"], made["test"]) == (TOTAL + 6, 8)
    data = read_dataset(both, "classification")
    assert data.classes == ("bad", "good", "scratch")
    parts = {path.name: path.parent.parent.name for path in (both).rglob("*.png") if path.parent.name == "bad"}
    assert sorted(parts.values()) == ["test", "train", "val"]
    with opened_archive(archive) as opened:
        assert [one["who"] for one in events(opened.database) if one["what"] == "dataset"] == ["", "Ann"]
