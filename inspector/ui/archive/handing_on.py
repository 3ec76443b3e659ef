"""What is made of the parts: a hold list, a report, an evidence pack, a data set, a training."""

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from PySide6.QtCore import QObject, QPoint, Signal
from PySide6.QtWidgets import QMenu, QPushButton, QWidget

from inspector.archive.archive import Archive
from inspector.archive.dataset import write_boxes, write_labelled
from inspector.archive.evidence import write_evidence
from inspector.archive.filters import Filters
from inspector.archive.report import report_of, table_rows
from inspector.archive.reports.page import report_html
from inspector.archive.reports.sections import report_images
from inspector.archive.store.query import count, every
from inspector.core.config import write_atomically
from inspector.core.errors import ConfigError, InspectorError
from inspector.core.spreadsheet import table_text
from inspector.core.storage.paths import user_data
from inspector.core.text import utf8
from inspector.data.formats.write import Format
from inspector.ui.archive.asking import ArchiveSource, ArchiveThread
from inspector.ui.archive.work_strip import Progress, WorkStrip
from inspector.ui.shell import theme
from inspector.ui.shell.strings import translate
from inspector.ui.widgets.file_dialogs import ask_new_file

ACTIONS: Final = ("hold_list", "report", "evidence", "folders", "coco", "yolo", "voc", "train")
_MOST_EVIDENCE: Final = 5000  # parts of one pack
_LAYOUTS: Final[dict[str, Format]] = {"coco": "coco", "yolo": "yolo", "voc": "voc"}


class HandingOn(QObject):
    """The button and its menu. `train_wanted` carries a folder of labelled images.

    `meant` returns which parts an action is about, `who` the name of the person.
    """

    train_wanted = Signal(object)

    def __init__(self, source: ArchiveSource, meant: Callable[[], Filters], who: Callable[[], str], over: QWidget) -> None:
        super().__init__(over)
        self._over, self._meant, self._who = over, meant, who
        self.thread_ = ArchiveThread(source, self)
        self.progress = Progress(self)
        self.button = QPushButton()
        self.button.setObjectName("hand_on")
        self.button.setMinimumHeight(theme.TOUCH)
        self.menu = QMenu(over)
        self.actions_by_name = {name: self.menu.addAction("") for name in ACTIONS}
        for name, action in self.actions_by_name.items():
            action.triggered.connect(lambda _=False, name=name: self.begin(name))
            if name in ("evidence", "voc"):
                self.menu.addSeparator()
        self.strip = WorkStrip(over)
        self.strip.stopped.connect(self.progress.stop)
        self.progress.moved.connect(self.strip.show_progress)
        self.button.clicked.connect(self._open)

    def _open(self) -> None:
        self.menu.popup(self.button.mapToGlobal(QPoint(0, self.button.height())))

    def begin(self, name: str) -> None:
        """Ask where to, and do it."""
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
        filters, who, step = self._meant(), self._who(), self.progress.step
        match name:
            case "hold_list":
                self._do(name, lambda archive: _write_table(archive, filters, path, step), self._written(path))
            case "report":
                self._do(name, lambda archive: _write_report(archive, filters, path), self._written(path))
            case "evidence":
                self._do(name, lambda archive: _write_evidence(archive, filters, path, who, step), self._written(path))
            case "folders":
                self._do(name, lambda archive: write_labelled(archive, filters, path, progress=step), self._on_classes(path))
            case _:
                to = _LAYOUTS[name]
                self._do(name, lambda archive: write_boxes(archive, filters, path, to, progress=step), self._on_boxes(path))

    def train(self, folder: Path) -> None:
        """Write the corrected parts by class, and begin a training with them."""
        filters, step = self._meant(), self.progress.step

        def then(counts: Any) -> None:  # noqa: ANN401 - what the thread returned
            if counts:
                self.strip.hide()
                self.train_wanted.emit(folder)
            else:
                self.strip.end(self.tr("None of these parts is corrected and has a picture."))

        self._do("train", lambda archive: write_labelled(archive, filters, folder, progress=step), then)

    def _do(self, name: str, work: Callable[[Archive], Any], then: Callable[[Any], object]) -> None:
        if self.thread_.busy:
            return  # one at a time: the strip shows it
        self.progress.begin()
        self.strip.begin(self.tr("{what} …").format(what=self.actions_by_name[name].text()))
        self.thread_.ask(name, work, then, self._on_failed)

    def _on_failed(self, error: InspectorError) -> None:
        self.strip.end(" ".join(translate(part) for part in (error.problem, error.remedy) if part is not None))

    def _written(self, path: Path) -> Callable[[Any], object]:
        return lambda _found: self.strip.end(self.tr("Written to {path}").format(path=path))

    def _on_classes(self, path: Path) -> Callable[[Any], object]:
        def then(counts: Any) -> None:  # noqa: ANN401 - what the thread returned
            found = ", ".join(f"{number} {name}" for name, number in sorted((counts or {}).items()))
            if found:
                self.strip.end(self.tr("Written to {path}: {classes}").format(path=path, classes=found))
            else:
                self.strip.end(self.tr("None of these parts is corrected and has a picture."))

        return then

    def _on_boxes(self, path: Path) -> Callable[[Any], object]:
        def then(found: Any) -> None:  # noqa: ANN401 - what the thread returned
            text = self.tr("Written to {path}: {images} images; {left_out} NG parts have no box to start from.")
            self.strip.end(text.format(path=path, images=found.images, left_out=found.left_out))

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
            "train": self.tr("Train on the corrected parts"),
        }
        for name, action in self.actions_by_name.items():
            action.setText(texts[name])

    def end(self) -> None:
        """End the thread; what is being written is stopped."""
        self.progress.stop()
        self.thread_.end()


def _write_table(archive: Archive, filters: Filters, path: Path, step: Callable[[int, int], None]) -> None:
    total = count(archive.database, filters)

    def rows() -> Any:  # noqa: ANN401 - a generator of rows
        for done, row in enumerate(table_rows(archive, filters)):
            step(min(done, total), total)
            yield row

    write_atomically(path, utf8(table_text(rows())).encode("utf-8-sig"))  # the mark tells Excel that this is UTF-8


def _write_report(archive: Archive, filters: Filters, path: Path) -> None:
    report = report_of(archive, filters)
    write_atomically(path, utf8(report_html(report, report_images(archive, report))).encode())


def _write_evidence(archive: Archive, filters: Filters, path: Path, who: str, step: Callable[[int, int], None]) -> None:
    if count(archive.database, filters) > _MOST_EVIDENCE:
        raise ConfigError(
            "An evidence pack holds not more than {count} parts.",
            remedy="Pick parts, or narrow the list with the filters.",
            count=_MOST_EVIDENCE,
        )
    keys = [row["id"] for row in every(archive.database, filters)]
    write_evidence(archive, keys, path, who=who, progress=step)
