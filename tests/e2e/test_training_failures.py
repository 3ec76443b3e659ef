"""A training from the command line that comes to harm: an exit code, one sentence with what to do, and a way to go on."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import psutil
import pytest

pytest.importorskip("torch")

from inspector.runs.folder import read_curves, read_run, resumable
from inspector.training.state import RunState, run_info
from inspector.workers.outcome import Cause
from tests.e2e.helpers import COMMAND, ROOT, Ended, assert_one_sentence, inspector
from tests.ml.making import FOLDERS
from tests.ml.planted import PLANTED, planted

pytestmark = [
    pytest.mark.timeout(600),
    pytest.mark.skipif(sys.platform != "linux", reason="limits, users and signals of Linux"),
]

NOBODY = 65534
STEPS, BEFORE = 3, 3  # steps of an epoch; whole epochs before the harm
TINY = ("--size", "32", "--option", "head=gap", "--option", "filters=4", "--batch", "4", "--lr", "0.01", "--threads", "1")
SHARES = ("--val", "0.25", "--test", "0.25")


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder with data in it."""
    FOLDERS["classification"](tmp_path / "place" / "data", 24)
    return tmp_path / "place"


def training(place: Path, *, epochs: int = 6) -> list[str]:
    """The arguments of a training of a few seconds."""
    files = ("--data", str(place / "data"), "--out", str(place / "bundle"))
    return ["train", "--task", "classification", *files, *TINY, *SHARES, "--epochs", str(epochs)]


def told(arguments: list[str], environment: Mapping[str, str], *, as_user: tuple[str, ...] = ()) -> Ended:
    """Run a command whose workers know the planted network. `as_user`: what comes before it, from `ordinary`."""
    done = subprocess.run(
        [*as_user, *PLANTED, *arguments],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        cwd=ROOT,
        env={**os.environ, "PYTHONUTF8": "1", "NO_COLOR": "1", **environment},
        timeout=300,
        check=False,
    )
    last = [line for line in done.stderr.decode().splitlines() if line.startswith("inspector:")]
    return Ended(done.returncode, done.stdout.decode(), "\n".join(last) or done.stderr.decode())


@pytest.fixture
def ordinary() -> tuple[str, ...]:
    """What makes a command run as somebody whom the permissions of files count for: for root all files are open. Skips where
    root cannot give that up.
    """
    if os.geteuid() != 0:
        return ()
    command = ("setpriv", "--bounding-set=-dac_override,-dac_read_search")
    if shutil.which("setpriv") is None or subprocess.run([*command, "true"], capture_output=True, check=False).returncode:
        pytest.skip("root cannot give up its rights over files here")
    return command


def goes_on(run: Path, *, as_user: tuple[str, ...] = ()) -> None:
    """The command that the sentence names brings the run to its end."""
    before = [row["loss"] for row in read_curves(run)][:BEFORE]
    ended = told(["train", "--resume", str(run)], planted("memory", step=10_000), as_user=as_user)
    assert ended.code == 0, ended.said()
    rows = read_curves(run)
    assert [row["epoch"] for row in rows] == [1, 2, 3, 4, 5, 6]
    assert [row["loss"] for row in rows[:BEFORE]] == before
    assert run_info(run).state is RunState.DONE


@pytest.mark.parametrize(
    ("harm", "problem", "remedy"),
    [
        ("memory", "The memory was not enough", "Use smaller batches"),
        ("segmentation fault", "ended unexpectedly (SIGSEGV)", "report it with the details"),
    ],
)
def test_a_training_that_fails_says_why_and_how_to_go_on(place: Path, harm: str, problem: str, remedy: str) -> None:
    ended = told(training(place), planted(harm, step=BEFORE * STEPS + 2))
    run = place / "bundle.run"
    assert ended.code == 1, ended.said()
    assert "Traceback" not in ended.stderr
    assert len(ended.stderr.splitlines()) == 1, ended.said()
    for words in (problem, remedy, f"inspector train --resume {run}"):
        assert words in ended.stderr, ended.said()
    assert not (place / "bundle").exists()
    if harm == "memory":
        goes_on(run)


def test_a_folder_of_somebody_else_is_told_before_anything_is_read(place: Path, ordinary: tuple[str, ...]) -> None:
    if ordinary:
        os.chown(place, NOBODY, NOBODY)
    place.chmod(0o755 if ordinary else 0o555)
    try:
        ended = told(training(place), planted("memory", step=10_000), as_user=ordinary)
    finally:
        place.chmod(0o777)
    assert_one_sentence(ended, 2, f"Nothing can be written to {place} (Permission denied)", "Choose another folder")
    assert [path.name for path in place.iterdir()] == ["data"]


def test_a_run_folder_that_is_closed_meanwhile_keeps_its_epochs_and_goes_on(place: Path, ordinary: tuple[str, ...]) -> None:
    run = place / "bundle.run"
    ended = told(training(place), planted("closed folder", step=BEFORE * STEPS + 2, place=run), as_user=ordinary)
    assert ended.code == 1, ended.said()
    assert len(ended.stderr.splitlines()) == 1, ended.said()
    assert "Permission denied" in ended.stderr, ended.said()
    assert "choose a folder" in ended.stderr, ended.said()
    info = run_info(run)
    assert (info.state, info.outcome and info.outcome.cause) == (RunState.FAILED, Cause.DISK)
    assert resumable(run)
    run.chmod(0o755)
    goes_on(run, as_user=ordinary)


def test_a_worker_whose_parent_is_killed_ends_and_its_run_goes_on(place: Path) -> None:
    run = place / "bundle.run"
    parent = subprocess.Popen(
        [*COMMAND, *training(place, epochs=10_000)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        end = time.monotonic() + 300
        while len(read_curves(run)) < BEFORE:
            assert time.monotonic() < end
            assert parent.poll() is None
            time.sleep(0.05)
        worker = psutil.Process(read_run(run).pid)
    finally:
        os.kill(parent.pid, signal.SIGKILL)
        parent.wait()
    worker.wait(60)
    info = run_info(run)
    assert info.outcome is not None
    assert (info.state, info.outcome.cause) == (RunState.FAILED, Cause.PARENT)
    said = inspector("runs", "show", run)
    assert "The program that had started the work was closed or ended." in said.stdout, said.said()
    assert f"inspector train --resume {run}" in said.stdout, said.said()
    assert info.resumable
    assert len(read_curves(run)) >= BEFORE
