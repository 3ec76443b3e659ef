"""The baseline pipeline for comparison: traced PyTorch as in a first sketch.

Every frame is converted by `torch.FloatTensor` and normalised separately, on the feeding thread. Another thread collects
waiting frames into a batch and runs the traced network. Boxes are decoded cell by cell in Python; a mask is compared pixel by
pixel in torch. Results go through a queue. The pipeline runs in a separate process, so that torch is never loaded in the
measured station: `python -m inspector.bench.line.naive BUNDLE BATCH`, with one JSON object a line in each direction.
"""

import json
import sys
import threading
import time
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from queue import Empty, Queue

import cv2
import torch
from torch import Tensor
from torchvision.transforms import Normalize

from inspector.bench.frames import HEIGHT, PICTURES, WIDTH, Picture, demo_frames, frames
from inspector.bundles.bundle import Bundle, Card
from inspector.ml.graph import load_network, normalisation
from inspector.tasks.detection import boxes_per_cell
from inspector.tasks.masks import SPECK_PX

_BUFFER = 100  # frames
Result = Mapping[str, object]


class NaivePipeline:
    """A pipeline of one feeding thread (the caller's), one inference thread and two queues."""

    def __init__(self, bundle: Bundle, *, batch_size: int) -> None:
        spec = bundle.card.input
        mean, std = normalisation(bundle.card)
        self._card = bundle.card
        self._size = (spec.width, spec.height)
        self._normalise = Normalize((mean / 255).tolist(), (std / 255).tolist())  # type: ignore[no-untyped-call]
        with torch.no_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # tracing is deprecated and warns of fixed sizes, but is the baseline
            example = torch.randn(1, spec.channels, spec.height, spec.width)
            self._model = torch.jit.trace(load_network(bundle).eval(), example)  # type: ignore[no-untyped-call]
        self._batch_size = batch_size
        self._frames: Queue[tuple[int, float, Tensor]] = Queue(maxsize=_BUFFER)
        self._results: Queue[Result] = Queue()
        self._running = True
        self.reading = 0.0  # seconds spent on reading the network's outputs
        self._thread = threading.Thread(target=self._infer, name="naive-inference")
        self._thread.start()

    def process(self, number: int, frame: Picture, came: float = 0.0) -> None:
        """Prepare a frame (BGR, as OpenCV reads it) and queue it; wait for room rather than drop the frame.

        `came`: arrival time in seconds of `time.monotonic()`.
        """
        resized = cv2.resize(cv2.cvtColor(frame, cv2.COLOR_BGR2RGB), self._size)
        tensor = torch.FloatTensor(resized).permute(2, 0, 1) / 255.0
        self._frames.put((number, came, self._normalise(tensor).unsqueeze(0)))

    def result(self) -> Result:
        """Wait for the next result: `number`, `ok`, `latency` in seconds, and the task's output."""
        return self._results.get()

    def stop(self) -> None:
        self._running = False
        self._thread.join()

    def _infer(self) -> None:
        waiting: list[tuple[int, float, Tensor]] = []
        while self._running:
            try:
                while len(waiting) < self._batch_size and not self._frames.empty():
                    waiting.append(self._frames.get(timeout=0.01))
            except Empty:
                continue
            if not waiting:
                time.sleep(0.001)
                continue
            with torch.no_grad():
                outputs = self._model(torch.cat([frame for _, _, frame in waiting], dim=0))
                started = time.monotonic()
                found = _READERS[self._card.task](outputs, self._card)
                self.reading += time.monotonic() - started
            for (number, came, _), result in zip(waiting, found, strict=True):
                self._results.put({"number": number, "latency": time.monotonic() - came, **result})
            waiting.clear()


def _classes(outputs: Tensor, card: Card) -> list[Result]:
    classes = torch.argmax(outputs, dim=1).numpy()
    scores = torch.softmax(outputs, dim=1).numpy()
    named = [(int(best), scores[row]) for row, best in enumerate(classes)]
    return [{"class": best, "scores": score, "ok": card.classes[best] in card.ok_classes} for best, score in named]


def _boxes(outputs: Tensor, card: Card) -> list[Result]:
    found = [_decode(output, boxes_per_cell(card), card.thresholds["score"]) for output in outputs]
    return [{"boxes": boxes, "ok": not boxes} for boxes in found]


def _decode(output: Tensor, count: int, limit: float) -> list[Sequence[float]]:
    """Decode [gh, gw, B*5 + C] into (x, y, w, h, score, class) for every box above `limit`.

    All cells are decoded, without suppression.
    """
    boxes: list[Sequence[float]] = []
    rows, columns, _ = output.shape
    for i in range(rows):
        for j in range(columns):
            for b in range(count):
                k = b * 5
                x = (j + torch.sigmoid(output[i, j, k])) / columns
                y = (i + torch.sigmoid(output[i, j, k + 1])) / rows
                w = torch.sigmoid(output[i, j, k + 2])
                h = torch.sigmoid(output[i, j, k + 3])
                confidence = torch.sigmoid(output[i, j, k + 4])
                if confidence > limit:
                    probabilities = torch.sigmoid(output[i, j, count * 5 :])
                    kind = torch.argmax(probabilities)
                    score = confidence * probabilities[kind]
                    if score > limit:
                        boxes.append([x.item(), y.item(), w.item(), h.item(), score.item(), kind.item()])
    return boxes


def _masks(outputs: Tensor, card: Card) -> list[Result]:
    """Return whether the part is good: its defect pixels of all classes together cover at most a speck of the frame."""
    masks = torch.sigmoid(outputs)
    pixels = [int((mask > card.thresholds["mask"]).sum()) for mask in masks]
    scale = WIDTH * HEIGHT / (card.input.width * card.input.height)
    return [{"pixels": count, "ok": count * scale <= SPECK_PX} for count in pixels]


_READERS = {"classification": _classes, "detection": _boxes, "segmentation": _masks}


def run(pipeline: NaivePipeline, pictures: list[Picture], count: int, *, rate: float = 0.0) -> tuple[float, list[Result]]:
    """Feed `count` frames at `rate` a second (0: as fast as possible); return the frames a second and the results."""
    started = time.monotonic()
    for number in range(count):
        due = started + number / rate if rate > 0 else time.monotonic()
        time.sleep(max(0.0, due - time.monotonic()))
        pipeline.process(number, pictures[number % len(pictures)], due)
    results = [pipeline.result() for _ in range(count)]
    return count / (time.monotonic() - started), results


def main(folder: str, batch_size: str) -> None:
    """Answer each input line until the input ends. {"count", "rate"} is answered by {"fps", "latency_ms", "reading"}: the
    latencies of all frames, and the share of time spent on reading the outputs. {"demo", "seed"} is answered by {"ok"}: the
    verdicts on that number of frames of the demo line.
    """
    bundle = Bundle.open(Path(folder))
    pictures = frames(PICTURES)
    pipeline = NaivePipeline(bundle, batch_size=int(batch_size))
    try:
        run(pipeline, pictures, 2 * int(batch_size))
        _say({"ready": True, "torch": torch.__version__, "threads": torch.get_num_threads()})
        for line in sys.stdin:
            asked = json.loads(line)
            if "demo" in asked:
                shown = [
                    picture[..., ::-1].copy() for picture in demo_frames(bundle.card.task, asked["demo"], seed=asked["seed"])[0]
                ]
                _say({"ok": [result["ok"] for result in run(pipeline, shown, len(shown))[1]]})
                continue
            pipeline.reading = 0.0
            fps, results = run(pipeline, pictures, asked["count"], rate=asked["rate"])
            latency = [1000 * float(str(result["latency"])) for result in results]
            _say({"fps": fps, "latency_ms": latency, "reading": pipeline.reading * fps / asked["count"]})
    finally:
        pipeline.stop()


def _say(packet: Mapping[str, object]) -> None:
    sys.stdout.write(json.dumps(packet) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])
