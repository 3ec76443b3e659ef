"""The folder camera: order, broken files, loops, and files that arrive while it watches."""

import os
import threading
import time
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from inspector.cameras.base import Camera, open_camera, reading_of
from inspector.cameras.folder_watch import FolderWatch, state_of
from inspector.cameras.sequence import open_sequence
from inspector.core.errors import CameraError, ConfigError, InspectorError
from inspector.core.types import FileState, Frame


def _save(path: Path, value: int = 0) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((10, 12), value, np.uint8)).save(path)


def _frames(camera: Camera) -> list[Frame]:
    return list(camera.frames(threading.Event()))


def test_natural_order_part_ids_and_sources(tmp_path: Path) -> None:
    for number in (10, 2, 1):
        _save(tmp_path / f"tile {number}.png", number)
    (tmp_path / "notes.txt").write_text("not an image")
    _save(tmp_path / ".hidden.png")
    frames = _frames(open_camera("top", f"folder:{tmp_path}"))
    assert [frame.part for frame in frames] == ["tile 1", "tile 2", "tile 10"]
    assert [int(frame.pixels[0, 0]) for frame in frames] == [1, 2, 10]
    assert [frame.sequence for frame in frames] == [0, 1, 2]
    assert frames[0].source == str(tmp_path / "tile 1.png")
    assert frames[0].camera == "top"


def test_a_plain_path_is_a_folder_source(tmp_path: Path) -> None:
    _save(tmp_path / "a.png")
    assert len(_frames(open_camera("top", str(tmp_path)))) == 1


def test_a_broken_file_is_reported_and_the_rest_goes_on(tmp_path: Path) -> None:
    for name in ("a", "c", "e"):
        _save(tmp_path / f"{name}.png")
    (tmp_path / "b.png").write_bytes(b"")
    (tmp_path / "d.jpg").write_bytes(b"\xff\xd8\xffnonsense")
    camera = open_camera("top", f"folder:{tmp_path}")
    problems: list[tuple[str, InspectorError]] = []
    camera.on_problem = lambda part, error: problems.append((part, error))
    assert [frame.part for frame in _frames(camera)] == ["a", "c", "e"]
    assert [part for part, _ in problems] == ["b", "d"]
    assert all(isinstance(error, ConfigError) for _, error in problems)
    assert str(tmp_path / "b.png") in str(problems[0][1])


def test_a_broken_file_is_not_passed_over_where_nobody_listens(tmp_path: Path) -> None:
    (tmp_path / "b.png").write_bytes(b"")
    with pytest.raises(ConfigError, match=r"b\.png"):
        _frames(open_camera("top", f"folder:{tmp_path}"))


def test_same_name_with_another_suffix_stays_another_part(tmp_path: Path) -> None:
    _save(tmp_path / "a.bmp")
    _save(tmp_path / "a.jpg")
    assert [frame.part for frame in _frames(open_camera("top", f"folder:{tmp_path}"))] == ["a.bmp", "a.jpg"]
    photographs = _frames(open_camera("top", f"folder:{tmp_path}", {"pattern": "*.jpg"}))
    assert [frame.part for frame in photographs] == ["a"]


def test_label_masks_beside_photographs_are_no_parts_unless_asked_for(tmp_path: Path) -> None:
    for name in ("a.jpg", "a.png", "b.png", "c.jpg"):
        _save(tmp_path / name)
    assert [frame.part for frame in _frames(open_camera("top", f"folder:{tmp_path}"))] == ["a", "b", "c"]
    everything = _frames(open_camera("top", f"folder:{tmp_path}", {"masks": True}))
    assert [frame.part for frame in everything] == ["a.jpg", "a.png", "b", "c"]
    sequence = open_sequence(tmp_path)
    assert [sequence.name(index) for index in range(len(sequence))] == ["a.jpg", "b.png", "c.jpg"]


def test_folders_in_the_folder(tmp_path: Path) -> None:
    _save(tmp_path / "x" / "1.png")
    _save(tmp_path / "y" / "1.png")
    with pytest.raises(CameraError, match="no image") as caught:
        _frames(open_camera("top", f"folder:{tmp_path}"))
    assert not caught.value.retryable
    frames = _frames(open_camera("top", f"folder:{tmp_path}", {"recursive": True}))
    assert [frame.part for frame in frames] == ["x/1", "y/1"]


def test_a_loop_numbers_its_rounds(tmp_path: Path) -> None:
    _save(tmp_path / "a.png")
    _save(tmp_path / "b.png")
    frames = open_camera("top", f"folder:{tmp_path}", {"loop": True}).frames(threading.Event())
    assert [frame.part for frame in islice(frames, 5)] == ["a", "b", "a@2", "b@2", "a@3"]


def test_rate_and_stop(tmp_path: Path) -> None:
    for number in range(50):
        _save(tmp_path / f"{number}.png")
    stop = threading.Event()
    camera = open_camera("top", f"folder:{tmp_path}", {"rate": 20})
    times = [frame.monotonic for frame in islice(camera.frames(stop), 5)]
    assert times[-1] - times[0] > 0.18
    stop.set()
    assert list(camera.frames(stop)) == []


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(CameraError, match="missing") as caught:
        _frames(open_camera("top", f"folder:{tmp_path / 'missing'}"))
    assert not caught.value.retryable
    with pytest.raises(ConfigError):
        open_camera("top", "folder:")


class _Watch:
    """A watching camera on a thread, and what it said."""

    def __init__(self, folder: Path, **options: float) -> None:
        self.parts: list[str] = []
        self.values: list[int] = []
        self.problems: list[str] = []
        self.stop = threading.Event()
        self.camera = open_camera("top", f"folder:{folder}", {"watch": True, "settle": 0.2, "patience": 0.5, **options})
        self.camera.on_problem = lambda part, error: self.problems.append(part)
        self.thread = threading.Thread(target=self._run)
        self.thread.start()

    def _run(self) -> None:
        for frame in self.camera.frames(self.stop):
            self.parts.append(frame.part)
            self.values.append(int(frame.pixels.flat[0]))

    def until(self, parts: int, problems: int = 0) -> bool:
        end = time.monotonic() + 5
        while time.monotonic() < end:
            if len(self.parts) >= parts and len(self.problems) >= problems:
                return True
            time.sleep(0.02)
        return False


@pytest.fixture
def watch(tmp_path: Path) -> Iterator[_Watch]:
    _save(tmp_path / "old.png", 1)
    watching = _Watch(tmp_path)
    yield watching
    watching.stop.set()
    watching.thread.join(2)
    assert not watching.thread.is_alive()


def test_new_files_are_inspected_once_as_they_arrive(tmp_path: Path, watch: _Watch) -> None:
    assert watch.until(1)
    _save(tmp_path / "new.png", 2)
    assert watch.until(2)
    time.sleep(0.5)
    assert watch.parts == ["old", "new"]
    assert watch.values == [1, 2]


def test_a_file_is_read_only_when_completely_written(tmp_path: Path, watch: _Watch) -> None:
    assert watch.until(1)
    noise = np.random.default_rng(0).integers(0, 256, (60, 60), np.uint8)
    Image.fromarray(noise).save(tmp_path / "whole.bmp")
    data = (tmp_path / "whole.bmp").read_bytes()
    (tmp_path / "whole.bmp").unlink()
    with (tmp_path / "slow.bmp").open("wb") as stream:
        for at in range(0, len(data), len(data) // 8 + 1):
            stream.write(data[at : at + len(data) // 8 + 1])
            stream.flush()
            time.sleep(0.1)
        assert "slow" not in watch.parts
    assert watch.until(2)
    assert watch.parts[-1] == "slow"
    assert watch.problems == []


def test_a_file_written_again_is_inspected_again(tmp_path: Path, watch: _Watch) -> None:
    assert watch.until(1)
    _save(tmp_path / "old.png", 9)
    assert watch.until(2)
    assert watch.values == [1, 9]


def test_a_file_that_stays_broken_is_reported_once_and_mended_later(tmp_path: Path, watch: _Watch) -> None:
    assert watch.until(1)
    (tmp_path / "bad.png").write_bytes(b"half of it")
    assert watch.until(1, problems=1)
    time.sleep(0.5)
    assert watch.problems == ["bad"]
    _save(tmp_path / "bad.png", 4)
    assert watch.until(2)
    assert watch.parts == ["old", "bad"]


def test_files_that_were_there_may_be_left_alone(tmp_path: Path) -> None:
    _save(tmp_path / "old.png")
    watching = _Watch(tmp_path, existing=False)
    try:
        time.sleep(0.4)
        _save(tmp_path / "new.png")
        assert watching.until(1)
        assert watching.parts == ["new"]
    finally:
        watching.stop.set()
        watching.thread.join(2)


def test_a_watched_share_may_go_away_and_come_back(tmp_path: Path) -> None:
    share = tmp_path / "share"
    _save(share / "a.png")
    camera = open_camera("top", f"folder:{share}", {"watch": True, "settle": 0.1})
    frames = camera.frames(threading.Event())
    assert next(frames).part == "a"
    share.rename(tmp_path / "away")
    with pytest.raises(CameraError) as caught:
        next(frames)
    assert caught.value.retryable
    (tmp_path / "away").rename(share)
    _save(share / "b.png")
    assert next(camera.frames(threading.Event())).part == "b", "what was inspected is not inspected again"


def test_a_file_that_was_taken_away_and_comes_again_is_new(tmp_path: Path, watch: _Watch) -> None:
    _save(tmp_path / "other.png")
    assert watch.until(2)
    content = (tmp_path / "old.png").read_bytes()
    (tmp_path / "old.png").unlink()
    time.sleep(0.3)
    (tmp_path / "old.png").write_bytes(content)
    assert watch.until(3)
    assert watch.parts == ["old", "other", "old"]


def _burst(path: Path, values: Sequence[int]) -> None:
    with tifffile.TiffWriter(path) as writer:
        for value in values:
            writer.write(np.full((10, 12), value, np.uint8), photometric="minisblack", metadata=None)


def test_every_page_is_a_part_of_its_own(tmp_path: Path) -> None:
    _save(tmp_path / "a.png", 1)
    _burst(tmp_path / "b.tif", (2, 3, 4))
    _save(tmp_path / "c.png", 5)
    frames = _frames(open_camera("top", f"folder:{tmp_path}"))
    assert [(frame.part, int(frame.pixels[0, 0])) for frame in frames] == [
        ("a", 1),
        ("b", 2),
        ("b#2", 3),
        ("b#3", 4),
        ("c", 5),
    ]
    sequence = open_sequence(tmp_path)
    assert [sequence.name(index) for index in range(len(sequence))] == ["a.png", "b.tif", "b.tif#2", "b.tif#3", "c.png"]
    assert [int(sequence.frame(index).pixels[0, 0]) for index in (3, 0, 2)] == [4, 1, 3]
    assert sequence.frame(3).part == "b#3"


def test_a_damaged_page_is_reported_and_the_others_are_inspected(tmp_path: Path) -> None:
    with tifffile.TiffWriter(tmp_path / "a.tif") as writer:
        for value in (1, 2, 3):
            pixels = np.full((40, 50), value, np.uint8)
            writer.write(pixels, photometric="minisblack", metadata=None, compression="zlib")
    with tifffile.TiffFile(tmp_path / "a.tif") as file:
        start = file.pages[1].dataoffsets[0]
    data = bytearray((tmp_path / "a.tif").read_bytes())
    data[start : start + 8] = b"\xff" * 8
    (tmp_path / "a.tif").write_bytes(bytes(data))
    camera = open_camera("top", f"folder:{tmp_path}")
    problems: list[str] = []
    camera.on_problem = lambda part, error: problems.append(part)
    assert [frame.part for frame in _frames(camera)] == ["a", "a#3"]
    assert problems == ["a#2"]


def test_pictures_that_are_not_read_are_parts_that_are_named(tmp_path: Path) -> None:
    _save(tmp_path / "a.png")
    (tmp_path / "b.jxl").write_bytes(b"\xff\x0a")
    (tmp_path / "c.heic").write_bytes(b"....ftypheic")
    Image.fromarray(np.zeros((10, 12, 3), np.uint8)).save(tmp_path / "d.jpe", format="JPEG")
    camera = open_camera("top", f"folder:{tmp_path}")
    said: dict[str, str] = {}
    camera.on_problem = lambda part, error: said.update({part: str(error)})
    assert [frame.part for frame in _frames(camera)] == ["a", "d"]
    assert "JPEG XL, which is not read" in said["b"]
    assert "HEIF, which is not read" in said["c"]


def test_what_files_do_not_say_is_an_option_of_the_source(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", np.full((10, 12), 30_315, np.uint16), photometric="minisblack", metadata=None)
    (plain,) = _frames(open_camera("top", f"folder:{tmp_path}"))
    assert (plain.unit, plain.bits) == ("intensity", None)
    (deep,) = _frames(open_camera("top", f"folder:{tmp_path}", {"bits": 16}))
    assert (deep.unit, deep.bits) == ("intensity", 16)
    (warm,) = _frames(open_camera("top", f"folder:{tmp_path}", {"unit": "kelvin", "scale": 0.01}))
    assert warm.unit == "kelvin"
    np.testing.assert_allclose(warm.pixels, 303.15, atol=1e-3)
    how = reading_of("top", {"unit": "celsius", "scale": 0.001, "rate": 5})
    np.testing.assert_allclose(open_sequence(tmp_path, how=how).frame(0).pixels, 303.465, atol=1e-3)
    for wrong in ({"bits": 17}, {"unit": "rankine"}, {"scale": float("nan")}, {"scale": 0.0}):
        with pytest.raises(ConfigError, match="not valid"):
            open_camera("top", f"folder:{tmp_path}", wrong)


@pytest.mark.parametrize("suffix", [".bmp", ".tif", ".pgm"])
def test_a_file_made_at_its_full_size_first_is_inspected_once_when_it_is_written(
    tmp_path: Path, watch: _Watch, suffix: str
) -> None:
    assert watch.until(1)
    pixels = np.random.default_rng(0).integers(1, 256, (120, 160), np.uint8)
    whole = tmp_path / "other" / f"whole{suffix}"
    whole.parent.mkdir()
    if suffix == ".tif":
        tifffile.imwrite(whole, pixels, photometric="minisblack", metadata=None)
    else:
        Image.fromarray(pixels).save(whole)
    data = whole.read_bytes()
    with (tmp_path / f"slow{suffix}").open("wb") as stream:
        stream.write(data[:4000] + bytes(len(data) - 4000))
        stream.flush()
        time.sleep(0.45)  # twice as long as a file that is written has to be still
        stream.seek(4000)
        stream.write(data[4000:])
    assert watch.until(2)
    time.sleep(0.5)
    assert watch.parts == ["old", "slow"]
    assert watch.values[1] == int(pixels[0, 0])
    assert watch.problems == []


def test_a_long_list_of_files_shows_signs_of_life(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A share may take seconds for a hundred of them, which must not look as if it hung."""
    for number in range(200):
        (tmp_path / f"{number}.png").touch()
    asked = longest = 0  # questions to the folder since the last sign of life

    def counted(file: Path | os.DirEntry[str]) -> FileState | None:
        nonlocal asked, longest
        asked += 1
        longest = max(longest, asked)
        return state_of(file)

    def alive() -> None:
        nonlocal asked
        asked = 0

    monkeypatch.setattr("inspector.cameras.folder_watch.state_of", counted)
    watch = FolderWatch(tmp_path, pattern="*", recursive=False, settle=0.0, known={}, alive=alive)
    assert len(watch.files()) == 200
    watch.open()
    assert watch.next(threading.Event()) is not None
    watch.close()
    assert longest <= 65
