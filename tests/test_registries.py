"""Whatever the registry lists can be had and used; a new entry is tested by being listed."""

import importlib.util
import json
import sys
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from threading import Event
from typing import Any

import cv2
import numpy as np
import pytest

from inspector.bundles.bundle import Bundle, Card
from inspector.cameras.base import open_camera
from inspector.core import registry
from inspector.core.errors import CameraError, ConfigError
from inspector.core.registry import CAMERAS, ENGINES, LEARNERS, LOSSES, NETWORKS, RECORDS, TABS, TASKS, WORK, Entry, find
from inspector.core.types import Annotation, Boxes, Frame, Inspection, Region, Verdict
from inspector.imaging.preprocessing import InputSpec, prepare, view, whole
from inspector.recipes.automatic import CAMERA, complete, recipe_for
from inspector.recipes.quantities import fitting
from inspector.recipes.verdict import judge
from inspector.results.overlays import draw
from inspector.results.records import record
from inspector.tasks.base import task_of

TABLES: Mapping[str, Mapping[str, Entry]] = {
    "TASKS": TASKS,
    "LEARNERS": LEARNERS,
    "LOSSES": LOSSES,
    "NETWORKS": NETWORKS,
    "ENGINES": ENGINES,
    "CAMERAS": CAMERAS,
    "RECORDS": RECORDS,
    "TABS": TABS,
    "WORK": WORK,
}
ENTRIES = [pytest.param(table, key, id=f"{table}-{key}") for table, entries in TABLES.items() for key in entries]

# A network not named here has the options it has by itself.
SMALL: Mapping[str, Mapping[str, Any]] = {
    "simple_cnn": {"filters": 4},
    "simple_yolo": {"filters": 4},
    "fpn_lite0": {"filters": 8},
    "unet": {"filters": 4},
    "unet_effnet": {"filters": 4},
    "thermal_cnn": {"filters": 4},
}
SIDE = 64
NOW = datetime(2026, 1, 1, tzinfo=UTC)


def _needs(module: str) -> None:
    if importlib.util.find_spec(module) is None:
        pytest.skip(f"{module} is not installed here")


def test_every_table_of_the_registry_is_tested() -> None:
    tables = {name for name, value in vars(registry).items() if name.isupper() and isinstance(value, Mapping)}
    assert tables == set(TABLES)


@pytest.mark.parametrize(("table", "key"), ENTRIES)
def test_every_entry_loads(table: str, key: str) -> None:
    entry = TABLES[table][key]
    if entry.extra == "train":
        _needs("torch")
    if table == "TABS":
        _needs("PySide6")
    assert callable(entry.load()) or table == "LOSSES"
    assert entry.label


def test_a_missing_package_becomes_a_sentence_that_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "needs_a_package.py").write_text("import package_that_nobody_has\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ConfigError) as caught:
        Entry("needs_a_package:thing", "The thing", extra="train").load()
    assert "package_that_nobody_has" in str(caught.value)
    assert "train" in str(caught.value)


def test_our_own_import_errors_pass_through(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "broken_of_ours.py").write_text("import inspector.no_such_module\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ModuleNotFoundError, match=r"inspector\.no_such_module"):
        Entry("broken_of_ours:thing", "The thing", extra="train").load()
    (tmp_path / "misspelt_of_ours.py").write_text("from inspector.core.types import NoSuchName\n")
    with pytest.raises(ImportError, match="NoSuchName"):
        Entry("misspelt_of_ours:thing", "The thing", extra="train").load()


def test_an_unknown_name_lists_the_names_there_are() -> None:
    with pytest.raises(ConfigError, match=r"no camera called 'webcan'.*simulated"):
        find(CAMERAS, "webcan", "camera")


# One of each task also takes inputs of more than 8 bits.
DEEP = ("simple_cnn", "simple_yolo", "unet", "thermal_cnn")


def _card(network: str, *, deep: bool = False) -> Card:
    task = NETWORKS[network].tasks[0]
    thermal = task == "thermal"
    levels = (280.0, 340.0) if thermal else None
    spec = InputSpec(
        width=SIDE,
        height=SIDE,
        channels=1 if thermal else 3,
        levels=levels,
        kind="float" if thermal else "uint8",
        unit="kelvin" if thermal else "intensity",
    )
    if deep:
        spec = spec.model_copy(update={"kind": "float", "levels": (280.0, 340.0) if thermal else (1000.0, 1063.0)})
    return Card(
        name=network,
        task=task,
        network=network,
        network_options=SMALL.get(network, {}),
        classes=() if thermal else ("scratch", "stain"),
        input=spec,
        mean=(127.5,) * spec.channels,
        std=(127.5,) * spec.channels,
        target_mean=(310.0, 300.0, 290.0) if thermal else (),
        target_std=(10.0, 5.0, 5.0) if thermal else (),
        created=NOW,
        software="test",
        max_batch=4,
    )


def _frames(card: Card, count: int) -> list[Frame]:
    random = np.random.default_rng(0)
    if card.task == "thermal":
        pixels = [random.uniform(285, 330, (SIDE, SIDE)).astype(np.float32) for _ in range(count)]
        return [Frame(one, "thermal", index, 0.0, NOW, "kelvin") for index, one in enumerate(pixels)]
    values = (1000, 1064, np.uint16) if card.input.kind == "float" else (0, 256, np.uint8)
    images = [random.integers(values[0], values[1], (SIDE, SIDE, 3), values[2]) for _ in range(count)]
    return [Frame(one, "visible", index, 0.0, NOW) for index, one in enumerate(images)]


def _truth(card: Card) -> Annotation:
    mask = np.zeros((SIDE, SIDE), np.uint8)
    mask[8:40, 8:40] = 1
    box = Boxes(np.array([[8, 8, 40, 40]], np.float32), np.ones(1, np.float32), np.zeros(1, np.int64))
    return {
        "classification": Annotation(label=1),
        "detection": Annotation(boxes=box),
        "segmentation": Annotation(mask=mask),
        "thermal": Annotation(temperatures=(330.0, 300.0, 285.0)),
    }[card.task]


@pytest.mark.parametrize("name", TASKS)
def test_every_task_goes_from_its_labels_to_a_record(name: str) -> None:
    """What is said of a task has all to be there: its labels, an answer, rules, a record, a picture, words."""
    network = next(key for key, entry in NETWORKS.items() if name in entry.tasks)
    card = _card(network).model_copy(update={"thresholds": {"hot_celsius": 20.0}})
    task, (frame,) = task_of(name), _frames(card, 1)
    labelled = _truth(card)
    target = task.encode(labelled, card, view(whole(frame.pixels), card.input))
    truth = task.truth(target, card.input)
    assert [type(label) for label in truth.labels] == [type(label) for label in labelled.labels]
    shape = [2 if side is None else side for side in task.output_shape(card)]
    (decoded,) = task.decode(np.zeros((1, *shape), np.float32), card, [view(whole(frame.pixels), card.input, CAMERA)], [frame])
    prediction = replace(decoded, answer=task.ideal(truth, card))
    assert isinstance(decoded.answer, task.answer)
    assert isinstance(prediction.answer, task.answer)
    assert task.difference(prediction, prediction, card) == 0
    assert not task.differs(prediction, prediction, card)
    assert name == "thermal" or task.mistake(prediction, truth, card) is None

    recipe = complete(recipe_for([card.name], "folder:."), {card.name: card})
    assert {rule.quantity for rule in recipe.rules} <= set(fitting(task))
    decision = judge(recipe, [prediction], ())
    assert decision.verdict is Verdict.NG, "what is labelled is a defect"
    assert all(np.isfinite(one.value) for one in decision.judgements)
    inspection = Inspection(
        "P", 0, *decision[:2], {CAMERA: frame}, (prediction,), "r", 1, 1.0, utc=NOW, judgements=decision.judgements
    )
    written = json.loads(json.dumps(record(inspection)))
    assert written["predictions"][0]["task"] == name
    assert len(written["judgements"]) == len(recipe.rules) > 0
    assert draw(inspection)[CAMERA].dtype == np.uint8
    metrics = task.metrics(card)
    metrics.update(prediction, truth)
    assert task.headline(metrics.intervals(), 1).text
    assert task.explained.format(name="scratch", target=1.0)
    assert TASKS[name].about


@pytest.mark.parametrize(("network", "deep"), [*((name, False) for name in NETWORKS), *((name, True) for name in DEEP)])
def test_every_network_learns_exports_and_runs_the_same_on_every_engine(network: str, deep: bool, tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    from inspector.ml.export.network import write_trained_bundle
    from inspector.ml.graph import Graph, build_network, load_graph

    torch.manual_seed(0)
    card = _card(network, deep=deep)
    task = task_of(card.task)
    net = build_network(card)
    frames = _frames(card, 2)
    batch = np.stack([prepare(frame.pixels, card.input) for frame in frames])
    graph = Graph(net, card).train()
    views = [view(whole(frame.pixels), card.input) for frame in frames]
    targets = [task.encode(_truth(card), card, one) for one in views]
    collated = {name: torch.from_numpy(np.stack([target[name] for target in targets])) for name in targets[0]}
    loss = task.loss(graph.raw(torch.from_numpy(batch)), collated, card)
    loss.backward()
    assert torch.isfinite(loss)
    gradients = {name: parameter.grad for name, parameter in net.named_parameters() if parameter.requires_grad}
    assert gradients
    assert [name for name, gradient in gradients.items() if gradient is None or not torch.isfinite(gradient).all()] == []

    written = write_trained_bundle(tmp_path / network, card, net)
    bundle = Bundle.open(written.folder)
    with torch.inference_mode():
        expected = load_graph(bundle)(torch.from_numpy(batch)).numpy()
    tolerance = 0.02 if card.task == "thermal" else 1e-3  # kelvin or probability
    for name, entry in ENGINES.items():
        if entry.gated:
            continue  # needs a graphics card
        with entry.load()(bundle, threads=1) as engine:
            found = engine.infer(batch)
            assert found.shape == expected.shape, name
            assert np.abs(found - expected).max() <= tolerance, name
            assert np.abs(engine.infer(batch[:1]) - expected[:1]).max() <= tolerance, name
        predictions = task.decode(found, bundle.card, views, frames)
        assert [(one.task, one.region) for one in predictions] == [(card.task, Region(0, 0, SIDE, SIDE))] * 2


def _source(kind: str, tmp_path: Path) -> str:
    """A source of this kind that works on any machine, or "" where it needs hardware or a server."""
    if kind == "simulated":
        return "simulated:visible"
    if kind == "folder":
        folder = tmp_path / "pictures"
        folder.mkdir()
        for index in range(3):
            cv2.imwrite(str(folder / f"{index}.png"), np.full((48, 64, 3), 40 * index + 40, np.uint8))
        return f"folder:{folder}"
    if kind == "video":
        path = tmp_path / "line.avi"
        writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 10, (64, 48))
        for index in range(3):
            writer.write(np.full((48, 64, 3), 40 * index + 40, np.uint8))
        writer.release()
        return f"video:{path}"
    return ""


# Where there is nothing, and what of that the error must name.
_ABSENT = {"usb": ("usb:63", "63"), "rtsp": ("rtsp://127.0.0.1:9/nothing", "127.0.0.1:9")}


@pytest.mark.parametrize("kind", CAMERAS)
def test_every_camera_yields_frames_or_says_why_not(kind: str, tmp_path: Path) -> None:
    stop = Event()
    source = _source(kind, tmp_path)
    if source:
        frames = open_camera("line", source).frames(stop)
        found = list(islice(frames, 3))
        stop.set()
        frames.close()  # type: ignore[attr-defined]  # cameras are generators
        assert [frame.sequence for frame in found] == [0, 1, 2]
        assert all(frame.camera == "line" and frame.pixels.size for frame in found)
        return
    assert kind in _ABSENT, f"say in this test how to open a camera of kind {kind}, or where there is none"
    source, named = _ABSENT[kind]
    with pytest.raises(CameraError) as caught:
        next(iter(open_camera("line", source).frames(stop)))
    assert named in str(caught.value)
    assert caught.value.remedy is not None


def test_listing_imports_nothing(tmp_path: Path) -> None:
    import subprocess

    code = (
        "import sys, json; from inspector.core import registry; before = set(sys.modules)\n"
        "[list(table.items()) for table in (registry.NETWORKS, registry.ENGINES, registry.CAMERAS, registry.TABS)]\n"
        "print(json.dumps([n for n in sys.modules if n.startswith('inspector.') and 'core' not in n]))"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path)
    assert json.loads(result.stdout) == []
