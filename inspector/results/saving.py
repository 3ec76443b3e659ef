"""The saved folder of a run: results.jsonl, overlay pictures and a report. A full disk stops the saving, not the line."""

import contextlib
import json
import time
from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Final

import cv2

from inspector.cameras.ledger import RecordKey
from inspector.core.config import write_atomically
from inspector.core.errors import StorageError
from inspector.core.message import Message, message
from inspector.core.text import json_line, utf8
from inspector.core.types import Inspection
from inspector.core.verdict import Verdict
from inspector.imaging.colormaps import PALETTES
from inspector.inspection.status import StationStatus, Stats
from inspector.results.heat import PartHeat
from inspector.results.overlays import HEAT_OPACITY, HEAT_PALETTE, draw, heat_picture
from inspector.results.record_file import RecordFile, append_whole, refused
from inspector.results.records import record, summary
from inspector.results.report import MOST_ROWS, Row, write_report
from inspector.results.sink import NotRecorded, Sink

RESULTS = "results.jsonl"
REPORT = "report.html"
PICTURES = "overlays"
HEAT = "heat"  # the folder of heat maps, and the name of the file about them
_FAST: Final = 1  # PNG compression: three times as fast as the default 6, and files a tenth larger
_TAIL: Final = 32 << 20  # bytes of records that are searched for a part: far more than can be under way
_AGAIN_S: Final = 5.0  # interval of checking for room for pictures


class RunFolder:
    """Writes inspections into a new subfolder of `parent` for each start: the record first, then its pictures.

    Records and pictures may be written by one thread each.
    """

    def __init__(self, parent: Path) -> None:
        """Raises StorageError if nothing can be written under `parent`."""
        try:
            self.folder = folder = _new_folder(parent)
            (folder / PICTURES).mkdir()
        except OSError as error:
            raise refused(parent, error) from error
        self._pictures = self._drawn = 0  # number of the pictures of all parts so far, and of those that are saved
        self._rows: list[Row] = []
        self._heat: dict[int, tuple[str, ...]] = {}  # pictures of heat maps by the part's number
        self._full = False  # pictures have stopped
        self._looked = 0.0
        self._records = RecordFile(folder / RESULTS)

    @property
    def records_lost(self) -> int:
        return self._records.lost

    @property
    def pictures_lost(self) -> int:
        """Number of pictures that are not saved, also of parts that never came to `picture`; at the end, these are lost."""
        return self._pictures - self._drawn

    @property
    def losses(self) -> Message | None:
        """Message about lost records and pictures, or None. To be asked at the end."""
        if not self.records_lost and not self.pictures_lost:
            return None
        return message(
            "{records} {records:|record|records} and {pictures} {pictures:|picture|pictures} could not be saved in {folder}.",
            records=self.records_lost,
            pictures=self.pictures_lost,
            folder=self.folder,
        )

    def record(self, inspection: Inspection) -> None:
        """Write the part's line. Raises StorageError if it has to wait for room. It is written before any later line."""
        self._pictures += len(inspection.frames)
        self._records.append(self._line(inspection))

    def record_instead(self, inspection: Inspection) -> None:
        """Let the line of a part that has to wait for room say what is told of it instead."""
        self._records.replace_last(self._line(inspection))

    def _line(self, inspection: Inspection) -> bytes:
        names = [] if self._full else [name for name, _ in self._places(inspection)]
        return json_line({**record(inspection), "overlays": names})

    def picture(self, inspection: Inspection) -> None:
        """Write the part's pictures. Raises StorageError naming the first failure; the next part may be tried."""
        names: list[str] = []
        problem: StorageError | None = None
        if self._has_room():
            places = dict(self._places(inspection))
            for (name, path), picture in zip(places.items(), draw(inspection).values(), strict=True):
                try:
                    bgr = cv2.cvtColor(picture, cv2.COLOR_RGB2BGR)
                    done, data = cv2.imencode(".png", bgr, [cv2.IMWRITE_PNG_COMPRESSION, _FAST])
                    if done:
                        path.write_bytes(data.tobytes())
                        names.append(name)
                except OSError as error:
                    with contextlib.suppress(OSError):
                        path.unlink(missing_ok=True)
                    self._full = True
                    problem = refused(path, error)
        else:
            problem = self._no_room()
        self._drawn += len(names)
        if len(self._rows) < MOST_ROWS:
            self._rows.append(Row.of(inspection, tuple(names)))
        if problem is not None:
            raise problem

    def heat(self, inspection: Inspection, maps: Sequence[PartHeat]) -> None:
        """Write where bundles looked in an NG part: a picture each, and a line of `heat.jsonl`. Raises StorageError."""
        if self._full:
            raise self._no_room()
        told, place = [], self.folder / HEAT
        picture_file: Path | None = None
        try:
            place.mkdir(exist_ok=True)
            for number, one in enumerate(maps, start=1):
                heat, region = one.heat, one.heat.region
                picture = heat_picture(inspection.frames[one.camera].pixels, heat, PALETTES[HEAT_PALETTE], HEAT_OPACITY)
                name = f"{HEAT}/{inspection.sequence:06d}-{_safe(one.camera)}{'' if number == 1 else f'-{number}'}.png"
                bgr = cv2.cvtColor(picture, cv2.COLOR_RGB2BGR)
                picture_file = self.folder / name
                picture_file.write_bytes(cv2.imencode(".png", bgr, [cv2.IMWRITE_PNG_COMPRESSION, _FAST])[1].tobytes())
                facts = {"camera": one.camera, "bundle": one.bundle, "class": heat.class_name, "layer": heat.layer}
                where = [region.x, region.y, region.width, region.height]
                told.append({**facts, "target": heat.target, "region": where, "picture": name})
            line = json_line({"sequence": inspection.sequence, "part": inspection.part, "heat": told})
            with (self.folder / f"{HEAT}.jsonl").open("ab", buffering=0) as stream:
                append_whole(stream.fileno(), line, stream.tell())
        except OSError as error:
            if picture_file is not None:
                with contextlib.suppress(OSError):
                    picture_file.unlink(missing_ok=True)  # there may be half of it
            raise refused(place, error) from error
        self._heat[inspection.sequence] = tuple(str(one["picture"]) for one in told)

    def close(self) -> None:
        """Close the files. Nothing is saved afterwards."""
        with contextlib.suppress(StorageError):
            self._records.close()

    def finish_records(self, stats: Stats) -> None:
        """Write the summary and close the file. Raises StorageError."""
        with contextlib.suppress(StorageError):  # `close` retries with the reserve and reports
            self._records.append(json_line(summary(stats)))
        self._records.close()

    def finish(self, stats: Stats, name: str) -> Path:
        """Write the report and return its path. Raises StorageError. `name`: the recipe's name."""
        report = self.folder / REPORT
        rows = [replace(row, pictures=row.pictures + self._heat.get(row.sequence, ())) for row in self._rows]
        write_atomically(report, utf8(write_report(name, rows, stats)).encode())
        return report

    def _no_room(self) -> StorageError:
        return StorageError(
            "Pictures are left out: the disk of {folder} is nearly full, and what is left is for records.",
            remedy="Free some space on that disk or choose another folder.",
            folder=self.folder,
        )

    def _has_room(self) -> bool:
        """Return whether pictures may be written: after a full disk, not until there is plenty of room again."""
        if not self._full and not self._records.reserve.tight:
            return True
        now = time.monotonic()
        if now - self._looked >= _AGAIN_S:
            self._looked = now
            self._full = not self._records.reserve.plenty()
            return not self._full
        self._full = True
        return False

    def _places(self, inspection: Inspection) -> Sequence[tuple[str, Path]]:
        """Return the name in records and the file of each of the part's pictures."""
        files = [f"{inspection.sequence:06d}-{_safe(camera)}.png" for camera in inspection.frames]
        return [(f"{PICTURES}/{file}", self.folder / PICTURES / file) for file in files]


class RecordSink(Sink):
    """Writes the records of a run folder. A part's line is written before any other sink receives the part."""

    name = "records"
    records = True

    def __init__(self, folder: RunFolder, *, alone: bool = False) -> None:
        """`alone`: there is no other record, so that a part without this one is told as NOT_INSPECTED."""
        self._folder, self._alone = folder, alone
        self.place = folder.folder.absolute() / RESULTS

    def take(self, inspection: Inspection) -> None:
        try:
            self._folder.record(inspection)
        except StorageError as error:
            if not self._alone or inspection.verdict is Verdict.NOT_INSPECTED:
                raise
            reason = message("The part could not be recorded in time: {why}", why=error.problem)
            instead = replace(inspection, verdict=Verdict.NOT_INSPECTED, reasons=(reason, *inspection.reasons))
            self._folder.record_instead(instead)
            values = dict(error.problem.values)
            remedy = "" if error.remedy is None else error.remedy.template
            raise NotRecorded(error.problem.template, instead, remedy=remedy, **values) from error

    def close(self, status: StationStatus) -> None:
        self._folder.finish_records(status.stats)


class PictureSink(Sink):
    """Writes the pictures of a run folder, and its report at the end."""

    name = "pictures"
    stage = "save"
    spare = True

    def __init__(self, folder: RunFolder) -> None:
        self._folder = folder
        self.report: Path | None = None  # set once the report is written

    def take(self, inspection: Inspection) -> None:
        self._folder.picture(inspection)

    def close(self, status: StationStatus) -> None:
        self.report = self._folder.finish(status.stats, status.recipe.name if status.recipe is not None else "")


def recorded_in(file: Path, keys: Collection[RecordKey]) -> set[RecordKey]:
    """Return which of these parts are among the last records of a file. A line without its end was never written."""
    found: set[RecordKey] = set()
    try:
        with file.open("rb") as stream:
            stream.seek(max(0, file.stat().st_size - _TAIL))
            lines = stream.read().split(b"\n")[:-1]
    except OSError:
        return found
    for line in lines:
        try:
            data = json.loads(line)
            found.add(RecordKey(str(file), data["sequence"], data["utc"]))
        except (ValueError, KeyError, TypeError):
            continue  # the first line may be cut, and the last one is the summary
    return found & set(keys)


def _new_folder(parent: Path) -> Path:
    """Make a folder for this start, named after the time in UTC. Of two concurrent starts only one gets each name.

    Raises OSError.
    """
    parent.mkdir(parents=True, exist_ok=True)
    name = f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}"
    for number in count(1):
        folder = parent / (name if number == 1 else f"{name}-{number:03d}")
        try:
            folder.mkdir()
        except FileExistsError:
            continue
        return folder
    raise AssertionError("unreachable")


def _safe(name: str) -> str:
    """Return a camera's name as part of a file name."""
    return "".join(letter if letter.isalnum() or letter in "-_" else "_" for letter in name) or "camera"
