"""The file format of the journal: framed records with a checksum, a sequence number and a hash chain.

A segment is a header and records, little-endian: magic, length, CRC-32, sequence, hash, length of the seal, seal, payload. The
CRC covers everything behind it. The hash of a record is SHA-256 over the hash of the record before it, its sequence number
and its payload, so that a record cannot be changed, removed or inserted without changing every later hash. A seal is an Ed25519
signature of a hash, and so of every record up to it. A notice has no sequence number and no place in the chain: it only says
which parts are under way.
"""

import hashlib
import json
import struct
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from inspector.core.untrusted import parse_json

FORMAT = 1
NOTICE = 0  # sequence number of a notice
LARGEST = 64 * 1024 * 1024  # bytes of a payload; a length above it is damage
MAGIC = b"\xd5IJ\n"
_FRAME = struct.Struct("<4sII")  # magic, length of what follows, CRC-32 of what follows
_BODY = struct.Struct("<Q32sB")  # sequence, hash, length of the seal


@dataclass(frozen=True, slots=True)
class JournalRecord:
    """One record, or notice, of a journal. `end`: offset of the byte behind it in its segment."""

    sequence: int
    payload: bytes
    digest: bytes
    seal: bytes = b""
    end: int = 0

    @property
    def content(self) -> dict[str, Any]:
        """The payload as a JSON object. Raises ValueError."""
        value = parse_json(self.payload)
        if not isinstance(value, dict):
            raise ValueError("a record is no JSON object")
        return value


@dataclass(frozen=True, slots=True)
class Damage:
    """Bytes of a segment that are no record: from `start` to `end`. `tail`: nothing readable follows."""

    start: int
    end: int
    tail: bool


def genesis(journal: str) -> bytes:
    """Return the hash before the first record of a journal."""
    return hashlib.sha256(f"inspector journal {journal}".encode()).digest()


def chained(before: bytes, sequence: int, payload: bytes) -> bytes:
    """Return the hash of a record. `before`: the hash of the record before it."""
    return hashlib.sha256(before + sequence.to_bytes(8, "little") + payload).digest()


def sealed_text(journal: str, sequence: int, digest: bytes) -> bytes:
    """Return the bytes that a seal signs."""
    return f"inspector seal {journal} {sequence} {digest.hex()}".encode()


def header(journal: str, first: int, before: bytes, **more: object) -> bytes:
    """Return the header of a segment whose first record has the sequence `first` and follows the hash `before`."""
    fields = {"format": FORMAT, "journal": journal, "first": first, "before": before.hex(), **more}
    return frame(NOTICE, json.dumps(fields).encode(), bytes(32))


def frame(sequence: int, payload: bytes, digest: bytes, seal: bytes = b"") -> bytes:
    """Return the bytes of one record."""
    body = _BODY.pack(sequence, digest, len(seal)) + seal + payload
    return _FRAME.pack(MAGIC, len(body), zlib.crc32(body)) + body


def read_header(data: bytes) -> tuple[Mapping[str, Any], int]:
    """Return the fields of a segment's header and the offset behind it. Raises ValueError."""
    record = _record_at(data, 0)
    if record is None:
        raise ValueError("it is not a segment of a journal")
    fields = record.content
    if fields.get("format") != FORMAT:
        raise ValueError(f"it has the format {fields.get('format')}, which this version does not know")
    return fields, record.end


def scan(data: bytes, start: int) -> Iterator[JournalRecord | Damage]:
    """Yield the records from an offset on, and where bytes are none: a damaged record does not hide those behind it."""
    offset = start
    while offset < len(data):
        record = _record_at(data, offset)
        if record is not None:
            yield record
            offset = record.end
            continue
        found = _next_record(data, offset + 1)
        yield Damage(offset, len(data) if found is None else found, found is None)
        if found is None:
            return
        offset = found


def _record_at(data: bytes, offset: int) -> JournalRecord | None:
    if len(data) - offset < _FRAME.size:
        return None
    magic, length, checksum = _FRAME.unpack_from(data, offset)
    begin, end = offset + _FRAME.size, offset + _FRAME.size + length
    if magic != MAGIC or not _BODY.size <= length <= LARGEST or end > len(data):
        return None
    body = data[begin:end]
    if zlib.crc32(body) != checksum:
        return None
    sequence, digest, sealed = _BODY.unpack_from(body)
    if len(body) < _BODY.size + sealed:
        return None
    seal = body[_BODY.size : _BODY.size + sealed]
    return JournalRecord(sequence, body[_BODY.size + sealed :], digest, seal, end)


def _next_record(data: bytes, offset: int) -> int | None:
    while (offset := data.find(MAGIC, offset)) >= 0:
        if _record_at(data, offset) is not None:
            return offset
        offset += 1
    return None
