"""Trainings before the final one, for measurement only: folds, and subsets for the learning curve.

The result of each is kept in the run folder, so that an interrupted run does not repeat it.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from inspector.bundles.bundle import Card
from inspector.core.message import Message, message
from inspector.data.split import Split
from inspector.ml.train.checkpoint import identity, load_whole, save_whole
from inspector.ml.train.crossval import cross_validate, k_folds, learning_curve, learning_plan, learning_runs
from inspector.ml.train.run_folder import RunFolder
from inspector.runs.report import Folds, Learning
from inspector.runs.settings import TrainSettings
from inspector.tasks.base import Metrics, task_of
from inspector.workers.messages import EpochDone, Progress, Report

# Trains with these settings on this split, with the images repeated up to this number per epoch; measures on its test part.
# Returns the result and the seconds it took.
Train = Callable[[TrainSettings, Split, int, Report], tuple[Metrics, float]]

_LEAST_SHARE = 0.5  # of the fair share of the time limit; with less left per training, the final one begins


@dataclass(frozen=True, slots=True)
class Tried:
    """The results of the trainings, and the seconds they took."""

    folds: Folds | None = None
    learning: Learning | None = None
    seconds: float = 0.0


@dataclass(slots=True)
class _Done:
    """The finished trainings: their measurements as plain data, in order, and their total seconds."""

    metrics: list[dict[str, Any]] = field(default_factory=list)
    seconds: float = 0.0


class Trials:
    """The trainings before the final one, as set by `settings.folds` and `settings.learning_curve`.

    The folds do not use the test part of the split. The learning curve is measured on it, but nothing is selected by that.
    """

    def __init__(self, settings: TrainSettings, card: Card, split: Split, report: Report, folder: RunFolder | None) -> None:
        """`split`: the readable samples. Raises ConfigError if there are too few groups for this number of folds."""
        self._settings, self._card, self._split, self._report, self._folder = settings, card, split, report, folder
        both = (*split.train, *split.val)
        self._folds = k_folds(both, settings.folds, seed=settings.seed, val=settings.val) if settings.folds else []
        self._curve = learning_plan(split, seed=settings.seed) if settings.learning_curve else []
        self._who = identity(settings, str(card.dataset["fingerprint"]))
        self._done = _Done()
        self._begun, self._over = 0, False

    def run(self, train: Train, *, resume: bool = False) -> Tried:
        """Train and measure all, or as many as the time limit and a request to stop allow.

        Raises Cancelled, JobError, StorageError, or ConfigError if the saved results cannot be resumed.
        """
        folder = self._folder
        if resume and folder is not None and (folder.trials.is_file() or not folder.checkpoint.is_file()):
            content = load_whole(folder.trials, self._who)
            self._done = _Done(list(content["metrics"]), float(content["seconds"]))
        folds = learning = None
        if self._folds:
            folds = cross_validate(lambda split, seed: self._next(train, split, seed), self._folds, seed=self._settings.seed)
        if self._curve:
            self._begun = len(self._folds)
            runs = learning_runs(lambda split, seed: self._next(train, split, seed), self._curve)
            best = task_of(self._card.task).metrics(self._card).best
            learning = learning_curve(runs, more=more_images(len(self._split.train)), best=best, seed=self._settings.seed)
        return Tried(folds, learning, self._done.seconds)

    def _next(self, train: Train, split: Split, seed: int) -> Metrics | None:
        """Return the next training's result, from the run folder if saved there; None to end the series."""
        place, self._begun = self._begun, self._begun + 1
        if place < len(self._done.metrics):
            return self._metrics(place)
        left = len(self._folds) + len(self._curve) + 1 - place  # the final training is one of them
        limit = self._settings.time_limit
        share = (limit - self._done.seconds) / left
        if limit and share < _LEAST_SHARE * limit / (left + place):
            self._end(message("The time limit leaves no time for more trials; now the final training."))
        if self._over:
            return None
        own = self._settings.model_copy(update={"seed": seed, "time_limit": share if limit else 0.0})
        # Repeat the images: with fewer steps per epoch the curve would also show the effect of longer training.
        where, length = {"phase": "folds", "fold": place + 1, "folds": len(self._folds)}, 0
        if place >= len(self._folds):
            where = {"phase": "curve", "run": place + 1 - len(self._folds), "runs": len(self._curve)}
            length = len(self._split.train)
        try:
            metrics, seconds = train(own, split, length, _Trial(self._report, where, left=left - 1))
        except _Ended:
            self._report.stopped()
            self._end(message("The trials were ended; now the final training."))
            return None
        self._done.metrics.append(_plain(vars(metrics)))
        self._done.seconds += seconds
        if self._folder is not None:
            save_whole(self._folder.trials, {"metrics": self._done.metrics, "seconds": self._done.seconds}, self._who)
        self._tell(where, len(split.train), metrics)
        return metrics

    def _metrics(self, place: int) -> Metrics:
        metrics = task_of(self._card.task).metrics(self._card)
        vars(metrics).update(_arrays(self._done.metrics[place]))
        return metrics

    def _end(self, why: Message) -> None:
        self._over = True
        self._report.log(why.text)

    def _tell(self, where: dict[str, Any], images: int, metrics: Metrics) -> None:
        value = f"{metrics.primary.removeprefix('minus_')} {abs(metrics.compute()[metrics.primary]):.4g}"
        if where["phase"] == "folds":
            told = message("Fold {fold} of {folds}: {value}.", fold=where["fold"], folds=where["folds"], value=value)
        else:
            told = message(
                "Learning curve, training {run} of {runs}: {value} after {images} {images:|image|images}.",
                run=where["run"],
                runs=where["runs"],
                value=value,
                images=images,
            )
        self._report.log(told.text)


def more_images(count: int) -> int:
    """Return the number of additional training images for a forecast: about half of the existing ones, rounded."""
    half = max(count // 2, 1)
    power = int(10 ** (len(str(half)) - 1))
    return half // power * power


class _Ended(Exception):
    """A person wants no more of these trainings."""


class _Trial(Report):
    """Reports one of these trainings as progress of its phase, with the time left for all of them.

    Its epochs are no rows of the curve. A request to stop ends it at once: a partial training shows nothing.
    """

    def __init__(self, report: Report, where: dict[str, Any], *, left: int) -> None:
        """`left`: number of trainings after this one."""
        self._report, self._where, self._left = report, where, left
        self._began, self._paused = time.monotonic(), 0.0

    def progress(self, message: Progress) -> None:
        if message.phase != "train" or message.eta_s is None:
            return
        whole = time.monotonic() - self._began - self._paused + message.eta_s
        left = round(message.eta_s + self._left * whole, 1)
        self._report.progress(message.model_copy(update={**self._where, "eta_s": left}))

    def metric(self, message: EpochDone) -> None:
        """Ignore the epoch; the result is reported when it is measured."""

    def log(self, text: str) -> None:
        self._report.log(text)

    def artifact(self, path: Path, *, what: str = "bundle") -> None:
        """Ignore the artifact; none is kept."""

    def cancelled(self) -> bool:
        return self._report.cancelled()

    def stopping(self) -> bool:
        return self._report.stopping()

    def stopped(self) -> None:
        self._report.stopped()

    def pause_point(self) -> float:
        lasted = self._report.pause_point()
        self._paused += lasted
        if self._report.stopping():
            raise _Ended
        return lasted


def _plain(value: Any) -> Any:  # noqa: ANN401 - whatever metrics keep: arrays in lists, tuples and tables
    """Return a copy with tensors in place of arrays, for a file that is read without running code."""
    if isinstance(value, np.ndarray):
        return torch.from_numpy(value.copy())
    if isinstance(value, list | tuple):
        return type(value)(_plain(item) for item in value)
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return value


def _arrays(value: Any) -> Any:  # noqa: ANN401
    """Return a copy with arrays in place of tensors: the inverse of `_plain`."""
    if isinstance(value, torch.Tensor):
        return value.numpy().copy()
    if isinstance(value, list | tuple):
        return type(value)(_arrays(item) for item in value)
    if isinstance(value, dict):
        return {key: _arrays(item) for key, item in value.items()}
    return value
