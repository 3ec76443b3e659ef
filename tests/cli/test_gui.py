"""The window's command where there is no screen, and where it is asked to end."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

import pytest

from inspector.recipes.automatic import recipe_for
from inspector.recipes.document import save_recipe

SCREEN = ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM")


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="Windows and macOS always have a screen")
@pytest.mark.parametrize("display", [None, ":987"])
def test_without_a_display_there_is_a_sentence_instead_of_an_abort(display: str | None) -> None:
    environment = {name: value for name, value in os.environ.items() if name not in SCREEN}
    if display is not None:
        environment["DISPLAY"] = display
    done = subprocess.run([sys.executable, "-m", "inspector"], env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert done.stderr == "inspector: There is no display here. Use `inspector run`, or start this in a desktop session.\n"


def _wait_for_records(saved: Path, runs: int, process: "subprocess.Popen[str]") -> list[dict[str, object]]:
    """The records of the newest of so many runs, once there are a few."""
    until = time.monotonic() + 90
    while True:
        files = sorted(saved.glob("*/results.jsonl"))
        if len(files) == runs and files[-1].read_bytes().count(b"\n") > 3:
            return [json.loads(line) for line in files[-1].read_bytes().split(b"\n")[:-1]]
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < until
        time.sleep(0.05)


@pytest.mark.skipif(find_spec("PySide6") is None, reason="Qt is not installed here")
@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
def test_after_a_kill_the_window_goes_on_with_the_same_recipe_and_mode(
    demo_bundles: Mapping[str, Path], tmp_path: Path
) -> None:
    """Killed while it ran, and started again without a word of what to do; the file has another mode by then."""
    saved, settings, path = tmp_path / "saved", tmp_path / "window.toml", tmp_path / "mine.toml"
    settings.write_text(f'[preferences]\nsave_to = "{saved}"\n', encoding="utf-8")
    recipe = recipe_for([demo_bundles["window-state"]], "simulated:visible", name="mine")
    save_recipe(recipe, path)
    environment = os.environ | {"QT_QPA_PLATFORM": "offscreen", "XDG_DATA_HOME": str(tmp_path / "data")}
    command = [sys.executable, "-m", "inspector", "gui", "--settings", str(settings)]
    started = (["--recipe", str(path), "--start"], [])
    for number, arguments in enumerate(started, start=1):
        process = subprocess.Popen([*command, *arguments], env=environment, stderr=subprocess.PIPE, text=True)
        try:
            records = _wait_for_records(saved, number, process)
            if number == 2:
                process.send_signal(signal.SIGTERM)
                process.communicate(timeout=60)
        finally:
            process.kill()
            process.communicate()
        assert {record["recipe"] for record in records} == {"mine"}
        if number == 1:
            save_recipe(recipe.model_copy(update={"mode": "triggered"}), path, like=path.read_text("utf-8"))
    # An orderly end is none to go on from.
    assert not list((tmp_path / "data").rglob("line.json"))


@pytest.mark.skipif(find_spec("PySide6") is None, reason="Qt is not installed here")
@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_stops_the_line_in_order_and_everything_judged_is_saved(tmp_path: Path, number: int) -> None:
    saved = tmp_path / "saved"
    settings = tmp_path / "window.toml"
    settings.write_text(f'[preferences]\nsave_to = "{saved}"\n', encoding="utf-8")
    environment = os.environ | {"QT_QPA_PLATFORM": "offscreen"}
    command = [sys.executable, "-m", "inspector", "gui", "--start", "--settings", str(settings)]
    process = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)
    try:
        until = time.monotonic() + 90
        while not any(len(file.read_bytes().splitlines()) > 3 for file in saved.glob("*/results.jsonl")):
            assert process.poll() is None, process.communicate()
            assert time.monotonic() < until
            time.sleep(0.05)
        process.send_signal(number)
        _, said = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 0, said
    assert "Traceback" not in said
    (run,) = saved.iterdir()
    *records, last = [json.loads(line) for line in (run / "results.jsonl").read_text("utf-8").splitlines()]
    assert last["summary"]["parts"] == len(records)
    assert [record["sequence"] for record in records] == list(range(len(records)))
    pictures = {f"overlays/{path.name}" for path in (run / "overlays").iterdir()}
    assert pictures == {name for record in records for name in record["overlays"]}
    assert (run / "report.html").is_file()
