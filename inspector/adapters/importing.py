"""The import of a foreign graph: recognised, completed to a bundle's graph, compared with its own runtime, written."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from inspector import __version__
from inspector.adapters.assembly import completed
from inspector.adapters.base import Adapter, Wishes
from inspector.adapters.graph import FLOAT, FLOAT16, UINT8, Session, read_graph
from inspector.adapters.runtime import Picture, see
from inspector.bundles.bundle import GRAPH, Bundle, Card, write_bundle
from inspector.bundles.reference import REFERENCE, Reference, pack_reference
from inspector.bundles.variants import Parity
from inspector.core.errors import ConfigError, EngineError
from inspector.core.message import Message
from inspector.core.registry import ENGINES, Entry
from inspector.core.storage.temporary import temporary_folder
from inspector.core.types import Annotation, Boxes, Frame, Masks, Prediction, Scores
from inspector.data.formats.names import spread
from inspector.imaging.files import image_files, read_image
from inspector.imaging.preprocessing import Prepared, prepare, view, whole, wrong_unit
from inspector.tasks.base import task_of
from inspector.tasks.masks import class_map
from inspector.tasks.parity import Limits, compare
from inspector.tasks.statistics.truth import input_frame, input_view

# In the order in which they are asked.
FAMILIES: Mapping[str, Entry] = MappingProxyType(
    {
        "ultralytics": Entry("inspector.adapters.ultralytics:Ultralytics", "Ultralytics YOLO", extra="train"),
        "detr": Entry("inspector.adapters.detr:Detr", "RF-DETR, D-FINE, RT-DETR", extra="train"),
        "anomalib": Entry("inspector.adapters.anomaly:Anomalib", "anomalib", extra="train"),
        "plain": Entry("inspector.adapters.plain:Plain", "Classifier or segmentation", extra="train"),
    }
)
COMPARED = 128  # pictures of a folder that are compared, at most
LIMITS = Limits(drop=0.02, flips=0.02, mean=0.02)
FEWEST = 8  # reference pictures for calibration, and for judging
_CALIBRATION = 40
_CHECKED_ENGINES = ("onnxruntime", "openvino")  # run the bundle's own graph without a gate


@dataclass(frozen=True, slots=True)
class Row:
    """One picture: what the family's own runtime finds, what the bundle finds, and how far their scores differ."""

    name: str
    there: str
    here: str
    difference: float
    engine: str


@dataclass(frozen=True, slots=True)
class Compared:
    """The comparison on all pictures: one parity and one row a picture for each engine. `problems`: pictures left out."""

    rows: tuple[Row, ...]
    parities: Mapping[str, Parity]
    problems: tuple[Message, ...]

    @property
    def refused(self) -> str:
        """Why the bundle must not be used, or ""."""
        return next((one.refused.text for one in self.parities.values() if one.refused is not None), "")


@dataclass(frozen=True, slots=True)
class Imported:
    """The bundle and its comparison."""

    bundle: Bundle
    compared: Compared


def recognised(file: Path, wishes: Wishes) -> Adapter:
    """Return the adapter of the first family that knows the graph. Raises ConfigError."""
    graph = read_graph(file)
    if graph.image.kind not in (FLOAT, FLOAT16, UINT8):
        raise ConfigError(
            "{file} cannot be imported: pictures are float32, float16 or uint8; {found}.", file=file, found=graph.described
        )
    if graph.image.shape[0] not in (None, 1):
        raise ConfigError(
            "{file} cannot be imported: it takes {count} pictures at once.",
            remedy="Export it for one picture, or for any number.",
            file=file,
            count=graph.image.shape[0],
        )
    for entry in FAMILIES.values():
        adapter: Adapter | None = entry.load().recognise(graph, wishes)
        if adapter is not None:
            return adapter
    raise ConfigError(
        "{file} is of no kind that is known; {found}.",
        remedy="Known are: {families}.",
        file=file,
        found=graph.described,
        families=", ".join(entry.label for entry in FAMILIES.values()),
    )


def import_bundle(
    file: Path,
    out: Path,
    pictures: Path,
    *,
    wishes: Wishes,
    name: str = "",
    ok_classes: Sequence[str] = (),
    tick: Callable[[int, int], None] = lambda done, total: None,
) -> Imported:
    """Write the bundle of a foreign graph at `out`, once it agrees with its own runtime on the pictures of a folder.

    Raises ConfigError (graph, pictures, classes), EngineError (it does not agree, or an engine cannot run it), StorageError.
    """
    adapter = recognised(file, wishes)
    unknown = [one for one in ok_classes if one not in adapter.plan.classes]
    if unknown:
        raise ConfigError(
            "{file} has no class {name!r}.",
            remedy="Choose the good classes among: {classes}.",
            file=file,
            name=unknown[0],
            classes=", ".join(adapter.plan.classes),
        )
    files = _chosen(pictures)
    graph, batch = completed(adapter)
    card = _card(adapter, name or file.stem, ok_classes, batch, file)
    data = graph.SerializeToString()

    def fill(folder: Path) -> None:
        (folder / GRAPH).write_bytes(data)

    with temporary_folder() as place:
        trial = write_bundle(place / "bundle", card, fill)
        compared, reference = _compare(adapter, trial, pictures, files, tick)
        if compared.refused:
            raise NotAlike(
                "{file} does not judge here as it does in its own runtime: {reason}",
                remedy="Give what its training had: --fit, --size, --mean and --std, --classes.",
                compared=compared,
                file=file,
                reason=compared.refused,
            )
    packed = pack_reference(reference)

    def fill_all(folder: Path) -> None:
        fill(folder)
        (folder / REFERENCE).write_bytes(packed)

    parities = compared.parities.values()
    known = {
        "compared": max(one.images for one in parities),
        "difference": max(one.max_difference for one in parities),
    }
    final = card.model_copy(update={"training": {**card.training, **known}})
    return Imported(write_bundle(out, final, fill_all), compared)


class NotAlike(EngineError):
    """A graph whose bundle answers otherwise than its own runtime. `compared`: picture by picture."""

    def __init__(self, problem: str, *, compared: Compared, remedy: str = "", **values: object) -> None:
        super().__init__(problem, remedy=remedy, **values)
        self.compared = compared


def _card(adapter: Adapter, name: str, ok_classes: Sequence[str], batch: int, file: Path) -> Card:
    plan = adapter.plan
    known = ("version", "task", "license")
    said = {key: adapter.graph.metadata[key][:200] for key in known if key in adapter.graph.metadata}
    return Card(
        name=name[:80],
        task=plan.task,
        network=adapter.family,
        family=adapter.family,
        classes=plan.classes,
        ok_classes=tuple(ok_classes) or plan.ok_classes,
        input=plan.input,
        mean=plan.mean,
        std=plan.std,
        thresholds=plan.thresholds,
        training={"imported": file.name, **said},
        created=datetime.now(UTC),
        software=__version__,
        max_batch=batch,
    )


def _chosen(pictures: Path) -> list[Path]:
    """Return at most COMPARED pictures of a folder, evenly spread. Raises ConfigError if the folder cannot be read."""
    try:
        return list(spread(image_files(pictures, recursive=True, masks=False), COMPARED))
    except OSError as error:
        raise ConfigError(
            "The folder {folder} cannot be read ({detail}).", folder=pictures, detail=error.strerror or error
        ) from error


def _frame(file: Path, sequence: int, adapter: Adapter, problems: list[Message]) -> Frame | None:
    """Return the frame of a picture; None, with a problem where it is not its depth, for one that cannot be compared."""
    try:
        image = read_image(file)
    except ConfigError as error:
        problems.append(error.problem)
        return None
    frame = Frame(image.pixels, "import", sequence, 0.0, datetime.now(UTC), image.unit, source=str(file), bits=image.bits)
    problem = wrong_unit(adapter.plan.input, frame, adapter.graph.file.stem, name=str(file))
    if problem is not None:
        problems.append(problem)
    return frame if problem is None and frame.pixels.dtype == np.uint8 else None


def _compare(
    adapter: Adapter, bundle: Bundle, pictures: Path, files: Sequence[Path], tick: Callable[[int, int], None]
) -> tuple[Compared, Reference]:
    """Return the comparison, and the reference images. One picture after the other: 128 large ones would fill the memory.

    Raises ConfigError if no picture can be compared.
    """
    card, task = bundle.card, task_of(bundle.card.task)
    session = Session(adapter.graph)
    engines = {name: ENGINES[name].load()(bundle) for name in _CHECKED_ENGINES}
    found: dict[str, list[Prediction]] = {name: [] for name in engines}
    expected, own, problems = list[Prediction](), list[Prediction](), list[Message]()
    names, inputs = list[str](), list[Prepared]()
    try:
        for row, file in enumerate(files):
            tick(row, len(files))
            frame = _frame(file, row, adapter, problems)
            if frame is None:
                continue
            pixels = prepare(frame.pixels, card.input, bits=frame.bits)
            names.append(frame.source)
            inputs.append(pixels)
            expected.append(_there(adapter, session, frame, card))
            geometry = view(whole(frame.pixels), card.input, frame.camera)
            answers = {name: engine.infer(pixels[None]) for name, engine in engines.items()}
            if not all(np.isfinite(raw).all() for raw in answers.values()):
                raise EngineError("The graph of {bundle} gave values that are not numbers.", bundle=card.name)
            for name, raw in answers.items():
                found[name] += task.decode(raw, card, [geometry], [frame])
            seen = [input_view(card.input)], [input_frame(pixels, card.input, row)]
            own += task.decode(answers[_CHECKED_ENGINES[0]], card, *seen)
    finally:
        for engine in engines.values():
            engine.close()
    if not names:
        raise ConfigError(
            "{folder} holds no picture of 8 bits that the network could be compared on.",
            remedy="Give a folder with pictures of parts, good and bad: --images FOLDER.",
            folder=pictures,
        )
    truths = [_as_truth(one, card) for one in expected]
    parities = {name: compare(expected, here, truths, card, limits=LIMITS, files=card.files) for name, here in found.items()}
    rows = [
        Row(source, _words(there, card), _words(here, card), task.difference(there, here, card), name)
        for name, all_here in found.items()
        for source, there, here in zip(names, expected, all_here, strict=True)
    ]
    return Compared(tuple(rows), parities, tuple(problems)), _reference(card, np.stack(inputs), own)


def _there(adapter: Adapter, session: Session, frame: Frame, card: Card) -> Prediction:
    """Return what the family's own runtime says of a frame."""
    plan = adapter.plan
    pixels = np.asarray(frame.pixels, np.uint8)
    picture: Picture = pixels if pixels.ndim == 3 else np.repeat(pixels[..., None], 3, axis=2)
    seen = see(picture, plan.input)
    normal = (seen.pixels - np.asarray(plan.mean, np.float32)) / np.asarray(plan.std, np.float32)
    batch = normal[None] if not adapter.graph.channels_first else normal.transpose(2, 0, 1)[None]
    outputs = session.run(np.ascontiguousarray(batch, np.float32), plan.constants)
    region = view(whole(frame.pixels), plan.input).region
    return Prediction(card.name, card.task, frame.camera, card.classes, region, adapter.answer(outputs, seen))


def _as_truth(prediction: Prediction, card: Card) -> Annotation:
    """Return a prediction as if a person had labelled it: what the threshold of the card leaves."""
    limit = task_of(card.task).threshold(card)
    match prediction.answer:
        case Scores() as scores:
            return Annotation(label=scores.best)
        case Boxes() as boxes:
            return Annotation(boxes=boxes.at_least(limit))
        case Masks():
            mask = class_map(prediction, limit)
            region = prediction.region
            full: Any = np.zeros((region.bottom, region.right), np.uint8)
            full[region.y :, region.x :] = mask
            return Annotation(mask=full)
        case _:
            raise TypeError(f"an imported network does not answer with {type(prediction.answer).__name__}")


def _words(prediction: Prediction, card: Card) -> str:
    """Return what is found above the threshold, in a few words."""
    limit = task_of(card.task).threshold(card)
    match prediction.answer:
        case Scores() as scores:
            return f"{card.classes[scores.best]} {scores.values[scores.best]:.3f}"
        case Boxes() as boxes:
            counts = np.bincount(boxes.at_least(limit).classes, minlength=len(card.classes))
        case Masks():
            counts = np.bincount(class_map(prediction, limit).ravel(), minlength=len(card.classes) + 1)[1:]
        case _:
            raise TypeError(f"an imported network does not answer with {type(prediction.answer).__name__}")
    unit = " px" if isinstance(prediction.answer, Masks) else ""
    return ", ".join(f"{card.classes[index]} {count}{unit}" for index, count in enumerate(counts) if count) or "-"


def _reference(card: Card, inputs: Prepared, found: Sequence[Prediction]) -> Reference:
    """Return the reference images: every other picture for calibration, and what the graph itself says of them as truth."""
    calibration = min(_CALIBRATION, len(inputs) // 2) if len(inputs) >= 2 * FEWEST else 0
    first: list[int] = np.unique(np.linspace(0, len(inputs) - 1, 2 * calibration).round().astype(int))[::2].tolist()
    order = [*first, *(row for row in range(len(inputs)) if row not in set(first))]
    geometry = input_view(card.input)
    targets = [task_of(card.task).encode(_as_truth(found[row], card), card, geometry) for row in order]
    stacked = {name: np.stack([one[name] for one in targets]) for name in targets[0]}
    return Reference(np.ascontiguousarray(inputs[order]), stacked, len(first))
