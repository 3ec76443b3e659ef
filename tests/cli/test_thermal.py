"""`inspector thermal` as a person and a script use it, on images whose temperatures are known."""

import csv
import io
import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import tifffile

from inspector.cli.main import run
from inspector.imaging import files

RAMP = (20 + np.arange(40)[None, :] + 0.5 * np.arange(30)[:, None]).astype(np.float32)  # degrees Celsius


@pytest.fixture
def ramp(tmp_path: Path) -> Path:
    path = tmp_path / "ramp.tiff"
    tifffile.imwrite(path, RAMP + np.float32(273.15))
    return path


def _objects(text: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in text.splitlines()]


def test_tools_in_every_unit(ramp: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for unit, corner in (("C", 20.0), ("K", 293.15), ("F", 68.0)):
        assert run(["thermal", str(ramp), "--spot", "0,0", "--line", "0,0,3,0", "--unit", unit, "--json"]) == 0
        (said,) = _objects(capsys.readouterr().out)
        spot, line = said["tools"]
        assert spot["minimum"] == spot["maximum"] == pytest.approx(corner, abs=0.002)
        step = 1.8 if unit == "F" else 1.0
        assert line["profile"] == pytest.approx([corner + step * n for n in range(4)], abs=0.002)
        assert line["hottest"] == [3, 0]


def test_words_and_a_table_say_the_same(ramp: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["thermal", str(ramp), "--box", "10,4,3,2", "--above", "45", "--below", "50"]
    assert run(arguments) == 0
    words = capsys.readouterr().out
    assert "box 10,4,3,2: 32.0 to 34.5 °C, mean 33.2" in words
    assert f"isotherm: {np.mean((RAMP > 45) & (RAMP < 50)):.2%} of the image" in words
    assert run([*arguments, "--csv"]) == 0
    (row,) = csv.DictReader(io.StringIO(capsys.readouterr().out))
    assert (row["tool"], row["unit"], row["minimum"], row["maximum"], row["pixels"]) == (
        "box 10,4,3,2",
        "C",
        "32.0",
        "34.5",
        "6",
    )
    assert (row["hottest_x"], row["hottest_y"]) == ("12", "5")


def test_a_difference_shows_what_grew_warm(ramp: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    later = RAMP.copy()
    later[10:14, 20:24] += 6.0
    path = tmp_path / "later.tiff"
    tifffile.imwrite(path, later + np.float32(273.15))
    out = tmp_path / "picture.png"
    arguments = ["--difference", str(ramp), "--hot-spots", "5", "--radius", "4", "--above", "5", "--json", "--out", str(out)]
    assert run(["thermal", str(path), *arguments]) == 0
    (said,) = _objects(capsys.readouterr().out)
    assert said["isotherm"] == pytest.approx(16 / RAMP.size, abs=1e-6)  # more than 5 K warmer, not warmer than 5 degrees
    (spot,) = said["hot_spots"]
    assert spot["delta"] == pytest.approx(6.0, abs=0.01)
    assert spot["area_px"] == 16
    assert cv2.imread(str(out)).shape == (30, 40, 3)


def test_centikelvin_are_temperatures_only_if_someone_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "a.png"
    cv2.imwrite(str(path), np.rint((RAMP + 273.15) * 100).astype(np.uint16))
    assert run(["thermal", str(path)]) == 2
    assert "no temperatures" in capsys.readouterr().err
    tiff = tmp_path / "a.tiff"
    tifffile.imwrite(tiff, np.rint((RAMP + 273.15) * 100).astype(np.uint16))
    assert run(["thermal", str(tiff), "--values", "kelvin", "--scale", "0.01", "--spot", "5,0"]) == 0
    assert "spot 5,0: 25.0 °C" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--spot", "40,0"], "beyond the image of 40 x 30"),
        (["--spot", "1"], "is not X,Y"),
        (["--spot", "a,b"], "whole pixels"),
        (["--polygon", "0,0,1,1"], "at least 3 points"),
        (["--emissivity", "0"], "emissivity = 0 is not possible"),
        (["--emissivity", "nan"], "is not possible"),
        (["--emissivity-at", "0,0,5,5,2"], "emissivity = 2 is not possible"),
        (["--emissivity", "0.9"], "does not hold a camera's raw values"),
        (["--hot-spots", "0"], "0"),
        (["--csv", "--json"], "either"),
        (["--span", "9,3"], "smaller"),
        (["--out", "a.jpg"], ".png"),
    ],
)
def test_what_cannot_be_is_one_sentence(
    ramp: Path, arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["thermal", str(ramp), *arguments]) == 2
    error = capsys.readouterr().err
    assert said in error
    assert "Traceback" not in error


def test_a_file_that_cannot_be_read_does_not_stop_the_others(ramp: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (ramp.parent / "broken.seq").write_bytes(b"FFF\0" + bytes(40))
    assert run(["thermal", str(ramp.parent)]) == 2
    told = capsys.readouterr()
    assert "broken.seq" in told.err
    assert "ramp.tiff" in told.out


def test_the_images_of_a_recording_are_read_from_one_opened_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.tiff"
    with tifffile.TiffWriter(path) as writer:
        for rise in range(4):
            writer.write(RAMP + np.float32(273.15 + rise), photometric="minisblack", contiguous=False)
    opened: list[Path] = []
    monkeypatch.setattr(files, "_open", lambda path, how, known=files._open: opened.append(path) or known(path, how))
    assert run(["thermal", str(path), "--spot", "0,0", "--json"]) == 0
    said = _objects(capsys.readouterr().out)
    assert [one["file"] for one in said] == [str(path), *(f"{path}#{number}" for number in (2, 3, 4))]
    assert [one["tools"][0]["maximum"] for one in said] == pytest.approx([20, 21, 22, 23], abs=0.01)
    assert opened == [path]
