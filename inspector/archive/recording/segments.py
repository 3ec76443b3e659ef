"""Reading a journal: its segments in order, what is whole at its end, and every record from a sequence number on."""

import logging
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from inspector.archive.recording.segment import MAGIC, NOTICE, Damage, JournalRecord, genesis, read_header, scan
from inspector.core.errors import StorageError
from inspector.core.storage.identity import identity_at
from inspector.core.untrusted import parse_json

SUFFIX = ".journal"
DAMAGED = ".damaged"
IDENTITY = "file"  # field of a segment's header: which file it is

_HEADER_BYTES = 64 * 1024
_SECTOR = 512  # bytes that a disk writes together
_BEGUN = (b"", b"\0", MAGIC[:1])  # how a segment begins that a crash left without its header

log = logging.getLogger(__name__)


@dataclass(slots=True)
class Tail:
    """The end of a journal: its last record's sequence and hash, and the run and the parts that were under way."""

    sequence: int
    digest: bytes
    run: Mapping[str, Any] = field(default_factory=dict)
    open: dict[int, Mapping[str, Any]] = field(default_factory=dict)

    def follow(self, record: JournalRecord) -> None:
        """Take one more record or notice into account."""
        content = record.content
        if record.sequence == NOTICE:
            if isinstance(part := content.get("opened"), int):
                self.open[part] = content
            elif isinstance(part := content.get("forgotten"), int):
                self.open.pop(part, None)
            return
        self.sequence, self.digest = record.sequence, record.digest
        kind = content.get("kind")
        if kind == "run":
            self.run, self.open = {**content, "sequence": record.sequence}, {}
        elif kind == "run_ended":
            self.run, self.open = {}, {}
        elif kind == "result" and isinstance(part := content.get("run_sequence"), int):
            self.open.pop(part, None)


@dataclass(frozen=True, slots=True)
class Missing:
    """Sequence numbers of a journal, both included, of which there is no record. `damaged`: there was one."""

    first: int
    last: int
    damaged: bool


def segment_files(folder: Path) -> list[Path]:
    """Return the segments of a journal in order."""
    return sorted(folder.glob(f"*{SUFFIX}"))


def first_of(segment: Path) -> int:
    """Return the sequence number from which on a segment counts, which is in its name."""
    return int(segment.name.partition("-")[0])


def read_tail(folder: Path) -> Tail:
    """Cut off what a crash left half written at the end of a journal, and return the end.

    Raises OSError, and StorageError for a segment of a newer version.
    """
    for path in reversed(segment_files(folder)):
        data = path.read_bytes()
        try:
            fields, start = read_header(data)
        except ValueError as error:
            if _is_newer(data):
                raise StorageError(
                    "The journal {file} was written by a newer version of this program.",
                    remedy="Install that version again.",
                    file=path,
                ) from error
            if not any(isinstance(found, JournalRecord) for found in scan(data, 0)):
                log.debug("%s was begun and never used", path)
                path.rename(path.with_suffix(DAMAGED))
                continue
            fields, start = {}, 0
        tail = _tail_of(path, data, start, fields)
        tail.digest = tail.digest or genesis(folder.name)
        return tail
    return Tail(0, genesis(folder.name))


def _tail_of(path: Path, data: bytes, start: int, fields: Mapping[str, Any]) -> Tail:
    before = fields.get("before", "")
    tail = Tail(first_of(path) - 1, bytes.fromhex(before), fields.get("run") or {})
    for found in scan(data, start):
        if isinstance(found, JournalRecord):
            try:
                tail.follow(found)
            except ValueError:
                log.debug("a record of %s is not readable", path, exc_info=True)
        elif found.tail or _never_written(data, found):
            with path.open("r+b") as stream:
                stream.truncate(found.start)
                os.fsync(stream.fileno())
            break
    return tail


def _never_written(data: bytes, damage: Damage) -> bool:
    """Return whether damage is a part of the last commit that the disk did not write before the power went.

    Then a whole sector is still zero, and nothing was sealed later than that commit, of which nobody was told.
    """
    first = -(-damage.start // _SECTOR) * _SECTOR
    places = range(first, damage.end - _SECTOR + 1, _SECTOR)
    if not any(data[place : place + _SECTOR] == bytes(_SECTOR) for place in places):
        return False
    later = [found for found in scan(data, damage.end) if isinstance(found, JournalRecord) and found.sequence != NOTICE]
    return not any(found.seal for found in later[:-1])


def segment_header(segment: Path) -> Mapping[str, Any]:
    """Return the fields of a segment's header, {} if it cannot be read."""
    try:
        with segment.open("rb") as stream:
            return read_header(stream.read(_HEADER_BYTES))[0]
    except (OSError, ValueError):
        return {}


class JournalReader:
    """Reads a journal from a sequence number on, each record once and in order, also while it is written to."""

    def __init__(self, folder: Path, sequence: int) -> None:
        self.folder = folder
        self.next = sequence  # of the record that comes next
        self._segment: Path | None = None
        self._offset = 0
        self._damaged = False

    def read(self) -> Iterator[JournalRecord | Missing]:
        """Yield what was written since the last call, and what is missing in between. Raises OSError.

        A record that is being written is left for the next call.
        """
        files = segment_files(self.folder)
        for path, after in zip(files, [*files[1:], None], strict=False):  # of a journal that lost all its files none
            limit = None if after is None else first_of(after)
            if (limit is not None and limit <= self.next) or (self._segment is not None and path < self._segment):
                continue
            if path != self._segment:
                self._segment, self._offset = path, 0
            yield from self._read(path, limit)

    def _read(self, path: Path, limit: int | None) -> Iterator[JournalRecord | Missing]:
        """Yield the records of a segment from the offset on. `limit`: the first sequence of the segment behind it."""
        with path.open("rb") as stream:
            stream.seek(self._offset)
            data = stream.read()
        start = self._offset
        for found in scan(data, 0):
            if isinstance(found, Damage):
                if not found.tail and _changes(path, start + found.start, data[found.start : found.end]):
                    return  # it is being written
                self._damaged = self._damaged or not found.tail or limit is not None
                continue
            end = start + found.end
            if found.sequence == NOTICE or found.sequence < self.next or (limit is not None and found.sequence >= limit):
                self._offset = end
                continue
            if found.sequence > self.next:
                first, self.next = self.next, found.sequence
                yield Missing(first, found.sequence - 1, self._damaged)
            self._damaged, self._offset, self.next = False, end, found.sequence + 1
            yield found


def _changes(path: Path, place: int, before: bytes) -> bool:
    """Return whether bytes of a file are others by now. Raises OSError."""
    with path.open("rb") as stream:
        stream.seek(place)
        return stream.read(len(before)) != before


def has_lost_its_end(folder: Path) -> bool:
    """Return whether a journal's newest segment is nothing but rubbish: nobody knows up to where it counted. Raises OSError."""
    for file in sorted([*segment_files(folder), *folder.glob(f"*{DAMAGED}")], reverse=True):
        if segment_header(file):
            return False
        data = file.read_bytes()
        if any(isinstance(found, JournalRecord) for found in scan(data, 0)):
            return False
        if not (len(data) <= _HEADER_BYTES and data[:1] in _BEGUN):
            return True
    return False


def is_copied(folder: Path) -> bool:
    """Return whether a journal's newest segment is not the file that the journal made. Raises OSError."""
    for file in reversed(segment_files(folder)):
        if header := segment_header(file):
            return header.get(IDENTITY) not in (None, identity_at(file))  # earlier versions did not say
    return False


def _is_newer(data: bytes) -> bool:
    for found in scan(data, 0):
        if isinstance(found, JournalRecord) and found.sequence == NOTICE:
            fields = parse_json(found.payload)
            return isinstance(fields, dict) and isinstance(fields.get("format"), int) and "journal" in fields
        return False
    return False
