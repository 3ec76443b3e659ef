"""A disk that is soon full, and one that hangs, for tests of what happens then."""

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from inspector.bench.faults.disks import FreezableDisk, freezable_disk
from inspector.core.errors import StorageError


@contextlib.contextmanager
def disk_of(folder: Path, size: str) -> Iterator[Path]:
    """A file system of its own of so many bytes ("200k", "2m") at `folder`, which is made. Skips where none may be mounted.

    Fails at its end while a process still holds a file of it.
    """
    folder.mkdir()
    mount = shutil.which("mount")
    command = [mount or "", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
    if mount is None or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("no disk may be mounted here")
    try:
        yield folder
    finally:
        held = subprocess.run(["umount", str(folder)], capture_output=True, check=False).returncode != 0
        if held:
            subprocess.run(["umount", "-l", str(folder)], check=True)
    assert not held, f"a process holds a file of {folder}"


@contextlib.contextmanager
def disk_that_hangs(folder: Path) -> Iterator[FreezableDisk]:
    """A disk at `folder`, which is made, that can be frozen. Skips where none may be."""
    with contextlib.ExitStack() as stack:
        try:
            disk = stack.enter_context(freezable_disk(folder))
        except StorageError as error:
            pytest.skip(str(error))
        yield disk


@contextlib.contextmanager
def share_away(folder: Path) -> Iterator[None]:
    """Let a folder be a network share whose server is gone: every look into it fails; files that are open stay open.

    Skips where that cannot be done.
    """
    mount = shutil.which("mount")
    try:
        server = os.open("/dev/fuse", os.O_RDWR)
    except OSError:
        pytest.skip("no share may be made here")
    options = f"fd={server},rootmode=40000,user_id=0,group_id=0"
    try:
        command = [mount or "", "-i", "-t", "fuse", "-o", options, "gone", str(folder)]
        if mount is None or subprocess.run(command, capture_output=True, check=False, pass_fds=[server]).returncode:
            pytest.skip("no share may be made here")
    finally:
        os.close(server)
    try:
        yield
    finally:
        subprocess.run(["umount", str(folder)], check=True)


@contextlib.contextmanager
def read_only(folder: Path) -> Iterator[None]:
    """Let a folder be on a medium that cannot be written. Skips where that cannot be done."""
    mount = shutil.which("mount")
    if mount is None or subprocess.run([mount, "--bind", folder, folder], capture_output=True, check=False).returncode:
        pytest.skip("nothing may be mounted here")
    try:
        subprocess.run([mount, "-o", "remount,ro,bind", folder], check=True)
        yield
    finally:
        subprocess.run(["umount", folder], check=True)
