"""What really goes wrong in a training: each ends in a typed outcome with a remedy, and the whole epochs before it are kept."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("torch")

from inspector.runs.folder import MESSAGES, WORKER_LOG, create_run, read_curves, read_run, write_run
from inspector.runs.settings import TrainSettings
from inspector.training.state import RunInfo, RunState, run_info, settle_run
from inspector.workers.jobs import TrainJob
from inspector.workers.outcome import Cause, End
from inspector.workers.process import WorkerProcess
from tests.ml.making import FOLDERS, tiny
from tests.ml.planted import plant

pytestmark = [pytest.mark.timeout(600), pytest.mark.skipif(sys.platform != "linux", reason="limits and signals of Linux")]

LIMIT_S = 200.0
STEPS = 3  # of an epoch
BEFORE = 3  # whole epochs before the harm
HARMED = BEFORE * STEPS + 2


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> TrainSettings:
    folder = tmp_path_factory.mktemp("harm")
    return tiny("classification", FOLDERS["classification"](folder / "data", 24), folder / "unused", name="run")


@pytest.fixture(scope="module")
def curve(settings: TrainSettings) -> list[float]:
    """The losses of a training that nothing happens to."""
    settings = settings.model_copy(update={"out": settings.out.with_name("whole"), "run": settings.out.with_name("whole.run")})
    folder = create_run(settings)
    assert trained(settings, folder).state is RunState.DONE
    return losses(folder)


@pytest.fixture
def little_memory() -> Iterator[Path]:
    """A control group whose processes may have 48 MB together. Skips where none may be made."""
    for root, limit in (("/sys/fs/cgroup/memory", "memory.limit_in_bytes"), ("/sys/fs/cgroup", "memory.max")):
        group = Path(root) / f"inspector-test-{os.getpid()}"
        try:
            group.mkdir()
            (group / limit).write_text(str(48 << 20), "ascii")
        except OSError:
            if group.is_dir():
                group.rmdir()
            continue
        yield group
        group.rmdir()
        return
    pytest.skip("no control group with a limit can be made here")


def losses(folder: Path) -> list[float]:
    return [row["loss"] for row in read_curves(folder)]


def trained(settings: TrainSettings, folder: Path) -> RunInfo:
    """How a run ended, as window and command line read it from its folder."""
    job = WorkerProcess(TrainJob(settings=settings.model_copy(update={"run": folder}).model_dump(mode="json")))
    outcome = job.wait(LIMIT_S)
    job.close()
    assert outcome is not None
    settle_run(folder, outcome)
    return run_info(folder)


def harmed(patch: pytest.MonkeyPatch, place: Path, settings: TrainSettings, harm: str, what: Path | None = None) -> RunInfo:
    """A run with its folder in `place` that comes to harm."""
    asked = settings.model_copy(update={"run": place / "run", "out": place / "bundle"})
    with patch.context() as planted:
        plant(planted, harm, step=HARMED, place=what)
        return trained(asked, create_run(asked))


def check(info: RunInfo, cause: Cause, problem: str, remedy: str, whole: list[float]) -> None:
    """It ended so, in one sentence with what to do, and all epochs before the harm are there to go on from."""
    outcome = info.outcome
    assert outcome is not None
    assert outcome.cause is cause, outcome
    assert problem in str(info.sentence), outcome
    assert remedy in str(info.remedy), outcome
    assert "\n" not in f"{info.sentence}{info.remedy}"
    assert info.resumable
    assert info.bundle is None
    assert not (info.folder.parent / "bundle").exists()
    assert losses(info.folder)[:BEFORE] == whole[:BEFORE]
    assert not list(info.folder.glob(".*")), "half-written files"


def goes_on(info: RunInfo, whole: list[float]) -> None:
    """Once the trouble is over it comes to the end it would have come to."""
    settings = info.record.train_settings()
    assert trained(settings, create_run(settings, resume=True)).state is RunState.DONE
    assert losses(info.folder) == whole


@pytest.mark.parametrize(
    ("harm", "cause", "problem", "remedy"),
    [
        pytest.param("memory", Cause.MEMORY, "The memory was not enough", "Use smaller batches", id="memory"),
        pytest.param("broken card", Cause.DEVICE, "CUDA error: an illegal memory", "update the driver", id="cuda"),
        pytest.param("full card", Cause.MEMORY, "CUDA out of memory. Tried", "Use smaller batches", id="cuda memory"),
    ],
)
def test_what_a_library_raises(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    settings: TrainSettings,
    curve: list[float],
    harm: str,
    cause: Cause,
    problem: str,
    remedy: str,
) -> None:
    info = harmed(monkeypatch, tmp_path, settings, harm)
    assert info.state is RunState.FAILED
    check(info, cause, problem, remedy, curve)


def test_a_segmentation_fault_is_told_with_the_line_that_caused_it_and_the_run_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: TrainSettings, curve: list[float]
) -> None:
    info = harmed(monkeypatch, tmp_path, settings, "segmentation fault")
    assert info.state is RunState.CRASHED
    check(info, Cause.CRASH, "ended unexpectedly (SIGSEGV)", "Go on from the last epoch", curve)
    assert info.outcome is not None
    assert "string_at" in info.outcome.details  # for the report
    goes_on(info, curve)


@pytest.mark.alone
def test_a_process_that_the_system_ends_for_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: TrainSettings, curve: list[float], little_memory: Path
) -> None:
    info = harmed(monkeypatch, tmp_path, settings, "ended for memory", little_memory)
    assert info.state is RunState.CRASHED
    check(info, Cause.MEMORY, "the system ended the worker process (SIGKILL)", "Use smaller batches", curve)


def test_a_disk_that_fills_up_and_is_cleared(
    monkeypatch: pytest.MonkeyPatch, settings: TrainSettings, curve: list[float], small_disk: Path
) -> None:
    info = harmed(monkeypatch, small_disk, settings, "full disk", small_disk)
    assert info.state is RunState.FAILED
    check(info, Cause.DISK, "No space left on device", "Free some space", curve)
    (small_disk / "ballast").unlink()
    goes_on(info, curve)


def test_a_crash_that_nobody_watched_is_known_by_its_last_words(tmp_path: Path, settings: TrainSettings) -> None:
    folder = create_run(settings.model_copy(update={"run": tmp_path / "run"}))
    write_run(folder, read_run(folder).model_copy(update={"pid": 2**22 + 1, "pid_started": "gone"}))
    (folder / MESSAGES).write_bytes(b'{"type": "hello"}\n')
    crash = "import faulthandler; faulthandler.enable(); print('weights are loaded', flush=True); faulthandler._sigsegv()"
    with (folder / WORKER_LOG).open("wb") as log:
        subprocess.run([sys.executable, "-c", crash], stdout=log, stderr=log, check=False)
    info = run_info(folder)
    assert (info.state, info.outcome and info.outcome.cause) == (RunState.INTERRUPTED, Cause.CRASH)
    assert str(info.sentence) == "The worker process ended unexpectedly (Segmentation fault): weights are loaded."
    (folder / WORKER_LOG).write_text("a warning about cudnn\n")
    assert "gone without a word" in str(run_info(folder).sentence)
    assert info.outcome is not None
    assert info.outcome.end is End.CRASHED
