"""What several processes change at the same time: nothing is lost, and one that dies does not stop the others."""

import logging
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from inspector.bundles.bundle import Bundle
from inspector.core.errors import StorageError
from inspector.core.storage.locks import alone
from inspector.core.storage.paths import user_data

HOLD = """
import sys, time
from pathlib import Path
from inspector.core.storage.locks import alone
with alone(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(100)
"""
# Adds five variants of an engine, each with a file that is made beforehand, as an export does.
ADD = """
import sys, time
from datetime import UTC, datetime
from pathlib import Path
from inspector.bundles.bundle import Bundle, sha256
from inspector.bundles.variants import Variant
from inspector.core.types import PRECISIONS
folder, made, engine = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
bundle = Bundle.open(folder)
print("ready", flush=True)
sys.stdin.readline()
for turn in range(8):
    for precision in PRECISIONS:
        file = made / f"{engine}-{precision}-{turn:08x}.onnx"
        file.write_bytes(f"{engine} {precision} {turn}".encode())
        variant = Variant(engine=engine, precision=precision, files={file.name: sha256(file)}, created=datetime.now(UTC))
        bundle = bundle.add_variant(variant, made=made)
"""


def _locks() -> list[Path]:
    return list((user_data() / "locks").glob("*"))


@contextmanager
def started(script: str, *arguments: object) -> Iterator[subprocess.Popen[str]]:
    """A Python process of its own that has said its first word."""
    command = [sys.executable, "-c", script, *map(str, arguments)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdin is not None
    assert process.stdout is not None
    with process:
        try:
            assert process.stdout.readline()
            yield process
        finally:
            process.kill()


def test_one_that_holds_it_keeps_others_out_for_a_while_with_one_sentence(tmp_path: Path) -> None:
    refused = pytest.raises(StorageError, match=r"Another process .* Wait until it is done")
    with started(HOLD, tmp_path), refused as caught, alone(tmp_path, wait=0.3):
        pass
    assert str(tmp_path) in str(caught.value)


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX systems")
def test_one_that_is_killed_lets_go_and_one_that_is_stopped_does_not(tmp_path: Path) -> None:
    before = set(_locks())
    with started(HOLD, tmp_path) as process:
        os.kill(process.pid, signal.SIGSTOP)
        with pytest.raises(StorageError), alone(tmp_path, wait=0.3):
            pass
        os.kill(process.pid, signal.SIGKILL)
        process.wait(10)
        assert set(_locks()) > before  # its file is still there
        began = time.monotonic()
        with alone(tmp_path, wait=30):
            pass
        assert time.monotonic() - began < 10
        assert set(_locks()) == before


def test_threads_keep_each_other_out_and_other_folders_are_free(tmp_path: Path) -> None:
    inside, most = 0, 0

    def work() -> None:
        nonlocal inside, most
        for _ in range(10):
            with alone(tmp_path):
                inside += 1
                most = max(most, inside)
                time.sleep(0.001)
                inside -= 1

    threads = [threading.Thread(target=work) for _ in range(4)]
    with alone(tmp_path / "other"):
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
    assert most == 1


@pytest.mark.allow_logs("is changed without a lock")
def test_where_no_lock_can_be_kept_it_goes_on_without(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("no folder")
    for variable in ("XDG_DATA_HOME", "LOCALAPPDATA"):
        monkeypatch.setenv(variable, str(tmp_path / "file"))
    done = False
    with caplog.at_level(logging.WARNING, "inspector.core.storage.locks"), alone(tmp_path):
        done = True
    assert done
    assert "is changed without a lock" in caplog.text


def test_processes_that_write_variants_at_the_same_time_lose_none(demo_bundles: Mapping[str, Path], tmp_path: Path) -> None:
    folder = shutil.copytree(demo_bundles["window-state"], tmp_path / "window-state")
    engines = ("openvino", "onnxruntime", "tensorrt")
    makings = [tmp_path / engine for engine in engines]
    for making in makings:
        making.mkdir()
    first, second, third = (started(ADD, folder, *pair) for pair in zip(makings, engines, strict=True))
    with first as one, second as two, third as three:
        for process in (one, two, three):
            assert process.stdin is not None
            process.stdin.write("go\n")
            process.stdin.flush()
        assert [process.wait(100) for process in (one, two, three)] == [0, 0, 0]
    bundle = Bundle.open(folder)
    assert len(bundle.card.variants) == 12
    for variant in bundle.card.variants:
        bundle.verify_variant(variant)
    # And what the last turn has replaced is gone.
    assert {file.name for file in folder.glob("*-*-*.onnx")} == bundle.card.variant_files
