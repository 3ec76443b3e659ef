"""The waterfall chart: one bar a stage along the time of a part, against the takt."""

from collections.abc import Mapping
from typing import Final

from PySide6.QtCore import QCoreApplication, QRectF, Qt
from PySide6.QtGui import QColor, QFontMetricsF, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QSizePolicy, QWidget

from inspector.inspection.status import StageStats, Stats
from inspector.inspection.takt import INSPECTION, headroom_ms, measured
from inspector.ui.shell import theme
from inspector.ui.shell.strings import later
from inspector.ui.widgets.themed import Themed

ROW: Final = theme.SPACING * 5 // 2  # height of a line
BAR: Final = theme.SPACING * 3 // 2
SMALLEST: Final = 2.0  # minimum length of a bar in pixels
TOTAL: Final = "inspection"

WORDS: Final[Mapping[str, str]] = {
    "grab": later("Stages", "Grab"),
    "wait": later("Stages", "Wait"),
    "prepare": later("Stages", "Prepare"),
    "infer": later("Stages", "Infer"),
    "decode": later("Stages", "Decode"),
    "verdict": later("Stages", "Verdict"),
    "line": later("Stages", "Line"),
    "archive": later("Stages", "Archive"),
    "save": later("Stages", "Save"),
    "display": later("Stages", "Display"),
    TOTAL: later("Stages", "Inspection"),
}


def rows_of(stats: Stats, display: StageStats | None) -> dict[str, StageStats]:
    """Return the measured stages in processing order, and last the sum that must fit the takt."""
    rows = measured(stats) | ({"display": display} if display is not None else {})
    takt = stats.takt
    if takt.busy_p50_ms is not None and takt.busy_p99_ms is not None:
        rows[TOTAL] = StageStats(p50_ms=takt.busy_p50_ms, p99_ms=takt.busy_p99_ms)
    return rows


def word(stage: str) -> str:
    """Return the stage's name in the window's language."""
    return QCoreApplication.translate("Stages", WORDS[stage])


def milliseconds(value: float) -> str:
    """Return a time in ms with a suitable number of digits."""
    return f"{value:.0f}" if value >= 99.5 else f"{value:.1f}"


def sheet(rows: Mapping[str, StageStats], stats: Stats) -> str:
    """Return the numbers as a table with tabs, for a spreadsheet."""
    lines = ["stage\tp50 ms\tp99 ms", *(f"{word(name)}\t{row.p50_ms:.3f}\t{row.p99_ms:.3f}" for name, row in rows.items())]
    takt, room = stats.takt, headroom_ms(stats)
    if takt.takt_ms is not None:
        lines.append(f"takt ({takt.source})\t{takt.takt_ms:.3f}\t")
        lines.append(f"late parts\t{takt.late}\t")
    if room is not None:
        lines.append(f"head-room\t\t{room:.3f}")
    return "\n".join(lines) + "\n"


def spans(rows: Mapping[str, StageStats]) -> dict[str, tuple[float, float, float]]:
    """Return the start, the end at p50 and the end at p99 of each bar, in ms from the grab; each bar starts where the last one
    ends.
    """
    at, placed = 0.0, {}
    begun: float | None = None
    for stage, row in rows.items():
        if stage == TOTAL:
            start = begun or 0.0
        else:
            begun = at if begun is None and stage in INSPECTION else begun
            start, at = at, at + row.p50_ms
        placed[stage] = (start, start + row.p50_ms, start + row.p99_ms)
    return placed


class Waterfall(Themed, QWidget):
    """Bars with their numbers; the takt is a line through all bars."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("waterfall")
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self._rows: dict[str, StageStats] = {}
        self._takt: float | None = None
        self.retranslate()

    @property
    def rows(self) -> dict[str, StageStats]:
        """The rows on display."""
        return self._rows

    def show_rows(self, rows: Mapping[str, StageStats], takt_ms: float | None) -> None:
        """Show these stages in the given order."""
        if len(rows) != len(self._rows):
            self.setFixedHeight(ROW * (max(len(rows), 1) + 1) + theme.SPACING)
        self._rows, self._takt = dict(rows), takt_ms
        self.retranslate()
        self.update()

    def retranslate(self) -> None:
        texts = [
            self.tr("{stage}: {half} ms, 99 of 100 parts {most} ms").format(
                stage=word(stage), half=milliseconds(row.p50_ms), most=milliseconds(row.p99_ms)
            )
            for stage, row in self._rows.items()
        ]
        self.setAccessibleName(self.tr("Stages"))
        self.setAccessibleDescription("; ".join(texts))
        self.setToolTip(self.tr("Half of the parts take as long as the full bar, 99 of 100 at most as long as the pale one"))

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setFont(theme.font("body"))
        metrics = QFontMetricsF(painter.font())
        left = max(metrics.horizontalAdvance(word(stage)) for stage in WORDS) + theme.SPACING * 3
        number = metrics.horizontalAdvance("00,000.0") + theme.SPACING
        track = QRectF(left, 0, max(self.width() - left - 2 * number - theme.SPACING * 2, 1.0), self.height())
        self._paint_head(painter, track, number)
        placed = spans(self._rows)
        reach = max([span[2] for span in placed.values()] + [self._takt or 0.0, 1e-3]) * 1.02
        scale = track.width() / reach
        for index, (stage, span) in enumerate(placed.items(), start=1):
            line = QRectF(0, index * ROW, self.width(), ROW)
            self._paint_row(painter, stage, span, line, track, scale, number)
        if self._takt is not None:
            painter.setPen(QPen(theme.current().color("text"), 2))
            x = track.left() + self._takt * scale
            painter.drawLine(round(x), ROW, round(x), ROW * (len(placed) + 1))

    def _paint_head(self, painter: QPainter, track: QRectF, number: float) -> None:
        painter.setPen(theme.current().color("muted"))
        painter.setFont(theme.font("small"))
        for column, text in enumerate((self.tr("p50 ms"), self.tr("p99 ms"))):
            box = QRectF(track.right() + theme.SPACING + column * number, 0, number, ROW)
            painter.drawText(box, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter, text)
        if self._takt is not None:
            painter.drawText(
                QRectF(track.left(), 0, track.width(), ROW),
                Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter,
                self.tr("Line: takt {takt} ms").format(takt=milliseconds(self._takt)),
            )

    def _paint_row(
        self,
        painter: QPainter,
        stage: str,
        span: tuple[float, float, float],
        line: QRectF,
        track: QRectF,
        scale: float,
        number: float,
    ) -> None:
        dress, row = theme.current(), self._rows[stage]
        color = self._color(stage, row)
        pale = QColor(color)
        pale.setAlphaF(0.45)
        start, half, most = (track.left() + value * scale for value in span)
        top = line.top() + (ROW - BAR) / 2
        painter.fillRect(QRectF(start, top, max(most - start, SMALLEST), BAR), pale)
        painter.fillRect(QRectF(start, top, max(half - start, SMALLEST), BAR), color)
        painter.setFont(theme.font("body", bold=stage == TOTAL))
        painter.setPen(dress.color("text"))
        middle = Qt.AlignmentFlag.AlignVCenter
        painter.drawText(line.adjusted(theme.SPACING, 0, 0, 0), Qt.AlignmentFlag.AlignLeft | middle, word(stage))
        for column, value in enumerate((row.p50_ms, row.p99_ms)):
            box = QRectF(track.right() + theme.SPACING + column * number, line.top(), number, ROW)
            painter.drawText(box, Qt.AlignmentFlag.AlignRight | middle, milliseconds(value))

    def _color(self, stage: str, row: StageStats) -> QColor:
        """Return the accent for stages that must fit the takt in sequence, the NG colour if they do not fit, else a quiet
        colour.
        """
        dress = theme.current()
        if stage != "wait" and stage != "display" and self._takt is not None and row.p99_ms > self._takt:
            return dress.color("ng")
        return dress.color("accent" if stage in INSPECTION or stage == TOTAL else "disabled")
