"""The comparison with the naive pipeline: honest, complete, and over its bars at full size."""

import json

import numpy as np
import pytest
from click.testing import CliRunner

from inspector.bench.frames import frames
from inspector.bench.pipeline import bench_pipeline
from inspector.cli.main import cli
from inspector.recipes.recipe import Gate
from inspector.station.quality import check_quality
from tests.station.fakes import frame

pytest.importorskip("torch")


def test_both_pipelines_get_the_same_frames_and_the_gate_lets_them_pass() -> None:
    one, two = frames(3), frames(3)
    assert all(np.array_equal(a, b) for a, b in zip(one, two, strict=True))
    assert not np.array_equal(one[0], one[1])
    assert one[0].shape == (480, 640, 3)
    template = frame()
    for pixels in one:
        made = type(template)(pixels, "camera", 0, template.monotonic, template.utc)
        assert check_quality(made, Gate()) is None


def test_the_naive_pipeline_gives_the_same_classes_as_the_bundle(tmp_path_factory: pytest.TempPathFactory) -> None:
    from inspector.bench.naive import NaivePipeline, write_untrained
    from inspector.core.images import prepare
    from inspector.engines.base import open_engine

    bundle = write_untrained(tmp_path_factory.mktemp("bench") / "simple_cnn", "simple_cnn", size=64, classes=3)
    pictures = frames(6)
    pipeline = NaivePipeline(bundle, batch_size=4)
    try:
        for number, pixels in enumerate(pictures):
            # It takes BGR, as OpenCV reads files; at 64 px of a smooth picture both ways of shrinking agree roughly.
            pipeline.process(number, np.ascontiguousarray(pixels[..., ::-1]))
        results = [pipeline.result() for _ in pictures]
    finally:
        pipeline.stop()
    assert [result["number"] for result in results] == list(range(6))
    with open_engine("onnxruntime", bundle) as engine:
        expected = engine.infer(np.stack([prepare(pixels, bundle.card.input) for pixels in pictures]))
    found = np.stack([np.asarray(result["scores"]) for result in results])
    np.testing.assert_allclose(found, expected, atol=0.05)


def test_the_command_prints_the_five_figures() -> None:
    arguments = ["bench", "pipeline", "--size", "64", "--rounds", "2", "--frames", "16", "--batch", "4", "--json"]
    result = CliRunner().invoke(cli, arguments)
    assert result.exit_code == 0, result.stderr
    figures = json.loads(result.stdout)
    assert figures.keys() == {"baseline_fps", "ours_fps", "ratio", "engine_only_fps", "overhead"}
    assert min(figures["baseline_fps"], figures["ours_fps"], figures["engine_only_fps"], figures["ratio"]) > 0
    assert figures["overhead"] < 1


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_at_full_size_the_station_is_twice_as_fast_and_close_to_its_engine() -> None:
    results = []
    for _attempt in range(3):  # another program on the machine may spoil one
        results.append(bench_pipeline("simple_cnn"))
        if results[-1].ratio >= 2.0 and results[-1].overhead <= 0.15:
            return
    pytest.fail(f"below the bars three times: {results}")
