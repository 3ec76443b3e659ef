"""Numbered frames from one image, a folder of images or a video, for predict and the review page."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from pathlib import Path

from inspector.cameras.base import stamp
from inspector.cameras.video import VIDEO_SUFFIXES, RandomAccess, VideoFile, left_unread
from inspector.core.errors import ConfigError
from inspector.core.types import Frame, Pixels
from inspector.imaging.files import image_files, page_count, page_name, read_page
from inspector.imaging.image import AS_IT_SAYS, Reading
from inspector.imaging.temperature import declared, declares


class FrameSequence(ABC):
    """Frames with random access. Not thread-safe."""

    @abstractmethod
    def __len__(self) -> int:
        """Return the number of frames."""

    @abstractmethod
    def name(self, index: int) -> str:
        """Return the display name of frame `index`: its file name, or the video's with the frame's number."""

    @abstractmethod
    def frame(self, index: int) -> Frame:
        """Return frame `index`. Raises ConfigError if it cannot be read (the others still can), IndexError out of range."""

    def each(self) -> Iterator[tuple[str, Frame | ConfigError]]:
        """Yield every frame in turn with its name, or the error if it cannot be read."""
        for index in range(len(self)):
            try:
                frame: Frame | ConfigError = self.frame(index)
            except ConfigError as error:
                frame = error
            yield self.name(index), frame

    @abstractmethod
    def close(self) -> None:
        """Close the file."""


class _Images(FrameSequence):
    """The pages of image files, in order."""

    def __init__(self, files: list[Path], folder: Path, camera: str, how: Reading) -> None:
        self._files = [(path, page) for path in files for page in range(page_count(path))]
        self._folder = folder
        self._camera = camera
        self._how = how

    def __len__(self) -> int:
        return len(self._files)

    def name(self, index: int) -> str:
        path, page = self._files[index]
        return page_name(path.relative_to(self._folder).as_posix(), page)

    def frame(self, index: int) -> Frame:
        path, page = self._files[index]
        image = read_page(path, page, self._how)
        part = page_name(path.relative_to(self._folder).with_suffix("").as_posix(), page)
        return stamp(
            image.pixels,
            self._camera,
            index % len(self),
            unit=image.unit,
            part=part,
            source=str(path),
            bits=image.bits,
            notes=image.notes,
        )

    def close(self) -> None:
        """Do nothing: no file stays open between frames."""


class _Video(FrameSequence):
    """The frames of a video. Their number is only known once all have been read; the first request for it waits."""

    def __init__(self, path: Path, camera: str, how: Reading) -> None:
        VideoFile(path).close()  # raises ConfigError if it is not a video
        self._access: RandomAccess | None = None
        self._camera = camera
        self._path = path
        self._how = how

    def __len__(self) -> int:
        return len(self._by_number().index)

    def name(self, index: int) -> str:
        return self._name(range(len(self))[index])

    def frame(self, index: int) -> Frame:
        index = range(len(self))[index]
        return self._stamp(self._by_number().read(index), index)

    def each(self) -> Iterator[tuple[str, Frame | ConfigError]]:
        video = VideoFile(self._path)
        try:
            while (pixels := video.read()) is not None:
                index = video.next - 1
                yield self._name(index), self._stamped(pixels, index)
            if not video.next:
                yield self._path.name, video.no_frames()
            elif (more := left_unread(self._path, video.next)) is not None:
                yield self._name(video.next), more
        finally:
            video.close()

    def close(self) -> None:
        if self._access is not None:
            self._access.close()
            self._access = None

    def _by_number(self) -> RandomAccess:
        self._access = self._access or RandomAccess(self._path)
        return self._access

    def _name(self, index: int) -> str:
        return f"{self._path.name} #{index}"

    def _stamped(self, pixels: Pixels | ConfigError, index: int) -> Frame | ConfigError:
        try:
            return pixels if isinstance(pixels, ConfigError) else self._stamp(pixels, index)
        except ConfigError as error:
            return error

    def _stamp(self, pixels: Pixels, index: int) -> Frame:
        part, source = f"{self._path.stem}-{index:06d}", str(self._path)
        if declares(self._how):
            kelvin, notes = declared(self._path, pixels, self._how)
            return stamp(kelvin, self._camera, index, unit="kelvin", part=part, source=source, notes=notes)
        bits = self._how.bits if pixels.dtype.itemsize == 2 else None
        return stamp(pixels, self._camera, index, part=part, source=source, bits=bits)


def open_sequence(path: Path, *, camera: str = "camera", recursive: bool = False, how: Reading = AS_IT_SAYS) -> FrameSequence:
    """Open one image, a folder of images (natural order, without label masks) or a video.

    `camera`: camera name of the frames. `how`: properties that the files do not state. Raises ConfigError if the path does
    not exist, the folder has no image, or the file is not a video. The image itself is read by `frame`.
    """
    path = path.expanduser()
    if path.is_dir():
        try:
            files = image_files(path, recursive=recursive, masks=False)
        except OSError as error:
            raise ConfigError(
                "The folder {folder} cannot be listed ({detail}).",
                remedy="Check that this user may open it.",
                folder=path,
                detail=error.strerror or error,
            ) from error
        if not files:
            raise ConfigError("There is no image in the folder {folder}.", remedy="Choose another folder.", folder=path)
        return _Images(files, path, camera, how)
    if not path.exists():
        raise ConfigError("There is no file {file}.", remedy="Check the path.", file=path)
    if path.suffix.lower() in VIDEO_SUFFIXES:
        return _Video(path, camera, how)
    return _Images([path], path.parent, camera, how)
