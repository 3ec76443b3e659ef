"""The verdict as word, symbol and colour, readable from five metres; and the reasons in words."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Final

from PySide6.QtCore import QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QFont, QFontMetricsF, QPainter, QPaintEvent, QPen, QPolygonF
from PySide6.QtWidgets import QSizePolicy, QWidget

from inspector.core.types import Verdict
from inspector.ui.canvas.painting import draw_simulation
from inspector.ui.shell import theme
from inspector.ui.shell.strings import verdict_word
from inspector.ui.widgets.themed import Themed
from inspector.ui.widgets.tips import plain_tip

LARGEST_WORD: Final = 160  # pixels; enough for a wall screen in full-screen view
IDLE: Final = 0.35  # smaller, because the absence of a verdict is no news
SIMULATION_SHARE: Final = 0.15  # of the height, for the mark of a simulation
SMALLEST_WORD: Final = 24
SYMBOL: Final = 1.15  # side of the symbol, in heights of a capital letter
GAP: Final = 0.4  # between symbol and word, in sides of the symbol
LEADING: Final = 0.45  # between two lines of a word, in heights of a capital letter


class VerdictTile(Themed, QWidget):
    """Shows a verdict, or a text that explains its absence."""

    def __init__(self, parent: QWidget | None = None, *, largest: int = LARGEST_WORD) -> None:
        """Create the tile. `largest`: most pixels of the word."""
        super().__init__(parent)
        self.setObjectName("verdict")
        self._largest = largest
        self._flashed = False
        self._simulated = False
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self._verdict: Verdict | None = None
        self._idle = self._part = self._held = ""

    @property
    def verdict(self) -> Verdict | None:
        """The verdict on display; None: no verdict."""
        return self._verdict

    @property
    def text(self) -> str:
        """The text on display."""
        if self._verdict is None:
            return self._idle
        word = verdict_word(self._verdict)
        return f"{self._held} {word}" if self._held else word

    def set_verdict(self, verdict: Verdict, part: str) -> None:
        """Show a part's verdict."""
        self._set(verdict, "", part)

    def set_idle(self, words: str) -> None:
        """Show a word or two in place of a verdict."""
        self._set(None, words, "")

    def set_held(self, verdict: Verdict, words: str, part: str) -> None:
        """Show the verdict of a part that is kept on screen, with `words` that say so, in a colour of its own."""
        self._set(verdict, "", part, held=words)

    @property
    def simulated(self) -> bool:
        """Whether the tile says that the parts are rendered."""
        return self._simulated

    def set_simulated(self, simulated: bool) -> None:
        """Mark everything that is shown as a simulation."""
        if simulated != self._simulated:
            self._simulated = simulated
            self.update()

    def set_flashed(self, flashed: bool) -> None:
        """Exchange the colours of ground and word."""
        if flashed != self._flashed:
            self._flashed = flashed
            self.update()

    @property
    def ground(self) -> QColor:
        """The colour of the tile."""
        dress = theme.current()
        if self._held:
            return dress.color("held")
        return dress.color("idle") if self._verdict is None else dress.verdict(self._verdict)

    @property
    def ink(self) -> QColor:
        """The colour of the word."""
        dress = theme.current()
        if self._held:
            return dress.color("on_held")
        return dress.color("on_idle") if self._verdict is None else dress.on_verdict(self._verdict)

    def _set(self, verdict: Verdict | None, idle: str, part: str, *, held: str = "") -> None:
        if (verdict, idle, part, held) != (self._verdict, self._idle, self._part, self._held):
            self._verdict, self._idle, self._part, self._held = verdict, idle, part, held
            self.setAccessibleName(self.text)
            self.setAccessibleDescription(part)
            self.update()

    def sizeHint(self) -> QSize:
        return QSize(theme.SPACING * 40, theme.SPACING * 22)

    def retranslate(self) -> None:
        self.setAccessibleName(self.text)
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        back, ink = (self.ink, self.ground) if self._flashed else (self.ground, self.ink)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(back)
        painter.drawRoundedRect(QRectF(self.rect()), theme.RADIUS, theme.RADIUS)
        inner = QRectF(self.rect()).adjusted(theme.SPACING * 3, theme.SPACING * 2, -theme.SPACING * 3, -theme.SPACING * 2)
        if self._simulated:
            height = max(self.height() * SIMULATION_SHARE, theme.SPACING * 2.5)
            draw_simulation(painter, QRectF(0, 0, self.width(), height), self.tr("SIMULATION"))
            inner.setTop(height + theme.SPACING)
        if self._part:
            caption = QRectF(inner.left(), inner.bottom() - theme.SPACING * 3, inner.width(), theme.SPACING * 3)
            painter.setPen(ink)
            painter.setFont(theme.font("body", bold=True))
            painter.drawText(caption, Qt.AlignmentFlag.AlignCenter, self._part)
            inner.setBottom(caption.top())
        self._paint_word(painter, inner, ink)

    def _paint_word(self, painter: QPainter, room: QRectF, ink: QColor) -> None:
        symbol = self._verdict is not None
        limit = self._largest if symbol else round(self._largest * IDLE)
        lines, font = _fitted(self.text, room.width(), room.height(), limit, symbol)
        metrics = QFontMetricsF(font)
        cap = metrics.capHeight()
        side = cap * SYMBOL if symbol else 0.0
        gap = side * GAP
        width = max(metrics.horizontalAdvance(line) for line in lines)
        left = room.center().x() - (side + gap + width) / 2
        top = room.center().y() - (cap * len(lines) + cap * LEADING * (len(lines) - 1)) / 2
        if self._verdict is not None:
            _paint_symbol(painter, self._verdict, QRectF(left, room.center().y() - side / 2, side, side), ink)
        painter.setPen(ink)
        painter.setFont(font)
        for index, line in enumerate(lines):
            painter.drawText(QPointF(left + side + gap, top + cap + index * cap * (1 + LEADING)), line)


@lru_cache(maxsize=64)
def _fitted(word: str, width: float, height: float, limit: int, symbol: bool) -> tuple[list[str], QFont]:
    """Return the lines and font that make a word as large as fits this size.

    Results are cached, because there are few words and sizes and the tile is painted for every part.
    """
    font = theme.font("title", bold=True)
    splits = [[word], word.split(" ")] if " " in word else [[word]]
    for pixels in range(limit, SMALLEST_WORD, -2):
        font.setPixelSize(pixels)
        metrics = QFontMetricsF(font)
        cap = metrics.capHeight()
        for lines in splits:
            wide = max(metrics.horizontalAdvance(line) for line in lines) + (cap * SYMBOL * (1 + GAP) if symbol else 0.0)
            high = cap * len(lines) + cap * LEADING * (len(lines) - 1)
            if wide <= width and high <= height * 0.8:
                return lines, font
    return [word], font


def _paint_symbol(painter: QPainter, verdict: Verdict, box: QRectF, ink: QColor) -> None:
    """Paint the symbol: a filled circle for OK, a cross for NG, a triangle for REVIEW, a bar for NOT_INSPECTED."""
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(ink)
    if verdict is Verdict.OK:
        painter.drawEllipse(box)
    elif verdict is Verdict.NG:
        stroke = box.width() * 0.24
        painter.setPen(QPen(ink, stroke, Qt.PenStyle.SolidLine, Qt.PenCapStyle.FlatCap))
        inset = box.adjusted(stroke / 2, stroke / 2, -stroke / 2, -stroke / 2)
        painter.drawLine(inset.topLeft(), inset.bottomRight())
        painter.drawLine(inset.topRight(), inset.bottomLeft())
    elif verdict is Verdict.REVIEW:
        painter.drawPolygon(QPolygonF([QPointF(box.center().x(), box.top()), box.bottomRight(), box.bottomLeft()]))
    else:
        painter.drawRect(QRectF(box.left(), box.center().y() - box.height() * 0.15, box.width(), box.height() * 0.3))


def paint_badge(painter: QPainter, verdict: Verdict, box: QRectF) -> None:
    """Paint a small disc in the verdict's colour with its symbol, for thumbnails and lists."""
    dress = theme.current()
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(dress.verdict(verdict))
    painter.drawRoundedRect(box, theme.RADIUS / 2, theme.RADIUS / 2)
    inset = box.width() * 0.25
    _paint_symbol(painter, verdict, box.adjusted(inset, inset, -inset, -inset), dress.on_verdict(verdict))


class Reasons(Themed, QWidget):
    """The reasons in an area of fixed size, so that nothing jumps: large if they fit, else smaller and cut."""

    def __init__(self, lines: int = 3, parent: QWidget | None = None) -> None:
        """Create the area. `lines`: number of title-size lines that fit."""
        super().__init__(parent)
        self.setObjectName("reasons")
        self._reasons: tuple[str, ...] = ()
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.set_lines(lines)

    def set_lines(self, lines: int) -> None:
        """Set the number of title-size lines that fit."""
        self.setFixedHeight(round(QFontMetricsF(theme.font("title")).lineSpacing() * lines))

    @property
    def text(self) -> str:
        return "\n".join(self._reasons)

    def set_reasons(self, reasons: Sequence[str]) -> None:
        """Show these sentences in order."""
        if tuple(reasons) == self._reasons:
            return
        self._reasons = tuple(reasons)
        self.setAccessibleName(self.text)
        self.setToolTip(plain_tip(self.text))
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setPen(theme.current().color("text"))
        flags = Qt.AlignmentFlag.AlignTop | Qt.AlignmentFlag.AlignLeft | Qt.TextFlag.TextWordWrap
        room = QRectF(self.rect())
        for size in ("title", "body", "small"):
            painter.setFont(theme.font(size))
            if painter.boundingRect(room, int(flags), self.text).height() <= room.height() or size == "small":
                break
        painter.drawText(room, int(flags), self.text)

    def restyle(self) -> None:
        self.update()
