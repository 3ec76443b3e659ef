"""Engines in a worker process: same outputs, and an end that is told at once."""

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import psutil
import pytest

from inspector.bundles.bundle import Bundle, Card
from inspector.core.errors import ConfigError, EngineError
from inspector.engines import remote
from inspector.engines.base import open_engine
from inspector.engines.onnx_runtime import OnnxRuntimeEngine
from inspector.engines.remote import RemoteEngine, WorkerLink
from inspector.imaging.preprocessing import Prepared
from inspector.workers import exchange
from inspector.workers.exchange import make_exchange
from inspector.workers.jobs import InferJob
from tests.children import workers

Bundles = Callable[[str], Bundle]
Batch = Callable[[Card, int], Prepared]
POSIX = pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX systems")


def exchanges(process: int | None = None) -> set[Path]:
    """Return the folders in memory of a process, or of this one."""
    return set(Path("/dev/shm").glob(f"inspector-{process or os.getpid()}-*"))


def test_an_isolated_engine_gives_the_same_outputs_from_another_process(bundles: Bundles, batch: Batch) -> None:
    bundle = bundles("detection")
    before = exchanges()
    with OnnxRuntimeEngine(bundle) as engine:
        expected = engine.infer(batch(bundle.card, 4))
    with open_engine("torch", bundle, threads=1) as isolated:
        assert isinstance(isolated, RemoteEngine)
        assert len(workers()) == 1
        np.testing.assert_allclose(isolated.infer(batch(bundle.card, 4)), expected, atol=1e-5)
        first = isolated.infer(batch(bundle.card, 2))
        kept = first.copy()
        isolated.infer(batch(bundle.card, 3))
        np.testing.assert_array_equal(first, kept)
        with pytest.raises(EngineError, match="takes 1 to 4 frames"):
            isolated.infer(batch(bundle.card, 5))
    assert workers() == []
    assert exchanges() == before


@pytest.fixture
def isolated(bundles: Bundles) -> RemoteEngine:
    """A quick engine, isolated as the torch engines are."""
    return RemoteEngine(bundles("classification"), engine="onnxruntime", threads=1)


@POSIX
def test_a_crash_is_told_at_once(isolated: RemoteEngine, bundles: Bundles, batch: Batch) -> None:
    frames = batch(bundles("classification").card, 1)
    isolated.infer(frames)
    os.kill(workers()[0].pid, signal.SIGKILL)
    began = time.monotonic()
    with pytest.raises(EngineError, match="SIGKILL"):
        isolated.infer(frames)
    assert time.monotonic() - began < 5
    with pytest.raises(EngineError, match="closed"):
        isolated.infer(frames)
    isolated.close()
    assert workers() == []


@POSIX
def test_a_crash_in_the_middle_of_a_batch_is_told_at_once(isolated: RemoteEngine, bundles: Bundles, batch: Batch) -> None:
    pid = workers()[0].pid
    os.kill(pid, signal.SIGSTOP)  # it never answers, and dies while it is waited for
    timer = threading.Timer(0.5, os.kill, (pid, signal.SIGKILL))
    timer.start()
    began = time.monotonic()
    with pytest.raises(EngineError, match="SIGKILL"):
        isolated.infer(batch(bundles("classification").card, 1))
    assert time.monotonic() - began < 5
    timer.join()


@POSIX
def test_a_worker_that_hangs_is_ended(
    isolated: RemoteEngine, bundles: Bundles, batch: Batch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remote, "REPLY_TIMEOUT_S", 0.5)
    monkeypatch.setattr(remote, "_CLOSE_GRACE_S", 0.2)
    os.kill(workers()[0].pid, signal.SIGSTOP)
    with pytest.raises(EngineError, match="has not answered"):
        isolated.infer(batch(bundles("classification").card, 1))
    assert workers() == []


@POSIX
def test_a_worker_that_the_system_stopped_is_ended_soon(isolated: RemoteEngine, bundles: Bundles, batch: Batch) -> None:
    """Not after the minute that a slow answer may take."""
    os.kill(workers()[0].pid, signal.SIGSTOP)
    began = time.monotonic()
    with pytest.raises(EngineError, match="has not answered"):
        isolated.infer(batch(bundles("classification").card, 1))
    assert time.monotonic() - began < remote.REPLY_TIMEOUT_S / 2
    assert workers() == []


@POSIX
def test_a_worker_that_is_stopped_while_it_opens_a_bundle_is_ended_soon(bundles: Bundles) -> None:
    bundle = bundles("classification")

    def job(folder: Path) -> InferJob:
        place = bundle.folder.resolve()
        return InferJob(bundle=place, folder=folder, batch=1, engine="onnxruntime", precision="fp32", threads=1)

    began = time.monotonic()
    with pytest.raises(EngineError, match="has not answered"):
        WorkerLink(bundle, job, started=lambda process: os.kill(process.pid, signal.SIGSTOP))
    assert time.monotonic() - began < remote.OPEN_TIMEOUT_S / 4
    assert workers() == []


def test_closing_twice_leaves_nothing(isolated: RemoteEngine) -> None:
    isolated.close()
    isolated.close()
    assert workers() == []


def test_what_is_wrong_with_a_bundle_is_said_as_the_engine_says_it(bundles: Bundles) -> None:
    before = exchanges()
    with pytest.raises(ConfigError, match="no engine called 'abacus'"):
        RemoteEngine(bundles("classification"), engine="abacus")
    nowhere = Bundle(bundles("classification").folder / "nowhere", bundles("classification").card)
    with pytest.raises(ConfigError, match="There is no bundle"):
        RemoteEngine(nowhere, engine="onnxruntime")
    assert workers() == []
    assert exchanges() == before


def test_a_full_disk_is_one_sentence(bundles: Bundles, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: Path, shape: tuple[int, ...], dtype: exchange.Number) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(exchange, "make_map", full)
    before = exchanges()
    with pytest.raises(EngineError, match="no room to share frames"):
        RemoteEngine(bundles("classification"), engine="onnxruntime")
    assert exchanges() == before


PARENT = """
import sys, time
from pathlib import Path
from inspector.bundles.bundle import Bundle
from inspector.engines.remote import RemoteEngine, WorkerLink

engine = RemoteEngine(Bundle.open(Path(sys.argv[1])), engine="onnxruntime", threads=1)
print(engine._link._process.pid, flush=True)
time.sleep(60)
"""


def test_the_death_of_the_parent_ends_the_worker(bundles: Bundles) -> None:
    folder = str(bundles("classification").folder)
    with subprocess.Popen([sys.executable, "-c", PARENT, folder], stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        worker = psutil.Process(int(parent.stdout.readline()))
        assert worker.is_running()
        if Path("/dev/shm").is_dir():
            assert len(exchanges(parent.pid)) == 1
        parent.kill()
    worker.wait(10)
    left = exchanges(parent.pid)
    assert all(not any(folder.iterdir()) for folder in left)  # at most an empty folder; the frames are gone
    for folder_left in left:
        folder_left.rmdir()


@POSIX
def test_frames_that_a_killed_process_left_in_memory_are_removed() -> None:
    code = "import os; from inspector.workers.exchange import make_exchange; import numpy as np\n"
    code += "folder, _ = make_exchange((1, 8, 8, 3), np.uint8); print(folder, flush=True); os.kill(os.getpid(), 9)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    left = Path(done.stdout.strip())
    assert (left / "input.bin").is_file()
    own, _ = make_exchange((1, 8, 8, 3), np.uint8)
    assert left.is_dir(), "it may be of a station in a container that is about to open it"
    long_ago = time.time() - 3600
    for folder in (left, own):
        os.utime(folder, (long_ago, long_ago))
    other, _ = make_exchange((1, 8, 8, 3), np.uint8)
    assert not left.exists()
    assert own.is_dir(), "its process lives"
    shutil.rmtree(own)
    shutil.rmtree(other)
