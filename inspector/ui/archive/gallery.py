"""The gallery: a wall of parts of which only what is seen exists, so that a million scroll like a hundred."""

from collections.abc import Mapping, Sequence
from typing import Final

from PySide6.QtCore import QEvent, QPoint, QRect, QRectF, QSize, Qt, Signal
from PySide6.QtGui import (
    QContextMenuEvent,
    QFontMetrics,
    QHelpEvent,
    QKeyEvent,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QPen,
    QResizeEvent,
)
from PySide6.QtWidgets import QAbstractScrollArea, QFrame, QToolTip, QWidget

from inspector.archive.store.blocks import Gap
from inspector.archive.store.query import shown_time
from inspector.core.message import fill
from inspector.core.types import Verdict
from inspector.ui.archive.parts import PICTURE, Entry, ListedParts
from inspector.ui.canvas.painting import draw_simulation
from inspector.ui.inspect.panels.verdict_tile import paint_badge
from inspector.ui.shell import theme
from inspector.ui.shell.strings import verdict_word
from inspector.ui.widgets.themed import Themed
from inspector.ui.widgets.tips import plain_tip

_PAD: Final = theme.SPACING // 2
_LINE: Final = theme.SPACING * 2 + 2  # height of a line of text
_SIDE: Final = theme.SPACING * 2  # of a badge
CELL: Final = QSize(PICTURE.width() + 4 * _PAD, PICTURE.height() + 2 * _LINE + 5 * _PAD)


class Gallery(Themed, QAbstractScrollArea):
    """The list as pictures in rows.

    `chosen` carries the index of the current part, `opened` that of a part to be looked at, `picked` says that other parts are
    selected. `ranged` carries the first and last index of a range that a person picks.
    """

    chosen = Signal(int)
    opened = Signal(int)
    picked = Signal()
    ranged = Signal(int, int)

    def __init__(self, parts: ListedParts, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("gallery")
        self.parts = parts
        self._index = 0
        self.picks: set[int] = set()  # keys
        self.then: Mapping[int, str] = {}  # verdicts of a what-if, by key
        self.gaps: Mapping[int, Sequence[Gap]] = {}
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.verticalScrollBar().valueChanged.connect(self._look)
        parts.changed.connect(self._on_changed)
        self.retranslate()

    # Places

    @property
    def columns(self) -> int:
        return max(self.viewport().width() // CELL.width(), 1)

    @property
    def index(self) -> int:
        """The current place."""
        return self._index

    def current(self) -> Entry | None:
        """Return the current part, if it is in memory."""
        return self.parts.entry(self._index)

    def cell(self, index: int) -> QRect:
        """Return where a place is in the viewport."""
        row, column = divmod(index, self.columns)
        wide = self.viewport().width() // self.columns
        top = row * CELL.height() - self.verticalScrollBar().value()
        return QRect(column * wide + (wide - CELL.width()) // 2, top, CELL.width(), CELL.height())

    def index_at(self, at: QPoint) -> int | None:
        """Return the place under a point of the viewport."""
        row = (at.y() + self.verticalScrollBar().value()) // CELL.height()
        column = at.x() // max(self.viewport().width() // self.columns, 1)
        index = row * self.columns + column
        return index if column < self.columns and 0 <= index < len(self.parts) else None

    def shown(self) -> range:
        """Return the places that are seen."""
        top, height = self.verticalScrollBar().value(), self.viewport().height()
        first = top // CELL.height() * self.columns
        return range(first, min((-(-(top + height) // CELL.height())) * self.columns, len(self.parts)))

    def go_to(self, index: int) -> None:
        """Make a place the current one, and scroll to it."""
        if not 0 <= index < len(self.parts):
            return
        self._index = index
        rect, bar = self.cell(index), self.verticalScrollBar()
        if rect.top() < 0:
            bar.setValue(bar.value() + rect.top())
        elif rect.bottom() > self.viewport().height():
            bar.setValue(bar.value() + rect.bottom() - self.viewport().height())
        self._look()
        self.chosen.emit(index)

    def begin(self) -> None:
        """Start over at the beginning of another list."""
        self._index = 0
        self._measure()
        self.verticalScrollBar().setValue(0)
        self._look()

    def _on_changed(self) -> None:
        self._look()

    def _look(self) -> None:
        places = self.shown()
        if places:
            self.parts.want(places.start, places.stop - 1)
        self.viewport().update()

    def _measure(self) -> None:
        rows = -(-len(self.parts) // self.columns)
        bar = self.verticalScrollBar()
        bar.setRange(0, max(rows * CELL.height() - self.viewport().height(), 0))
        bar.setPageStep(max(self.viewport().height() // CELL.height(), 1) * CELL.height())
        bar.setSingleStep(CELL.height() // 3)

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._measure()
        self.go_to(self._index)

    # Keys and taps

    def keyPressEvent(self, event: QKeyEvent) -> None:
        page = max(self.viewport().height() // CELL.height(), 1) * self.columns
        steps = {
            Qt.Key.Key_Left: -1,
            Qt.Key.Key_Right: 1,
            Qt.Key.Key_Up: -self.columns,
            Qt.Key.Key_Down: self.columns,
            Qt.Key.Key_PageUp: -page,
            Qt.Key.Key_PageDown: page,
            Qt.Key.Key_Home: -len(self.parts),
            Qt.Key.Key_End: len(self.parts),
        }
        key = Qt.Key(event.key())
        if key in steps and len(self.parts):
            self.go_to(min(max(self._index + steps[key], 0), len(self.parts) - 1))
        elif key in (Qt.Key.Key_Return, Qt.Key.Key_Enter) and len(self.parts):
            self.opened.emit(self._index)
        elif key == Qt.Key.Key_Space:
            self._toggle(self._index)
        else:
            super().keyPressEvent(event)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        index = self.index_at(event.position().toPoint())
        if index is None or event.button() != Qt.MouseButton.LeftButton:
            return
        if event.modifiers() & Qt.KeyboardModifier.ShiftModifier:
            self.ranged.emit(min(self._index, index), max(self._index, index))
            return
        if event.modifiers() & Qt.KeyboardModifier.ControlModifier:
            self._toggle(index)
        self.go_to(index)

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        index = self.index_at(event.position().toPoint())
        if index is not None and event.button() == Qt.MouseButton.LeftButton and not event.modifiers():
            self.opened.emit(index)

    def contextMenuEvent(self, event: QContextMenuEvent) -> None:
        event.ignore()

    def pick(self, keys: set[int]) -> None:
        """Select these parts."""
        self.picks = keys
        self.picked.emit()
        self.viewport().update()

    def _toggle(self, index: int) -> None:
        entry = self.parts.entry(index)
        if entry is not None:
            self.pick(self.picks ^ {entry.key})

    def viewportEvent(self, event: QEvent) -> bool:
        if isinstance(event, QHelpEvent):
            index = self.index_at(event.pos())
            entry = None if index is None else self.parts.entry(index)
            QToolTip.showText(event.globalPos(), "" if entry is None else self._described(entry), self)
            return True
        return super().viewportEvent(event)

    def _described(self, entry: Entry) -> str:
        row = entry.row
        lines = [row["part_id"], time_of(row), row["reason"], f"{row['product_id']} r{row['recipe_version']}", row["lot"]]
        lines.append(self.gap_text(self.gaps.get(entry.key, ())))
        return plain_tip("\n".join(line for line in lines if line))

    def gap_text(self, gaps: Sequence[Gap]) -> str:
        """Return what is missing before a part, a line for each gap."""
        damaged = self.tr("Before this part the records {first} to {last} are damaged.")
        missing = self.tr(
            "Before this part the records {first} to {last} are missing: they were lost before they were written."
        )
        return "\n".join((damaged if gap.damaged else missing).format(first=gap.first, last=gap.last) for gap in gaps)

    # Painting

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self.viewport())
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        for index in self.shown():
            self._paint(painter, self.cell(index), index)

    def _paint(self, painter: QPainter, cell: QRect, index: int) -> None:
        dress, entry = theme.current(), self.parts.entry(index)
        box = QRectF(cell).adjusted(_PAD / 2, _PAD / 2, -_PAD / 2, -_PAD / 2)
        picked, is_current = entry is not None and entry.key in self.picks, index == self._index
        painter.setPen(QPen(dress.color("accent" if is_current or picked else "border"), 3 if is_current else 1))
        painter.setBrush(dress.color("pressed" if picked else "surface"))
        painter.drawRoundedRect(box, theme.RADIUS, theme.RADIUS)
        place = QRect(cell.left() + 2 * _PAD, cell.top() + 2 * _PAD, PICTURE.width(), PICTURE.height())
        painter.fillRect(place, dress.color("canvas"))
        painter.setFont(theme.font("small"))
        if entry is None:
            painter.setPen(dress.color("muted"))
            known = self.parts.is_known(index)
            painter.drawText(place, Qt.AlignmentFlag.AlignCenter, self.tr("no longer listed") if known else "…")
            return
        self._paint_picture(painter, place, entry)
        if entry.row["is_simulated"]:
            strip = QRectF(place.left(), place.top(), place.width(), _LINE)
            draw_simulation(painter, strip, self.tr("SIMULATION"))
        self._paint_words(painter, QRect(place.left(), place.bottom() + _PAD, place.width(), 2 * _LINE), entry)
        if entry.key in self.gaps:
            self._paint_gap(painter, cell, self.gaps[entry.key])

    def _paint_picture(self, painter: QPainter, place: QRect, entry: Entry) -> None:
        image = self.parts.pictures.image(entry.key)
        if image is None or image.isNull():
            painter.setPen(theme.current().color("muted"))
            waits = image is None and entry.kept is not None
            text = "" if waits else self.tr("no picture kept") if entry.kept is None else self.tr("picture damaged")
            painter.drawText(place, Qt.AlignmentFlag.AlignCenter | Qt.TextFlag.TextWordWrap, text)
            return
        size = image.size().scaled(place.size(), Qt.AspectRatioMode.KeepAspectRatio)
        at = QRect(QPoint(0, 0), size)
        at.moveCenter(place.center())
        painter.drawImage(at, image)

    def _paint_words(self, painter: QPainter, place: QRect, entry: Entry) -> None:
        dress, row = theme.current(), entry.row
        badge = QRectF(place.left(), place.top() + 1, _SIDE, _SIDE)
        paint_badge(painter, Verdict(row["verdict"]), badge)
        left = place.left() + _SIDE + _PAD
        other = self.then.get(entry.key) or row["human_verdict"]
        right = place.right()
        if other:
            right -= _SIDE + _PAD
            paint_badge(painter, Verdict(other), QRectF(right + _PAD, place.top() + 1, _SIDE, _SIDE))
            painter.setPen(dress.color("text"))
            right -= _SIDE
            painter.drawText(QRect(right, place.top(), _SIDE, _LINE), Qt.AlignmentFlag.AlignCenter, "→")
        painter.setPen(dress.color("text"))
        painter.setFont(theme.font("small", bold=True))
        part = QFontMetrics(painter.font()).elidedText(row["part_id"], Qt.TextElideMode.ElideMiddle, right - left)
        painter.drawText(QRect(left, place.top(), right - left, _LINE), Qt.AlignmentFlag.AlignVCenter, part)
        painter.setFont(theme.font("small"))
        painter.setPen(dress.color("muted"))
        words = time_of(row)
        painter.drawText(QRect(place.left(), place.top() + _LINE, place.width(), _LINE), Qt.AlignmentFlag.AlignVCenter, words)

    def _paint_gap(self, painter: QPainter, cell: QRect, gaps: Sequence[Gap]) -> None:
        dress = theme.current()
        strip = QRectF(cell.left() + _PAD, cell.top() + 2 * _PAD, PICTURE.width() + 2 * _PAD, _LINE + _PAD)
        painter.setPen(QPen(dress.color("banner_border"), 1))
        painter.setBrush(dress.color("banner"))
        painter.drawRect(strip)
        painter.setPen(dress.color("on_banner"))
        painter.setFont(theme.font("small", bold=True))
        text = fill(self.tr("gap: {count} {count:|record|records}"), count=sum(gap.last - gap.first + 1 for gap in gaps))
        painter.drawText(strip, Qt.AlignmentFlag.AlignCenter, text)

    def retranslate(self) -> None:
        self.setAccessibleName(self.tr("Parts of the archive"))
        self.describe()

    def describe(self) -> None:
        """Say the current part to those who do not see it."""
        entry = self.current()
        if entry is not None:
            word = verdict_word(Verdict(entry.row["verdict"]))
            self.setAccessibleDescription(f"{entry.row['part_id']} {word} {entry.row['reason']}")

    def restyle(self) -> None:
        self.viewport().update()


def time_of(row: Mapping[str, object]) -> str:
    """Return when a part was inspected, in the station's time."""
    return shown_time(int(str(row["creation_time"])), int(str(row["utc_offset"])))[:19].replace("T", " ")
