"""`inspector predict`: images, folders, videos; and that a frame gets one verdict whichever way it comes."""

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import tifffile
from click.testing import CliRunner

from inspector.cameras.demo.line import DemoLine
from inspector.cli.main import cli, run
from inspector.recipes.automatic import recipe_for
from inspector.recipes.document import save_recipe
from inspector.recipes.locate import demo_recipe
from inspector.recipes.recipe import CameraModel, InspectModel, Recipe, RegionModel, load_recipe
from inspector.station.part_inspector import PartInspector
from inspector.ui.review.source import Material, open_parts


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pictures")
    line = DemoLine(4)
    for number in range(4):
        frame, _ = line.visible(number)
        cv2.imwrite(str(folder / f"{number}.png"), cv2.cvtColor(frame, cv2.COLOR_RGB2BGR))
    return folder


def _predict(*arguments: str | Path) -> tuple[int, list[dict[str, Any]], str]:
    result = CliRunner().invoke(cli, ["predict", *map(str, arguments), "--json"], standalone_mode=False)
    if result.exception is not None:
        raise result.exception
    return result.return_value, [json.loads(line) for line in result.stdout.splitlines()], result.stderr


def test_images_and_folders_in_the_order_they_are_named(states: Path, pictures: Path) -> None:
    code, lines, _ = _predict(pictures / "2.png", pictures, "--model", states)
    assert code == 0
    assert [Path(line["source"]).name for line in lines[:-1]] == ["2.png", "0.png", "1.png", "2.png", "3.png"]
    assert lines[0]["predictions"] == lines[3]["predictions"]
    assert lines[-1]["summary"]["parts"] == 5


def test_every_page_has_a_verdict_and_what_was_left_out_is_in_the_record(states: Path, pictures: Path, tmp_path: Path) -> None:
    rgb = [cv2.cvtColor(cv2.imread(str(pictures / f"{number}.png")), cv2.COLOR_BGR2RGB) for number in range(3)]
    with tifffile.TiffWriter(tmp_path / "burst.tif") as writer:
        writer.write(rgb[0][::8, ::8], photometric="rgb", subfiletype=1, metadata=None)
        for frame in rgb:
            writer.write(frame, photometric="rgb", metadata=None)
    code, lines, _ = _predict(tmp_path / "burst.tif", pictures / "0.png", pictures / "2.png", "--model", states)
    assert code == 0
    assert [line["part"] for line in lines[:-1]] == ["burst", "burst#2", "burst#3", "0", "2"]
    assert lines[0]["predictions"][0]["scores"] == lines[3]["predictions"][0]["scores"]
    assert lines[2]["predictions"][0]["scores"] == lines[4]["predictions"][0]["scores"]
    assert lines[0]["notes"] == ["Smaller copies of it (thumbnails) are left out: 1."]
    assert lines[3]["notes"] == []
    shown = CliRunner().invoke(cli, ["predict", str(tmp_path / "burst.tif"), "--model", str(states)])
    assert "thumbnails" in shown.stdout


def test_the_depth_is_the_bundles_or_said_by_the_recipe(states: Path, pictures: Path, tmp_path: Path) -> None:
    frame = cv2.imread(str(pictures / "1.png"))
    cv2.imwrite(str(tmp_path / "part.png"), frame.astype(np.uint16) << 4)
    code, lines, _ = _predict(tmp_path / "part.png", "--model", states)
    assert code == 0
    assert lines[0]["verdict"] == "NOT_INSPECTED"
    assert "nothing says how many of the bits are used" in lines[0]["reasons"][0]
    recipe = tmp_path / "recipe.toml"
    camera = CameraModel(source=f"folder:{tmp_path}", options={"bits": 12, "pattern": "*.png"})
    save_recipe(recipe_for([states], camera.source).model_copy(update={"cameras": {"camera": camera}}), recipe)
    _, plain, _ = _predict(pictures / "1.png", "--model", states)
    _, said, _ = _predict(tmp_path / "part.png", "--recipe", recipe)
    ran = CliRunner().invoke(cli, ["run", "--recipe", str(recipe), "--json"])
    for line in (said[0], json.loads(ran.stdout.splitlines()[0])):
        assert line["verdict"] == plain[0]["verdict"]
        assert line["predictions"][0]["class"] == plain[0]["predictions"][0]["class"]


def test_a_video_has_a_verdict_for_each_frame(states: Path, tmp_path: Path) -> None:
    path = tmp_path / "line.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 10, (96, 64))
    for number in range(5):
        writer.write(np.random.default_rng(number).integers(50, 200, (64, 96, 3)).astype(np.uint8))
    writer.release()
    code, lines, _ = _predict(path, "--model", states)
    assert code == 0
    assert [line["sequence"] for line in lines[:-1]] == list(range(5))


def test_an_unreadable_file_is_named_and_the_rest_goes_on(states: Path, pictures: Path, tmp_path: Path) -> None:
    bad = tmp_path / "bad.png"
    bad.write_bytes(b"not an image")
    code, lines, said = _predict(pictures / "0.png", bad, tmp_path / "none.png", pictures / "1.png", "--model", states)
    assert code == 2
    verdicts = [line["verdict"] == "NOT_INSPECTED" for line in lines[:-1]]
    assert verdicts == [False, True, True, False]
    assert "bad.png" in lines[1]["reasons"][0]
    assert "none.png" in said
    assert lines[-1]["summary"]["not_inspected"] == 2


def test_one_frame_one_verdict_from_run_and_predict_on_both_engines(states: Path, pictures: Path) -> None:
    def seen(lines: list[dict[str, Any]]) -> list[tuple[str, str, Any]]:
        return [(Path(line["source"]).name, line["verdict"], line["predictions"][0]["class"]) for line in lines[:-1]]

    _, predicted, _ = _predict(pictures, "--model", states)
    result = CliRunner().invoke(cli, ["run", "--source", f"folder:{pictures}", "--model", str(states), "--json"])
    ran = [json.loads(line) for line in result.stdout.splitlines()]
    _, other, _ = _predict(pictures, "--model", states, "--engine", "onnxruntime")
    assert seen(ran) == seen(predicted) == seen(other)
    for one, two in zip(predicted[:-1], ran[:-1], strict=True):
        assert one["predictions"] == two["predictions"]
        assert one["reasons"] == two["reasons"]


def test_a_recipe_gives_region_and_rules(states: Path, pictures: Path, tmp_path: Path) -> None:
    step = InspectModel(
        bundle=str(states),
        camera="top",
        region=RegionModel(x=528, y=76, width=240, height=240),
        ok_classes=("normal", "mild", "severe"),
    )
    recipe = Recipe(
        name="two",
        cameras={"heat": CameraModel(source="simulated:thermal"), "top": CameraModel(source="simulated:visible")},
        inspect=(InspectModel(bundle=str(states), camera="heat"), step),
    )
    save_recipe(recipe, tmp_path / "two.toml")
    code, lines, _ = _predict(pictures / "0.png", "--recipe", tmp_path / "two.toml", "--camera", "top")
    assert code == 0
    (prediction,) = lines[0]["predictions"]
    assert prediction["region"] == [528, 76, 240, 240]
    assert prediction["camera"] == "top"
    assert lines[0]["verdict"] in ("OK", "REVIEW")


def test_temperatures_for_a_bundle_of_pictures_are_refused_in_words(states: Path, tmp_path: Path) -> None:
    path = tmp_path / "heat.tiff"
    tifffile.imwrite(path, np.full((40, 50), 300, np.float32))
    code, lines, _ = _predict(path, "--model", states)
    assert code == 0
    assert lines[0]["verdict"] == "NOT_INSPECTED"
    assert "needs a picture" in lines[0]["reasons"][0]


def test_pictures_are_saved(states: Path, pictures: Path, tmp_path: Path) -> None:
    code, lines, _ = _predict(pictures, "--model", states, "--out", tmp_path / "out")
    assert code == 0
    (folder,) = (tmp_path / "out").iterdir()
    assert len(list((folder / "overlays").glob("*.png"))) == len(lines) - 1
    assert (folder / "report.html").is_file()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [([], "PATH"), (["x.png", "--model", "none"], "none"), (["x.png", "--engine", "steam"], "steam")],
)
def test_wrong_usage(arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["predict", *arguments]) == 2
    assert said in capsys.readouterr().err


def test_an_automatic_recipe_looks_at_the_whole_frame(states: Path) -> None:
    recipe = recipe_for([states], "folder:x")
    assert recipe.inspect[0].region is None


def test_a_thermal_file_has_the_same_verdict_on_the_review_page(tmp_path: Path) -> None:
    """Both take the camera of the recipe whose bundles look at temperatures."""
    path = tmp_path / "hot.tiff"
    tifffile.imwrite(path, np.full((240, 320), 310, np.float32))
    code, lines, _ = _predict(path, "--recipe", demo_recipe())
    assert code == 0
    parts, recipe = open_parts(Material(path, load_recipe(demo_recipe()), demo_recipe().parent))
    try:
        with PartInspector(recipe, demo_recipe().parent) as inspector:
            reviewed = inspector.inspect(parts.frames(0))
    finally:
        parts.close()
    assert list(recipe.cameras) == ["thermal"]
    assert lines[0]["verdict"] == reviewed.verdict.value == "OK"
    assert [one["quantity"] for one in lines[0]["judgements"]] == ["temperature_max"]
