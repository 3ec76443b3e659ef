"""Builds the installers; see `packaging/build.sh`, which prepares the tools for it."""

import argparse
import shutil
import sys
import time
from collections.abc import Callable
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
_MAKING = BUILD / "making"  # files lie here until they are whole
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
        for system in ("linux", "windows") if arguments.target == "all" else (arguments.target,):
            kinds = set(arguments.only or KINDS[system])
            made += publish(partial(_build, system, wheel, release, kinds, arguments.python_zip))
    except BuildError as error:
        say(str(error))
        return 1
    for file in made:
        say(f"{file.relative_to(stage.ROOT)}: {file.stat().st_size / 1e6:.1f} MB")
    say(f"done after {time.monotonic() - start:.0f} s")
    return 0


def _build(system: str, wheel: Path, release: Release, kinds: set[str], python_zip: Path | None, target: Path) -> list[Path]:
    """Build for one system and return the files, all of them in `target`."""
    folder = BUILD / f"{system}-folder"
    made: list[Path] = []
    if system == "linux":
        linux_stage.build(folder, wheel, release)
        say(f"the folder holds {stage.megabytes(folder):.0f} MB")
        made += linux.packages(folder, release, target, kinds)
        if "training" in kinds:
            pack = training.build(system, folder, wheel, release, [folder / "inspector"])
            say(f"the training pack holds {stage.megabytes(pack):.0f} MB")
            made += linux.training_packages(pack, release, target, linux_stage.glibc(folder))
    else:
        windows.build(folder, wheel, release, python_zip)
        say(f"the folder holds {stage.megabytes(folder):.0f} MB")
        if "setup" in kinds:
            made.append(windows.setup(folder, release, target))
        if "training" in kinds:
            pack = training.build(system, folder, wheel, release, windows.bytecode_python())
            say(f"the training pack holds {stage.megabytes(pack):.0f} MB")
            made.append(windows.setup(pack, release, target, script="training.nsi", name="inspector-training"))
    shutil.copy(folder / inventory.SBOM, target / f"sbom-{system}.cdx.json")
    return made


def publish(make: Callable[[Path], list[Path]]) -> list[Path]:
    """Put the files that `make` writes into a folder into build/dist, when all are whole; return those that it returns.

    A build that is killed or fails thus leaves nothing there that the next SHA256SUMS would vouch for.
    """
    shutil.rmtree(_MAKING, ignore_errors=True)
    _MAKING.mkdir(parents=True)
    DIST.mkdir(parents=True, exist_ok=True)
    made = make(_MAKING)
    for file in _MAKING.iterdir():
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
