"""The dialog with its real functions: recommendation for this computer, time estimate, and preflight checks."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from PySide6.QtWidgets import QWidget

from inspector.core.types import TaskName
from inspector.data.survey import Survey
from inspector.training.alternatives import Advice
from inspector.training.costs import busy_since, estimate_minutes, this_machine
from inspector.training.preflight import preflight
from inspector.training.recommend import recommend
from inspector.ui.shell.settings import Settings
from inspector.ui.training.new.dialog import TrainingDialog
from inspector.workers.load import Load


def training_dialog(settings: Settings, runs: Path, parent: QWidget | None = None) -> TrainingDialog:
    """Return a dialog that creates runs in the folder `runs`. The caller calls `end()` before the window closes."""
    before = Load.now()
    return TrainingDialog(
        settings,
        parent,
        advisor=_advise,
        estimator=_estimate,
        busy=lambda: busy_since(before),
        preflight=preflight,
        cards=_cards,
        runs=runs,
    )


def _advise(survey: Survey, task: TaskName, takt_s: float | None) -> Advice:
    return recommend(survey, task, takt_s=takt_s, hardware=this_machine())


def _estimate(settings: Mapping[str, Any], images: int) -> float:
    return estimate_minutes(settings, images, this_machine())


def _cards() -> int:
    return this_machine().gpus
