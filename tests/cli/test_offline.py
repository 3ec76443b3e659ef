"""Nothing leaves the PC: in an empty network and an empty home, no command calls anybody or leaves a foreign file."""

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path

import cv2
import numpy as np
import pytest

from inspector.core.storage.paths import models

# In these onnxruntime is silent by itself, so that its telemetry is never seen by tests.
SIGNS_OF_CI = (
    *("CI", "TF_BUILD", "GITHUB_ACTIONS", "GITLAB_CI", "CIRCLECI", "TRAVIS", "JENKINS_URL", "CODEBUILD_BUILD_ID", "BUILDKITE"),
    *("TEAMCITY_VERSION", "ORT_DISABLE_TELEMETRY"),
)
ROOT = Path(__file__).parents[2]
BUNDLE = models() / "window-state"
SESSION = f"import onnxruntime; onnxruntime.InferenceSession({str(BUNDLE / 'model.onnx')!r})"
ENGINE = f"""
from inspector.engines.onnx_runtime import OnnxRuntimeEngine
from inspector.bundles.bundle import Bundle
from pathlib import Path
OnnxRuntimeEngine(Bundle.open(Path({str(BUNDLE)!r}))).close()
"""
WORKER = f"""
from inspector.engines.remote import RemoteEngine
from inspector.bundles.bundle import Bundle
from pathlib import Path
RemoteEngine(Bundle.open(Path({str(BUNDLE)!r})), engine="onnxruntime").close()
"""


def environment(home: Path) -> Mapping[str, str]:
    kept = {name: value for name, value in os.environ.items() if name not in SIGNS_OF_CI and not name.startswith("XDG_")}
    return {**kept, "HOME": str(home), "PYTHONPATH": str(ROOT)}


@pytest.fixture(scope="module")
def isolated() -> Sequence[str]:
    """What a command line begins with, to run in a network of its own with nothing in it."""
    if sys.platform != "linux" or shutil.which("unshare") is None or shutil.which("strace") is None:
        pytest.skip("needs unshare and strace of Linux")
    alone = ["unshare", "--map-root-user", "--net"]
    refused = subprocess.run(
        [*alone, "strace", "-f", "-qq", "-e", "trace=none", "true"], capture_output=True, check=False
    ).stderr
    if refused:
        pytest.skip(f"this system allows no network namespace with strace in it: {refused.decode().strip()}")
    return alone


def traced(isolated: Sequence[str], arguments: Sequence[str], home: Path, trace: Path) -> tuple[list[str], list[str]]:
    """(files left in the home, system calls that are a network's) of a Python command."""
    home.mkdir()
    watch = ["strace", "-f", "-qq", "-e", "trace=network", "-e", "signal=none", "-o", str(trace)]
    done = subprocess.run(
        [*isolated, *watch, sys.executable, "-P", *arguments],
        env=environment(home),
        capture_output=True,
        check=False,
        cwd=home.parent,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr.decode()
    files = [str(path.relative_to(home)) for path in sorted(home.rglob("*")) if path.is_file()]
    calls = [line for line in trace.read_text("utf-8").splitlines() if "AF_INET" in line or "nscd" in line]
    return files, calls


def test_onnxruntime_by_itself_leaves_a_device_id(isolated: Sequence[str], tmp_path: Path) -> None:
    """The test below can fail: this is what it would find."""
    files, _ = traced(isolated, ["-c", SESSION], tmp_path / "home", tmp_path / "trace")
    if not files:
        pytest.skip("this onnxruntime has no telemetry")
    assert any("onnxruntime" in file for file in files)


@pytest.mark.parametrize("command", ["doctor", "run", "predict", "import", "worker"])
def test_a_command_calls_nobody_and_leaves_nothing_foreign(command: str, isolated: Sequence[str], tmp_path: Path) -> None:
    if command == "doctor" and find_spec("PySide6") is None:
        pytest.skip("without Qt the doctor has something to complain of")
    picture = tmp_path / "part.png"
    cv2.imwrite(str(picture), np.full((128, 128, 3), 90, np.uint8))
    program = ["-m", "inspector", command]
    arguments = {
        "doctor": program,
        "run": [*program, "--engine", "onnxruntime", "--limit", "3"],
        "predict": [*program, str(picture), "--model", str(BUNDLE), "--engine", "onnxruntime"],
        "import": ["-c", ENGINE],
        "worker": ["-c", WORKER],
    }[command]
    files, calls = traced(isolated, arguments, tmp_path / "home", tmp_path / "trace")
    assert [file for file in files if "inspector" not in Path(file).parts] == []
    assert calls == []
