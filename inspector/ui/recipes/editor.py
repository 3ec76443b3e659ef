"""The editor of one recipe: the picture with its regions and verdict on the left, what can be set on the right."""

from dataclasses import replace
from pathlib import Path
from typing import Final

from PySide6.QtCore import QSize, Qt, QTimer, Signal
from PySide6.QtWidgets import QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from inspector.core.message import Message
from inspector.core.types import Frame, Inspection, Region
from inspector.core.verdict import Verdict
from inspector.imaging.image import Reading
from inspector.recipes.automatic import seen_by
from inspector.recipes.recipe import Recipe, RegionModel
from inspector.recipes.verdict import judge, threshold_of
from inspector.ui.canvas.overlays import Overlays, RegionMark, box_marks, region_mark
from inspector.ui.inspect.panels.readouts import Badge
from inspector.ui.recipes.bundles_panel import BundlesPanel
from inspector.ui.recipes.cameras_panel import CamerasPanel
from inspector.ui.recipes.draft import RecipeDraft
from inspector.ui.recipes.drawing import DrawingCanvas
from inspector.ui.recipes.frame_thread import FrameThread, NoFrame, Wanted
from inspector.ui.recipes.revisions_panel import RevisionsPanel
from inspector.ui.recipes.rules_panel import RulesPanel
from inspector.ui.recipes.source_sheet import SourceSheet
from inspector.ui.recipes.trial_thread import Trial, TrialThread
from inspector.ui.shell import theme
from inspector.ui.shell.strings import translate, verdict_word
from inspector.ui.tabs.instrument.scale_sheet import ScaleSheet
from inspector.ui.widgets.boxes import plain, scrolled, two_thirds
from inspector.ui.widgets.inputs import TabWidget
from inspector.ui.widgets.settings_form import SettingsForm
from inspector.ui.widgets.themed import Themed

LINE: Final = ("name", "mode", "takt_ms", "deadline_ms", "join_ms", "trigger_ms", "engine", "precision")
_WAIT_MS: Final = 250  # after the last change before the bundles look again


class RecipeEditor(Themed, QWidget):
    """Edits a draft. `back_wanted`: the recipe's previous revision is to be written again."""

    back_wanted = Signal()

    def __init__(self, draft: RecipeDraft, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.draft = draft
        self.frames: dict[str, Frame] = {}
        self.inspection: Inspection | None = None
        self._trouble: NoFrame | None = None  # why there is no picture
        self._refused: Message | None = None  # why the bundles could not look at it
        self.reader, self.trial = FrameThread(self), TrialThread(self)
        self.canvas = DrawingCanvas()
        self.badge = Badge(Verdict.OK)
        self.badge.setFixedSize(theme.ICON, theme.ICON)
        self.word, self.reasons, self.problems = QLabel(), QLabel(), QLabel()
        self.word.setProperty("role", "strong")
        self.problems.setObjectName("recipe_problems")
        for label in (self.reasons, self.problems):
            label.setWordWrap(True)
            label.setTextFormat(Qt.TextFormat.PlainText)
        self.next = QPushButton()
        self.next.setObjectName("next_frame")
        self.cameras, self.bundles, self.rules = CamerasPanel(draft), BundlesPanel(draft), RulesPanel(draft)
        self.line = SettingsForm(Recipe, {}, names=LINE, narrow=True)
        self.revisions = RevisionsPanel()
        self.sheet = SourceSheet(self)
        self.degrees = ScaleSheet(self)
        self._sheet_for = ""
        self._later = QTimer(self)
        self._later.setSingleShot(True)
        self._later.setInterval(_WAIT_MS)
        self._arrange()
        self._connect()
        self.retranslate()

    def _arrange(self) -> None:
        left = QWidget()
        column = plain(QVBoxLayout(left))
        head = plain(QHBoxLayout())
        head.addWidget(self.badge)
        head.addWidget(self.word)
        head.addWidget(self.reasons, 1)
        head.addWidget(self.next)
        self.next.setIconSize(QSize(theme.ICON, theme.ICON))
        column.addLayout(head)
        column.addWidget(self.canvas, 1)
        column.addWidget(self.problems)
        self.tabs = TabWidget()
        self.tabs.tabBar().setDrawBase(False)
        line = QWidget()
        rows = QVBoxLayout(line)
        rows.setContentsMargins(0, theme.SPACING, theme.SPACING, theme.SPACING)
        rows.addWidget(self.line)
        rows.addStretch(1)
        for page in (self.cameras, self.bundles, self.rules, line, self.revisions):
            self.tabs.addTab(scrolled(page), "")
        self.tabs.setMinimumWidth(theme.SPACING * 55)
        plain(QVBoxLayout(self)).addWidget(two_thirds(left, self.tabs))

    def _connect(self) -> None:
        draft = self.draft
        draft.changed.connect(self._on_changed)
        self.cameras.chosen.connect(self._show_camera)
        self.cameras.source_wanted.connect(self._open_sheet)
        self.cameras.measure_wanted.connect(lambda: self.canvas.take("distance"))
        self.cameras.scale_wanted.connect(self._open_degrees)
        self.degrees.used.connect(self._on_degrees)
        self.degrees.left.connect(self.wake)
        self.degrees.next_wanted.connect(self.reader.next_frame)
        self.bundles.chosen.connect(self._look_at)
        self.bundles.draw_wanted.connect(self._draw_region)
        self.canvas.region_drawn.connect(self.bundles.set_region)
        self.canvas.distance_drawn.connect(self.cameras.ask_length)
        self.canvas.put_down.connect(self.retranslate)
        self.line.changed.connect(lambda: draft.set_line(self.line.values(), LINE))
        self.revisions.back_wanted.connect(self.back_wanted)
        self.sheet.used.connect(self._on_source)
        self.sheet.left.connect(self.wake)
        self.next.clicked.connect(self.reader.next_frame)
        self.reader.framed.connect(self._on_frame)
        self.reader.failed.connect(self._on_no_frame)
        self.trial.inspected.connect(self._on_inspected)
        self.trial.failed.connect(self._on_trial_failed)
        self._later.timeout.connect(self._inspect)

    # Interface for the page

    def open(self, recipe: Recipe | None, path: Path | None, base: Path | None, *, name: str = "") -> None:
        """Edit this recipe; None: a new one."""
        self.frames = {}
        self._forget()
        self.canvas.show_frame(None)
        self.draft.open(recipe, base, name=name)
        self.line.set_values({key: value for key, value in self.draft.values.items() if key in LINE})
        self.revisions.open(path)
        self.cameras.show_camera("")
        self.bundles.show_step(0)
        self.rules.show_rule(-1)
        self.tabs.setCurrentIndex(0)

    def rest(self) -> None:
        """Close the source, so that others can open it."""
        self.reader.show_source(None)
        self.sheet.close_sheet()
        self.degrees.uncover(False)

    def wake(self) -> None:
        """Show the current camera again."""
        self._show_camera(self.cameras.current)

    def close_workers(self) -> None:
        """End the threads."""
        self._later.stop()
        self.sheet.close_workers()
        self.reader.end()
        self.trial.end()

    def leave(self) -> bool:
        """Close what lies above the editor; return whether there was anything."""
        if self.sheet.isVisible():
            self.sheet.leave()
            return True
        if self.degrees.isVisible():
            self.degrees.leave()
            return True
        if self.canvas.tool:
            self.canvas.take("")
            self.retranslate()
            return True
        return False

    # Frames

    def _show_camera(self, name: str) -> None:
        camera = self.draft.cameras.get(name)
        self._trouble = None
        self.canvas.take("")  # what was to be drawn belongs to the earlier picture
        if camera is None or not self.isVisible():
            self.reader.show_source(None)
            self.canvas.show_frame(None)
            return
        self.canvas.show_frame(self.frames.get(name))
        self.reader.show_source(Wanted(name, str(camera.get("source", "")), dict(camera.get("options", {}))))
        self._draw()

    def _draw_region(self) -> None:
        """Take the tool in hand, on the picture of the camera that the bundle looks at."""
        if self.bundles.current is not None:
            self._look_at(str(self.bundles.current.get("camera", "")))
            self.canvas.take("region")

    def _look_at(self, camera: str) -> None:
        if camera and camera != self.cameras.current:
            self.cameras.show_camera(camera)

    def _open_degrees(self) -> None:
        """Open the sheet that says what grey values are in degrees, on the camera's values as they are stored."""
        camera = self.draft.cameras.get(self.cameras.current)
        if camera is None:
            return
        options = dict(camera.get("options", {}))
        how = Reading(unit=options.get("unit", ""), scale=options.get("scale"), offset=options.get("offset"))
        stored = {name: value for name, value in options.items() if name not in ("unit", "scale", "offset")}
        self.degrees.open(None, how, steps=True)
        source = str(camera.get("source", ""))
        self.reader.show_source(Wanted(self.cameras.current, source, {**stored, "unit": "intensity"}))

    def _on_degrees(self, how: Reading) -> None:
        self.frames.pop(self.cameras.current, None)
        self._forget()
        self.cameras.set_degrees(how)

    def _on_frame(self, frame: Frame) -> None:
        if self.degrees.isVisible():
            self.degrees.show_frame(frame)
            return
        if frame.camera not in self.draft.cameras:
            return
        self.frames[frame.camera] = frame
        self._trouble = None
        self.draft.know_size(frame.camera, (frame.width, frame.height))
        if frame.camera == self.cameras.current:
            self.canvas.show_frame(frame)
        self._inspect()

    def _on_no_frame(self, failure: NoFrame) -> None:
        self._trouble = failure
        self._say()
        self.degrees.show_problem(" ".join(translate(part) for part in (failure.problem, failure.remedy) if part is not None))

    def _open_sheet(self, camera: str) -> None:
        self._sheet_for = camera
        self.reader.show_source(None)  # a camera can be opened once only
        values = self.draft.cameras.get(camera, {})
        self.sheet.open(str(values.get("source", "")), values.get("options", {}))

    def _on_source(self, source: str) -> None:
        if self._sheet_for in self.draft.cameras:
            self.frames.pop(self._sheet_for, None)
            self._forget()
            self.draft.set_camera(self._sheet_for, source=source)
            self.cameras.show_camera(self._sheet_for)
        else:
            self.cameras.show_camera(self.draft.add_camera(source))

    # Verdict

    def _forget(self) -> None:
        """Forget what the bundles saw, because it is no longer the picture on display."""
        self.trial.forget()
        self.inspection = self._refused = None

    def _on_changed(self) -> None:
        self.frames = {name: frame for name, frame in self.frames.items() if name in self.draft.cameras}
        self._draw()
        self._later.start()

    def _inspect(self) -> None:
        """Have the bundles look at the frames that there are."""
        whole = self.draft.check.complete
        recipe = None if whole is None else seen_by(whole, self.frames)[0]
        if recipe is not None:
            self.trial.look(Trial(recipe, self.draft.base, {name: self.frames[name] for name in recipe.cameras}))

    def _on_inspected(self, inspection: Inspection) -> None:
        self.inspection, self._refused = inspection, None
        self._draw()

    def _on_trial_failed(self, problem: Message) -> None:
        self.inspection, self._refused = None, problem
        self._draw()

    def _draw(self) -> None:
        """Draw regions and what was found, and judge it by the rules as they are now."""
        recipe, camera = self.draft.check.complete, self.cameras.current
        found = self.inspection.predictions if self.inspection is not None else ()
        predictions = [one for one in found if one.camera == camera]
        names: dict[Region, list[str]] = {}
        for step in self.draft.steps:
            if step.get("camera") == camera and step.get("region") is not None:
                region = RegionModel.model_validate(step["region"]).region()
                said = [region_mark(one).label for one in predictions if (one.bundle, one.region) == (step["bundle"], region)]
                names.setdefault(region, []).append(" ".join((Path(str(step["bundle"])).name, *filter(None, said))))
        marks = Overlays(regions=tuple(RegionMark(region, ", ".join(texts)) for region, texts in names.items()))
        if recipe is not None:
            thresholds = {(step.bundle, step.camera): threshold_of(step) for step in recipe.inspect}
            for one in predictions:
                marks += Overlays(boxes=box_marks(one, thresholds.get((one.bundle, one.camera), one.threshold)))
        self.canvas.set_overlays(marks)
        self._judge(recipe)
        self._say()

    def _judge(self, recipe: Recipe | None) -> None:
        seen: Recipe | None = None
        places: tuple[int, ...] = ()
        if recipe is not None and self.inspection is not None:
            seen, places = seen_by(recipe, self.inspection.frames)
        self.badge.setVisible(seen is not None)
        if seen is None or self.inspection is None:
            self.word.setText("")
            self.reasons.setText("")
            self.rules.show_judgements(())
            return
        verdict, reasons, judgements = self.inspection.verdict, self.inspection.reasons, self.inspection.judgements
        if self.inspection.predictions:
            verdict, reasons, judgements = judge(seen, self.inspection.predictions, ())
        self.badge.set_verdict(verdict)
        self.word.setText(verdict_word(verdict))
        self.reasons.setText("; ".join(translate(reason) for reason in reasons))
        self.rules.show_judgements([replace(one, rule=places[one.rule]) for one in judgements])

    def _say(self) -> None:
        """Say why the recipe would not run, or that it would."""
        found = [*self.draft.check.problems]
        if self._refused is not None:
            found.insert(0, self._refused)
        if self._trouble is not None:
            found += [part for part in (self._trouble.problem, self._trouble.remedy) if part is not None]
        theme.set_role(self.problems, "error" if found else "small")
        self.problems.setText(" ".join(map(translate, found)) if found else self.tr("The recipe would run."))

    # Texts

    def retranslate(self) -> None:
        self.canvas.set_hint(self.tr("No frame yet"), self.tr("Add a camera: its picture appears here."))
        names = (self.tr("Cameras"), self.tr("Bundles"), self.tr("Rules"), self.tr("Line"), self.tr("History"))
        for index, name in enumerate(names):
            self.tabs.setTabText(index, name)
        self.tabs.setAccessibleName(self.tr("What the recipe sets"))
        self.next.setText(self.tr("Next frame"))
        self.next.setAccessibleName(self.tr("Next frame"))
        self._draw()
        self.restyle()

    def restyle(self) -> None:
        self.next.setIcon(theme.icon("next"))
