"""An installed program tests itself after its start and says what is broken; after an update it says so once."""

import json
import sys
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from pytestqt.qtbot import QtBot

from inspector import __version__
from inspector.core.errors import InspectorError
from inspector.core.message import message
from inspector.core.sentence import sentence
from inspector.core.storage.paths import user_data
from inspector.tuning.plan import Machine
from inspector.tuning.self_test import FILE, EngineTest, SelfTest, keep
from inspector.ui.manual.topics import text_of
from inspector.ui.shell.diagnostics.start_test import StartTest, updated
from inspector.ui.shell.main_window import MainWindow
from inspector.ui.shell.settings import Settings

_PROBLEM = {
    "check": "engine openvino",
    "status": "problem",
    "text": "openvino 2026.4.1: OpenVINO cannot be loaded (file too short).",
}
_LINES = [{"check": "program", "status": "ok", "text": "fine"}, _PROBLEM, {"summary": {"ok": 1, "note": 0, "problem": 1}}]


def _saying(lines: list[dict[str, object]], ending: str) -> list[str]:
    text = "\n".join(json.dumps(line) for line in lines)
    return [sys.executable, "-c", f"import os, sys; print({text!r}, flush=True); {ending}"]


@pytest.mark.allow_logs("self-test: openvino 2026.4.1: OpenVINO cannot be loaded")
def test_what_is_broken_is_told_in_a_sentence(qtbot: QtBot, window: MainWindow) -> None:
    test = StartTest(window, command=_saying(_LINES, "sys.exit(1)"))
    test.failed.connect(window.show_error)
    with qtbot.waitSignal(test.finished):
        test.begin()
    (said,) = window.inspect.banners.problems().values()
    assert said.startswith(
        "The self-test of this program failed: openvino 2026.4.1: OpenVINO cannot be loaded (file too short)."
    )
    assert "Install the program again" in said


@pytest.mark.allow_logs("self-test: ")
@pytest.mark.skipif(sys.platform == "win32", reason="a crash on Windows opens a dialog")
def test_a_library_that_ends_the_process_and_a_program_that_is_gone(qtbot: QtBot) -> None:
    for command in (_saying([], "os.abort()"), ["/no/such/program"]):
        told: list[InspectorError] = []
        test = StartTest(command=command)
        test.failed.connect(told.append)
        with qtbot.waitSignal(test.finished):
            test.begin()
        assert len(told) == 1


@pytest.mark.allow_logs("self-test: not finished")
def test_a_test_that_gets_no_time_is_not_called_a_failure(qtbot: QtBot) -> None:
    told: list[InspectorError] = []
    test = StartTest(command=[sys.executable, "-c", "import time; time.sleep(60)"], longest_ms=100)
    test.failed.connect(told.append)
    with qtbot.waitSignal(test.finished):
        test.begin()
    (said,) = told
    assert "was not finished in" in said.problem.text
    assert said.remedy is not None
    assert said.remedy.text.startswith("It runs again at the next start.")


def test_a_healthy_program_says_nothing_and_runs_behind_everything_else(qtbot: QtBot) -> None:
    told: list[InspectorError] = []
    waiting = "import time\nwhile sys.platform != 'win32' and os.nice(0) != 19: time.sleep(0.01)"
    test = StartTest(command=[sys.executable, "-c", f"import os, sys\n{waiting}"])
    test.failed.connect(told.append)
    with qtbot.waitSignal(test.finished):
        test.begin()
    assert told == []


def test_an_update_is_told_once(settings: Settings) -> None:
    assert updated(settings) is None  # the first start
    assert settings.layout.version == __version__
    assert updated(settings) is None
    settings.remember(replace(settings.layout, version="0.0.9"))
    news = updated(settings)
    assert news is not None
    assert "before, version 0.0.9 ran here" in news[0].text
    assert updated(settings) is None


def test_the_manual_tells_what_changed_in_this_version() -> None:
    assert __version__.startswith("0+") or f"\n## {__version__}\n" in text_of("changes")


def test_about_shows_the_last_self_test(window: MainWindow) -> None:
    machine = Machine(processor="a processor", cores=2)
    passed = EngineTest(engine="openvino", version="2026.4.1", milliseconds=1.23, images=88)
    broken = message("{label} cannot be loaded ({detail}).", label="ONNX Runtime", detail="file too short")
    failed = EngineTest(engine="onnxruntime", version="1.32.0", problem=sentence(broken))
    keep(SelfTest(created=datetime.now(UTC), machine=machine, bundle="plate", engines=(passed, failed)))
    about = window.help.manual.about
    about.refresh()
    (user_data() / FILE).unlink()
    _when, first, second = about.output.toPlainText().splitlines()
    assert first == "OpenVINO 2026.4.1: 1.2 ms an image, and its answers to 88 reference images are right."
    assert second == "ONNX Runtime 1.32.0 failed: ONNX Runtime cannot be loaded (file too short)."
