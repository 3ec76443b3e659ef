"""What a report says, section by section, for the page, the table and the sheet alike; and its images."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np

from inspector.archive.archive import Archive
from inspector.archive.images import read_kept
from inspector.archive.reports.figures import ArchiveReport, pareto
from inspector.archive.store.query import result_of, shown_time
from inspector.core.errors import StorageError
from inspector.core.verdict import Verdict

_SIDE: Final = 480  # pixels of an image's longer side


@dataclass(frozen=True, slots=True)
class Section:
    """A table with its title. `bar`: the column with shares that are drawn as bars, -1 for none."""

    title: str
    head: Sequence[str]
    rows: Sequence[Sequence[object]]
    bar: int = -1


@dataclass(frozen=True, slots=True)
class ReportImage:
    """An image of a rejected part as JPEG, and what it shows."""

    data: bytes
    caption: str


def sections(report: ArchiveReport) -> Iterator[Section]:
    """Yield the sections that have something to say."""
    share = "-" if report.yield_ is None else "{:.2%} (95 %: {:.2%} to {:.2%})".format(*report.yield_)
    yield Section("Parts", ["Parts", *report.verdicts, "Yield"], [[report.parts, *report.verdicts.values(), share]])
    without = report.verdicts.get(Verdict.NOT_INSPECTED, 0)
    for title, counts, total in (
        ("Reasons for rejecting", report.reasons, sum(report.reasons.values())),
        ("Parts without a verdict", report.uninspected, without),
    ):
        rows = [(name, number, f"{of:.1%}", f"{until:.1%}") for name, number, of, until in pareto(counts, total)]
        yield Section(title, ["Reason", "Parts", "Share", "Together"], rows, bar=2)
    yield Section("Corrections", ["Truly", "Parts"], list(report.corrections.items()))
    stops = [
        (_time(stop["stopped"]), _time(stop["went_on"]), stop["cause"], stop["station"], stop["lot"]) for stop in report.stops
    ]
    yield Section("Stops", ["Stopped (UTC)", "Went on (UTC)", "Cause", "Station", "Lot"], stops)
    names = ("part_id", "creation_time", "verdict", "human_verdict", "reason")
    worst = [[str(row[name] or "")[: 19 if name == "creation_time" else None] for name in names] for row in report.worst]
    yield Section("Smallest margins", ["Part", "Time", "Verdict", "Truly", "Reason"], worst)


def chosen_text(report: ArchiveReport) -> str:
    """Return which inspections the report is about."""
    return ", ".join(f"{name}: {value}" for name, value in report.chosen.items()) or "all inspections"


def report_images(archive: Archive, report: ArchiveReport) -> Iterator[ReportImage]:
    """Yield an image of the newest part that was rejected for each of the most frequent reasons; damaged ones are left out."""
    yield from images_of(archive, ((row["id"], f"{row['part_id']}: {row['reason']}") for row in report.shown))


def images_of(archive: Archive, captions: Iterable[tuple[int, str]]) -> Iterator[ReportImage]:
    """Yield an image of each inspection with its caption; damaged ones are left out."""
    for key, caption in captions:
        for file in result_of(archive.database, key)["image_files"]:
            if file["deleted"] is None:
                try:
                    pixels = read_kept(archive.folder, file)
                except StorageError:
                    continue
                yield ReportImage(_jpeg(pixels), caption)
                break


def _time(microseconds: int | None) -> str:
    return "" if microseconds is None else shown_time(microseconds)[:19]


def _jpeg(pixels: np.ndarray) -> bytes:
    if pixels.dtype != np.uint8:
        known = np.nan_to_num(pixels.astype(np.float32), nan=float(np.nanmin(pixels)) if np.isfinite(pixels).any() else 0.0)
        low, high = float(known.min()), float(known.max())
        pixels = ((known - low) * (255 / max(high - low, 1e-6))).astype(np.uint8)
    scale = min(1.0, _SIDE / max(pixels.shape[:2]))
    small = cv2.resize(pixels, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    return cv2.imencode(".jpg", small if small.ndim == 2 else small[..., ::-1])[1].tobytes()
