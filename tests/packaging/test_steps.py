"""The steps of the checks: a line that fails fails its step, and those after it run all the same."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGING = Path(__file__).resolve().parents[2] / "packaging"
PLANTED = """
set -euo pipefail
source "$1/setup.sh"
source "$1/steps.sh"
fails() { (exit 7); echo went on; }
asks() { echo "$missing"; echo went on; }
works() { echo worked; }
"""
pytestmark = pytest.mark.skipif(sys.platform != "linux" or shutil.which("bash") is None, reason="needs bash")


def _run(steps: str) -> "subprocess.CompletedProcess[str]":
    command = ["bash", "-c", PLANTED + steps, "planted", str(PACKAGING)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


def test_a_line_that_fails_fails_its_step_and_the_next_one_runs() -> None:
    done = _run("step one fails; step two asks; step three works; step four stop 'no more' 4; end_of_steps")
    assert done.returncode == 1
    assert "went on" not in done.stdout
    assert "=== one: FAILED with exit code 7 " in done.stdout
    assert "=== three: passed " in done.stdout
    assert "=== four: FAILED with exit code 4 " in done.stdout
    assert done.stdout.endswith("\nfailed: one,two,four\n")


def test_a_lane_in_the_background_keeps_its_failures() -> None:
    done = _run('lane() { step one fails; [ ${#failed[@]} -eq 0 ]; }\nlane & wait $! || failed+=("a lane")\nend_of_steps')
    assert done.returncode == 1
    assert "went on" not in done.stdout
    assert done.stdout.endswith("\nfailed: a lane\n")


def test_steps_in_a_condition_are_refused() -> None:
    done = _run("all() { step one fails; }\nall && echo passed; end_of_steps")
    assert done.returncode == 1
    assert "went on" not in done.stdout
    assert "passed" not in done.stdout
    assert "'one' is called in a condition" in done.stderr


def test_all_passed() -> None:
    done = _run("step one works; end_of_steps")
    assert done.returncode == 0, done.stderr
    assert "worked" in done.stdout
