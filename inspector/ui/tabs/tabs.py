"""The four analysis tabs, synchronised on the same inspection."""

from pathlib import Path

from PySide6.QtCore import QCoreApplication, Signal
from PySide6.QtWidgets import QStackedWidget, QWidget

from inspector.core.registry import TABS
from inspector.core.types import Inspection
from inspector.imaging.colormaps import TemperatureUnit
from inspector.recipes.recipe import Recipe
from inspector.ui.canvas.canvas import ViewLink
from inspector.ui.tabs.base import AnalysisTab
from inspector.ui.tabs.gradcam import GradCamTab
from inspector.ui.widgets.inputs import TabWidget
from inspector.ui.widgets.themed import Themed


class AnalysisTabs(Themed, TabWidget):
    """Every tab of the registry.

    Zoom, pan and selection are shared; only the visible tab works. `hold_wanted` carries an inspection that must stay on the
    screen while the line goes on.
    """

    hold_wanted = Signal(object)

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
            if isinstance(tab, GradCamTab):
                tab.hold_wanted.connect(self.hold_wanted)
        self.currentChanged.connect(self.panels.setCurrentIndex)
        self.retranslate()

    def set_inspection(self, inspection: Inspection | None, recipe: Recipe | None, *, base: Path | None = None) -> None:
        """Show this inspection in every tab. `base`: the recipe's folder, in which its bundles are searched for."""
        for tab in self.tabs.values():
            tab.base = base
            tab.set_inspection(inspection, recipe)

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
