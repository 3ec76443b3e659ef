"""`inspector data`: looks at folders and writes them in other layouts."""

import json
import shlex
from collections import Counter
from pathlib import Path

import cv2
import numpy as np
import pytest
from click.testing import CliRunner, Result

from inspector.cli.learning.data import data
from inspector.cli.learning.train import train
from inspector.core.errors import ConfigError
from inspector.data.annotations import read_dataset
from inspector.runs.settings import parse_size


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(data, [str(argument) for argument in arguments], standalone_mode=False)


def fill(folder: Path, kinds: dict[str, int]) -> Path:
    rng = np.random.default_rng(0)
    for kind, count in kinds.items():
        (folder / kind).mkdir(parents=True)
        for index in range(count):
            pixels = cv2.resize(rng.integers(0, 255, (9, 9), np.uint8), (40, 30), interpolation=cv2.INTER_CUBIC)
            assert cv2.imwrite(str(folder / kind / f"{kind}{index}.png"), pixels)
    return folder


def test_check_as_json(tmp_path: Path) -> None:
    fill(tmp_path, {"good": 30, "bad": 2})
    (tmp_path / "good" / "cut.png").write_bytes((tmp_path / "good" / "good0.png").read_bytes()[:300])
    (tmp_path / "bad" / "copy.png").write_bytes((tmp_path / "good" / "good1.png").read_bytes())
    done = run("check", tmp_path, "--json")
    assert done.return_value == 0
    found = json.loads(done.stdout)
    assert found["layout"] == "Class folders"
    assert found["sizes"][0] == {"width": 40, "height": 30, "images": 34}
    assert found["depths"] == {"8-bit grey": 34}
    assert found["duplicates"] == [["bad/copy.png", "good/good1.png"]]
    task = found["tasks"]["classification"]
    assert task["images"] == {"bad": 2, "good": 29}
    assert task["imbalance"] == 14.5
    problems = "\n".join(task["problems"])
    for sentence in ("cut.png is damaged", "the same image with different labels", "bad has 2 images", "14 times as many"):
        assert sentence in problems


def test_what_is_recommended_is_said_with_its_reasons_and_as_options_that_mean_the_same(tmp_path: Path) -> None:
    fill(tmp_path, {"good": 30, "bad": 28})
    found = json.loads(run("check", tmp_path, "--json").stdout)
    advice = found["advice"]["classification"]
    given = train.make_context("train", ["--data", str(tmp_path), "--out", "out", *shlex.split(advice["options"])]).params
    assert given["task"] == "classification"
    assert parse_size(given["size"]) == (advice["settings"]["width"], advice["settings"]["height"])
    for name, value in advice["settings"].items():
        if name not in ("width", "height", "options", "pretrained"):
            assert given[name] == value, name
    text = " ".join(run("check", tmp_path).stdout.split())
    assert f"Recommended for Classification, about {advice['minutes']:.0f} minutes" in text
    for sentence in (*advice["reasons"], *advice["problems"], f"In full: {advice['options']}"):
        assert " ".join(sentence.split()) in text
    hurried = json.loads(run("check", tmp_path, "--time-limit", "60", "--takt", "40ms", "--json").stdout)
    assert hurried["advice"]["classification"]["settings"]["time_limit"] == 60
    assert any("takt is 40 ms" in sentence for sentence in hurried["advice"]["classification"]["reasons"])


def test_check_names_the_layouts_and_reads_the_chosen_one(tmp_path: Path) -> None:
    fill(tmp_path, {"good": 4, "bad": 4})
    for index in range(4):
        (tmp_path / "bad" / f"bad{index}.txt").write_text("0 0.5 0.5 0.2 0.2\n")
    found = json.loads(run("check", tmp_path, "--json").stdout)
    assert [(one["name"], one["why"]) for one in found["layouts"]] == [
        ("yolo", "4 images have a YOLO .txt"),
        ("folders", "8 images lie in 2 folders"),
    ]
    assert found["tasks"]["detection"]["total"] == 4
    taken = json.loads(run("check", tmp_path, "--backgrounds", "--json").stdout)
    assert taken["tasks"]["detection"]["images"] == {"(none)": 4, "class 0": 4}
    chosen = json.loads(run("check", tmp_path, "--layout", "folders", "--json").stdout)
    assert chosen["tasks"]["classification"]["images"] == {"bad": 4, "good": 4}
    text = run("check", tmp_path).stdout
    assert "Read as yolo (65%): 4 images have a YOLO .txt." in text
    assert "It may also be folders (40%): 8 images lie in 2 folders." in text


def test_check_says_what_cannot_be_taught(tmp_path: Path) -> None:
    fill(tmp_path, {"good": 3})
    done = run("check", tmp_path)
    assert done.return_value == 1
    assert "There is only the class good" in " ".join(done.stdout.split())
    done = run("check", tmp_path, "--task", "detection")
    assert isinstance(done.exception, ConfigError)
    assert "it could teach classification" in str(done.exception)


@pytest.mark.parametrize("to", ["coco", "yolo", "masks"])
def test_convert(tmp_path: Path, to: str) -> None:
    fill(tmp_path / "in", {"good": 2, "bad": 2})
    for path in sorted((tmp_path / "in").rglob("*.png")):
        path.rename(path.with_suffix(".bmp"))
        mask = np.zeros((30, 40), np.uint8)
        mask[3:9, 5:20] = 255 * ("bad" in path.name)
        cv2.imwrite(str(path), mask)
    done = run("convert", tmp_path / "in", "--to", to, "--out", tmp_path / "out")
    assert done.return_value == 0
    boxes = [sample.truth.boxes for sample in read_dataset(tmp_path / "out", "detection").samples]
    assert [[] if one is None else one.xyxy.round(3).tolist() for one in boxes] == [[[5, 3, 20, 9]]] * 2 + [[]] * 2


def test_elpv(tmp_path: Path) -> None:
    pytest.importorskip("elpv_dataset")
    assert "2624 pictures" in run("elpv", "--out", tmp_path / "cells").stdout
    dataset = read_dataset(tmp_path / "cells", "classification")
    assert dataset.counts() == {"defective": 821, "functional": 1803}
    sure = Counter(round(sample.truth.confidence, 2) for sample in dataset.samples)
    assert sure == {1.0: 2223, 0.67: 401}  # the experts' 0 and 1, and their 1/3 and 2/3
