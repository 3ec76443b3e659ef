"""What a fault has cost."""

import json
from collections import Counter
from collections.abc import Collection, Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from inspector.archive.recording.segment import NOTICE, JournalRecord, read_header, scan
from inspector.results.saving import RESULTS


@dataclass(frozen=True, slots=True)
class FaultCost:
    """The cost of one fault, which must be zero.

    `parts`: triggers or files that need an answer. `lost`: those without a record or verdict. `doubled`: further records or
    verdicts of the same part. `silent_ok`: parts that are OK although their frame was no true one. `skipped`: why the fault
    could not be provoked here.
    """

    parts: int = 0
    lost: int = 0
    doubled: int = 0
    silent_ok: int = 0
    skipped: str = ""

    @property
    def clean(self) -> bool:
        return not (self.lost or self.doubled or self.silent_ok)

    def __add__(self, other: "FaultCost") -> "FaultCost":
        return FaultCost(
            self.parts + other.parts,
            self.lost + other.lost,
            self.doubled + other.doubled,
            self.silent_ok + other.silent_ok,
            self.skipped or other.skipped,
        )


def saved_answers(out: Path) -> list[tuple[str, str]]:
    """Return part and verdict of every record in all run folders in `out`."""
    return [answer for file in sorted(out.glob(f"*/{RESULTS}")) for answer in answers_in(file.read_bytes())]


def archived(home: Path, kind: str) -> list[dict[str, Any]]:
    """Return every record of a kind in the archive of a user's data folder, but for those of interrupted parts."""
    contents = []
    for segment in sorted(home.rglob("*.journal")):
        data = segment.read_bytes()
        with suppress(ValueError):  # begun and not written yet
            for item in scan(data, read_header(data)[1]):
                if isinstance(item, JournalRecord) and item.sequence != NOTICE:
                    content = item.content
                    if content["kind"] == kind and not content.get("is_partial"):
                        contents.append(content)
    return contents


def archived_answers(home: Path) -> list[tuple[str, str]]:
    """Return part and verdict of every result in the archive of a user's data folder."""
    return [(content["part_id"], content["verdict"]) for content in archived(home, "result")]


def answers_in(data: bytes) -> list[tuple[str, str]]:
    """Return part and verdict of every record. A line without its end counts as none."""
    records = [json.loads(line) for line in data.split(b"\n")[:-1]]
    return [(record["part"], record["verdict"]) for record in records if "summary" not in record]


def counted(wanted: Collection[str], found: Iterable[tuple[str, str]], *, untrue: Collection[str] = ()) -> FaultCost:
    """Compare what was asked with what was answered: pairs of part and verdict. `untrue`: parts without a true frame."""
    answers = list(found)
    times = Counter(part for part, _ in answers)
    return FaultCost(
        parts=len(wanted),
        lost=sum(part not in times for part in wanted),
        doubled=sum(count - 1 for count in times.values()),
        silent_ok=sum(verdict == "OK" and part in untrue for part, verdict in answers),
    )
