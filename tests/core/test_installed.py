"""An installed program knows itself by the record beside its launcher, and a source tree does not take itself for one."""

import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

import inspector
from inspector.core import installed
from inspector.core.errors import ConfigError
from inspector.core.installed import installation, program_command, read_installation, training_pack
from inspector.core.registry import Entry

_RECORD = '{"version": "1.2.0", "commit": "0123abcd", "system": "linux"}'


@pytest.fixture
def launcher(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The launcher of an installed program, as `sys.executable` of this process."""
    program = tmp_path / "inspector"
    program.write_bytes(b"")
    monkeypatch.setattr(sys, "executable", str(program))
    installation.cache_clear()
    yield program
    installation.cache_clear()


def test_a_source_tree_is_no_installation() -> None:
    assert installation() is None
    assert training_pack() == ""
    assert program_command("worker", "train") == [sys.executable, "-P", "-m", "inspector", "worker", "train"]


def test_an_installed_program_starts_itself_and_names_its_training_pack(launcher: Path) -> None:
    (launcher.parent / installed.RECORD).write_text(_RECORD)
    found = installation()
    assert found is not None
    assert (found.folder, found.version, found.system) == (launcher.parent, "1.2.0", "linux")
    assert program_command("worker", "train") == [str(launcher), "worker", "train"]
    with pytest.raises(ConfigError) as raised:
        Entry("no_such_package_of_torch:thing", "Training", extra="train").load()
    assert raised.value.remedy is not None
    assert raised.value.remedy.text == "Install the training pack, inspector-training-1.2.0-linux.run."
    with pytest.raises(ConfigError) as raised:
        Entry("no_such_package_of_torch:thing", "TensorRT", extra="gpu").load()
    assert "--with gpu" in str(raised.value)


@pytest.mark.parametrize(
    ("folder", "system", "file"),
    [
        ("/usr/lib/inspector/1.2.0", "linux", "inspector-training_1.2.0 (.deb or .rpm)"),
        ("/home/worker/.local/opt/inspector/1.2.0", "linux", "inspector-training-1.2.0-linux.run"),
        ("C:/Users/worker/AppData/Local/Programs/Inspector/1.2.0", "windows", "inspector-training-1.2.0-setup.exe"),
    ],
)
def test_the_training_pack_is_of_the_kind_that_was_installed(folder: str, system: str, file: str) -> None:
    assert installed.Installation(Path(folder), "1.2.0", "0123abcd", system).training_pack == file


@pytest.mark.parametrize("record", ["", "[]", '{"version": "1.2.0"}', "\xff"])
def test_a_damaged_record_is_no_installation(tmp_path: Path, record: str) -> None:
    (tmp_path / installed.RECORD).write_bytes(record.encode("latin-1"))
    assert read_installation(tmp_path) is None


_START = """
import subprocess
import sys
import zipfile
sys.executable, sys.argv = sys.argv[1], ["inspector", "--version"]
sys.path.insert(0, sys.executable.rpartition("/")[0])
from inspector.__main__ import main
main()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="needs a name that Python loads as a library")
def test_an_installed_program_with_a_damaged_library_says_so_in_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "click.abi3.so").write_bytes(b"\x7fELF")
    for record in ("", _RECORD):
        if record:
            (tmp_path / installed.RECORD).write_text(record)
        command = [sys.executable, "-P", "-c", _START, str(tmp_path / "inspector")]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 1
        assert ("Traceback" in done.stderr) == (not record)
    assert done.stderr.startswith("inspector: a file of the program is missing or damaged (")
    assert done.stderr.endswith("click.abi3.so: file too short). Install the program again.\n")


def test_an_installed_program_with_its_modules_in_an_archive_finds_its_files(tmp_path: Path) -> None:
    root = Path(inspector.__file__).parents[1]
    with zipfile.ZipFile(tmp_path / "site.zip", "w") as archive:
        for file in [root / "inspector" / "__init__.py", *sorted((root / "inspector" / "core").rglob("*.py"))]:
            archive.write(file, file.relative_to(root).as_posix())
    icons = tmp_path / "site" / "inspector" / "_resources" / "icons"
    icons.mkdir(parents=True)
    code = """
import sys
import zipfile
sys.path[:0] = sys.argv[1:]
from inspector.core.storage.paths import is_shipped, resources
print(resources(), is_shipped(resources() / "icons"))
"""
    command = [sys.executable, "-P", "-c", code, str(tmp_path / "site.zip"), str(tmp_path / "site")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == f"{icons.parent} True\n"
