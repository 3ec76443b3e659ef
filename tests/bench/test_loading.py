"""The loader beside the training step, and the table of costs: complete, consistent, over the bar."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

pytest.importorskip("torch")

from inspector.bench.loading import CASES, bench_loading, demo_folders
from inspector.bench.steps import bench_network, card_of, seconds, some_batch, stepper
from inspector.cli.main import cli
from inspector.core.registry import NETWORKS, TASKS
from tests.ml.making import FOLDERS


def test_every_task_has_a_case_and_every_network_can_learn_it() -> None:
    assert {task for task, _ in CASES} == set(TASKS)
    assert all(task in NETWORKS[network].tasks for task, network in CASES)


@pytest.mark.parametrize(("task", "network"), [("classification", "efficientnet_lite0"), ("thermal", "thermal_cnn")])
def test_training_does_not_wait_for_its_images(tmp_path: Path, task: str, network: str) -> None:
    measured = bench_loading(task, network, FOLDERS[task](tmp_path / "data", 24), rounds=1, size=(96, 96))
    assert (measured.images, measured.width, measured.height, measured.batch) == (24, 96, 96, 16)
    assert measured.files_ratio == pytest.approx(measured.files_ips / measured.step_ips)
    assert measured.memory_ratio == pytest.approx(measured.memory_ips / measured.step_ips)
    assert min(measured.files_ratio, measured.memory_ratio) >= 2


def test_the_demo_lines_pictures_serve_every_task() -> None:
    told: list[tuple[int, int]] = []
    with demo_folders(3, lambda done, total: told.append((done, total))) as folder:
        places = {folder(task) for task, _ in CASES}
        assert len(places) == len(TASKS)
        assert all(place.is_dir() for place in places)
    assert told[-1] == (3, 3)
    assert not any(place.exists() for place in places)


@pytest.mark.parametrize("network", ["thermal_cnn", "fpn_lite0", "unet_effnet"])
def test_a_step_of_every_task_changes_the_weights(network: str) -> None:
    from inspector.ml import graph

    built = []
    build = graph.build_network
    card = card_of(NETWORKS[network].tasks[0], network, 64, 64)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            "inspector.bench.steps.build_network", lambda *given, **named: built.append(build(*given, **named)) or built[0]
        )
        step = stepper(card, some_batch(card, 2))
    before = {name: tensor.clone() for name, tensor in built[0].named_parameters()}
    step()
    assert any((tensor != before[name]).any() for name, tensor in built[0].named_parameters())


def test_a_row_of_the_table_of_costs() -> None:
    small, large = (bench_network("thermal_cnn", side=side, batch=2, engine="onnxruntime", least=0.1) for side in (64, 256))
    assert (small.network, small.side, small.batch) == ("thermal_cnn", 64, 2)
    assert 0 < small.step_ms < large.step_ms
    assert 0 < small.infer_ms < large.infer_ms
    assert small.speed > 0


def test_time_is_the_median_of_the_work() -> None:
    calls: list[int] = []
    assert 0 <= seconds(lambda: calls.append(1), least=0.0) < 0.1
    assert len(calls) >= 4


def test_the_command_prints_both_ratios(tmp_path: Path) -> None:
    data = FOLDERS["segmentation"](tmp_path / "data", 12)
    arguments = ["bench", "loading", "--data", str(data), "--task", "segmentation", "--network", "unet_effnet", "--size", "64"]
    result = CliRunner().invoke(cli, [*arguments, "--rounds", "1", "--json"])
    assert result.exit_code == 0, result.stderr
    (row,) = json.loads(result.stdout)["loading"]
    assert row["images"] == 12
    assert min(row["files_ratio"], row["memory_ratio"]) > 0
    plain = CliRunner().invoke(cli, [*arguments, "--rounds", "1"])
    assert "times as many from files" in plain.stdout


@pytest.mark.parametrize(
    "arguments", [["--data", "nowhere"], ["--task", "thermal", "--network", "unet"]], ids=["no task", "another task's network"]
)
def test_what_does_not_fit_together_is_wrong_usage(arguments: list[str]) -> None:
    assert CliRunner().invoke(cli, ["bench", "loading", *arguments]).exit_code == 2


def test_the_costs_command_prints_a_row_a_network() -> None:
    result = CliRunner().invoke(cli, ["bench", "costs", "--network", "thermal_cnn", "--size", "32", "--batch", "2", "--json"])
    assert result.exit_code == 0, result.stderr
    (row,) = json.loads(result.stdout)["costs"]
    assert row.keys() == {"network", "side", "batch", "still", "step_ms", "infer_ms", "speed"}
