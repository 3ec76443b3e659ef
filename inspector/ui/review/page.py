"""The review page: images, folders, videos or the demo line, with the verdict of every part."""

from collections.abc import Callable
from pathlib import Path
from typing import Literal

from PySide6.QtCore import QSignalBlocker, Qt, QTimer, Signal
from PySide6.QtGui import (
    QCloseEvent,
    QDragEnterEvent,
    QDropEvent,
    QHideEvent,
    QImageWriter,
    QKeyEvent,
    QShowEvent,
)
from PySide6.QtWidgets import QSplitter, QStackedWidget, QVBoxLayout, QWidget

from inspector.core.config import write_atomically
from inspector.core.errors import InspectorError, StorageError
from inspector.core.types import Verdict
from inspector.recipes.locate import demo_recipe
from inspector.recipes.recipe import Recipe
from inspector.ui.inspect.choosers import IMAGES, VIDEOS
from inspector.ui.review.bars import EmptyPage, OpenBar, OutcomeBar, Player
from inspector.ui.review.chooser import OpenRecipe, With
from inspector.ui.review.listing import Listing
from inspector.ui.review.next_step import NextStep
from inspector.ui.review.source import Material
from inspector.ui.review.thread import Judge, Line, Opened, ReviewThread, Shown, Trouble
from inspector.ui.review.trial import ThresholdTrial, write_limit
from inspector.ui.shell import theme
from inspector.ui.tabs.tabs import AnalysisTabs
from inspector.ui.widgets.banner import Banners
from inspector.ui.widgets.file_dialogs import ask_file, ask_folder, ask_new_file
from inspector.ui.widgets.themed import Themed


class ReviewPage(Themed, QWidget):
    """Opens, steps, plays and jumps; the thread inspects.

    `opened` carries the number of parts. `settled`: the requested part is shown, or the reason for its absence (True: final,
    the part has its verdict, or will have none). `train_wanted` carries the folder to train on,
    `recipe_written` the file of a recipe that got another threshold.
    """

    opened = Signal(int)
    settled = Signal(bool)
    train_wanted = Signal(object)
    recipe_written = Signal(object)

    def __init__(self, parent: QWidget | None = None, *, judge: Callable[[], OpenRecipe | None] = lambda: None) -> None:
        """Create the page. `judge`: returns the open recipe, None if it may not judge other pictures. May raise ConfigError."""
        super().__init__(parent)
        self._judge = judge
        self._follows: OpenRecipe | None = None  # what `judge` returned when the parts were opened
        self.setObjectName("page")
        self.setAcceptDrops(True)
        self._path: Path | None = None
        self._opened_from: tuple[Path | None, bool] | None = None
        self._is_demo = False
        self._job = self._opened_job = 0  # the newest job; the job whose parts are listed
        self._count = 0
        self._index = 0
        self._recipe: Recipe | None = None
        self._base: Path | None = None
        self._delivered = True
        self._hopeless = False  # no verdict will come: only frames can be shown
        self._seeking: Literal[-1, 0, 1] = 0  # searching for the next (1) or previous (-1) NG part
        self.thread_ = ReviewThread(self)
        self._clock = QTimer(self)
        self._make()
        self._lay_out()
        self._connect()
        self.retranslate()

    def _make(self) -> None:
        self.open_bar, self.player, self.outcome, self.empty = OpenBar(), Player(), OutcomeBar(), EmptyPage()
        self.analysis = AnalysisTabs()
        self.analysis.set_frozen(True)
        self.trial = ThresholdTrial(self.analysis, self.thread_.judged, self)
        self.listing, self.next_step = Listing(), NextStep()
        self.model, self.shown_parts = self.listing.model, self.listing.shown_parts
        self.table, self.filter = self.listing.table, self.listing.filter
        self.next_step.hide()
        self.banners = Banners(self)

    def _lay_out(self) -> None:
        self.splitter = QSplitter(Qt.Orientation.Horizontal)
        self.splitter.addWidget(self.listing)
        self.splitter.addWidget(self.analysis)
        self.splitter.setStretchFactor(1, 1)
        self.splitter.setSizes([theme.SPACING * 30, theme.SPACING * 120])
        player = QWidget()
        rows = QVBoxLayout(player)
        rows.setContentsMargins(0, 0, 0, 0)
        rows.setSpacing(theme.SPACING)
        rows.addWidget(self.next_step)
        rows.addWidget(self.splitter, 1)
        rows.addWidget(self.outcome)
        rows.addWidget(self.player)
        self.stack = QStackedWidget()
        self.stack.addWidget(self.empty)
        self.stack.addWidget(player)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(*(theme.SPACING,) * 4)
        layout.setSpacing(theme.SPACING)
        layout.addWidget(self.open_bar)
        layout.addWidget(self.banners)
        layout.addWidget(self.stack, 1)

    def _connect(self) -> None:
        self.open_bar.wanted.connect(self._on_wanted)
        self.empty.wanted.connect(self._on_wanted)
        self.open_bar.chooser.chosen.connect(lambda _choice: self._open_again())
        self.player.wanted.connect(self._on_step)
        self.player.time_line.valueChanged.connect(self.go_to)
        self.player.speed.currentIndexChanged.connect(self._set_pace)
        self._clock.timeout.connect(self._on_tick)
        self.listing.chosen.connect(self._on_chosen)
        self.next_step.wanted.connect(self._on_next_step)
        self.next_step.limit_wanted.connect(self._set_limit)
        self.banners.retry.connect(lambda _key: self._open_again())
        self.trial.written.connect(self._on_written)
        self.trial.failed.connect(lambda error: self._say("write", error))
        self.thread_.opened.connect(self._on_opened)
        self.thread_.lined.connect(self._on_line)
        self.thread_.shown.connect(self._on_shown)
        self.thread_.judging.connect(self._on_judge)
        self.thread_.troubled.connect(self._on_trouble)

    # Opening

    def open_path(self, path: Path) -> None:
        """Review an image, a folder of images or a video."""
        self._path, self._is_demo = path, False
        self._open_again()

    def open_demo(self) -> None:
        """Review parts of the demo line."""
        self._path, self._is_demo = None, True
        if self.open_bar.chooser.current().kind == "open":
            self.open_bar.chooser.show_choice(With("recipe", demo_recipe()))
        self._open_again()

    def use(self, choice: With) -> None:
        """Inspect with this choice from now on."""
        self.open_bar.chooser.show_choice(choice)
        self._open_again()

    @property
    def index(self) -> int:
        """Index of the current part, from 0."""
        return self._index

    def __len__(self) -> int:
        return self._count

    def _open_again(self) -> None:
        if self._path is None and not self._is_demo:
            return
        self._pause()
        self.banners.clear_all()
        choice = self.open_bar.chooser.current()
        try:
            recipe, self._base = self._opened_recipe() if choice.kind == "open" else choice.load()
        except InspectorError as error:
            self.banners.show_problem("open", error.problem, error.remedy)
            self.settled.emit(True)
            return
        self._seeking, self._hopeless = 0, False
        again = (self._path, self._is_demo) == self._opened_from
        self._opened_from = self._path, self._is_demo
        self._job = self.thread_.open(Material(self._path, recipe, self._base), first=self._index if again else 0)
        self.trial.open(self._recipe_file())
        self.outcome.set_note(self.tr("Opening…"))

    def _opened_recipe(self) -> tuple[Recipe | None, Path | None]:
        self._follows = opened = self._judge()
        self.open_bar.chooser.name_open("" if opened is None else opened.request.recipe.name)
        return (None, None) if opened is None else (opened.request.recipe, opened.request.base)

    def follow(self) -> None:
        """Judge again if the open recipe is another one by now."""
        before, opened, failed = self._follows, None, False
        try:
            opened = self._judge()
            self.open_bar.chooser.name_open("" if opened is None else opened.request.recipe.name)
        except InspectorError:
            failed = True  # opening it says why
        if (failed or opened != before) and self.open_bar.chooser.current().kind == "open":
            self._open_again()

    def _on_opened(self, opened: Opened) -> None:
        if opened.job != self._job:
            return
        self._opened_job, self._count, self._index, self._recipe = opened.job, len(opened.names), opened.first, opened.recipe
        self.listing.open(opened.names, opened.truths)
        self.next_step.setVisible(opened.recipe is None)
        self.player.set_judged(opened.recipe is not None)
        self.outcome.set_judge("", None)
        with QSignalBlocker(self.player.time_line):
            self.player.time_line.set_count(self._count)
            self.player.time_line.setValue(self._index)
        if self.stack.currentIndex() == 0:  # the first time: the tab that is current is made when it is shown
            self.analysis.offer_for(opened.recipe, self._base)
        self.stack.setCurrentIndex(1)
        self.open_bar.set_opened(True)
        self.listing.select(self._index)
        self._show_progress()
        self.analysis.current().canvas.setFocus()
        self.opened.emit(self._count)

    def _on_judge(self, judge: Judge) -> None:
        if judge.job == self._job:
            self.outcome.set_judge(judge.variants, judge.why)
            if judge.note is not None:
                self.banners.show_problem("tuned", judge.note, retryable=False)

    def _on_trouble(self, trouble: Trouble) -> None:
        if trouble.job == self._job:
            self._pause()
            self._hopeless = True
            if self._opened_job != trouble.job:
                self._close_parts()
            elif self.outcome.inspection is not None:
                self.outcome.show_outcome(self.outcome.inspection, final=True, judged=self._recipe is not None)
            self.banners.show_problem("open", trouble.problem, trouble.remedy)
            self.outcome.set_note("")
            self.settled.emit(True)

    def _close_parts(self) -> None:
        """List nothing: the parts before belong to another source, and no frame of them comes any more."""
        self._count = self._index = 0
        self.stack.setCurrentWidget(self.empty)
        self.open_bar.set_opened(False)

    # Stepping

    def go_to(self, index: int) -> None:
        """Go to a part. Frames in memory are shown at once; others as soon as they are read."""
        if not 0 <= index < self._count:
            return
        self._index = index
        with QSignalBlocker(self.player.time_line):
            self.player.time_line.setValue(index)
        self.player.time_line.update()
        self.player.set_position(index, self._count)
        self.listing.select(index)
        kept, line = self.thread_.kept(index), self.model.line(index)
        self._delivered = kept is not None
        self.thread_.want(index, shown=self._delivered)
        if kept is not None and line is not None:
            self._show(Shown(self._job, index, kept, self._recipe, final=True))

    def step(self, by: int) -> None:
        """Go to the next or previous part."""
        self._seeking = 0
        self.go_to(min(max(self._index + by, 0), self._count - 1))

    def seek_ng(self, direction: Literal[-1, 1]) -> None:
        """Go to the next or previous NG part; wait for parts on the way that are not inspected yet."""
        self._pause()
        self._seeking = direction
        self._seek_on()

    def _seek_on(self) -> None:
        if self._seeking == 0:
            return
        at = self._index + self._seeking
        while 0 <= at < self._count:
            line = self.model.line(at)
            if line is None:
                self.outcome.set_note(self.tr("Looking for an NG part…"))
                return
            if line.verdict is Verdict.NG:
                self._seeking = 0
                self._show_progress()
                self.go_to(at)
                return
            at += self._seeking
        forward, self._seeking = self._seeking == 1, 0
        self.outcome.set_note(self.tr("No further NG part.") if forward else self.tr("No earlier NG part."))

    def toggle_play(self) -> None:
        """Start or stop playing."""
        if self._clock.isActive():
            self._pause()
        elif self._count > 1:
            self._seeking = 0
            if self._index == self._count - 1:
                self.go_to(0)
            self._set_pace()
            self._clock.start()
            self.player.set_playing(True)

    def _pause(self) -> None:
        self._clock.stop()
        self.player.set_playing(False)

    def _set_pace(self) -> None:
        self._clock.setInterval(1000 // self.player.parts_per_second())

    def _on_tick(self) -> None:
        if not self._delivered:
            return  # never faster than inspection: every part is shown with its verdict
        if self._index + 1 >= self._count:
            self._pause()
        else:
            self.go_to(self._index + 1)

    # Results of the thread

    def _on_line(self, line: Line) -> None:
        if line.job != self._job:
            return
        self.model.set_line(line)
        self.player.time_line.set_verdict(line.index, line.verdict)
        self.listing.compare_later()
        if self._seeking:
            self._seek_on()
        else:
            self._show_progress()

    def _on_shown(self, shown: Shown) -> None:
        if shown.job == self._job and shown.index == self._index:
            judged = shown.recipe is not None
            self._delivered = shown.final or self._hopeless or self._delivered or not judged
            self._recipe = shown.recipe
            self._show(shown)
            self.next_step.show_for(temperatures=any(one.unit == "kelvin" for one in shown.inspection.frames.values()))
            self.settled.emit(shown.final or not judged)

    def _show(self, shown: Shown) -> None:
        self.player.set_position(shown.index, self._count)
        self.outcome.show_outcome(shown.inspection, final=shown.final or self._hopeless, judged=shown.recipe is not None)
        self.analysis.set_inspection(shown.inspection, shown.recipe, base=self._base)

    def _show_progress(self) -> None:
        if self._recipe is None:
            self.outcome.set_note("")
            return
        done = self.model.count_inspected()
        text = self.tr("{done} of {count} inspected").format(done=done, count=self._count)
        self.outcome.set_note(text if done < self._count else "")

    # Another threshold

    def _recipe_file(self) -> Path | None:
        """Return the file of the recipe that judges, if it has one."""
        choice = self.open_bar.chooser.current()
        if choice.kind == "open":
            return self._follows.path if self._follows is not None else None
        return choice.path if choice.kind == "recipe" else None

    def _on_written(self, path: Path) -> None:
        self.recipe_written.emit(path)
        self.follow() if self.open_bar.chooser.current().kind == "open" else self._open_again()

    # Saving

    def save_table(self, path: Path) -> None:
        """Save the list as CSV (UTF-8 with a byte order mark, so that spreadsheets read Japanese). Raises StorageError."""
        write_atomically(path, self.model.as_csv().encode("utf-8-sig"))

    def save_picture(self, path: Path) -> None:
        """Save the current frame with its marks at full size. Raises StorageError."""
        image = self.analysis.current().canvas.render_whole()
        if image.isNull() or not QImageWriter(str(path), b"png").write(image):
            raise StorageError(
                "The picture {file} cannot be written.",
                remedy="Choose a folder with free space and write permission.",
                file=path,
            )

    def _save(self, what: str) -> None:
        if what == "table":
            title, kinds, name = self.tr("Save table"), self.tr("Tables (*.csv)"), "review.csv"
        else:
            title, kinds, name = self.tr("Save picture"), self.tr("Pictures (*.png)"), "part.png"
        ask_new_file(self, title, lambda path: self._save_to(path, what), kinds=kinds, name=name)

    def _save_to(self, path: Path, what: str) -> None:
        try:
            (self.save_table if what == "table" else self.save_picture)(path)
        except StorageError as error:
            self._say("save", error)

    def _say(self, key: str, error: InspectorError) -> None:
        self.banners.show_problem(key, error.problem, error.remedy, retryable=False)

    # Buttons, keys, drops

    def _on_wanted(self, what: str) -> None:
        if what in ("table", "picture"):
            if self._count:
                self._save(what)
            return
        if what == "demo":
            self.open_demo()
        else:
            self.browse(what)

    def _on_next_step(self, what: str) -> None:
        if what == "recipe":
            self.open_bar.chooser.browse_recipe()
        elif self._path is not None:
            self.train_wanted.emit(self._path if self._path.is_dir() else self._path.parent)

    def _set_limit(self, celsius: float) -> None:
        """Write a recipe that judges the temperatures of this folder by a limit, and use it from now on."""
        if self._path is None:
            return
        try:
            path = write_limit(self._path, celsius)
        except InspectorError as error:
            self._say("write", error)
            return
        self.use(With("recipe", path))
        self.recipe_written.emit(path)

    def browse(self, what: str, chosen: Callable[[Path], object] | None = None) -> None:
        """Ask for an "image", a "folder" or a "video", and review it or call `chosen` with it."""
        chosen = chosen or self.open_path
        if what == "folder":
            ask_folder(self, self.tr("Review a folder of images"), chosen)
            return
        kinds = self.tr("Images ({patterns})") if what == "image" else self.tr("Videos ({patterns})")
        title = self.tr("Review an image") if what == "image" else self.tr("Review a video")
        ask_file(self, title, chosen, kinds=kinds.format(patterns=IMAGES if what == "image" else VIDEOS))

    def _on_step(self, what: str) -> None:
        if what == "play":
            self.toggle_play()
        elif what in ("next_ng", "previous_ng"):
            self.seek_ng(1 if what == "next_ng" else -1)
        else:
            self.step(1 if what == "next" else -1)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        shift = bool(event.modifiers() & Qt.KeyboardModifier.ShiftModifier)
        canvas = self.analysis.current().canvas
        actions = {
            Qt.Key.Key_Left: lambda: self.step(-1),
            Qt.Key.Key_Right: lambda: self.step(1),
            Qt.Key.Key_Home: lambda: self.go_to(0),
            Qt.Key.Key_End: lambda: self.go_to(self._count - 1),
            Qt.Key.Key_Space: self.toggle_play,
            Qt.Key.Key_N: lambda: self.seek_ng(-1 if shift else 1),
            Qt.Key.Key_F: canvas.fit,
            Qt.Key.Key_Plus: canvas.zoom_in,
            Qt.Key.Key_Minus: canvas.zoom_out,
        }
        action = actions.get(Qt.Key(event.key()))
        if action is not None and self._count and not event.modifiers() & Qt.KeyboardModifier.ControlModifier:
            action()
        else:
            super().keyPressEvent(event)

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        if any(url.isLocalFile() for url in event.mimeData().urls()):
            event.acceptProposedAction()

    def dropEvent(self, event: QDropEvent) -> None:
        files = [Path(url.toLocalFile()) for url in event.mimeData().urls() if url.isLocalFile()]
        if files:
            # Several files dropped together are reviewed as the folder they lie in.
            self.open_path(files[0] if len(files) == 1 else files[0].parent)
            event.acceptProposedAction()

    def _on_chosen(self, index: int) -> None:
        if index != self._index:
            self._seeking = 0
            self.go_to(index)

    # Show, hide and close

    def close_workers(self) -> None:
        """End the threads; wait for their work in progress."""
        self._pause()
        self.trial.end()
        self.thread_.end()
        self.analysis.close_workers()

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        self.follow()

    def hideEvent(self, event: QHideEvent) -> None:
        self._pause()
        super().hideEvent(event)

    def closeEvent(self, event: QCloseEvent) -> None:
        self.close_workers()
        super().closeEvent(event)

    def retranslate(self) -> None:
        self.setAccessibleName(self.tr("Review"))
        if self._count:
            self._show_progress()
