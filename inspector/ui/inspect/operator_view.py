"""The operator's screen: made for five metres and for gloves.

The verdict is the border of the whole screen and a band along its top, in shape, colour and word. Everything else is measured
in heights of the screen, so that letters grow with it.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from PySide6.QtCore import QPoint, QRect, QRectF, QSize, Qt, QTimer, Signal
from PySide6.QtGui import QFont, QFontMetricsF, QHideEvent, QPainter, QPaintEvent, QResizeEvent, QShowEvent
from PySide6.QtWidgets import QGridLayout, QHBoxLayout, QPushButton, QSizePolicy, QVBoxLayout, QWidget

from inspector.core.types import Inspection, Verdict
from inspector.inspection.status import Mode, StationState
from inspector.station.tally import Tally
from inspector.ui.inspect.panels.filmstrip import Filmstrip, Ranges
from inspector.ui.inspect.panels.readouts import NONE, since_text
from inspector.ui.inspect.panels.verdict_tile import VerdictTile, paint_badge
from inspector.ui.inspect.situation import Shown
from inspector.ui.shell import theme
from inspector.ui.shell.strings import translate
from inspector.ui.widgets.boxes import plain
from inspector.ui.widgets.hold_button import HoldButton
from inspector.ui.widgets.themed import Themed
from inspector.ui.widgets.tips import plain_tip

NG_PARTS: Final = 6
# Shares of the height of the screen.
BORDER: Final = 0.022
BAND: Final = 0.2
REASON: Final = 0.052  # letters of the reason; readable from five metres where the screen is 40 cm high
REASON_LINES: Final = 2
FIGURE: Final = 0.062  # digits of the counts
CAPTION: Final = 0.026
INFO: Final = 0.03
BUTTON: Final = 0.085
STRIP: Final = 0.15
SIDE: Final = 0.34  # of the width, for counts and buttons
BUTTON_LETTERS: Final = 0.019  # of the width, at most
MOST_LETTERS: Final = 600  # of a reason
NUMERALS: Final = "0123456789.,"


def _font(pixels: float, *, bold: bool = False) -> QFont:
    font = theme.font("body", bold=bold)
    font.setPixelSize(max(round(pixels), 1))
    return font


class ReasonText(Themed, QWidget):
    """The reasons in letters of a fixed size; what does not fit is cut, never shrunk."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("operator_reasons")
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self._text = ""
        self._font = theme.font("title")
        self._cut: tuple[tuple[str, QFont, QSize], str] | None = None

    @property
    def text(self) -> str:
        return self._text

    @property
    def letters(self) -> int:
        """Pixels of the letters."""
        return self._font.pixelSize()

    def set_letters(self, pixels: float) -> None:
        """Set the size of the letters, and with it the height."""
        self._font = _font(pixels, bold=True)
        self.setFixedHeight(round(QFontMetricsF(self._font).lineSpacing() * REASON_LINES))
        self.update()

    def set_reasons(self, reasons: Sequence[str]) -> None:
        text = "  ·  ".join(reasons)[:MOST_LETTERS]
        if text != self._text:
            self._text = text
            self.setAccessibleName(text)
            self.update()

    def shown(self) -> str:
        """Return the text that fits, with an ellipsis if it was cut."""
        key = (self._text, self._font, self.size())
        if self._cut is None or self._cut[0] != key:
            self._cut = key, self._fitting()
        return self._cut[1]

    def _fitting(self) -> str:
        if self._fits(self._text):
            return self._text
        low, high = 0, len(self._text)
        while low < high:
            middle = (low + high + 1) // 2
            low, high = (middle, high) if self._fits(self._text[:middle].rstrip() + "…") else (low, middle - 1)
        whole = self._text[:low]
        if self._text[low] in NUMERALS:  # half a number would be another number
            whole = whole.rstrip(NUMERALS)
        return whole.rstrip() + "…"

    def _fits(self, text: str) -> bool:
        flags = int(Qt.TextFlag.TextWordWrap)
        used = QFontMetricsF(self._font).boundingRect(QRectF(0, 0, self.width(), 10**6), flags, text)
        return used.height() <= self.height() + 1 and used.width() <= self.width()

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setFont(self._font)
        painter.setPen(theme.current().color("text"))
        flags = Qt.TextFlag.TextWordWrap | Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignLeft
        painter.drawText(QRectF(self.rect()), flags, self.shown())


class Figures(Themed, QWidget):
    """The counts of the shift in large digits."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("operator_figures")
        self._tally = Tally()
        self._pixels, self._small = theme.PIXELS["title"], theme.PIXELS["small"]

    def set_letters(self, pixels: float, small: float) -> None:
        """Set the size of the digits and of the captions."""
        self._pixels, self._small = round(pixels), round(small)
        self.update()

    @property
    def digits(self) -> int:
        """Pixels of the digits."""
        return self._pixels

    def set_tally(self, tally: Tally) -> None:
        if tally != self._tally:
            self._tally = tally
            self.setAccessibleName("  ".join(f"{caption}: {value}" for caption, value, _ in self.rows()))
            self.update()

    def rows(self) -> list[tuple[str, str, Verdict | None]]:
        """Return caption, value and verdict of each figure."""
        tally, share = self._tally, self._tally.yield_share
        return [
            (self.tr("OK"), f"{tally.ok:,}", Verdict.OK),
            (self.tr("NG"), f"{tally.ng:,}", Verdict.NG),
            (self.tr("Yield"), NONE if share is None else f"{share * 100:.1f} %", None),
            (self.tr("Total"), f"{tally.parts:,}", None),
            (self.tr("Review"), f"{tally.review:,}", Verdict.REVIEW),
            (self.tr("Not inspected"), f"{tally.not_inspected:,}", Verdict.NOT_INSPECTED),
        ]

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        wide, high = self.width() / 2, self.height() / 3
        for index, (caption, value, verdict) in enumerate(self.rows()):
            box = QRectF(index % 2 * wide, index // 2 * high, wide - theme.SPACING, high)
            self._paint_figure(painter, box, caption, value, verdict)

    def _paint_figure(self, painter: QPainter, box: QRectF, caption: str, value: str, verdict: Verdict | None) -> None:
        dress = theme.current()
        small = QFontMetricsF(_font(self._small))
        digits = _font(self._pixels, bold=True)
        while digits.pixelSize() > self._small and QFontMetricsF(digits).horizontalAdvance(value) > box.width():
            digits.setPixelSize(digits.pixelSize() - 1)
        height = small.height() + QFontMetricsF(digits).capHeight() * 1.3
        top = box.top() + max((box.height() - height) / 2, 0.0)
        left = box.left()
        if verdict is not None:
            paint_badge(painter, verdict, QRectF(left, top + small.height() * 0.1, self._small, self._small))
            left += self._small * 1.4
        painter.setFont(_font(self._small))
        painter.setPen(dress.color("muted"))
        words = painter.fontMetrics().elidedText(caption, Qt.TextElideMode.ElideRight, int(box.right() - left))
        painter.drawText(QRectF(left, top, box.right() - left, small.height()), Qt.AlignmentFlag.AlignVCenter, words)
        painter.setFont(digits)
        painter.setPen(dress.color("text"))
        painter.drawText(QPoint(round(box.left()), round(top + height)), value)


class Info(Themed, QWidget):
    """Recipe, shift and clock, in the band's colour."""

    def __init__(self, tile: VerdictTile, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("operator_info")
        self._tile = tile
        self._recipe, self._since = "", ""
        self._pixels = theme.PIXELS["title"]

    @property
    def lines(self) -> tuple[str, str, str]:
        """Recipe, shift and time of day."""
        return self._recipe, self._since, f"{datetime.now().astimezone():%H:%M:%S}"

    def set_letters(self, pixels: float) -> None:
        self._pixels = round(pixels)
        self.update()

    def set_lines(self, recipe: str, since: str) -> None:
        self._recipe, self._since = recipe, since
        self.setAccessibleName(f"{recipe}, {since}")
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setPen(self._tile.ink)
        font = _font(self._pixels, bold=True)
        painter.setFont(font)
        height = self.height() / 3
        for number, text in enumerate(self.lines):
            words = painter.fontMetrics().elidedText(text, Qt.TextElideMode.ElideMiddle, self.width())
            room = QRectF(0, number * height, self.width(), height)
            painter.drawText(room, Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignRight, words)


class OperatorView(Themed, QWidget):
    """Verdict, reason, picture, counts and the last NG parts, as large as the screen allows.

    While a part is held, the band and the border say so in a colour of their own, and the verdict of the line stays beside it.
    """

    left = Signal()
    start_wanted = Signal()
    stop_wanted = Signal()
    trigger_wanted = Signal()
    chosen = Signal(object)  # the part to hold; None: back to live

    def __init__(self, ranges: Ranges, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("operator_view")
        self._tell = Shown(None)
        self._held: Inspection | None = None
        self.band, self.live = VerdictTile(largest=400), VerdictTile(largest=120)
        self.band.setObjectName("operator_band")
        self.live.setObjectName("operator_live")
        self.info = Info(self.band)
        self.reasons, self.figures = ReasonText(), Figures()
        self.strip = Filmstrip(places=NG_PARTS, ranges=ranges)
        self.strip.setObjectName("operator_strip")
        self.back_button, self.start_button, self.trigger_button = QPushButton(), QPushButton(), QPushButton()
        self.stop_button, self.leave_button = HoldButton(), HoldButton()
        for button, name in (
            (self.back_button, "operator_back"),
            (self.start_button, "operator_start"),
            (self.stop_button, "operator_stop"),
            (self.trigger_button, "operator_trigger"),
            (self.leave_button, "operator_leave"),
        ):
            button.setObjectName(name)
        for button in (self.back_button, self.start_button):
            button.setProperty("role", "primary")
        self._clock = QTimer(self)
        self._clock.setInterval(1000)
        self._clock.timeout.connect(self.info.update)
        self._lay_out()
        self._connect()
        self.retranslate()
        self.hide()

    def _lay_out(self) -> None:
        self._head = QWidget()
        head = plain(QHBoxLayout(self._head), theme.SPACING * 2)
        head.addWidget(self.band, 5)
        head.addWidget(self.live, 2)
        head.addWidget(self.info, 2)
        self.picture = QWidget()
        plain(QVBoxLayout(self.picture), 0)
        seen = plain(QVBoxLayout(), theme.SPACING)
        seen.addWidget(self.reasons)
        seen.addWidget(self.picture, 1)
        self._side = QWidget()
        side = plain(QVBoxLayout(self._side), theme.SPACING)
        side.addWidget(self.figures, 1)
        buttons = plain(QGridLayout(), theme.SPACING)
        buttons.addWidget(self.back_button, 0, 0, 1, 2)
        buttons.addWidget(self.trigger_button, 1, 0, 1, 2)
        buttons.addWidget(self.start_button, 2, 0)
        buttons.addWidget(self.stop_button, 2, 0)
        buttons.addWidget(self.leave_button, 2, 1)
        buttons.setColumnStretch(0, 1)
        buttons.setColumnStretch(1, 1)
        side.addLayout(buttons)
        middle = plain(QHBoxLayout(), theme.SPACING * 2)
        middle.addLayout(seen, 1)
        middle.addWidget(self._side)
        self._whole = QVBoxLayout(self)
        self._whole.setSpacing(theme.SPACING)
        self._whole.addWidget(self._head)
        self._whole.addLayout(middle, 1)
        self._whole.addWidget(self.strip)

    def _connect(self) -> None:
        self.strip.chosen.connect(self.chosen)
        self.back_button.clicked.connect(lambda: self.chosen.emit(None))
        self.start_button.clicked.connect(self.start_wanted)
        self.trigger_button.clicked.connect(self.trigger_wanted)
        self.stop_button.held.connect(self.stop_wanted)
        self.leave_button.held.connect(self.left)

    @property
    def held_by_keys(self) -> dict[str, HoldButton]:
        """The buttons that a key holds down, by the name of its action."""
        return {"fullscreen": self.leave_button, "leave": self.leave_button, "stop": self.stop_button}

    # ---- what is shown --------------------

    def take_picture(self, views: QWidget) -> None:
        """Show this widget as the picture; it goes back to where it came from when it is put into another layout."""
        layout = self.picture.layout()
        assert layout is not None
        layout.addWidget(views)
        views.show()

    def show_situation(self, tell: Shown, held: Inspection | None) -> None:
        """Show the line's verdict; or, large, that a part is held, and the line's verdict small beside it."""
        self._tell, self._held = tell, held
        shown = self.live if held is not None else self.band
        if tell.verdict is None:
            shown.set_idle(tell.words)
        else:
            shown.set_verdict(tell.verdict, tell.part)
        if held is not None:
            self.band.set_held(held.verdict, self.tr("HELD"), held.part)
            self.reasons.set_reasons([translate(told) for told in (*held.reasons, *held.notes)])
        else:
            self.reasons.set_reasons(tell.reasons)
        self.live.setVisible(held is not None)
        self.back_button.setVisible(held is not None)
        self.strip.press(held)
        self.info.update()
        self.update()

    def show_line(self, state: StationState, mode: Mode, *, ready: bool) -> None:
        """Offer what can be done in this state of the station. `ready`: there is a recipe."""
        stopped = state is StationState.STOPPED
        self.start_button.setVisible(stopped)
        self.start_button.setEnabled(ready)
        self.stop_button.setVisible(not stopped)
        self.stop_button.setEnabled(state in (StationState.STARTING, StationState.RUNNING))
        self.trigger_button.setVisible(mode == "triggered")
        self.trigger_button.setEnabled(ready and state in (StationState.STOPPED, StationState.RUNNING))

    def show_shift(self, recipe: str, tally: Tally, *, simulated: bool) -> None:
        """Show the recipe and the counts. `simulated`: the parts are rendered."""
        self.info.set_lines(recipe, since_text(tally))
        self.figures.set_tally(tally)
        for tile in (self.band, self.live):
            tile.set_simulated(simulated)

    def set_flashed(self, flashed: bool) -> None:
        """Exchange the colours of the verdict, for an alarm."""
        (self.live if self._held is not None else self.band).set_flashed(flashed)
        self.update()

    # ---- size and colours --------------------

    def _measure(self) -> None:
        height, width = self.height(), self.width()
        margin = round(height * BORDER)
        self._whole.setContentsMargins(margin * 2, margin // 2, margin * 2, margin + theme.SPACING)
        self._head.setFixedHeight(round(height * BAND))
        for tile in (self.band, self.live):
            tile.setFixedHeight(round(height * BAND))
        self.info.set_letters(height * INFO)
        self.reasons.set_letters(height * REASON)
        self.figures.set_letters(height * FIGURE, height * CAPTION)
        self._side.setFixedWidth(round(width * SIDE))
        letters = max(round(min(height * INFO, width * BUTTON_LETTERS)), theme.PIXELS["body"])
        for button in (self.start_button, self.stop_button, self.trigger_button, self.leave_button, self.back_button):
            button.setStyleSheet(f"font-size: {letters}px; font-weight: bold;")
            button.setFixedHeight(max(round(height * BUTTON), theme.TOUCH))
            button.setIconSize(QSize(letters, letters))
        room = (width - 4 * margin - (NG_PARTS - 1) * theme.SPACING) // NG_PARTS
        high = round(height * STRIP)
        self.strip.set_place(QSize(min(room, high * 2), high), titled=False)

    def inside(self) -> QRect:
        """Return the area inside the border, below the band."""
        margin = round(self.height() * BORDER)
        top = self._head.geometry().bottom() + margin // 2
        return QRect(margin, top, self.width() - 2 * margin, self.height() - top - margin)

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.fillRect(self.rect(), self.band.ground)
        painter.fillRect(self.inside(), theme.current().color("window"))

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._measure()

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        self._clock.start()

    def hideEvent(self, event: QHideEvent) -> None:
        super().hideEvent(event)
        self._clock.stop()

    def retranslate(self) -> None:
        self.setAccessibleName(self.tr("Operator view"))
        texts = (
            (self.back_button, self.tr("Back to live"), self.tr("Back to live")),
            (self.start_button, self.tr("Start"), self.tr("Start inspecting")),
            (self.stop_button, self.tr("Stop (hold)"), self.tr("Hold it, or Shift+F5, to stop inspecting")),
            (self.trigger_button, self.tr("Trigger"), self.tr("Inspect one part now")),
            (
                self.leave_button,
                self.tr("Leave (hold)"),
                self.tr("Hold it, or Esc, to leave the operator view; the line goes on"),
            ),
        )
        for button, text, tip in texts:
            button.setText(text)
            button.setAccessibleName(text)
            button.setToolTip(plain_tip(tip))
        self.show_situation(self._tell, self._held)
        self.restyle()

    def restyle(self) -> None:
        self.start_button.setIcon(theme.icon("start", "on_accent"))
        self.back_button.setIcon(theme.icon("live", "on_accent"))
        self.stop_button.setIcon(theme.icon("stop"))
        self.trigger_button.setIcon(theme.icon("trigger"))
        self.leave_button.setIcon(theme.icon("close"))
        self.update()
