"""What the archive page lists, read on a thread."""

from dataclasses import dataclass
from datetime import datetime

from inspector.archive.archive import Archive
from inspector.archive.filters import Filters
from inspector.archive.store.blocks import Blocks, Gap, blocks_of, gaps_before, newest_of
from inspector.archive.store.query import Order
from inspector.ui.archive.filtering.choice import Choice


@dataclass(frozen=True, slots=True, eq=False)
class Listed:
    """The list, the gaps before its parts by their keys, and the newest record, by which it is known whether there are more."""

    blocks: Blocks
    gaps: dict[int, list[Gap]]
    newest: tuple[int, int]


def list_parts(archive: Archive, choice: Choice, flips: tuple[int, ...] | None, order: Order, now: datetime) -> Listed:
    """Return what the filters leave. `flips`: keys of the only parts that are meant, None for all. Raises StorageError."""
    archive.feeder.feed()
    filters = choice.filters(now) if flips is None else Filters(keys=flips or (0,))  # without keys all would be meant
    return Listed(blocks_of(archive.database, filters, order), gaps_before(archive.database), newest_of(archive.database))
