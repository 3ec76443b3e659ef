"""Errors shown to a person, classified by what is at fault.

    InspectorError            base: a sentence and a remedy that a person can act on
    ├── ConfigError           a setting, recipe, bundle, label or image file is wrong
    ├── CameraError           a camera or stream is missing, silent or wrong (`retryable`)
    ├── EngineError           the requested engine cannot run a bundle
    │   └── BundleError       because of the bundle's content; also a ConfigError
    ├── JobError              a worker process failed, crashed or was refused
    └── StorageError          the disk is full, read-only or gone

Any other exception that escapes is a defect of this program and is reported with its traceback.
"""

import errno
from typing import Final

from inspector.core.message import Message, message

_OF_A_DISK: Final = frozenset(  # what a disk or a network share says that is full, worn out, unplugged or gone
    getattr(errno, name)
    for name in ("EIO", "ENOSPC", "EDQUOT", "EROFS", "ENXIO", "ENODEV", "ESTALE", "ENOTCONN", "EHOSTDOWN", "EREMOTEIO")
    if hasattr(errno, name)
)
_OF_A_DISK_WINDOWS: Final = (21, 53, 55, 59, 64, 67, 1117, 1167)  # not ready, path or name not found, gone, read error


class InspectorError(Exception):
    """A problem in one sentence that names the thing, and a remedy in a second sentence.

    Both are templates: `ConfigError("{file} is empty.", remedy="Copy {file} again.", file=path)`.
    """

    def __init__(self, problem: str, *, remedy: str = "", **values: object) -> None:
        self.problem: Message = message(problem, **values)
        self.remedy: Message | None = message(remedy, **values) if remedy else None
        super().__init__(problem)

    def __str__(self) -> str:
        return f"{self.problem} {self.remedy}" if self.remedy else self.problem.text


class ConfigError(InspectorError):
    """A file or setting that a person supplied is wrong."""


class CameraError(InspectorError):
    """A camera gives no usable frames.

    `retryable`: opening the camera again may help (a pulled cable) or cannot (no such file).
    """

    def __init__(self, problem: str, *, remedy: str = "", retryable: bool = True, **values: object) -> None:
        super().__init__(problem, remedy=remedy, **values)
        self.retryable = retryable


class EngineError(InspectorError):
    """A bundle cannot be opened or run by the requested engine."""


class BundleError(EngineError, ConfigError):
    """A bundle's graph cannot be read, or does something else than its card says."""


class JobError(InspectorError):
    """A worker process ended without a result."""


class StorageError(InspectorError):
    """Data could not be written or read back: disk full, no permission, or medium removed."""


def defect(error: BaseException) -> InspectorError:
    """Return an unexpected error as a problem that asks for a report, unless the disk or share of a file is at fault."""
    if isinstance(error, OSError) and error.filename is not None and _is_of_a_disk(error):
        return StorageError(
            "{file} cannot be used ({detail}).",
            remedy="Check that disk or network share.",
            file=error.filename,
            detail=error.strerror or error,
        )
    return InspectorError(
        "This program has a defect: {detail}.",
        remedy="Please report it with the program's log.",
        detail=f"{type(error).__name__}: {error}",
    )


def _is_of_a_disk(error: OSError) -> bool:
    return error.errno in _OF_A_DISK or getattr(error, "winerror", None) in _OF_A_DISK_WINDOWS


def as_problem(error: Exception) -> InspectorError:
    """Return the error itself if it is meant for a person, else as a defect.

    It can be kept: it does not hold on to the stack that it was raised in, nor to what that stack holds.
    """
    problem = error if isinstance(error, InspectorError) else defect(error)
    problem.__traceback__ = problem.__context__ = problem.__cause__ = None
    return problem
