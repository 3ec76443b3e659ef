"""What a peer is told and what it leaves behind: files in one folder, read and written by both sides.

order.json     `Order`: what to learn from and for how long
learnt.json    `Learnt`: what it did
answers/       its answer to each test image, by the image's place in the split: .npy boxes, .png class map
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from inspector.bundles.bundle import Card, read_card
from inspector.core.config import Count, FiniteModel, Option
from inspector.core.errors import JobError
from inspector.core.types import Annotation, Answer, Boxes, Floats, Masks
from inspector.core.untrusted import read_bounded
from inspector.data.annotations import training_data
from inspector.data.samples import Part, Sample
from inspector.data.split import read_split
from inspector.imaging.files import read_image
from inspector.imaging.preprocessing import prepare
from inspector.runs.settings import TrainSettings, train_settings
from inspector.tasks.masks import class_planes

ORDER, LEARNT, ANSWERS = "order.json", "learnt.json", "answers"
_COLUMNS = 6  # of an array of boxes: left, top, right, bottom, score, class
_STRIDE = 32  # of the peers' networks: their inputs are multiples of it

Picture = NDArray[np.uint8]


class Order(FiniteModel):
    """Learn from the images of one split.

    `settings`: those of our training (`runs.settings.TrainSettings` as JSON), of which the data's count. `bundle`: ours, whose
    split.json names the images of each part and whose card the classes and the levels of the images. `budget_s`: processor
    seconds for learning, from the start of the process. `seed`: of start weights and order.
    """

    settings: dict[str, Any]
    bundle: Path
    budget_s: float
    seed: Count = 0

    def train_settings(self) -> TrainSettings:
        """Return the settings of our training. Raises ConfigError."""
        return train_settings(self.settings)

    def card(self) -> Card:
        """Return the card of our bundle. Raises ConfigError."""
        return read_card(self.bundle)

    def input_size(self) -> tuple[int, int]:
        """Return width and height of our network's input, rounded up to the peers' stride, in pixels."""
        spec = self.card().input
        return (-(-spec.width // _STRIDE) * _STRIDE, -(-spec.height // _STRIDE) * _STRIDE)

    def parts(self) -> dict[Part, list[Sample]]:
        """Return the samples of each part of the split that our bundle was trained with. Raises ConfigError."""
        known = {sample.name: sample for sample in training_data(self.train_settings()).samples}
        split = read_split(self.bundle)
        parts: tuple[Part, ...] = ("train", "val", "test")
        return {part: [known[name] for name in split[part] if name in known] for part in parts}


class Learnt(FiniteModel):
    """What a peer did.

    `settings`: those worth knowing, by name. `versions`: of its packages. `images`: readable ones of each part. `learning_s`:
    processor seconds from the start of the process to the end of learning. `images_s`: test images answered in a processor
    second, from pixels to answer.
    """

    settings: Mapping[str, Option]
    versions: Mapping[str, str]
    images: Mapping[str, Count]
    epochs: Count
    learning_s: float
    images_s: float


def write_order(folder: Path, order: Order) -> None:
    """Write order.json, and make the folder of the answers."""
    (folder / ANSWERS).mkdir(exist_ok=True)
    (folder / ORDER).write_text(order.model_dump_json(), "utf-8")


def read_order(folder: Path) -> Order:
    """Return what is asked for."""
    return Order.model_validate_json(read_bounded(folder / ORDER))


def write_learnt(folder: Path, learnt: Learnt) -> None:
    """Write learnt.json."""
    (folder / LEARNT).write_text(learnt.model_dump_json(), "utf-8")


def read_learnt(folder: Path) -> Learnt:
    """Return what the peer did. Raises JobError if it left no word."""
    try:
        return Learnt.model_validate_json(read_bounded(folder / LEARNT))
    except (OSError, ValidationError) as error:
        raise JobError("The peer ended without saying what it did ({detail}).", detail=error) from error


def whole_picture(sample: Sample, card: Card) -> tuple[Picture, Annotation]:
    """Return an image at its own size, uint8 [H, W, 3] RGB with the card's levels, and what is labelled in it.

    Raises ConfigError if it cannot be read.
    """
    image = read_image(sample.path)
    height, width = image.pixels.shape[:2]
    own = {"width": width, "height": height, "channels": 3, "kind": "uint8", "fit": "stretch"}
    pixels = prepare(image.pixels, card.input.model_copy(update=own), bits=image.bits)
    return np.asarray(pixels, np.uint8), sample.annotation(height, width)


def write_boxes(folder: Path, index: int, boxes: Floats) -> None:
    """Write the boxes [n, 6] of a test image: corners in its pixels, score, class index."""
    np.save(folder / ANSWERS / f"{index:06}.npy", np.asarray(boxes, np.float32).reshape(-1, _COLUMNS))


def write_class_map(folder: Path, index: int, classes: NDArray[np.uint8]) -> None:
    """Write the class map of a test image [H, W] at its own size: 0 background, k+1 the class with index k."""
    (folder / ANSWERS / f"{index:06}.png").write_bytes(cv2.imencode(".png", classes)[1].tobytes())


def read_answer(folder: Path, index: int, card: Card) -> Answer | None:
    """Return the answer to a test image; None if there is none. No file is ever run."""
    boxes, drawn = (folder / ANSWERS / f"{index:06}.{suffix}" for suffix in ("npy", "png"))
    if boxes.is_file():
        rows = np.load(boxes, allow_pickle=False)
        return Boxes(rows[:, :4].astype(np.float32), rows[:, 4].astype(np.float32), rows[:, 5].astype(np.int64))
    if drawn.is_file():
        classes = cv2.imdecode(np.frombuffer(drawn.read_bytes(), np.uint8), cv2.IMREAD_UNCHANGED)
        return Masks(np.stack(class_planes(np.asarray(classes, np.uint8), len(card.classes))))
    return None
