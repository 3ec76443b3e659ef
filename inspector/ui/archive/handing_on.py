"""What is made of the parts: a hold list, a report, an evidence pack, a data set, a training, a comparison of bundles."""

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any, Final, get_args

from PySide6.QtCore import QObject, QPoint, Signal
from PySide6.QtWidgets import QMenu, QPushButton, QWidget

from inspector.archive.archive import Archive
from inspector.archive.exports.dataset import WrittenData, data_behind, layout_for, write_corrected
from inspector.archive.exports.evidence import write_evidence
from inspector.archive.filters import Filters
from inspector.archive.reports.figures import report_of, table_rows
from inspector.archive.reports.page import report_html
from inspector.archive.reports.sections import report_images
from inspector.archive.store.query import count, every
from inspector.core.config import write_atomically
from inspector.core.errors import ConfigError, InspectorError
from inspector.core.message import fill
from inspector.core.spreadsheet import table_text
from inspector.core.storage.paths import user_data
from inspector.core.text import utf8
from inspector.data.formats.write import Format
from inspector.runs.folder import runs_folder
from inspector.ui.archive.asking import ArchiveSource, ArchiveThread
from inspector.ui.archive.work_strip import Progress, Step, WorkStrip
from inspector.ui.shell import theme
from inspector.ui.shell.strings import translate
from inspector.ui.widgets.file_dialogs import ask_new_file

ACTIONS: Final = ("hold_list", "report", "evidence", "folders", "coco", "yolo", "voc", "masks", "train", "compare")
_MOST_EVIDENCE: Final = 5000  # parts of one pack
_LAYOUTS: Final[dict[str, Format]] = {name: name for name in get_args(Format)}


class HandingOn(QObject):
    """The button and its menu. `train_wanted` carries a folder of labelled images; `compare_wanted`: a new bundle is to judge.

    `meant` returns which parts an action is about, `who` the name of the person.
    """

    train_wanted = Signal(object)
    compare_wanted = Signal()

    def __init__(self, source: ArchiveSource, meant: Callable[[], Filters], who: Callable[[], str], over: QWidget) -> None:
        super().__init__(over)
        self._over, self._meant, self._who = over, meant, who
        self.thread_ = ArchiveThread(source, self)
        self.progress = Progress(self)
        self._doing = ""
        self.button = QPushButton()
        self.button.setObjectName("hand_on")
        self.button.setMinimumHeight(theme.TOUCH)
        self.menu = QMenu(over)
        self.actions_by_name = {name: self.menu.addAction("") for name in ACTIONS}
        for name, action in self.actions_by_name.items():
            action.triggered.connect(lambda _=False, name=name: self.begin(name))
            if name in ("evidence", "masks"):
                self.menu.addSeparator()
        self.strip = WorkStrip(over)
        self.strip.stopped.connect(self.progress.stop)
        self.progress.moved.connect(self.strip.show_progress)
        self.button.clicked.connect(self._open)

    def _open(self) -> None:
        self.menu.popup(self.button.mapToGlobal(QPoint(0, self.button.height())))

    def begin(self, name: str) -> None:
        """Ask where to, and do it."""
        if name == "compare":
            self.compare_wanted.emit()
            return
        if name == "train":
            self.train(user_data() / "archive-training" / f"{datetime.now():%Y-%m-%d-%H%M%S-%f}")
            return
        title, kinds, file = {
            "hold_list": (self.tr("Save the hold list"), self.tr("Tables (*.csv)"), "hold-list.csv"),
            "report": (self.tr("Save the report"), self.tr("Reports (*.html)"), "report.html"),
            "evidence": (self.tr("Save the evidence pack"), self.tr("Folders (*)"), "evidence"),
        }.get(name, (self.tr("Save the data set"), self.tr("Folders (*)"), "dataset"))
        ask_new_file(self._over, title, lambda path: self.write(name, path), kinds=kinds, name=file)

    def write(self, name: str, path: Path) -> None:
        """Write this to a file, or to a new folder."""
        filters, who = self._meant(), self._who()
        match name:
            case "hold_list":
                self.do(name, lambda archive, step: _write_table(archive, filters, path, step), self._written(path))
            case "report":
                self.do(name, lambda archive, _: _write_report(archive, filters, path), self._written(path))
            case "evidence":
                self.do(name, lambda archive, step: _write_evidence(archive, filters, path, who, step), self._written(path))
            case _:
                to = _LAYOUTS[name]
                self.do(
                    name,
                    lambda archive, step: write_corrected(archive, filters, path, to, who=who, progress=step),
                    self._on_data(path),
                )

    def train(self, folder: Path) -> None:
        """Write the corrected parts beside the data that the bundle learnt from, and begin a training with all of them.

        The test part of that data stays, and a fifth of the corrected parts is kept for testing.
        """
        filters, who = self._meant(), self._who()

        def write(archive: Archive, step: Step) -> WrittenData:
            to, base = layout_for(archive, filters), data_behind(archive, filters, runs_folder())
            return write_corrected(archive, filters, folder, to, who=who, base=base, keep_test=True, progress=step)

        def then(written: WrittenData | None) -> None:
            if written is not None:
                self.strip.hide()
                self.train_wanted.emit(folder)

        self.do("train", write, then)

    def do(self, name: str, work: Callable[[Archive, Step], Any], then: Callable[[Any], object]) -> None:
        """Have one of ACTIONS done on the thread, with the strip that shows how far it is. One at a time."""
        if self.thread_.busy:
            return  # one at a time: the strip shows it
        self._doing = name
        step = self.progress.begin(keeps=name == "compare")
        self.strip.begin(self.tr("{what} …").format(what=self.actions_by_name[name].text()))
        self.thread_.ask(name, lambda archive: work(archive, step), then, self._on_failed)

    def stop(self, name: str) -> None:
        """Stop this one if it is under way, and drop its answer."""
        if self.thread_.busy and self._doing == name:
            self.progress.stop()
            self.thread_.forget(name)
            self.strip.hide()

    def _on_failed(self, error: InspectorError) -> None:
        self.strip.end(" ".join(translate(part) for part in (error.problem, error.remedy) if part is not None))

    def _written(self, path: Path) -> Callable[[Any], object]:
        return lambda _found: self.strip.end(self.tr("Written to {path}").format(path=path))

    def _on_data(self, path: Path) -> Callable[[Any], object]:
        def then(written: WrittenData | None) -> None:
            if written is None:
                return
            found = ", ".join(f"{number} {name}" for name, number in sorted(written.counts.items()))
            text = fill(self.tr("Written to {path}: {count} {count:|image|images}"), path=path, count=written.images)
            if found:
                text = self.tr("Written to {path}: {classes}").format(path=path, classes=found)
            if written.left_out:
                left = self.tr(
                    "{count} NG {count:|image was|images were} left out: nothing was found in {count:|it|them} that a "
                    "label could start from."
                )
                text = f"{text}. {fill(left, count=written.left_out)}"
            self.strip.end(text)

        return then

    def retranslate(self) -> None:
        """Set all texts."""
        self.button.setText(self.tr("Hand on"))
        self.button.setAccessibleName(self.tr("Hand on"))
        self.button.setToolTip(self.tr("What is picked, else all that is listed"))
        texts = {
            "hold_list": self.tr("Hold list (CSV)"),
            "report": self.tr("Report (HTML)"),
            "evidence": self.tr("Evidence pack (BagIt)"),
            "folders": self.tr("Corrected parts as class folders"),
            "coco": self.tr("Corrected parts as COCO"),
            "yolo": self.tr("Corrected parts as YOLO"),
            "voc": self.tr("Corrected parts as Pascal VOC"),
            "masks": self.tr("Corrected parts as masks"),
            "train": self.tr("Train on the corrected parts"),
            "compare": self.tr("Compare a new bundle and approve it"),
        }
        for name, action in self.actions_by_name.items():
            action.setText(texts[name])

    def end(self) -> None:
        """End the thread; what is being written is stopped."""
        self.progress.stop()
        self.thread_.end()


def _write_table(archive: Archive, filters: Filters, path: Path, step: Step) -> None:
    total = count(archive.database, filters)

    def rows() -> Any:  # noqa: ANN401 - a generator of rows
        for done, row in enumerate(table_rows(archive, filters)):
            step(min(done, total), total)
            yield row

    write_atomically(path, utf8(table_text(rows())).encode("utf-8-sig"))  # the mark tells Excel that this is UTF-8


def _write_report(archive: Archive, filters: Filters, path: Path) -> None:
    report = report_of(archive, filters)
    write_atomically(path, utf8(report_html(report, report_images(archive, report))).encode())


def _write_evidence(archive: Archive, filters: Filters, path: Path, who: str, step: Step) -> None:
    if count(archive.database, filters) > _MOST_EVIDENCE:
        raise ConfigError(
            "An evidence pack holds not more than {count} parts.",
            remedy="Pick parts, or narrow the list with the filters.",
            count=_MOST_EVIDENCE,
        )
    keys = [row["id"] for row in every(archive.database, filters)]
    write_evidence(archive, keys, path, who=who, progress=step)
