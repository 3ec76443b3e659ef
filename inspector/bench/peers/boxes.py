"""The peer for detection: ultralytics YOLO11n, its own defaults, from random weights because none come with the package.

Runs in a process of its own, because the package is no part of this program, sends usage figures and installs packages unless
it is told not to before it is imported, and changes settings of torch and OpenCV:
`python -m inspector.bench.peers.boxes FOLDER`.
"""

import sys
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import yaml

from inspector.bench.peers.order import Learnt, Order, read_order, whole_picture, write_boxes, write_learnt
from inspector.core.errors import ConfigError
from inspector.core.types import Annotation
from inspector.data.samples import Sample

NETWORK = "yolo11n.yaml"
# As in its own validation: every box that could count for the average precision.
_SCORE, _OVERLAP, _MOST = 0.001, 0.7, 300
_THREADS = 1


def main(folder: Path) -> None:
    """Learn what order.json in `folder` asks for, answer the test images, and leave everything in `folder`."""
    order = read_order(folder)
    card, parts = order.card(), order.parts()
    images = {part: _write_part(folder / "data", part, parts[part], order) for part in ("train", "val")}
    data = folder / "data" / "data.yaml"
    layout = {"path": str(folder / "data"), "train": "images/train", "val": "images/val"}
    data.write_text(yaml.safe_dump({**layout, "names": dict(enumerate(card.classes))}, allow_unicode=True), "utf-8")
    trainer = _learn(folder, data, order)
    learning_s = time.process_time()
    answered, images_s = _answer(folder, str(trainer.best), parts["test"], order)
    import torch
    import ultralytics

    kept = ("imgsz", "batch", "optimizer", "lr0", "close_mosaic", "pretrained")
    settings = {"network": NETWORK, **{name: getattr(trainer.args, name) for name in kept}, "threads": _THREADS}
    versions = {"ultralytics": ultralytics.__version__, "torch": torch.__version__}
    write_learnt(
        folder,
        Learnt(
            settings=settings,
            versions=versions,
            images={**images, "test": answered},
            epochs=trainer.epoch + 1,
            learning_s=learning_s,
            images_s=images_s,
        ),
    )


def _write_part(folder: Path, part: str, samples: Sequence[Sample], order: Order) -> int:
    """Write the images of a part and a line for each box, as ultralytics reads them; return the number of images."""
    images, labels = folder / "images" / part, folder / "labels" / part
    for place in (images, labels):
        place.mkdir(parents=True)
    card, count = order.card(), 0
    for index, sample in enumerate(samples):
        try:
            pixels, truth = whole_picture(sample, card)
        except ConfigError:
            continue
        data = cv2.imencode(".png", np.ascontiguousarray(pixels[..., ::-1]), (cv2.IMWRITE_PNG_COMPRESSION, 1))[1]
        (images / f"{index:06}.png").write_bytes(data.tobytes())
        lines = _lines(truth, pixels.shape[1], pixels.shape[0])
        (labels / f"{index:06}.txt").write_text("".join(lines), "utf-8")
        count += 1
    return count


def _lines(truth: Annotation, width: int, height: int) -> Iterable[str]:
    """Yield class, centre and size of each box, in shares of the image."""
    if truth.boxes is None:
        return
    corners = np.clip(truth.boxes.xyxy / np.array([width, height] * 2, np.float32), 0, 1)
    for (left, top, right, bottom), kind in zip(corners.tolist(), truth.boxes.classes.tolist(), strict=True):
        yield f"{kind} {(left + right) / 2:.6f} {(top + bottom) / 2:.6f} {right - left:.6f} {bottom - top:.6f}\n"


def _learn(folder: Path, data: Path, order: Order) -> Any:  # noqa: ANN401 - the peer's trainer
    """Train until the budget is spent and return the peer's trainer.

    Its time limit counts time by the clock. Its start is set back or forth so that what has passed is processor time: then the
    limit, and the number of epochs that it plans by it, hold on a busy machine, too.
    """
    import torch
    import ultralytics

    ultralytics.settings.update({"sync": False})  # nothing is sent, beside what the environment says
    limit_s = max(1.0, order.budget_s - time.process_time())
    began = 0.0

    def on_start(trainer: Any) -> None:  # noqa: ANN401
        nonlocal began
        torch.set_num_threads(_THREADS)  # it sets a number of its own for the processor
        began = time.process_time()

    def count_processor_time(trainer: Any) -> None:  # noqa: ANN401
        trainer.train_time_start = time.time() - (time.process_time() - began)

    model = ultralytics.YOLO(NETWORK)
    model.add_callback("on_train_start", on_start)
    for event in ("on_train_epoch_start", "on_train_batch_start", "on_train_epoch_end", "on_model_save"):
        model.add_callback(event, count_processor_time)
    model.train(
        data=str(data),
        time=limit_s / 3600,
        imgsz=max(order.input_size()),
        seed=order.seed,
        device="cpu",
        workers=0,
        pretrained=False,
        plots=False,
        project=str(folder),
        name="run",
        exist_ok=True,
    )
    return model.trainer


def _answer(folder: Path, weights: str, samples: Sequence[Sample], order: Order) -> tuple[int, float]:
    """Write the boxes of every readable image; return their number, and the images in a processor second."""
    import ultralytics

    model, card = ultralytics.YOLO(weights), order.card()
    size, used, count = max(order.input_size()), 0.0, 0
    for index, sample in enumerate(samples):
        try:
            pixels, _ = whole_picture(sample, card)
        except ConfigError:
            continue
        picture = np.ascontiguousarray(pixels[..., ::-1])
        began = time.process_time()
        (result,) = model.predict(
            picture, imgsz=size, conf=_SCORE, iou=_OVERLAP, max_det=_MOST, device="cpu", verbose=False, save=False
        )
        found = result.boxes
        rows = np.concatenate(
            [found.xyxy.numpy(), found.conf.numpy()[:, None], found.cls.numpy()[:, None]], axis=1, dtype=np.float32
        )
        if count:  # the first call also prepares the network
            used += time.process_time() - began
        write_boxes(folder, index, rows)
        count += 1
    return count, max(count - 1, 0) / used if used else 0.0


if __name__ == "__main__":
    main(Path(sys.argv[1]))
