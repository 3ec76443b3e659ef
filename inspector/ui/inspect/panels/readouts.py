"""Figures around the feed: the counters of the shift, and the status line at the bottom."""

from datetime import datetime
from typing import Final

from PySide6.QtCore import QCoreApplication, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QPainter, QPaintEvent
from PySide6.QtWidgets import QFrame, QGridLayout, QHBoxLayout, QLabel, QPushButton, QSizePolicy, QVBoxLayout, QWidget

from inspector.core.types import Verdict
from inspector.inspection.status import Stats
from inspector.station.tally import Tally
from inspector.ui.inspect.panels.verdict_tile import paint_badge
from inspector.ui.shell import theme
from inspector.ui.widgets.boxes import plain
from inspector.ui.widgets.themed import Themed
from inspector.ui.widgets.tips import plain_tip

NONE: Final = "–"


class Badge(QWidget):
    """A verdict's symbol in its colour."""

    def __init__(self, verdict: Verdict, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._verdict = verdict
        self.setFixedSize(QSize(theme.SPACING * 2, theme.SPACING * 2))

    def set_verdict(self, verdict: Verdict) -> None:
        self._verdict = verdict
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        paint_badge(painter, self._verdict, QRectF(self.rect()))


class Counter(QFrame):
    """One number with its caption, and a badge if it counts a verdict."""

    def __init__(self, name: str, verdict: Verdict | None = None, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName(name)
        self.setProperty("role", "card")
        self._value = QLabel(NONE)
        self._value.setProperty("role", "title")
        self._caption = QLabel()
        self._caption.setProperty("role", "small")
        caption = QHBoxLayout()
        caption.setSpacing(theme.SPACING // 2)
        if verdict is not None:
            caption.addWidget(Badge(verdict))
        caption.addWidget(self._caption, 1)
        box = QVBoxLayout(self)
        box.setContentsMargins(theme.SPACING * 3 // 2, theme.SPACING // 2, theme.SPACING // 2, theme.SPACING // 2)
        box.setSpacing(0)
        box.addLayout(caption)
        box.addWidget(self._value)

    @property
    def value(self) -> str:
        return self._value.text()

    def set_caption(self, caption: str) -> None:
        self._caption.setText(caption)
        self._name()

    def set_value(self, value: str) -> None:
        if value != self._value.text():
            self._value.setText(value)
            self._name()

    def _name(self) -> None:
        self.setAccessibleName(f"{self._caption.text()}: {self._value.text()}")


def since_text(tally: Tally) -> str:
    """Return the lot, and when it or the shift began, in local time; with the date if that is another day."""
    local, today = tally.since.astimezone(), datetime.now().astimezone()
    shown = f"{local:%H:%M}" if local.date() == today.date() else f"{local:%Y-%m-%d %H:%M}"
    if tally.lot:
        return QCoreApplication.translate("Counters", "Lot {lot} since {time}").format(lot=tally.lot, time=shown)
    return QCoreApplication.translate("Counters", "Since {time}").format(time=shown)


class Counters(Themed, QWidget):
    """Total, OK, NG, review, not inspected and yield of the shift. `reset_wanted`: the button was pressed."""

    reset_wanted = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("counters")
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Fixed)
        self.total = Counter("count_total")
        self.passed = Counter("count_ok", Verdict.OK)
        self.ng = Counter("count_ng", Verdict.NG)
        self.review = Counter("count_review", Verdict.REVIEW)
        self.not_inspected = Counter("count_not_inspected", Verdict.NOT_INSPECTED)
        self.yield_share = Counter("count_yield")
        grid = QGridLayout(self)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setSpacing(theme.SPACING)
        self.since, self.reset_button = QLabel(), QPushButton()
        self.since.setProperty("role", "small")
        self.since.setTextFormat(Qt.TextFormat.PlainText)
        self.since.setWordWrap(True)  # a lot may have a long name
        self.reset_button.setObjectName("reset_counters")
        self.reset_button.clicked.connect(self.reset_wanted)
        places = (self.total, self.passed, self.ng, self.yield_share, self.review, self.not_inspected)
        for index, counter in enumerate(places):
            grid.addWidget(counter, index // 3 + 1, index % 3)
            grid.setColumnStretch(index % 3, 1)
        head = plain(QHBoxLayout())
        head.addWidget(self.since, 1)
        head.addWidget(self.reset_button)
        grid.addLayout(head, 0, 0, 1, 3)
        self._tally = Tally()
        self.retranslate()

    @property
    def tally(self) -> Tally:
        """The counts on display."""
        return self._tally

    def set_tally(self, tally: Tally) -> None:
        self._tally = tally
        share = tally.yield_share
        self.since.setText(since_text(tally))
        self.since.setToolTip(plain_tip(self.since.text()))
        self.total.set_value(f"{tally.parts:,}")
        self.passed.set_value(f"{tally.ok:,}")
        self.ng.set_value(f"{tally.ng:,}")
        self.review.set_value(f"{tally.review:,}")
        self.not_inspected.set_value(f"{tally.not_inspected:,}")
        self.yield_share.set_value(NONE if share is None else f"{share * 100:.1f} %")

    def retranslate(self) -> None:
        self.setAccessibleName(self.tr("Counters"))
        self.total.set_caption(self.tr("Total"))
        self.passed.set_caption(self.tr("OK"))
        self.ng.set_caption(self.tr("NG"))
        self.review.set_caption(self.tr("Review"))
        self.not_inspected.set_caption(self.tr("Not inspected"))
        self.yield_share.set_caption(self.tr("Yield"))
        self.yield_share.setToolTip(self.tr("OK parts of all inspected parts"))
        self.reset_button.setText(self.tr("Shift / lot…"))
        self.reset_button.setAccessibleName(self.tr("New shift or lot: count from 0"))
        self.reset_button.setToolTip(self.tr("The counters go on over stop and restart. This begins a new shift or lot at 0."))
        self.set_tally(self._tally)


class StatusLine(Themed, QFrame):
    """Camera rates, verdict rate, latency, queue depth and drops. Every figure keeps its position."""

    FIGURES: Final = ("cameras", "rate", "latency", "queue", "drops")

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("statusline")
        self._stats = Stats()
        row = QHBoxLayout(self)
        row.setContentsMargins(theme.SPACING * 2, theme.SPACING // 2, theme.SPACING * 2, theme.SPACING // 2)
        row.setSpacing(theme.SPACING * 3)
        self.figures: dict[str, QLabel] = {}
        for name in self.FIGURES:
            label = QLabel()
            label.setObjectName(f"figure_{name}")
            label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
            self.figures[name] = label
            row.addWidget(label)
            row.addStretch(0 if name != "cameras" else 1)
        self.retranslate()

    def set_stats(self, stats: Stats) -> None:
        self._stats = stats
        cameras = "   ".join(f"{name} {fps:.1f}" for name, fps in stats.camera_fps.items()) or NONE
        depth = sum(stage.depth for stage in stats.stages.values())
        latency = f"{stats.latency_p50_ms:.0f} / {stats.latency_p99_ms:.0f} ms" if stats.parts else NONE
        texts = {
            "cameras": self.tr("Cameras: {value} frames/s").format(value=cameras),
            "rate": self.tr("Verdicts: {value}/s").format(value=f"{stats.verdicts_per_s:.1f}" if stats.parts else NONE),
            "latency": self.tr("Latency p50 / p99: {value}").format(value=latency),
            "queue": self.tr("Waiting: {value}").format(value=depth),
            "drops": self.tr("Dropped: {value}").format(value=f"{stats.dropped:,}"),
        }
        for name, text in texts.items():
            self.figures[name].setText(text)
            self.figures[name].setAccessibleName(text)

    def retranslate(self) -> None:
        self.setAccessibleName(self.tr("Figures of the line"))
        self.figures["cameras"].setToolTip(self.tr("Frames a second that each camera delivers"))
        self.figures["rate"].setToolTip(self.tr("Verdicts a second"))
        self.figures["latency"].setToolTip(self.tr("From grabbing a frame to its verdict: half of the parts, 99 of 100 parts"))
        self.figures["queue"].setToolTip(self.tr("Frames that wait between the stages"))
        self.figures["drops"].setToolTip(self.tr("Frames left out because the line was faster than the inspection"))
        self.set_stats(self._stats)
