"""The trainer's files in its run folder: curves, split, samples and the location of the checkpoint."""

import csv
import io
import json
import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

from inspector.core.storage.durable import replace_durably
from inspector.data.split import SPLIT, Split
from inspector.runs.folder import CHECKPOINT, CURVES, SAMPLES, TRIALS, unwritable

EPOCHS_SHOWN = 5  # number of epochs whose sample pictures are kept


class RunFolder:
    """The run folder of one training, opened on construction and created if missing. All methods raise StorageError."""

    def __init__(self, path: Path, *, resume: bool = False) -> None:
        """`resume`: append to the curves instead of starting anew."""
        self.path = path
        self._columns: list[str] = []
        self._events: _Events | None = None
        try:
            path.mkdir(parents=True, exist_ok=True)
            if resume:
                self._columns = _header(path / CURVES)
            else:
                for file in (path / CURVES, path / CHECKPOINT, path / TRIALS, *path.glob("events.out.tfevents.*")):
                    file.unlink(missing_ok=True)
        except OSError as error:
            raise unwritable(path, error) from error

    @property
    def checkpoint(self) -> Path:
        """Path of the state after the last whole epoch."""
        return self.path / CHECKPOINT

    @property
    def trials(self) -> Path:
        """Path of the results of the trainings before the final one."""
        return self.path / TRIALS

    @property
    def samples(self) -> Path:
        """Folder of the pictures of predictions; it may not exist yet."""
        return self.path / SAMPLES

    def append_curve(self, row: Mapping[str, float]) -> None:
        """Append a row to curves.csv, and the same numbers for TensorBoard. The first row's names are the columns.

        `row` holds "epoch" (from 1) and numbers by name; non-finite numbers are left out. An existing row of the same epoch,
        from before a resume, is replaced.
        """
        try:
            if not self._columns:
                self._columns = list(row)
                self._write([_line(self._columns)])
            _drop_from(self.path / CURVES, int(row["epoch"]))
            with (self.path / CURVES).open("a", encoding="utf-8", newline="") as stream:
                stream.write(_line([_text(row.get(name)) for name in self._columns]))
                _flush(stream)
            if self._events is None:
                self._events = _Events(self.path)
            self._events.write(row)
        except OSError as error:
            raise unwritable(self.path, error) from error

    def save_split(self, split: Split) -> None:
        """Write split.json: the sample names of each part."""
        try:
            (self.path / SPLIT).write_text(json.dumps(split.names(), ensure_ascii=False, indent=0), "utf-8")
        except OSError as error:
            raise unwritable(self.path, error) from error

    def save_samples(self, epoch: int, jpegs: Sequence[bytes]) -> list[Path]:
        """Write samples/epoch-007-1.jpg and so on; only those of the newest epochs are kept."""
        files = [self.samples / f"epoch-{epoch:03d}-{number}.jpg" for number in range(1, len(jpegs) + 1)]
        try:
            self.samples.mkdir(exist_ok=True)
            for file, data in zip(files, jpegs, strict=True):
                file.write_bytes(data)
            found = {path: int(path.stem.split("-")[1]) for path in self.samples.glob("epoch-*-*.jpg")}
            newest = sorted(set(found.values()))[-EPOCHS_SHOWN:]
            for path in [path for path, number in found.items() if number not in newest]:
                path.unlink(missing_ok=True)
        except OSError as error:
            raise unwritable(self.path, error) from error
        return files

    def finish(self) -> None:
        """Remove the state for resuming after the training has ended; it is as large as the memory of the training."""
        for file in (self.checkpoint, self.trials):
            file.unlink(missing_ok=True)

    def close(self) -> None:
        """Close the files. Nothing is written afterwards."""
        if self._events is not None:
            self._events.close()
            self._events = None

    def _write(self, lines: Sequence[str]) -> None:
        with (self.path / CURVES).open("w", encoding="utf-8", newline="") as stream:
            stream.writelines(lines)
            _flush(stream)


class _Events:
    """The event file for TensorBoard."""

    def __init__(self, folder: Path) -> None:
        from tensorboardX import SummaryWriter

        self._writer = SummaryWriter(str(folder), write_to_disk=True)

    def write(self, row: Mapping[str, float]) -> None:
        epoch = int(row["epoch"])
        for name, value in row.items():
            if name != "epoch" and isinstance(value, int | float) and math.isfinite(value):
                self._writer.add_scalar(name, float(value), epoch)
        self._writer.flush()

    def close(self) -> None:
        self._writer.close()


def _header(file: Path) -> list[str]:
    if not file.is_file():
        return []
    with file.open(encoding="utf-8", newline="") as stream:
        return next(csv.reader(stream), [])


def _drop_from(file: Path, epoch: int) -> None:
    """Remove the rows of this epoch and later ones, which a killed run had written after its last checkpoint."""
    lines = file.read_text("utf-8").splitlines(keepends=True)
    kept = lines[:1] + [line for line in lines[1:] if line.endswith("\n") and _epoch(line) < epoch]
    if len(kept) < len(lines):
        temporary = file.with_name(f".{file.name}.part")
        temporary.write_text("".join(kept), "utf-8", newline="")
        replace_durably(temporary, file)


def _epoch(line: str) -> float:
    try:
        return float(line.split(",", 1)[0])
    except ValueError:
        return float("inf")


def _line(cells: Sequence[str]) -> str:
    stream = io.StringIO()
    csv.writer(stream, lineterminator="\n").writerow(cells)
    return stream.getvalue()


def _text(value: float | None) -> str:
    return f"{value:.8g}" if value is not None and math.isfinite(value) else ""


def _flush(stream: IO[str]) -> None:
    stream.flush()
    os.fsync(stream.fileno())
