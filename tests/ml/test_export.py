"""Exported graphs are compared with torch before a bundle is accepted."""

import warnings
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import onnxruntime as ort  # noqa: E402 - after the check that torch is there
from torch import nn  # noqa: E402

from inspector.bundles.bundle import CARD, GRAPH, WEIGHTS, Bundle, Card, read_card, sha256  # noqa: E402
from inspector.core.errors import ConfigError, EngineError, StorageError  # noqa: E402
from inspector.imaging.preprocessing import InputSpec  # noqa: E402
from inspector.ml.export import network as export  # noqa: E402
from inspector.ml.export.network import DIFFERENCE, export_bundle, export_onnx, verify_onnx, write_trained_bundle  # noqa: E402
from inspector.ml.graph import Graph, build_network, example_batch, load_graph, load_network  # noqa: E402
from inspector.tasks.base import task_of  # noqa: E402


def card(**changes: Any) -> Card:
    fields: dict[str, Any] = {
        "name": "window",
        "task": "classification",
        "network": "simple_cnn",
        "network_options": {"filters": 4},
        "classes": ("normal", "mild", "severe"),
        "input": InputSpec(width=24, height=16),
        "mean": (120.0, 110.0, 100.0),
        "std": (60.0, 58.0, 57.0),
        "created": datetime(2026, 1, 1, tzinfo=UTC),
        "software": "test",
    }
    return Card(**{**fields, **changes})


@pytest.fixture
def network() -> nn.Module:
    torch.manual_seed(3)
    return build_network(card())


def test_the_graph_normalises_and_activates(network: nn.Module) -> None:
    """Against the definition written out: (pixels - mean) / std, channels first, softmax."""
    own = card()
    frames = example_batch(own, 3)
    graph = Graph(network, own).eval()
    with torch.no_grad():
        pixels = (frames.numpy().astype(np.float64) - np.array(own.mean)) / np.array(own.std)
        logits = network(torch.from_numpy(pixels.transpose(0, 3, 1, 2).astype(np.float32))).numpy().astype(np.float64)
        expected = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
        np.testing.assert_allclose(graph(frames).numpy(), expected, atol=1e-6)
        np.testing.assert_allclose(graph.raw(frames).numpy(), logits, atol=1e-5)


def test_mirrored_views_are_averaged_in_the_graph_and_its_export(network: nn.Module, tmp_path: Path) -> None:
    own = card(training={"mirrored": True})
    graph, plain, frames = Graph(network, own).eval(), Graph(network, card()).eval(), example_batch(own, 3)
    with torch.no_grad():
        views = [plain.raw(each) for each in (frames, frames.flip(1), frames.flip(2), frames.flip(1).flip(2))]
        assert float((views[0] - views[1]).abs().max()) > 1e-3
        expected = (sum(views) / 4).softmax(dim=1)
        torch.testing.assert_close(graph(frames), expected)
        torch.testing.assert_close(graph(frames.flip(2)), graph(frames))
    export_onnx(graph, own, tmp_path / "model.onnx")
    session = ort.InferenceSession(tmp_path / "model.onnx")
    found = session.run(None, {session.get_inputs()[0].name: frames.numpy()})[0]
    np.testing.assert_allclose(found, expected.numpy(), atol=1e-5)


def test_mirrored_masks_lie_on_their_frame_before_they_are_joined(tmp_path: Path) -> None:
    fields: dict[str, Any] = {"task": "segmentation", "network": "unet", "network_options": {"filters": 4}}
    fields["input"] = InputSpec(width=48, height=32)
    own = card(training={"mirrored": True}, **fields)
    torch.manual_seed(3)
    net = build_network(own)
    graph, plain, frames = Graph(net, own).eval(), Graph(net, card(**fields)).eval(), example_batch(own, 2)
    with torch.no_grad():
        raw = plain.raw
        views = [raw(frames), raw(frames.flip(1)).flip(2), raw(frames.flip(2)).flip(3), raw(frames.flip(1, 2)).flip(2, 3)]
        assert float((views[0] - views[1]).abs().max()) > 1e-3
        expected = (sum(views) / 4).sigmoid()
        torch.testing.assert_close(graph(frames), expected)
        torch.testing.assert_close(graph(frames.flip(2)).flip(3), graph(frames))
    export_onnx(graph, own, tmp_path / "model.onnx")
    session = ort.InferenceSession(tmp_path / "model.onnx")
    found = session.run(None, {session.get_inputs()[0].name: frames[:1].numpy()})[0]
    np.testing.assert_allclose(found, expected[:1].numpy(), atol=1e-4)


def test_mirrored_boxes_lie_on_their_frame_before_they_are_joined(tmp_path: Path) -> None:
    """One view's boxes are those of the mirrored frame seen in a mirror: left and right change places, and so do the points."""
    fields: dict[str, Any] = {"task": "detection", "network": "fpn_lite0", "network_options": {"filters": 16}}
    fields["input"] = InputSpec(width=96, height=64)
    own, one = card(training={"mirrored": True}, **fields), card(**fields)
    torch.manual_seed(3)
    net = build_network(own).eval()
    for parameter in net.parameters():
        nn.init.normal_(parameter, std=0.15)
    graph, plain, frames = Graph(net, own).eval(), Graph(net, one).eval(), example_batch(own, 2)
    with torch.no_grad():
        found = plain(frames.flip(2))
        seen = plain.activate(task_of("detection").mirrored_back(plain.raw(frames.flip(2)), [2], one))
        grids = [torch.arange(96).reshape(8, 12), torch.arange(96, 120).reshape(4, 6), torch.arange(120, 126).reshape(2, 3)]
        places = torch.cat([grid.flip(1).flatten() for grid in grids])
        torch.testing.assert_close(seen[:, places, 0], 1 - found[..., 2])
        torch.testing.assert_close(seen[:, places, 2], 1 - found[..., 0])
        torch.testing.assert_close(seen[:, places, 1], found[..., 1])
        torch.testing.assert_close(seen[:, places, 3], found[..., 3])
        torch.testing.assert_close(seen[:, places, 4:], found[..., 4:])
        both = graph(frames)
        assert float((both - plain(frames)).abs().max()) > 1e-3
        mean = sum(
            task_of("detection").mirrored_back(plain.raw(frames.flip(axes) if axes else frames), axes, one)
            for axes in ([], [1], [2], [1, 2])
        )
        torch.testing.assert_close(both, plain.activate(mean / 4))
    export_onnx(graph, own, tmp_path / "model.onnx")
    session = ort.InferenceSession(tmp_path / "model.onnx")
    exported = session.run(None, {session.get_inputs()[0].name: frames[:1].numpy()})[0]
    np.testing.assert_allclose(exported, both[:1].numpy(), atol=1e-4)


@pytest.mark.parametrize("changes", [{"network": "simple_yolo"}, {"input": InputSpec(width=80, height=64)}])
def test_boxes_of_other_networks_and_inputs_have_no_mirrored_views(changes: dict[str, Any]) -> None:
    assert task_of("detection").may_mirror(card(task="detection", network="fpn_lite0", input=InputSpec(width=96, height=64)))
    fields: dict[str, Any] = {"task": "detection", "network": "fpn_lite0", "input": InputSpec(width=96, height=64), **changes}
    assert not task_of("detection").may_mirror(card(**fields))


def test_temperatures_leave_the_graph_in_kelvin() -> None:
    own = card(
        task="thermal",
        network="thermal_cnn",
        classes=(),
        input=InputSpec(width=24, height=16, channels=1, kind="float", unit="kelvin"),
        mean=(120.0,),
        std=(20.0,),
        target_mean=(340.0, 310.0, 290.0),
        target_std=(20.0, 10.0, 5.0),
    )
    graph = Graph(build_network(own), own).eval()
    frames = example_batch(own, 2)
    assert frames.dtype == torch.float32
    with torch.no_grad():
        expected = graph.raw(frames).numpy() * np.array([20.0, 10.0, 5.0]) + np.array([340.0, 310.0, 290.0])
        np.testing.assert_allclose(graph(frames).numpy(), expected, rtol=1e-6)


@pytest.mark.parametrize(("mean", "std"), [((1.0,), (1.0, 1.0, 1.0)), ((1.0,) * 3, (1.0, 0.0, 1.0)), ((1.0,) * 3, (1.0,) * 2)])
def test_a_card_without_a_usable_normalisation_is_refused(network: nn.Module, mean: Any, std: Any) -> None:
    with pytest.raises(ConfigError, match="mean and of std"):
        Graph(network, card(mean=mean, std=std))


def test_export_is_silent_and_takes_any_batch(network: nn.Module, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    own = card()
    graph = Graph(network, own)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        difference = export_onnx(graph, own, tmp_path / GRAPH)
    assert capfd.readouterr() == ("", "")
    assert 0 <= difference < 1e-5
    session = ort.InferenceSession(str(tmp_path / GRAPH), providers=["CPUExecutionProvider"])
    assert [item.name for item in session.get_inputs()] == [export.INPUT]
    assert session.get_inputs()[0].type == "tensor(uint8)"
    for size in (1, 2, 7):
        frames = example_batch(own, size, seed=size)
        with torch.no_grad():
            np.testing.assert_allclose(session.run(None, {export.INPUT: frames.numpy()})[0], graph(frames).numpy(), atol=1e-5)


def test_a_graph_that_differs_is_refused(network: nn.Module, tmp_path: Path) -> None:
    own = card()
    export_onnx(Graph(network, own), own, tmp_path / GRAPH)
    with torch.no_grad():
        next(network.parameters()).mul_(1.5)
    with pytest.raises(EngineError, match=r"differs from the trained network by \d"):
        verify_onnx(Graph(network, own), own, tmp_path / GRAPH)


def test_a_network_that_gives_nan_is_refused_and_leaves_no_bundle(network: nn.Module, tmp_path: Path) -> None:
    with torch.no_grad():
        next(network.parameters()).fill_(float("nan"))
    with pytest.raises(EngineError, match="differs from the trained network by inf"):
        write_trained_bundle(tmp_path / "out", card(), network)
    assert list(tmp_path.iterdir()) == []


def test_a_network_that_cannot_be_exported_is_one_sentence(tmp_path: Path) -> None:
    class Odd(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.linalg.qr(x.mean(1)).Q[:, 0, :3]

    with pytest.raises(EngineError, match="cannot be exported to ONNX") as caught:
        export_onnx(Graph(Odd(), card()), card(), tmp_path / GRAPH)
    assert "\n" not in str(caught.value)


def test_a_bundle_states_its_difference_and_reloads_exactly(network: nn.Module, tmp_path: Path) -> None:
    own = card(training={"epochs": 3})
    bundle = write_trained_bundle(tmp_path / "out", own, network)
    assert sorted(path.name for path in bundle.folder.iterdir()) == sorted([CARD, WEIGHTS, GRAPH])
    assert bundle.card.training["epochs"] == 3
    assert 0 <= float(bundle.card.training[DIFFERENCE]) < 1e-5
    reopened = Bundle.open(bundle.folder)
    for name, value in load_network(reopened).state_dict().items():
        assert torch.equal(value, network.state_dict()[name]), name
    frames = example_batch(own, 2)
    with torch.no_grad():
        assert torch.equal(load_graph(reopened)(frames), Graph(network, own).eval()(frames))


def test_a_failed_export_leaves_the_earlier_bundle(network: nn.Module, tmp_path: Path) -> None:
    bundle = write_trained_bundle(tmp_path / "out", card(), network)
    before = {path.name: sha256(path) for path in bundle.folder.iterdir()}
    with torch.no_grad():
        next(network.parameters()).fill_(float("nan"))
    with pytest.raises(EngineError):
        write_trained_bundle(tmp_path / "out", card(), network)
    assert {path.name: sha256(path) for path in bundle.folder.iterdir()} == before
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_a_folder_that_cannot_be_made_is_one_sentence(network: nn.Module, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StorageError, match="cannot be written"):
        write_trained_bundle(tmp_path / "file" / "out", card(), network)


def test_a_bundle_is_exported_again_from_its_weights(network: nn.Module, tmp_path: Path) -> None:
    first = write_trained_bundle(tmp_path / "first", card(), network)
    second = export_bundle(first, tmp_path / "second")
    assert sha256(second.path(WEIGHTS)) == sha256(first.path(WEIGHTS))
    assert read_card(second.folder).classes == first.card.classes


def test_weights_of_another_network_are_refused(network: nn.Module, tmp_path: Path) -> None:
    bundle = write_trained_bundle(tmp_path / "out", card(), network)
    for options in ({"filters": 8}, {"filters": 4, "head": "gap"}):
        other = Bundle(bundle.folder, bundle.card.model_copy(update={"network_options": options}))
        with pytest.raises(ConfigError, match="do not fit its network simple_cnn"):
            load_network(other)
