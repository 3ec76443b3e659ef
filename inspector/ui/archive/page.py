"""The archive page: filters, the gallery of all inspected parts, an opened part, corrections, and what is made of them."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from PySide6.QtCore import QSize, Qt, QTimer, Signal
from PySide6.QtGui import QHideEvent, QKeyEvent, QShowEvent
from PySide6.QtWidgets import QHBoxLayout, QLabel, QPushButton, QStackedWidget, QVBoxLayout, QWidget

from inspector.archive.archive import Archive
from inspector.archive.filters import Filters
from inspector.archive.reading import ReadPart, read_part
from inspector.archive.store.blocks import keys_between, neighbour, newest_of
from inspector.archive.store.query import Order, name_of
from inspector.core.errors import InspectorError
from inspector.core.message import fill, message
from inspector.ui.archive.approving import Approving
from inspector.ui.archive.asking import ArchiveSource, ArchiveThread
from inspector.ui.archive.correcting import CorrectionBar
from inspector.ui.archive.corrector import Corrector
from inspector.ui.archive.empty import EmptyArchive
from inspector.ui.archive.filtering.choice import Choice
from inspector.ui.archive.filtering.counting import Counts, counts_of
from inspector.ui.archive.filtering.filter_panel import COUNTED, FilterPanel
from inspector.ui.archive.filtering.listing import Listed, list_parts
from inspector.ui.archive.filtering.saved_filters import SavedFilters
from inspector.ui.archive.gallery import Gallery
from inspector.ui.archive.handing_on import HandingOn
from inspector.ui.archive.pair_view import PairView
from inspector.ui.archive.parts import ListedParts
from inspector.ui.archive.record_view import RecordView
from inspector.ui.archive.what_if import WhatIfs
from inspector.ui.shell import theme
from inspector.ui.shell.settings import Settings
from inspector.ui.widgets.banner import Banners
from inspector.ui.widgets.boxes import plain
from inspector.ui.widgets.inputs import ComboBox
from inspector.ui.widgets.themed import Themed

ORDERS: Final[tuple[Order, ...]] = ("newest", "oldest", "margin")
_LOOK_MS: Final = 5000  # between two looks for new parts
_MOST_PICKED: Final = 10_000


@dataclass(frozen=True, slots=True, eq=False)
class _Opened:
    read: ReadPart
    name: str


class ArchivePage(Themed, QWidget):
    """`settled`: the list that was asked for is shown, or why it is not. `train_wanted` carries a folder to train on.

    `recipe_written` carries the file of a recipe that got another bundle. `recipe`: returns that of the station's recipe.
    """

    settled = Signal()
    train_wanted = Signal(object)
    recipe_written = Signal(object)

    def __init__(
        self,
        settings: Settings,
        source: ArchiveSource | None = None,
        parent: QWidget | None = None,
        *,
        recipe: Callable[[], Path | None] = lambda: None,
    ) -> None:
        super().__init__(parent)
        self.setObjectName("page")
        self.settings = settings
        self.source = source or ArchiveSource()
        # One thread that opens, lists and writes; one that reads what the gallery shows; one that counts.
        self.worker, self.reader, self.counter = (ArchiveThread(self.source, self) for _ in range(3))
        self.parts = ListedParts(self.reader, self.source, self)
        self.gallery = Gallery(self.parts)
        self.filters, self.record, self.correction = FilterPanel(), RecordView(), CorrectionBar()
        self.corrector = Corrector(self.correction, self.worker, settings)
        self.saved_filters = SavedFilters(self.filters, settings)
        self.banners = Banners(self)
        self.empty = EmptyArchive()
        self.total = QLabel()
        self.order = ComboBox()
        self.refresh_button, self.filter_button, self.what_if_button, self.pair_button = (QPushButton() for _ in range(4))
        self.pair = PairView()
        self.what_ifs = WhatIfs(self.worker, lambda: self.choice.filters(datetime.now().astimezone()))
        self.what_if = self.what_ifs.panel
        self.hand_on = HandingOn(self.source, self.meant, self._who, self)
        self.approving = Approving(self.hand_on, self.worker, lambda: self.meant(flips=False), self._who, recipe=recipe)
        self._flips: tuple[int, ...] | None = None  # keys of the parts that a what-if lists
        self._newest = 0, 0
        self._listing = False
        self._read: ReadPart | None = None  # the current part, once it was read
        self._wanted: int | None = None  # key of the part that is to be current when the list is there
        self._clock = QTimer(self)
        self._clock.setInterval(_LOOK_MS)
        self._arrange()
        self._connect()
        self.retranslate()

    def _arrange(self) -> None:
        for button, name in (
            (self.filter_button, "archive_filter"),
            (self.refresh_button, "archive_refresh"),
            (self.what_if_button, "archive_what_if"),
            (self.pair_button, "archive_pair"),
        ):
            button.setObjectName(name)
            button.setMinimumHeight(theme.TOUCH)
            button.setIconSize(QSize(theme.ICON, theme.ICON))
        self.filter_button.setCheckable(True)
        self.filter_button.setChecked(True)
        self.order.setMinimumHeight(theme.TOUCH)
        self.order.addItems([""] * len(ORDERS))
        self.order.setSizeAdjustPolicy(ComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.order.setMinimumContentsLength(12)
        self.total.setProperty("role", "strong")
        self.total.setWordWrap(True)
        self.bar = plain(QHBoxLayout())
        self.bar.addWidget(self.filter_button)
        self.bar.addWidget(self.order)
        self.bar.addWidget(self.refresh_button)
        self.bar.addWidget(self.total, 1)
        self.bar.addWidget(self.pair_button)
        self.bar.addWidget(self.what_if_button)
        self.bar.addWidget(self.hand_on.button)
        wall = QWidget()
        row = plain(QHBoxLayout(wall))
        row.addWidget(self.filters)
        row.addWidget(self.gallery, 1)
        self.stack = QStackedWidget()
        for widget in (wall, self.record, self.pair, self.empty):
            self.stack.addWidget(widget)
        self.wall = wall
        self.head = QWidget()
        self.head.setLayout(self.bar)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(*(theme.SPACING,) * 4)
        layout.setSpacing(theme.SPACING)
        layout.addWidget(self.banners)
        layout.addWidget(self.head)
        layout.addWidget(self.hand_on.strip)
        layout.addWidget(self.what_if)
        layout.addWidget(self.approving.panel)
        layout.addWidget(self.stack, 1)
        layout.addWidget(self.correction)

    def _connect(self) -> None:
        self.filters.changed.connect(self._on_filters)
        self.what_if_button.clicked.connect(self.what_ifs.offer)
        self.what_ifs.panel.shown.connect(self.approving.close)
        self.approving.panel.shown.connect(self.what_ifs.close)
        self.hand_on.train_wanted.connect(self.train_wanted)
        self.approving.recipe_written.connect(self.recipe_written)
        for judge in (self.what_ifs, self.approving):
            judge.flipped.connect(self._show_flips)
            judge.failed.connect(self._say)
        self.filter_button.toggled.connect(self.filters.setVisible)
        self.filter_button.toggled.connect(lambda _on: self.restyle())
        self.order.activated.connect(lambda _index: self.refresh())
        self.refresh_button.clicked.connect(lambda: self.refresh())
        self.gallery.chosen.connect(self._on_chosen)
        self.gallery.opened.connect(self.open_part)
        self.gallery.picked.connect(self._on_picked)
        self.gallery.ranged.connect(self._pick_range)
        self.pair_button.clicked.connect(lambda: self.pair.read(self.worker, tuple(self.gallery.picks), self._say))
        self.pair.shown.connect(self._show_pair)
        self.pair.left.connect(self.show_gallery)
        self.parts.failed.connect(self._say)
        self.parts.changed.connect(self._on_parts)
        self.parts.updated.connect(self._offer_correction)
        self.record.wanted.connect(self._on_step)
        self.corrector.written.connect(self._on_written)
        self.corrector.failed.connect(self._say)
        self.banners.retry.connect(lambda _key: self.refresh())
        self._clock.timeout.connect(self._look)

    # The list

    @property
    def busy(self) -> bool:
        """Whether what is shown will still change by itself."""
        return self._listing or self.worker.busy or self.reader.busy

    @property
    def choice(self) -> Choice:
        return self.filters.choice

    def meant(self, *, flips: bool = True) -> Filters:
        """Return what an action is about: the picked parts, else all of the list. `flips`: if it shows those, only them."""
        if self.gallery.picks:
            return Filters(keys=tuple(sorted(self.gallery.picks)))
        blocks = self.parts.blocks  # a period that ends now was another one when the list was made
        if blocks is None or not (flips or self._flips is None):
            return self.choice.filters(datetime.now().astimezone())
        return blocks.filters

    def _on_filters(self) -> None:
        for what in ("range", "seek"):
            self.worker.forget(what)  # the answer would be about the list before
        self.gallery.pick(set())
        self.what_ifs.forget()
        self.approving.forget()
        self._show_flips(None)

    def refresh(self) -> None:
        """List again what the filters leave, and count beside each."""
        choice, flips, order = self.choice, self._flips, ORDERS[self.order.currentIndex()]
        now = datetime.now().astimezone()
        entry = self.gallery.current()
        self._wanted = entry.key if entry is not None else None
        self._listing = True
        self.total.setText(self.tr("Searching…"))

        def read(archive: Archive) -> Listed:
            return list_parts(archive, choice, flips, order, now)

        self.worker.ask("list", read, self._on_list, self._on_no_list)
        for name in COUNTED:
            self._count(choice, name, now)

    def _count(self, choice: Choice, name: str, now: datetime) -> None:
        def work(archive: Archive) -> Counts:
            return counts_of(archive, choice, name, now)

        self.counter.ask(name, work, self._on_counts)

    def _on_counts(self, counts: Counts | None) -> None:
        if counts is not None:
            self.filters.set_counts(counts)

    def _on_list(self, found: Listed | None) -> None:
        self._listing = False
        self.banners.clear("archive")
        if found is None or not any(found.newest):
            self.parts.open(None)
            self._show_empty()
            self.settled.emit()
            return
        self._newest = found.newest
        self.gallery.gaps = found.gaps
        if self.stack.currentWidget() is self.empty:
            self.stack.setCurrentWidget(self.wall)
        self.head.setVisible(self.stack.currentWidget() is self.wall)
        self.parts.open(found.blocks)
        self.gallery.begin()
        self._show_total()
        self._read = None
        self._offer_correction()
        if len(self.parts) == 0 and self.stack.currentWidget() is self.record:
            self.show_gallery()
        theme.set_role(self.refresh_button, "")
        self.refresh_button.setText(self.tr("Refresh"))
        self.settled.emit()

    def _on_no_list(self, error: InspectorError) -> None:
        self._listing = False
        self._show_total()
        self._say(error)
        self.settled.emit()

    def _on_parts(self) -> None:
        """Go back to the part that was current before, if it is among the first of the list; read what is current."""
        wanted, self._wanted = self._wanted, self._wanted if self.reader.busy else None
        if wanted is not None and (index := self.parts.index_of(wanted)) is not None:
            self._wanted = None
            self.gallery.go_to(index)
        elif self._read is None and self.gallery.current() is not None:
            self._on_chosen(self.gallery.index)

    def _show_total(self) -> None:
        count, picks = len(self.parts), len(self.gallery.picks)
        self.pair_button.setVisible(picks == 2)
        text = fill(self.tr("{count} {count:|part|parts}"), count=f"{count:,}")
        if picks:
            text = fill(self.tr("{picks} of {count} {count:|part|parts} picked"), picks=f"{picks:,}", count=f"{count:,}")
        gaps = [gap for some in self.gallery.gaps.values() for gap in some]
        if gaps:
            text += " · " + self.tr("gaps: {gaps}").format(gaps=len(gaps))
        self.total.setText(text)
        self.total.setToolTip(self.gallery.gap_text(gaps))

    def _show_empty(self) -> None:
        self.head.hide()
        self.empty.show_state(archives=self.settings.preferences.archive == "on", folder=self.source.folder)
        self.stack.setCurrentWidget(self.empty)
        self._offer_correction()

    def _look(self) -> None:
        """Look whether there are parts that the list does not have."""
        if not self._listing:
            self.worker.ask("look", lambda archive: newest_of(archive.database), self._on_look, lambda _error: None)

    def _on_look(self, newest: tuple[int, int] | None) -> None:
        if newest is None or newest == self._newest:
            return
        if self.stack.currentWidget() is self.empty:
            self.refresh()
        else:
            theme.set_role(self.refresh_button, "primary")
            self.refresh_button.setText(self.tr("New parts"))

    # The current part

    def _on_chosen(self, index: int) -> None:
        """Read the current part, so that it can be corrected, and is there when it is opened."""
        entry = self.parts.entry(index)
        self._wanted = None
        if entry is None:
            self._read = None
            return
        self.gallery.describe()
        self._offer_correction()
        if self._read is not None and self._read.found["id"] == entry.key:
            return
        self._read_part(entry.key)

    def _read_part(self, key: int) -> None:
        def read(archive: Archive) -> _Opened:
            return _Opened(read_part(archive, key), name_of(archive.database, key))

        self.worker.ask("part", read, self._on_read, self._say)

    def _on_read(self, opened: _Opened | None) -> None:
        entry = self.gallery.current()
        if opened is None or entry is None or entry.key != opened.read.found["id"]:
            return  # another part became the current one meanwhile: what is corrected is what is seen
        self._read = opened.read
        gap = self.gallery.gap_text(self.gallery.gaps.get(entry.key, ()))
        self.record.show_part(opened.read, name=opened.name, gap=gap)
        self._offer_correction()

    def _offer_correction(self) -> None:
        self.corrector.offer(self.gallery.current(), self.gallery.picks, self._read)

    def open_part(self, index: int) -> None:
        """Look at a part."""
        self.gallery.go_to(index)
        self.head.hide()
        self.stack.setCurrentWidget(self.record)
        self.record.analysis.current().canvas.setFocus()

    def show_gallery(self) -> None:
        """Go back to the gallery."""
        self.head.show()
        self.stack.setCurrentWidget(self.wall)
        self.gallery.setFocus()

    def _show_pair(self) -> None:
        self.head.hide()
        self.stack.setCurrentWidget(self.pair)

    def leave(self) -> None:
        """Close what lies on top: an opened part, or two."""
        if not self.record.analysis.leave() and self.stack.currentWidget() in (self.record, self.pair):
            self.show_gallery()

    def seek(self, *, back: bool = False, verdict: str = "NG") -> None:
        """Go to the next or previous part with this verdict."""
        blocks, at, shown = self.parts.blocks, self.gallery.index, self.parts.rows()
        if blocks is None or not blocks.total:
            return
        self.worker.ask(
            "seek",
            lambda archive: neighbour(archive.database, blocks, at, verdict=verdict, back=back, shown=shown),
            lambda found: self._on_found(found, back=back),
            self._say,
        )

    def _on_found(self, found: tuple[int, int] | None, *, back: bool) -> None:
        if found is None:
            self.total.setText(self.tr("No earlier NG part.") if back else self.tr("No further NG part."))
            return
        self.gallery.go_to(min(found[1], len(self.parts) - 1))

    def _on_step(self, what: str) -> None:
        if what == "gallery":
            self.show_gallery()
        elif what in ("next_ng", "previous_ng"):
            self.seek(back=what == "previous_ng")
        else:
            self.gallery.go_to(self.gallery.index + (1 if what == "next" else -1))

    # Picking

    def _on_picked(self) -> None:
        self._show_total()
        self._offer_correction()

    def _pick_range(self, first: int, last: int) -> None:
        blocks, shown = self.parts.blocks, self.parts.rows()
        if blocks is None:
            return
        if len(self.gallery.picks) + last - first >= _MOST_PICKED:
            self.banners.show_problem(
                "picks",
                message("Not more than {count} parts can be picked one by one.", count=_MOST_PICKED),
                message("Narrow the list with the filters: an action without picked parts is about all of the list."),
                retryable=False,
            )
            return
        self.worker.ask(
            "range",
            lambda archive: keys_between(archive.database, blocks, first, last, shown=shown),
            lambda keys: self.gallery.pick(self.gallery.picks | set(keys or ())),
            self._say,
        )

    # Flips

    def _show_flips(self, then: dict[int, str] | None) -> None:
        """List only the parts whose verdict flips; None: all of the list."""
        self.gallery.then, self._flips = then or {}, None if then is None else tuple(then)
        self.refresh()

    def _on_written(self, keys: tuple[int, ...]) -> None:
        self.banners.clear("archive")
        self.parts.update_rows(keys)
        entry = self.gallery.current()
        if entry is not None and entry.key in keys:
            self._read_part(entry.key)
        self._count(self.choice, "truth", datetime.now().astimezone())

    # Who, problems, keys, show and close

    def _who(self) -> str:
        return self.correction.who.text().strip()

    def _say(self, error: InspectorError) -> None:
        self.banners.show_problem("archive", error.problem, error.remedy)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        shift = bool(event.modifiers() & Qt.KeyboardModifier.ShiftModifier)
        gallery, opened = self.gallery, self.stack.currentWidget() is self.record
        actions: dict[Qt.Key, Callable[[], Any]] = {
            Qt.Key.Key_N: lambda: self.seek(back=shift),
            Qt.Key.Key_R: self.correction.right.click,
            Qt.Key.Key_W: self.correction.wrong.click,
            Qt.Key.Key_U: self.correction.undo.click,
        }
        if opened:
            canvas = self.record.analysis.current().canvas
            actions |= {
                Qt.Key.Key_Left: lambda: gallery.go_to(gallery.index - 1),
                Qt.Key.Key_Right: lambda: gallery.go_to(gallery.index + 1),
                Qt.Key.Key_F: canvas.fit,
                Qt.Key.Key_Plus: canvas.zoom_in,
                Qt.Key.Key_Minus: canvas.zoom_out,
            }
        action = actions.get(Qt.Key(event.key()))
        if action is not None and not event.modifiers() & Qt.KeyboardModifier.ControlModifier:
            action()
        else:
            super().keyPressEvent(event)

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        self._clock.start()
        if self.parts.blocks is None:
            self.refresh()
        else:
            self._look()

    def hideEvent(self, event: QHideEvent) -> None:
        self._clock.stop()
        super().hideEvent(event)

    def close_workers(self) -> None:
        """End the threads; wait for their work in progress."""
        self._clock.stop()
        for thread in (self.worker, self.reader, self.counter):
            thread.end()
        self.hand_on.end()
        self.parts.pictures.end()
        self.record.close_workers()
        self.source.close()

    def retranslate(self) -> None:
        self.setAccessibleName(self.tr("Archive"))
        self.filter_button.setText(self.tr("Filters"))
        self.filter_button.setAccessibleName(self.tr("Filters"))
        self.refresh_button.setText(self.tr("Refresh"))
        self.refresh_button.setAccessibleName(self.tr("Refresh"))
        self.pair_button.setText(self.tr("Side by side"))
        self.pair_button.setAccessibleName(self.tr("Side by side"))
        self.what_if_button.setText(self.tr("What if"))
        self.what_if_button.setAccessibleName(self.tr("What if another limit had been set"))
        self.hand_on.retranslate()
        self.order.setAccessibleName(self.tr("Order"))
        words = self.tr("Newest first"), self.tr("Oldest first"), self.tr("Smallest margin first")
        for index in range(len(ORDERS)):
            self.order.setItemText(index, words[index])
        self._show_total()
        self.restyle()

    def restyle(self) -> None:
        for button in (self.what_if_button, self.pair_button):
            button.setIcon(theme.icon("compare"))
        self.hand_on.button.setIcon(theme.icon("save"))
        self.refresh_button.setIcon(theme.icon("retry"))
        self.filter_button.setIcon(theme.icon("sort", "on_accent" if self.filter_button.isChecked() else "text"))
