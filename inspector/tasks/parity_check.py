"""The parity gate of a variant: its answers to the reference images compared with the trained network's.

numpy only. The caller provides the trained network's answers, from torch or from the graph that was compared with torch.
"""

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from inspector.bundles.bundle import Bundle
from inspector.bundles.reference import Reference
from inspector.bundles.variants import Parity
from inspector.core.errors import EngineError
from inspector.core.message import message
from inspector.core.sentence import sentence
from inspector.core.types import Annotation, Floats, Prediction
from inspector.imaging.preprocessing import Prepared
from inspector.tasks.base import task_of
from inspector.tasks.parity import Limits, compare
from inspector.tasks.statistics.truth import input_frame, input_view

Infer = Callable[[Prepared], Floats]  # prepared frames [N, H, W, C] -> the graph's output [N, ...]
_BATCH = 8
_COLOURED = 16  # number of images on which the trained network is also run with red and blue exchanged


class Gate:
    """The reference images of a bundle and the trained network's answers to them."""

    def __init__(
        self, bundle: Bundle, reference: Reference, trained: Infer, *, tick: Callable[[], None] = lambda: None
    ) -> None:
        """Runs `trained`, which answers like the trained network, on every judged image. `tick`: called for each batch."""
        self._card = bundle.card
        self._tick = tick
        judged = list(reference.judged)
        self._frames = reference.frames[judged]
        spec, task = bundle.card.input, task_of(bundle.card.task)
        self._truths = [task.truth({name: array[row] for name, array in reference.targets.items()}, spec) for row in judged]
        self._expected = self.answers(trained, range(len(judged)))
        shown = self._coloured()
        self._colours = None if shown is None else [_outputs(trained, one) for one in (shown, shown[..., ::-1])]

    def __len__(self) -> int:
        return len(self._frames)

    def answers(self, infer: Infer, rows: Sequence[int]) -> list[Prediction]:
        """Return a graph's predictions for these judged images, decoded as in the station. Raises EngineError for NaN."""
        card, geometry = self._card, input_view(self._card.input)
        size = min(_BATCH, card.max_batch)
        found: list[Prediction] = []
        for start in range(0, len(rows), size):
            piece = list(rows[start : start + size])
            self._tick()
            raw = infer(np.ascontiguousarray(self._frames[piece]))
            if not np.isfinite(raw).all():
                raise EngineError("The graph of {bundle} gave values that are not numbers.", bundle=card.name)
            frames = [input_frame(self._frames[row], card.input, row) for row in piece]
            found += task_of(card.task).decode(raw, card, [geometry] * len(piece), frames)
        return found

    def distance(self, infer: Infer, rows: Sequence[int], *, limits: Limits) -> Parity:
        """Return the parity of a graph with the trained network on some of the judged images."""
        return self._compare(infer, rows, limits=limits, files={})

    def judge(self, infer: Infer, *, limits: Limits, files: Mapping[str, str]) -> Parity:
        """Compare a graph with the trained network on all judged images.

        `files`: SHA-256 of the files for which the result is valid. Scores of a network that hardly needs colours change little
        if red and blue are exchanged. The whole output is therefore checked too: it must be nearer to the trained network's
        output for these images than to that for images with exchanged colours.
        """
        parity = self._compare(infer, range(len(self)), limits=limits, files=files)
        shown = self._coloured()
        if parity.refused is None and shown is not None and self._colours is not None:
            found = _outputs(infer, shown)
            right, exchanged = (float(np.square(found - answer, dtype=np.float64).sum()) for answer in self._colours)
            if exchanged < right:
                reason = message("it answers as the trained network does when red and blue are exchanged.")
                parity = parity.model_copy(update={"refused": sentence(reason)})
        return parity

    def _compare(self, infer: Infer, rows: Sequence[int], *, limits: Limits, files: Mapping[str, str]) -> Parity:
        expected: list[Prediction] = [self._expected[row] for row in rows]
        truths: list[Annotation] = [self._truths[row] for row in rows]
        return compare(expected, self.answers(infer, rows), truths, self._card, limits=limits, files=files)

    def _coloured(self) -> Prepared | None:
        return self._frames[:_COLOURED] if self._card.input.channels == 3 else None


def _outputs(infer: Infer, frames: Prepared) -> Floats:
    return np.concatenate([infer(np.ascontiguousarray(frames[row : row + 1])) for row in range(len(frames))])
