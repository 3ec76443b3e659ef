"""Exports the images of the optional elpv-dataset package as class folders and a table of labels.

2,624 electroluminescence images of solar cells (S. Deitsch et al., "Automatic classification of defective photovoltaic module
cells in electroluminescence images", Solar Energy 185, 2019). Each has the kind of module and the probability of a defect as
judged by experts (0, 1/3, 2/3 or 1).
"""

import csv
import importlib.util
import shutil
from collections.abc import Callable
from pathlib import Path

from inspector.core.errors import ConfigError
from inspector.data.formats.place import new_folder

DEFECTIVE, FUNCTIONAL = "defective", "functional"
_FROM = 0.5  # probability from which a cell counts as defective


def write_elpv(folder: Path, *, progress: Callable[[int, int], None] | None = None) -> int:
    """Write FOLDER/defective/*.png, FOLDER/functional/*.png and labels.csv; return the number of images.

    labels.csv (path, label, confidence, probability, type) gives training the experts' uncertainty. Raises ConfigError if the
    package is not installed or the folder is in use, StorageError if writing fails.
    """
    rows = _rows(_source())
    with new_folder(folder) as place:
        for name in (DEFECTIVE, FUNCTIONAL):
            (place / name).mkdir(parents=True)
        with (place / "labels.csv").open("w", newline="", encoding="utf-8") as stream:
            table = csv.writer(stream)
            table.writerow(("path", "label", "confidence", "probability", "type"))
            for number, (file, probability, kind) in enumerate(rows, start=1):
                label = DEFECTIVE if probability >= _FROM else FUNCTIONAL
                confidence = max(probability, 1 - probability)
                shutil.copyfile(file, place / label / file.name)
                table.writerow((f"{label}/{file.name}", label, f"{confidence:.4f}", f"{probability:.4f}", kind))
                if progress is not None:
                    progress(number, len(rows))
    return len(rows)


def _source() -> Path:
    found = importlib.util.find_spec("elpv_dataset")
    if found is None or found.origin is None:
        raise ConfigError(
            "The pictures of solar cells are in the package elpv-dataset, which is not installed.",
            remedy="Install it from the program's folder: packaging/run.sh --with elpv (Windows: run.ps1).",
        )
    return Path(found.origin).parent / "data"


def _rows(source: Path) -> list[tuple[Path, float, str]]:
    """Return (image, probability, kind of module) of each line of the package's labels.csv. Raises ConfigError."""
    table = source / "labels.csv"
    try:
        lines = [line.split() for line in table.read_text("utf-8").splitlines() if line.strip()]
        return [(source / file, float(probability), kind) for file, probability, kind in lines]
    except (OSError, ValueError) as error:
        raise ConfigError(
            "{file} cannot be read ({detail}).", remedy="Install elpv-dataset again.", file=table, detail=error
        ) from error
