"""A folder of image files as a camera, once, in a loop, or watched for new files."""

import time
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from typing import ClassVar

from pydantic import Field

from inspector.cameras.base import Camera, CameraOptions, Pace, parse_options
from inspector.core.config import Option
from inspector.core.errors import CameraError, ConfigError
from inspector.core.files import image_files, read_image
from inspector.core.types import Frame

_POLL = 0.1  # seconds between two looks at a watched folder


class FolderOptions(CameraOptions):
    rate: float = Field(0.0, ge=0, le=1000, description="files a second; 0: as fast as they are taken")
    loop: bool = Field(False, description="begin again after the last file")
    watch: bool = Field(False, description="inspect new files as they arrive, without end")
    existing: bool = Field(True, description="watch: inspect the files that are there already, too")
    settle: float = Field(0.3, ge=0, le=60, description="watch: seconds a file must stay unchanged before it is read")
    patience: float = Field(5.0, ge=0, le=600, description="watch: seconds a file that cannot be read yet is tried again")
    pattern: str = Field("*", min_length=1, description='only files of this name, for example "*.jpg"')
    recursive: bool = Field(False, description="look into the folders in it, too")
    masks: bool = Field(False, description="inspect label masks, too: a .png beside a photograph of the same name")


@dataclass(slots=True)
class _Seen:
    """A file of a watched folder that has not been inspected in this state yet."""

    state: tuple[int, int]  # size and time of change
    since: float


class FolderCamera(Camera):
    """Yields every image file in natural order; the part id is the file's path in the folder without its suffix.

    A file that cannot be read is reported through `skip` and the rest goes on. In a loop the part ids of later rounds
    end in "@2", "@3", ... A watched file is read once its size and time have been still for `settle` seconds; a file
    that is written again is inspected again.
    """

    live: ClassVar[bool] = False

    def __init__(self, name: str, address: str, options: Mapping[str, Option]) -> None:
        super().__init__(name, address, options)
        self._options = parse_options(FolderOptions, name, options)
        self._folder = Path(address).expanduser()
        self._done: dict[Path, tuple[int, int]] | None = None  # watch: outlives a share that went away and came back
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
        while not stop.wait(max(_POLL, 4 * took)):  # a folder with very many files is looked at less often
            begun = time.monotonic()
            files = self._files()
            names = self._part_ids(files)
            took = time.monotonic() - begun
            # A file that went away and comes again is a new one; but an empty folder may be a share that went away.
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
                if now - seen.since < options.settle:
                    continue
                if not pace.wait(stop):
                    return
                try:
                    frame = self._frame(path, names[path])
                except ConfigError as error:
                    if now - seen.since >= options.settle + options.patience:
                        done[path] = state
                        self.skip(names[path], error)
                    continue
                if _state(path) == state:  # otherwise it was written to while it was read
                    done[path] = state
                    yield frame

    def _files(self) -> list[Path]:
        try:
            options = self._options
            # A watched folder is a line at work: there every file is a part.
            masks = options.masks or options.watch
            return image_files(self._folder, pattern=options.pattern, recursive=options.recursive, masks=masks)
        except (OSError, ValueError, NotImplementedError) as error:
            # A share that went away may come back; while a watched folder lasts, that is worth waiting for.
            raise CameraError(
                "The folder {folder} cannot be listed ({detail}).",
                remedy="Check the path, and that the disk or share is there.",
                retryable=self._options.watch,
                folder=self._folder,
                detail=error.strerror if isinstance(error, OSError) and error.strerror else error,
            ) from error

    def _part_ids(self, files: list[Path]) -> dict[Path, str]:
        """Path without suffix; with it, where two files differ in nothing else."""
        stems = {path: path.relative_to(self._folder).with_suffix("").as_posix() for path in files}
        shared = Counter(stems.values())
        return {path: stem if shared[stem] == 1 else path.relative_to(self._folder).as_posix() for path, stem in stems.items()}

    def _read(self, path: Path, part: str) -> Iterator[Frame]:
        try:
            frame = self._frame(path, part)
        except ConfigError as error:
            self.skip(part, error)
        else:
            yield frame

    def _frame(self, path: Path, part: str) -> Frame:
        began = time.monotonic()
        image = read_image(path)
        return self.frame(image.pixels, unit=image.unit, part=part, source=str(path), began=began)


def _state(path: Path) -> tuple[int, int] | None:
    """Size and time of change, or None where the file has gone."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_size, status.st_mtime_ns
