"""The trainer, on data that tiny networks learn in seconds."""

import json
import math
import time
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")

import torch
from sklearn.utils.class_weight import compute_class_weight

from inspector.bundles.bundle import GRAPH, WEIGHTS, Bundle, sha256
from inspector.bundles.reference import REFERENCE, read_reference
from inspector.core.errors import ConfigError, JobError
from inspector.core.types import Annotation, TaskName
from inspector.data.annotations import read_dataset
from inspector.data.samples import Sample
from inspector.data.split import SPLIT, read_split
from inspector.engines.base import open_engine
from inspector.ml.channel import Cancelled
from inspector.ml.evaluate import measure, rounded, sample_items
from inspector.ml.train import fit, trainer
from inspector.ml.train.optimisation import learning_rate
from inspector.runs.settings import TrainSettings
from tests.ml.making import FOLDERS, Told, tiny

TASKS: tuple[TaskName, ...] = ("classification", "detection", "segmentation", "thermal")


@pytest.fixture(autouse=True)
def _threads_as_before() -> object:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def run(settings: TrainSettings, report: Told | None = None) -> Bundle:
    return trainer.train(settings, report or Told())  # type: ignore[arg-type] # Told has the methods of Report


@pytest.mark.parametrize("task", TASKS)
def test_training_ends_in_a_bundle_whose_test_metrics_an_engine_repeats(tmp_path: Path, task: TaskName) -> None:
    data, report = FOLDERS[task](tmp_path / "data"), Told()
    run(tiny(task, data, tmp_path / "bundle", name="blobs"), report)
    bundle = Bundle.open(tmp_path / "bundle")
    card = bundle.card
    assert card.files.keys() == {WEIGHTS, GRAPH, SPLIT, REFERENCE}
    dataset = read_dataset(data, task)
    reference = read_reference(bundle)
    assert reference is not None
    assert 0 < reference.calibration <= card.dataset["train"]
    assert len(reference.judged) >= min(8, len(dataset.samples))
    assert (card.name, card.task, card.training["seed"]) == ("blobs", task, 0)
    assert card.dataset["fingerprint"] == dataset.fingerprint()
    assert card.dataset["name"] == "data"
    parts = read_split(bundle.folder)
    assert {part: len(names) for part, names in parts.items()} == {
        part: card.dataset[part] for part in ("train", "val", "test")
    }
    assert sorted(name for names in parts.values() for name in names) == [sample.name for sample in dataset.samples]
    assert str(tmp_path) not in card.model_dump_json()  # a bundle goes to other machines
    unseen = [sample for sample in dataset.samples if sample.name in parts["test"]]
    with open_engine("onnxruntime", bundle, threads=1) as engine:
        measured = measure(engine.infer, card, sample_items(unseen, card, problems=[])).compute()
    assert rounded(measured) == pytest.approx(dict(card.metrics), abs=2e-3)
    losses = [float(str(metric["loss"])) for metric in report.metrics]
    assert losses[-1] < 0.8 * losses[0]
    assert report.artifacts == [bundle.folder]
    assert {"prepare", "train", "test", "export"} == {progress["phase"] for progress in report.progresses}


def test_the_blobs_are_learnt(tmp_path: Path) -> None:
    bundle = run(tiny("classification", FOLDERS["classification"](tmp_path / "data", 40), tmp_path / "bundle", epochs=10))
    assert bundle.card.metrics["accuracy"] == 1.0


def test_a_seed_fixes_the_weights(tmp_path: Path) -> None:
    data = FOLDERS["segmentation"](tmp_path / "data", 12)
    hashes = [
        sha256(run(tiny("segmentation", data, tmp_path / f"bundle{index}", seed=seed, epochs=2)).folder / WEIGHTS)
        for index, seed in enumerate((7, 7, 8))
    ]
    assert hashes[0] == hashes[1]
    assert hashes[0] != hashes[2]


def test_the_best_epoch_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # From the third epoch on the steps are so large that what was learnt is lost.
    monkeypatch.setattr(fit, "learning_rate", lambda settings, epochs, seconds: 1.0 if epochs < 2 else 300.0)
    report = Told()
    data = FOLDERS["classification"](tmp_path / "data", 40)
    bundle = run(tiny("classification", data, tmp_path / "bundle", epochs=4, lr=0.02), report)
    values = [float(str(metric["value"])) for metric in report.metrics]
    best = int(np.argmax(values))
    assert bundle.card.training["best_epoch"] == best + 1
    assert best < 2
    assert bundle.card.validation["macro_f1"] == pytest.approx(values[best], rel=1e-5)
    assert [metric["best"] for metric in report.metrics] == [
        value > max(values[:at], default=-1) for at, value in enumerate(values)
    ]


@pytest.mark.allow_logs("nan|NaN|non-finite")
def test_a_diverging_training_fails_with_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fit, "learning_rate", lambda settings, epochs, seconds: 1e30)
    with pytest.raises(JobError, match=r"went astray in epoch \d+: the loss is no longer a number.*smaller learning rate"):
        run(tiny("thermal", FOLDERS["thermal"](tmp_path / "data", 12), tmp_path / "bundle"))
    assert not (tmp_path / "bundle").exists()


def test_cancelling_leaves_nothing(tmp_path: Path) -> None:
    data = FOLDERS["classification"](tmp_path / "data", 12)
    (tmp_path / "out").mkdir()
    with pytest.raises(Cancelled):
        run(tiny("classification", data, tmp_path / "out" / "bundle"), Told(cancel_after=0))
    with pytest.raises(Cancelled):
        run(tiny("classification", data, tmp_path / "out" / "bundle"), Told(cancel_after=2))
    assert list((tmp_path / "out").iterdir()) == []


def test_cancelling_can_keep_the_best_epoch(tmp_path: Path) -> None:
    data = FOLDERS["classification"](tmp_path / "data", 12)
    bundle = run(tiny("classification", data, tmp_path / "bundle", keep_best=True, epochs=50), Told(cancel_after=2))
    assert bundle.card.training["epochs_done"] == 2
    assert Bundle.open(tmp_path / "bundle").card.metrics


class Slow(Told):
    """A report on a slow machine: each step takes at least 0.2 s."""

    def pause_point(self) -> float:
        time.sleep(0.2)
        return super().pause_point()


def test_a_time_limit_ends_a_training_after_some_of_its_epochs(tmp_path: Path) -> None:
    data, report = FOLDERS["classification"](tmp_path / "data", 12), Told()
    bundle = run(tiny("classification", data, tmp_path / "bundle", epochs=10_000, time_limit=1), report)
    assert 1 <= len(report.metrics) < 10_000
    assert bundle.card.training["epochs_done"] == len(report.metrics)
    assert "value" in report.metrics[-1]  # what was learnt last is judged, too


def test_a_time_limit_ends_a_training_within_an_epoch(tmp_path: Path) -> None:
    data, report = FOLDERS["classification"](tmp_path / "data", 48), Slow()
    bundle = run(tiny("classification", data, tmp_path / "bundle", epochs=3, batch=2, time_limit=1), report)
    steps = [progress for progress in report.progresses if progress["phase"] == "train"]
    assert steps[-1]["epoch"] == 1
    assert steps[-1]["step"] < steps[-1]["steps"]
    assert "value" in report.metrics[-1]
    assert bundle.card.training["epochs_done"] == 1


def test_broken_files_are_told_and_the_others_used(tmp_path: Path) -> None:
    data, report = FOLDERS["classification"](tmp_path / "data", 24), Told()
    victims = sorted(data.glob("*/*.png"))[::5]
    for file in victims:
        file.write_bytes(b"")
    bundle = run(tiny("classification", data, tmp_path / "bundle", epochs=1), report)
    assert sorted(report.logs) == [f"{file} is empty." for file in victims]
    assert sum(int(bundle.card.dataset[part]) for part in ("train", "val", "test")) == 24 - len(victims)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"ok_classes": ("shiny",)}, "There is no class 'shiny'"),
        ({"options": {"colour": 3}}, "colour"),
        ({"network": "simple_mlp"}, "simple_mlp"),
        ({"pretrained": "imagenet"}, "pretrained"),
    ],
)
def test_settings_that_cannot_work_are_refused(tmp_path: Path, changes: dict[str, object], sentence: str) -> None:
    data = FOLDERS["classification"](tmp_path / "data", 12)
    with pytest.raises(ConfigError, match=sentence):
        run(tiny("classification", data, tmp_path / "bundle", **changes))
    assert not (tmp_path / "bundle").exists()


def test_no_bundle_names_the_weights_it_started_from(tmp_path: Path) -> None:
    data = FOLDERS["classification"](tmp_path / "data", 8)
    import torchvision

    torch.save(torchvision.models.resnet50().state_dict(), tmp_path / "start.pth")
    settings = tiny(
        "classification",
        data,
        tmp_path / "bundle",
        network="resnet50",
        options={},
        epochs=1,
        pretrained=str(tmp_path / "start.pth"),
    )
    card = run(settings).card
    assert "pretrained" not in card.network_options
    assert str(tmp_path) not in card.model_dump_json()


def test_schedules(tmp_path: Path) -> None:
    settings = tiny("classification", tmp_path, tmp_path, epochs=20, warmup=0)
    parameter = torch.nn.Parameter(torch.zeros(1))
    for name, wanted in (
        ("step", lambda optimizer: torch.optim.lr_scheduler.StepLR(optimizer, 7, 0.1)),
        ("cosine", lambda optimizer: torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 20, eta_min=0.01)),
        ("constant", lambda optimizer: torch.optim.lr_scheduler.ConstantLR(optimizer, 1.0)),
    ):
        optimizer = torch.optim.SGD([parameter], lr=1.0)
        schedule = wanted(optimizer)
        chosen = settings.model_copy(update={"schedule": name})
        for epoch in range(20):
            assert learning_rate(chosen, epoch) == pytest.approx(schedule.get_last_lr()[0], rel=1e-6), (name, epoch)
            optimizer.step()
            schedule.step()


def test_warm_up_and_time_limit_of_the_schedule(tmp_path: Path) -> None:
    settings = tiny("classification", tmp_path, tmp_path, epochs=100, warmup=2, schedule="cosine", time_limit=60)
    rates = [learning_rate(settings, epoch / 10) for epoch in range(20)]
    assert rates == sorted(rates)
    assert 0 < rates[0] < 0.05
    assert learning_rate(settings, 10, 60) == pytest.approx(0.01)
    assert learning_rate(settings, 50, 1) == pytest.approx(0.01 + 0.99 * (1 + math.cos(math.pi / 2)) / 2)


def test_class_weights_are_balanced() -> None:
    labels = [0] * 6 + [1] * 3 + [2] * 2
    samples = [Sample(f"{index}", Path(), f"{index}", "", Annotation(label=label)) for index, label in enumerate(labels)]
    weights = np.array(trainer.class_weights(samples, 3))
    wanted = compute_class_weight("balanced", classes=np.arange(3), y=np.array(labels))
    np.testing.assert_allclose(weights / weights[0], wanted / wanted[0])
    assert trainer.class_weights(samples, 4)[3] == 6.0
    many = [*samples, *(Sample(f"more {index}", Path(), "", "", Annotation(label=0)) for index in range(100))]
    assert trainer.class_weights(many, 3)[2] == 10.0


def test_the_split_is_stored_as_readable_json(tmp_path: Path) -> None:
    bundle = run(tiny("classification", FOLDERS["classification"](tmp_path / "data", 12), tmp_path / "bundle", epochs=1))
    assert set(json.loads((bundle.folder / SPLIT).read_text("utf-8"))) == {"train", "val", "test"}
