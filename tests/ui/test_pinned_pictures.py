"""Pictures of the widgets that paint themselves, held against pinned ones.

A picture that changed fails its test and is written to pytest's temporary folder. Look at it; if it is meant to look so,
copy it over the pinned one in `tests/ui/pinned/`, or run with INSPECTOR_PIN=1, which writes them all anew.
"""

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PySide6.QtGui import QImage
from PySide6.QtWidgets import QWidget
from pytestqt.qtbot import QtBot

from inspector.core.types import Verdict
from inspector.inspection.status import StageStats
from inspector.tasks.masks import class_map
from inspector.ui.canvas.canvas import Canvas
from inspector.ui.canvas.overlays import ClassLayer, Overlays, box_marks, region_mark
from inspector.ui.inspect.panels.takt_meter import Gauge
from inspector.ui.inspect.panels.takt_waterfall import Waterfall
from inspector.ui.inspect.panels.verdict_tile import VerdictTile
from inspector.ui.review.timeline import TimeLine
from inspector.ui.shell import theme
from inspector.ui.tabs.histogram import Histogram
from tests.ui.making import make_boxes, make_frame, make_kelvin, make_mask

PINNED = Path(__file__).with_name("pinned")
NEAR = 24  # of 255: antialiasing differs by so much between versions of a font library
FAR_SHARE = 0.004  # of the pixels may differ by more


def tile(verdict: Verdict) -> Callable[[], QWidget]:
    def make() -> QWidget:
        made = VerdictTile()
        made.set_verdict(verdict, "P000042")
        return made

    return make


def photograph() -> NDArray[np.uint8]:
    """80 x 60 of a smooth gradient with a bright bar, the same at every run."""
    y, x = np.mgrid[0:60, 0:80]
    pixels = np.stack([80 + x, 90 + y, np.full_like(x, 110)], axis=-1).astype(np.uint8)
    pixels[28:32, 20:60] = 230
    return pixels


def canvas_with_boxes() -> QWidget:
    made = Canvas()
    made.show_frame(make_frame(photograph()))
    made.set_overlays(Overlays(boxes=box_marks(make_boxes(), 0.5)))
    return made


def canvas_with_areas() -> QWidget:
    made = Canvas()
    made.show_frame(make_frame(photograph()))
    areas = make_mask()
    layer = ClassLayer(areas.region, class_map(areas, 0.5))
    made.set_overlays(Overlays(regions=(region_mark(areas),), layers=(layer,)))
    return made


def waterfall() -> QWidget:
    made = Waterfall()
    rows = {
        "grab": StageStats(p50_ms=4, p99_ms=9),
        "prepare": StageStats(p50_ms=2, p99_ms=3),
        "infer": StageStats(p50_ms=20, p99_ms=30),
        "verdict": StageStats(p50_ms=0.5, p99_ms=1),
    }
    made.show_rows(rows, 50.0)
    return made


def gauge() -> QWidget:
    made = Gauge()
    made.show_shares(0.55, 1.2)
    return made


def thermal_bar() -> QWidget:
    made = Histogram()
    made.show_frame(make_kelvin(), 305.0, 345.0, "iron", "C")
    return made


def time_line() -> QWidget:
    made = TimeLine()
    made.set_count(24)
    for index in range(20):
        made.set_verdict(index, (Verdict.OK, Verdict.OK, Verdict.NG, Verdict.REVIEW, Verdict.NOT_INSPECTED)[index % 5])
    made.setValue(7)
    return made


PICTURES: dict[str, tuple[Callable[[], QWidget], tuple[int, int]]] = {
    "tile-ok": (tile(Verdict.OK), (320, 176)),
    "tile-ng": (tile(Verdict.NG), (320, 176)),
    "tile-not-inspected": (tile(Verdict.NOT_INSPECTED), (320, 176)),
    "canvas-boxes": (canvas_with_boxes, (480, 360)),
    "canvas-areas": (canvas_with_areas, (480, 360)),
    "waterfall": (waterfall, (520, 200)),
    "gauge": (gauge, (240, 16)),
    "thermal-bar": (thermal_bar, (120, 320)),
    "time-line": (time_line, (480, 56)),
}


def pixels_of(image: QImage) -> NDArray[np.int16]:
    rgb = image.convertToFormat(QImage.Format.Format_RGB888)
    rows = np.frombuffer(rgb.constBits(), np.uint8).reshape(rgb.height(), rgb.bytesPerLine())
    return rows[:, : rgb.width() * 3].reshape(rgb.height(), rgb.width(), 3).astype(np.int16)


@pytest.mark.parametrize(
    ("name", "mode"), [*((name, "light") for name in PICTURES), ("thermal-bar", "dark"), ("waterfall", "dark")]
)
def test_the_widget_looks_as_pinned(qapp: object, qtbot: QtBot, tmp_path: Path, name: str, mode: str) -> None:
    theme.apply(qapp, mode)  # type: ignore[arg-type]  # the application of the fixture
    try:
        make, size = PICTURES[name]
        widget = make()
        qtbot.addWidget(widget)
        widget.resize(*size)
        widget.ensurePolished()
        image = QImage(*size, QImage.Format.Format_RGB32)
        image.fill(theme.current().color("window"))
        widget.render(image)
    finally:
        theme.apply(qapp, "light")  # type: ignore[arg-type]
    pinned = PINNED / f"{name}-{mode}.png"
    if os.environ.get("INSPECTOR_PIN") == "1":
        PINNED.mkdir(exist_ok=True)
        assert image.save(str(pinned))
    fresh = tmp_path / pinned.name
    assert image.save(str(fresh))
    expected = QImage(str(pinned))
    assert (expected.width(), expected.height()) == size, f"{pinned} is missing or of another size; the new one is {fresh}"
    apart = np.abs(pixels_of(image) - pixels_of(expected)).max(axis=-1) > NEAR
    assert apart.mean() <= FAR_SHARE, f"{apart.mean():.2%} of the pixels differ from {pinned}; the new picture is {fresh}"
