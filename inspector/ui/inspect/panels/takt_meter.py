"""The takt meter: how much of the takt each part needs, and in which stage."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from PySide6.QtCore import QCoreApplication, QEvent, QObject, QRectF, QSize, Qt
from PySide6.QtGui import QGuiApplication, QPainter, QPaintEvent, QResizeEvent
from PySide6.QtWidgets import QHBoxLayout, QLabel, QPushButton, QSizePolicy, QToolButton, QVBoxLayout, QWidget

from inspector.core.message import Message
from inspector.inspection.status import StageStats, Stats
from inspector.inspection.takt import headroom_ms, needed_ms
from inspector.station.counters import Spread
from inspector.station.load_shedding import Shed
from inspector.ui.inspect.panels.takt_waterfall import Waterfall, milliseconds, rows_of, sheet
from inspector.ui.shell import theme
from inspector.ui.shell.strings import translate
from inspector.ui.widgets.boxes import plain
from inspector.ui.widgets.cover import Cover
from inspector.ui.widgets.themed import Themed

_PAINTED: Final = QEvent.Type(QEvent.registerEventType())
GAUGE: Final = theme.SPACING * 8  # width of the whole takt in the folded meter


class DisplayClock(QObject):
    """Times each picture from its notification to the end of its painting, on the window's thread."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._began: float | None = None
        self._spent = Spread()

    def begin(self) -> None:
        """Start timing the next picture."""
        if self._began is None:
            self._began = time.monotonic()
            # Qt delivers repaints with low priority, after the events that request them; this event comes after the repaints.
            QCoreApplication.postEvent(self, QEvent(_PAINTED), Qt.EventPriority.LowEventPriority.value - 1)

    def event(self, event: QEvent) -> bool:
        if event.type() == _PAINTED and self._began is not None:
            self._spent.add((time.monotonic() - self._began) * 1000)
            self._began = None
            return True
        return super().event(event)

    def stage(self) -> StageStats | None:
        """Return the times of the last pictures; None before the first."""
        return self._spent.stage() if len(self._spent) else None

    def forget(self) -> None:
        """Discard the times and start with the next picture."""
        self._spent, self._began = Spread(), None


class Gauge(QWidget):
    """The takt as a bar: filled to p50 in full colour, to p99 in a paler one."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setFixedSize(QSize(GAUGE, theme.SPACING * 2))
        self._half = self._most = 0.0

    def show_shares(self, half: float, most: float) -> None:
        """Show the shares of the takt at p50 and p99; above 1 if the takt is not kept."""
        if (half, most) != (self._half, self._most):
            self._half, self._most = half, most
            self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        dress = theme.current()
        painter.fillRect(self.rect(), dress.color("pressed"))
        color = dress.color("ng" if self._most > 1 else "accent")
        pale = dress.color("ng" if self._most > 1 else "accent")
        pale.setAlphaF(0.45)
        painter.fillRect(QRectF(0, 0, self.width() * min(self._most, 1.0), self.height()), pale)
        painter.fillRect(QRectF(0, 0, self.width() * min(self._half, 1.0), self.height()), color)


@dataclass(frozen=True, slots=True)
class _Words:
    """The takt, the time left in it and the number of late parts, in words; empty if unknown."""

    takt: str
    room: str = ""
    late: str = ""


class TaktPanel(Themed, Cover):
    """The numbers and the waterfall at the foot of the picture.

    The panel is an overlay, so nothing moves when it is unfolded.
    """

    def __init__(self, over: QWidget) -> None:
        super().__init__(over)
        self.setObjectName("takt_panel")
        self.setProperty("role", "card")
        self.setAutoFillBackground(True)
        self.takt_label, self.room_label, self.late_label = QLabel(), QLabel(), QLabel()
        self.takt_label.setProperty("role", "strong")
        self.copy_button = QToolButton()
        self.copy_button.setObjectName("takt_copy")
        self.copy_button.setFixedSize(theme.TOUCH, theme.TOUCH)
        self.copy_button.setIconSize(QSize(theme.ICON, theme.ICON))
        self.waterfall = Waterfall()
        self.tune_button, self.variants_button, self.why_label = QPushButton(), QPushButton(), QLabel()
        self.tune_button.setObjectName("takt_tune")
        self.variants_button.setObjectName("takt_variants")
        self.why_label.setWordWrap(True)
        self.why_label.setTextFormat(Qt.TextFormat.PlainText)
        self.why_label.setProperty("role", "small")
        self.why_label.setContentsMargins(theme.SPACING, 0, 0, 0)
        self._why: Message | None = None
        head = plain(QHBoxLayout(), theme.SPACING * 3)
        for label in (self.takt_label, self.room_label, self.late_label):
            label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
            head.addWidget(label)
        head.addStretch(1)
        foot = plain(QHBoxLayout(), theme.SPACING)
        foot.addWidget(self.why_label, 1)
        for button in (self.variants_button, self.tune_button, self.copy_button):
            foot.addWidget(button, 0, Qt.AlignmentFlag.AlignRight)
        self._box = box = QVBoxLayout(self)
        box.setContentsMargins(theme.SPACING, theme.SPACING // 2, theme.SPACING // 2, theme.SPACING // 2)
        box.setSpacing(0)
        box.addLayout(head)
        box.addWidget(self.waterfall)
        box.addLayout(foot)
        self.retranslate()

    def show_rows(self, rows: Mapping[str, StageStats], takt_ms: float | None) -> None:
        """Show these stages, and set the height they need."""
        before = len(self.waterfall.rows)
        self.waterfall.show_rows(rows, takt_ms)
        if len(rows) != before:
            self._box.activate()
            self.place()

    def show_why(self, why: Message | None) -> None:
        """Show which variants judge and why; None: no variant does."""
        self._why = why
        self.why_label.setText("" if why is None else translate(why))
        self.why_label.setVisible(why is not None)
        self._box.activate()
        self.place()

    def show_words(self, words: _Words) -> None:
        """Show the takt and the time left in it."""
        for label, text in ((self.takt_label, words.takt), (self.room_label, words.room), (self.late_label, words.late)):
            label.setText(text)

    def place(self) -> None:
        height = min(max(self.sizeHint().height(), self.heightForWidth(self.over.width())), self.over.height())
        self.setGeometry(0, self.over.height() - height, self.over.width(), height)

    def retranslate(self) -> None:
        self.setAccessibleName(self.tr("Stages"))
        self.tune_button.setText(self.tr("Auto-tune"))
        self.tune_button.setAccessibleName(self.tr("Auto-tune"))
        self.tune_button.setToolTip(self.tr("Measure which engine and precision keep the takt on this computer"))
        self.variants_button.setText(self.tr("Variants"))
        self.variants_button.setAccessibleName(self.tr("Variants"))
        self.variants_button.setToolTip(self.tr("What a bundle can be run with: export, check and remove"))
        self.show_why(self._why)
        self.copy_button.setAccessibleName(self.tr("Copy the numbers"))
        self.copy_button.setToolTip(self.tr("Copy the numbers as a table"))
        self.room_label.setToolTip(self.tr("What 99 of 100 parts leave of the takt, by the slowest of what works side by side"))
        self.late_label.setToolTip(self.tr("Parts that took longer than the takt, or had their verdict later than that"))
        self.copy_button.setIcon(theme.icon("copy"))

    def restyle(self) -> None:
        self.copy_button.setIcon(theme.icon("copy"))


class TaktMeter(Themed, QWidget):
    """The bar and text next to the tabs: how much of the takt is left. Its button unfolds the panel over `over`."""

    def __init__(self, over: QWidget, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("takt")
        self.clock = DisplayClock(self)
        self._stats = Stats()
        self._short: tuple[str, ...] = ()
        self.panel = TaktPanel(over)
        self.panel.copy_button.clicked.connect(self.copy)
        self.gauge, self.label, self.button = Gauge(), QLabel(), QToolButton()
        self.label.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self.label.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        self.button.setObjectName("takt_fold")
        self.button.setCheckable(True)
        self.button.setFixedSize(theme.TOUCH, theme.TOUCH)
        self.button.setIconSize(QSize(theme.ICON, theme.ICON))
        self.button.toggled.connect(self._on_fold)
        row = plain(QHBoxLayout(self), theme.SPACING // 2)
        row.addWidget(self.label, 1)
        row.addWidget(self.gauge)
        row.addWidget(self.button)
        self.retranslate()

    @property
    def open(self) -> bool:
        """Whether the panel is unfolded."""
        return self.button.isChecked()

    def set_open(self, open_: bool) -> None:
        """Unfold or fold the panel."""
        self.button.setChecked(open_)

    def _on_fold(self, open_: bool) -> None:
        self.restyle()
        self._show()
        self.panel.uncover(open_)

    def set_stats(self, stats: Stats) -> None:
        """Show these statistics, together with the display times."""
        if stats.parts < self._stats.parts:
            self.clock.forget()  # another run
        self._stats = stats
        self._show()

    @property
    def takt_ms(self) -> float | None:
        """The takt on display; None if unknown."""
        return self._stats.takt.takt_ms

    def copy(self) -> None:
        """Copy the numbers to the clipboard as a tab-separated table."""
        QGuiApplication.clipboard().setText(self.table())

    def table(self) -> str:
        """Return the numbers: a line a stage with p50 and p99 in ms, then the takt."""
        return sheet(self.rows(), self._stats)

    def rows(self) -> dict[str, StageStats]:
        """Return the measured stages, including the display."""
        return rows_of(self._stats, self.clock.stage())

    def _show(self) -> None:
        stats, words = self._stats, self._words()
        takt, needed, half = stats.takt.takt_ms, needed_ms(stats), stats.takt.busy_p50_ms
        self.gauge.show_shares((half or 0.0) / takt if takt else 0.0, (needed or 0.0) / takt if takt else 0.0)
        self.setAccessibleDescription(". ".join(text for text in (words.takt, words.room, words.late) if text))
        self.setToolTip(self.accessibleDescription())
        self._short = self._in_short()
        self._fit()
        if self.open:
            self.panel.show_words(words)
            self.panel.show_rows(self.rows(), takt)

    def _in_short(self) -> tuple[str, ...]:
        """Return a short text for the bar, shorter where there is less room."""
        takt, room = self._stats.takt, headroom_ms(self._stats)
        if takt.takt_ms is None:
            return (self.tr("No takt") if takt.waits else self.tr("Takt not known"),)
        late = self.tr("Late {count}").format(count=f"{takt.late:,}") if takt.late else ""
        if room is None:
            said = self.tr("Takt {takt} ms").format(takt=milliseconds(takt.takt_ms))
        else:
            said = self.tr("Takt {share} % free") if room >= 0 else self.tr("Takt {share} % over")
            said = said.format(share=f"{abs(room) / takt.takt_ms * 100:.0f}")
        return (f"{late}  {said}", late, said) if late else (said,)

    def _words(self) -> _Words:
        takt, room = self._stats.takt, headroom_ms(self._stats)
        if takt.takt_ms is None:
            waits = takt.waits and self._stats.parts > 0
            return _Words(
                self.tr("No takt: the source waits for the inspection") if waits else self.tr("The takt is not known yet")
            )
        template = {
            "recipe": self.tr("Takt {takt} ms, from the recipe"),
            "triggers": self.tr("Takt {takt} ms, measured from triggers"),
        }.get(takt.source, self.tr("Takt {takt} ms, measured from arrivals"))
        said = ""
        if room is not None:
            said = self.tr("Head-room {room} ms ({share} %)") if room >= 0 else self.tr("{room} ms too slow ({share} %)")
            said = said.format(room=milliseconds(abs(room)), share=f"{abs(room) / takt.takt_ms * 100:.0f}")
        late = self.tr("Late parts: {count}").format(count=f"{takt.late:,}")
        return _Words(template.format(takt=milliseconds(takt.takt_ms)), said, late)

    def _fit(self) -> None:
        room, metrics = self.label.contentsRect().width(), self.label.fontMetrics()
        self.label.setText(next((text for text in self._short if metrics.horizontalAdvance(text) <= room), ""))

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self.gauge.setVisible(self.width() >= 2 * GAUGE)  # on a small screen the tabs need the room
        self._fit()

    def retranslate(self) -> None:
        self.setAccessibleName(self.tr("Takt"))
        self.button.setAccessibleName(self.tr("Stages"))
        self.button.setToolTip(self.tr("What each stage takes of the takt"))
        self.restyle()
        self._show()

    def restyle(self) -> None:
        self.button.setIcon(theme.icon("fold" if self.open else "unfold", "on_accent" if self.open else "text"))


class ShedNotice(Themed, Cover):
    """A notice at the foot of the picture that says what is left out and why. The notice is an overlay, so nothing moves."""

    def __init__(self, over: QWidget, *, above: QWidget) -> None:
        super().__init__(over)
        self._above = above
        above.installEventFilter(self)
        self.setObjectName("shed_notice")
        self.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self.setProperty("role", "card")
        self._level = Shed.NOTHING
        self._text = QLabel()
        self._text.setWordWrap(True)
        row = QHBoxLayout(self)
        row.setContentsMargins(theme.SPACING * 2, theme.SPACING // 2, theme.SPACING * 2, theme.SPACING // 2)
        row.addWidget(self._text)
        self.retranslate()

    @property
    def text(self) -> str:
        """The notice's text; empty while nothing is left out."""
        return "" if self._level is Shed.NOTHING else self._text.text()

    def show_level(self, level: Shed) -> None:
        """Show what this level leaves out; hide the notice if that is nothing."""
        if level is not self._level:
            self._level = level
            self.retranslate()
            self.uncover(level is not Shed.NOTHING)

    def place(self) -> None:
        beside = self.contentsMargins().left() + self.contentsMargins().right() + theme.SPACING * 4
        width = min(self._text.fontMetrics().horizontalAdvance(self._text.text()) + beside + 2, self.over.width())
        height = self.heightForWidth(width)
        foot = self._above.geometry().top() if self._above.isVisibleTo(self.over) else self.over.height()
        self.setGeometry((self.over.width() - width) // 2, max(foot - height, 0), width, height)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        moves = (QEvent.Type.Show, QEvent.Type.Hide, QEvent.Type.Move, QEvent.Type.Resize)
        if watched is self._above and event.type() in moves:
            self.place()
        return super().eventFilter(watched, event)

    def retranslate(self) -> None:
        left_out = {
            Shed.NOTHING: "",
            Shed.GRADCAM: self.tr("no heat maps"),
            Shed.OVERLAYS: self.tr("no heat maps, no marks"),
            Shed.RATE: self.tr("no heat maps, no marks, fewer pictures"),
        }[self._level]
        whole = self.tr("Display reduced: the line needs the processor ({left_out})").format(left_out=left_out)
        self._text.setText(whole)
        self.setAccessibleName(whole)
        if self.isVisible():
            self.place()
