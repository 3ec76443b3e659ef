"""Large images in tiles beside SAHI with ONNX Runtime: the same graph, the same tiles and overlap.

SAHI is F. C. Akyon, S. O. Altinuc, A. Temizel, "Slicing aided hyper inference and fine-tuning for small object detection", ICIP
2022; `pip install sahi`. It runs the graph of the bundle in batches, with its own slicing and joining around it; what prepares
a tile and decodes the graph's output is ours on both sides. Its boxes are joined by NMS, with which it finds most here (mAP50
0.93; its default, GREEDYNMM, makes one larger box of several: 0.70, SAHI 0.12.8). Each side is a process of its own, whose
memory is its own: `python -P -m inspector.bench.line.tiles SIDE FOLDER BUNDLE ENGINE PRECISION BATCH`.
"""

import importlib.util
import json
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

import numpy as np
import psutil

from inspector.bench.frames import Picture
from inspector.bench.making import exported, shipped
from inspector.bench.sides import Asked
from inspector.bundles.bundle import Bundle
from inspector.cameras.demo.line import PLATE, PLATE_CLASSES, DemoLine
from inspector.core.errors import JobError
from inspector.core.storage.temporary import temporary_folder
from inspector.core.types import Annotation, Boxes, Floats, Frame, Precision, Prediction
from inspector.imaging.preprocessing import prepare, view, whole
from inspector.imaging.tiling import Tiling
from inspector.recipes.automatic import CAMERA, recipe_for
from inspector.station.part_inspector import PartInspector
from inspector.tasks.base import task_of
from inspector.tasks.metrics import DetectionMetrics

if TYPE_CHECKING:
    from sahi.models.base import DetectionModel

WIDTH, HEIGHT = 4096, 3072
TILE, OVERLAP = PLATE.width, PLATE.width // 5
SCORE = 0.25  # least score of a box that is kept, on both sides
_COLUMNS, _ROWS = WIDTH // PLATE.width, HEIGHT // PLATE.height
_LEFT, _TOP = (WIDTH - _COLUMNS * PLATE.width) // 2, (HEIGHT - _ROWS * PLATE.height) // 2
_GREY = 90


@dataclass(frozen=True, slots=True)
class TileSide:
    """Medians over the rounds of one side. `seconds`, `cpu_seconds`: a frame's; `memory_mb`: the largest of its process."""

    seconds: float
    cpu_seconds: float
    memory_mb: float
    map50: float
    boxes: int


@dataclass(frozen=True, slots=True)
class TileCost:
    """Ours and SAHI's; None where that package is not installed.

    `speed`, `cpu_speed`: frames a second over SAHI's in the same round, by the clock and by processor time; `memory`: ours over
    SAHI's; `difference`: our mAP50 less SAHI's.
    """

    engine: str
    precision: Precision
    frames: int
    tiles: int
    ours: TileSide
    sahi: TileSide | None
    speed: float | None
    cpu_speed: float | None
    memory: float | None
    difference: float | None


def bench_tiles(
    *,
    engine: str = "openvino",
    precision: Precision = "fp32",
    frames: int = 3,
    rounds: int = 5,
    batch: int = 8,
    seed: int = 2026,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> TileCost:
    """Inspect frames of 4096 x 3072 px full of the demo line's plates, which no training saw, by both sides in turn.

    Raises JobError or ConfigError, also where the variant cannot be made here.
    """
    with temporary_folder() as folder:
        truths = _write(folder, frames, seed)
        original = shipped("detection")
        bundle = exported(original, engine, precision, out=folder / "variant")
        words = {"ours": (bundle, engine, precision), "sahi": (original, "onnxruntime", "fp32")}
        names = ["ours", "sahi"] if importlib.util.find_spec("sahi") else ["ours"]
        taken: dict[str, list[tuple[float, float]]] = {name: [] for name in names}
        with ExitStack() as stack:
            sides = {name: stack.enter_context(_Process(name, folder, *words[name], batch)) for name in names}
            for number in range(rounds):
                progress(number, rounds)
                for name, side in sides.items():
                    taken[name].append(side.round())
            classes = Bundle.open(bundle).card.classes
            ended = {name: _judged(side.end(), taken[name], truths, classes) for name, side in sides.items()}
    ours, other = ended["ours"], ended.get("sahi")
    ratios: tuple[float | None, ...] = (None, None, None, None)
    if other is not None:
        both = list(zip(taken["ours"], taken["sahi"], strict=True))
        speed, cpu = (median(theirs[index] / mine[index] for mine, theirs in both) for index in (0, 1))
        ratios = speed, cpu, ours.memory_mb / other.memory_mb, ours.map50 - other.map50
    tiles = len(Tiling(size=TILE, overlap=OVERLAP).tiles(whole(np.empty((HEIGHT, WIDTH), np.uint8))))
    return TileCost(engine, precision, frames, tiles, ours, other, *ratios)


def mosaic(line: DemoLine, start: int) -> tuple[Picture, Boxes]:
    """Return a frame uint8 [3072, 4096, 3] of the plates of parts from `start` on, and the boxes of their defects."""
    pixels = np.full((HEIGHT, WIDTH, 3), _GREY, np.uint8)
    found: list[Boxes] = []
    for number in range(_COLUMNS * _ROWS):
        frame, truth = line.visible(start + number)
        x, y = _LEFT + number % _COLUMNS * PLATE.width, _TOP + number // _COLUMNS * PLATE.height
        pixels[y : y + PLATE.height, x : x + PLATE.width] = frame[PLATE.y : PLATE.bottom, PLATE.x : PLATE.right]
        if truth.boxes is not None:
            shift = np.array([x - PLATE.x, y - PLATE.y] * 2, np.float32)
            found.append(Boxes(truth.boxes.xyxy + shift, truth.boxes.scores, truth.boxes.classes))
    return pixels, _together(found)


def _together(boxes: Sequence[Boxes]) -> Boxes:
    if not boxes:
        return Boxes.empty()
    return Boxes(*(np.concatenate([getattr(own, name) for own in boxes]) for name in ("xyxy", "scores", "classes")))


def _write(folder: Path, count: int, seed: int) -> list[Boxes]:
    line, truths = DemoLine(seed, good=0.1), []
    for number in range(count):
        pixels, boxes = mosaic(line, number * _COLUMNS * _ROWS)
        np.save(folder / f"{number}.npy", pixels)
        truths.append(boxes)
    return truths


def _judged(
    said: dict[str, Any], taken: Sequence[tuple[float, float]], truths: Sequence[Boxes], classes: tuple[str, ...]
) -> TileSide:
    metrics = DetectionMetrics(classes, score=SCORE)
    everything = whole(np.empty((HEIGHT, WIDTH), np.uint8))
    places = np.array([classes.index(name) for name in PLATE_CLASSES])
    count = 0
    for found, truth in zip(said["boxes"], truths, strict=True):
        rows = np.array(found, np.float32).reshape(-1, 6)
        rows = rows[np.argsort(-rows[:, 4], kind="stable")]
        boxes = Boxes(rows[:, :4], rows[:, 4], rows[:, 5].astype(np.int64)).at_least(SCORE)
        count += len(boxes)
        real = Annotation(boxes=Boxes(truth.xyxy, truth.scores, places[truth.classes]))
        metrics.update(Prediction("", "detection", CAMERA, classes, everything, boxes), real)
    seconds, cpu = (median(one[index] for one in taken) / len(truths) for index in (0, 1))
    return TileSide(seconds, cpu, float(said["memory_mb"]), metrics.compute()["map50"], count)


class _Process(Asked):
    """The process of one side, which has inspected every frame once when it is ready."""

    def __init__(self, name: str, folder: Path, bundle: Path, engine: str, precision: str, batch: int) -> None:
        super().__init__("inspector.bench.line.tiles", name, folder, bundle, engine, precision, str(batch))

    def round(self) -> tuple[float, float]:
        """Inspect every frame; return the seconds by the clock and of processor time."""
        said = self._ask({})
        return float(said["seconds"]), float(said["cpu_seconds"])

    def end(self) -> dict[str, Any]:
        """Return the boxes [left, top, right, bottom, score, class] of each frame, and the largest memory in MB."""
        return self._ask({"end": True})


Inspect = Callable[[Picture], Floats]


def _ours(bundle: Path, engine: str, precision: Precision, batch: int) -> Inspect:
    recipe = recipe_for([bundle], "bench", engine=engine, precision=precision)
    tiled = tuple(one.model_copy(update={"tiles": Tiling(size=TILE, overlap=OVERLAP)}) for one in recipe.inspect)
    recipe = recipe.model_copy(update={"inspect": tiled, "max_batch": batch})
    inspector = PartInspector(recipe, engine=engine, precision=precision)

    def inspect(pixels: Picture) -> Floats:
        judged = inspector.inspect({CAMERA: Frame(pixels, CAMERA, 0, time.monotonic(), datetime.now(UTC))})
        if not judged.predictions:
            raise JobError("A frame was not inspected: {detail}", detail="; ".join(one.text for one in judged.reasons))
        boxes = judged.predictions[0].expect(Boxes)
        return np.column_stack([boxes.xyxy, boxes.scores, boxes.classes]).astype(np.float32)

    return inspect


def _sahi(folder: Path, batch: int) -> Inspect:
    sys.modules["torch"] = None  # type: ignore[assignment]  # it would be loaded for nothing, and be most of the memory
    from sahi.predict import get_sliced_prediction

    bundle = Bundle.open(folder)
    model = _sahi_model(bundle)

    def inspect(pixels: Picture) -> Floats:
        result = get_sliced_prediction(
            pixels,
            model,
            slice_height=TILE,
            slice_width=TILE,
            overlap_height_ratio=OVERLAP / TILE,
            overlap_width_ratio=OVERLAP / TILE,
            perform_standard_pred=False,
            postprocess_type="NMS",
            batch_size=batch,
            verbose=0,
        )
        rows = [(*one.bbox.to_xyxy(), one.score.value, one.category.id) for one in result.object_prediction_list]
        return np.array(rows, np.float32).reshape(-1, 6)

    return inspect


def _sahi_model(bundle: Bundle) -> "DetectionModel":
    """Return a model of SAHI around the graph of a bundle in ONNX Runtime, as its guide to other frameworks says."""
    import onnxruntime
    from sahi.models.base import DetectionModel
    from sahi.prediction import ObjectPrediction

    card, task = bundle.card, task_of(bundle.card.task)
    session = onnxruntime.InferenceSession(str(bundle.folder / "model.onnx"), providers=["CPUExecutionProvider"])
    (given,) = session.get_inputs()

    class Graph(DetectionModel):  # type: ignore[misc]  # it is not installed where types are checked
        def load_model(self) -> None:
            self.set_model(session)

        def set_model(self, model: object, **_options: object) -> None:
            self.model = model
            self.category_mapping = {str(index): name for index, name in enumerate(card.classes)}

        def perform_inference(self, image: Picture | list[Picture]) -> None:
            images = image if isinstance(image, list) else [image]
            rows = np.stack([prepare(one, card.input) for one in images])
            (raw,) = session.run(None, {given.name: rows})
            views = [view(whole(one), card.input) for one in images]
            self._original_predictions = task.decode(np.asarray(raw), card, views, [])

        def _create_object_prediction_list_from_original_predictions(
            self, shift_amount_list: Sequence[Sequence[int]] = (), full_shape_list: Sequence[Sequence[int]] = ()
        ) -> None:
            self._object_prediction_list_per_image = [
                [
                    ObjectPrediction(
                        bbox=box,
                        category_id=int(kind),
                        score=float(score),
                        category_name=card.classes[int(kind)],
                        shift_amount=shift,
                        full_shape=shape,
                    )
                    for box, score, kind in zip(boxes.xyxy.tolist(), boxes.scores, boxes.classes, strict=True)
                ]
                for boxes, shift, shape in (
                    (prediction.expect(Boxes).at_least(SCORE), shift, shape)
                    for prediction, shift, shape in zip(
                        self._original_predictions, shift_amount_list, full_shape_list, strict=True
                    )
                )
            ]

    return Graph(confidence_threshold=SCORE)


def _memory_mb() -> float:
    """Return the largest memory of this process so far, in MB."""
    if sys.platform == "win32":
        return float(psutil.Process().memory_info().peak_wset) / 1e6
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024) / 1e6


def _serve(inspect: Inspect, frames: Sequence[Picture]) -> None:
    found = [inspect(pixels).tolist() for pixels in frames]
    _tell({})
    for question in sys.stdin:
        if json.loads(question).get("end"):
            _tell({"boxes": found, "memory_mb": _memory_mb()})
            return
        began, cpu = time.monotonic(), time.process_time()
        found = [inspect(pixels).tolist() for pixels in frames]
        _tell({"seconds": time.monotonic() - began, "cpu_seconds": time.process_time() - cpu})


def _tell(answer: dict[str, object]) -> None:
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


def _main(side: str, folder: str, bundle: str, engine: str, precision: Precision, batch: str) -> None:
    frames = [np.load(path) for path in sorted(Path(folder).glob("*.npy"))]
    _serve(_sahi(Path(bundle), int(batch)) if side == "sahi" else _ours(Path(bundle), engine, precision, int(batch)), frames)


if __name__ == "__main__":
    _main(*sys.argv[1:])  # type: ignore[arg-type]
