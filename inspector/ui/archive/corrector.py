"""Writes what a person says of parts, and offers in the bar what can be said of the current one."""

from collections.abc import Callable, Collection
from dataclasses import replace

from PySide6.QtCore import QObject, Signal

from inspector.archive import corrections
from inspector.archive.archive import Archive
from inspector.archive.reading import ReadPart
from inspector.archive.store.query import result_of
from inspector.core.message import fill
from inspector.core.types import Verdict
from inspector.ui.archive.asking import ArchiveThread
from inspector.ui.archive.correcting import CorrectionBar, Truth
from inspector.ui.archive.parts import Entry
from inspector.ui.shell.settings import Settings


class Corrector(QObject):
    """`written` carries the keys of the parts that something was said of; `failed` an InspectorError."""

    written = Signal(object)
    failed = Signal(object)

    def __init__(self, bar: CorrectionBar, worker: ArchiveThread, settings: Settings) -> None:
        super().__init__(bar)
        self._bar, self._worker, self._settings = bar, worker, settings
        self._keys: tuple[int, ...] = ()
        self._number = 0
        bar.who.setText(settings.layout.person)
        bar.who.editingFinished.connect(self._keep_name)
        bar.said.connect(self._correct)
        bar.undone.connect(self._undo)
        bar.clear()

    def offer(self, entry: Entry | None, picks: Collection[int], read: ReadPart | None) -> None:
        """Offer what can be said of the picked parts if there are several, else of the current part."""
        if read is not None and len(picks) <= 1 and (entry is None or read.found["id"] != entry.key):
            read = None  # of the part before
        classes = () if read is None else tuple(name for name in read.classes if name not in read.good)
        if len(picks) > 1:
            self._keys = tuple(sorted(picks))
            text = fill(self.tr("{count} {count:|part|parts}"), count=f"{len(picks):,}")
            self._bar.show_part(text, machine=None, truth=None, classes=classes, count=len(picks))
        elif entry is None:
            self._keys = ()
            self._bar.clear()
        else:
            self._keys = (entry.key,)
            truth = entry.row["human_verdict"]
            self._bar.show_part(
                entry.row["part_id"],
                machine=Verdict(entry.row["verdict"]),
                truth=Verdict(truth) if truth else None,
                classes=classes,
            )

    def _correct(self, truth: Truth) -> None:
        keys, who = self._keys, self._bar.who.text().strip()
        self._keep_name()

        def write(archive: Archive) -> tuple[int, ...]:
            by_verdict: dict[str, list[int]] = {}
            for key in keys:
                said = truth.verdict or Verdict(result_of(archive.database, key)["verdict"])
                by_verdict.setdefault(said.value, []).append(key)
            # First what is refused, because the machine said neither OK nor NG: then nothing of it is written.
            for verdict, group in sorted(by_verdict.items(), key=lambda one: one[0] in corrections.VERDICTS):
                corrections.correct(
                    archive, group, who=who, verdict=verdict, class_name=truth.class_name, reason=truth.reason, note=truth.note
                )
            return keys

        self._write(write)

    def _undo(self) -> None:
        keys, who = self._keys, self._bar.who.text().strip()

        def write(archive: Archive) -> tuple[int, ...]:
            for key in keys:
                corrections.undo(archive, key, who=who)
            return keys

        self._write(write)

    def _write(self, work: Callable[[Archive], tuple[int, ...]]) -> None:
        if self._keys:
            self._number += 1  # each has a name of its own: none is replaced by the next
            self._worker.ask(f"correction {self._number}", work, self._on_written, self.failed.emit)

    def _on_written(self, keys: tuple[int, ...] | None) -> None:
        bar = self._bar
        bar.note.clear()
        reasons = [bar.reason.itemText(row) for row in range(bar.reason.count())]
        given = bar.reason.currentText().strip()
        if given and given not in reasons:
            bar.set_reasons([given, *reasons])
        bar.reason.setEditText("")
        self.written.emit(keys or ())

    def _keep_name(self) -> None:
        person = self._bar.who.text().strip()
        if person != self._settings.layout.person:
            self._settings.remember(replace(self._settings.layout, person=person))
