"""The folder of an installed program: launcher, Python, packages; the same on every system but for the names of files.

inspector            the launcher, or inspector.exe and inspectorw.exe
inspector._pth       where Python looks for modules, and nowhere else
python/              Python itself
site/                the packages of the station, this program among them
site.zip             Linux: those of them that are nothing but modules
training/            packages of the training pack, where it is installed
installation.json    version, kind of installer and commit
licenses/            third-party licences;  sbom.cdx.json: what is in here
"""

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGING = ROOT / "packaging"
BUILD = ROOT / "build"
CACHE = BUILD / "download"
WINDOWS = "x86_64-pc-windows-msvc"  # as uv names it
EXTRAS = ("train",)
FAST = False  # compress little; set by build.py


class BuildError(Exception):
    """A step of the build failed; the text says which and why."""


def say(text: str) -> None:
    """Report a step on stderr."""
    sys.stderr.write(f"build: {text}\n")
    sys.stderr.flush()


def run(
    command: Sequence[str | Path], *, cwd: Path | None = None, env: dict[str, str] | None = None, stdin: bytes = b""
) -> str:
    """Run a program and return its standard output. Raises BuildError with the end of its output if it fails."""
    words = [str(word) for word in command]
    done = subprocess.run(words, cwd=cwd, env={**os.environ, **(env or {})}, input=stdin, capture_output=True, check=False)
    if done.returncode:
        output = (done.stdout + done.stderr).decode("utf-8", "replace").strip().splitlines()[-25:]
        raise BuildError("\n".join([f"{' '.join(words)[:300]} ended with {done.returncode}:", *output]))
    return done.stdout.decode("utf-8", "replace")


@dataclass(frozen=True, slots=True)
class Release:
    """What is built: its version, the commit and its time (seconds since 1970), which every file's time is set to."""

    version: str
    commit: str
    epoch: int

    @classmethod
    def read(cls, version: str = "") -> "Release":
        """Return the release of the checkout; `version` replaces the one in pyproject.toml, for tests of updates."""
        project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
        commit, epoch = run(["git", "log", "-1", "--format=%H %ct"], cwd=ROOT).split()
        return cls(version or str(project["version"]), commit, int(os.environ.get("SOURCE_DATE_EPOCH") or epoch))

    @property
    def debian(self) -> str:
        """The version as dpkg and rpm order it: a pre-release before its release."""
        return re.sub(r"\.?(a|b|rc)(\d+)", r"~\1\2", self.version).replace(".dev", "~~dev").replace(".post", "+post")


def changes(release: Release) -> list[str]:
    """Return what changed in this version, a sentence each, as the manual tells it; nothing for a version it does not name."""
    text = (ROOT / "resources" / "manual" / "en" / "changes.md").read_text("utf-8")
    section = re.search(rf"(?ms)^## {re.escape(release.version)}$(.*?)(?=^## |\Z)", text)
    return [] if section is None else re.findall(r"(?m)^- (.+)$", section[1])


def constraints() -> Path:
    """Write the exact versions of pyproject.toml as a file for uv and return it."""
    pins = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["uv"]["constraint-dependencies"]
    file = BUILD / "constraints.txt"
    _write_once(file, "\n".join(pins) + "\n")
    return file


def _write_once(file: Path, text: str) -> None:
    """Write a file unless it is there already: another lane of the build may be reading it."""
    if not file.is_file() or file.read_text("utf-8") != text:
        file.write_text(text, "utf-8")


def wheel(release: Release) -> Path:
    """Build the program's wheel from the files git knows, and return it."""
    source = BUILD / "source"
    shutil.rmtree(source, ignore_errors=True)
    for name in run(
        ["git", "ls-files", "-z", "inspector", "resources", "models", "pyproject.toml", "README.md", "LICENSE"], cwd=ROOT
    ).split("\0"):
        if name and (ROOT / name).is_file():
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, source / name)
    project = source / "pyproject.toml"
    project.write_text(
        re.sub(r'(?m)^version = ".*"$', f'version = "{release.version}"', project.read_text("utf-8"), count=1), "utf-8"
    )
    target = BUILD / "wheel"
    shutil.rmtree(target, ignore_errors=True)
    run(
        ["uv", "build", "--wheel", "--quiet", "--no-config", "--out-dir", target, source],
        env={"SOURCE_DATE_EPOCH": str(release.epoch)},
    )
    return next(target.glob("*.whl"))


# Packages that other packages ask for and that an installed program must not hold: one sends usage data, one downloads, the
# others are for NVIDIA cards or for compilers.
_UNWANTED = (
    "openvino-telemetry",
    "hf-xet",
    "pycparser",
    "triton",
    "cuda-bindings",
    "cuda-toolkit",
    "nvidia-cublas",
    "nvidia-cudnn-cu13",
    "nvidia-cusparselt-cu13",
    "nvidia-nccl-cu13",
    "nvidia-nvshmem-cu13",
)


# What ONNX Runtime asks for and uses only to change networks, which takes the training pack.
_ONLY_IN_PACK = ("flatbuffers", "protobuf")


def install(site: Path, wheel_file: Path, *, platform: str, extras: Sequence[str] = ()) -> None:
    """Install the wheel with its packages into `site`, for this or another system (`platform` as uv names it)."""
    shutil.rmtree(site, ignore_errors=True)
    overrides = BUILD / ("overrides-pack.txt" if extras else "overrides.txt")
    unwanted = _UNWANTED if extras else (*_UNWANTED, *_ONLY_IN_PACK)
    _write_once(overrides, "\n".join(f"{package}; sys_platform == 'never'" for package in unwanted) + "\n")
    name = f"{wheel_file}[{','.join(extras)}]" if extras else str(wheel_file)
    command = ["uv", "pip", "install", "--quiet", "--no-config", "--target", site, "--python-version", "3.11", "--no-compile"]
    options = ["--python-platform", platform, "--only-binary", ":all:", "--link-mode", "copy"]
    run([*command, *options, "--constraint", constraints(), "--override", overrides, name], cwd=BUILD)


def compile_modules(python: Sequence[str | Path], folders: Sequence[Path]) -> None:
    """Compile every module. The bytecode is not compared with the source later: nobody but the installer writes there.

    What this Python imports for the work must not compile itself (-B), with the path of this folder inside.
    """
    for folder in folders:
        command = [
            *python,
            "-B",
            "-m",
            "compileall",
            "-q",
            "-f",
            "-j",
            "2",
            "--invalidation-mode",
            "unchecked-hash",
            "-s",
            folder.parent,
            folder,
        ]
        run(command)


def finish(stage: Path, release: Release, *, system: str) -> None:
    """Write `installation.json`, and give every file one time and plain permissions."""
    text = json.dumps({"version": release.version, "commit": release.commit, "system": system}, indent=1)
    (stage / "installation.json").write_text(text + "\n", "utf-8")
    settle(stage, release)


def settle(stage: Path, release: Release) -> None:
    """Give every file and folder under `stage` the release's time, and modes 0644 or 0755."""
    for path in [stage, *stage.rglob("*")]:
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() or (os.access(path, os.X_OK) and _is_program(path)) else 0o644)
        os.utime(path, (release.epoch, release.epoch), follow_symlinks=False)


def _is_program(path: Path) -> bool:
    if path.suffix in {".py", ".pyc", ".txt", ".json"} or ".so" in path.name:
        return False
    with path.open("rb") as file:
        return file.read(4) in (b"\x7fELF",) or path.name.endswith(".sh")


def tar(release: Release) -> list[str]:
    """Return the command that writes files to an archive in one order, with one time and one owner."""
    return ["tar", "--sort=name", f"--mtime=@{release.epoch}", "--owner=0", "--group=0", "--numeric-owner", "--format=gnu"]


def pack(root: Path, archive: Path, release: Release, name: str = ".") -> Path:
    """Write what is under `root`, or one folder of it, to a compressed archive, and return that.

    A .deb holds it, a .run file and a setup program unpack it. The filter for machine code makes libraries a sixth smaller;
    dpkg, tar and Python ask xz, which knows from the file what to undo.
    """
    # Two blocks hold the program, so that both processors end together; of 192 MB, which xz takes by itself, it would be three.
    level = ["-0"] if FAST else ["--x86", "--lzma2=preset=6,dict=64MiB", "--block-size=256MiB"]
    run([*tar(release), f"--use-compress-program=xz -T2 {' '.join(level)}", "-cf", archive, "-C", root, name])
    return archive


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def megabytes(folder: Path) -> float:
    """Return the size of all files under `folder`, in MB (10**6 bytes)."""
    return sum(path.lstat().st_size for path in folder.rglob("*") if path.is_file() and not path.is_symlink()) / 1e6
