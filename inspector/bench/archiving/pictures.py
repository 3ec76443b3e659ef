"""Pictures for generated inspections, so that a gallery of them has something to decode."""

import hashlib
from itertools import chain, islice
from pathlib import Path
from typing import Final

from inspector.archive.contents import files_content
from inspector.archive.filters import Filters
from inspector.archive.images import IMAGES, SUFFIX, encode
from inspector.archive.recording.segment import JournalRecord, chained, genesis
from inspector.archive.store.database import Database
from inspector.archive.store.feeder import store_records
from inspector.archive.store.models import journal_of, sequence_of
from inspector.archive.store.query import every
from inspector.bench.frames import frames
from inspector.core.text import json_line

_FILES: Final = 100  # different pictures, which the inspections share
_BATCH: Final = 2000
_FIRST: Final = 1_000_000_000  # sequence number of the first record about pictures, after those of all inspections


def add_pictures(folder: Path, database: Database) -> int:
    """Give every NG and REVIEW part one of some pictures of the demo line; return how many have one."""
    files = []
    (folder / IMAGES).mkdir(parents=True, exist_ok=True)
    for number, pixels in enumerate(frames(_FILES)):
        data, path = encode(pixels), f"{IMAGES}/{number}{SUFFIX}"
        (folder / path).write_bytes(data)
        about = {"camera": "top", "keeps": "ng", "codec": "jpegxl", "sha256": hashlib.sha256(data).hexdigest()}
        files.append({**about, "path": path, "bytes": len(data)})
    keys = [row["id"] for row in chain(*(every(database, Filters(verdict=verdict)) for verdict in ("NG", "REVIEW")))]
    before, rest = genesis("pictures"), enumerate(keys)
    while batch := list(islice(rest, _BATCH)):
        records = []
        for place, key in batch:
            payload = json_line(files_content(sequence_of(key), [files[place % len(files)]]))
            records.append(JournalRecord(_FIRST + place, payload, chained(before, _FIRST + place, payload)))
            before = records[-1].digest
        with database.write() as connection:
            store_records(connection, journal_of(keys[0]), records)
    return len(keys)
