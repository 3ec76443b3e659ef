"""The window with the real station on the demo line, and its picture of itself."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
from PySide6.QtGui import QImage
from pytestqt.qtbot import QtBot

from inspector.core.types import Verdict
from inspector.recipes.locate import demo_recipe
from inspector.ui.inspect.page import InspectPage
from inspector.ui.inspect.station_worker import StationWorker
from inspector.ui.shell.main_window import MainWindow
from inspector.ui.shell.settings import Settings


def _parts(page: InspectPage) -> int:
    return int(page.counters.total.value)


def test_the_demo_line_runs_in_the_window(qtbot: QtBot, settings: Settings, demo_bundles: Mapping[str, Path]) -> None:
    window = MainWindow(settings, StationWorker())
    window.worker.start()
    window.show()
    page = window.inspect
    page.open_recipe(demo_recipe())
    try:
        page.start()
        qtbot.waitUntil(lambda: bool(page.banners.problems()) or _parts(page) >= 6, timeout=90_000)
        assert not page.banners.problems()
        assert page.tile.verdict in set(Verdict)
        assert page.feed.inspection is not None
        assert page.feed.inspection.predictions
        page.stop()
        qtbot.waitUntil(lambda: page.tile.text == "STOPPED", timeout=20_000)
    finally:
        window.close_now()
        window.deleteLater()


def test_the_real_station_says_what_a_missing_bundle_is(qtbot: QtBot, settings: Settings, tmp_path: Path) -> None:
    recipe = tmp_path / "r.toml"
    recipe.write_text(
        'name = "Nothing"\n[cameras.a]\nsource = "simulated:visible"\n[[inspect]]\nbundle = "nowhere"\ncamera = "a"\n'
    )
    window = MainWindow(settings, StationWorker())
    window.worker.start()
    window.show()
    page = window.inspect
    page.open_recipe(recipe)
    try:
        page.start()
        qtbot.waitUntil(lambda: bool(page.banners.problems()), timeout=20_000)
        assert "nowhere" in next(iter(page.banners.problems().values()))
        qtbot.waitUntil(lambda: page.tile.text == "STOPPED")
    finally:
        window.close_now()
        window.deleteLater()


@pytest.mark.parametrize(("language", "theme", "page"), [("ja", "dark", "settings"), ("en", "light", "inspect")])
def test_the_program_takes_a_picture_of_its_window(tmp_path: Path, language: str, theme: str, page: str) -> None:
    """In a fresh process, without torch in it."""
    file = tmp_path / "window.png"
    arguments = ["gui", "--screenshot", str(file), "--page", page, "--size", "1366x768", "--parts", "0"]
    arguments += ["--lang", language, "--theme", theme]
    code = (
        "import json, sys\nfrom inspector.cli.main import run\n"
        f"code = run(json.loads({json.dumps(json.dumps(arguments))}))\n"
        "assert not [name for name in sys.modules if name.split('.')[0] in ('torch', 'torchvision', 'timm')]\n"
        "sys.exit(code)"
    )
    environment = os.environ | {"QT_QPA_PLATFORM": "offscreen"}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=90, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    image = QImage(str(file))
    assert (image.width(), image.height()) == (1366, 768)
    assert (image.pixelColor(700, 740).lightness() < 100) == (theme == "dark")


def test_a_picture_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    file = tmp_path / "no" / "folder" / "window.png"
    environment = os.environ | {"QT_QPA_PLATFORM": "offscreen"}
    command = [sys.executable, "-m", "inspector", "gui", "--screenshot", str(file), "--parts", "0"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=90, check=False)
    assert done.returncode == 1
    assert str(file) in done.stderr
