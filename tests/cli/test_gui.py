"""The window's command where there is no screen."""

import os
import subprocess
import sys

import pytest

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
