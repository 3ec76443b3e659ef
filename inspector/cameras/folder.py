"""A folder of image files as a camera: read once, in a loop, or watched for new files."""

import hashlib
import os
import time
from collections import Counter
from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import replace
from itertools import chain
from pathlib import Path
from threading import Event
from typing import ClassVar

from pydantic import Field

from inspector.cameras.base import Camera, CameraOptions, FileOptions, Pace, parse_options
from inspector.cameras.folder_watch import Arrival, FolderWatch, state_of
from inspector.cameras.ledger import KnownFile
from inspector.core.config import Option
from inspector.core.errors import CameraError, ConfigError
from inspector.core.types import Frame, Origin
from inspector.imaging.files import Image, image_files, page_count, page_name, read_pages

_RETRY = 0.1  # seconds until a watched file that cannot be read is tried again
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
    remember: bool = Field(True, description="watch: remember over restarts which files were inspected")
    recursive: bool = Field(False, description="look into the folders in it, too")
    masks: bool = Field(
        False, description="inspect label masks, too: a .png of few values beside a photograph of the same name"
    )


class FolderCamera(Camera):
    """Yields every image file in natural order; the part id is the file's path in the folder without its suffix.

    Further pages of a file are parts of their own, with ids ending in "#2", "#3", ... A file or page that cannot be read is
    reported through `skip`, and reading continues. In a loop the part ids of later rounds end in "@2", "@3", ... A watched file
    is read once its size and time have not changed for `settle` seconds. A file that ends in zeros gets more time: some
    programs allocate the full size first and have not written the data yet. A modified or replaced file is inspected again; one
    whose content and time of modification are the same is not. With a ledger, what was judged is remembered over restarts.
    """

    live: ClassVar[bool] = False
    options_model: ClassVar[type[CameraOptions]] = FolderOptions

    def __init__(self, name: str, address: str, options: Mapping[str, Option]) -> None:
        super().__init__(name, address, options)
        self._options = parse_options(FolderOptions, name, options)
        self._how = self._options.reading()
        self._folder = Path(address).expanduser()
        self._watch: FolderWatch | None = None  # kept while a share is disconnected
        if not address:
            raise ConfigError("A folder source needs a path.", remedy="Write folder:PATH.")
        if self._options.watch and self._options.loop:
            raise ConfigError("The camera {camera} cannot both watch and loop.", remedy="Choose one of them.", camera=name)

    def frames(self, stop: Event) -> Iterator[Frame]:
        return self._watched(stop) if self._options.watch else self._listed(stop)

    def _listed(self, stop: Event) -> Iterator[Frame]:
        pace, rounds = Pace(self._options.rate, self.alive), 0
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

    @property
    def remembers(self) -> Path | None:
        """The watched folder whose judged files a ledger should keep."""
        return self._folder.absolute() if self._options.watch and self._options.remember else None

    @property
    def resumes(self) -> bool:
        return self._options.watch

    def _watched(self, stop: Event) -> Iterator[Frame]:
        pace = Pace(self._options.rate, self.alive)
        try:
            watch = self._watch = self._watch or self._new_watch()
            watch.open()
            try:
                while (arrival := watch.next(stop)) is not None:
                    if not self._judged_before(watch, arrival):
                        if not pace.wait(stop):
                            return
                        yield from self._arrived(watch, arrival)
            finally:
                watch.close()
        except OSError as error:
            raise self._cannot_list(error) from error

    def _new_watch(self) -> FolderWatch:
        options, ledger = self._options, self.ledger
        watch = FolderWatch(
            self._folder,
            pattern=options.pattern,
            recursive=options.recursive,
            settle=options.settle,
            known={} if ledger is None else ledger.known(),
            alive=self.alive,
        )
        if ledger is None or ledger.fresh:
            present = {} if options.existing else watch.files()
            watch.known |= {name: KnownFile(state, done={0}) for name, state in present.items()}
            if ledger is not None:
                ledger.began(present)
        if ledger is not None:
            watch.on_forgotten = ledger.forget
        return watch

    def _judged_before(self, watch: FolderWatch, arrival: Arrival) -> bool:
        """Return whether a file that looks changed holds what was judged already: its owner or place changed, or its inode."""
        known, state = watch.known.get(arrival.name), arrival.state
        if known is None or not known.complete or not known.state.same_content(state):
            return False
        if known.digest:
            same = _digest(arrival.path) == known.digest
        else:  # never read: replaced if it is another file with another time of change
            same = known.state.inode == state.inode or known.state.changed_ns == state.changed_ns
        if same:
            known.state = state
            if self.ledger is not None:
                self.ledger.restate(arrival.name, state)
        return same

    def _arrived(self, watch: FolderWatch, arrival: Arrival) -> Iterator[Frame]:
        """Yield the frames of a file that has settled, unless it is not complete yet."""
        began = time.monotonic()
        still, options, path = began - arrival.since, self._options, arrival.path
        ready = arrival.since + options.settle + self._longer(path)
        if began < ready:
            watch.again(arrival, ready)
            return
        count, pages = page_count(path), read_pages(path, self._how)
        began, unwritten = time.monotonic(), _unwritten(path)
        try:
            first = next(pages) if unwritten is None else unwritten
        except ConfigError as error:
            first = error
        if first is unwritten:
            count, pages = 1, iter(())
        if isinstance(first, ConfigError) and still < options.settle + options.patience:
            watch.again(arrival, time.monotonic() + _RETRY)
            return
        digest = _digest(path)
        if state_of(path) != arrival.state:  # it was modified while it was read
            watch.changed(arrival)
            return
        known = watch.known.get(arrival.name)
        again = known is not None and known.state == arrival.state and known.digest == digest
        done = set(known.done) if known is not None and again else set()
        watch.known[arrival.name] = KnownFile(arrival.state, digest, count, set(range(count)))
        ledger = "" if self.ledger is None else str(self.ledger.file)
        origin = Origin(arrival.name, 0, count, arrival.state, digest, arrival.arrived, ledger)
        yield from self._pages(path, watch.part_id(arrival.name), chain((first,), pages), began, origin, done)

    def _files(self) -> list[Path]:
        try:
            options = self._options
            return image_files(self._folder, pattern=options.pattern, recursive=options.recursive, masks=options.masks)
        except (OSError, ValueError, NotImplementedError) as error:
            raise self._cannot_list(error) from error

    def _cannot_list(self, error: Exception) -> CameraError:
        # A disconnected share may come back, so while a folder is watched it is worth waiting for.
        return CameraError(
            "The folder {folder} cannot be listed ({detail}).",
            remedy="Check the path, and that the disk or share is there.",
            retryable=self._options.watch,
            folder=self._folder,
            detail=error.strerror if isinstance(error, OSError) and error.strerror else error,
        )

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

    def _pages(
        self,
        path: Path,
        part: str,
        pages: Iterable[Image | ConfigError],
        began: float,
        origin: Origin | None = None,
        done: Container[int] = (),
    ) -> Iterator[Frame]:
        """Yield the frames of a file but for the pages in `done`. `began`: time when reading of its first page began."""
        for index, image in enumerate(pages):
            name = page_name(part, index)
            self.origin = None if origin is None else replace(origin, page=index)
            if index in done:
                pass
            elif isinstance(image, ConfigError):
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


def _unwritten(path: Path) -> ConfigError | None:
    """Return the error for a file whose space was reserved but whose end was never written."""
    if path.suffix.lower() not in _UNCOMPRESSED or not hasattr(os, "SEEK_HOLE"):
        return None
    try:
        with path.open("rb") as stream:
            size = stream.seek(0, os.SEEK_END)
            hole = os.lseek(stream.fileno(), 0, os.SEEK_HOLE)
            stream.seek(hole)
            while block := stream.read(1 << 20):
                if block.strip(b"\0"):
                    return None
            if hole >= size:
                return None
    except OSError:
        return None  # the reader will report the problem
    return ConfigError("{file} is not written to its end.", remedy="Copy or save it again.", file=path)


def _digest(path: Path) -> bytes:
    """Return a digest of a file's bytes; empty if it cannot be read."""
    try:
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, lambda: hashlib.blake2b(digest_size=16)).digest()
    except OSError:
        return b""
