"""What a killed process leaves in a folder for temporary files is removed by the next one; what lives is left alone."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from inspector.core.storage.temporary import make_temporary, temporary_folder

_WORK = """
import os, sys
from pathlib import Path
from inspector.core.storage.temporary import temporary_folder
with temporary_folder(Path(sys.argv[1]), ".plate.") as folder:
    (folder / "part.png").write_bytes(b"private")
    print(folder, flush=True)
    sys.stdin.read() or os.kill(os.getpid(), 9)
"""


def _begun(place: Path) -> "subprocess.Popen[str]":
    command = [sys.executable, "-c", _WORK, str(place)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


@pytest.mark.skipif(sys.platform == "win32", reason="kill -9")
def test_what_a_killed_process_left_goes_when_it_is_old_and_nothing_else(tmp_path: Path) -> None:
    with _begun(tmp_path) as killed, _begun(tmp_path) as alive:
        assert killed.stdout is not None
        assert alive.stdout is not None
        left, used = Path(killed.stdout.readline().strip()), Path(alive.stdout.readline().strip())
        killed.communicate()
        others = [tmp_path / name for name in (".plate.99999999x-a", ".plate.export-1", ".plate.tmpab12")]
        for other in others:
            other.mkdir()
        assert (left / "part.png").exists()
        young = make_temporary(tmp_path, ".plate.")
        assert left.exists(), "another computer may know the process"
        for folder in (left, used, *others):
            os.utime(folder, (time.time() - 2 * 86_400,) * 2)
        with temporary_folder(tmp_path, ".plate.") as newest:
            assert sorted(tmp_path.iterdir()) == sorted([used, young, newest, *others])
        assert not newest.exists()
        alive.communicate()
