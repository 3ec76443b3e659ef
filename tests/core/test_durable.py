"""What must survive a power cut is synced before and after it gets its name."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

_WRITE = """
import sys
from pathlib import Path
from inspector.core.config import write_atomically
from inspector.core.storage.durable import replace_durably

place = Path(sys.argv[1])
write_atomically(place / "settings.toml", b"new")
(place / "making").mkdir()
(place / "making" / "weights").write_bytes(b"weights")
replace_durably(place / "making", place / "bundle")
"""


@pytest.mark.skipif(shutil.which("strace") is None, reason="needs strace")
def test_content_is_synced_before_the_name_and_the_folder_after_it(tmp_path: Path) -> None:
    log = tmp_path / "calls"
    command = ["strace", "-f", "-y", "-e", "trace=fsync,rename,renameat,renameat2", "-o", str(log)]
    done = subprocess.run([*command, sys.executable, "-c", _WRITE, str(tmp_path)], capture_output=True, check=False, timeout=60)
    if done.returncode and b"ptrace" in done.stderr:
        pytest.skip("processes may not be traced here")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "bundle" / "weights").read_bytes() == b"weights"
    calls = [line for line in log.read_text().splitlines() if str(tmp_path) in line]
    place = re.escape(str(tmp_path))
    expected = (
        rf"fsync\(\d+<{place}/\.settings\.toml\.[^>]*>\)",
        rf'rename.*"{place}/settings\.toml"',
        rf"fsync\(\d+<{place}>\)",
        rf"fsync\(\d+<{place}/making/weights>\)",
        rf"fsync\(\d+<{place}/making>\)",
        rf'rename.*"{place}/bundle"',
        rf"fsync\(\d+<{place}>\)",
    )
    assert len(calls) == len(expected), calls
    for call, pattern in zip(calls, expected, strict=True):
        assert re.search(pattern, call), (call, pattern)
