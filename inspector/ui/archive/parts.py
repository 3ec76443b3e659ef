"""The parts of the list that are in memory: those around what is shown, read block by block, with their pictures."""

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
from PySide6.QtCore import QObject, QSize, Signal
from PySide6.QtGui import QImage

from inspector.archive.archive import Archive
from inspector.archive.images import read_kept
from inspector.archive.reading import frame_of
from inspector.archive.store.blocks import Blocks, block, deciding_cameras, images_of, rows_of
from inspector.core.errors import InspectorError
from inspector.core.types import Frame, Region
from inspector.ui.archive.asking import ArchiveSource, ArchiveThread
from inspector.ui.canvas.rendering import full_range
from inspector.ui.inspect.panels.filmstrip import thumbnail
from inspector.ui.widgets.work_thread import WorkThread

PICTURE: Final = QSize(144, 108)
_BLOCKS: Final = 48  # blocks in memory
_PICTURE_BYTES: Final = 64 * 1024 * 1024  # of all pictures in memory


@dataclass(frozen=True, slots=True, eq=False)
class Entry:
    """A part of the list: its row of `result`, its image files, and the camera of the rule that decided."""

    row: Mapping[str, Any]
    files: Sequence[Mapping[str, Any]] = ()
    camera: str = ""

    @property
    def key(self) -> int:
        return int(self.row["id"])

    @property
    def kept(self) -> Mapping[str, Any] | None:
        """The image that the thumbnail is made of."""
        kept = [file for file in self.files if file["deleted"] is None]
        return next((file for file in kept if file["camera"] == self.camera), kept[0] if kept else None)


class ListedParts(QObject):
    """The list as far as it is in memory.

    `changed`: something is there that was not; `updated`: parts were read again; `failed` carries an InspectorError.
    """

    changed = Signal()
    updated = Signal()
    failed = Signal(object)

    def __init__(self, reader: ArchiveThread, source: ArchiveSource, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._reader = reader
        self._blocks: Blocks | None = None
        self._known: OrderedDict[int, list[Entry]] = OrderedDict()
        self._wanted: list[int] = []
        self._asked: int | None = None
        self._again: set[int] = set()  # keys of parts that are being read again
        self.pictures = Pictures(source, self)
        self.pictures.made.connect(self.changed)

    @property
    def blocks(self) -> Blocks | None:
        return self._blocks

    def __len__(self) -> int:
        return self._blocks.total if self._blocks is not None else 0

    def open(self, blocks: Blocks | None) -> None:
        """Show another list."""
        self._blocks = blocks
        self._known.clear()
        self._wanted, self._asked, self._again = [], None, set()
        for what in ("block", "rows"):
            self._reader.forget(what)
        self.changed.emit()

    def entry(self, index: int) -> Entry | None:
        """Return a part; None: it is not in memory, or it is no longer in this selection."""
        if self._blocks is None:
            return None
        number, place = divmod(index, self._blocks.size)
        entries = self._known.get(number)
        return entries[place] if entries is not None and place < len(entries) else None

    def is_known(self, index: int) -> bool:
        """Return whether the block of this place is in memory."""
        return self._blocks is not None and index // self._blocks.size in self._known

    def rows(self) -> dict[int, list[Mapping[str, Any]]]:
        """Return the rows of the blocks in memory, which places are meant in: some may be no longer in this selection."""
        return {number: [entry.row for entry in entries] for number, entries in self._known.items()}

    def index_of(self, key: int) -> int | None:
        """Return the place of a part that is in memory."""
        size = 1 if self._blocks is None else self._blocks.size
        for number, entries in self._known.items():
            for place, entry in enumerate(entries):
                if entry.key == key:
                    return number * size + place
        return None

    def want(self, first: int, last: int) -> None:
        """Read what is shown next: the places from first to last."""
        if self._blocks is None or last < first:
            return
        numbers = range(first // self._blocks.size, last // self._blocks.size + 1)
        for number in numbers:
            if number in self._known:
                self._known.move_to_end(number)
        self._wanted = [number for number in numbers if number not in self._known and number < len(self._blocks.starts)]
        self._read_on()
        shown = [entry for index in range(first, last + 1) if (entry := self.entry(index)) is not None]
        self.pictures.want(shown)

    def update_rows(self, keys: Sequence[int]) -> None:
        """Read parts again that were changed."""
        known = {entry.key for entries in self._known.values() for entry in entries}
        self._again |= known & set(keys)  # with those of a request that this one replaces
        again = sorted(self._again)
        if again:
            self._reader.ask("rows", lambda archive: rows_of(archive.database, again), self._on_rows, self.failed.emit)

    def _read_on(self) -> None:
        blocks = self._blocks
        if blocks is None or not self._wanted or self._asked is not None:
            return
        number = self._asked = self._wanted[0]

        def read(archive: Archive) -> list[Entry]:
            rows = block(archive.database, blocks, number)
            kept = [row["id"] for row in rows if row["images"]]
            files, cameras = images_of(archive.database, kept), deciding_cameras(archive.database, kept)
            return [Entry(row, files.get(row["id"], ()), cameras.get(row["id"], "")) for row in rows]

        self._reader.ask("block", read, lambda entries: self._on_block(number, entries), self._on_failed)

    def _on_block(self, number: int, entries: list[Entry] | None) -> None:
        self._asked = None
        self._known[number] = entries or []
        while len(self._known) > _BLOCKS:
            self._known.popitem(last=False)
        self._wanted = [one for one in self._wanted if one not in self._known]
        self._read_on()
        self.changed.emit()

    def _on_failed(self, error: InspectorError) -> None:
        self._asked, self._wanted = None, []
        self.failed.emit(error)

    def _on_rows(self, rows: Mapping[int, Mapping[str, Any]] | None) -> None:
        self._again = set()
        for entries in self._known.values():
            for place, entry in enumerate(entries):
                if rows is not None and entry.key in rows:
                    entries[place] = replace(entry, row=rows[entry.key])
        self.changed.emit()
        self.updated.emit()


class _PictureThread(WorkThread[Entry]):
    """Decodes one picture after the other, the first of those that are shown. `made` carries the key and the QImage."""

    made = Signal(object, object)

    def __init__(self, source: ArchiveSource, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._source = source
        self._wanted: list[Entry] = []

    def want(self, entries: list[Entry]) -> None:
        with self._telling(start=bool(entries)):
            self._wanted = entries

    def _take(self) -> Entry | None:
        return self._wanted.pop(0) if self._wanted else None

    def _do(self, work: Entry) -> None:
        image = QImage()
        if (file := work.kept) is not None:
            frame = frame_of(read_kept(self._source.folder, file), str(file["camera"]))
            whole = Region(0, 0, frame.width, frame.height)
            image = thumbnail(frame, whole, size=PICTURE, ranges=_range)
        self.made.emit(work.key, image)

    def _failed(self, work: Entry, error: InspectorError) -> None:
        self.made.emit(work.key, QImage())  # opening the part says why


class Pictures(QObject):
    """The thumbnails in memory. `made`: there is another one."""

    made = Signal()

    def __init__(self, source: ArchiveSource, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._thread = _PictureThread(source, self)
        self._thread.made.connect(self._on_made)
        self._images: OrderedDict[int, QImage] = OrderedDict()
        self._bytes = 0
        self._pending: set[int] = set()

    def image(self, key: int) -> QImage | None:
        """Return the thumbnail of a part; None: not made yet; null: it cannot be made."""
        return self._images.get(key)

    def want(self, entries: Sequence[Entry]) -> None:
        """Make the thumbnails of these parts next."""
        for entry in entries:
            if entry.key in self._images:
                self._images.move_to_end(entry.key)
        missing = [entry for entry in entries if entry.key not in self._images and entry.kept is not None]
        self._pending = {entry.key for entry in missing}
        self._thread.want(missing)

    @property
    def busy(self) -> bool:
        """Whether a picture of what is shown is still to come."""
        return bool(self._pending)

    def end(self) -> None:
        self._thread.end()

    def _on_made(self, key: int, image: QImage) -> None:
        self._pending.discard(key)
        if key in self._images:
            return
        self._images[key] = image
        self._bytes += image.sizeInBytes()
        while self._bytes > _PICTURE_BYTES:
            self._bytes -= self._images.popitem(last=False)[1].sizeInBytes()
        self.made.emit()


def _range(frame: Frame) -> tuple[float, float]:
    return full_range(frame) if np.isfinite(frame.pixels).any() else (0.0, 1.0)
