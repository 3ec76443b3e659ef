"""Thermal pictures in 8-bit pseudo-colour, each scaled to its own range: their colours are no temperatures.

What ThermalCNN predicts from them is compared with the mean of the training set, and with the best linear reading of their
palette: highest, mean and lowest colour index, which is all that a table of colours can give.
"""

import csv
import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import tifffile

from inspector.imaging.colormaps import PALETTES, indices
from tests.e2e.helpers import inspector

pytest.importorskip("torch")

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]

_PARTS, _LEARNT = 1000, 800
_TRAINING = "--task thermal --network thermal_cnn --option head=stats --option filters=8 --epochs 16 --batch 16 --lr 0.002"


def written(rows: list[dict[str, str]], thermal: Path, out: Path) -> tuple[np.ndarray, np.ndarray]:
    """Write pictures with their table; return highest, mean and lowest index [N, 3], and the temperatures in kelvin [N, 3]."""
    out.mkdir()
    read, true = [], []
    with (out / "temperatures.csv").open("w", newline="", encoding="utf-8") as stream:
        table = csv.writer(stream)
        table.writerow(("file", "maximum", "mean", "minimum"))
        for row in rows:
            kelvin = tifffile.imread(thermal / row["file"])
            seen = indices(kelvin, float(kelvin.min()), float(kelvin.max()))
            name = f"{Path(row['file']).stem}.png"
            cv2.imwrite(str(out / name), np.ascontiguousarray(PALETTES["iron"][seen][..., ::-1]))
            table.writerow((name, row["maximum"], row["mean"], row["minimum"]))
            read.append((float(seen.max()), float(seen.mean()), float(seen.min())))
            true.append([float(row[key]) for key in ("maximum", "mean", "minimum")])
    return np.array(read), np.array(true)


def test_the_network_beats_the_mean_and_reading_the_palette(tmp_path: Path) -> None:
    ran = inspector("data", "demo", "--out", tmp_path / "demo", "--parts", str(_PARTS), timeout=1200)
    assert ran.code == 0, ran.said()
    thermal = tmp_path / "demo" / "thermal"
    rows = list(csv.DictReader((thermal / "temperatures.csv").read_text(encoding="utf-8").splitlines()))
    read, known = written(rows[:_LEARNT], thermal, tmp_path / "train")
    asked, true = written(rows[_LEARNT:], thermal, tmp_path / "test")
    mean = float(np.abs(known.mean(0) - true).mean())
    fit = np.linalg.lstsq(np.c_[read, np.ones(len(read))], known, rcond=None)[0]
    palette = float(np.abs(np.c_[asked, np.ones(len(asked))] @ fit - true).mean())

    out = tmp_path / "bundle"
    ran = inspector("train", *_TRAINING.split(), "--data", tmp_path / "train", "--out", out, "--json", timeout=3000)
    assert ran.code == 0, ran.said()
    ran = inspector("evaluate", "--model", out, "--data", tmp_path / "test", "--json", timeout=600)
    assert ran.code == 0, ran.said()
    network = float(json.loads(ran.stdout)["metrics"]["mae_kelvin"])
    assert network < palette < mean
