"""The peer for segmentation: U-Net of segmentation_models_pytorch on the encoder and ImageNet weights that ours starts from.

The package brings networks and losses but no training. The one here is that of its own examples: Dice loss, Adam with a rate of
2e-4 that falls to 1e-5 along a cosine, batches of 16, the epoch kept that has the best IoU on validation. Images come at our
network's input size and with the augmentation that our advice names. Runs in a process of its own, because the package is no
part of this program: `python -m inspector.bench.peers.masks FOLDER`.
"""

import copy
import math
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from inspector.bench.peers.order import Learnt, Order, read_order, write_class_map, write_learnt
from inspector.bundles.bundle import Card
from inspector.core.errors import ConfigError
from inspector.core.types import IGNORE
from inspector.data.samples import Part, Sample
from inspector.imaging.files import read_image
from inspector.imaging.preprocessing import prepare, view, whole
from inspector.ml.networks.weights import initialise, lite0_weights
from inspector.ml.train.loading.dataset import Inputs, batches, free_memory
from inspector.ml.train.loading.transforms import augmentation_for
from inspector.tasks.base import task_of

ENCODER = "tu-tf_efficientnet_lite0"
_BATCH = 16
_RATE, _LOWEST_RATE = 2e-4, 1e-5
_HALF = 128  # share of a pixel, times 255, from which it belongs to a class
_THREADS = 1
_LEARNT: tuple[Part, ...] = ("train", "val")
_TOP = ("conv_head.", "bn2.", "classifier.")  # of the weights, but not of the encoder

Normalise = Callable[[Tensor], Tensor]


def main(folder: Path) -> None:
    """Learn what order.json in `folder` asks for, answer the test images, and leave everything in `folder`."""
    import segmentation_models_pytorch as smp

    torch.set_num_threads(_THREADS)
    order = read_order(folder)
    torch.manual_seed(order.seed)
    card, parts = _card(order), order.parts()
    inputs = {name: Inputs(parts[name], task_of(card.task), card, memory=free_memory(), threads=_THREADS) for name in _LEARNT}
    for one in inputs.values():
        one.load(lambda: None)
    network = smp.Unet(ENCODER, encoder_weights=None, in_channels=3, classes=_planes(card))
    encoder = network.encoder.model
    initialise(encoder, ENCODER, "imagenet", lambda: lite0_weights(encoder), _TOP)
    epochs = _learn(network, order, inputs["train"], inputs["val"])
    learning_s = time.process_time()
    answered, images_s = _answer(folder, network, card, parts["test"])
    settings = {
        "network": f"Unet, {ENCODER}",
        "weights": "ImageNet",
        "size": f"{card.input.width}x{card.input.height}",
        "batch": _BATCH,
        "loss": "Dice",
        "optimizer": "Adam",
        "lr": _RATE,
        "augment": order.train_settings().augment,
        "threads": _THREADS,
    }
    write_learnt(
        folder,
        Learnt(
            settings=settings,
            versions={"segmentation_models_pytorch": smp.__version__, "torch": torch.__version__},
            images={**{name: len(one) for name, one in inputs.items()}, "test": answered},
            epochs=epochs,
            learning_s=learning_s,
            images_s=images_s,
        ),
    )


def _card(order: Order) -> Card:
    """Return our card with the peer's input: whole images of 8 bits in colour, sides in multiples of its stride."""
    width, height = order.input_size()
    card = order.card()
    spec = card.input.model_copy(update={"width": width, "height": height, "channels": 3, "kind": "uint8"})
    return card.model_copy(update={"input": spec, "tiles": None})


def _planes(card: Card) -> int:
    """Return the number of the network's outputs: one for a single class, else the background and every class."""
    return 1 if len(card.classes) == 1 else len(card.classes) + 1


def _targets(target: dict[str, Tensor]) -> Tensor:
    """Return the classes [N, H, W] of the pixels: 0 background, k+1 class k, IGNORE where nobody knows."""
    share, index = target["mask"].max(dim=1)
    classes = torch.where(share >= _HALF, index + 1, 0)
    return torch.where(target["ignore"][:, 0] > 0, IGNORE, classes) if "ignore" in target else classes


def _normaliser() -> Normalise:
    """Return the function from frames [N, H, W, 3] of 0..255 to inputs [N, 3, H, W] as the encoder's weights expect them."""
    import segmentation_models_pytorch as smp

    known = smp.encoders.get_preprocessing_params(ENCODER)
    mean, std = (torch.tensor(known[name]).view(1, 3, 1, 1) for name in ("mean", "std"))
    return lambda frames: (frames.permute(0, 3, 1, 2).float() / 255 - mean) / std


def _learn(network: Any, order: Order, train: Inputs, val: Inputs) -> int:  # noqa: ANN401 - the peer's network
    """Train until the budget is spent, leave the best epoch in the network, and return the number of epochs begun."""
    import segmentation_models_pytorch as smp

    many = _planes(order.card()) > 1
    mode = smp.losses.MULTICLASS_MODE if many else smp.losses.BINARY_MODE
    loss = smp.losses.DiceLoss(mode, from_logits=True, ignore_index=IGNORE)
    optimizer = torch.optim.Adam(network.parameters(), lr=_RATE)
    normalise, how = _normaliser(), augmentation_for("segmentation", order.train_settings().augment)
    began, best, state, epoch = time.process_time(), -1.0, None, 0
    length = max(1.0, order.budget_s - began)
    while time.process_time() < order.budget_s:
        network.train()
        for frames, target in batches(train, size=_BATCH, seed=order.seed, epoch=epoch, how=how):
            share = min(1.0, (time.process_time() - began) / length)
            rate = _LOWEST_RATE + (_RATE - _LOWEST_RATE) * (1 + math.cos(math.pi * share)) / 2
            for group in optimizer.param_groups:
                group["lr"] = rate
            optimizer.zero_grad()
            torch.autograd.backward(loss(network(normalise(frames)), _targets(target)))
            optimizer.step()
            if share >= 1:
                break
        epoch += 1
        value = _validate(network, normalise, val, many=many)
        print(f"epoch {epoch}: IoU {value:.3f}, {time.process_time():.0f} s of processor time", file=sys.stderr)  # noqa: T201
        if value > best:
            best, state = value, copy.deepcopy(network.state_dict())
    if state is not None:
        network.load_state_dict(state)
    return epoch


def _validate(network: Any, normalise: Normalise, val: Inputs, *, many: bool) -> float:  # noqa: ANN401
    """Return the IoU over the pixels of all validation images together, background left out."""
    both, either = 0, 0
    network.eval()
    with torch.inference_mode():
        for frames, target in batches(val, size=_BATCH, seed=0, epoch=0, how=None):
            truth, said = _targets(target), _said(network(normalise(frames)), many=many)
            known = truth != IGNORE
            real, mine = (truth > 0) & known, (said > 0) & known
            hits = int((real & (truth == said)).sum())
            both, either = both + hits, either + int(real.sum() + mine.sum()) - hits
    return both / either if either else 1.0


def _said(logits: Tensor, *, many: bool) -> Tensor:
    """Return the classes [N, H, W] that the outputs mean."""
    return logits.argmax(dim=1) if many else (logits[:, 0] > 0).long()


def _answer(folder: Path, network: Any, card: Card, samples: Sequence[Sample]) -> tuple[int, float]:  # noqa: ANN401
    """Write the class map of every readable image; return their number, and the images in a processor second."""
    normalise, many, used, count = _normaliser(), _planes(card) > 1, 0.0, 0
    network.eval()
    for index, sample in enumerate(samples):
        try:
            image = read_image(sample.path)
        except ConfigError:
            continue
        began = time.process_time()
        region = whole(image.pixels)
        frame = prepare(image.pixels, card.input, region, bits=image.bits)
        with torch.inference_mode():
            logits = network(normalise(torch.from_numpy(frame[None])))
            seen = view(region, card.input).content(card.input)
            inside = logits[:, :, seen.y : seen.bottom, seen.x : seen.right]
            size = (region.height, region.width)
            large = torch.nn.functional.interpolate(inside, size=size, mode="bilinear", align_corners=False)
            classes: NDArray[np.uint8] = _said(large, many=many)[0].numpy().astype(np.uint8)
        if count:
            used += time.process_time() - began
        write_class_map(folder, index, classes)
        count += 1
    return count, max(count - 1, 0) / used if used else 0.0


if __name__ == "__main__":
    cv2.setNumThreads(_THREADS)
    main(Path(sys.argv[1]))
