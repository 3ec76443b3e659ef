"""A training from the command line that comes to harm: an exit code, one sentence with what to do, and a way to go on."""

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import psutil
import pytest

pytest.importorskip("torch")

from inspector.core.outcome import Cause
from inspector.core.runs import read_curves, read_run, resumable
from inspector.station.runs import RunState, run_info
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
def place() -> Iterator[Path]:
    """A folder that every user may look into and write to, with data in it."""
    with tempfile.TemporaryDirectory(prefix="inspector-test-") as name:
        folder = Path(name)
        folder.chmod(0o777)
        FOLDERS["classification"](folder / "data", 24)
        yield folder


def training(place: Path, *, epochs: int = 6) -> list[str]:
    """The arguments of a training of a few seconds."""
    files = ("--data", str(place / "data"), "--out", str(place / "bundle"))
    return ["train", "--task", "classification", *files, *TINY, *SHARES, "--epochs", str(epochs)]


def told(arguments: list[str], environment: Mapping[str, str], *, user: int | None = None) -> Ended:
    """Run a command whose workers know the planted network; as another user, if one is given."""
    done = subprocess.run(
        [*PLANTED, *arguments],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        cwd=ROOT,
        env={**os.environ, "PYTHONUTF8": "1", "NO_COLOR": "1", **environment},
        timeout=300,
        check=False,
        user=user,
        group=user,
        extra_groups=None if user is None else [],
    )
    last = [line for line in done.stderr.decode().splitlines() if line.startswith("inspector:")]
    return Ended(done.returncode, done.stdout.decode(), "\n".join(last) or done.stderr.decode())


def homes(place: Path) -> dict[str, str]:
    """Settings and caches in a folder of their own: the test's own home is not for other users."""
    return {
        name: str(place / "home") for name in ("HOME", "XDG_DATA_HOME", "XDG_CONFIG_HOME", "XDG_CACHE_HOME", "XDG_STATE_HOME")
    }


@pytest.fixture
def nobody(place: Path) -> dict[str, str]:
    """The environment of a user without rights. Skips where there can be none that reads the program."""
    if os.geteuid() != 0:
        pytest.skip("only root can become another user")
    (place / "home").mkdir()
    (place / "home").chmod(0o777)
    environment = homes(place)
    try:
        can = subprocess.run(
            [sys.executable, "-c", "import inspector.core.runs, torch"],
            cwd=ROOT,
            env={**os.environ, **environment},
            capture_output=True,
            check=False,
            user=NOBODY,
            group=NOBODY,
            extra_groups=[],
        ).returncode
    except OSError:
        can = 1
    if can != 0:
        pytest.skip("another user cannot read the program here")
    return environment


def goes_on(run: Path, environment: Mapping[str, str] | None = None, *, user: int | None = None) -> None:
    """The command that the sentence names brings the run to its end."""
    before = [row["loss"] for row in read_curves(run)][:BEFORE]
    ended = told(["train", "--resume", str(run)], {**(environment or {}), **planted("memory", step=10_000)}, user=user)
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


def test_a_folder_that_may_not_be_written_to_is_told_before_anything_is_read(place: Path, nobody: Mapping[str, str]) -> None:
    place.chmod(0o755)  # root's, so that others may only read
    ended = told(training(place), {**nobody, **planted("memory", step=10_000)}, user=NOBODY)
    assert_one_sentence(ended, 2, f"Nothing can be written to {place} (Permission denied)", "Choose another folder")
    assert sorted(path.name for path in place.iterdir()) == ["data", "home"]


def test_a_run_folder_that_is_closed_meanwhile_keeps_its_epochs_and_goes_on(place: Path, nobody: Mapping[str, str]) -> None:
    run = place / "bundle.run"
    harm = planted("closed folder", step=BEFORE * STEPS + 2, place=run)
    ended = told(training(place), {**nobody, **harm}, user=NOBODY)
    assert ended.code == 1, ended.said()
    assert len(ended.stderr.splitlines()) == 1, ended.said()
    assert "Permission denied" in ended.stderr, ended.said()
    assert "choose a folder" in ended.stderr, ended.said()
    info = run_info(run)
    assert (info.state, info.outcome and info.outcome.cause) == (RunState.FAILED, Cause.DISK)
    assert resumable(run)
    run.chmod(0o755)
    goes_on(run, nobody, user=NOBODY)


def test_a_worker_whose_parent_is_killed_ends_and_its_run_goes_on(place: Path) -> None:
    run = place / "bundle.run"
    parent = subprocess.Popen(
        [*COMMAND, *training(place, epochs=100_000)],
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
