"""Grey values are temperatures if and only if their source is declared so, in every kind of file and in videos."""

import json
from pathlib import Path
from threading import Event

import cv2
import imagecodecs
import numpy as np
import pytest
import tifffile

from inspector.cameras.base import open_camera
from inspector.cameras.sequence import open_sequence
from inspector.cli.main import run
from inspector.core.errors import ConfigError
from inspector.imaging.files import read_image
from inspector.imaging.image import Reading
from inspector.imaging.known_scales import KNOWN_SCALES, known_scale, scaled_frame
from inspector.recipes.recipe import load_recipe

CELSIUS = 20 + np.arange(40)[None, :] + 0.5 * np.arange(30)[:, None]
OPTRIS = {"unit": "celsius", "scale": 0.1, "offset": -100.0}


def values(key: str) -> np.ndarray[tuple[int, ...], np.dtype[np.uint16]]:
    """Return what a camera with this scale writes of the ramp."""
    one = known_scale(key)
    assert one is not None
    in_unit = CELSIUS + (273.15 if one.unit == "kelvin" else 0.0)
    return np.rint((in_unit - one.offset) / one.scale).astype(np.uint16)


def write_video(path: Path, frames: int = 3) -> None:
    options = [cv2.VIDEOWRITER_PROP_DEPTH, cv2.CV_16U, cv2.VIDEOWRITER_PROP_IS_COLOR, 0]
    writer = cv2.VideoWriter(str(path), cv2.CAP_FFMPEG, cv2.VideoWriter.fourcc(*"FFV1"), 25, (40, 30), options)
    for number in range(frames):
        writer.write(values("optris") + np.uint16(10 * number))
    writer.release()


@pytest.mark.parametrize("key", [one.key for one in KNOWN_SCALES])
@pytest.mark.parametrize("suffix", [".png", ".tiff", ".pgm", ".jp2"])
def test_every_known_scale_in_every_kind_of_file(tmp_path: Path, key: str, suffix: str) -> None:
    one, path, stored = known_scale(key), tmp_path / f"a{suffix}", values(key)
    assert one is not None
    if suffix == ".tiff":
        tifffile.imwrite(path, stored)
    elif suffix == ".pgm":  # 4095 would be scaled to 16 bits if the values were grey
        top = 4095 if stored.max() <= 4095 else 65535
        path.write_bytes(b"P5\n40 30\n%d\n" % top + stored.astype(">u2").tobytes())
    elif suffix == ".jp2":
        path.write_bytes(imagecodecs.jpeg2k_encode(stored, level=0, reversible=True))
    else:
        assert cv2.imwrite(str(path), stored)
    image = read_image(path, one.reading())
    assert image.unit == "kelvin"
    np.testing.assert_allclose(image.pixels, CELSIUS + 273.15, atol=one.scale / 2 + 1e-3)
    assert read_image(path).unit == "intensity"  # nobody declared it
    assert read_image(path, Reading(unit="intensity", scale=0.1)).unit == "intensity"


def test_colours_and_impossible_temperatures_are_refused_by_name(tmp_path: Path) -> None:
    assert cv2.imwrite(str(tmp_path / "colour.png"), np.zeros((4, 4, 3), np.uint16))
    with pytest.raises(ConfigError, match="holds colours"):
        read_image(tmp_path / "colour.png", Reading(unit="kelvin", scale=0.01))
    assert cv2.imwrite(str(tmp_path / "a.png"), values("optris"))
    with pytest.raises(ConfigError, match="no temperatures of a scene"):
        read_image(tmp_path / "a.png", Reading(unit="kelvin", scale=0.01))
    with pytest.raises(ConfigError, match="nothing says which"):
        read_image(tmp_path / "a.png", Reading(scale=0.1))


def test_a_video_of_16_bits_is_declared_as_a_folder_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "a.mkv"
    write_video(path)
    frames = list(open_camera("warm", f"video:{path}", OPTRIS).frames(Event()))
    assert [frame.unit for frame in frames] == ["kelvin"] * 3
    np.testing.assert_allclose(frames[1].pixels, CELSIUS + 274.15, atol=0.051)
    (grey, *_) = open_camera("warm", f"video:{path}", {"bits": 12}).frames(Event())
    assert (grey.unit, grey.bits) == ("intensity", 12)
    np.testing.assert_array_equal(grey.pixels, values("optris"))
    sequence = open_sequence(path, how=Reading(unit="celsius", scale=0.1, offset=-100.0))
    np.testing.assert_array_equal(sequence.frame(2).pixels, frames[2].pixels)
    assert [frame.unit for _, frame in sequence.each() if not isinstance(frame, ConfigError)] == ["kelvin"] * 3
    sequence.close()
    problems: list[str] = []
    camera = open_camera("warm", f"video:{path}", {"unit": "kelvin", "scale": 0.01})
    camera.on_problem = lambda part, error: problems.append(f"{part}: {error}")
    assert list(camera.frames(Event())) == []
    assert [problem.partition(":")[0] for problem in problems] == ["a-000000", "a-000001", "a-000002"]
    assert "no temperatures of a scene" in problems[0]
    given = ["thermal", str(path), "--values", "celsius", "--scale", "0.1", "--offset", "-100", "--spot", "0,0", "--json"]
    assert run(given) == 0
    said = [json.loads(text) for text in capsys.readouterr().out.splitlines()]
    assert [one["tools"][0]["maximum"] for one in said] == pytest.approx([20.0, 21.0, 22.0], abs=1e-3)


def test_the_scales_of_a_file_and_the_recipe_that_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    picture, recipe = tmp_path / "a.png", tmp_path / "r.toml"
    assert cv2.imwrite(str(picture), values("optris"))
    recipe.write_text(
        f'name = "r"\n[cameras.warm]\nsource = "folder:{tmp_path}"  # the press\n[[inspect]]\nbundle = "b"\ncamera = "warm"\n'
    )
    given = ["scales", str(picture), "--spot", "10,20", "--use", "optris", "--recipe", str(recipe), "--json"]
    assert run(given) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["point"] == {"x": 10, "y": 20, "value": 1400}
    (row,) = [row for row in said["scales"] if row["key"] == "optris"]
    assert (row["point_celsius"], row["minimum_celsius"], row["maximum_celsius"]) == (40.0, 20.0, 73.5)
    assert [row["key"] for row in said["scales"] if row["plausible"]] != ["optris"]  # several could be
    written = load_recipe(recipe)
    assert (written.revision, written.cameras["warm"].options) == (2, OPTRIS)
    assert "# the press" in recipe.read_text()
    assert run(["scales", str(picture), "--spot", "40,0"]) == 2
    assert "beside the image" in capsys.readouterr().err
    assert run(["scales", str(picture), "--use", "optris", "--recipe", str(recipe), "--camera", "cold"]) == 2
    assert "no camera called cold; its cameras: warm" in capsys.readouterr().err
    assert run(["scales"]) == 0
    listed = capsys.readouterr().out
    assert all(one.key in listed for one in KNOWN_SCALES)
    assert cv2.imwrite(str(picture), np.zeros((4, 4, 3), np.uint8))
    assert run(["scales", str(picture)]) == 2
    assert "no grey values of 16 bits" in capsys.readouterr().err


def test_a_file_that_says_its_own_scale_is_told_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tags = '<GDALMetadata><Item name="SCALE" sample="0" role="scale">0.1</Item><Item name="OFFSET" sample="0" role="offset">-100</Item><Item name="UNITTYPE" sample="0" role="unittype">degC</Item></GDALMetadata>'  # fmt: skip  # noqa: E501
    tifffile.imwrite(tmp_path / "a.tiff", values("optris"), extratags=[(42112, 2, 0, tags, True)])
    assert run(["scales", str(tmp_path / "a.tiff"), "--spot", "10,20"]) == 0
    assert "The file says its own scale: the point is 40.0 °C, all 20.0 to 73.5 °C" in capsys.readouterr().out


def test_a_point_is_shown_as_it_comes_out_even_where_it_cannot_be() -> None:
    found = scaled_frame(values("optris"), Reading(unit="kelvin", scale=0.01), x=0, y=0)
    assert found.point == pytest.approx(12.0)
    assert not found.plausible
