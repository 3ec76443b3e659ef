"""What a watched folder remembers: over restarts, after a kill, and of files that were replaced."""

import json
import os
import shutil
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from queue import Empty, Queue

import numpy as np
import pytest
import tifffile
from PIL import Image

from inspector.archive.contents import recorded_in as archived_in
from inspector.cameras.base import open_camera
from inspector.cameras.ledger import Ledger, RecordKey
from inspector.core.errors import ConfigError, StorageError
from inspector.core.types import FileState, Origin
from inspector.results.saving import recorded_in

QUIET = 0.6  # seconds without a frame after which none comes


def _save(path: Path, value: int = 0) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((10, 12), value, np.uint8)).save(path)


class _Watching:
    """A camera that watches on a thread. `most`: so many parts get their verdict and are written down; the rest does not."""

    def __init__(self, folder: Path, ledger: Ledger, most: int, **options: bool | float) -> None:
        self.parts: Queue[str] = Queue()
        self._ledger, self._most = ledger, most
        self.stop = threading.Event()
        self.camera = open_camera("top", f"folder:{folder}", {"watch": True, "settle": 0.05, "patience": 0.2, **options})
        self.camera.ledger = ledger
        self.camera.on_problem = lambda part, error: self._judged(part)
        self.thread = threading.Thread(target=self._run)
        self.thread.start()

    def _run(self) -> None:
        for frame in self.camera.frames(self.stop):
            self._judged(frame.part)

    def _judged(self, part: str) -> None:
        if self._most > 0:
            assert self.camera.origin is not None
            self._ledger.done(self.camera.origin)
        self._most -= 1
        self.parts.put(part)

    def next(self, count: int) -> list[str]:
        return [self.parts.get(timeout=10) for _ in range(count)]

    def nothing_more(self) -> bool:
        try:
            self.parts.get(timeout=QUIET)
        except Empty:
            return True
        return False


@contextmanager
def _watching(folder: Path, *, most: int = 1000, **options: bool | float) -> Iterator[_Watching]:
    with Ledger(folder.parent / "ledger.sqlite", folder, recorded_in) as ledger:
        watching = _Watching(folder, ledger, most, **options)
        try:
            yield watching
        finally:
            watching.stop.set()
            watching.thread.join(5)


_NO_LOCKS = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
static int passed(const char *name, int file, int command, void *value) {
    if (command == F_SETLK || command == F_SETLKW) { errno = ENOLCK; return -1; }
    return ((int (*)(int, int, ...))dlsym(RTLD_NEXT, name))(file, command, value);
}
#define PASS(name) int name(int file, int command, ...) { \\
    va_list rest; va_start(rest, command); void *value = va_arg(rest, void *); va_end(rest); \\
    return passed(#name, file, command, value); }
PASS(fcntl)
PASS(fcntl64)
int flock(int file, int operation) { errno = ENOLCK; return -1; }
"""
_OPEN = """
import sys
from pathlib import Path
from inspector.cameras.ledger import Ledger
from inspector.core.errors import StorageError
try:
    Ledger(Path(sys.argv[1]), Path("parts"), lambda place, keys: set()).close()
except StorageError as error:
    print(error)
"""


@pytest.mark.skipif(sys.platform != "linux" or shutil.which("gcc") is None, reason="needs Linux with a compiler")
def test_a_disk_that_locks_no_files_is_called_that(tmp_path: Path) -> None:
    (tmp_path / "locks.c").write_text(_NO_LOCKS)
    subprocess.run(["gcc", "-shared", "-fPIC", "-o", "locks.so", "locks.c", "-ldl"], cwd=tmp_path, check=True)
    environment = {**os.environ, "LD_PRELOAD": str(tmp_path / "locks.so")}
    command = [sys.executable, "-c", _OPEN, str(tmp_path / "ledger.sqlite")]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=60, check=True)
    assert "because its disk does not lock files" in done.stdout


def test_a_restart_goes_on_where_the_last_run_ended(tmp_path: Path) -> None:
    folder = tmp_path / "parts"
    for name in ("a", "b", "c"):
        _save(folder / f"{name}.png", ord(name))
    with _watching(folder, most=2) as first:
        assert first.next(3) == ["a", "b", "c"]
    _save(folder / "d.png", 4)
    with _watching(folder) as second:
        assert second.next(2) == ["c", "d"], "what was read but has no record, and what came meanwhile"
        assert second.nothing_more()
    with _watching(folder) as third:
        assert third.nothing_more()


def test_files_that_came_while_it_was_off_are_new_even_if_old_ones_are_left_alone(tmp_path: Path) -> None:
    folder = tmp_path / "parts"
    _save(folder / "old.png")
    with _watching(folder, existing=False) as first:
        assert first.nothing_more()
    _save(folder / "new.png")
    with _watching(folder, existing=False) as second:
        assert second.next(1) == ["new"]
        assert second.nothing_more()


def test_a_replaced_file_is_judged_and_one_that_only_looks_changed_is_not(tmp_path: Path) -> None:
    folder = tmp_path / "parts"
    _save(folder / "a.bmp", 1)
    _save(folder / "b.bmp", 2)
    with _watching(folder) as watching:
        assert watching.next(2) == ["a", "b"]
        before = (folder / "a.bmp").stat()
        _save(tmp_path / "other.bmp", 9)
        os.utime(tmp_path / "other.bmp", ns=(before.st_atime_ns, before.st_mtime_ns))
        (tmp_path / "other.bmp").replace(folder / "a.bmp")
        assert (folder / "a.bmp").stat().st_size == before.st_size
        assert watching.next(1) == ["a"]
        (folder / "b.bmp").chmod(0o600)
        os.link(folder / "b.bmp", tmp_path / "link.bmp")
        assert watching.nothing_more()
    # The copy has another inode and time of change, as files of a share do that was connected again.
    content, times = (folder / "b.bmp").read_bytes(), (folder / "b.bmp").stat()
    (folder / "b.bmp").unlink()
    (folder / "b.bmp").write_bytes(content)
    os.utime(folder / "b.bmp", ns=(times.st_atime_ns, times.st_mtime_ns))
    with _watching(folder) as again:
        assert again.nothing_more()


def test_a_folder_that_is_moved_into_the_watched_one_is_walked(tmp_path: Path) -> None:
    folder = tmp_path / "parts"
    folder.mkdir()
    for number in (10, 2):
        _save(tmp_path / "batch" / f"{number}.png", number)
    with _watching(folder, recursive=True) as watching:
        _save(folder / "first.png")
        assert watching.next(1) == ["first"]
        (tmp_path / "batch").rename(folder / "batch")
        assert watching.next(2) == ["batch/2", "batch/10"]


def test_of_a_file_with_several_pages_only_those_without_a_record_are_judged_again(tmp_path: Path) -> None:
    folder = tmp_path / "parts"
    folder.mkdir()
    with tifffile.TiffWriter(folder / "a.tif") as writer:
        for value in (1, 2, 3):
            writer.write(np.full((10, 12), value, np.uint8), photometric="minisblack", metadata=None)
    with _watching(folder, most=2) as first:
        assert first.next(3) == ["a", "a#2", "a#3"]
    with _watching(folder) as second:
        assert second.next(1) == ["a#3"]
        assert second.nothing_more()


@pytest.mark.skipif(not hasattr(os, "posix_fallocate"), reason="space can only be reserved by writing zeros here")
def test_a_file_whose_end_was_never_written_is_no_part_that_can_be_ok(tmp_path: Path) -> None:
    folder = tmp_path / "parts"
    folder.mkdir()
    Image.fromarray(np.full((300, 400), 90, np.uint8)).save(tmp_path / "whole.bmp")
    data = (tmp_path / "whole.bmp").read_bytes()
    with (folder / "a.bmp").open("wb") as stream:
        stream.write(data[:50_000])
        stream.truncate(len(data))
        if os.lseek(stream.fileno(), 0, os.SEEK_HOLE) >= len(data):
            pytest.skip("this file system does not say what was never written")
    problems: list[str] = []
    with _watching(folder) as watching:
        judged = watching.camera.on_problem
        assert judged is not None
        watching.camera.on_problem = lambda part, error: (problems.append(str(error)), judged(part, error))[0]
        assert watching.next(1) == ["a"]
        (said,) = problems
        assert "not written to its end" in said
        (folder / "a.bmp").write_bytes(data)
        assert watching.next(1) == ["a"]
        assert len(problems) == 1


def test_two_holders_and_a_damaged_file_are_refused(tmp_path: Path) -> None:
    folder = tmp_path / "parts"
    with Ledger(tmp_path / "ledger.sqlite", folder, recorded_in), pytest.raises(ConfigError, match="already watched") as caught:
        Ledger(tmp_path / "ledger.sqlite", folder, recorded_in)
    assert str(folder) in str(caught.value)
    (tmp_path / "ledger.sqlite").write_bytes(b"no such list" * 1000)
    with pytest.raises(StorageError, match="is damaged"):
        Ledger(tmp_path / "ledger.sqlite", folder, recorded_in)


def test_a_list_that_is_cut_off_anywhere_is_never_taken_for_a_new_one(tmp_path: Path) -> None:
    """As a power cut may leave it: everything in the folder would be judged again without a word."""
    file, folder, cut = tmp_path / "ledger.sqlite", tmp_path / "parts", tmp_path / "cut.sqlite"
    paths = [f"part-{number:03d}" for number in range(40)]
    with Ledger(file, folder, recorded_in) as ledger:
        ledger.began({})
        for path in paths:
            ledger.done(_origin(path))
    data, said = file.read_bytes(), list[StorageError]()
    for length in (*range(200), *range(200, len(data), 251), len(data) - 1):
        cut.write_bytes(data[:length])
        try:
            with Ledger(cut, folder, recorded_in) as ledger:
                assert sorted(ledger.known()) == paths
                assert not ledger.fresh
        except StorageError as error:
            said.append(error)
    assert len(said) > 200
    assert all("is damaged" in str(error) and f"Delete {cut}" in str(error) for error in said)


def test_another_program_s_database_is_no_list(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "ledger.sqlite")) as base, base:
        base.execute("CREATE TABLE others (name TEXT)")
    with pytest.raises(StorageError, match="is damaged"):
        Ledger(tmp_path / "ledger.sqlite", tmp_path / "parts", recorded_in)


@pytest.mark.parametrize("damage", ["state = 'nonsense'", "path = 'no bytes'", "digest = NULL", "page = 'x'"])
def test_a_row_that_is_damaged_is_said_in_one_sentence(tmp_path: Path, damage: str) -> None:
    file, folder = tmp_path / "ledger.sqlite", tmp_path / "parts"
    with Ledger(file, folder, recorded_in) as ledger:
        ledger.done(_origin("a"))
    with closing(sqlite3.connect(file)) as base, base:
        base.execute(f"UPDATE pages SET {damage}")
    with Ledger(file, folder, recorded_in) as ledger, pytest.raises(StorageError, match="is damaged") as caught:
        ledger.known()
    assert caught.value.remedy is not None
    assert "Delete" in caught.value.remedy.text


def test_an_entry_begun_at_no_time_is_said_in_one_sentence(tmp_path: Path) -> None:
    file, folder = tmp_path / "ledger.sqlite", tmp_path / "parts"
    with Ledger(file, folder, archived_in) as ledger:
        ledger.begin(_origin("a"), RecordKey(str(tmp_path), 1, "never"))
    with pytest.raises(StorageError, match="is damaged"):
        Ledger(file, folder, archived_in)


def test_a_disk_that_cannot_be_read_is_no_damage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever deletes the list has every file inspected again."""

    def unread(_ledger: Ledger, _sql: str) -> list[tuple[object, ...]]:
        raise sqlite3.OperationalError("disk I/O error")

    with Ledger(tmp_path / "ledger.sqlite", tmp_path / "parts", recorded_in) as ledger:
        monkeypatch.setattr(Ledger, "_read", unread)
        for read in (ledger.known, lambda: ledger.fresh):
            with pytest.raises(StorageError, match="disk I/O error") as caught:
                read()
            assert "damaged" not in caught.value.problem.text
            assert caught.value.remedy is not None
            assert "Delete" not in caught.value.remedy.text


def _origin(path: str) -> Origin:
    return Origin(path, 0, 1, FileState(10, 20, 30, 2**64 - 1), b"digest", 0.0)


def test_what_a_killed_process_left_open_is_settled_by_the_records(tmp_path: Path) -> None:
    """Killed before the record, in the middle of its line, after it, and where no records are kept."""
    folder, records, utc = tmp_path / "parts", tmp_path / "results.jsonl", datetime.now(UTC).isoformat()
    lines = [json.dumps({"part": "x", "sequence": number, "utc": utc}) + "\n" for number in (1, 2)]
    records.write_text(lines[0] + lines[1][:-5])
    with Ledger(tmp_path / "ledger.sqlite", folder, recorded_in) as ledger:
        ledger.done(_origin("done"))
        for number, name in enumerate(("before", "after", "within")):
            ledger.begin(_origin(name), RecordKey(str(records), number, utc))
        ledger.begin(_origin("unrecorded"), RecordKey("", 3, utc))
        assert ledger.known().keys() == {"done", "before", "after", "within", "unrecorded"}
    with Ledger(tmp_path / "ledger.sqlite", folder, recorded_in) as ledger:
        assert ledger.known().keys() == {"done", "after", "unrecorded"}
        assert ledger.known()["done"].state == FileState(10, 20, 30, 2**64 - 1)
