"""Quality of a graph on labelled samples, measured identically for the trainer and every engine. Needs no torch."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import islice

import numpy as np

from inspector.bundles.bundle import Card
from inspector.core.errors import ConfigError
from inspector.core.message import Message, message
from inspector.core.types import Annotation, Floats, Frame, Prediction, Region
from inspector.data.samples import Sample
from inspector.imaging.files import read_image
from inspector.imaging.preprocessing import Prepared, View, prepare, view, whole, wrong_unit
from inspector.tasks.base import Metrics, task_of

Infer = Callable[[Prepared], Floats]


@dataclass(frozen=True, slots=True, eq=False)
class Item:
    """One frame to be measured: the network's input, its position in the frame, the frame, and its truth.

    `tiles`: the regions that are answered one by one, if the frame is inspected in tiles.
    """

    pixels: Prepared
    view: View
    frame: Frame
    truth: Annotation
    group: str = ""
    name: str = ""
    tiles: tuple[Region, ...] = ()


def measure(infer: Infer, card: Card, items: Iterable[Item], *, batch: int = 16) -> Metrics:
    """Run `infer` over the items, decode as in the station, and compare with the truth."""
    metrics = task_of(card.task).metrics(card)
    for item, prediction in predict_items(infer, card, items, batch=batch):
        metrics.update(prediction, item.truth, group=item.group)
    return metrics


def predict_items(infer: Infer, card: Card, items: Iterable[Item], *, batch: int = 16) -> Iterator[tuple[Item, Prediction]]:
    """Yield every item with its prediction, decoded as in the station."""
    task = task_of(card.task)
    rows = ((item, *row) for item in items for row in _inputs(item, card))
    found: list[Prediction] = []  # of the item under way
    while piece := list(islice(rows, min(batch, card.max_batch))):
        raw = infer(np.stack([pixels for _, pixels, _ in piece]))
        predictions = task.decode(raw, card, [place for _, _, place in piece], [item.frame for item, _, _ in piece])
        for (item, _, _), prediction in zip(piece, predictions, strict=True):
            if not item.tiles:
                yield item, prediction
                continue
            found.append(prediction)
            if len(found) == len(item.tiles):
                region = item.view.region
                answer = task.join([(one.region, one.answer) for one in found], region, card)
                yield item, replace(prediction, region=region, answer=answer)
                found = []


def _inputs(item: Item, card: Card) -> Iterator[tuple[Prepared, View]]:
    """Yield the network's inputs for an item, and where they lie in its frame."""
    if not item.tiles:
        yield item.pixels, item.view
    for tile in item.tiles:
        yield prepare(item.frame.pixels, card.input, tile, bits=item.frame.bits), view(tile, card.input)


def sample_items(
    samples: Iterable[Sample], card: Card, *, problems: list[Message], tick: Callable[[], None] = lambda: None
) -> Iterator[Item]:
    """Yield the items of labelled files as whole frames. Each unreadable file adds a message to `problems`."""
    for sequence, sample in enumerate(samples):
        tick()
        try:
            image = read_image(sample.path)
            truth = sample.annotation(image.pixels.shape[0], image.pixels.shape[1])
        except ConfigError as error:
            problems.append(error.problem)
            continue
        now = datetime.now(UTC)
        frame = Frame(image.pixels, "data", sequence, 0.0, now, image.unit, source=str(sample.path), bits=image.bits)
        problem = wrong_unit(card.input, frame, card.name, name=str(sample.path))
        if problem is not None:
            problems.append(problem)
            continue
        region = sample.region or whole(image.pixels)
        tiling = None if sample.region else card.tiles
        misfit = None if tiling is None else tiling.misfit(region)
        if misfit is not None:
            problems.append(message("{file}: {problem}", file=sample.path, problem=misfit))
            continue
        tiles = () if tiling is None else tuple(tiling.tiles(region))
        pixels = prepare(image.pixels, card.input, region, bits=image.bits)
        yield Item(pixels, view(region, card.input), frame, truth, sample.group, sample.name, tiles)


def rounded(numbers: dict[str, float]) -> dict[str, float]:
    """Round numbers to six significant digits for a card or a person."""
    return {name: float(f"{value:.6g}") for name, value in numbers.items()}
