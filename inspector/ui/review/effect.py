"""What another recipe would change on the reviewed parts, counted a little at a time so that the window stays awake."""

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from PySide6.QtCore import QObject, QTimer, Signal

from inspector.core.types import Judgement, Prediction
from inspector.core.verdict import Verdict
from inspector.recipes.recipe import Recipe
from inspector.recipes.verdict import as_then, judge

_WAIT_MS: Final = 120  # after the last change of the recipe
_SLICE_S: Final = 0.02


@dataclass(frozen=True, slots=True)
class Judged:
    """A part's verdict and what it was made from."""

    verdict: Verdict
    predictions: tuple[Prediction, ...]
    judgements: tuple[Judgement, ...]


@dataclass(frozen=True, slots=True)
class Change:
    """Of `parts`, how many get another verdict, by that verdict."""

    parts: int
    to: Counter[Verdict]

    @property
    def count(self) -> int:
        return self.to.total()


class Effect(QObject):
    """Counts. `told` carries a `Change` when all parts are judged again; a newer question drops the older one."""

    told = Signal(object)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._work: Iterator[Change | None] = iter(())
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.timeout.connect(self._go_on)

    def ask(self, recipe: Recipe, parts: Sequence[Judged]) -> None:
        """Count what this recipe, complete, would change on these parts."""
        self._work = _counted(recipe, parts)
        self._timer.start(_WAIT_MS)

    def drop(self) -> None:
        """Forget the question."""
        self._timer.stop()
        self._work = iter(())

    def _go_on(self) -> None:
        until = time.monotonic() + _SLICE_S
        for change in self._work:
            if change is not None:
                self.told.emit(change)
                return
            if time.monotonic() > until:
                self._timer.start(0)
                return


def _counted(recipe: Recipe, parts: Sequence[Judged]) -> Iterator[Change | None]:
    """Yield None after every part, then the change."""
    to: Counter[Verdict] = Counter()
    for part in parts:
        verdict = judge(recipe, part.predictions, (), as_then(recipe, part.judgements)).verdict
        if verdict is not part.verdict:
            to[verdict] += 1
        yield None
    yield Change(len(parts), to)
