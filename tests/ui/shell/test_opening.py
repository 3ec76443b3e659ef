"""A window that starts: on the screen before its pages are loaded, with the picture in it that was asked for."""

import importlib
import io
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import PIL.Image
import pytest
from PySide6.QtCore import QEvent, QObject
from PySide6.QtGui import QImage
from PySide6.QtWidgets import QApplication, QWidget
from pytestqt.qtbot import QtBot

from inspector.imaging.files import read_image
from inspector.ui.inspect.station_worker import StationWorker
from inspector.ui.shell import strings, theme
from inspector.ui.shell.main_window import PAGES, MainWindow
from inspector.ui.shell.opening import plain_picture
from inspector.ui.shell.settings import Layout, Settings
from tests.ui.line_double import Conductor

# What a page may need and the window may not: each costs more than the window itself.
HEAVY = (
    *(
        "torch",
        "torchvision",
        "openvino",
        "onnxruntime",
        "pyqtgraph",
        "numpy",
        "cv2",
        "PIL",
        "pydantic",
        "psutil",
        "yaml",
        "importlib.metadata",
    ),
    *(
        "inspector.core.types",
        "inspector.station",
        "inspector.inspection",
        "inspector.tuning",
        "inspector.recipes",
        "inspector.cameras",
        "inspector.engines",
    ),
    *(
        "inspector.tasks",
        "inspector.ui.inspect.page",
        "inspector.ui.review.page",
        "inspector.ui.shell.settings_page",
        "inspector.ui.training",
    ),
)

STARTED = """
import json, sys
from pathlib import Path
from inspector.ui.shell import app, pages
heavy = json.loads(sys.argv[1])
found = {}
look = app.MainWindow.load
def load(window, then):
    def painted():
        found["painted"] = [name for name in heavy if name in sys.modules]
        found["picture"] = window.pages.opening.picture is not None
    def loaded(name):
        if all(window.pages.has(page) for page in pages.MODULES):
            found["loaded"] = [name for name in heavy if name in sys.modules]
            app.QCoreApplication.exit(0)
    look(window, then)
    window.pages.opening.painted.connect(painted)
    window.pages.loaded.connect(loaded)
app.MainWindow.load = load
app.launch(app.Options(open=Path(sys.argv[2]), settings=Path(sys.argv[3])))
print(json.dumps(found))
"""


def photograph(*, seed: int = 0, size: tuple[int, int] = (97, 64)) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    noise = np.random.default_rng(seed).integers(0, 256, (size[1] // 4, size[0] // 4, 3), np.uint8)
    return np.asarray(cv2.resize(noise, size, interpolation=cv2.INTER_CUBIC), np.uint8)


def save(path: Path, picture: PIL.Image.Image, **options: object) -> Path:
    picture.save(path, **options)  # type: ignore[arg-type]
    return path


def pixels(image: QImage) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    """As `read_image` gives them: [H, W] or [H, W, 3]."""
    grey = image.format() == QImage.Format.Format_Grayscale8
    form = QImage.Format.Format_Grayscale8 if grey else QImage.Format.Format_RGB888
    image = image.convertToFormat(form)
    rows = np.frombuffer(image.constBits(), np.uint8).reshape(image.height(), image.bytesPerLine())
    depth = 1 if grey else 3
    kept = rows[:, : image.width() * depth].reshape(image.height(), image.width(), depth)
    return (kept[..., 0] if grey else kept).copy()  # the rows are the image's own


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    return save(tmp_path / "part.png", PIL.Image.fromarray(photograph()))


@pytest.fixture
def starting(qtbot: QtBot, conductor: Conductor, settings: Settings, tmp_path: Path) -> Iterator[MainWindow]:
    """A window that loads its pages, not shown yet."""
    made = MainWindow(settings, StationWorker(factory=conductor), runs=tmp_path / "runs")
    made.worker.start()
    made.resize(1366, 768)
    yield made
    made.close_now()
    made.deleteLater()
    strings.set_language("en")
    app = QApplication.instance()
    assert isinstance(app, QApplication)
    theme.apply(app, "light")


# What comes before the first picture


def test_nothing_heavy_is_loaded_before_the_window_shows_the_picture(picture: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", STARTED, json.dumps(HEAVY), str(picture), str(tmp_path / "window.toml")],
        env={**os.environ, "QT_QPA_PLATFORM": "offscreen"},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["picture"]
    assert found["painted"] == []
    assert {"numpy", "cv2", "pydantic", "inspector.ui.review.page", "inspector.ui.inspect.page"} <= set(
        found["loaded"]
    )  # the probe sees them
    assert not {"torch", "torchvision"} & set(found["loaded"])


# The picture that is shown at once is the one that is shown in the end


@pytest.mark.parametrize("mode", ["RGB", "L"])
@pytest.mark.parametrize("suffix", ["png", "jpg"])
def test_a_plain_picture_is_what_the_whole_way_reads(tmp_path: Path, mode: str, suffix: str) -> None:
    path = save(tmp_path / f"part.{suffix}", PIL.Image.fromarray(photograph()).convert(mode))
    shown = plain_picture(path)
    assert shown is not None
    exact = read_image(path).pixels
    assert pixels(shown).shape == exact.shape
    # Two builds of libjpeg may round differently.
    assert np.abs(pixels(shown).astype(int) - exact.astype(int)).max() <= (0 if suffix == "png" else 3)


def turned() -> PIL.Image.Exif:
    exif = PIL.Image.Exif()
    exif[274] = 6
    return exif


def jpeg(**options: object) -> bytes:
    buffer = io.BytesIO()
    PIL.Image.fromarray(photograph()).save(buffer, "JPEG", **options)
    return buffer.getvalue()


def png(picture: PIL.Image.Image, **options: object) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", **options)  # type: ignore[arg-type]
    return buffer.getvalue()


def segment(marker: int, body: bytes) -> bytes:
    return bytes((0xFF, marker)) + (len(body) + 2).to_bytes(2, "big") + body


RGB = PIL.Image.fromarray(photograph())
OTHERS = {
    "turned by the camera": jpeg(exif=turned()),
    "temperatures": jpeg()[:2] + segment(0xE1, b"FLIR\0\1\0\0rest") + jpeg()[2:],
    "cut short jpeg": jpeg()[:-200],
    "four inks": (lambda b: (RGB.convert("CMYK").save(b, "JPEG"), b.getvalue())[1])(io.BytesIO()),
    "16 bits": png(PIL.Image.fromarray(np.arange(97 * 64, dtype=np.uint16).reshape(64, 97))),
    "16 bits a colour": bytes(cv2.imencode(".png", photograph().astype(np.uint16) * 257)[1]),
    "transparent": png(RGB.convert("RGBA")),
    "one colour transparent": png(RGB, transparency=(1, 2, 3)),
    "palette": png(RGB.quantize(16)),
    "black and white": png(RGB.convert("1")),
    "animated": png(RGB, save_all=True, append_images=[RGB.transpose(PIL.Image.Transpose.ROTATE_180)]),
    "cut short png": png(RGB)[:-200],
    "damaged png": png(RGB)[:400] + b"\0\0\0\0" + png(RGB)[404:],
    "no picture": b"nothing of the kind",
    "empty": b"",
}


@pytest.mark.parametrize("name", OTHERS)
def test_anything_else_takes_the_whole_way(tmp_path: Path, name: str) -> None:
    path = tmp_path / "part.png"
    path.write_bytes(OTHERS[name])
    assert plain_picture(path) is None


def test_what_is_no_file_takes_the_whole_way(tmp_path: Path) -> None:
    assert plain_picture(tmp_path) is None
    assert plain_picture(tmp_path / "nothing-here.png") is None
    large = save(tmp_path / "large.png", PIL.Image.new("L", (4000, 3100)))
    assert plain_picture(large) is None


# From the first picture to the pages


def test_the_picture_is_there_first_and_the_page_takes_its_place(starting: MainWindow, qtbot: QtBot, picture: Path) -> None:
    begun: list[str] = []
    starting.load(lambda: begun.append("then"))
    starting.open_path(picture)
    starting.show()
    opening = starting.pages.opening
    assert starting.page == "review"
    assert starting.rail.buttons["review"].isChecked()
    assert starting.pages.currentWidget() is opening
    grabbed = starting.grab().toImage()
    middle = opening.mapTo(starting, opening.rect().center())
    exact = read_image(picture).pixels[32, 48]
    seen = grabbed.pixelColor(middle.x(), middle.y())
    assert np.abs(np.array([seen.red(), seen.green(), seen.blue()]) - exact.astype(int)).max() < 24  # it is enlarged
    qtbot.waitUntil(lambda: starting.pages.currentWidget() is starting.review, timeout=20_000)
    frame = starting.review.analysis.current().canvas.frame
    assert frame is not None
    assert np.array_equal(frame.pixels, read_image(picture).pixels)
    assert opening.picture is None
    qtbot.waitUntil(lambda: begun == ["then"], timeout=20_000)


def test_a_picture_that_cannot_be_read_opens_the_page_with_the_reason(
    starting: MainWindow, qtbot: QtBot, tmp_path: Path
) -> None:
    (tmp_path / "part.png").write_bytes(OTHERS["cut short png"])
    starting.load(lambda: None)
    starting.open_path(tmp_path / "part.png")
    starting.show()
    assert starting.pages.opening.picture is None
    qtbot.waitUntil(lambda: starting.pages.currentWidget() is not starting.pages.opening, timeout=20_000)
    assert starting.pages.currentWidget() is starting.review
    qtbot.waitUntil(lambda: starting.review.outcome.inspection is not None, timeout=20_000)
    assert "damaged" in str(starting.review.outcome.inspection.reasons[0])  # type: ignore[union-attr]


def test_another_page_chosen_meanwhile_is_shown_and_stays(starting: MainWindow, qtbot: QtBot, picture: Path) -> None:
    starting.load(lambda: None)
    starting.open_path(picture)
    starting.show()
    starting.rail.buttons["settings"].click()
    assert starting.page == "settings"
    qtbot.waitUntil(lambda: starting.pages.currentWidget() is starting.settings_page, timeout=20_000)
    qtbot.waitUntil(lambda: all(starting.pages.has(page) for page in PAGES), timeout=20_000)
    assert starting.pages.currentWidget() is starting.settings_page
    starting.rail.buttons["review"].click()
    qtbot.waitUntil(lambda: starting.pages.currentWidget() is starting.review, timeout=20_000)
    qtbot.waitUntil(lambda: starting.review.analysis.current().canvas.frame is not None, timeout=20_000)


@pytest.mark.parametrize("page", PAGES)
def test_the_page_of_the_last_time_opens_first(
    qtbot: QtBot, conductor: Conductor, settings: Settings, tmp_path: Path, page: str
) -> None:
    settings.remember(Layout(page=page, tab="thermal"))
    window = MainWindow(settings, StationWorker(factory=conductor), runs=tmp_path / "runs")
    window.load(lambda: None)
    window.show()
    assert window.page == page
    assert window.pages.currentWidget() is window.pages.opening
    qtbot.waitUntil(lambda: window.pages.currentWidget() is not window.pages.opening, timeout=20_000)
    widgets = {name: name for name in PAGES} | {"settings": "settings_page"}
    assert window.pages.currentWidget() is getattr(window, widgets[page])
    window.close()
    assert Settings(tmp_path / "window.toml").layout.tab == "thermal"  # also where its page was never made
    window.deleteLater()


def test_a_window_closed_at_once_leaves_nothing_behind(
    starting: MainWindow, qtbot: QtBot, picture: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = threading.Event()

    def from_a_slow_disk(name: str) -> None:
        begun.set()
        time.sleep(0.3)

    monkeypatch.setattr(importlib, "import_module", from_a_slow_disk)
    starting.load(lambda: pytest.fail("nothing is to be done in a closed window"))
    starting.open_path(picture)
    starting.show()
    qtbot.waitUntil(begun.is_set)
    starting.close()
    qtbot.wait(500)
    assert not {"inspect", "review", "train", "settings_page"} & set(vars(starting))


def test_keys_and_commands_work_while_it_loads(starting: MainWindow, qtbot: QtBot) -> None:
    starting.load(lambda: None)
    starting.show()
    starting.actions_by_name["help"].trigger()
    assert starting.help.manual.isVisible()
    starting.actions_by_name["leave"].trigger()
    assert not starting.help.manual.isVisible()
    starting.actions_by_name["page_train"].trigger()
    assert starting.page == "train"
    starting.actions_by_name["fullscreen"].trigger()
    assert starting.operator_view
    starting.actions_by_name["leave"].trigger()
    qtbot.waitUntil(lambda: all(starting.pages.has(page) for page in PAGES), timeout=20_000)
    assert starting.pages.currentWidget() is starting.inspect


# A page that is made later


def test_a_page_made_later_has_the_language_and_the_colours_of_now(window: MainWindow, settings: Settings) -> None:
    made = set(vars(window))
    assert not {"review", "train", "settings_page"} & made
    settings.choose(language="ja", theme="dark", temperature="K")
    try:
        words = {"review": "すべての部品", "train": "新しい学習", "settings": "設定"}
        for page in words:
            window.show_page(page)
            QApplication.processEvents()
            shown = window.pages.currentWidget()
            image = window.grab().toImage()
            corner = shown.mapTo(window, shown.rect().bottomRight())
            assert image.pixelColor(corner.x() - 3, corner.y() - 3).lightness() < 80
        assert window.review.filter.itemText(0) == "すべての部品"
        assert window.train.new.text() == "新しい学習"
        assert window.settings_page.choosers["language"].currentText() == "日本語"
        assert window.review.analysis.tabs["thermal"].unit.current() == "K"  # type: ignore[attr-defined] - of the thermal tab
    finally:
        settings.choose(language="en", theme="light", temperature="C")
    QApplication.processEvents()  # hidden pages are told, too
    assert window.train.new.text() == "New training"


class _Strays(QObject):
    """Notes every window that is shown besides the one that is meant."""

    def __init__(self, meant: QWidget) -> None:
        super().__init__(meant)
        self.seen: list[QObject] = []
        self._meant = meant

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        shown = event.type() == QEvent.Type.Show and isinstance(watched, QWidget) and watched.isWindow()
        if shown and watched is not self._meant:
            self.seen.append(watched)
        return False


def test_no_part_of_a_page_is_a_window_for_a_moment(
    qtbot: QtBot, conductor: Conductor, settings: Settings, tmp_path: Path
) -> None:
    window = MainWindow(settings, StationWorker(factory=conductor), runs=tmp_path / "runs")
    app = QApplication.instance()
    assert app is not None
    strays = _Strays(window)
    app.installEventFilter(strays)
    window.show()
    for page in PAGES:
        window.show_page(page)
        QApplication.processEvents()
    window.help.open()
    window.show_defect(ValueError("planned"))
    app.removeEventFilter(strays)
    assert strays.seen == []
    window.close()
    window.deleteLater()
