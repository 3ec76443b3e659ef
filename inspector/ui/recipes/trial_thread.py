"""The thread that has the bundles of a recipe under construction look at the frames on display."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from PySide6.QtCore import QObject, Signal

from inspector.core.errors import InspectorError
from inspector.core.types import Frame, Inspection
from inspector.recipes.recipe import Recipe
from inspector.station.part_inspector import PartInspector
from inspector.ui.widgets.work_thread import WorkThread

_IDLE_S: Final = 60.0  # without a trial after which the engines are closed


@dataclass(frozen=True, slots=True, eq=False)
class Trial:
    """A recipe, the folder of its bundles, and a frame of each camera."""

    recipe: Recipe
    base: Path | None
    frames: Mapping[str, Frame]


class TrialThread(WorkThread[tuple[int, Trial]]):
    """Inspects the newest trial. `inspected` carries an Inspection, `failed` a Message."""

    inspected = Signal(object)
    failed = Signal(object)
    _done = Signal(int, object)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent, idle_s=_IDLE_S)
        self._trial: Trial | None = None
        self._matter = 0  # number of what the trials are about; answers about an earlier matter are dropped
        self._inspector: PartInspector | None = None
        self._opened: tuple[object, ...] = ()  # what the open engines were opened for
        self._done.connect(self._deliver)

    def look(self, trial: Trial) -> None:
        """Inspect these frames next; an older trial that waits is dropped."""
        with self._telling():
            self._trial = trial

    def forget(self) -> None:
        """Drop the trial that waits, and the answer to the one in progress."""
        with self._telling(start=False):
            self._trial = None
            self._matter += 1

    def _take(self) -> tuple[int, Trial] | None:
        trial, self._trial = self._trial, None
        return (self._matter, trial) if trial is not None else None

    def _do(self, work: tuple[int, Trial]) -> None:
        matter, trial = work
        self._done.emit(matter, self._ready(trial).inspect(trial.frames))

    def _failed(self, work: tuple[int, Trial], error: InspectorError) -> None:
        self._rest()
        self._done.emit(work[0], error)

    def _deliver(self, matter: int, answer: Inspection | InspectorError) -> None:
        """Emit an answer on the window's thread."""
        if matter != self._matter:
            return
        if isinstance(answer, InspectorError):
            self.failed.emit(answer.problem)
        else:
            self.inspected.emit(answer)

    def _ready(self, trial: Trial) -> PartInspector:
        """Return the inspector for this trial; rules do not need another one."""
        recipe = trial.recipe
        wanted = (recipe.inspect, recipe.engine, recipe.precision, tuple(recipe.cameras.items()), trial.base)
        if self._inspector is None or wanted != self._opened:
            self._rest()
            self._inspector, self._opened = PartInspector(recipe, trial.base), wanted
        return self._inspector

    def _rest(self) -> None:
        if self._inspector is not None:
            self._inspector.close()
            self._inspector = None
