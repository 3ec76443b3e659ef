"""Heat maps from the worker, in frame coordinates, and the command that draws them."""

import json
import shlex
import signal
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import tifffile

from inspector.bench.frames import demo_frames
from inspector.bundles.bundle import Bundle, Card
from inspector.cli.explain import explained, inside_share
from inspector.core.errors import ConfigError, EngineError
from inspector.core.sentence import Sentence
from inspector.core.types import Boxes, Frame, Masks, Prediction, Region, Scores
from inspector.engines.explainer import Explainer, HeatMap
from inspector.imaging.preprocessing import InputSpec
from inspector.recipes.locate import find_bundle
from inspector.runs.trust import PAGE, Advice, Trust
from tests.children import workers

Bundles = Callable[[str], Bundle]


def small_card(task: Any) -> Card:
    return Card(
        name="b",
        task=task,
        network="none",
        classes=("scratch", "stain", "dent"),
        input=InputSpec(width=20, height=10),
        mean=(0.0,) * 3,
        std=(1.0,) * 3,
        created=datetime(2026, 1, 1, tzinfo=UTC),
        software="test",
    )


def frame(width: int = 96, height: int = 64) -> Frame:
    pixels = np.random.default_rng(0).integers(0, 80, (height, width, 3), np.uint8)
    pixels[20:40, 50:80] = 230
    return Frame(pixels, "camera", 0, 0.0, datetime.now(UTC))


def test_one_worker_answers_all_questions(bundles: Bundles) -> None:
    made = Explainer(bundles("detection"))
    try:
        layers = made.layers()
        assert layers[0] == "neck"
        (worker,) = workers()
        whole = made.explain(frame())
        assert whole.values.shape == (32, 48)
        assert whole.values.dtype == np.float32
        assert 0 <= whole.values.min() <= whole.values.max() <= 1
        assert (whole.region, whole.layer) == (Region(0, 0, 96, 64), "neck")
        assert whole.class_name in bundles("detection").card.classes
        part = made.explain(frame(), region=Region(40, 10, 50, 40), layer=layers[1], class_index=2)
        assert (part.region, part.layer, part.class_name) == (Region(40, 10, 50, 40), layers[1], "dent")
        assert not np.array_equal(part.values, whole.values)
        boxed = made.explain(frame(), box=(50.0, 20.0, 80.0, 40.0))
        assert 0 < boxed.target < 1
        with pytest.raises(ConfigError, match="no layer called 'attic'"):
            made.explain(frame(), layer="attic")
        with pytest.raises(ConfigError, match="does not fit"):
            made.explain(frame(), region=Region(90, 0, 20, 20))
        np.testing.assert_array_equal(made.explain(frame()).values, whole.values)  # a refusal does no harm
        assert workers() == [worker]
        worker.kill()
        with pytest.raises(EngineError, match="ended unexpectedly"):
            made.explain(frame())
        assert made.layers() == layers  # a new one was started
    finally:
        made.close()
        made.close()


def test_the_command_writes_a_picture_and_says_what_it_shows(
    bundles: Bundles, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from inspector.cli.main import run

    image, out = tmp_path / "part.png", tmp_path / "heat.png"
    cv2.imwrite(str(image), frame().pixels)
    arguments = ["explain", str(image), "--model", str(bundles("segmentation").folder), "--out", str(out)]
    assert run([*arguments, "--target", "class:stain", "--region", "10,8,64,48", "--part", "10,8,64,48", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["task"], told["class"], told["out"]) == ("segmentation", "stain", str(out))
    assert told["at_part"] is None if told["empty"] else told["at_part"] == pytest.approx(1.0)
    shown = cv2.imread(str(out))
    assert shown.shape == (64, 96, 3)
    outside = np.ones((64, 96), bool)
    outside[8:56, 10:74] = False
    np.testing.assert_array_equal(shown[outside], frame().pixels[outside])  # as it was, around the region


def test_the_command_says_how_far_the_map_can_be_relied_on(
    bundles: Bundles, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Insertion, deletion and ROAD, also of one box; temperatures have none, because nothing of a kelvin is nothing of heat."""
    from inspector.cli.main import run

    image, out = tmp_path / "part.png", tmp_path / "heat.png"
    pictures, good = demo_frames("detection", 12, seed=0)
    cv2.imwrite(str(image), cv2.cvtColor(pictures[good.index(False)], cv2.COLOR_RGB2BGR))
    trust = ("insertion", "deletion", "road")
    for asked in (["--target", "box:1"], ["--target", "box:1", "--method", "occlusion"]):
        arguments = ["explain", str(image), "--model", str(find_bundle("plate-defects")), "--out", str(out), *asked]
        assert run([*arguments, "--json"]) == 0
        told = json.loads(capsys.readouterr().out)
        assert told["deletion"] < told["insertion"]  # a trained network's map marks what its score depends on
        assert told["road"] > 0
        assert run(arguments) == 0
        numbers = f"Insertion {told['insertion']:.2f}, deletion {told['deletion']:.2f}, ROAD {told['road']:+.2f}"
        assert f"{numbers}: the score depends on what the heat marks." in capsys.readouterr().out
    warm = tmp_path / "warm.tif"
    tifffile.imwrite(warm, np.linspace(290, 320, 64 * 96, dtype=np.float32).reshape(64, 96))
    assert run(["explain", str(warm), "--model", str(bundles("thermal").folder), "--out", str(out), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert [told[name] for name in trust] == [None] * 3


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--target", "class:rust"], "no class called 'rust'"),
        (["--target", "shape:round"], "is not class:NAME, box:N, mask or output:0, 1 or 2"),
        (["--target", "box:0"], "is not class:NAME, box:N, mask or output:0, 1 or 2"),
        (["--target", "output:3"], "is not class:NAME, box:N, mask or output:0, 1 or 2"),
        (["--target", "output:1"], "Only the outputs 0, 1 and 2 of a thermal bundle"),
        (["--target", "mask"], "Only a segmentation bundle has a mask"),
        (["--region", "1,2,3"], "x,y,width,height"),
        (["--region", "0,0,5000,10"], "does not fit"),
        (["--region", "-1,0,10,10"], "is not x,y,width,height"),
        (["--part", "0,0,5000,10"], "does not fit"),
        (["--method", "rise", "--layer", "stride8"], "looks into no layer"),
        (["--method", "occlusion", "--layer", "rise"], "looks into no layer"),
        (["--out", "heat.txt"], "PNG"),
        (["--target", "box:5000"], "There is no box 5000"),
        (["--model", "nowhere"], "There is no bundle"),
        (["--method", "rise", "--layer", "neck"], "--method rise covers pieces of the image and looks into no layer"),
        (["--method", "occlusion", "--layer", "rise"], "--method occlusion covers pieces of the image and looks into no layer"),
        (["--method", "eigencam", "--target", "class:dent"], "leave out --target"),
        (["--most", "60"], "--most: of a report, not of one image"),
        (["--background"], "--background: of a report, not of one image"),
    ],
)
def test_wrong_usage_ends_with_code_2_and_a_sentence(
    arguments: list[str], words: str, bundles: Bundles, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from inspector.cli.main import run

    image, out = tmp_path / "part.png", tmp_path / "heat.png"
    cv2.imwrite(str(image), frame().pixels)
    assert run(["explain", str(image), "--model", str(bundles("detection").folder), "--out", str(out), *arguments]) == 2
    captured = capsys.readouterr()
    assert words in captured.err
    assert captured.out == ""
    assert not out.exists()


def test_a_file_that_is_no_image_ends_with_code_2(bundles: Bundles, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from inspector.cli.main import run

    image = tmp_path / "part.png"
    image.write_bytes(b"not an image")
    assert run(["explain", str(image), "--model", str(bundles("detection").folder), "--out", str(tmp_path / "x.png")]) == 2
    assert "part.png" in capsys.readouterr().err


def test_what_was_explained_is_said_as_it_was_asked() -> None:
    heat = HeatMap(np.zeros((2, 2), np.float32), Region(0, 0, 2, 2), "neck", "dent", 0.5)
    warm = HeatMap(np.zeros((2, 2), np.float32), Region(0, 0, 2, 2), "neck", "", 300.0)
    usual: dict[str, Any] = {"output": None, "boxed": False, "method": None}
    own, thermal = small_card("classification"), small_card("thermal")
    imported = own.model_copy(update={"family": "ONNX"})
    assert explained(heat, own, **usual) == "class dent (score before the softmax 0.50)"
    assert explained(heat, imported, **usual) == "class dent (score 0.50)"
    assert explained(heat, small_card("detection"), **usual) == "boxes of class dent (scores add up to 0.50)"
    assert explained(heat, small_card("detection"), **{**usual, "boxed": True}) == "a box of class dent (score 0.50)"
    assert explained(heat, own, **{**usual, "method": "eigencam"}) == "what stands out, whatever its class"
    assert explained(warm, thermal, **usual) == "highest temperature (300.0 K)"
    assert explained(warm, thermal, **{**usual, "output": "mean"}) == "mean temperature (300.0 K)"


def test_the_share_of_heat_inside_the_prediction_is_counted() -> None:
    values = np.zeros((10, 20), np.float32)
    values[2:4, 3:7] = 1.0  # 8 of heat, where a box of the class is
    values[8, 18:20] = 1.0  # 2 of heat elsewhere
    heat = HeatMap(values, Region(100, 50, 20, 10), "layer", "stain", 1.0)
    card = small_card("detection")
    xyxy = np.array([[103, 52, 107, 54], [118, 58, 120, 60], [100, 50, 120, 60]], np.float32)
    boxes = Boxes(xyxy, np.array([0.9, 0.9, 0.1], np.float32), np.array([1, 0, 1]))  # another class; too unsure
    found = Prediction("b", "detection", "c", card.classes, heat.region, boxes)
    assert inside_share(heat, found, card) == pytest.approx(0.8)
    mask = np.zeros((3, 10, 20), np.uint8)
    mask[1, 2:4, 3:5] = 255
    found = Prediction("b", "segmentation", "c", card.classes, heat.region, Masks(mask))
    assert inside_share(heat, found, small_card("segmentation")) == pytest.approx(0.4)
    cold = HeatMap(np.zeros((10, 20), np.float32), heat.region, "layer", "stain", 1.0)
    assert inside_share(cold, found, small_card("segmentation")) is None
    scores = Prediction("b", "classification", "c", card.classes, heat.region, Scores(np.full(3, 1 / 3, np.float32)))
    assert inside_share(heat, scores, small_card("classification")) is None


def covering(areas: str) -> Advice:
    return Advice(change="cover", why=Sentence(template="Cover it."), settings={"cover": areas})


def test_the_report_command_ranks_and_gives_a_command_that_trains(
    bundles: Bundles, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from inspector.cli.learning.train import train
    from inspector.cli.main import run
    from inspector.cli.support.trust import training_command

    bundle = bundles("classification")
    rng = np.random.default_rng(0)
    for name in bundle.card.classes:
        (tmp_path / "data" / name).mkdir(parents=True)
        for number in range(2):
            cv2.imwrite(str(tmp_path / "data" / name / f"{number}.png"), rng.integers(0, 255, (32, 48, 3), np.uint8))
    arguments = ["explain", str(tmp_path / "data"), "--model", str(bundle.folder), "--report", str(tmp_path / "out")]
    assert run([*arguments, "--part", "8,8,20,20", "--json"]) == 0
    told = Trust.model_validate_json(capsys.readouterr().out)
    assert (told.bundle, told.images) == (bundle.name, 2 * len(bundle.card.classes))
    assert told.inside_part is None or 0 <= told.inside_part <= 1
    assert (told.inside_truth, told.lift) == (None, None)
    assert (tmp_path / "out" / PAGE).is_file()
    assert run([*arguments, "--part", "8,8,20,2000"]) == 2
    for unheeded in (
        ["--target", f"class:{bundle.card.classes[0]}"],
        ["--layer", "x"],
        ["--palette", "iron"],
        ["--opacity", "1"],
    ):
        capsys.readouterr()
        assert run([*arguments, *unheeded]) == 2
        assert f"{unheeded[0]}: of one image, not of a report" in capsys.readouterr().err
    assert run(["explain", str(tmp_path / "data"), "--model", str(bundle.folder), "--out", "x.png"]) == 2
    command = shlex.split(training_command(bundle, tmp_path / "data", covering("0,0,20,20")))
    assert command[:2] == ["inspector", "train"]
    parsed = train.make_context("train", command[2:]).params
    assert (parsed["cover"], parsed["network"]) == ("0,0,20,20", bundle.card.network)
    assert Path(parsed["out"]).name == f"{bundle.folder.name}-cover"
    card = bundle.card.model_copy(update={"training": {**bundle.card.training, "cover": "80,80,20,20"}})
    again = replace(bundle, card=card, folder=tmp_path / "again")
    for new, cover in (("0,0,20,20", "80,80,20,20+0,0,20,20"), ("0,0,90,100", "0,0,90,100")):  # the two would leave too little
        command = shlex.split(training_command(again, tmp_path / "data", covering(new)))
        assert train.make_context("train", command[2:]).params["cover"] == cover
    shipped = Bundle.open(find_bundle("window-state"))  # of an earlier version, whose card says only that images were augmented
    assert "--augment" not in training_command(shipped, tmp_path / "data", covering("0,0,20,20"))


@pytest.mark.skipif(not hasattr(signal, "SIGSTOP"), reason="needs SIGSTOP")
def test_a_suspended_worker_is_ended_soon_and_the_next_request_gets_another(bundles: Bundles) -> None:
    made = Explainer(bundles("classification"))
    try:
        first = made.explain(frame())
        (worker,) = workers()
        worker.suspend()
        began = time.monotonic()
        with pytest.raises(EngineError, match="has not answered for"):
            made.explain(frame())
        assert time.monotonic() - began < 15  # 4 s on a machine that is not crowded
        assert not worker.is_running()
        assert np.array_equal(made.explain(frame()).values, first.values)
    finally:
        made.close()
