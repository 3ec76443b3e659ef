"""Backbones for transfer learning: ResNet-50, EfficientNet-B0, EfficientNet-Lite0.

The values of `pretrained` are listed in `ml.networks.weights`.
"""

from collections.abc import Mapping, Sequence

import torch
import torchvision
from torch import nn

from inspector.core.errors import ConfigError
from inspector.ml.networks.base import HALF, Network, Normalisation, as_colour, check_size, parameters_of
from inspector.ml.networks.weights import State, initialise, lite0_parts, lite0_weights

_SMALLEST = 32


class Transfer(Network):
    """A backbone with a new classifier. Grey input is repeated to three channels, as the weights expect.

    `parts`: the backbone's stages from the input on, without the classifier. `freeze` trains the classifier only: the backbone
    keeps its weights and batch-normalisation statistics.
    """

    def __init__(
        self,
        backbone: nn.Module,
        head: nn.Module,
        cam: Mapping[str, nn.Module],
        *,
        parts: Sequence[Sequence[nn.Module]],
        freeze: bool,
        normalisation: Normalisation,
    ) -> None:
        super().__init__()
        self.backbone = backbone
        self.normalisation = normalisation
        self._cam = dict(cam)
        # In lists: these modules are already part of the backbone and must not be registered twice.
        self._head, self._parts = [head], [list(part) for part in parts]
        if freeze:
            self.freeze_backbone()

    def stages(self) -> list[list[nn.Parameter]]:
        return [parameters_of(part) for part in (*self._parts, self._head)]

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map [N, 1 or 3, H, W] to logits [N, outputs]."""
        out: torch.Tensor = self.backbone(as_colour(x))
        return out

    def cam_layers(self) -> dict[str, nn.Module]:
        return dict(self._cam)


def build_resnet50(
    *, outputs: int, channels: int, height: int, width: int, pretrained: str = "", freeze: bool = False
) -> Transfer:
    """Return a ResNet-50 (He et al., CVPR 2016; 23,514,179 parameters at 3 classes). Raises ConfigError."""
    check_size("ResNet-50", height, width, _SMALLEST)
    weights = torchvision.models.ResNet50_Weights.IMAGENET1K_V2
    net = torchvision.models.resnet50()
    initialise(net, "ResNet-50", pretrained, lambda: _download(weights), "fc.")
    net.fc = nn.Linear(net.fc.in_features, outputs)
    cam = {"layer4": net.layer4, "layer3": net.layer3, "layer2": net.layer2}
    parts = [[net.conv1, net.bn1], [net.layer1], [net.layer2], [net.layer3], [net.layer4]]
    return Transfer(net, net.fc, cam, parts=parts, freeze=freeze, normalisation=Transfer.normalisation)


def build_efficientnet_b0(
    *, outputs: int, channels: int, height: int, width: int, pretrained: str = "", freeze: bool = False
) -> Transfer:
    """Return an EfficientNet-B0 (Tan and Le, ICML 2019; 4,011,391 parameters at 3 classes). Raises ConfigError."""
    check_size("EfficientNet-B0", height, width, _SMALLEST)
    weights = torchvision.models.EfficientNet_B0_Weights.IMAGENET1K_V1
    net = torchvision.models.efficientnet_b0()
    initialise(net, "EfficientNet-B0", pretrained, lambda: _download(weights), "classifier.")
    last = net.classifier[1]
    assert isinstance(last, nn.Linear)
    head = nn.Linear(last.in_features, outputs)
    net.classifier[1] = head
    cam = {"features8": net.features[8], "features6": net.features[6], "features4": net.features[4]}
    parts = [[feature] for feature in net.features]
    return Transfer(net, head, cam, parts=parts, freeze=freeze, normalisation=Transfer.normalisation)


def build_efficientnet_lite0(
    *, outputs: int, channels: int, height: int, width: int, pretrained: str = "", freeze: bool = False
) -> Transfer:
    """Return an EfficientNet-Lite0 (timm's `tf_efficientnet_lite0`).

    Its ImageNet weights need no download. Raises ConfigError.
    """
    import timm

    check_size("EfficientNet-Lite0", height, width, _SMALLEST)
    net = timm.create_model("tf_efficientnet_lite0", pretrained=False)
    initialise(net, "EfficientNet-Lite0", pretrained, lambda: lite0_weights(net), "classifier.")
    last = net.get_submodule("classifier")
    assert isinstance(last, nn.Linear)
    head = nn.Linear(last.in_features, outputs)
    net.classifier = head
    cam = {name: net.get_submodule(path) for name, path in (("head", "bn2"), ("blocks6", "blocks.6"), ("blocks4", "blocks.4"))}
    top = [net.get_submodule(name) for name in ("conv_head", "bn2")]
    parts = [*lite0_parts(net), top]
    return Transfer(net, head, cam, parts=parts, freeze=freeze, normalisation=HALF)


def _download(weights: torchvision.models.ResNet50_Weights | torchvision.models.EfficientNet_B0_Weights) -> State:
    """Return published weights from torchvision's cache or server, verified by the hash in their name."""
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
