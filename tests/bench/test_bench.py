"""The comparison with the naive pipeline: honest, complete, and over its bars at full size."""

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from inspector.core.types import Boxes, Masks

pytest.importorskip("torch")

from inspector.bench.frames import demo_frames, frames
from inspector.bench.line.naive import NaivePipeline, run
from inspector.bench.line.pipeline import bench_pipeline
from inspector.bench.making import write_untrained
from inspector.bundles.bundle import Bundle
from inspector.cli.main import cli
from inspector.core.types import Frame
from inspector.engines.base import open_engine
from inspector.imaging.preprocessing import prepare
from inspector.inspection.quality import check_quality
from inspector.recipes.automatic import CAMERA, recipe_for
from inspector.recipes.recipe import Gate
from inspector.station.part_inspector import PartInspector
from tests.station.fakes import frame


@pytest.fixture(scope="module")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Bundle]:
    folder = tmp_path_factory.mktemp("bench")
    return {network: write_untrained(folder / network, network, size=64) for network in ("simple_cnn", "simple_yolo", "unet")}


def _framed(pixels: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]) -> Frame:
    template = frame()
    return type(template)(pixels, CAMERA, 0, template.monotonic, template.utc)


def test_both_pipelines_get_the_same_frames_and_the_gate_lets_them_pass() -> None:
    one, two = frames(3), frames(3)
    assert all(np.array_equal(a, b) for a, b in zip(one, two, strict=True))
    assert not np.array_equal(one[0], one[1])
    assert one[0].shape == (480, 640, 3)
    assert all(check_quality(_framed(pixels), Gate()) is None for pixels in one)


@pytest.mark.parametrize("task", ["classification", "detection", "segmentation"])
def test_the_demo_frames_hold_good_parts_and_others_and_are_the_same_again(task: str) -> None:
    pictures, good = demo_frames(task, 12, seed=3)  # type: ignore[arg-type]  # one of the three
    again, _ = demo_frames(task, 2, seed=3)  # type: ignore[arg-type]
    assert {True, False} == set(good)
    assert all(picture.shape == (480, 640, 3) for picture in pictures)
    assert np.array_equal(pictures[1], again[1])


def test_the_naive_pipeline_gives_the_same_classes_as_the_bundle(bundles: dict[str, Bundle]) -> None:
    bundle, pictures = bundles["simple_cnn"], frames(6)
    pipeline = NaivePipeline(bundle, batch_size=4)
    try:
        # It takes BGR, as OpenCV reads files; at 64 px of a smooth picture both ways of shrinking agree roughly.
        _, results = run(pipeline, [np.ascontiguousarray(pixels[..., ::-1]) for pixels in pictures], len(pictures))
    finally:
        pipeline.stop()
    assert [result["number"] for result in results] == list(range(6))
    assert all(0 < float(str(result["latency"])) < 60 for result in results)
    with open_engine("onnxruntime", bundle) as engine:
        expected = engine.infer(np.stack([prepare(pixels, bundle.card.input) for pixels in pictures]))
    found = np.stack([np.asarray(result["scores"]) for result in results])
    np.testing.assert_allclose(found, expected, atol=0.05)


@pytest.mark.parametrize("network", ["simple_yolo", "unet"])
@pytest.mark.parametrize("limit", [0.0001, 0.9999], ids=["finds something", "finds nothing"])
def test_the_naive_pipeline_judges_boxes_and_masks_by_the_same_threshold(
    bundles: dict[str, Bundle], network: str, limit: float
) -> None:
    bundle = bundles[network]
    key = "score" if network == "simple_yolo" else "mask"
    card = bundle.card.model_copy(update={"thresholds": {**bundle.card.thresholds, "floor": limit / 2, key: limit}})
    pixels = frames(1)[0]
    pipeline = NaivePipeline(Bundle(bundle.folder, card), batch_size=2)
    try:
        _, (result,) = run(pipeline, [np.ascontiguousarray(pixels[..., ::-1])], 1)
    finally:
        pipeline.stop()
    assert result["ok"] is (limit > 0.5)
    recipe = recipe_for([bundle.folder], "bench", engine="onnxruntime")
    step = recipe.inspect[0].model_copy(update={"threshold": limit})
    with PartInspector(recipe.model_copy(update={"inspect": (step,)})) as inspector:
        (prediction,) = inspector.inspect({CAMERA: _framed(pixels)}).predictions
    answer = prediction.answer
    if isinstance(answer, Masks):
        assert (int(answer.planes.max()) >= max(1, round(255 * limit))) is not result["ok"]
    elif isinstance(answer, Boxes) and limit > 0.5:
        assert len(answer.at_least(limit)) == 0
        assert result["boxes"] == []


def test_the_naive_pipeline_keeps_a_pace_and_counts_latency_from_when_a_frame_was_due(bundles: dict[str, Bundle]) -> None:
    pipeline = NaivePipeline(bundles["simple_cnn"], batch_size=2)
    try:
        fps, results = run(pipeline, frames(2), 6, rate=20.0)
    finally:
        pipeline.stop()
    assert fps <= 6 / (5 / 20.0)
    assert len(results) == 6


def test_the_command_compares_both_and_prints_every_figure() -> None:
    arguments = ["bench", "pipeline", "--size", "64", "--rounds", "2", "--frames", "16", "--batch", "4", "--parts", "12"]
    result = CliRunner().invoke(cli, [*arguments, "--json"])
    assert result.exit_code == 0, result.stderr
    figures = json.loads(result.stdout)
    verdicts = figures.pop("verdicts")
    assert figures.pop("network") == "simple_cnn"
    assert figures.pop("precision") == "fp32"
    measured = {"baseline_fps", "ours_fps", "ratio", "engine_only_fps", "share", "side_by_side_fps", "side_by_side_share"}
    assert figures.keys() == {*measured, "overhead", "reading"}
    assert min(figures[name] for name in measured) > 0
    assert figures["share"] == pytest.approx(1 - figures["overhead"], abs=0.01)
    assert 0 <= figures["reading"] < 1
    assert (verdicts["bundle"], verdicts["parts"], verdicts["drop"]) == ("window-state", 12, 0)
    assert min(verdicts[name] for name in ("equal", "naive", "fp32", "accuracy")) > 0.8


def test_int8_is_compared_with_the_same_weights_in_float(tmp_path: Path) -> None:
    pytest.importorskip("nncf")
    result = bench_pipeline("simple_yolo", precision="int8", size=64, batch=2, rounds=1, count=8, parts=0)
    assert result.precision == "int8"
    assert result.verdicts is None
    assert 0 < result.reading < 1  # cell by cell in Python
    assert result.ratio > 0


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_at_full_size_the_station_is_twice_as_fast_and_close_to_its_engine() -> None:
    results = []
    for _attempt in range(3):  # another program on the machine may spoil one
        results.append(bench_pipeline("simple_cnn", parts=0))
        if results[-1].ratio >= 2.0 and results[-1].overhead <= 0.15:
            return
    pytest.fail(f"below the bars three times: {results}")
