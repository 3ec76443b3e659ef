"""Layout of the inspect page: its widgets and their places."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from PySide6.QtCore import QCoreApplication, QPoint, QSize, Qt, QTimer
from PySide6.QtWidgets import QHBoxLayout, QPushButton, QStackedWidget, QToolButton, QVBoxLayout, QWidget

from inspector.core.registry import TABS
from inspector.ui.inspect.alarm import Alarm
from inspector.ui.inspect.choosers import CameraChooser, RecipeChooser, SourceChooser
from inspector.ui.inspect.feed import Feed, Veil
from inspector.ui.inspect.hold import HoldStrip
from inspector.ui.inspect.operator_view import OperatorView
from inspector.ui.inspect.panels.filmstrip import Filmstrip
from inspector.ui.inspect.panels.readouts import Counters, StatusLine
from inspector.ui.inspect.panels.takt_meter import ShedNotice, TaktMeter
from inspector.ui.inspect.panels.verdict_tile import Reasons, VerdictTile
from inspector.ui.shell import theme
from inspector.ui.tabs.tabs import AnalysisTabs
from inspector.ui.variants.tune_panel import TunePanel
from inspector.ui.widgets.banner import Banners
from inspector.ui.widgets.boxes import plain, two_thirds
from inspector.ui.widgets.inputs import TabBar
from inspector.ui.widgets.themed import Themed
from inspector.ui.widgets.tips import plain_tip

if TYPE_CHECKING:
    from inspector.ui.variants.panel import VariantsPanel

LIVE: Final = "live"
TILE_SHARE: Final = 0.24  # share of the window's height; at least a fifth is required
ANALYSIS_TILE_SHARE: Final = 0.201
LOW: Final = 750  # pixels of the window's height below which everything moves together: a 768 line panel with a task bar


class InspectLayout(Themed, QWidget):
    """The widgets of the inspect page, without their behaviour."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("page")
        self._make()
        self._lay_out()

    def _make(self) -> None:
        self.recipe_chooser, self.source_chooser, self.camera_chooser = RecipeChooser(), SourceChooser(), CameraChooser()
        self.fullscreen_button, self.help_button = QToolButton(), QToolButton()
        self.fullscreen_button.setObjectName("fullscreen")
        self.help_button.setObjectName("help")
        for small in (self.fullscreen_button, self.help_button):
            small.setFixedSize(theme.TOUCH, theme.TOUCH)
            small.setIconSize(QSize(theme.ICON, theme.ICON))
        self.tab_bar = TabBar()
        self.tab_bar.setObjectName("tabs")
        self.tab_bar.setDrawBase(False)
        self.tab_bar.setExpanding(False)
        self.tab_bar.setUsesScrollButtons(False)
        self.tab_bar.setElideMode(Qt.TextElideMode.ElideRight)  # on a narrow screen
        for name in (LIVE, *TABS):
            self.tab_bar.setTabData(self.tab_bar.addTab(name), name)
        self.analysis = AnalysisTabs(apart=True)
        self.analysis.tabBar().hide()
        self.offer_views(self.analysis.offered)
        self.analysis.setFocusPolicy(Qt.FocusPolicy.NoFocus)  # else the focus would go to its hidden bar and stop there
        self.feed = Feed(self.analysis.link)
        self.views = QStackedWidget()
        self.views.addWidget(self.feed)
        self.views.addWidget(self.analysis)
        self.veil = Veil(self.views, also=self.analysis.panels)
        self.hold_strip = HoldStrip()
        self.tile, self.reasons, self.counters = VerdictTile(), Reasons(), Counters()
        self.start_button, self.stop_button, self.trigger_button = QPushButton(), QPushButton(), QPushButton()
        self.start_button.setProperty("role", "primary")
        for button, name in ((self.start_button, "start"), (self.stop_button, "stop"), (self.trigger_button, "trigger")):
            button.setObjectName(name)
            button.setIconSize(QSize(theme.ICON, theme.ICON))
        ranges = self.feed.thermal_range
        self.filmstrip, self.takt, self.status = Filmstrip(ranges=ranges), TaktMeter(self.views), StatusLine()
        self.operator, self.alarm = OperatorView(ranges), Alarm(self)
        self.notice = ShedNotice(self.views, above=self.takt.panel)
        self.tune = TunePanel(self)
        self.variants: VariantsPanel | None = None  # made when first needed
        self.banners = Banners(self)
        self._watch = QTimer(self)
        self._watch.setInterval(1000)

    def offer_views(self, names: Sequence[str]) -> None:
        """Offer the live view and these tabs."""
        for index in range(1, self.tab_bar.count()):
            self.tab_bar.setTabVisible(index, self.tab_bar.tabData(index) in names)

    def _lay_out(self) -> None:
        space = theme.SPACING
        self.tools = QWidget()
        tools = plain(QHBoxLayout(self.tools), space)
        tools.addWidget(self.recipe_chooser, 3)
        tools.addWidget(self.source_chooser, 3)
        tools.addWidget(self.camera_chooser, 2)
        tools.addStretch(1)
        tools.addWidget(self.fullscreen_button)
        tools.addWidget(self.help_button)
        left = QWidget()
        self._views_box = views = plain(QVBoxLayout(left), space)
        head = plain(QHBoxLayout(), space)
        head.addWidget(self.tab_bar)
        head.addWidget(self.takt, 1)
        views.addLayout(head)
        views.addWidget(self.hold_strip)
        views.addWidget(self.views, 1)
        summary = QWidget()
        self._words = words = plain(QVBoxLayout(summary), space * 2)
        words.addWidget(self.reasons)
        words.addStretch(1)
        words.addWidget(self.counters)
        self.aside = QStackedWidget()
        self.aside.addWidget(summary)
        self.aside.addWidget(self.analysis.panels)
        right = QWidget()
        self._side = side = QVBoxLayout(right)
        side.setContentsMargins(space, 0, 0, 0)
        side.setSpacing(space * 2)
        side.addWidget(self.tile)
        side.addWidget(self.aside, 1)
        self.buttons = QWidget()
        buttons = plain(QHBoxLayout(self.buttons), space)
        for button in (self.start_button, self.stop_button, self.trigger_button):
            buttons.addWidget(button, 1)
        side.addWidget(self.buttons)
        self.splitter = two_thirds(left, right)
        page = QVBoxLayout()
        page.setContentsMargins(space * 2, space * 2, space * 2, space)
        page.setSpacing(space)
        page.addWidget(self.tools)
        page.addWidget(self.splitter, 1)
        page.addWidget(self.filmstrip)
        self.normal = QWidget()
        normal = plain(QVBoxLayout(self.normal), 0)
        normal.addLayout(page, 1)
        normal.addWidget(self.status)
        whole = plain(QVBoxLayout(self), 0)
        whole.addWidget(self.normal, 1)
        whole.addWidget(self.operator, 1)

    def _show_operator(self, on: bool) -> None:
        """Show the operator view or the normal page; the picture belongs to the one that is shown."""
        self.normal.setVisible(not on)
        self.operator.setVisible(on)
        if on:
            self.operator.take_picture(self.views)
        else:
            self._views_box.addWidget(self.views, 1)
            self.views.show()

    def name_widgets(self) -> None:
        """Set all texts, in the window's language."""
        texts = (
            (self.start_button, self.tr("Start"), self.tr("Start inspecting")),
            (self.stop_button, self.tr("Stop"), self.tr("Stop inspecting")),
            (self.trigger_button, self.tr("Trigger"), self.tr("Inspect one part now")),
        )
        for button, text, tip in texts:
            button.setText(text)
            button.setAccessibleName(text)
            button.setToolTip(plain_tip(tip))
        self.fullscreen_button.setAccessibleName(self.tr("Full screen"))
        self.fullscreen_button.setToolTip(self.tr("Operator view on the full screen (F11)"))
        self.help_button.setAccessibleName(self.tr("Keys"))
        self.help_button.setToolTip(self.tr("What the keys do (F1)"))
        self.tab_bar.setAccessibleName(self.tr("Views"))
        self.tab_bar.setTabText(0, self.tr("Live"))
        for index, entry in enumerate(TABS.values(), start=1):
            self.tab_bar.setTabText(index, QCoreApplication.translate("tabs", entry.label))
        self.feed.set_hint(self.tr("Ready"), self.tr("Press Start (F5) to inspect the line."))
        self.restyle()

    def restyle(self) -> None:
        self.start_button.setIcon(theme.icon("start", "on_accent"))
        self.stop_button.setIcon(theme.icon("stop"))
        self.trigger_button.setIcon(theme.icon("trigger"))
        self.fullscreen_button.setIcon(theme.icon("fullscreen"))
        self.help_button.setIcon(theme.icon("help"))

    def _size_tile(self) -> None:
        """Set the tile's width: smaller when the tabs' panels need room, never less than a fifth of the window."""
        height = self.window().height()
        low = height < LOW
        share = ANALYSIS_TILE_SHARE if low or self.tab_bar.currentIndex() else TILE_SHARE
        self.tile.setFixedHeight(round(height * share))
        self.reasons.set_lines(2 if low else 3)
        for column in (self._side, self._words):
            column.setSpacing(theme.SPACING if low else theme.SPACING * 2)

    def _place_banners(self) -> None:
        """Place the banners over the top of the picture, which is not current while there is a problem."""
        corner = self.views.mapTo(self, QPoint(0, 0))
        width = self.views.width()
        self.banners.setGeometry(corner.x(), corner.y(), width, max(self.banners.heightForWidth(width), 0))
        self.banners.raise_()
