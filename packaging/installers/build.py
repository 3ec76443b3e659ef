"""Builds the installers; see `packaging/build.sh`, which prepares the tools for it."""

import argparse
import shutil
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import inventory
import linux
import linux_stage
import stage
import training
import windows
from stage import BUILD, BuildError, Release, say

DIST = BUILD / "dist"
_MAKING = BUILD / "making"  # files lie here until they are whole, in a folder for each system
_PUBLISHING = threading.Lock()
KINDS = {"linux": ("deb", "rpm", "run", "training"), "windows": ("setup", "training")}


def main() -> int:
    """Build what the command line names; return 1 if a step failed."""
    parser = argparse.ArgumentParser(description="Build the installers into build/dist.")
    parser.add_argument("target", choices=["linux", "windows", "all"])
    parser.add_argument("--version", default="", help="instead of the one in pyproject.toml")
    parser.add_argument("--only", action="append", default=[], choices=["folder", "deb", "rpm", "run", "setup", "training"])
    parser.add_argument("--fast", action="store_true", help="compress little: large files soon, for tests")
    parser.add_argument("--python-zip", type=Path, help="Windows: the embeddable package of Python 3.11 from python.org")
    arguments = parser.parse_args()
    release = Release.read(arguments.version)
    stage.FAST = arguments.fast
    start = time.monotonic()
    made: list[Path] = []
    try:
        wheel = stage.wheel(release)
        systems = ("linux", "windows") if arguments.target == "all" else (arguments.target,)
        folders = {system: _folder(system, wheel, release, arguments.python_zip) for system in systems}
        # Compressing takes most of the time, and that for Windows only one processor: both systems go side by side.
        with ThreadPoolExecutor(len(systems)) as lanes:
            running = [
                lanes.submit(
                    publish, partial(_files, system, folder, wheel, release, set(arguments.only or KINDS[system])), system
                )
                for system, folder in folders.items()
            ]
        for lane in running:
            made += lane.result()
    except BuildError as error:
        say(str(error))
        return 1
    for file in made:
        say(f"{file.relative_to(stage.ROOT)}: {file.stat().st_size / 1e6:.1f} MB")
    say(f"done after {time.monotonic() - start:.0f} s")
    return 0


def _folder(system: str, wheel: Path, release: Release, python_zip: Path | None) -> Path:
    """Make the program's folder for one system and return it."""
    folder = BUILD / f"{system}-folder"
    if system == "linux":
        linux_stage.build(folder, wheel, release)
    else:
        windows.build(folder, wheel, release, python_zip)
    say(f"the folder for {system} holds {stage.megabytes(folder):.0f} MB")
    return folder


def _files(system: str, folder: Path, wheel: Path, release: Release, kinds: set[str], target: Path) -> list[Path]:
    """Write the files for one system, made of its folder, into `target` and return them."""
    made: list[Path] = []
    if system == "linux":
        made += linux.packages(folder, release, target, kinds)
    elif "setup" in kinds:
        made.append(windows.setup(folder, release, target))
    if "training" in kinds:
        python = [folder / "inspector"] if system == "linux" else windows.bytecode_python()
        pack = training.build(system, folder, wheel, release, python)
        say(f"the training pack for {system} holds {stage.megabytes(pack):.0f} MB")
        if system == "linux":
            made += linux.training_packages(pack, release, target, linux_stage.glibc(folder))
        else:
            made.append(windows.setup(pack, release, target, script="training.nsi", name="inspector-training"))
    shutil.copy(folder / inventory.SBOM, target / f"sbom-{system}.cdx.json")
    return made


def publish(make: Callable[[Path], list[Path]], name: str) -> list[Path]:
    """Put the files that `make` writes into a folder of this name into build/dist, when all are whole; return what it returns.

    A build that is killed or fails thus leaves nothing there that the next SHA256SUMS would vouch for.
    """
    folder = _MAKING / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    DIST.mkdir(parents=True, exist_ok=True)
    made = make(folder)
    with _PUBLISHING:
        for file in folder.iterdir():
            file.replace(DIST / file.name)
        checksums()
    return [DIST / file.name for file in made]


def checksums() -> None:
    """Write SHA256SUMS of all files in build/dist."""
    files = sorted(path for path in DIST.iterdir() if path.is_file() and path.name != "SHA256SUMS")
    lines = [f"{stage.sha256(path)}  {path.name}\n" for path in files]
    sums = _MAKING / "SHA256SUMS"
    sums.write_text("".join(lines), "ascii")
    sums.replace(DIST / sums.name)


if __name__ == "__main__":
    sys.exit(main())
