"""The pipeline that ours is compared with: traced PyTorch as a first sketch would have it.

Every frame is converted by `torch.FloatTensor` and normalised on its own, on the thread that feeds; one thread collects what
waits up to a batch and runs the traced network; results go through a queue. A process of its own, so that torch never
loads into the measured station: `python -m inspector.bench.naive BUNDLE ...`, one JSON object a line each way.
"""

import json
import sys
import threading
import time
import warnings
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from queue import Empty, Queue

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torchvision.transforms import Normalize

from inspector import __version__
from inspector.bench.frames import frames
from inspector.core.bundle import Bundle, Card, normalisation
from inspector.core.images import InputSpec
from inspector.ml.export import write_trained_bundle
from inspector.ml.graph import build_network, load_network

# ImageNet's statistics, in grey levels.
_MEAN = tuple(255 * value for value in (0.485, 0.456, 0.406))
_STD = tuple(255 * value for value in (0.229, 0.224, 0.225))
_BUFFER = 100  # frames


class NaivePipeline:
    """One feeding thread (the caller's), one inference thread, two queues."""

    def __init__(self, bundle: Bundle, *, batch_size: int) -> None:
        spec = bundle.card.input
        mean, std = normalisation(bundle.card)
        self._size = (spec.width, spec.height)
        self._normalise = Normalize((mean / 255).tolist(), (std / 255).tolist())  # type: ignore[no-untyped-call]
        with torch.no_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # tracing is deprecated; it is what is compared with
            example = torch.randn(1, spec.channels, spec.height, spec.width)
            self._model = torch.jit.trace(load_network(bundle).eval(), example)  # type: ignore[no-untyped-call]
        self._batch_size = batch_size
        self._frames: Queue[tuple[int, Tensor]] = Queue(maxsize=_BUFFER)
        self._results: Queue[Mapping[str, object]] = Queue()
        self._running = True
        self._thread = threading.Thread(target=self._infer, name="naive-inference")
        self._thread.start()

    def process(self, number: int, frame: NDArray[np.uint8]) -> None:
        """Prepare a frame (BGR, as OpenCV reads it) and queue it; waits for room rather than drop it."""
        resized = cv2.resize(cv2.cvtColor(frame, cv2.COLOR_BGR2RGB), self._size)
        tensor = torch.FloatTensor(resized).permute(2, 0, 1) / 255.0
        self._frames.put((number, self._normalise(tensor).unsqueeze(0)))

    def result(self) -> Mapping[str, object]:
        """Wait for the next result."""
        return self._results.get()

    def stop(self) -> None:
        self._running = False
        self._thread.join()

    def _infer(self) -> None:
        numbers: list[int] = []
        waiting: list[Tensor] = []
        while self._running:
            try:
                while len(waiting) < self._batch_size and not self._frames.empty():
                    number, frame = self._frames.get(timeout=0.01)
                    numbers.append(number)
                    waiting.append(frame)
            except Empty:
                continue
            if not waiting:
                time.sleep(0.001)
                continue
            with torch.no_grad():
                outputs = self._model(torch.cat(waiting, dim=0))
                classes = torch.argmax(outputs, dim=1).numpy()
                scores = torch.softmax(outputs, dim=1).numpy()
            for row, number in enumerate(numbers):
                self._results.put({"number": number, "class": int(classes[row]), "scores": scores[row]})
            numbers.clear()
            waiting.clear()


def write_untrained(folder: Path, network: str, *, size: int, classes: int) -> Bundle:
    """A bundle of the network at its full size with random weights: how long it takes does not depend on them."""
    torch.manual_seed(0)
    card = Card(
        name=folder.name,
        task="classification",
        network=network,
        classes=tuple(f"class {index}" for index in range(classes)),
        ok_classes=("class 0",),
        input=InputSpec(width=size, height=size),
        mean=_MEAN,
        std=_STD,
        created=datetime.now(UTC),
        software=__version__,
    )
    return write_trained_bundle(folder, card, build_network(card, pretrained=False).eval())


def measure(pipeline: NaivePipeline, pictures: list[NDArray[np.uint8]], count: int) -> float:
    """Frames a second over `count` frames, from the first one fed to the last result."""
    started = time.monotonic()
    for number in range(count):
        pipeline.process(number, pictures[number % len(pictures)])
    for _ in range(count):
        pipeline.result()
    return count / (time.monotonic() - started)


def main(folder: str, network: str, size: str, batch_size: str) -> None:
    """Make the bundle, then answer every line {"count": N} with {"fps": ...} until the input ends."""
    bundle = write_untrained(Path(folder), network, size=int(size), classes=3)
    pictures = frames(32)
    pipeline = NaivePipeline(bundle, batch_size=int(batch_size))
    try:
        measure(pipeline, pictures, 2 * int(batch_size))
        _say({"ready": True, "torch": torch.__version__, "threads": torch.get_num_threads()})
        for line in sys.stdin:
            _say({"fps": measure(pipeline, pictures, json.loads(line)["count"])})
    finally:
        pipeline.stop()


def _say(packet: Mapping[str, object]) -> None:
    sys.stdout.write(json.dumps(packet) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])
