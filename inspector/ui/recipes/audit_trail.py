"""Records in the archive that a person has changed a recipe, on whichever page."""

import logging
from collections import deque
from dataclasses import dataclass
from pathlib import Path

from PySide6.QtCore import QObject

from inspector.archive.approval import record_recipe
from inspector.archive.recording.journal import archive_folder
from inspector.core.errors import InspectorError
from inspector.ui.widgets.work_thread import WorkThread

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Change:
    recipe: Path
    who: str


class AuditTrail(WorkThread[_Change]):
    """Records changes in order. `finish()` does so with all that were told before.

    Where there is no archive yet there is no audit trail: it begins with the first line that is recorded.
    """

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._changes: deque[_Change] = deque()

    def record(self, recipe: Path, who: str) -> None:
        """Have it recorded that this person has changed a recipe."""
        with self._telling():
            self._changes.append(_Change(recipe, who))

    def _take(self) -> _Change | None:
        return self._changes.popleft() if self._changes else None

    def _do(self, work: _Change) -> None:
        folder = archive_folder()
        if folder.is_dir():
            record_recipe(folder, work.recipe, who=work.who)

    def _failed(self, work: _Change, error: InspectorError) -> None:
        log.warning("A change of the recipe %s is not in the audit trail: %s", work.recipe, error)
