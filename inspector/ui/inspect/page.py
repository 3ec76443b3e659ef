"""The operator's page: the feed, the verdict, the counters, and the problems that need attention."""

import time
from pathlib import Path
from typing import Final

from PySide6.QtCore import Qt, QTimer, Signal
from PySide6.QtGui import QResizeEvent, QShowEvent
from PySide6.QtWidgets import QWidget

from inspector.core.addresses import mark_secrets
from inspector.core.errors import InspectorError
from inspector.core.message import message
from inspector.core.types import Inspection
from inspector.inspection.run_request import RunRequest
from inspector.inspection.status import Mode, StationState, StationStatus
from inspector.station.load_shedding import Shed
from inspector.ui.inspect.last_line import KeptLine, LastLine
from inspector.ui.inspect.layout import LIVE, InspectLayout
from inspector.ui.inspect.line_choice import LineChoice
from inspector.ui.inspect.shift_change import ShiftChange
from inspector.ui.inspect.situation import problems, shown
from inspector.ui.inspect.station_worker import Snapshot, StationWorker
from inspector.ui.shell.settings import Preferences
from inspector.ui.widgets.question import Question

SHED_PICTURE_MS: Final = 500  # interval between pictures while the line needs the processor
_FILE, _TUNED, _LOCKED = "file", "tuned", "locked"  # keys of banners that belong to no camera and no fault


class InspectPage(InspectLayout):
    """Shows the worker's snapshots and passes on the operator's commands.

    `fullscreen_wanted` and `help_wanted`: their buttons were pressed. `resting(bool)`: the line started or stopped needing the
    processor; while it needs the processor, other pages must not explain anything. `choice_changed`: another recipe or source.
    """

    fullscreen_wanted = Signal()
    help_wanted = Signal()
    parts_seen = Signal(int)
    resting = Signal(bool)
    choice_changed = Signal()

    def __init__(self, worker: StationWorker, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._worker = worker
        self.line = LineChoice(self.recipe_chooser, self.source_chooser, self)
        self._snapshot = Snapshot()  # the snapshot shown last
        self._held: Inspection | None = None
        self._tab_before, self._camera = LIVE, ""  # the tab before the operator view; the chosen camera, if the recipe has it
        self._pictures = QTimer(self)  # active while the next picture must wait
        self._pictures.setSingleShot(True)
        self._owed = False  # a picture was skipped since the timer started
        self._last_line = KeptLine()
        self.shift_change = ShiftChange(Question(self), self._begin_shift, self)
        self._connect()
        self.retranslate()
        self._settle()

    # ---- building --------------------

    def _connect(self) -> None:
        self._worker.news.connect(self._on_news, Qt.ConnectionType.QueuedConnection)
        self.operator.chosen.connect(self.hold)
        self.operator.start_wanted.connect(self.start)
        self.operator.stop_wanted.connect(self.stop)
        self.operator.trigger_wanted.connect(self.trigger)
        self.operator.left.connect(self.fullscreen_wanted)
        self.alarm.flashed.connect(self.tile.set_flashed)
        self.alarm.flashed.connect(self.operator.set_flashed)
        self.counters.reset_wanted.connect(lambda: self.shift_change.offer(self.counters.tally))
        self.recipe_chooser.chosen.connect(self.line.open)
        self.source_chooser.chosen.connect(self.line.use_source)
        self.line.accepted.connect(lambda: self.banners.clear(_FILE))
        self.line.refused.connect(self._refuse)
        self.line.changed.connect(self._on_choice)
        self.camera_chooser.chosen.connect(self.choose_camera)
        self.fullscreen_button.clicked.connect(self.fullscreen_wanted)
        self.help_button.clicked.connect(self.help_wanted)
        self.tab_bar.currentChanged.connect(self._on_tab)
        self.start_button.clicked.connect(self.start)
        self.stop_button.clicked.connect(self.stop)
        self.trigger_button.clicked.connect(self.trigger)
        self.filmstrip.chosen.connect(self.hold)
        self.analysis.hold_wanted.connect(self.hold)
        self.analysis.offered_changed.connect(self.offer_views)
        self.hold_strip.released.connect(self.back_to_live)
        self.banners.retry.connect(self._on_retry)
        self.banners.resized.connect(self._place_banners)
        self._watch.timeout.connect(self._settle)
        self._pictures.timeout.connect(self._on_picture_time)
        self.takt.panel.tune_button.clicked.connect(self.open_tune)
        self.takt.panel.variants_button.clicked.connect(self.open_variants)
        self.tune.variants_wanted.connect(self.open_variants)

    # ---- commands --------------------

    def set_choice(self, choice: RunRequest, path: Path | None) -> None:
        """Set the recipe that Start runs; a running line continues with it."""
        self.line.set(choice, path)

    def open_recipe(self, path: Path) -> None:
        """Read a recipe and set it as the one that Start runs. A problem becomes a banner."""
        self.line.open(path)

    def browse_recipe(self) -> None:
        """Ask for a recipe file, unless a line runs, which a dialog must not cover."""
        if self.recipe_chooser.isEnabled():
            self.recipe_chooser.browse()
        else:
            problem = message("The recipe can be changed when the line has been stopped.")
            self.banners.show_problem(_LOCKED, problem, retryable=False)

    def use_source(self, source: str) -> bool:
        """Inspect the frames of this source; empty: the recipe's own.

        Returns False if the source cannot be used; a banner gives the reason.
        """
        return self.line.use_source(source)

    def reopen(self, path: Path, source: str) -> None:
        """Open what ran last. `source` without its secrets: Start refuses it if there were any."""
        self.line.open(path)
        if source and self.line.file is not None and not self.line.use_source(source):
            self.source_chooser.show_refused(source)

    def _refuse(self, error: InspectorError) -> None:
        self.banners.show_problem(_FILE, error.problem, error.remedy, retryable=False)

    def _on_choice(self) -> None:
        choice = self.line.request
        if choice is None:
            return
        if choice.note is not None:
            self.banners.show_problem(_FILE, choice.note, retryable=False)
        self.analysis.offer_for(choice.recipe, choice.base)
        cameras = tuple(choice.recipe.cameras)
        self.feed.set_cameras(cameras)
        self.camera_chooser.set_cameras(cameras)
        self.choose_camera(self._camera)
        if self.running:
            self._worker.apply(choice)
            self._keep(self._worker.status.mode)
        else:
            self._worker.forget()  # problems of the last run do not concern this recipe
        self._on_news()
        self.choice_changed.emit()

    def start(self) -> None:
        """Start inspecting."""
        self._start(None)

    def go_on(self, line: LastLine) -> None:
        """Start the line that ran when the program was killed: the same recipe, source and mode."""
        self.line.open(Path(line.recipe))
        if self.line.file == Path(line.recipe) and (not line.source or self.line.use_source(line.source)):
            self._start(line.mode)

    def _keep(self, mode: Mode) -> None:
        """Write down what runs, for a start after a crash."""
        if self.line.file is not None:
            self._last_line.keep(LastLine(str(self.line.file.absolute()), self.line.source, mode))

    def _start(self, mode: Mode | None) -> None:
        """Start with the source in the source field, or report why it cannot be used."""
        stopped = self._worker.status.state is StationState.STOPPED
        if stopped and not self.line.use_pending():
            return
        if self.line.request is not None:
            self.back_to_live()
            self._worker.begin(self.line.request, mode)
            self._keep(mode or self.line.request.recipe.mode)
            self._on_news()

    def stop(self) -> None:
        """Stop inspecting."""
        if self.running:
            self._worker.end()
            self._settle()

    def trigger(self) -> None:
        """Inspect one part now. A stopped line is started in triggered mode."""
        if self._worker.status.state is StationState.STOPPED:
            self._start("triggered")
        if self.running and self._worker.status.mode == "triggered":
            self._worker.single()

    def open_tune(self) -> None:
        """Open the panel that measures which variants keep the takt."""
        if self.line.request is not None:
            self.tune.open(self.line.request, running=self.running, takt_ms=self.takt.takt_ms)

    def open_variants(self) -> None:
        """Open the panel of the bundles' variants.

        While a measurement runs, which the panel would disturb, show the measurement instead.
        """
        if self.tune.busy:
            self.open_tune()
            return
        self.tune.uncover(False)
        if self.variants is None:
            from inspector.ui.variants.panel import VariantsPanel  # not needed at the start

            self.variants = VariantsPanel(self)
        self.variants.open(self.line.request, running=lambda: self.running)

    def _begin_shift(self, lot: str) -> None:
        self._worker.reset_tally(simulated=self._simulated, lot=lot)

    def leave(self) -> bool:
        """Close the topmost overlay, or show the newest part again; return whether there was something to leave."""
        if self.shift_change.question.isVisible():
            self.shift_change.question.escape()
        elif self.variants is not None and self.variants.isVisible():
            self.variants.leave()
        elif self.tune.isVisible():
            self.tune.leave()
        elif self.analysis.leave():
            return True
        elif self._held is not None:
            self.back_to_live()
        else:
            return False
        return True

    @property
    def running(self) -> bool:
        return self._worker.status.running

    @property
    def _simulated(self) -> bool:
        return self.line.request is not None and self.line.request.recipe.is_simulated

    @property
    def source(self) -> str:
        """The source inspected instead of the recipe's own, with marks for its secrets; "" for the recipe's own."""
        return mark_secrets(self.line.source)

    @property
    def recipe_file(self) -> Path | None:
        """The file of the open recipe, if it has one."""
        return self.line.file

    @property
    def choice(self) -> RunRequest | None:
        return self.line.request

    def hold(self, inspection: Inspection | None) -> None:
        """Keep this part on screen while the line goes on; None: back to live."""
        self._held = inspection
        self.filmstrip.press(inspection)
        self.analysis.set_frozen(inspection is not None)
        self.hold_strip.show_part(inspection)
        self._leave_out()
        QTimer.singleShot(0, self, self._place_banners)  # after the layout has placed the strip
        self._show_views()
        self._settle()

    def step_ng(self, by: int) -> None:
        """Hold the next older (+1) or newer (-1) NG part of the strip on the screen."""
        (self.filmstrip if self.operator.isHidden() else self.operator.strip).step(by)

    def back_to_live(self) -> None:
        """Show the newest part again."""
        self.hold(None)

    @property
    def held(self) -> Inspection | None:
        return self._held

    def choose_tab(self, name: str) -> None:
        """Show the tab with this name: "live" or a name in the registry."""
        names = [self.tab_bar.tabData(index) for index in range(self.tab_bar.count())]
        if name in names:
            self.tab_bar.setCurrentIndex(names.index(name))

    @property
    def tab(self) -> str:
        return str(self.tab_bar.tabData(self.tab_bar.currentIndex()))

    def choose_camera(self, camera: str) -> None:
        """Show this camera, now and with every recipe that has it; empty: all cameras."""
        self._camera = camera
        self.camera_chooser.show_camera(camera)
        self.feed.choose_camera(camera)

    @property
    def camera(self) -> str:
        """The camera chosen by the operator; empty: all."""
        return self._camera

    def set_operator_view(self, on: bool) -> None:
        """Switch to the operator view, which shows only the essentials of the newest part."""
        if on:
            self.back_to_live()
            self._tab_before = self.tab
            self.choose_tab(LIVE)
        else:
            self.choose_tab(self._tab_before)
        self._show_operator(on)
        self.takt.panel.uncover(self.takt.open and not on)
        self._settle()
        self._size_tile()
        QTimer.singleShot(0, self, self._place_banners)  # after the layout has placed the picture

    def use_preferences(self, preferences: Preferences) -> None:
        """Apply the preferences of the settings page."""
        self._worker.save_to = Path(preferences.save_to).expanduser() if preferences.save_to else None
        self._worker.archive = preferences.archive == "on"
        self.feed.set_unit(preferences.temperature)
        self.analysis.set_unit(preferences.temperature)

    def close_workers(self) -> None:
        """End the tabs' background threads."""
        self._watch.stop()
        self._pictures.stop()
        self.tune.close_workers()
        if self.variants is not None:
            self.variants.close_workers()
        self.analysis.close_workers()
        self._last_line.forget()

    # ---- news of the line --------------------

    def _on_news(self) -> None:
        before, now = self._snapshot, self._worker.take()
        self._snapshot = now
        self._show_problems(before.status, now.status)
        if now.ng:
            if now.status.recipe is not None:
                self.alarm.ng(now.status.recipe)
            for strip in (self.filmstrip, self.operator.strip):
                strip.add_later(now.ng)
        if now.newest is not before.newest and self._held is None:
            self._show_picture()
        self._set_shed(before.shed, now.shed)
        stats = now.status.stats
        if stats is not before.status.stats:  # statistics arrive less often than parts
            self.takt.set_stats(stats)
            self.status.set_stats(stats)
        self._settle()
        if not self.running:
            self._last_line.forget()
        self.parts_seen.emit(stats.parts)

    def _show_problems(self, before: StationStatus, now: StationStatus) -> None:
        """Match the banners to the status. A dismissed banner returns when its text changes."""
        old, new = problems(before), problems(now)
        for key in old.keys() - new.keys():
            self.banners.clear(key)
        for key, (problem, remedy) in new.items():
            if old.get(key) != (problem, remedy):
                self.banners.show_problem(key, problem, remedy)
        if now.judging == before.judging:
            return
        note = None if now.judging is None else now.judging.note
        if now.judging is not None:
            self.takt.panel.show_why(now.judging.why)
        if note is not None:
            self.banners.show_problem(_TUNED, note, retryable=False)
        else:
            self.banners.clear(_TUNED)

    def _on_retry(self, key: str) -> None:
        self.banners.clear(key)
        self.start()

    def _on_tab(self, index: int) -> None:
        if index > 0:
            self.analysis.setCurrentIndex(index - 1)  # before it is shown, which makes the tab that is current
        self.views.setCurrentWidget(self.feed if index == 0 else self.analysis)
        self.aside.setCurrentIndex(min(index, 1))
        self._size_tile()
        self.veil.rise()
        self.takt.panel.raise_()
        self.notice.raise_()
        self._show_views()

    def _show_views(self) -> None:
        seen, recipe = self._held or self._snapshot.newest, self._snapshot.status.recipe
        if self.views.currentWidget() is self.feed:
            self.feed.set_inspection(seen, recipe)
        else:
            self.analysis.set_inspection(seen, recipe, base=self.line.request.base if self.line.request else None)

    # ---- load shedding --------------------

    @property
    def shed(self) -> Shed:
        """What is currently left out to save processor time."""
        return self._snapshot.shed

    def _set_shed(self, before: Shed, level: Shed) -> None:
        if level is before:
            return
        self._leave_out()
        self.notice.show_level(level)
        if (before is Shed.NOTHING) != (level is Shed.NOTHING):
            self.analysis.set_resting(level is not Shed.NOTHING)
            self.resting.emit(level is not Shed.NOTHING)

    def _leave_out(self) -> None:
        """Apply the load shedding. A held part keeps its marks, since it is painted once and the operator is looking at it."""
        plain = self.shed >= Shed.OVERLAYS and self._held is None
        self.feed.set_plain(plain)
        self.analysis.set_plain(plain)

    def _show_picture(self) -> None:
        """Show the newest part, or delay it to limit the picture rate; the verdict is never delayed."""
        if not self.isVisible():
            return  # it is shown together with the page
        if self._pictures.isActive():
            self._owed = True
            return
        self.takt.clock.begin()
        self._show_views()
        if self.shed is Shed.RATE:
            self._pictures.start(SHED_PICTURE_MS)

    def _on_picture_time(self) -> None:
        owed, self._owed = self._owed, False
        if owed and self._held is None:
            self._show_picture()

    # ---- display --------------------

    def _settle(self) -> None:
        """Match tile, reasons, veil and buttons to the current state."""
        snapshot, status = self._snapshot, self._worker.status
        tell = shown(
            status,
            snapshot.newest,
            live_at=snapshot.newest_at,
            now=time.monotonic(),
            ready=self.line.request is not None,
        )
        if tell.verdict is None:
            self.tile.set_idle(tell.words)
        else:
            self.tile.set_verdict(tell.verdict, tell.part)
        self.tile.set_simulated(self._simulated)
        self.reasons.set_reasons(tell.reasons)
        tally = self._worker.tally(simulated=self._simulated)
        if tally is not self.counters.tally:
            self.counters.set_tally(tally)
        if not self.operator.isHidden():
            self.operator.show_situation(tell, self._held)
            self.operator.show_line(status.state, status.mode, ready=self.line.request is not None)
            name = "" if self.line.request is None else self.line.request.recipe.name
            self.operator.show_shift(name, tally, simulated=self._simulated)
        self.veil.set_words("" if self._held is not None else tell.veil)
        stopped = status.state is StationState.STOPPED
        for chooser in (self.recipe_chooser, self.source_chooser):
            if chooser.isEnabled() != stopped:
                chooser.lock(not stopped)
        if stopped:
            self.banners.clear(_LOCKED)
        if status.state is not StationState.RUNNING:
            self._watch.stop()
        elif not self._watch.isActive():
            self._watch.start()
        self.tune.set_running(not stopped)
        self.start_button.setEnabled(stopped and self.line.request is not None)
        self.stop_button.setEnabled(self.running)
        self.trigger_button.setEnabled(
            self.line.request is not None and (stopped or (self.running and status.mode == "triggered"))
        )

    def retranslate(self) -> None:
        self.name_widgets()
        self._settle()

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        self._show_views()

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._size_tile()
        self._place_banners()
