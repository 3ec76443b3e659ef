"""Texts on the state of a training run: state, progress, quality, and outcome."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from PySide6.QtCore import QCoreApplication

from inspector.core.message import Message, fill, message
from inspector.core.registry import NETWORKS, TASKS
from inspector.runs.measures import measure_of
from inspector.training.state import LIVE, RunInfo, RunState
from inspector.ui.shell.strings import time_text
from inspector.ui.training.labels import minutes_text, task_word
from inspector.workers.outcome import Cause

_CONTEXT: Final = "runs"


@dataclass(frozen=True, slots=True)
class Sign:
    """The icon of a state and its palette colour."""

    icon: str
    color: str


SIGNS: Final[Mapping[RunState, Sign]] = {
    RunState.WAITING: Sign("clock", "muted"),
    RunState.RUNNING: Sign("start", "accent"),
    RunState.PAUSED: Sign("pause", "text"),
    RunState.SUSPENDED: Sign("warning", "review"),
    RunState.DONE: Sign("done", "ok"),
    RunState.CANCELLED: Sign("close", "muted"),
    RunState.FAILED: Sign("warning", "ng"),
    RunState.CRASHED: Sign("warning", "ng"),
    RunState.INTERRUPTED: Sign("warning", "ng"),
}


def sign_of(info: RunInfo) -> Sign:
    """Return the sign of a run; a finished run whose bundle should not judge parts has a warning."""
    return Sign("warning", "review") if info.warnings else SIGNS[info.state]


def state_word(info: RunInfo, turn: int = 0) -> str:
    """Return the state or the outcome in a word or two. `turn`: position among the waiting runs, from 1."""
    if info.state is RunState.WAITING and turn:
        return QCoreApplication.translate("runs", "Waits, number {turn}").format(turn=turn)
    if info.warnings:
        return QCoreApplication.translate("runs", "Done, with a warning")
    words = {
        RunState.WAITING: QCoreApplication.translate("runs", "Waits"),
        RunState.RUNNING: QCoreApplication.translate("runs", "Training"),
        RunState.PAUSED: QCoreApplication.translate("runs", "Paused"),
        RunState.SUSPENDED: QCoreApplication.translate("runs", "Suspended from outside"),
        RunState.DONE: QCoreApplication.translate("runs", "Done"),
        RunState.CANCELLED: QCoreApplication.translate("runs", "Cancelled"),
        RunState.FAILED: QCoreApplication.translate("runs", "Failed"),
        RunState.CRASHED: QCoreApplication.translate("runs", "Broken off"),
        RunState.INTERRUPTED: QCoreApplication.translate("runs", "Broken off"),
    }
    return words[info.state]


def phase_word(info: RunInfo) -> str:
    """Return the current phase of a live run in a few words; "" if the run is not live."""
    if info.state not in LIVE:
        return ""
    now = info.progress
    if now is None:
        return QCoreApplication.translate("runs", "Loading the training library (PyTorch); this takes some seconds")
    if now.phase == "train" and now.epoch:
        return QCoreApplication.translate("runs", "Epoch {epoch} of {epochs}").format(epoch=now.epoch, epochs=now.epochs)
    words = {
        "prepare": QCoreApplication.translate("runs", "Reading the images"),
        "folds": QCoreApplication.translate("runs", "Cross-validating"),
        "curve": QCoreApplication.translate("runs", "Learning from fewer images"),
        "test": QCoreApplication.translate("runs", "Measuring on the test images"),
        "report": QCoreApplication.translate("runs", "Writing the report"),
        "export": QCoreApplication.translate("runs", "Writing the bundle"),
    }
    return words.get(now.phase, QCoreApplication.translate("runs", "Starting"))


def left_text(info: RunInfo) -> str:
    """Return the time left as "about 12 min left"; "" if unknown."""
    seconds = info.seconds_left
    if seconds is None:
        return ""
    return QCoreApplication.translate("runs", "{time} left").format(time=minutes_text(seconds / 60))


def share_done(info: RunInfo) -> float | None:
    """Return the progress of a live run, 0 to 1; None if unknown."""
    now = info.progress
    if info.state is RunState.DONE:
        return 1.0
    if info.state not in LIVE and not info.resumable:
        return None
    if now is None:
        return 0.0
    if now.phase == "train" and now.epochs:
        return min((max(now.epoch, 1) - 1 + now.step / max(now.steps, 1)) / now.epochs, 1.0)
    return 1.0 if now.phase in ("test", "report", "export") else 0.0


def images_per_second(info: RunInfo) -> float | None:
    """Return the training images a second over the last epochs, including validation; None before the first epoch."""
    now, batch = info.progress, info.record.settings.get("batch")
    if not info.epoch_s or now is None or now.phase != "train" or not now.steps or not batch:
        return None
    return now.steps * float(batch) / info.epoch_s


def kind_text(info: RunInfo) -> str:
    """Return the task and the network."""
    settings = info.record.settings
    network = str(settings.get("network", ""))
    label = NETWORKS[network].label if network in NETWORKS else network
    task = settings.get("task")
    return f"{task_word(str(task))} · {label}" if task in TASKS else label


def measure_word(name: str) -> str:
    """Return the display name of a metric."""
    measure = measure_of(name.removeprefix("minus_"))
    return QCoreApplication.translate("measures", measure.label) if measure else name


def measure_text(name: str, value: float) -> str:
    """Return a number with its name: "Macro F1 0.931"."""
    measure = measure_of(name.removeprefix("minus_"))
    if measure is not None and measure.unit:
        return f"{measure_word(name)} {abs(value):.2f} {measure.unit}"
    return f"{measure_word(name)} {value:.3f}"


def best_text(info: RunInfo) -> str:
    """Return the best value so far, with its name; "" if there is none yet."""
    best = info.best
    return "" if best is None or not best.name or best.value is None else measure_text(best.name, best.value)


def when_text(info: RunInfo) -> str:
    """Return when the run was created, in local time."""
    return time_text(info.record.created)


def outcome_sentence(info: RunInfo) -> Message | None:
    """Return the outcome of a finished run, or what keeps it from going on, in one sentence; None if it runs."""
    outcome = info.outcome
    if outcome is None:
        return info.sentence
    if info.warnings:
        return info.warnings[0]
    if info.state is RunState.DONE:
        epochs, asked = (info.metric.epoch, info.metric.epochs) if info.metric else (0, 0)
        best, patience = info.best.epoch if info.best else 0, info.record.settings.get("patience")
        if epochs and asked and epochs < asked and best and patience and epochs - best >= patience:
            return message(
                "The training ended after {epochs} of {asked} {asked:|epoch|epochs}, because {patience} in a row brought "
                "nothing better; the "
                "best, epoch {best}, was kept.",
                epochs=epochs,
                asked=asked,
                patience=patience,
                best=best,
            )
        if epochs and asked and epochs < asked:
            return message(
                "The training ended after {epochs} of {asked} {asked:|epoch|epochs}, and its best epoch was kept.",
                epochs=epochs,
                asked=asked,
            )
        return message("The training is done.")
    if info.state is RunState.CANCELLED:
        return message("The training was cancelled and left no bundle.")
    if outcome.cause is Cause.PARENT:
        return message("The window that had started the training was closed or ended, and the training with it.")
    return outcome.problem


def facts(settings: Mapping[str, Any]) -> str:
    """Return the main settings: input size, epochs, batch."""
    text = QCoreApplication.translate("runs", "{width} × {height} px, {epochs} {epochs:|epoch|epochs}, batches of {batch}")
    return fill(text, **{name: settings.get(name, "?") for name in ("width", "height", "epochs", "batch")})
