"""The installer for a PC without root, with a stand-in for the program: whole, half, damaged, twice, updated and removed.

`packaging/test-installers.sh` tests the real files on systems of their own; this needs nothing but a shell.
"""

import gzip
import itertools
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import PIL.Image
import pytest

from tests.packaging.modules import build_module

pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or not all(map(shutil.which, ("tar", "xz", "sha256sum"))), reason="needs Linux with tar and xz"
)
PROGRAM = """#!/bin/sh
case "$1" in
doctor) {doctor} ;;
--version) echo "inspector, version {version}" ;;
esac
"""


@pytest.fixture
def linux(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[ModuleType]:
    """The module that writes the files of Linux, building in a folder of the test."""
    yield from build_module("linux", monkeypatch, tmp_path)


@pytest.fixture
def windows(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[ModuleType]:
    """The module that writes the setup programs, building in a folder of the test."""
    yield from build_module("windows", monkeypatch, tmp_path)


def _installer(linux: ModuleType, folder: Path, version: str, *, doctor: str = "exit 0", glibc: str = "2.17") -> Path:
    """Return an installer; `doctor`: what the program's self-test does, `glibc`: the version of the C library that it needs."""
    root = folder / f"root-{version}"
    program = root / "usr" / "lib" / "inspector" / version
    program.mkdir(parents=True)
    (program / "inspector").write_text(PROGRAM.format(doctor=doctor, version=version))
    (program / "inspector").chmod(0o755)
    release = linux.Release(version, "0123abcd", 1_700_000_000)
    linux.desktop(root, release)
    data = linux.stage.pack(root, folder / "data.tar.xz", release)
    file: Path = linux.run_file(root, data, release, folder, name="inspector", body="install-program.sh", glibc=glibc)
    return file


def _sh(*command: str | Path, home: Path) -> "subprocess.CompletedProcess[str]":
    environment = {"HOME": str(home), "PATH": os.environ["PATH"]}
    words = [str(word) for word in command]
    return subprocess.run(words, env=environment, capture_output=True, text=True, check=False, timeout=60)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    folder = tmp_path / "検査 員 $HOME"
    folder.mkdir()
    return folder


def test_the_run_file_installs_updates_and_removes(linux: ModuleType, tmp_path: Path, home: Path) -> None:
    first, second = (_installer(linux, tmp_path / "made", version) for version in ("1.0", "1.1"))
    data = home / ".local" / "share" / "inspector"
    data.mkdir(parents=True)
    (data / "recipe.toml").write_text("mine")
    done = _sh("sh", first, home=home)
    assert done.returncode == 0, done.stderr
    command, previous = (home / ".local" / "bin" / name for name in ("inspector", "inspector-previous"))
    assert _sh(command, "--version", home=home).stdout == "inspector, version 1.0\n"
    assert _sh("sh", second, home=home).returncode == 0
    assert _sh(command, "--version", home=home).stdout == "inspector, version 1.1\n"
    assert _sh(previous, "--version", home=home).stdout == "inspector, version 1.0\n"
    programs = home / ".local" / "opt" / "inspector"
    entry = (home / ".local" / "share" / "applications" / "inspector.desktop").read_text()
    quoted = str(programs).replace("$", "\\\\$")
    assert f'Exec="{quoted}/current/inspector"\n' in entry
    (programs / "1.1" / "training").mkdir()
    assert _sh("sh", second, home=home).returncode == 0
    assert (programs / "1.1" / "training").is_dir(), "the training pack went with a repair"
    assert sorted(path.name for path in programs.iterdir()) == ["1.0", "1.1", "current", "previous", "uninstall.sh"]
    assert _sh(programs / "uninstall.sh", home=home).returncode == 0
    assert not programs.exists()
    assert not command.is_symlink()
    assert (data / "recipe.toml").read_text() == "mine"


def test_the_packages_tell_what_changed(linux: ModuleType, tmp_path: Path) -> None:
    release = linux.Release.read()
    linux.desktop(tmp_path, release)
    linux.documentation(tmp_path, "inspector", release)
    (first, *_) = linux.stage.changes(release)
    changelog = gzip.decompress((tmp_path / "usr/share/doc/inspector/changelog.gz").read_bytes()).decode()
    assert first in " ".join(changelog.split())
    assert f"<li>{first}</li>" in (tmp_path / "usr/share/metainfo/inspector.metainfo.xml").read_text("utf-8")
    assert linux.stage.changes(linux.Release("0.0.1", "", 0)) == []


def test_the_run_file_is_the_same_every_time(linux: ModuleType, tmp_path: Path) -> None:
    first, second = (_installer(linux, tmp_path / name, "1.0") for name in ("one", "two"))
    assert first.read_bytes() == second.read_bytes()


def test_half_an_installer_and_a_damaged_one_say_so(linux: ModuleType, tmp_path: Path, home: Path) -> None:
    whole = _installer(linux, tmp_path / "made", "1.0").read_bytes()
    bad = tmp_path / "bad.run"
    bad.write_bytes(whole[:-100])
    done = _sh("sh", bad, home=home)
    assert done.returncode == 1
    assert f"the installer is incomplete: it has {len(whole) - 100} of" in done.stderr
    bad.write_bytes(whole[:-100] + bytes(100))
    done = _sh("sh", bad, home=home)
    assert done.returncode == 1
    assert "the installer is damaged" in done.stderr
    assert list(home.iterdir()) == []


def test_a_version_that_fails_its_self_test_changes_nothing(linux: ModuleType, tmp_path: Path, home: Path) -> None:
    good = _installer(linux, tmp_path / "made", "1.0")
    bad = _installer(linux, tmp_path / "made", "1.1", doctor="exit 1")
    assert _sh("sh", good, home=home).returncode == 0
    done = _sh("sh", bad, home=home)
    assert done.returncode == 1
    assert "failed its self-test; nothing was installed" in done.stderr
    assert _sh(home / ".local" / "bin" / "inspector", "--version", home=home).stdout == "inspector, version 1.0\n"
    programs = home / ".local" / "opt" / "inspector"
    assert sorted(path.name for path in programs.iterdir()) == ["1.0", "current", "uninstall.sh"]


def test_an_interrupted_repair_leaves_the_program_as_it_was(linux: ModuleType, tmp_path: Path, home: Path) -> None:
    """The installer is told to end while the same version, unpacked anew, tests itself."""
    good = _installer(linux, tmp_path / "made", "1.0")
    interrupted = _installer(linux, tmp_path / "again", "1.0", doctor="kill -TERM $PPID")
    assert _sh("sh", good, home=home).returncode == 0
    assert _sh("sh", interrupted, home=home).returncode == 1
    assert _sh(home / ".local" / "bin" / "inspector", "--version", home=home).stdout == "inspector, version 1.0\n"
    programs = home / ".local" / "opt" / "inspector"
    assert sorted(path.name for path in programs.iterdir()) == ["1.0", "current", "uninstall.sh"]


def test_a_folder_that_cannot_be_written_is_named(linux: ModuleType, tmp_path: Path, home: Path) -> None:
    file = _installer(linux, tmp_path / "made", "1.0")
    (tmp_path / "occupied").write_text("a file")
    done = _sh("sh", file, "--to", tmp_path / "occupied", home=home)
    assert done.returncode == 1
    assert done.stderr == f"inspector: {tmp_path}/occupied/inspector cannot be written. Choose another folder: --to FOLDER.\n"


def test_an_older_linux_is_named_and_nothing_is_installed(linux: ModuleType, tmp_path: Path, home: Path) -> None:
    done = _sh("sh", _installer(linux, tmp_path / "made", "1.0", glibc="99.1"), home=home)
    assert done.returncode == 1
    assert done.stderr.startswith("inspector: this Linux is too old: it has glibc ")
    assert "and 99.1 or newer is needed" in done.stderr
    assert list(home.iterdir()) == []


def test_a_path_of_200_characters_is_no_trouble(linux: ModuleType, tmp_path: Path) -> None:
    home = tmp_path / ("検査 " * 15) / ("station " * 25).strip()
    home.mkdir(parents=True)
    assert len(str(home)) > 200
    assert _sh("sh", _installer(linux, tmp_path / "made", "1.0"), home=home).returncode == 0
    assert _sh(home / ".local" / "bin" / "inspector", "--version", home=home).stdout == "inspector, version 1.0\n"
    assert _sh(home / ".local" / "opt" / "inspector" / "uninstall.sh", home=home).returncode == 0


@pytest.mark.skipif(shutil.which("makensis") is None, reason="needs NSIS")
@pytest.mark.parametrize("script", ["setup.nsi", "training.nsi"])
def test_the_setup_programs_are_made_without_a_warning(
    windows: ModuleType, tmp_path: Path, script: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(windows.stage, "FAST", True)
    (tmp_path / "build" / "launcher").mkdir()
    PIL.Image.new("RGBA", (32, 32)).save(tmp_path / "build" / "launcher" / "inspector.ico")
    program = tmp_path / "program"
    (program / "site").mkdir(parents=True)
    (program / "inspector.exe").write_bytes(b"a program")
    file = windows.setup(program, windows.Release("1.0", "0123abcd", 1_700_000_000), tmp_path, script=script)
    assert file.read_bytes()[:2] == b"MZ"


@pytest.mark.skipif(shutil.which("dpkg") is None, reason="needs dpkg")
def test_a_build_that_ends_early_leaves_no_half_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for build in build_module("build", monkeypatch, tmp_path):
        monkeypatch.setattr(build, "DIST", tmp_path / "dist")
        monkeypatch.setattr(build, "_MAKING", tmp_path / "making")

        def make(folder: Path, *, killed: bool) -> list[Path]:
            (folder / "whole.deb").write_bytes(b"whole")
            (folder / "half.run").write_bytes(b"ha")
            if killed:
                raise KeyboardInterrupt
            return [folder / "whole.deb"]

        with pytest.raises(KeyboardInterrupt):
            build.publish(lambda folder: make(folder, killed=True), "linux")
        assert not any((tmp_path / "dist").iterdir())
        assert build.publish(lambda folder: make(folder, killed=False), "linux") == [tmp_path / "dist" / "whole.deb"]
        listed = (tmp_path / "dist" / "SHA256SUMS").read_text().split()[1::2]
        assert listed == ["half.run", "whole.deb"]


def test_versions_are_in_order_for_dpkg(linux: ModuleType) -> None:
    versions = ["0.9", "1.0.dev3", "1.0a1", "1.0b2", "1.0rc1", "1.0", "1.0.post1", "1.0.1", "1.1"]
    debian = [linux.Release(version, "", 0).debian for version in versions]
    for older, newer in itertools.pairwise(debian):
        assert subprocess.run(["dpkg", "--compare-versions", older, "lt", newer], check=False).returncode == 0, (older, newer)
