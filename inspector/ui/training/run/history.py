"""The history of a run for the window: its curves by epoch and its log. Plain data, without Qt."""

from array import array
from bisect import bisect_left
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from inspector.workers.messages import Done, EpochDone, Failed, Hello, Log, Paused, Progress, Resumed, WorkerMessage
from inspector.workers.outcome import End, Outcome, read_outcome

LOG_LINES: Final = 1000  # maximum number of lines kept and shown; the file has all lines
LOSS: Final = "loss"
VAL_LOSS: Final = "val_loss"
_NOT_MEASURED: Final = ("epoch", "epochs", "seconds", "lr", LOSS, VAL_LOSS)


@dataclass(frozen=True, slots=True)
class LogLine:
    """One line of the log: a message of the worker, a new best epoch, or a change of the run's state."""

    message: WorkerMessage
    outcome: Outcome | None = None

    @property
    def is_problem(self) -> bool:
        """Whether the line needs attention."""
        return isinstance(self.message, Log) or (self.outcome is not None and self.outcome.end in (End.FAILED, End.CRASHED))


class RunHistory:
    """Built from the messages of a run in order. `dropped`: number of log lines removed to limit the memory."""

    def __init__(self) -> None:
        self._epochs = array("d")
        self._columns: dict[str, array[float]] = {}
        self.log: deque[LogLine] = deque(maxlen=LOG_LINES)
        self.dropped = 0
        self._bests: list[int] = []  # the epochs that were the best so far
        self.primary = ""  # name of the number that chooses the best epoch
        self.version = 0  # grows with every change of the curves

    def __len__(self) -> int:
        return len(self._epochs)

    @property
    def best_epoch(self) -> int:
        """The epoch whose weights are kept; 0: none yet."""
        return self._bests[-1] if self._bests else 0

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the columns, in order of arrival."""
        return tuple(self._columns)

    @property
    def measured(self) -> tuple[str, ...]:
        """The columns that measure quality; the one that selects the best epoch comes first."""
        found = [name for name in self._columns if name not in _NOT_MEASURED]
        return tuple(sorted(found, key=lambda name: name != self.primary))

    @property
    def epochs(self) -> NDArray[np.float64]:
        """The epochs, from 1, float64 [n]."""
        return np.array(self._epochs, np.float64)

    def column(self, name: str) -> NDArray[np.float64]:
        """Return a column, float64 [n]; NaN where it was not measured."""
        if name not in self._columns:
            return np.full(len(self), np.nan)
        return np.array(self._columns[name], np.float64)

    def take(self, message: WorkerMessage) -> None:
        """Add a message."""
        match message:
            case EpochDone():
                self._take_metric(message)
            case Log() | Paused() | Resumed():
                self._write(LogLine(message))
            case Hello() if not self.log or not isinstance(self.log[-1].message, Hello):  # also sent to the parent
                self._write(LogLine(message))
            case Done() | Failed():
                self._write(LogLine(message, read_outcome(message)))

    def fill_gaps(self, rows: Sequence[Mapping[str, float]]) -> None:
        """Add epochs of curves.csv that are missing in the messages."""
        known = set(self._epochs)
        missing = [row for row in rows if row.get("epoch") and row["epoch"] not in known]
        if not missing:
            return
        have = [{name: self._columns[name][place] for name in self._columns} for place in range(len(self))]
        for row, epoch in zip(have, self._epochs, strict=True):
            row["epoch"] = epoch
        bests = self._bests
        merged = sorted((*have, *(dict(row) for row in missing)), key=lambda row: row["epoch"])
        self._cut(0)
        for row in merged:
            self._append(row.pop("epoch"), {name: value for name, value in row.items() if not np.isnan(value)})
        self._bests = bests

    def as_rows(self) -> list[list[str]]:
        """Return the curves as a table of text, the header first."""
        columns = [self._columns[name] for name in self._columns]
        rows = [["epoch", *self._columns]]
        for place, epoch in enumerate(self._epochs):
            rows.append([f"{epoch:g}", *("" if np.isnan(values[place]) else f"{values[place]:.8g}" for values in columns)])
        return rows

    def _take_metric(self, done: EpochDone) -> None:
        self._cut(bisect_left(self._epochs, done.epoch))  # a resumed run repeats its incomplete epoch
        self.primary = _shown_name(done.name) or self.primary
        numbers = {LOSS: done.loss, VAL_LOSS: done.val_loss, "lr": done.lr, "seconds": done.seconds, **done.val}
        self._append(float(done.epoch), {name: value for name, value in numbers.items() if value is not None})
        if done.best:
            self._bests.append(done.epoch)
            self._write(LogLine(done))

    def _append(self, epoch: float, numbers: Mapping[str, float]) -> None:
        for name in numbers:
            if name == _shown_name(name) and name not in self._columns:
                self._columns[name] = array("d", [np.nan] * len(self))
        for name, values in self._columns.items():
            values.append(float(numbers.get(name, np.nan)))
        self._epochs.append(epoch)
        self.version += 1

    def _cut(self, length: int) -> None:
        if length < len(self):
            del self._epochs[length:]
            for values in self._columns.values():
                del values[length:]
            last = self._epochs[-1] if self._epochs else 0
            self._bests = [epoch for epoch in self._bests if epoch <= last]
            self.version += 1

    def _write(self, line: LogLine) -> None:
        self.dropped += len(self.log) == self.log.maxlen
        self.log.append(line)


def compressed(messages: Iterable[WorkerMessage]) -> list[WorkerMessage]:
    """Return the messages reduced for a view that was inactive: of the progress messages the last, of the log lines as many as
    the log keeps.
    """
    said = list(messages)
    logs = [place for place, message in enumerate(said) if isinstance(message, Log)]
    first = logs[-LOG_LINES] if len(logs) > LOG_LINES else -1
    last = max((place for place, message in enumerate(said) if isinstance(message, Progress)), default=-1)
    return [
        message
        for place, message in enumerate(said)
        if (not isinstance(message, Progress) or place == last) and (not isinstance(message, Log) or place >= first)
    ]


def _shown_name(name: str) -> str:
    """Return the name of the equivalent number for people: for temperatures the error itself, without its negative sign."""
    return name.removeprefix("minus_")
