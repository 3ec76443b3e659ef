"""The analysis tabs, synchronised on the same inspection."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from PySide6.QtCore import QCoreApplication, Signal
from PySide6.QtGui import QShowEvent
from PySide6.QtWidgets import QStackedWidget, QVBoxLayout, QWidget

from inspector.core.errors import ConfigError
from inspector.core.registry import TABS
from inspector.core.storage.paths import user_data
from inspector.core.types import Answer, Inspection
from inspector.imaging.colormaps import TemperatureUnit
from inspector.imaging.image import Reading
from inspector.recipes.automatic import cards_of
from inspector.recipes.recipe import Recipe
from inspector.tasks.base import task_of
from inspector.ui.canvas.canvas import ViewLink
from inspector.ui.tabs.base import AnalysisTab
from inspector.ui.tabs.gradcam import GradCamTab
from inspector.ui.tabs.instrument.declared import DeclaredSources, frames_of_light
from inspector.ui.tabs.instrument.scale_sheet import ScaleSheet
from inspector.ui.tabs.picture import PictureTab
from inspector.ui.tabs.thermal import ThermalTab
from inspector.ui.tabs.threshold import ThresholdTab
from inspector.ui.widgets.boxes import plain
from inspector.ui.widgets.inputs import TabWidget
from inspector.ui.widgets.themed import Themed

if TYPE_CHECKING:  # these bring all that explains along
    from inspector.results.heat import PartHeat
    from inspector.ui.tabs.instrument.register_sheet import RegisterSheet

PICTURE: Final = "picture"  # the tab of frames that no bundle looks at


class AnalysisTabs(Themed, TabWidget):
    """Every tab of the registry; offered are those that the bundles of the recipe have answers for. Each is made when it is
    shown first.

    Zoom, pan and selection are shared; only the visible tab works. `hold_wanted` carries an inspection that must stay on the
    screen while the line goes on; `offered_changed` the names of the tabs that are offered. `tried_out` and `write_wanted`: as
    of `ThresholdTab`.
    """

    hold_wanted = Signal(object)
    offered_changed = Signal(object)
    tried_out = Signal(object)
    write_wanted = Signal(object, float)

    def __init__(self, parent: QWidget | None = None, *, link: ViewLink | None = None, apart: bool = False) -> None:
        """Create the tabs. `apart`: the tabs' panels go to `panels`, for use elsewhere, and not next to the pictures."""
        super().__init__(parent)
        self.panels = QStackedWidget(self)
        self.panels.hide()
        self.link = link or ViewLink(self)
        self._apart = apart
        self._kinds: dict[str, type[AnalysisTab]] = {name: entry.load() for name, entry in TABS.items()}
        self._made: dict[str, AnalysisTab] = {}
        self._told: dict[str, Callable[[AnalysisTab], None]] = {}  # the newest of each kind, for the tabs that are made later
        self.tabs: Mapping[str, AnalysisTab] = _Tabs(self._kinds, self._tab)
        for name in self._kinds:
            self.addTab(_place(), name)
            self.panels.addWidget(_place())
        self._declared = DeclaredSources()
        self._stored: tuple[Inspection | None, Recipe | None, Path | None, Sequence[PartHeat]] = (None, None, None, ())
        self.degrees: ScaleSheet | None = None  # made when it is first wanted
        self.register: RegisterSheet | None = None
        self._declaring = ""  # the camera that it is open for
        self._judged_by: tuple[tuple[str, ...], Path | None] | None = None  # bundles and their folder
        self._answers: frozenset[type[Answer]] | None = None  # of these bundles; None: they cannot be read
        self.currentChanged.connect(self._on_current)
        self.setTabVisible(list(self.tabs).index(PICTURE), False)
        self.retranslate()

    def _tab(self, name: str) -> AnalysisTab:
        """Return a tab; make it at the first time, as the others are."""
        if name in self._made:
            return self._made[name]
        tab = self._made[name] = self._kinds[name](link=self.link)
        at = list(self._kinds).index(name)
        if self._apart:
            _fill(self.panels.widget(at), tab.panel_apart())
        if isinstance(tab, PictureTab | ThermalTab):
            tab.scale_wanted.connect(self._open_degrees)
        if isinstance(tab, ThermalTab):
            tab.register_wanted.connect(self._open_register)
        if isinstance(tab, GradCamTab):
            tab.hold_wanted.connect(self.hold_wanted)
        if isinstance(tab, ThresholdTab):
            tab.tried_out.connect(self.tried_out)
            tab.write_wanted.connect(self.write_wanted)
        for tell in self._told.values():
            tell(tab)
        _fill(self.widget(at), tab)
        return tab

    def _tell(self, what: str, tell: Callable[[AnalysisTab], None]) -> None:
        """Tell every tab, and those that are made later."""
        self._told[what] = tell
        for tab in self._made.values():
            tell(tab)

    def _on_current(self, index: int) -> None:
        self.panels.setCurrentIndex(index)
        if self.isVisible():
            self.current()

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        self.current()

    def set_inspection(
        self,
        inspection: Inspection | None,
        recipe: Recipe | None,
        *,
        base: Path | None = None,
        heat: "Sequence[PartHeat]" = (),
    ) -> None:
        """Show this inspection in every tab.

        `base`: the recipe's folder, in which its bundles are searched for. `heat`: heat maps that were kept with the part.
        """
        self._stored = inspection, recipe, base, heat
        shown = self._declared.in_degrees(inspection)
        self._know(recipe, base)
        if shown is not None:
            self._offer(shown)

        def tell(tab: AnalysisTab) -> None:
            tab.base = base
            if isinstance(tab, ThermalTab):
                tab.degrees.setVisible(shown is not inspection)
            if isinstance(tab, GradCamTab):
                tab.kept = tuple(heat)
            tab.set_inspection(shown, recipe)

        self._tell("inspection", tell)

    def _open_degrees(self) -> None:
        """Open the sheet that says what the grey values of this source are in degrees, for as long as the window is open."""
        inspection, chosen = self._stored[0], self.current().prediction()
        frame = None if inspection is None else self._declared.grey(inspection, None if chosen is None else chosen.camera)
        if inspection is None or frame is None:
            return
        if self.degrees is None:
            self.degrees = ScaleSheet(self)
            self.degrees.used.connect(self._on_degrees)
        self._declaring = frame.camera
        several = len(inspection.frames) > 1
        self.degrees.open(frame, self._declared.of(frame), steps=False, camera=frame.camera if several else "")

    def _on_degrees(self, how: Reading) -> None:
        inspection, recipe, base, heat = self._stored
        frame = None if inspection is None else inspection.frames.get(self._declaring)
        if frame is not None:
            self._declared.declare(frame, how)
            self.set_inspection(inspection, recipe, base=base, heat=heat)

    def _open_register(self) -> None:
        """Open the sheet that measures how the thermal camera and one that sees light lie to each other."""
        inspection, recipe, _, _ = self._stored
        thermal = self.current().frame()
        seen = () if inspection is None else frames_of_light(inspection)
        if thermal is None or not seen:
            return
        from inspector.ui.tabs.instrument.register_sheet import REGISTRATIONS, RegisterSheet

        if self.register is None:
            self.register = RegisterSheet(self._page())
        cameras = {} if recipe is None else recipe.cameras
        sides = {name: camera.mm_per_px for name, camera in cameras.items() if camera.mm_per_px is not None}
        self.register.open(thermal, seen, folder=user_data() / REGISTRATIONS, sides=sides)

    def _page(self) -> QWidget:
        """Return the page that the tabs are on, for a sheet with two pictures side by side; these tabs if they are on none."""
        around = self.parentWidget()
        while around is not None and around.objectName() != "page":
            around = around.parentWidget()
        return self if around is None else around  # a page without parts is false

    def leave(self) -> bool:
        """Close the sheet; return False where none is open."""
        sheet = next((one for one in (self.degrees, self.register) if one is not None and one.isVisible()), None)
        if sheet is None:
            return False
        sheet.leave()
        return True

    @property
    def offered(self) -> tuple[str, ...]:
        """The names of the tabs that are offered."""
        return tuple(name for at, name in enumerate(self.tabs) if self.isTabVisible(at))

    def choose(self, name: str) -> None:
        """Show the tab with this name."""
        self.setCurrentIndex(list(self.tabs).index(name))

    def show_effect(self, text: str) -> None:
        """Show in the current tab what its threshold on trial changes elsewhere."""
        tab = self.current()
        if isinstance(tab, ThresholdTab):
            tab.show_effect(text)

    def set_writable(self, writable: bool) -> None:
        """Set whether a threshold can be written to the recipe."""
        self._tell("writable", lambda tab: tab.set_writable(writable) if isinstance(tab, ThresholdTab) else None)

    def offer_for(self, recipe: Recipe | None, base: Path | None) -> None:
        """Offer the tabs for this recipe, before the first part."""
        self._know(recipe, base)
        self._offer(None)

    def _know(self, recipe: Recipe | None, base: Path | None) -> None:
        judged_by = (tuple(step.bundle for step in recipe.inspect) if recipe is not None else (), base)
        if judged_by != self._judged_by:
            self._judged_by, self._answers = judged_by, _answers_of(recipe, base)

    def _offer(self, inspection: Inspection | None) -> None:
        """Offer the tabs that apply; the current one is replaced if it is not among them."""
        predictions = inspection.predictions if inspection is not None else ()
        if self._answers is None and not predictions:
            return  # nothing is known
        answers = (self._answers or frozenset()) | {type(one.answer) for one in predictions}
        before = self.offered
        wanted = [name for name, kind in self._kinds.items() if kind.applies(answers, inspection)] or [PICTURE]
        for at, name in enumerate(self.tabs):
            self.setTabVisible(at, name in wanted)
        if self.offered != before:
            self.offered_changed.emit(self.offered)

    def set_frozen(self, frozen: bool) -> None:
        """Set whether the inspection stays (review, or a held part of a running line); if it
        does, Grad-CAM explains by itself.
        """
        self._tell("frozen", lambda tab: tab.set_frozen(frozen))

    def set_plain(self, plain: bool) -> None:
        """Hide the overlays to save processor time."""
        self._tell("plain", lambda tab: tab.canvas.set_plain(plain))

    def set_resting(self, resting: bool) -> None:
        """Set whether the line needs the processor; while it does, nothing is explained."""
        self._tell("resting", lambda tab: tab.set_resting(resting))

    def set_unit(self, unit: TemperatureUnit) -> None:
        """Set the temperature unit of every tab."""
        self._tell("unit", lambda tab: tab.set_unit(unit))

    def close_workers(self) -> None:
        """End the background threads and wait for them."""
        for tab in self._made.values():
            tab.close_workers()

    def current(self) -> AnalysisTab:
        return self._tab(list(self._kinds)[self.currentIndex()])

    def retranslate(self) -> None:
        self.setAccessibleName(self.tr("Analysis"))
        for index, name in enumerate(self.tabs):
            self.setTabText(index, QCoreApplication.translate("tabs", TABS[name].label))


class _Tabs(Mapping[str, AnalysisTab]):
    """The tabs by name; one that is asked for is made."""

    def __init__(self, names: Iterable[str], tab: Callable[[str], AnalysisTab]) -> None:
        self._names, self._tab = tuple(names), tab

    def __getitem__(self, name: str) -> AnalysisTab:
        if name not in self._names:
            raise KeyError(name)
        return self._tab(name)

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


def _place() -> QWidget:
    """Return the empty place of a widget that is made later."""
    place = QWidget()
    plain(QVBoxLayout(place))
    return place


def _fill(place: QWidget | None, widget: QWidget) -> None:
    layout = place.layout() if place is not None else None
    if layout is not None:
        layout.addWidget(widget)
        widget.show()  # at once, not with the next event


def _answers_of(recipe: Recipe | None, base: Path | None) -> frozenset[type[Answer]] | None:
    """Return the kinds of answer that the recipe's bundles give; None if the bundles cannot be read."""
    if recipe is None:
        return frozenset()
    try:
        return frozenset(task_of(card.task).answer for card in cards_of(recipe, base or Path()).values())
    except ConfigError:
        return None
