"""The analysis tabs on an inspection with known contents."""

import numpy as np
import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtGui import QGuiApplication
from pytestqt.qtbot import QtBot

from inspector.core.registry import TABS
from inspector.core.types import Inspection, Prediction, Scores, Verdict
from inspector.recipes.recipe import Recipe
from inspector.ui.shell import theme
from inspector.ui.shell.main_window import MainWindow
from inspector.ui.tabs.base import AnalysisTab
from inspector.ui.tabs.detection import DetectionTab
from inspector.ui.tabs.histogram import Histogram
from inspector.ui.tabs.segmentation import SegmentationTab
from inspector.ui.tabs.tabs import AnalysisTabs
from inspector.ui.tabs.thermal import ThermalTab
from tests.ui.making import INNER, make_boxes, make_frame, make_inspection, make_kelvin, make_recipe, picture_of


@pytest.fixture
def recipe() -> Recipe:
    return make_recipe()


@pytest.fixture
def inspection(recipe: Recipe) -> Inspection:
    return make_inspection(recipe)


@pytest.fixture
def tabs(qtbot: QtBot, inspection: Inspection, recipe: Recipe) -> AnalysisTabs:
    tabs = AnalysisTabs()
    tabs.resize(1200, 800)
    qtbot.addWidget(tabs, before_close_func=AnalysisTabs.close_workers)
    tabs.show()
    tabs.set_inspection(inspection, recipe)
    return tabs


def show(tabs: AnalysisTabs, name: str) -> None:
    tabs.setCurrentIndex(list(tabs.tabs).index(name))


def detection(tabs: AnalysisTabs) -> DetectionTab:
    show(tabs, "detection")
    tab = tabs.current()
    assert isinstance(tab, DetectionTab)
    return tab


def segmentation(tabs: AnalysisTabs) -> SegmentationTab:
    show(tabs, "segmentation")
    tab = tabs.current()
    assert isinstance(tab, SegmentationTab)
    return tab


def thermal(tabs: AnalysisTabs) -> ThermalTab:
    show(tabs, "thermal")
    tab = tabs.current()
    assert isinstance(tab, ThermalTab)
    return tab


def column(tab: DetectionTab | SegmentationTab | ThermalTab, number: int) -> list[str]:
    table = tab.legend if isinstance(tab, SegmentationTab) else tab.table
    return [table.item(row, number).text() for row in range(table.rowCount())]


def test_every_tab_of_the_registry_is_there_and_named(tabs: AnalysisTabs) -> None:
    assert list(tabs.tabs) == list(TABS)
    assert [tabs.tabText(n) for n in range(tabs.count())] == [entry.label for entry in TABS.values()]


def test_the_recipe_s_threshold_decides_at_first(tabs: AnalysisTabs) -> None:
    tab = detection(tabs)
    assert tab.threshold.value() == 0.5
    assert column(tab, 1) == ["0.90", "0.60"]
    assert [mark.label for mark in tab.canvas.overlays.boxes] == ["scratch 0.90", "stain 0.60"]
    assert not tab.threshold.reset.isEnabled()


def test_the_threshold_slider_filters_and_the_verdict_follows(tabs: AnalysisTabs) -> None:
    tab = detection(tabs)
    assert tab.verdict_word.text() == "OK"
    tab.threshold.set_value(0.25)
    assert column(tab, 1) == ["0.90", "0.60", "0.30"]
    assert len(tab.canvas.overlays.boxes) == 3
    assert tab.verdict_word.text() == "NG"
    assert "3 found, more than 2" in tab.reasons.text()
    tab.threshold.set_value(0.75)
    assert column(tab, 1) == ["0.90"]
    tab.threshold.reset.click()
    assert tab.threshold.value() == 0.5
    assert tab.verdict_word.text() == "OK"


def test_a_tried_threshold_lasts_over_the_next_part_but_not_over_another_recipe(tabs: AnalysisTabs, recipe: Recipe) -> None:
    tab = detection(tabs)
    tab.threshold.set_value(0.25)
    tabs.set_inspection(make_inspection(recipe), recipe)
    assert tab.threshold.value() == 0.25
    other = make_recipe(boxes=0.7)
    tabs.set_inspection(make_inspection(other), other)
    assert tab.threshold.value() == 0.7


def test_selecting_a_row_highlights_the_box_and_back(tabs: AnalysisTabs, qtbot: QtBot) -> None:
    tab = detection(tabs)
    before = picture_of(tab.canvas)
    tab.table.selectRow(1)
    assert tab.link.selection("boxes:boxes:visible") == 1
    assert (picture_of(tab.canvas) != before).any()
    x, y = tab.canvas.placement().to_view(12, 12)
    qtbot.mouseClick(tab.canvas, Qt.MouseButton.LeftButton, pos=QPoint(round(x), round(y)))
    assert tab.table.selected_key() == 0


def test_the_table_sorts_numbers_as_numbers_and_is_copied(tabs: AnalysisTabs) -> None:
    tab = detection(tabs)
    tab.threshold.set_value(0.0)
    tab.table.sortItems(2, Qt.SortOrder.AscendingOrder)
    assert column(tab, 2) == ["10×15", "20×10", "30×20"]
    assert column(tab, 3) == ["5.0×7.5", "10.0×5.0", "15.0×10.0"]
    tab.copy.click()
    lines = QGuiApplication.clipboard().text().splitlines()
    assert lines[0] == "Class\tScore\tSize px\tSize mm"
    assert lines[1] == "scratch\t0.30\t10×15\t5.0×7.5"
    assert len(lines) == 4
    tab.table.selectRow(0)
    tab.copy.click()
    assert len(QGuiApplication.clipboard().text().splitlines()) == 2


def test_the_selection_survives_a_change_of_the_threshold(tabs: AnalysisTabs) -> None:
    tab = detection(tabs)
    tab.table.selectRow(1)
    tab.threshold.set_value(0.2)
    assert tab.table.selected_key() == 1


def test_areas_in_px_and_mm_by_class(tabs: AnalysisTabs) -> None:
    tab = segmentation(tabs)
    assert column(tab, 0) == ["scratch", "stain"]
    assert column(tab, 1) == ["1", "1"]
    assert column(tab, 2) == ["20", "100"]
    assert column(tab, 3) == ["5.0", "25.0"]
    tab.threshold.set_value(0.7)  # the stain has a certainty of 0.6
    assert column(tab, 2) == ["20", "0"]


def test_mask_opacity_and_labels(tabs: AnalysisTabs) -> None:
    tab = segmentation(tabs)
    tab.opacity.set_value(0.8)
    assert tab.canvas.opacity == 0.8
    assert [mark.label for mark in tab.canvas.overlays.boxes] == ["stain 25.0 mm²", "scratch 5.0 mm²"]
    tab.labels.setChecked(False)
    assert tab.canvas.overlays.boxes == ()
    assert len(tab.canvas.overlays.layers) == 1


def test_the_verdict_follows_the_mask_threshold(tabs: AnalysisTabs) -> None:
    strict = make_recipe(area_limit=110.0)
    tabs.set_inspection(make_inspection(strict), strict)
    tab = segmentation(tabs)
    assert tab.verdict_word.text() == "NG"  # 120 px > 110 px
    tab.threshold.set_value(0.7)
    assert tab.verdict_word.text() == "OK"


def test_temperatures_say_where_they_come_from(tabs: AnalysisTabs) -> None:
    tab = thermal(tabs)
    texts = {name: label.text() for name, label in tab.values.items()}
    assert texts["maximum"] == f"{353.5 - 273.15:.1f} °C"
    assert texts["mean"] == f"{326.75 - 273.15:.1f} °C"
    assert texts["minimum"] == f"{300 - 273.15:.1f} °C"
    assert texts["source"] == "measured by the camera"
    assert texts["network"].startswith(f"{350 - 273.15:.1f}")


def test_kelvin_and_celsius(tabs: AnalysisTabs) -> None:
    tab = thermal(tabs)
    assert (tab.low.value(), tab.high.value()) == (20.0, 110.0)  # the limit is 90: the range is not that of the frame
    tab.unit.buttons["K"].click()
    assert tab.values["maximum"].text() == "353.5 K"
    assert tab.low.value() == pytest.approx(293.15, abs=0.06)
    assert column(tab, 1) == ["353.5", "307.0"]
    assert [mark.label for mark in tab.canvas.overlays.spots] == ["1: 353.5 K", "2: 307.0 K"]
    tab.unit.buttons["C"].click()
    assert column(tab, 1) == ["80.4", "33.9"]


def test_palettes_colour_the_frame_and_the_bar(tabs: AnalysisTabs, qtbot: QtBot) -> None:
    tab = thermal(tabs)
    seen = []
    for index in range(tab.palette_choice.count()):
        tab.palette_choice.setCurrentIndex(index)
        seen.append((picture_of(tab.canvas), picture_of(histogram(tab, qtbot))))
        assert tab.canvas.display.palette == tab.palette_choice.currentData()
    assert len({picture.tobytes() for picture, _ in seen}) == 5
    assert len({bar.tobytes() for _, bar in seen}) == 5


def test_a_manual_range_is_kept_over_units_and_frames(tabs: AnalysisTabs, recipe: Recipe) -> None:
    tab = thermal(tabs)
    tab.span.setCurrentIndex(tab.span.findData("locked"))
    tab.low.setValue(30.0)
    tab.high.setValue(50.0)
    assert tab.canvas.display.low == pytest.approx(303.15)
    tab.unit.buttons["K"].click()
    assert tab.low.value() == pytest.approx(303.15, abs=0.06)
    hotter = {"visible": make_frame(), "thermal": make_kelvin()}
    tabs.set_inspection(make_inspection(recipe, frames=hotter), recipe)
    assert tab.canvas.display.low == pytest.approx(303.15, abs=0.06)
    assert tab.canvas.display.high == pytest.approx(323.15, abs=0.06)


def histogram(tab: ThermalTab, qtbot: QtBot) -> Histogram:
    """It comes once the tab has been painted."""
    qtbot.waitUntil(lambda: tab.histogram is not None)
    assert tab.histogram is not None
    return tab.histogram


def test_the_histogram_counts_every_pixel_and_its_band_is_the_range(tabs: AnalysisTabs, qtbot: QtBot) -> None:
    tab = thermal(tabs)
    shown = histogram(tab, qtbot)
    pixels = make_kelvin().pixels
    counts, edges = np.histogram(pixels, len(shown.counts))
    assert (shown.counts == counts).all()
    assert np.allclose(shown.edges, edges)
    assert shown.band_range() == pytest.approx((293.15, 383.15), abs=0.01)
    tab.unit.buttons["K"].click()
    assert shown.band.getRegion() == pytest.approx((293.15, 383.15), abs=0.01)


def test_dragging_the_band_sets_the_colours(tabs: AnalysisTabs, qtbot: QtBot, recipe: Recipe) -> None:
    tab = thermal(tabs)
    shown = histogram(tab, qtbot)
    before = picture_of(tab.canvas)
    shown.band.setRegion((40.0, 50.0))  # what a drag does
    assert tab.span.currentData() == "locked"
    assert (tab.low.value(), tab.high.value()) == (40.0, 50.0)
    assert (tab.canvas.display.low, tab.canvas.display.high) == (pytest.approx(313.15), pytest.approx(323.15))
    assert (picture_of(tab.canvas) != before).any()
    tabs.set_inspection(make_inspection(recipe), recipe)
    assert shown.band_range() == pytest.approx((313.15, 323.15), abs=0.06)  # the next part keeps it
    shown.band.setRegion((45.0, 45.0))
    assert tab.high.value() > tab.low.value()
    tab.span.setCurrentIndex(tab.span.findData("automatic"))
    assert shown.band_range() == pytest.approx((293.15, 383.15), abs=0.06)


def test_a_finger_can_step_the_range(tabs: AnalysisTabs, qtbot: QtBot) -> None:
    tab = thermal(tabs)
    tab.span.setCurrentIndex(tab.span.findData("locked"))
    tab.low.setValue(30.0)
    tab.low.more.click()
    assert tab.low.value() == 31.0
    assert tab.canvas.display.low == pytest.approx(304.15)
    tab.low.less.click()
    assert tab.low.value() == 30.0
    assert min(tab.low.less.width(), tab.low.less.height()) >= theme.TOUCH


def test_the_temperature_under_the_cursor_is_exact(tabs: AnalysisTabs, qtbot: QtBot) -> None:
    tab = thermal(tabs)
    x, y = tab.canvas.placement().to_view(21.5, 8.5)
    qtbot.mouseMove(tab.canvas, QPoint(round(x), round(y)))
    assert tab.cursor_value.text() == f"{300 + 21 + 4 - 273.15:.1f} °C"


def test_a_hot_spot_is_selected_from_the_table(tabs: AnalysisTabs) -> None:
    tab = thermal(tabs)
    tab.table.selectRow(1)
    assert tab.link.selection("hot spots") == 1


def test_a_kelvin_frame_without_a_bundle_is_measured(qtbot: QtBot, recipe: Recipe) -> None:
    tab = ThermalTab()
    qtbot.addWidget(tab)
    tab.show()
    whole = make_inspection(recipe)
    bare = Inspection("P", 0, Verdict.OK, (), whole.frames, (make_boxes(),), "r", 1, 1.0)
    tab.set_inspection(bare, recipe)
    pixels = make_kelvin().pixels
    assert tab.values["mean"].text() == f"{float(np.mean(pixels)) - 273.15:.1f} °C"
    assert "whole frame" in tab.note.text()


def test_tabs_without_their_prediction_say_so(qtbot: QtBot, recipe: Recipe) -> None:
    tabs = AnalysisTabs()
    qtbot.addWidget(tabs, before_close_func=AnalysisTabs.close_workers)
    tabs.show()
    frames = {"visible": make_frame()}
    boxes = Inspection("P", 0, Verdict.OK, (), frames, (make_boxes(),), "r", 1, 1.0)
    tabs.set_inspection(boxes, recipe)
    for name in ("segmentation", "thermal"):
        show(tabs, name)
        assert tabs.current().note.text()
        picture_of(tabs.current())
    none = Inspection("P", 0, Verdict.NOT_INSPECTED, (), frames, (), "r", 1, 1.0)
    tabs.set_inspection(none, recipe)
    show(tabs, "detection")
    assert tabs.current().note.text() == "Nothing was predicted for this part."
    tabs.set_inspection(None, None)
    assert tabs.current().canvas.frame is None


def test_only_the_tab_in_sight_works(tabs: AnalysisTabs, recipe: Recipe) -> None:
    show(tabs, "detection")
    other = make_inspection(recipe, frames={"visible": make_frame(), "thermal": make_kelvin()})
    tabs.set_inspection(other, recipe)
    assert tabs.tabs["detection"].canvas.frame is other.frames["visible"]
    assert tabs.tabs["segmentation"].canvas.frame is not other.frames["visible"]
    show(tabs, "segmentation")
    assert tabs.tabs["segmentation"].canvas.frame is other.frames["visible"]


def test_zoom_is_shared_between_the_tabs(tabs: AnalysisTabs) -> None:
    detection(tabs).canvas.zoom_in()
    scale = detection(tabs).canvas.placement().scale
    assert segmentation(tabs).canvas.placement().scale == pytest.approx(scale)


def test_everything_pressed_is_large_enough_and_named(tabs: AnalysisTabs) -> None:
    from PySide6.QtWidgets import QAbstractButton, QAbstractSlider, QComboBox, QScrollBar

    from inspector.ui.shell import theme

    for name in tabs.tabs:
        show(tabs, name)
        kinds = (QAbstractButton, QComboBox, QAbstractSlider)
        found = [child for kind in kinds for child in tabs.current().findChildren(kind) if child.isVisible()]
        controls = [child for child in found if not isinstance(child, QScrollBar)]
        assert controls
        for control in controls:
            if control.parent().metaObject().className().startswith("QTable"):
                continue
            assert control.accessibleName(), (name, control)
            if isinstance(control, QAbstractButton | QComboBox):
                assert control.height() >= theme.TOUCH, (name, control.accessibleName(), control.height())


def test_what_a_classifier_says_stands_at_its_region(qtbot: QtBot, recipe: Recipe) -> None:
    tab = DetectionTab()
    qtbot.addWidget(tab)
    tab.show()
    scores = Prediction("state", "classification", "visible", ("good", "bad"), INNER, Scores(np.array([0.1, 0.9], np.float32)))
    frames = {"visible": make_frame(), "thermal": make_kelvin()}
    tab.set_inspection(Inspection("P", 0, Verdict.NG, (), frames, (scores,), "r", 1, 1.0), recipe)
    assert [(mark.region, mark.label) for mark in tab.canvas.overlays.regions] == [(INNER, "bad 0.90")]


def test_on_a_small_screen_the_picture_comes_first_and_nothing_is_lost_in_a_copy(tabs: AnalysisTabs) -> None:
    tab = detection(tabs)
    assert not tab.table.isColumnHidden(2)
    tabs.resize(820, 500)
    assert tab.canvas.width() > 400
    assert tab.table.isColumnHidden(2)
    assert "10×15" not in tab.table.as_text()
    tab.threshold.set_value(0.1)
    assert "10×15" in tab.table.as_text()


def test_the_panel_fits_its_narrowest_width(tabs: AnalysisTabs) -> None:
    tabs.resize(820, 600)
    for name in tabs.tabs:
        show(tabs, name)
        side = tabs.current().side
        assert side.minimumSizeHint().width() <= side.parentWidget().width(), name


def test_panels_can_be_shown_apart_from_their_pictures(qtbot: QtBot, inspection: Inspection, recipe: Recipe) -> None:
    tabs = AnalysisTabs(apart=True)
    qtbot.addWidget(tabs, before_close_func=AnalysisTabs.close_workers)
    qtbot.addWidget(tabs.panels)
    tabs.resize(820, 500)
    tabs.show()
    tabs.panels.show()
    tabs.set_inspection(inspection, recipe)
    for name, tab in tabs.tabs.items():
        show(tabs, name)
        assert tab.side_scroll.isVisible()
        assert tabs.panels.currentWidget().isAncestorOf(tab.side_scroll)
        assert tab.canvas.width() >= 560
    tab = segmentation(tabs)
    assert tab.legend.rowCount() == 2
    assert tab.threshold.isVisible()


def test_a_tab_is_made_when_it_is_shown_as_the_others_were_told(qtbot: QtBot, inspection: Inspection, recipe: Recipe) -> None:
    tabs = AnalysisTabs()
    qtbot.addWidget(tabs, before_close_func=AnalysisTabs.close_workers)
    tabs.set_unit("K")
    tabs.set_plain(True)
    tabs.set_inspection(inspection, recipe)
    assert tabs.findChildren(AnalysisTab) == []
    tabs.choose("detection")
    tabs.show()
    assert [type(tab) for tab in tabs.findChildren(AnalysisTab)] == [TABS["detection"].load()]
    show(tabs, "thermal")
    thermal = tabs.findChildren(AnalysisTab)[-1]
    assert thermal is tabs.tabs["thermal"]
    assert thermal.inspection is inspection
    assert thermal.unit.current() == "K"  # type: ignore[attr-defined] - of the thermal tab


def test_a_view_that_is_chosen_is_the_only_tab_that_is_made(window: MainWindow) -> None:
    window.inspect.choose_tab("segmentation")
    assert [type(tab) for tab in window.inspect.analysis.findChildren(AnalysisTab)] == [SegmentationTab]
