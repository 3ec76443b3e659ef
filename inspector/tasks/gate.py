"""The gate that a variant of a bundle must pass: its answers to the reference images against the trained network's.

Numpy only; who answers, torch or an engine, is the caller's.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime

import numpy as np

from inspector.core.bundle import Bundle
from inspector.core.errors import EngineError
from inspector.core.images import Prepared
from inspector.core.reference import Reference
from inspector.core.types import Annotation, Floats, Frame, Prediction, Unit
from inspector.core.variants import Parity
from inspector.tasks.base import task_of
from inspector.tasks.parity import Limits, compare
from inspector.tasks.truth import input_view, truth_of

Infer = Callable[[Prepared], Floats]  # prepared frames [N, H, W, C] -> the graph's output [N, ...]
_BATCH = 8


class Gate:
    """The reference images of a bundle with the trained network's answers to them."""

    def __init__(
        self, bundle: Bundle, reference: Reference, trained: Infer, *, tick: Callable[[], None] = lambda: None
    ) -> None:
        """Asks `trained` about every judged image. `tick` is called for each batch, also later."""
        self._card = bundle.card
        self._tick = tick
        judged = list(reference.judged)
        self._frames = reference.frames[judged]
        spec = bundle.card.input
        self._truths = [truth_of({name: array[row] for name, array in reference.targets.items()}, spec) for row in judged]
        self._expected = self.answers(trained, range(len(judged)))

    def __len__(self) -> int:
        return len(self._frames)

    def answers(self, infer: Infer, rows: Sequence[int]) -> list[Prediction]:
        """What a graph says of these judged images, decoded as the station does. Raises EngineError for NaN."""
        card, geometry = self._card, input_view(self._card.input)
        kelvin = card.input.kind == "kelvin"
        size = min(_BATCH, card.max_batch)
        found: list[Prediction] = []
        for start in range(0, len(rows), size):
            piece = list(rows[start : start + size])
            self._tick()
            raw = infer(np.ascontiguousarray(self._frames[piece]))
            if not np.isfinite(raw).all():
                raise EngineError("The graph of {bundle} gave values that are not numbers.", bundle=card.name)
            pictures = [pixels[..., 0] if pixels.shape[-1] == 1 else pixels for pixels in self._frames[piece]]
            unit: Unit = "kelvin" if kelvin else "intensity"
            frames = [
                Frame(picture, "reference", row, 0.0, datetime.now(UTC), unit)
                for row, picture in zip(piece, pictures, strict=True)
            ]
            found += task_of(card.task).decode(raw, card, [geometry] * len(piece), frames)
        return found

    def judge(self, infer: Infer, *, limits: Limits, files: Mapping[str, str], rows: Sequence[int] | None = None) -> Parity:
        """Hold a graph against the trained network, on all judged images or only on those in `rows`."""
        rows = range(len(self)) if rows is None else rows
        expected: list[Prediction] = [self._expected[row] for row in rows]
        truths: list[Annotation] = [self._truths[row] for row in rows]
        return compare(expected, self.answers(infer, rows), truths, self._card, limits=limits, files=files)
