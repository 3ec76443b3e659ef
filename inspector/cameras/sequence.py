"""Frames by number, from one image, a folder of images or a video: what predict and the review page step through."""

from abc import ABC, abstractmethod
from pathlib import Path

from inspector.cameras.base import stamp
from inspector.cameras.video import VIDEO_SUFFIXES, VideoFile
from inspector.core.errors import ConfigError
from inspector.core.files import image_files, read_image
from inspector.core.types import Frame


class FrameSequence(ABC):
    """Frames with random access. Not safe to share between threads."""

    @abstractmethod
    def __len__(self) -> int:
        """How many frames there are."""

    @abstractmethod
    def name(self, index: int) -> str:
        """Return what a person calls frame `index`: its file name, or the video's with the frame's number."""

    @abstractmethod
    def frame(self, index: int) -> Frame:
        """Frame `index`. Raises ConfigError where it cannot be read (the others still can), IndexError out of range."""

    @abstractmethod
    def close(self) -> None:
        """Let the file go."""


class _Images(FrameSequence):
    def __init__(self, files: list[Path], folder: Path, camera: str) -> None:
        self._files = files
        self._folder = folder
        self._camera = camera

    def __len__(self) -> int:
        return len(self._files)

    def name(self, index: int) -> str:
        return self._files[index].relative_to(self._folder).as_posix()

    def frame(self, index: int) -> Frame:
        path = self._files[index]
        image = read_image(path)
        part = path.relative_to(self._folder).with_suffix("").as_posix()
        return stamp(image.pixels, self._camera, index % len(self), unit=image.unit, part=part, source=str(path))

    def close(self) -> None:
        """No file is open between two frames."""


class _Video(FrameSequence):
    def __init__(self, path: Path, camera: str) -> None:
        self._video = VideoFile(path)
        self._camera = camera
        self._path = path

    def __len__(self) -> int:
        return len(self._video)

    def name(self, index: int) -> str:
        return f"{self._path.name} #{range(len(self))[index]}"

    def frame(self, index: int) -> Frame:
        index = range(len(self))[index]
        self._video.seek(index)
        pixels = self._video.read()
        if pixels is None:
            raise ConfigError(
                "Frame {index} of {file} cannot be read.",
                remedy="Copy the video again; it is damaged or cut short.",
                index=index,
                file=self._path,
            )
        return stamp(pixels, self._camera, index, part=f"{self._path.stem}-{index:06d}", source=str(self._path))

    def close(self) -> None:
        self._video.close()


def open_sequence(path: Path, *, camera: str = "camera", recursive: bool = False) -> FrameSequence:
    """Open one image, a folder of images (natural order, without label masks) or a video. `camera`: the frames' name.

    Raises ConfigError: nothing there, no image in the folder, not a video. An image itself is read by `frame`.
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
        return _Images(files, path, camera)
    if not path.exists():
        raise ConfigError("There is no file {file}.", remedy="Check the path.", file=path)
    if path.suffix.lower() in VIDEO_SUFFIXES:
        return _Video(path, camera)
    return _Images([path], path.parent, camera)
