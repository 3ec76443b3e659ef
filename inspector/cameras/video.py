"""Video files, as a camera and with random access for review."""

import time
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from threading import Event
from typing import Annotated, ClassVar

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from inspector.cameras.base import Camera, CameraOptions, GreyOptions, Pace, parse_options
from inspector.cameras.bitstream import fields
from inspector.cameras.bitstream.damage import FileDamage, retrieved
from inspector.cameras.bitstream.h264 import H264
from inspector.cameras.bitstream.h265 import H265
from inspector.cameras.capture import to_frame
from inspector.cameras.containers import avi_codec, ends_early, several_recordings, units_have_lengths
from inspector.core.addresses import hide_secrets
from inspector.core.config import FormField, Option
from inspector.core.errors import CameraError, ConfigError
from inspector.core.types import Frame, Pixels
from inspector.imaging.formats.jpeg import JpegDamage, decode_jpeg

VIDEO_SUFFIXES = frozenset(
    {".mp4", ".m4v", ".mov", ".3gp", ".avi", ".mkv", ".webm", ".mpg", ".mpeg", ".vob", ".ts", ".mts", ".m2ts", ".wmv", ".asf"}
    | {".flv", ".ogv", ".mxf", ".dv", ".mjpeg", ".mjpg", ".y4m", ".nut", ".ivf", ".h264", ".264", ".h265", ".265", ".hevc"}
)
_TRIES = 4  # a packet that cannot be decoded looks like the end, but frames may follow
_FORWARD = 64  # most frames that are read instead of jumped over
_MJPEG = ("mjpg", "jpeg", "avrn", "mjpa")
_PLANES = (b"I420", b"Y42B", b"Y41B", b"NV12")  # brightness, stored apart from the colours
_LOOKED_AT = 5  # frames of which it is checked that they are converted
_LONGEST_STILL = 100  # frames that are looked at for one that differs from the first, where all are zero
_EVEN, _UNEVEN, _TOGETHER = 2.0, 8.0, 0.5  # levels, levels, correlation
_FOLLOWERS: Mapping[str, type[H264] | type[H265]] = {fields.H264: H264, fields.H265: H265}
_GREY16 = b"Y1\0\x10"
# Raw video of 16 bits per pixel without a format name (AVI, MOV): FFmpeg interprets all of it as 5-bit colours.
_RGB555 = (b"RGB\x0f", b"\x0fBGR")


class VideoFile:
    """An open video file, read from its beginning. Not thread-safe.

    The container's number of frames and its seeking are not trusted. Motion JPEG is decoded strictly, like the pictures of a
    stream; of H.264 and H.265, pictures that are damaged or depend on damaged ones are no frames. 16-bit grey keeps its depth.
    """

    def __init__(self, path: Path) -> None:
        """Raises ConfigError if the file is missing, is not a video, or has a pixel format that cannot be read correctly."""
        self.path = path
        if not path.is_file():
            raise ConfigError("There is no video {file}.", remedy="Check the path.", file=hide_secrets(str(path)))
        self._raw = False
        self._capture = self._opened(raw=False)
        self.codec = _tag(self._capture.get(cv2.CAP_PROP_FOURCC)).decode("latin-1").strip("\0 ")
        self.next = 0
        """Number of the next frame, where it is known."""
        self._damage: FileDamage | None = None
        try:
            self._choose_pixels()
        except ConfigError:
            self.close()
            raise

    @property
    def time(self) -> float:
        """Time of the last frame in ms, relative to the first frame."""
        return float(self._capture.get(cv2.CAP_PROP_POS_MSEC))

    def read(self) -> Pixels | ConfigError | None:
        """Return the next frame, RGB or grey; the error if it cannot be read; or None at the end."""
        if not self.skip():
            return None
        if self._raw:
            try:
                return decode_jpeg(retrieved(self._capture))
            except JpegDamage as error:
                return self._unreadable(str(error))
        good, pixels = self._capture.retrieve()
        if not good:
            return self._unreadable("it cannot be decoded")
        if self._damage is not None and self._damage.spoils(self.time, self.next - 1):
            return self._unreadable("data of it, or of a picture that it depends on, is missing")
        return to_frame(pixels)

    def skip(self) -> bool:
        """Skip the next frame; return False at the end."""
        good = any(self._capture.grab() for _ in range(1 if self._raw else _TRIES))
        self.next += good
        return good

    def mark(self) -> int:
        """Return a checksum of the last frame read or skipped."""
        if self._raw:
            return zlib.crc32(retrieved(self._capture))
        good, pixels = self._capture.retrieve()
        return zlib.crc32(np.ascontiguousarray(pixels[::4]).data) if good else 0

    def rewind(self) -> None:
        """Go back to the first frame."""
        self._capture.release()
        self._capture = self._opened(raw=self._raw)
        self._keep_depth()
        self.next = 0

    def jump(self, index: int) -> None:
        """Jump near frame `index`. The exact position can only be told from the frames."""
        self._capture.set(cv2.CAP_PROP_POS_FRAMES, index)

    @property
    def cheap(self) -> bool:
        """Whether skipping needs no decoding."""
        return self._raw

    def close(self) -> None:
        self._capture.release()
        if self._damage is not None:
            self._damage.close()

    def no_frames(self) -> ConfigError:
        """Return the error for a video without any decodable frame."""
        return ConfigError(
            "{file} holds video of the kind {codec}, which cannot be decoded here.",
            remedy="Convert it to MP4 with H.264, or to MKV with FFV1.",
            file=self.path,
            codec=self.codec or "?",
        )

    def _opened(self, *, raw: bool) -> cv2.VideoCapture:
        capture = cv2.VideoCapture(str(self.path), cv2.CAP_FFMPEG, [cv2.CAP_PROP_FORMAT, -1] if raw else [])
        if not capture.isOpened():
            capture.release()
            self.codec = avi_codec(self.path)
            if self.codec:
                raise self.no_frames()
            raise ConfigError(
                "{file} cannot be read as a video.",
                remedy="Copy it again, or convert it to MP4 with H.264.",
                file=self.path,
            )
        return capture

    def _choose_pixels(self) -> None:
        pixels = _tag(self._capture.get(cv2.CAP_PROP_CODEC_PIXEL_FORMAT))
        if pixels in _RGB555:
            raise self._refused("raw pixels of 16 bits, which may be grey or colours and say nothing of which")
        if pixels[:2] == b"Y1" and pixels != _GREY16:
            raise self._refused(f"grey of {pixels[3]} bits")
        if pixels[::-1][:2] == b"Y1" and pixels[0] > 8:
            raise self._refused(f"grey of {pixels[0]} bits with the high byte first")
        if (pixels[:2] in (b"G3", b"G4") or pixels[::-1][:2] in (b"G3", b"G4")) and max(pixels[0], pixels[3]) != 0:
            depth = pixels[3] if pixels[:1] == b"G" else pixels[0]
            if depth > 8:
                raise self._refused(f"colours of {depth} bits")
        self._keep_depth()
        if self.codec.lower() in _MJPEG:
            self._read_raw()
        follower = _FOLLOWERS.get(fields.codec_of(self.codec))
        if not self._raw and self._announces_fields():
            raise self._of_fields()
        if not self._raw and pixels in _PLANES:
            self._check_fields()
        if follower is not None:
            self._damage = FileDamage(self._opened(raw=True), follower, lengths=units_have_lengths(self.path))

    def _check_fields(self) -> None:
        """Refuse video of fields (interlaced), of which OpenCV 5 converts nothing and returns what was in its memory before.

        That never changes, and what it returns as colours and as brightness then have nothing in common. Memory that nobody has
        used before is zero; the brightness of black is 16, or not a whole video long. Raises ConfigError.
        """
        stored = cv2.VideoCapture(str(self.path), cv2.CAP_FFMPEG, [cv2.CAP_PROP_CONVERT_RGB, 0])
        seen = self._opened(raw=False)
        first: NDArray[np.generic] | None = None
        changes = zero = False
        try:
            for number in range(_LONGEST_STILL):
                (good, colours), (whole, bright) = seen.read(), stored.read()
                if not good or not whole or bright.shape != colours.shape[:2]:
                    break
                if number >= _LOOKED_AT and (changes or not zero):
                    return
                first = bright.copy() if first is None else first
                changes = changes or not np.array_equal(bright, first)
                zero = bool(2 * np.count_nonzero(bright) < bright.size)
                if number < _LOOKED_AT and not _alike(cv2.cvtColor(colours, cv2.COLOR_BGR2GRAY), bright):
                    raise self._of_fields()
            if zero and not changes:
                raise self._of_fields()
        finally:
            seen.release()
            stored.release()

    def _announces_fields(self) -> bool:
        """Return whether the file's headers, or those of its first pictures, say that pictures may be of two fields."""
        raw = self._opened(raw=True)
        try:
            return fields.announced(raw, self.codec, pictures=_LONGEST_STILL)
        finally:
            raw.release()

    def _of_fields(self) -> ConfigError:
        return ConfigError(
            "{file} holds interlaced video (of fields), which cannot be converted here.",
            remedy="Convert it to progressive frames, in MP4 with H.264 or in MKV with FFV1.",
            file=self.path,
        )

    def _keep_depth(self) -> None:
        if _tag(self._capture.get(cv2.CAP_PROP_CODEC_PIXEL_FORMAT)) == _GREY16:
            self._capture.set(cv2.CAP_PROP_CONVERT_RGB, 0)

    def _read_raw(self) -> None:
        """Extract the JPEG files from a Motion JPEG video, unless each holds a field (half a frame)."""
        size = int(self._capture.get(cv2.CAP_PROP_FRAME_WIDTH)), int(self._capture.get(cv2.CAP_PROP_FRAME_HEIGHT))
        raw = self._opened(raw=True)
        good = raw.grab()
        data = retrieved(raw) if good else b""
        raw.release()
        try:
            fits = good and decode_jpeg(data).shape[1::-1] == size
        except JpegDamage:
            fits = True  # no size in the header: the following frames decide
        if fits:
            self._raw = True
            self.rewind()

    def _unreadable(self, detail: str) -> ConfigError:
        return ConfigError(
            "Frame {index} of {file} is damaged ({detail}).",
            remedy="Copy the video again.",
            index=self.next - 1,
            file=self.path,
            detail=detail,
        )

    def _refused(self, detail: str) -> ConfigError:
        return ConfigError(
            "{file} holds a kind of pixels that is not read: {detail}.",
            remedy="Save it as FFV1 in MKV, with 8 bits or with 16-bit grey.",
            file=self.path,
            detail=detail,
        )


def _alike(grey: NDArray[np.generic], bright: NDArray[np.generic]) -> bool:
    """Return whether two pictures show the same: they rise and fall together, or both are even."""
    one, other = (np.asarray(picture, np.float32).ravel() for picture in (grey, bright))
    spread = sorted((float(one.std()), float(other.std())))
    if spread[0] < _EVEN:
        return spread[1] < _UNEVEN
    return float(np.corrcoef(one, other)[0, 1]) > _TOGETHER


def _tag(value: float) -> bytes:
    """Return OpenCV's number as a four-letter code."""
    return (int(value) & 0xFFFFFFFF).to_bytes(4, "little")


@dataclass(frozen=True, slots=True)
class Seen:
    """Known properties of one frame of a video: its time in ms and its checksum."""

    time: float
    mark: int


class RandomAccess:
    """Frames of a video by number. A frame is returned only if it equals the one from sequential reading."""

    def __init__(self, path: Path) -> None:
        """Reads the whole video once; the result is cached. Raises ConfigError."""
        status = path.stat() if path.is_file() else None
        self._video = VideoFile(path)
        self.index = _index(path, status.st_size if status else 0, status.st_mtime_ns if status else 0)
        self._jumps = not self._video.cheap

    def read(self, number: int) -> Pixels:
        """Return frame `number`. Raises ConfigError if it cannot be read."""
        video, wanted = self._video, self.index[number]
        if not video.next <= number <= video.next + _FORWARD:
            if self._jumps and number > _FORWARD:
                found = self._after_jump(number)
                if found is not None:
                    return found
            video.rewind()
        while video.next < number and video.skip():
            pass
        pixels = video.read()
        if isinstance(pixels, ConfigError):
            raise pixels
        if pixels is None or video.mark() != wanted.mark:
            video.rewind()
            raise ConfigError(
                "Frame {index} of {file} cannot be read.",
                remedy="Copy the video again; it is damaged or was changed meanwhile.",
                index=number,
                file=video.path,
            )
        return pixels

    def close(self) -> None:
        self._video.close()

    def _after_jump(self, number: int) -> Pixels | None:
        """Return the frame if a jump finds it; otherwise return None and stop jumping in this video."""
        video, wanted = self._video, self.index[number]
        video.jump(number)
        for _ in range(_FORWARD):
            pixels = video.read()
            if pixels is None:
                break
            if not isinstance(pixels, ConfigError) and abs(video.time - wanted.time) < 0.5 and video.mark() == wanted.mark:
                video.next = number + 1
                return pixels
        self._jumps = False
        return None


@lru_cache(maxsize=4)
def _index(path: Path, size: int, changed: int) -> tuple[Seen, ...]:
    """Return the properties of every frame of a video. `size` and `changed` identify the version of the file."""
    video = VideoFile(path)
    try:
        seen = []
        while video.skip():
            seen.append(Seen(video.time, video.mark()))
        if not seen:
            raise video.no_frames()
        return tuple(seen)
    finally:
        video.close()


class VideoOptions(GreyOptions):
    rate: Annotated[float, FormField(unit="fps")] = Field(
        0.0, ge=0, le=1000, description="frames a second; 0: as fast as they are taken"
    )
    loop: bool = Field(False, description="begin again after the last frame")


class VideoCamera(Camera):
    """Yields every frame of a video file. Raises CameraError (not retryable) for a file that is missing or cut short."""

    live: ClassVar[bool] = False
    options_model: ClassVar[type[CameraOptions]] = VideoOptions

    def __init__(self, name: str, address: str, options: Mapping[str, Option]) -> None:
        super().__init__(name, address, options)
        self._options = parse_options(VideoOptions, name, options)
        self.how = self._options.reading()
        if not address:
            raise ConfigError("A video source needs a path.", remedy="Write video:PATH.")
        self._path = Path(address).expanduser()

    def frames(self, stop: Event) -> Iterator[Frame]:
        pace = Pace(self._options.rate, self.alive)
        while True:
            try:
                video = VideoFile(self._path)
            except ConfigError as error:
                raise _final(error) from error
            try:
                yield from self._frames(video, pace, stop)
                if stop.is_set():
                    return
                if not video.next:
                    raise _final(video.no_frames())
                if (more := left_unread(self._path, video.next)) is not None:
                    raise _final(more)
            finally:
                video.close()
            if not self._options.loop:
                return

    def _frames(self, video: VideoFile, pace: Pace, stop: Event) -> Iterator[Frame]:
        while pace.wait(stop):
            began = time.monotonic()
            pixels = video.read()
            if pixels is None:
                return
            frame = self._frame(pixels, began)
            if isinstance(frame, ConfigError):
                self._sequence += 1
                self.skip(f"{self._path.stem}-{video.next - 1:06d}", frame)
            else:
                yield frame

    def _frame(self, pixels: Pixels | ConfigError, began: float) -> Frame | ConfigError:
        try:
            return pixels if isinstance(pixels, ConfigError) else self.frame(pixels, source=str(self._path), began=began)
        except ConfigError as error:  # as the source is declared, its values are no temperatures
            return error


def left_unread(path: Path, shown: int) -> ConfigError | None:
    """Return the error for a video that has been read to its end, after `shown` frames, and holds more or should; else None."""
    if ends_early(path):
        return ConfigError(
            "The video {file} is cut short: it ends after {shown} frames.", remedy="Copy it again.", file=path, shown=shown
        )
    if several_recordings(path):
        return ConfigError(
            "{file} holds several recordings one behind the other; only the first was read, of {shown} frames.",
            remedy="Give each recording a file of its own.",
            file=path,
            shown=shown,
        )
    return None


def _final(error: ConfigError) -> CameraError:
    """Return the error as one that is not retried."""
    remedy = error.remedy.template if error.remedy else ""
    return CameraError(error.problem.template, remedy=remedy, retryable=False, **error.problem.values)
