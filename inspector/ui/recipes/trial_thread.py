"""The thread that has the bundles of a recipe under construction look at the frames on display."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from PySide6.QtCore import QObject, Signal

from inspector.core.errors import InspectorError
from inspector.core.message import message
from inspector.core.types import Frame
from inspector.recipes.recipe import Recipe
from inspector.station.part_inspector import PartInspector
from inspector.ui.widgets.work_thread import WorkThread

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, eq=False)
class Trial:
    """A recipe, the folder of its bundles, and a frame of each camera."""

    recipe: Recipe
    base: Path | None
    frames: Mapping[str, Frame]


class TrialThread(WorkThread[Trial]):
    """Inspects the newest trial. `inspected` carries an Inspection, `failed` a Message."""

    inspected = Signal(object)
    failed = Signal(object)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._trial: Trial | None = None
        self._inspector: PartInspector | None = None
        self._opened: tuple[object, ...] = ()  # what the open engines were opened for

    def look(self, trial: Trial) -> None:
        """Inspect these frames next; an older trial that waits is dropped."""
        with self._telling():
            self._trial = trial

    def _take(self) -> Trial | None:
        trial, self._trial = self._trial, None
        return trial

    def _do(self, trial: Trial) -> None:
        try:
            self.inspected.emit(self._ready(trial).inspect(trial.frames))
        except InspectorError as error:
            self._close()
            self.failed.emit(error.problem)
        except Exception as error:
            log.exception("a frame could not be inspected")
            self._close()
            detail = f"{type(error).__name__}: {error}"
            self.failed.emit(message("The frame could not be inspected ({detail}).", detail=detail))

    def _ready(self, trial: Trial) -> PartInspector:
        """Return the inspector for this trial; rules do not need another one."""
        recipe = trial.recipe
        wanted = (recipe.inspect, recipe.engine, recipe.precision, tuple(recipe.cameras.items()), trial.base)
        if self._inspector is None or wanted != self._opened:
            self._close()
            self._inspector, self._opened = PartInspector(recipe, trial.base), wanted
        return self._inspector

    def _rest(self) -> None:
        self._close()

    def _close(self) -> None:
        if self._inspector is not None:
            self._inspector.close()
            self._inspector = None
