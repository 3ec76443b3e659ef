"""The variants of a bundle compared on labelled images: size, quality, changed verdicts, and time."""

import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import islice
from statistics import median

from inspector.bundles.bundle import Bundle
from inspector.bundles.status import standings, strangers
from inspector.core.errors import ConfigError, InspectorError
from inspector.core.message import Message
from inspector.core.types import Floats, Precision, Prediction
from inspector.data.samples import Sample
from inspector.engines.base import Engine, open_engine
from inspector.imaging.preprocessing import Prepared
from inspector.ml.evaluate import Item, predict_items, sample_items
from inspector.tasks.base import Metrics, task_of
from inspector.tasks.parity import compare, limits_for
from inspector.tuning.variant_list import megabytes

_AT_ONCE = 16  # images judged by every variant before the next group
_WARM_UP = 3  # images excluded from the timing


@dataclass(frozen=True, slots=True)
class VariantRow:
    """One variant.

    `flips`: images whose verdict differs from that of the bundle's own graph, which is the first row. `ms`: median time of a
    single image. `problem`: why there are no numbers.
    """

    engine: str
    precision: str
    megabytes: float
    images: int = 0
    metric: str = ""
    value: float = 0.0
    flips: int = 0
    mean_difference: float = 0.0
    ms: float = 0.0
    problem: str = ""


class _Side:
    """One variant under measurement."""

    def __init__(self, bundle: Bundle, engine: Engine, name: str, precision: Precision) -> None:
        self.bundle, self.engine, self.name, self.precision = bundle, engine, name, precision
        self._metrics: Metrics = task_of(bundle.card.task).metrics(bundle.card)
        self._times: list[float] = []
        self._flips, self._apart, self._images = 0, 0.0, 0

    def judge(self, items: Sequence[Item]) -> list[Prediction]:
        """Return the predictions for these images, one by one, and record their time and quality."""
        found = [prediction for _, prediction in predict_items(self._infer, self.bundle.card, items, batch=1)]
        for item, prediction in zip(items, found, strict=True):
            self._metrics.update(prediction, item.truth, group=item.group)
        return found

    def note(self, expected: Sequence[Prediction], found: Sequence[Prediction], items: Sequence[Item]) -> None:
        """Record the difference between these predictions and those of the bundle's own graph."""
        truths = [item.truth for item in items]
        parity = compare(expected, found, truths, self.bundle.card, limits=limits_for(self.precision), files={})
        self._flips += parity.flips
        self._apart += parity.mean_difference * len(items)
        self._images += len(items)

    def row(self) -> VariantRow:
        primary = self._metrics.primary
        return VariantRow(
            self.name,
            self.precision,
            megabytes(self.bundle, self.name, self.precision),
            self._images,
            primary,
            float(self._metrics.compute()[primary]),
            self._flips,
            self._apart / self._images,
            1000 * median(self._times[_WARM_UP:] or self._times),
        )

    def _infer(self, batch: Prepared) -> Floats:
        began = time.perf_counter()
        answers = self.engine.infer(batch)
        self._times.append(time.perf_counter() - began)
        return answers


def measure_variants(
    bundle: Bundle,
    samples: Sequence[Sample],
    *,
    engine: str | None = None,
    problems: list[Message],
    tick: Callable[[], None] = lambda: None,
) -> list[VariantRow]:
    """Return a row for each available variant, the bundle's own graph first.

    All variants judge the same images in turn. `engine`: only the variants of this engine. Each unreadable file adds a sentence
    to `problems`. Raises ConfigError if no file can be read.
    """
    rows: list[VariantRow] = []
    with ExitStack() as stack:
        sides: list[_Side] = []
        for name, precision in standings(bundle):
            if engine not in (None, name):
                continue
            try:
                opened = stack.enter_context(open_engine(name, bundle, precision=precision))
            except InspectorError as error:
                size = megabytes(bundle, name, precision)
                rows.append(VariantRow(name, precision, size, problem=error.problem.text))
            else:
                sides.append(_Side(bundle, opened, name, precision))
        for (name, other), known in strangers(bundle).items():
            if engine in (None, name) and known.reason is not None:
                rows.append(VariantRow(name, other, megabytes(bundle, name, other), problem=known.reason.text))
        items = sample_items(samples, bundle.card, problems=problems, tick=tick)
        seen = 0
        while piece := list(islice(items, _AT_ONCE)):
            seen += len(piece)
            answers = [side.judge(piece) for side in sides]
            for side, found in zip(sides, answers, strict=True):
                side.note(answers[0], found, piece)
        if not seen:
            raise ConfigError("None of the {count} images can be read.", count=len(samples))
        return [*(side.row() for side in sides), *rows]
