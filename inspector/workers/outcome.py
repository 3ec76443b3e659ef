"""How the work of a worker process ended, and why: a kind of cause, a sentence and a remedy."""

import errno
import math
import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from inspector.core.config import describe_validation
from inspector.core.errors import BundleError, CameraError, ConfigError, EngineError, InspectorError, JobError, StorageError
from inspector.core.message import Message, message
from inspector.core.sentence import class_keys, marked
from inspector.workers.messages import Done, Failed, Scalar

R = TypeVar("R", bound=BaseModel)

KINDS: Mapping[str, type[InspectorError]] = {
    kind.__name__: kind for kind in (ConfigError, CameraError, EngineError, BundleError, JobError, StorageError)
}
_DUMP = "Fatal Python error:"
UNEXPECTED = "The worker process ended unexpectedly ({how}): {detail}."
_DISK_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EACCES, errno.EPERM, errno.EROFS, errno.EIO)


class End(StrEnum):
    """How a worker process ended."""

    SUCCEEDED = "succeeded"
    CANCELLED = "cancelled"
    FAILED = "failed"  # it reported an error
    CRASHED = "crashed"  # it died, was killed, or broke the protocol


class Cause(StrEnum):
    """Why work did not complete."""

    NONE = "none"  # it completed, or was cancelled
    DATA = "data"  # images, labels, bundle or settings that a person can correct
    MEMORY = "memory"  # of the computer or of the GPU
    DISK = "disk"  # full, write-protected or gone
    DEVICE = "device"  # the GPU or its driver
    CRASH = "crash"  # native code of a library did what the processor or the system does not allow
    KILLED = "killed"  # by a person or the system
    FROZEN = "frozen"  # it showed no sign of life, and was ended
    PARENT = "parent"  # the program that started it is gone
    INTERNAL = "internal"  # a defect of this program


REMEDIES: Mapping[Cause, str] = MappingProxyType(
    {
        Cause.MEMORY: "Use smaller batches, a smaller input or a smaller network, or close other programs.",
        Cause.DISK: "Free some space, or choose a folder on another disk that you may write to.",
        Cause.DEVICE: "Restart the computer or update the driver of the graphics card; training also works without it.",
        Cause.CRASH: "Go on from the last epoch; if it happens again, please report it with the details.",
        Cause.KILLED: "Go on from the last epoch; if it happens again, use smaller batches or a smaller network.",
        Cause.FROZEN: "Go on from the last epoch; if it happens again, check the disk and the driver of the graphics card.",
        Cause.PARENT: "Go on from the last epoch.",
        Cause.INTERNAL: "Please report it with the details.",
    }
)

# The signals of a crash, and what Windows calls the same (ntstatus.h), by exit code.
_CRASHES = frozenset({"SIGSEGV", "SIGBUS", "SIGILL", "SIGFPE", "SIGABRT", "SIGSYS"})
_WINDOWS_CRASHES: Mapping[int, str] = MappingProxyType(
    {
        0xC0000005: "access violation",
        0xC0000006: "in-page error",
        0xC000001D: "illegal instruction",
        0xC0000094: "division by zero",
        0xC00000FD: "stack overflow",
        0xC0000374: "heap corruption",
        0xC0000409: "abort",
    }
)

# What libraries write when they fail; lower case.
_WORDS: Mapping[Cause, tuple[str, ...]] = MappingProxyType(
    {
        Cause.MEMORY: (
            "out of memory",
            "can't allocate memory",
            "cannot allocate memory",
            "not enough memory",
            "insufficient memory",
            "failed to allocate",
            "unable to allocate",
            "bad_alloc",
            "memoryerror",
            "alloc_failed",
            "can't start new thread",
        ),
        Cause.DISK: (
            "no space left on device",
            "storagefull",
            "disk quota exceeded",
            "file too large",
            "read-only file system",
            "pytorchstreamwriter failed",
            "permission denied",
        ),
        Cause.DEVICE: ("cuda error", "cudnn", "cublas", "cuda driver", "nvml", "no kernel image", "hip error"),
    }
)


class CompanionError(JobError):
    """A process that worked together with this process has ended. `cause`: why, as far as it is known."""

    def __init__(self, problem: str, *, remedy: str = "", cause: Cause = Cause.KILLED, **values: object) -> None:
        super().__init__(problem, remedy=remedy, **values)
        self.cause = cause


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a worker process ended, and its last message.

    `result`: the extra fields of its `Done`, see `read`. `problem` and `remedy`: the sentences, if the process failed or
    crashed. `details`: the traceback it sent, or its last lines on stderr, for a report. `signal`: the signal that ended it,
    such as "SIGKILL". `kind`: the error's class in the worker. `cause`: the kind of cause.
    """

    end: End
    result: Mapping[str, Any] = field(default_factory=dict)
    problem: Message | None = None
    remedy: Message | None = None
    details: str = ""
    signal: str = ""
    exit_code: int = 0
    kind: type[InspectorError] = JobError
    cause: Cause = Cause.NONE

    def error(self) -> InspectorError:
        """Return the outcome as an error for a person, of the class raised in the worker; JobError for a crash."""
        problem = self.problem or message("The work was cancelled.")
        remedy = self.remedy.template if self.remedy else ""
        return self.kind(problem.template, remedy=remedy, **{**(self.remedy.values if self.remedy else {}), **problem.values})

    def read(self, kind: type[R]) -> R:
        """Return the result in the form that the kind of job defines (`workers.jobs`).

        Raises JobError if it has another form.
        """
        try:
            return kind.model_validate(dict(self.result))
        except ValidationError as error:
            raise JobError(
                "The worker's result is not what was asked for ({detail}).", detail=describe_validation(error)
            ) from error

    def packet(self) -> Done | Failed:
        """Return the outcome as the last message of a run, for a worker that could not send it itself."""
        if self.end in (End.SUCCEEDED, End.CANCELLED):
            return Done(status="ok" if self.end is End.SUCCEEDED else "cancelled", **self.result)
        problem, remedy = _sendable(self.problem), _sendable(self.remedy)
        return Failed(
            kind=self.kind.__name__,
            cause=self.cause.value,
            problem=problem.template,
            remedy=remedy.template,
            values={**_scalars(remedy), **_scalars(problem)},
            classes=(*class_keys(remedy.values), *class_keys(problem.values)),
            traceback=self.details,
            crashed=self.end is End.CRASHED,
            signal=self.signal,
            exit_code=self.exit_code,
        )


def _sendable(told: Message | None) -> Message:
    """Return a sentence whose values are finite. A sentence with a NaN or infinite value is formatted already."""
    if told is None:
        return Message("")
    if all(math.isfinite(value) for value in told.values.values() if isinstance(value, float)):
        return told
    return Message(told.text.replace("{", "{{").replace("}", "}}"))


def _scalars(told: Message) -> dict[str, Scalar]:
    return {key: value if isinstance(value, str | int | float) else str(value) for key, value in told.values.items()}


def suspended(pid: int) -> Message:
    """Return the sentence for a worker whose process something outside has stopped."""
    return message(
        "The worker process {pid} is suspended from outside. Let it go on (on Linux: kill -CONT {pid}), or cancel.", pid=pid
    )


def frozen(seconds: float) -> Outcome:
    """Return the outcome of a process that showed no sign of life for so long and was ended."""
    return Outcome(
        End.CRASHED,
        problem=message("The worker process showed no sign of life for {seconds:.0f} s and was ended.", seconds=seconds),
        remedy=message(REMEDIES[Cause.FROZEN]),
        cause=Cause.FROZEN,
    )


def read_outcome(packet: Done | Failed, *, exit_code: int = 0) -> Outcome:
    """Return the outcome in the last message. Sentences stay templates with values, so that they can still be translated."""
    if isinstance(packet, Done):
        end = End.CANCELLED if packet.status == "cancelled" else End.SUCCEEDED
        return Outcome(end, packet.result, exit_code=exit_code)
    values = marked(packet.values, packet.classes)
    return Outcome(
        End.CRASHED if packet.crashed else End.FAILED,
        problem=Message(packet.problem, values),
        remedy=Message(packet.remedy, values) if packet.remedy else None,
        details=packet.traceback,
        signal=packet.signal,
        exit_code=packet.exit_code or exit_code,
        kind=KINDS.get(packet.kind, JobError),
        cause=Cause(packet.cause) if packet.cause in set(Cause) else Cause.INTERNAL,
    )


def cause_of(error: BaseException) -> Cause:
    """Return the kind of cause of an error, following the exceptions it was raised from."""
    seen: set[int] = set()
    link: BaseException | None = error
    while link is not None and id(link) not in seen:
        seen.add(id(link))
        found = _cause_of_one(link)
        if found is not None:
            return found
        link = link.__cause__ or link.__context__
    return Cause.DATA if isinstance(error, InspectorError) else Cause.INTERNAL


def _cause_of_one(error: BaseException) -> Cause | None:
    if isinstance(error, CompanionError):
        return error.cause
    if isinstance(error, MemoryError):
        return Cause.MEMORY
    if isinstance(error, StorageError):
        return Cause.DISK
    if isinstance(error, OSError):
        if error.errno == errno.ENOMEM:
            return Cause.MEMORY
        return Cause.DISK if error.errno in _DISK_ERRORS else None
    if isinstance(error, InspectorError):
        return None  # its text may quote anything
    return cause_of_text(f"{type(error).__name__}: {error}")


def cause_of_text(text: str) -> Cause | None:
    """Return the kind of cause that a library's error text indicates; None if it indicates none."""
    lower = text.lower()
    return next((cause for cause, words in _WORDS.items() if any(word in lower for word in words)), None)


def end_of_process(code: int, *, words: str, asked: bool, oom: bool) -> tuple[Cause, str]:
    """Return the cause and the description of the end of a process that sent no last message.

    The end may be a signal, a Windows crash, or an exit code. `code` is as in `subprocess`. `words`: its last lines on stderr.
    `asked`: this program killed it. `oom`: the system has killed a process for lack of memory meanwhile.
    """
    name = signal.Signals(-code).name if code < 0 and -code in set(signal.Signals) else ""
    crash = name if name in _CRASHES else _WINDOWS_CRASHES.get(code & 0xFFFFFFFF, "")
    how = name or crash or f"exit code {code}"
    if name == "SIGKILL" and not asked:
        return (Cause.MEMORY if oom else Cause.KILLED), how
    if name in ("SIGTERM", "SIGHUP", "SIGINT"):
        return Cause.KILLED, how
    return cause_of_text(words) or (Cause.CRASH if crash else Cause.INTERNAL), how


def last_words(lines: Sequence[str]) -> str:
    """Return the last output before the traceback of a crash (`faulthandler`).

    If there is no such output, return the first line of the traceback; "" if there is nothing at all.
    """
    dump = next((number for number, line in enumerate(lines) if line.startswith(_DUMP)), len(lines))
    return next((line for line in (*reversed(lines[:dump]), *lines[dump:]) if line.strip()), "")


def crash_in(lines: Sequence[str]) -> Outcome | None:
    """Return the crash shown by these last lines on stderr (`faulthandler`), if the end of the process was not observed."""
    head = next((line for line in reversed(lines) if line.startswith(_DUMP)), None)
    if head is None:
        return None
    cause = cause_of_text("\n".join(lines)) or Cause.CRASH
    how = head.removeprefix(_DUMP).strip()
    return Outcome(
        End.CRASHED,
        problem=message(UNEXPECTED, how=how, detail=last_words(lines).rstrip(".")),
        remedy=message(REMEDIES[cause]),
        details="\n".join(lines),
        cause=cause,
    )


def oom_kills() -> int:
    """Return how many processes the system has killed for lack of memory since boot; 0 if the system does not say.

    Linux: `oom_kill` in /proc/vmstat and in the events of this process's control group.
    """
    places = ("/proc/vmstat", "/sys/fs/cgroup/memory.events", "/sys/fs/cgroup/memory/memory.oom_control")
    total = 0
    for place in places:
        try:
            lines = Path(place).read_text("ascii").splitlines()
        except (OSError, ValueError):
            continue
        for line in lines:
            name, _, value = line.partition(" ")
            if name == "oom_kill" and value.strip().isdigit():
                total += int(value)
    return total
