"""Two parts side by side: their pictures move in step, with what the machine and people said of each."""

from collections.abc import Callable, Sequence

from PySide6.QtCore import QObject, QSize, Qt, Signal
from PySide6.QtWidgets import QGridLayout, QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from inspector.archive.reading import ReadPart, read_part
from inspector.core.errors import InspectorError
from inspector.core.types import Masks, Verdict
from inspector.tasks.masks import class_map
from inspector.ui.archive.asking import ArchiveThread
from inspector.ui.archive.gallery import time_of
from inspector.ui.canvas.canvas import Canvas, ViewLink
from inspector.ui.canvas.overlays import ClassLayer, Overlays, box_marks, region_mark
from inspector.ui.inspect.panels.readouts import Badge
from inspector.ui.shell import theme
from inspector.ui.shell.strings import translate, verdict_word
from inspector.ui.widgets.boxes import plain
from inspector.ui.widgets.themed import Themed


class PartSide(QObject):
    """What is shown of one of the two parts."""

    def __init__(self, link: ViewLink, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.read: ReadPart | None = None
        self.canvas = Canvas(link=link)
        self.badge = Badge(Verdict.OK)
        self.badge.setFixedSize(theme.ICON, theme.ICON)
        self.part, self.when, self.said = QLabel(), QLabel(), QLabel()
        self.part.setProperty("role", "strong")
        self.when.setProperty("role", "muted")
        for label in (self.part, self.when, self.said):
            label.setTextFormat(Qt.TextFormat.PlainText)
            label.setWordWrap(True)
        self.said.setAlignment(Qt.AlignmentFlag.AlignTop)
        self.head = plain(QHBoxLayout())
        self.head.addWidget(self.badge)
        self.head.addWidget(self.part, 1)

    def show_part(self, read: ReadPart) -> None:
        """Show a part with its first picture in which something was judged."""
        self.read = read
        inspection = read.inspection
        judged = [one.camera for one in inspection.judgements if one.verdict is not Verdict.OK]
        cameras = [name for name in (*judged, *inspection.frames) if name in inspection.frames]
        self.canvas.show_frame(inspection.frames[cameras[0]] if cameras else None)
        found = [one for one in inspection.predictions if cameras and one.camera == cameras[0]]
        self.canvas.set_overlays(
            Overlays(
                boxes=tuple(mark for one in found for mark in box_marks(one, one.threshold)),
                regions=tuple(region_mark(one) for one in found),
                layers=tuple(
                    ClassLayer(one.region, class_map(one, one.threshold)) for one in found if isinstance(one.answer, Masks)
                ),
            )
        )
        self.retranslate()

    def retranslate(self) -> None:
        if self.read is None:
            return
        inspection, row = self.read.inspection, self.read.found
        self.badge.set_verdict(inspection.verdict)
        self.part.setText(inspection.part)
        self.when.setText(time_of(row))
        truth = row["human_verdict"]
        truly = [self.tr("Truly: {verdict}").format(verdict=verdict_word(Verdict(truth)))] if truth else []
        why = [translate(reason) for reason in (*inspection.reasons, *self.read.problems)]
        self.said.setText("\n".join([*truly, *why]))
        self.canvas.setAccessibleName(f"{inspection.part} {verdict_word(inspection.verdict)}")


class PairView(Themed, QWidget):
    """`shown`: two parts were read and are shown; `left`: back to the gallery."""

    shown = Signal()
    left = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.link = ViewLink(self)
        self.sides = PartSide(self.link, self), PartSide(self.link, self)
        self.back = QPushButton()
        self.back.setObjectName("pair_back")
        self.back.setMinimumHeight(theme.TOUCH)
        self.back.setIconSize(QSize(theme.ICON, theme.ICON))
        self.back.clicked.connect(self.left)
        head = plain(QHBoxLayout())
        head.addWidget(self.back)
        head.addStretch(1)
        both = plain(QGridLayout())  # the rows of both are as high, so that the pictures are as large
        both.setRowStretch(2, 1)
        for column, side in enumerate(self.sides):
            both.setColumnStretch(column, 1)
            both.addLayout(side.head, 0, column)
            for row, widget in enumerate((side.when, side.canvas, side.said), start=1):
                both.addWidget(widget, row, column)
        whole = plain(QVBoxLayout(self))
        whole.addLayout(head)
        whole.addLayout(both, 1)
        self.retranslate()

    def read(self, worker: ArchiveThread, keys: Sequence[int], failed: Callable[[InspectorError], object]) -> None:
        """Read two parts on the thread, and show the earlier one on the left."""

        def then(parts: Sequence[ReadPart] | None) -> None:
            for side, read in zip(self.sides, sorted(parts or (), key=lambda one: one.found["creation_time"]), strict=False):
                side.show_part(read)
            self.shown.emit()

        worker.ask("pair", lambda archive: [read_part(archive, key) for key in keys], then, failed)

    def retranslate(self) -> None:
        self.setAccessibleName(self.tr("Side by side"))
        self.back.setText(self.tr("Gallery"))
        self.back.setAccessibleName(self.tr("Back to the gallery"))
        for side in self.sides:
            side.retranslate()
        self.restyle()

    def restyle(self) -> None:
        self.back.setIcon(theme.icon("unfold"))
