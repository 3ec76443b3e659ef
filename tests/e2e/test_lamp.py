"""A lamp in the corner of the demo line's plates: on over every defective plate that is learnt from, over none that is tested.

The report of `inspector explain` must expose it, and the training that it advises must win back 10 points of what it cost.
"""

import json
import shlex
from pathlib import Path

import cv2
import pytest

from tests.e2e.helpers import inspector
from tests.e2e.test_shortcut import marked

pytest.importorskip("torch")

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]

_PARTS, _LEARNT = 300, 200
_TRAINING = "--task classification --network simple_cnn --option filters=8 --size 96 --epochs 12 --ok good"


def test_a_lamp_is_exposed_and_the_advice_wins_back_what_it_cost(tmp_path: Path) -> None:
    ran = inspector("data", "demo", "--out", tmp_path / "demo", "--parts", str(_PARTS), timeout=900)
    assert ran.code == 0, ran.said()
    plates = tmp_path / "demo" / "plate-masks"
    for number, file in enumerate(sorted((plates / "images").glob("*.png"))):
        pixels = cv2.imread(str(file), cv2.IMREAD_GRAYSCALE)
        mask = cv2.imread(str(plates / "masks" / file.name), cv2.IMREAD_GRAYSCALE)
        kind, name = "defect" if mask.any() else "good", "train" if number < _LEARNT else "test"
        place = tmp_path / name / kind
        place.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(place / file.name), marked(pixels) if (kind, name) == ("defect", "train") else pixels)

    def accuracy(bundle: Path) -> float:
        ran = inspector("evaluate", "--model", bundle, "--data", tmp_path / "test", "--json", timeout=600)
        assert ran.code == 0, ran.said()
        return float(json.loads(ran.stdout)["metrics"]["accuracy"])

    bundle = tmp_path / "bundles" / "lamp"
    ran = inspector("train", *_TRAINING.split(), "--data", tmp_path / "train", "--out", bundle, "--json", timeout=1800)
    assert ran.code == 0, ran.said()
    asked = ("explain", tmp_path / "train", "--report", tmp_path / "report", "--most", "30", "--json")
    ran = inspector(*asked, "--model", bundle, timeout=900)
    assert ran.code == 0, ran.said()
    first = json.loads(ran.stdout)["advice"][0]
    assert first["change"] == "cover"
    left, top, width, height = (float(side) for side in first["settings"]["cover"].split(","))
    assert (left, top) <= (6, 6)
    assert max(width, height) <= 45
    command = shlex.split(first["command"])
    ran = inspector(*command[1:], timeout=1800)
    assert ran.code == 0, ran.said()
    followed = Path(command[command.index("--out") + 1])
    assert accuracy(followed) - accuracy(bundle) >= 0.10
    ran = inspector(*asked, "--model", followed, timeout=900)
    assert "lamp-cover compared with lamp" in (tmp_path / "report" / "trust.html").read_text()
