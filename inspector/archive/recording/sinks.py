"""The archive behind the output stage: a sink that records before anyone is told, and a sink that keeps images."""

import shutil
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from inspector.archive.contents import (
    RunContext,
    document_content,
    files_content,
    opened_content,
    result_content,
    run_content,
    run_end_content,
    told_content,
)
from inspector.archive.images import write_image
from inspector.archive.keys import StationKey
from inspector.archive.recording.feeding import FeederProcess
from inspector.archive.recording.folders import away, is_there
from inspector.archive.recording.interrupted import finish_interrupted
from inspector.archive.recording.journal import Journal, archive_folder, open_journal, problem_of
from inspector.core.errors import StorageError
from inspector.core.message import message
from inspector.core.types import Inspection, JudgedBy, Verdict
from inspector.inspection.status import StationStatus
from inspector.recipes.recipe import ArchiveModel, Recipe
from inspector.results.sink import NotRecorded, Sink

PATIENCE_S: Final = 2.0  # longest wait for the disk with a part that has no deadline
FEED_S: Final = 3.0  # longest time for feeding the database at the end; the rest waits in the journal
GRACE_S: Final = 0.05  # for a part that is answered at its deadline: the disk takes a millisecond
FREE_SHARE: Final = 0.02  # of the disk that images leave free
_REMEMBERED = 4096  # parts whose images may still come

_Key = tuple[int, float]


class KeepPolicy:
    """Decides which parts' images are kept: NG and REVIEW always, of the OK parts one in n, and those around an NG part."""

    def __init__(self) -> None:
        self._ok = 0
        self._after = 0

    def keeps(self, inspection: Inspection, settings: ArchiveModel) -> str:
        """Return why the images of the next part are kept, "" if they are not."""
        verdict = inspection.verdict
        if verdict is Verdict.NG:
            self._after = settings.burst
            return "ng"
        if verdict is Verdict.REVIEW:
            return "review"
        if self._after:
            self._after -= 1
            return "burst"
        if verdict is Verdict.OK and settings.ok_every:
            self._ok += 1
            if self._ok % settings.ok_every == 0:
                return "sample"
        return ""


class JournalSink(Sink):
    """Writes every inspection to the journal. Other sinks receive it when it is on disk.

    A part is told in time also where the disk is not: then as NOT_INSPECTED, or as the recipe's `archive.unrecorded` says, and
    a second record says what was told.
    """

    name = "journal"
    stage = "archive"
    records = True

    def __init__(
        self,
        archive: Path,
        context: RunContext | None = None,
        *,
        url: str = "",
        durable: Callable[[int], None] | None = None,
    ) -> None:
        """`archive`: its folder. `url`: of a database server, "" for the database in that folder. `durable`: see Journal."""
        self.archive = archive
        self.journal: Journal | None = None
        self.feeder: FeederProcess | None = None
        self._url = url
        self._durable = durable
        self._users = 0  # sinks that still write to the journal
        self._journal_id = ""  # also after the end of the run
        self._context = context or RunContext()
        self._lot = self._context.lot  # of the newest part
        self._policy = KeepPolicy()
        self.settings = ArchiveModel()
        self._recipes: dict[str, ArchiveModel] = {}  # settings by the recipe's hash
        self._documents: set[str] = set()
        self._known: OrderedDict[_Key, tuple[int, str]] = OrderedDict()  # sequence and `keeps` of the last parts
        self._lock = threading.Lock()

    def open(self, status: StationStatus) -> None:
        """Open a journal and record what the process before left unfinished. Raises StorageError."""
        self.settings = ArchiveModel() if status.recipe is None else status.recipe.archive
        self._documents.clear()
        journal = open_journal(self.archive, StationKey(self.archive), durable=self._durable)
        try:
            finish_interrupted(journal)
            begun = journal.submit(run_content(status, self._context))
            if not journal.wait(begun, time.monotonic() + PATIENCE_S):
                raise journal.problem or StorageError("The journal {folder} takes no records.", folder=journal.folder)
        except BaseException:
            _close_quietly(journal)
            raise
        self.journal, self.place, self._users = journal, journal.folder.absolute(), 1
        self._journal_id = journal.id
        self.feeder = FeederProcess(self.archive, self._url, beside=journal.folder)

    def part_opened(self, sequence: int, part: str) -> None:
        if self.journal is not None:
            self.journal.opened(sequence, opened_content(part, lot=self._lot))

    def part_forgotten(self, sequence: int) -> None:
        if self.journal is not None:
            self.journal.forgotten(sequence)

    def expect(self, inspections: Sequence[Inspection]) -> None:
        """Queue inspections, so that one commit makes them durable together."""
        self._submit(inspections)

    def take(self, inspection: Inspection) -> None:
        """Wait until the inspection is on disk. Raises NotRecorded when it must not wait any longer."""
        journal = self.journal
        if journal is None:
            raise StorageError("The journal is not open.")
        known = self.record_of(inspection)
        sequence = self._submit([inspection])[0] if known is None else known[0]
        now = time.monotonic()
        if not journal.wait(sequence, _until(inspection, journal, now)):
            raise self._unrecorded(inspection, sequence, journal)

    def close(self, status: StationStatus) -> None:
        """Record the end of the run, unless images are still to come. Raises StorageError if records are lost."""
        self.leave(status)

    def join(self) -> None:
        """Keep the journal open until `leave` was called once more."""
        with self._lock:
            self._users += 1

    def leave(self, status: StationStatus) -> None:
        """Record the end of the run and close the journal if nobody writes to it any more.

        Raises StorageError, also if the database cannot be fed, which a short run would not say otherwise.
        """
        with self._lock:
            self._users -= 1
            journal = self.journal
            if self._users > 0 or journal is None:
                return
            self.journal = None
        journal.submit(run_end_content(status))
        try:
            journal.close()
        finally:
            if self.feeder is not None:
                self.feeder.stop(FEED_S)
        if self.feeder is not None and self.feeder.problem is not None:
            raise self.feeder.problem

    def record_of(self, inspection: Inspection) -> tuple[int, str] | None:
        """Return the sequence number of an inspection's record and why its images are kept; None if it is long ago."""
        with self._lock:
            return self._known.get(_key(inspection))

    def name_of(self, inspection: Inspection) -> str | None:
        """Return the name of an inspection's record, which is the same in every database; None if it is long ago."""
        known = self.record_of(inspection)
        return None if known is None else f"{self._journal_id}-{known[0]}"

    def submit_beside(self, content: Mapping[str, Any]) -> bool:
        """Queue a record that belongs to an earlier one; return False once the run has ended."""
        with self._lock:
            if self.journal is None:
                return False
            self.journal.submit(content)
            return True

    def _submit(self, inspections: Sequence[Inspection]) -> list[int]:
        journal = self.journal
        if journal is None:
            raise StorageError("The journal is not open.")
        records: list[tuple[dict[str, Any], int | None]] = []
        keeps = []
        for inspection in inspections:
            for digest, text in inspection.judged_by.documents.items():
                if digest not in self._documents:
                    self._documents.add(digest)
                    journal.submit(document_content(digest, text))
            self._follow(inspection.judged_by)
            self._lot = self._lot if inspection.lot is None else inspection.lot
            keeps.append(self._policy.keeps(inspection, self.settings))
            records.append((result_content(inspection, keeps=keeps[-1]), inspection.sequence))
        sequences = journal.submit_all(records)
        with self._lock:
            for inspection, sequence, why in zip(inspections, sequences, keeps, strict=True):
                self._known[_key(inspection)] = sequence, why
            while len(self._known) > _REMEMBERED:
                self._known.popitem(last=False)
        return sequences

    def _follow(self, judged_by: JudgedBy) -> None:
        """Take over what the recipe in force says of the archive: it may change while the line runs."""
        digest = judged_by.recipe_digest
        if digest not in self._recipes and digest in judged_by.documents:
            self._recipes[digest] = Recipe.model_validate_json(judged_by.documents[digest]).archive
        self.settings = self._recipes.get(digest, self.settings)

    def _unrecorded(self, inspection: Inspection, sequence: int, journal: Journal) -> NotRecorded:
        why = problem_of(journal, time.monotonic()) or message("The disk of the journal is slow.")
        reason = message("The part could not be recorded in time: {why}", why=why)
        instead = inspection
        if self.settings.unrecorded == "not_inspected" and inspection.verdict is not Verdict.NOT_INSPECTED:
            instead = replace(inspection, verdict=Verdict.NOT_INSPECTED, reasons=(reason, *inspection.reasons))
            journal.submit(told_content(sequence, Verdict.NOT_INSPECTED, reason))
        problem = journal.problem
        remedy = "Check the disk of the archive: free some space on it, or replace it."
        template = "Parts cannot be recorded in time: {why}" if problem is None else problem.problem.template
        values = {"why": why} if problem is None else dict(problem.problem.values)
        return NotRecorded(template, instead, remedy=remedy, **values)


class ArchiveSink(Sink):
    """Keeps the images of the parts that the journal says, and reports a database that is away.

    Where it is slower than the line it skips parts, and never delays one.
    """

    name = "archive"
    drop = "oldest"

    def __init__(self, records: JournalSink) -> None:
        """`records`: the sink that numbered the inspections, opened and closed by the station as well."""
        self._records = records
        self._before: deque[Inspection] = deque(maxlen=0)
        self._refused = False  # whether the last image could not be kept
        self.kept = 0

    def open(self, status: StationStatus) -> None:
        self._before.clear()
        self._records.join()

    def close(self, status: StationStatus) -> None:
        self._records.leave(status)

    def take(self, inspection: Inspection) -> None:
        """Write the part's images, and a record that names them. Raises StorageError."""
        known = self._records.record_of(inspection)
        keeps = "" if known is None else known[1]
        burst = self._records.settings.burst
        if self._before.maxlen != burst:  # of another recipe, which may have come while the line runs
            self._before = deque(self._before, maxlen=burst)
        if keeps == "ng":
            while self._before:
                self._keep(self._before.popleft(), "burst")
        if keeps:
            self._keep(inspection, keeps)
        else:
            self._before.append(inspection)
            if self._refused:  # no image says whether it still is
                self._check_place()
        feeder = self._records.feeder
        if feeder is not None and feeder.problem is not None:
            raise feeder.problem

    def _keep(self, inspection: Inspection, keeps: str) -> None:
        journal, known = self._records.journal, self._records.record_of(inspection)
        if journal is None or known is None or not inspection.frames:
            return
        self._check_place()
        self._refused = True
        files = [
            write_image(self._records.archive, frame, journal=journal.id, sequence=known[0], when=inspection.utc, keeps=keeps)
            for frame in inspection.frames.values()
        ]
        self._refused = False
        self.kept += len(files)
        journal.submit(files_content(known[0], [file.content() for file in files]))

    def _check_place(self) -> None:
        """Raise StorageError if images cannot be kept where the archive is."""
        archive, journal = self._records.archive, self._records.journal
        self._refused = True
        if journal is not None and not is_there(journal.folder):  # else images went to where nobody finds them
            raise away(archive)
        try:
            usage = shutil.disk_usage(archive)
        except OSError as error:
            raise away(archive, error) from error
        if usage.free < usage.total * FREE_SHARE:
            raise StorageError(
                "Images are not kept: the disk of {folder} is nearly full, and what is left is for records.",
                remedy="Free some space on that disk, or let the archive delete what is old.",
                folder=archive,
            )
        self._refused = False


def _until(inspection: Inspection, journal: Journal, now: float) -> float:
    """Return how long to wait for the disk, in monotonic seconds."""
    stuck = journal.stuck(now)
    if inspection.due is None:
        return now if stuck > PATIENCE_S else now + PATIENCE_S
    return inspection.due if stuck > GRACE_S else max(inspection.due, now + GRACE_S)


def _key(inspection: Inspection) -> _Key:
    return inspection.sequence, inspection.utc.timestamp()


def _close_quietly(journal: Journal) -> None:
    try:
        journal.close(patience=1.0)
    except StorageError:
        return


def archive_sinks(context: RunContext | None = None, *, folder: Path | None = None, url: str = "") -> list[Sink]:
    """Return the sinks that archive a run."""
    records = JournalSink(folder or archive_folder(), context, url=url)
    return [records, ArchiveSink(records)]
