"""The state of a training after a whole epoch, on disk; a resumed training continues as if uninterrupted.

An epoch depends only on this state, the settings, the data and the epoch's number: order, augmentation and dropout are seeded
from the seed and the epoch's number, so no generator state is saved.
"""

import errno
import math
import os
import pickle
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from inspector.core.errors import ConfigError, StorageError
from inspector.core.storage.durable import replace_durably
from inspector.runs.settings import TrainSettings

_LITTLE = 1 << 20  # less free space than this, in bytes, means that the disk is full
_FORMAT = 1
# Settings that may differ between the run that wrote a checkpoint and the run that resumes from it.
_FREE = frozenset({"out", "run", "name", "threads", "devices", "time_limit", "keep_best", "calibrate", "score", "false_reject"})


@dataclass(frozen=True, slots=True)
class Best:
    """The best epoch so far, counted from 1.

    Holds the task's primary number, all numbers, the network's weights, and the loss on validation images. `chance`: the
    primary number of answers that ignore the image; -inf if unknown.
    """

    epoch: int
    value: float
    numbers: dict[str, float]
    state: dict[str, Tensor]
    loss: float = math.inf
    chance: float = -math.inf


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The state after `epochs` whole epochs that took `seconds`.

    `average`: state of the weight average, if enabled. `precision`: scaling state of 16-bit gradients. `curve`: one row of
    numbers per epoch, as passed to `Report.metric`.
    """

    epochs: int
    seconds: float
    network: dict[str, Tensor]
    optimizer: dict[str, Any]
    average: dict[str, Tensor]
    precision: dict[str, Any]
    best: Best | None
    curve: list[dict[str, Any]]


def identity(settings: TrainSettings, fingerprint: str) -> dict[str, str]:
    """Return the properties that must match to resume a training: every setting that affects the result, and the data."""
    values = settings.model_dump(mode="json", exclude=set(_FREE))
    return {"data": fingerprint} | {f"setting {name}": str(value) for name, value in values.items() if name != "data"}


def save_checkpoint(path: Path, checkpoint: Checkpoint, who: Mapping[str, str]) -> None:
    """Write a checkpoint, all or nothing. Raises StorageError."""
    content = {field: getattr(checkpoint, field) for field in Checkpoint.__dataclass_fields__}
    content["best"] = None if checkpoint.best is None else asdict(checkpoint.best)
    save_whole(path, content, who)


def load_checkpoint(path: Path, who: Mapping[str, str]) -> Checkpoint:
    """Read a checkpoint onto the CPU without running any code in it.

    Raises ConfigError if there is none, if it cannot be read, or if it belongs to other settings or data.
    """
    content = load_whole(path, who, fields=frozenset(Checkpoint.__dataclass_fields__))
    best = content.pop("best")
    return Checkpoint(**content, best=None if best is None else Best(**best))


def save_whole(path: Path, content: Mapping[str, object], who: Mapping[str, str]) -> None:
    """Write plain data and named tensors, all or nothing. Raises StorageError."""
    temporary = path.with_name(f".{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        torch.save({"format": _FORMAT, "who": dict(who), **content}, temporary)
        replace_durably(temporary, path)
    except (OSError, RuntimeError) as error:
        # torch reports a full disk as a RuntimeError about streams and positions.
        full = path.parent.is_dir() and shutil.disk_usage(path.parent).free < _LITTLE
        temporary.unlink(missing_ok=True)
        raise StorageError(
            "The state of the training cannot be written to {file} ({detail}).",
            remedy="Free some space, or choose a folder on another disk.",
            file=path,
            detail=os.strerror(errno.ENOSPC) if full else (str(error).strip().splitlines() or [type(error).__name__])[0],
        ) from error


def load_whole(path: Path, who: Mapping[str, str], *, fields: frozenset[str] = frozenset()) -> dict[str, Any]:
    """Read a file written by `save_whole` without running any code in it. `fields`: the required names.

    Raises ConfigError if there is no file, if it cannot be read, or if it belongs to other settings or data.
    """
    try:
        content = dict(torch.load(path, map_location="cpu", weights_only=True))
        if content.pop("format") != _FORMAT:
            raise ValueError("of another format")
        written = dict(content.pop("who"))
        missing = fields - content.keys()
        if missing:
            raise ValueError(f"without {min(missing)}")
    except FileNotFoundError:
        raise ConfigError(
            "There is no training to go on with: {folder} has no checkpoint.",
            remedy="Start the training again.",
            folder=path.parent,
        ) from None
    except (OSError, RuntimeError, ValueError, KeyError, TypeError, EOFError, pickle.UnpicklingError) as error:
        raise ConfigError(
            "The checkpoint {file} cannot be read ({detail}).",
            remedy="Start the training again.",
            file=path,
            detail=(str(error).strip().splitlines() or [type(error).__name__])[0][:200],
        ) from error
    for name in who.keys() | written.keys():
        if who.get(name) != written.get(name):
            raise ConfigError(
                "The training in {folder} cannot go on, because its {what} has changed.",
                remedy="Start it again, or restore what was changed.",
                folder=path.parent,
                what=name,
            )
    return content
