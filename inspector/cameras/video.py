"""A video file: as a camera, and with random access for review."""

import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from threading import Event
from typing import ClassVar

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from inspector.cameras.base import Camera, CameraOptions, Pace, parse_options
from inspector.cameras.capture import to_frame
from inspector.core.config import Option
from inspector.core.errors import CameraError, ConfigError
from inspector.core.types import Frame

VIDEO_SUFFIXES = frozenset({".mp4", ".m4v", ".mov", ".avi", ".mkv", ".webm", ".mpg", ".mpeg", ".ts", ".wmv"})
_ENOUGH = 0.9  # of the announced frames; a container's own count is not exact


class VideoFile:
    """An open video file. Not safe to share between threads."""

    def __init__(self, path: Path) -> None:
        """Raises ConfigError where the file is missing or not a video."""
        self.path = path
        if not path.is_file():
            raise ConfigError("There is no video {file}.", remedy="Check the path.", file=path)
        self._capture = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG)
        self._next = 0
        if not self._capture.isOpened():
            self._capture.release()
            raise ConfigError(
                "{file} cannot be read as a video.",
                remedy="Copy it again, or convert it to MP4 with H.264.",
                file=path,
            )

    def __len__(self) -> int:
        """The number of frames the file announces."""
        return max(0, int(self._capture.get(cv2.CAP_PROP_FRAME_COUNT)))

    def read(self) -> NDArray[np.uint8] | None:
        """Return the next frame, RGB or grey, or None at the end."""
        good, pixels = self._capture.read()
        if not good:
            return None
        self._next += 1
        return to_frame(pixels)

    def seek(self, index: int) -> None:
        """Make frame `index` the next one."""
        if index != self._next:
            self._capture.set(cv2.CAP_PROP_POS_FRAMES, index)
            self._next = index

    def close(self) -> None:
        self._capture.release()


class VideoOptions(CameraOptions):
    rate: float = Field(0.0, ge=0, le=1000, description="frames a second; 0: as fast as they are taken")
    loop: bool = Field(False, description="begin again after the last frame")


class VideoCamera(Camera):
    """Yields every frame of a video file. Raises CameraError (not retryable) for a file that is missing or cut short."""

    live: ClassVar[bool] = False

    def __init__(self, name: str, address: str, options: Mapping[str, Option]) -> None:
        super().__init__(name, address, options)
        self._options = parse_options(VideoOptions, name, options)
        if not address:
            raise ConfigError("A video source needs a path.", remedy="Write video:PATH.")
        self._path = Path(address).expanduser()

    def frames(self, stop: Event) -> Iterator[Frame]:
        pace = Pace(self._options.rate)
        while True:
            try:
                video = VideoFile(self._path)
            except ConfigError as error:
                raise CameraError(
                    error.problem.template,
                    remedy=error.remedy.template if error.remedy else "",
                    retryable=False,
                    file=self._path,
                ) from error
            announced, shown = len(video), 0
            try:
                while pace.wait(stop):
                    began = time.monotonic()
                    pixels = video.read()
                    if pixels is None:
                        break
                    shown += 1
                    yield self.frame(pixels, source=str(self._path), began=began)
            finally:
                video.close()
            if stop.is_set():
                return
            if shown == 0 or shown < _ENOUGH * announced:
                raise CameraError(
                    "The video {file} ends after {shown} of {announced} frames.",
                    remedy="Copy it again; it is damaged or cut short.",
                    retryable=False,
                    file=self._path,
                    shown=shown,
                    announced=announced,
                )
            if not self._options.loop:
                return
