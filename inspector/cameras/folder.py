"""A folder of image files as a camera: read once, in a loop, or watched for new files."""

import os
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from threading import Event
from typing import ClassVar

from pydantic import Field

from inspector.cameras.base import Camera, CameraOptions, FileOptions, Pace, parse_options
from inspector.core.config import Option
from inspector.core.errors import CameraError, ConfigError
from inspector.core.types import Frame
from inspector.imaging.files import Image, image_files, page_name, read_pages

_POLL = 0.1  # seconds between scans of a watched folder
_UNCOMPRESSED = frozenset({".bmp", ".dib", ".tif", ".tiff", ".pgm", ".ppm", ".pnm", ".pbm"})
_TAIL = 4096  # bytes


class FolderOptions(FileOptions):
    rate: float = Field(0.0, ge=0, le=1000, description="files a second; 0: as fast as they are taken")
    loop: bool = Field(False, description="begin again after the last file")
    watch: bool = Field(False, description="inspect new files as they arrive, without end")
    existing: bool = Field(True, description="watch: inspect the files that are there already, too")
    settle: float = Field(0.3, ge=0, le=60, description="watch: seconds a file must stay unchanged before it is read")
    patience: float = Field(5.0, ge=0, le=600, description="watch: seconds a file that cannot be read yet is tried again")
    pattern: str = Field("*", min_length=1, description='only files of this name, for example "*.jpg"')
    recursive: bool = Field(False, description="look into the folders in it, too")
    masks: bool = Field(
        False, description="inspect label masks, too: a .png of few values beside a photograph of the same name"
    )


@dataclass(slots=True)
class _Seen:
    """A file of a watched folder that has not been inspected in this state yet."""

    state: tuple[int, int]  # size and time of change
    since: float


class FolderCamera(Camera):
    """Yields every image file in natural order; the part id is the file's path in the folder without its suffix.

    Further pages of a file are parts of their own, with ids ending in "#2", "#3", ... A file or page that cannot be read is
    reported through `skip`, and reading continues. In a loop the part ids of later rounds end in "@2", "@3", ... A watched file
    is read once its size and time have not changed for `settle` seconds. A file that ends in zeros gets more time: some
    programs allocate the full size first and have not written the data yet. A modified file is inspected again.
    """

    live: ClassVar[bool] = False
    options_model: ClassVar[type[CameraOptions]] = FolderOptions

    def __init__(self, name: str, address: str, options: Mapping[str, Option]) -> None:
        super().__init__(name, address, options)
        self._options = parse_options(FolderOptions, name, options)
        self._how = self._options.reading()
        self._folder = Path(address).expanduser()
        self._done: dict[Path, tuple[int, int]] | None = None  # watch: kept while a share is disconnected
        if not address:
            raise ConfigError("A folder source needs a path.", remedy="Write folder:PATH.")
        if self._options.watch and self._options.loop:
            raise ConfigError("The camera {camera} cannot both watch and loop.", remedy="Choose one of them.", camera=name)

    def frames(self, stop: Event) -> Iterator[Frame]:
        return self._watched(stop) if self._options.watch else self._listed(stop)

    def _listed(self, stop: Event) -> Iterator[Frame]:
        pace, rounds = Pace(self._options.rate), 0
        while True:
            files = self._files()
            if not files:
                raise CameraError(
                    "There is no image in the folder {folder}.",
                    remedy="Choose another folder, or set the option recursive to look into the folders in it.",
                    retryable=False,
                    folder=self._folder,
                )
            rounds += 1
            names = self._part_ids(files)
            for path in files:
                if not pace.wait(stop):
                    return
                part = names[path] if rounds == 1 else f"{names[path]}@{rounds}"
                yield from self._read(path, part)
            if not self._options.loop:
                return

    def _watched(self, stop: Event) -> Iterator[Frame]:
        pace, options = Pace(self._options.rate), self._options
        waiting: dict[Path, _Seen] = {}
        if self._done is None:
            there = [] if options.existing else self._files()
            self._done = {path: state for path in there if (state := _state(path)) is not None}
        done, took = self._done, 0.0
        while not stop.wait(max(_POLL, 4 * took)):  # a folder with very many files is scanned less often
            begun = time.monotonic()
            files = self._files()
            names = self._part_ids(files)
            took = time.monotonic() - begun
            # A file that vanished and reappears is a new one; but an empty folder may be a disconnected share.
            for gone in [path for path in done if path not in names and files]:
                del done[gone]
            for path in files:
                state, now = _state(path), time.monotonic()
                if state is None or done.get(path) == state:
                    waiting.pop(path, None)
                    continue
                seen = waiting.get(path)
                if seen is None or seen.state != state:
                    seen = waiting[path] = _Seen(state, now)
                still = now - seen.since
                if still < options.settle or still < options.settle + self._longer(path):
                    continue
                if not pace.wait(stop):
                    return
                pages = read_pages(path, self._how)
                began = time.monotonic()
                try:
                    first = next(pages)
                except ConfigError as error:
                    first = error
                if isinstance(first, ConfigError) and still < options.settle + options.patience:
                    continue
                if _state(path) == state:  # otherwise it was modified while it was read
                    done[path] = state
                    yield from self._pages(path, names[path], chain((first,), pages), began)

    def _files(self) -> list[Path]:
        try:
            options = self._options
            # A watched folder is a running line: every file in it is a part.
            masks = options.masks or options.watch
            return image_files(self._folder, pattern=options.pattern, recursive=options.recursive, masks=masks)
        except (OSError, ValueError, NotImplementedError) as error:
            # A disconnected share may come back, so while a folder is watched it is worth waiting for.
            raise CameraError(
                "The folder {folder} cannot be listed ({detail}).",
                remedy="Check the path, and that the disk or share is there.",
                retryable=self._options.watch,
                folder=self._folder,
                detail=error.strerror if isinstance(error, OSError) and error.strerror else error,
            ) from error

    def _part_ids(self, files: list[Path]) -> dict[Path, str]:
        """Return part ids: the path without suffix, or with it if two files differ in nothing else."""
        stems = {path: path.relative_to(self._folder).with_suffix("").as_posix() for path in files}
        shared = Counter(stems.values())
        return {path: stem if shared[stem] == 1 else path.relative_to(self._folder).as_posix() for path, stem in stems.items()}

    def _read(self, path: Path, part: str) -> Iterator[Frame]:
        try:
            yield from self._pages(path, part, read_pages(path, self._how), time.monotonic())
        except ConfigError as error:
            self.skip(part, error)

    def _pages(self, path: Path, part: str, pages: Iterable[Image | ConfigError], began: float) -> Iterator[Frame]:
        """Yield the frames of a file. `began`: time when reading of its first page began."""
        for index, image in enumerate(pages):
            name = page_name(part, index)
            if isinstance(image, ConfigError):
                self.skip(name, image)
            else:
                yield self.frame(
                    image.pixels,
                    unit=image.unit,
                    part=name,
                    source=str(path),
                    began=began,
                    bits=image.bits,
                    notes=image.notes,
                )
            began = time.monotonic()

    def _longer(self, path: Path) -> float:
        """Return the additional time in seconds until a file counts as complete."""
        zeros = _zeros_at_end(path)
        if zeros > 0.5:
            return self._options.patience
        return min(self._options.patience, max(1.0, 3 * self._options.settle)) if zeros else 0.0


def _zeros_at_end(path: Path) -> float:
    """Return how much of an uncompressed file is still unwritten: 0 if its end is written, up to 1.

    Small if the file ends in a few zeros, 1 if half of it is zeros or nothing was ever written.
    """
    if path.suffix.lower() not in _UNCOMPRESSED:
        return 0.0
    try:
        with path.open("rb") as stream:
            size = stream.seek(0, os.SEEK_END)
            stream.seek(-min(_TAIL, size // 2), os.SEEK_END)
            if any(stream.read()):
                return 0.0
            if hasattr(os, "SEEK_HOLE") and os.lseek(stream.fileno(), 0, os.SEEK_HOLE) < size:
                return 1.0
            stream.seek(size // 2)
            while block := stream.read(1 << 20):
                if any(block.strip(b"\0")):
                    return 0.1
    except OSError:
        return 0.0  # the reader will report the problem
    return 1.0


def _state(path: Path) -> tuple[int, int] | None:
    """Return size and modification time, or None if the file has gone."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_size, status.st_mtime_ns
