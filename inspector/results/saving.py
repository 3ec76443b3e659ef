"""What a run leaves in a folder: overlay pictures, results.jsonl and a report. A full disk stops the saving, not the line."""

from datetime import UTC, datetime
from itertools import count
from pathlib import Path

import cv2

from inspector.core.config import write_atomically
from inspector.core.errors import StorageError
from inspector.core.text import LineWriter, json_line, utf8
from inspector.core.types import Inspection
from inspector.inspection.events import Stats
from inspector.recipes.recipe import Recipe
from inspector.results.overlays import draw
from inspector.results.records import record, summary
from inspector.results.report import MOST_ROWS, Row, write_report

RESULTS = "results.jsonl"
REPORT = "report.html"
PICTURES = "overlays"
_FAST = 1  # PNG compression: three times as fast as the usual 6, and a tenth larger


class Saver:
    """Writes inspections as they come, into `folder`, a new one for each start. Used by one thread."""

    def __init__(self, parent: Path) -> None:
        """Raises StorageError if nothing can be written under `parent`."""
        self._rows: list[Row] = []
        try:
            self.folder = _new_folder(parent)
            (self.folder / PICTURES).mkdir()
            self._file = (self.folder / RESULTS).open("xb", buffering=0)
        except OSError as error:
            raise _refused(parent, error) from error
        self._results = LineWriter(self._file.write)

    def save(self, inspection: Inspection, recipe: Recipe) -> None:
        """Write the part's pictures and its line. Raises StorageError naming the file; the next part may be tried."""
        names: list[str] = []
        problem: StorageError | None = None
        for camera, picture in draw(inspection, recipe).items():
            path = self.folder / PICTURES / f"{inspection.sequence:06d}-{_safe(camera)}.png"
            try:
                bgr = cv2.cvtColor(picture, cv2.COLOR_RGB2BGR)
                done, data = cv2.imencode(".png", bgr, [cv2.IMWRITE_PNG_COMPRESSION, _FAST])
                if done:
                    path.write_bytes(data.tobytes())
                    names.append(f"{PICTURES}/{path.name}")
            except OSError as error:
                path.unlink(missing_ok=True)
                problem = _refused(path, error)
        if len(self._rows) < MOST_ROWS:
            self._rows.append(Row.of(inspection, tuple(names)))
        try:
            self._results.write(json_line({**record(inspection, recipe), "overlays": names}))
        except OSError as error:
            problem = problem or _refused(self.folder / RESULTS, error)
        if problem is not None:
            raise problem

    def close(self) -> None:
        """Close the files; nothing more is saved. May be called twice."""
        self._file.close()

    def finish(self, stats: Stats, recipe: Recipe) -> Path:
        """Write the summary and the report, close the files, and return the report's path. Raises StorageError."""
        report = self.folder / REPORT
        try:
            self._results.write(json_line(summary(stats)))
        except OSError as error:
            raise _refused(self.folder / RESULTS, error) from error
        finally:
            self.close()
        write_atomically(report, utf8(write_report(recipe.name, self._rows, stats)).encode())
        return report


def _new_folder(parent: Path) -> Path:
    """Make a folder for this start alone, named after the time in UTC. Of two that ask at once, the system gives it to one.

    Raises OSError.
    """
    parent.mkdir(parents=True, exist_ok=True)
    name = f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}"
    for number in count(1):
        folder = parent / (name if number == 1 else f"{name}-{number:03d}")
        try:
            folder.mkdir()
        except FileExistsError:
            continue
        return folder
    raise AssertionError("unreachable")


def _refused(path: Path, error: OSError) -> StorageError:
    return StorageError(
        "{file} cannot be written ({detail}).",
        remedy="Free some space on that disk or choose another folder.",
        file=path,
        detail=error.strerror or error,
    )


def _safe(name: str) -> str:
    """Return a camera's name as part of a file name."""
    return "".join(letter if letter.isalnum() or letter in "-_" else "_" for letter in name) or "camera"
