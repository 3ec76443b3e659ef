"""The analysis tabs, synchronised on the same inspection."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from PySide6.QtCore import QCoreApplication, Signal
from PySide6.QtWidgets import QStackedWidget, QWidget

from inspector.core.errors import ConfigError
from inspector.core.registry import TABS
from inspector.core.types import Answer, Inspection
from inspector.imaging.colormaps import TemperatureUnit
from inspector.imaging.image import Reading
from inspector.recipes.adopt import cards_of
from inspector.recipes.recipe import Recipe
from inspector.results.heat import PartHeat
from inspector.tasks.base import task_of
from inspector.ui.canvas.canvas import ViewLink
from inspector.ui.tabs.base import AnalysisTab
from inspector.ui.tabs.gradcam import GradCamTab
from inspector.ui.tabs.instrument.declared import DeclaredSources
from inspector.ui.tabs.instrument.scale_sheet import ScaleSheet
from inspector.ui.tabs.picture import PictureTab
from inspector.ui.tabs.thermal import ThermalTab
from inspector.ui.tabs.threshold import ThresholdTab
from inspector.ui.widgets.inputs import TabWidget
from inspector.ui.widgets.themed import Themed

PICTURE: Final = "picture"  # the tab of frames that no bundle looks at


class AnalysisTabs(Themed, TabWidget):
    """Every tab of the registry; offered are those that the bundles of the recipe have answers for.

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
        self.tabs: dict[str, AnalysisTab] = {}
        for name, entry in TABS.items():
            tab: AnalysisTab = entry.load()(link=self.link)
            self.tabs[name] = tab
            self.addTab(tab, name)
            if apart:
                self.panels.addWidget(tab.panel_apart())
            if isinstance(tab, PictureTab | ThermalTab):
                tab.scale_wanted.connect(self._open_degrees)
            if isinstance(tab, GradCamTab):
                tab.hold_wanted.connect(self.hold_wanted)
            if isinstance(tab, ThresholdTab):
                tab.tried_out.connect(self.tried_out)
                tab.write_wanted.connect(self.write_wanted)
        self._declared = DeclaredSources()
        self._stored: tuple[Inspection | None, Recipe | None, Path | None, Sequence[PartHeat]] = (None, None, None, ())
        self.degrees: ScaleSheet | None = None  # made when it is first wanted
        self._judged_by: tuple[tuple[str, ...], Path | None] | None = None  # bundles and their folder
        self._answers: frozenset[type[Answer]] | None = None  # of these bundles; None: they cannot be read
        self.currentChanged.connect(self.panels.setCurrentIndex)
        self.setTabVisible(list(self.tabs).index(PICTURE), False)
        self.retranslate()

    def set_inspection(
        self,
        inspection: Inspection | None,
        recipe: Recipe | None,
        *,
        base: Path | None = None,
        heat: Sequence[PartHeat] = (),
    ) -> None:
        """Show this inspection in every tab.

        `base`: the recipe's folder, in which its bundles are searched for. `heat`: heat maps that were kept with the part.
        """
        self._stored = inspection, recipe, base, heat
        inspection = self._declared.in_degrees(inspection)
        self._know(recipe, base)
        if inspection is not None:
            self._offer(inspection)
        for tab in self.tabs.values():
            tab.base = base
            if isinstance(tab, ThermalTab):
                tab.degrees.setVisible(inspection is not self._stored[0])
            if isinstance(tab, GradCamTab):
                tab.kept = tuple(heat)
            tab.set_inspection(inspection, recipe)

    def _open_degrees(self) -> None:
        """Open the sheet that says what the grey values of this source are in degrees, for as long as the window is open."""
        inspection = self._stored[0]
        frame = None if inspection is None else self._declared.grey(inspection)
        if frame is None:
            return
        if self.degrees is None:
            self.degrees = ScaleSheet(self)
            self.degrees.used.connect(self._on_degrees)
        self.degrees.open(frame, self._declared.of(frame), steps=False)

    def _on_degrees(self, how: Reading) -> None:
        inspection, recipe, base, heat = self._stored
        frame = None if inspection is None else self._declared.grey(inspection)
        if frame is not None:
            self._declared.declare(frame, how)
            self.set_inspection(inspection, recipe, base=base, heat=heat)

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
        for tab in self.tabs.values():
            if isinstance(tab, ThresholdTab):
                tab.set_writable(writable)

    def offer_for(self, recipe: Recipe, base: Path | None) -> None:
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
        wanted = [name for name, tab in self.tabs.items() if tab.applies(answers, inspection)] or [PICTURE]
        for at, name in enumerate(self.tabs):
            self.setTabVisible(at, name in wanted)
        if self.offered != before:
            self.offered_changed.emit(self.offered)

    def set_frozen(self, frozen: bool) -> None:
        """Set whether the inspection stays (review, or a held part of a running line); if it
        does, Grad-CAM explains by itself.
        """
        for tab in self.tabs.values():
            tab.set_frozen(frozen)

    def set_plain(self, plain: bool) -> None:
        """Hide the overlays to save processor time."""
        for tab in self.tabs.values():
            tab.canvas.set_plain(plain)

    def set_resting(self, resting: bool) -> None:
        """Set whether the line needs the processor; while it does, nothing is explained."""
        for tab in self.tabs.values():
            tab.set_resting(resting)

    def set_unit(self, unit: TemperatureUnit) -> None:
        """Set the temperature unit of every tab."""
        for tab in self.tabs.values():
            tab.set_unit(unit)

    def close_workers(self) -> None:
        """End the background threads and wait for them."""
        for tab in self.tabs.values():
            tab.close_workers()

    def current(self) -> AnalysisTab:
        return self.tabs[list(self.tabs)[self.currentIndex()]]

    def retranslate(self) -> None:
        self.setAccessibleName(self.tr("Analysis"))
        for index, name in enumerate(self.tabs):
            self.setTabText(index, QCoreApplication.translate("tabs", TABS[name].label))


def _answers_of(recipe: Recipe | None, base: Path | None) -> frozenset[type[Answer]] | None:
    """Return the kinds of answer that the recipe's bundles give; None if the bundles cannot be read."""
    if recipe is None:
        return frozenset()
    try:
        return frozenset(task_of(card.task).answer for card in cards_of(recipe, base or Path()).values())
    except ConfigError:
        return None
