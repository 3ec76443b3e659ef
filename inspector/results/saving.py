"""What a run leaves in a folder: overlay pictures, results.jsonl and a report. A full disk stops the saving, not the line."""

import json
from pathlib import Path
from typing import IO

import cv2

from inspector.core.config import write_atomically
from inspector.core.errors import StorageError
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
    """Writes inspections as they come. Used by one thread."""

    def __init__(self, folder: Path) -> None:
        """Raises StorageError if nothing can be written there."""
        self.folder = folder
        self._rows: list[Row] = []
        path = folder / RESULTS
        try:
            (folder / PICTURES).mkdir(parents=True, exist_ok=True)
            self._results: IO[str] = path.open("w", encoding="utf-8")
        except OSError as error:
            raise _refused(path, error) from error

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
            self._results.write(json.dumps({**record(inspection, recipe), "overlays": names}, ensure_ascii=False) + "\n")
            self._results.flush()
        except OSError as error:
            problem = problem or _refused(self.folder / RESULTS, error)
        if problem is not None:
            raise problem

    def finish(self, stats: Stats, recipe: Recipe) -> Path:
        """Write the summary and the report, close the files, and return the report's path. Raises StorageError."""
        report = self.folder / REPORT
        try:
            self._results.write(json.dumps(summary(stats)) + "\n")
            self._results.close()
        except OSError as error:
            raise _refused(self.folder / RESULTS, error) from error
        write_atomically(report, write_report(recipe.name, self._rows, stats).encode())
        return report


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
