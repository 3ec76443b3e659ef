"""Video files and frames by number."""

import threading
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from inspector.cameras import capture  # noqa: F401 - makes FFmpeg quiet before OpenCV starts it
from inspector.cameras.base import open_camera
from inspector.cameras.sequence import open_sequence
from inspector.core.errors import CameraError, ConfigError


@pytest.fixture(params=[("avi", "MJPG"), ("mp4", "mp4v")], ids=["avi", "mp4"])
def video(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """30 frames of 64 x 48, frame k as bright as 8 k in the left half and red in the right."""
    import cv2

    suffix, code = request.param
    path = tmp_path / f"動画.{suffix}"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*code), 25, (64, 48))
    for k in range(30):
        picture = np.full((48, 64, 3), 8 * k, np.uint8)
        picture[:, 32:] = (0, 0, 200)  # OpenCV's order
        writer.write(picture)
    writer.release()
    return path


def _number(pixels: np.typing.NDArray[np.generic]) -> int:
    return round(float(np.asarray(pixels)[:, 4:24].mean()) / 8)


def test_every_frame_once_in_rgb(video: Path) -> None:
    frames = list(open_camera("top", f"video:{video}").frames(threading.Event()))
    assert [_number(frame.pixels) for frame in frames] == list(range(30))
    red = frames[3].pixels[:, 40:60].mean(axis=(0, 1))
    assert red[0] > 150
    assert red[2] < 60
    assert frames[5].sequence == 5
    assert frames[5].source == str(video)


def test_a_loop_begins_again(video: Path) -> None:
    frames = open_camera("top", f"video:{video}", {"loop": True}).frames(threading.Event())
    assert [_number(frame.pixels) for frame in islice(frames, 28, 33)] == [28, 29, 0, 1, 2]


def test_frames_by_number_in_any_order(video: Path) -> None:
    sequence = open_sequence(video, camera="top")
    try:
        assert len(sequence) == 30
        for index in (5, 6, 29, 0, 17, 16, -1):
            frame = sequence.frame(index)
            assert _number(frame.pixels) == index % 30
            assert frame.sequence == index % 30
            assert frame.camera == "top"
        assert sequence.name(7).endswith("#7")
        with pytest.raises(IndexError):
            sequence.frame(30)
    finally:
        sequence.close()


def test_a_video_cut_short(video: Path, capfd: pytest.CaptureFixture[str]) -> None:
    video.write_bytes(video.read_bytes()[: int(video.stat().st_size * 0.6)])
    camera = open_camera("top", f"video:{video}")
    camera.on_problem = lambda part, error: None  # its last frame is cut as well
    with pytest.raises(CameraError, match="video") as caught:
        list(camera.frames(threading.Event()))
    assert not caught.value.retryable
    assert str(video) in str(caught.value)
    assert capfd.readouterr() == ("", "")


def test_what_is_no_video(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "text.mp4").write_text("this is not a video" * 50)
    (tmp_path / "empty.mp4").write_bytes(b"")
    for name in ("text.mp4", "empty.mp4", "missing.mp4"):
        with pytest.raises(CameraError, match=name) as caught:
            list(open_camera("top", f"video:{tmp_path / name}").frames(threading.Event()))
        assert not caught.value.retryable
        with pytest.raises(ConfigError, match=name):
            open_sequence(tmp_path / name)
    assert capfd.readouterr() == ("", "")


def test_a_sequence_of_one_image_and_of_a_folder(tmp_path: Path) -> None:
    for number in (10, 9):
        Image.fromarray(np.full((4, 5), number, np.uint8)).save(tmp_path / f"{number}.png")
    (tmp_path / "11.png").write_bytes(b"")
    tifffile.imwrite(tmp_path / "12.tif", np.full((4, 5), 300, np.float32), photometric="minisblack")
    sequence = open_sequence(tmp_path)
    assert [sequence.name(index) for index in range(len(sequence))] == ["9.png", "10.png", "11.png", "12.tif"]
    assert int(sequence.frame(1).pixels[0, 0]) == 10
    with pytest.raises(ConfigError, match=r"11\.png"):
        sequence.frame(2)
    assert sequence.frame(3).unit == "kelvin"
    one = open_sequence(tmp_path / "9.png")
    assert (len(one), one.frame(0).part) == (1, "9")


def test_nothing_to_step_through(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no image"):
        open_sequence(tmp_path)
    with pytest.raises(ConfigError, match="There is no file"):
        open_sequence(tmp_path / "x.png")
