"""Bundles whose hashes are right and whose content is not: one sentence each, and nothing in them is run."""

import json
import pickle
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from inspector.bundles.bundle import CARD, GRAPH, WEIGHTS, Bundle, sha256
from inspector.core.errors import ConfigError, EngineError, InspectorError
from inspector.core.registry import ENGINES

Bundles = Callable[[str], Bundle]
HERE = [name for name, entry in ENGINES.items() if not entry.gated]  # the others need hardware, or their variant
ONNX_ENGINES = ["openvino", "onnxruntime"]
TORCH_ENGINES = ["torch", "torchscript"]


def forge(bundle: Bundle, folder: Path, *, files: Mapping[str, bytes] | None = None, **card: object) -> Bundle:
    """A copy with other content, and a card that vouches for it."""
    shutil.copytree(bundle.folder, folder)
    for name, data in (files or {}).items():
        (folder / name).write_bytes(data)
    text = json.loads((folder / CARD).read_text("utf-8"))
    text |= card
    text["files"] = {name: sha256(folder / name) for name in text["files"]}
    (folder / CARD).write_text(json.dumps(text), "utf-8")
    return Bundle.open(folder)


def refusal(name: str, bundle: Bundle) -> str:
    with pytest.raises((EngineError, ConfigError)) as caught:
        ENGINES[name].load()(bundle, threads=1)
    text = str(caught.value)
    assert "\n" not in text
    assert "Traceback" not in text
    assert len(text) < 700
    return text


class _Harm:
    def __init__(self, target: Path) -> None:
        self._target = target

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (self._target,))


@pytest.mark.parametrize("engine", HERE)
def test_a_pickle_is_never_run(engine: str, bundles: Bundles, tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    for kind in ("pickle", "torch"):
        harm = tmp_path / f"harm-{kind}"
        file = tmp_path / kind
        if kind == "torch":
            torch.save(_Harm(harm), file)
        else:
            file.write_bytes(pickle.dumps(_Harm(harm)))
        bad = forge(
            bundles("classification"), tmp_path / f"b-{kind}", files={WEIGHTS: file.read_bytes(), GRAPH: file.read_bytes()}
        )
        text = refusal(engine, bad)
        assert (WEIGHTS if engine in TORCH_ENGINES else GRAPH) in text
        assert not harm.exists()


GRAPHS: Mapping[str, Callable[[bytes], bytes]] = {
    "empty": lambda graph: b"",
    "cut": lambda graph: graph[: len(graph) // 2],
    "text": lambda graph: b"this is not a graph",
    "zeros": lambda graph: bytes(1000),
    "noise": lambda graph: np.random.default_rng(0).bytes(5000),
}


@pytest.mark.parametrize("engine", ONNX_ENGINES)
@pytest.mark.parametrize("damage", GRAPHS)
def test_a_corrupt_graph_is_one_sentence(engine: str, damage: str, bundles: Bundles, tmp_path: Path) -> None:
    good = bundles("classification")
    bad = forge(good, tmp_path / "bad", files={GRAPH: GRAPHS[damage](good.path(GRAPH).read_bytes())})
    assert GRAPH in refusal(engine, bad)


@pytest.mark.parametrize("engine", HERE)
def test_a_card_that_names_another_task_is_refused(engine: str, bundles: Bundles, tmp_path: Path) -> None:
    wrong = forge(bundles("classification"), tmp_path / "wrong", task="segmentation")
    assert "segmentation" in refusal(engine, wrong)


@pytest.mark.parametrize("engine", HERE)
def test_a_card_with_other_classes_than_the_graph_is_refused(engine: str, bundles: Bundles, tmp_path: Path) -> None:
    wrong = forge(bundles("classification"), tmp_path / "wrong", classes=["a", "b"])
    assert str(wrong.folder) in refusal(engine, wrong)


@pytest.mark.parametrize("engine", HERE)
def test_a_card_with_another_input_than_the_graph_is_refused(engine: str, bundles: Bundles, tmp_path: Path) -> None:
    card = json.loads((bundles("classification").folder / CARD).read_text("utf-8"))
    wrong = forge(bundles("classification"), tmp_path / "wrong", input={**card["input"], "width": 96})
    refusal(engine, wrong)


@pytest.mark.parametrize("engine", TORCH_ENGINES)
def test_a_card_that_promises_a_huge_network_does_not_fill_the_memory(engine: str, bundles: Bundles, tmp_path: Path) -> None:
    card = json.loads((bundles("classification").folder / CARD).read_text("utf-8"))
    # its hidden layer would have 17 thousand million weights
    huge = forge(bundles("classification"), tmp_path / "huge", input={**card["input"], "width": 4096, "height": 4096})
    assert "do not fit" in refusal(engine, huge)


ODD: Mapping[str, Mapping[str, object]] = {
    "network": {"network": "hal9000"},
    "option": {"network_options": {"wheels": 4}},
    "head": {"network_options": {"head": "tail"}},
    "mean": {"mean": [1.0]},
    "std": {"std": [0, 1, 1]},
}


@pytest.mark.parametrize("engine", TORCH_ENGINES)
@pytest.mark.parametrize("changes", ODD.values(), ids=ODD)
def test_a_card_that_describes_no_network_is_refused(
    engine: str, changes: Mapping[str, object], bundles: Bundles, tmp_path: Path
) -> None:
    with pytest.raises(InspectorError):
        ENGINES[engine].load()(forge(bundles("classification"), tmp_path / "odd", **changes), threads=1)


def test_a_bundle_that_names_pretrained_weights_does_not_look_for_them(bundles: Bundles, tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    from inspector.ml.graph import build_network

    options = {"pretrained": str(tmp_path / "not-there.pth")}
    spec = bundles("classification").card.input.model_copy(update={"width": 32})
    card = bundles("classification").card.model_copy(
        update={"network": "efficientnet_lite0", "network_options": options, "input": spec}
    )
    with torch.device("meta"):
        assert list(build_network(card, pretrained=False).parameters())
        with pytest.raises(ConfigError, match="not-there"):
            build_network(card)
