"""A training run on disk: one folder with the request, the progress and the results.

run.json         the request and the process that handles it (`RunRecord`)
messages.jsonl   every message of the worker, as it was sent (`workers.messages`), `done` or `failed` last
control.jsonl    commands of a window or command line other than the parent (`cancel`, `pause`, `resume`, `stop`), appended
run.lock         held by the worker as long as it lives
worker.log       the worker's stderr after its parent was gone
split.json       the sample names of each part
curves.csv       one row per epoch; events.out.tfevents.* the same for TensorBoard
last.ckpt        the state after the last complete epoch, to continue from
trials.ckpt      results of the finished trainings before the final training: folds, parts for the learning curve
samples/         predictions on validation images, as JPEG
report.json      `runs.report.TrainReport`; report.html the same for people, with images in report/
bundle/          the bundle, unless the settings put it elsewhere
"""

import csv
import json
import os
import re
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Generic

import psutil
from pydantic import ConfigDict, ValidationError

from inspector import __version__
from inspector.core.config import Count, FiniteModel, describe_validation
from inspector.core.errors import ConfigError, JobError, StorageError
from inspector.core.storage.durable import replace_durably
from inspector.core.storage.paths import user_data
from inspector.core.untrusted import parse_json, read_bounded
from inspector.runs.settings import TrainSettings, train_settings
from inspector.workers.messages import Packet, WorkerMessage, worker_message
from inspector.workers.protocol import LineDecoder, M

RUN = "run.json"
MESSAGES = "messages.jsonl"
CONTROL = "control.jsonl"
LOCK = "run.lock"
WORKER_LOG = "worker.log"
CURVES = "curves.csv"
CHECKPOINT = "last.ckpt"
TRIALS = "trials.ckpt"
SAMPLES = "samples"
REPORT = "report.json"
REPORT_HTML = "report.html"
REPORT_IMAGES = "report"
BUNDLE = "bundle"
ALIVE = ".alive"  # its time of modification is the last sign of life of the process that trains
RESERVE = ".reserve"  # space kept for the last message of a run whose disk is full


class RunRecord(FiniteModel):
    """A request (`TrainSettings` as JSON) and the process that handles it, identified by pid and the result of `started`.

    `queued`: when the run began to wait for its turn, or None. `resume`: the run continues from its saved state (`resumable`).
    """

    model_config = ConfigDict(extra="ignore")

    v: Count = 1
    name: str
    settings: dict[str, Any]
    created: datetime
    software: str
    pid: Count = 0
    pid_started: str | float = ""  # a number in records of earlier versions
    queued: datetime | None = None
    resume: bool = False

    def alive(self) -> bool:
        """Return whether that process still runs; another process with a reused pid does not count."""
        if self.pid <= 0:
            return False
        try:
            return started(self.pid) == self.pid_started and psutil.Process(self.pid).status() != psutil.STATUS_ZOMBIE
        except (psutil.Error, OSError):
            return False

    def train_settings(self) -> TrainSettings:
        """Return the requested settings. Raises ConfigError if this version does not know a setting."""
        return train_settings(self.settings)


def started(pid: int) -> str:
    """Return a start mark that tells a process from a later one with the same pid, also after the clock was set.

    Raises psutil.Error or OSError. Linux: the boot id, and clock ticks from boot to the start of the process (proc(5), field 22
    of stat). psutil computes the time of day from these, which changes whenever the clock is set.
    """
    if sys.platform != "linux":
        return f"{psutil.Process(pid).create_time():.3f}"
    boot = Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
    after_name = Path(f"/proc/{pid}/stat").read_text("utf-8", "replace").rpartition(")")[2].split()
    return f"{boot} {after_name[19]}"


def read_run(folder: Path) -> RunRecord:
    """Return the record of a run. Raises ConfigError."""
    path = folder / RUN
    try:
        return RunRecord.model_validate(parse_json(read_bounded(path)))
    except FileNotFoundError:
        raise ConfigError("{folder} is not a training run.", remedy="Choose a folder with a run.json.", folder=folder) from None
    except ValidationError as error:
        raise ConfigError(
            "{file} is not the record of a training run ({detail}).", file=path, detail=describe_validation(error)
        ) from error
    except (OSError, ValueError) as error:
        raise ConfigError("{file} cannot be read ({detail}).", file=path, detail=error) from error


def write_run(folder: Path, record: RunRecord) -> None:
    """Write the record as a whole. Raises OSError."""
    temporary = folder / f".{RUN}.part"
    try:
        with temporary.open("w", encoding="utf-8") as stream:
            json.dump(record.model_dump(mode="json"), stream, ensure_ascii=False, indent=1)
        replace_durably(temporary, folder / RUN)
    finally:
        temporary.unlink(missing_ok=True)


def runs_folder() -> Path:
    """Return the folder in which the window keeps its runs; it may not exist yet."""
    return user_data() / "runs"


def run_path(settings: TrainSettings) -> Path:
    """Return the run folder for these settings: the one they name, or the bundle's path with ".run" appended."""
    return settings.run or settings.out.with_name(settings.out.name + ".run")


def resumable(folder: Path) -> bool:
    """Return whether an interrupted run has saved a state to continue from."""
    return any((folder / name).is_file() for name in (CHECKPOINT, TRIALS))


def new_run_path(folder: Path, name: str) -> Path:
    """Return a path in `folder` that does not exist yet, named after the bundle."""
    base = re.sub(r"[^\w.-]+", "-", name).strip(".-") or "run"
    path, number = folder / base, 1
    while path.exists() or path.is_symlink():
        number += 1
        path = folder / f"{base}-{number}"
    return path


def create_run(settings: TrainSettings, *, queued: bool = False, resume: bool = False) -> Path:
    """Create or take over the run folder of these settings and return it.

    A folder that holds an earlier run starts over, or continues with `resume`. Raises ConfigError if the folder holds other
    files, JobError if the earlier run is still live, StorageError if writing fails.
    """
    folder = run_path(settings).absolute()
    settings = settings.model_copy(update={"run": folder})
    try:
        if folder.is_dir() and any(folder.iterdir()):
            earlier = read_run(folder)
            if earlier.alive():
                raise JobError("The training in {folder} is still going on.", remedy="Wait, or stop it first.", folder=folder)
            if not resume:
                _clear(folder)
        folder.mkdir(parents=True, exist_ok=True)
        now = datetime.now(UTC)
        record = RunRecord(
            name=settings.bundle_name,
            settings=settings.model_dump(mode="json"),
            created=now,
            software=__version__,
            queued=now if queued else None,
            resume=resume,
        )
        write_run(folder, record)
    except OSError as error:
        raise unwritable(folder, error) from error
    return folder


def unwritable(folder: Path, error: OSError) -> StorageError:
    """Return the error for a file of a run that cannot be written."""
    if isinstance(error, FileNotFoundError):
        return StorageError(
            "The folder of the run, {folder}, is gone or was moved.",
            remedy="Start the training again, and leave its folder where it is.",
            folder=folder,
        )
    return StorageError(
        "The run in {folder} cannot be written ({detail}).",
        remedy="Free some space, or choose a folder on another disk that you may write to.",
        folder=folder,
        detail=error.strerror or error,
    )


def remove_run(folder: Path) -> None:
    """Delete a run with all its files.

    Links are never followed. A folder that is no run, or whose run is still live, is left alone. Raises ConfigError, JobError
    or StorageError.
    """
    if folder.is_symlink() or not folder.is_dir():
        raise ConfigError("{folder} is not a training run.", remedy="Choose a folder with a run.json.", folder=folder)
    if read_run(folder).alive():
        raise JobError("The training in {folder} is still going on.", remedy="Wait, or stop it first.", folder=folder)
    try:
        _clear(folder)
        folder.rmdir()
    except OSError as error:
        raise StorageError("{folder} cannot be deleted ({detail}).", folder=folder, detail=error.strerror or error) from error


def _clear(folder: Path) -> None:
    """Empty a run folder, deleting its record last: an interrupted removal can be repeated."""
    for path in sorted(folder.iterdir(), key=lambda path: path.name == RUN):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()


def tidy(folder: Path) -> None:
    """Remove unfinished files of a killed process. Raises OSError."""
    for path in (folder / RESERVE, folder / ALIVE, *folder.glob(".*.part")):
        path.unlink(missing_ok=True)


def find_runs(folder: Path) -> list[Path]:
    """Return the run folders directly in `folder`, sorted by name."""
    try:
        return sorted(path for path in folder.iterdir() if (path / RUN).is_file() and not path.is_symlink())
    except OSError:
        return []


def append_packet(file: Path, packet: Packet) -> None:
    """Append one line in a single write, so that two writers do not interleave. Raises OSError."""
    with file.open("ab", buffering=0) as stream:
        stream.write(packet.line())
        os.fsync(stream.fileno())


class Tail(Generic[M]):
    """Reads the messages appended to a file, starting at `offset`."""

    def __init__(self, file: Path, read: Callable[[bytes], M], *, offset: int = 0) -> None:
        """Keep `read`, which converts a line to a message or raises JobError."""
        self._file, self._read, self._offset = file, read, offset
        self._decoder = LineDecoder(read)

    def read(self) -> Iterator[M]:
        """Yield the messages appended since the last call.

        A line cut off by a crash or full disk is skipped; a file that got shorter is read again from its beginning.
        """
        try:
            with self._file.open("rb") as stream:
                if stream.seek(0, os.SEEK_END) < self._offset:
                    self._offset, self._decoder = 0, LineDecoder(self._read)
                stream.seek(self._offset)
                data = stream.read()
        except OSError:
            return
        self._offset += len(data)
        for line in data.splitlines(keepends=True):
            try:
                yield from self._decoder.feed(line)
            except JobError:
                continue


def tail_messages(folder: Path) -> Tail[WorkerMessage]:
    """Return a reader of all past and future messages of a run's worker."""
    return Tail(folder / MESSAGES, worker_message)


def read_messages(folder: Path) -> list[WorkerMessage]:
    """Return every message of a run so far."""
    return list(tail_messages(folder).read())


def read_curves(folder: Path) -> list[dict[str, float]]:
    """Return the rows of curves.csv; cells without a number are left out."""
    try:
        with (folder / CURVES).open(encoding="utf-8", newline="") as stream:
            return [_numbers(row) for row in csv.DictReader(stream)]
    except OSError:
        return []


def _numbers(row: Mapping[str, str | None]) -> dict[str, float]:
    numbers: dict[str, float] = {}
    for name, text in row.items():
        try:
            numbers[str(name)] = float(text or "")
        except ValueError:
            continue
    return numbers
