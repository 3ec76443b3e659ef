"""The program's folder for Linux: Debian's Python made relocatable, the packages, and the libraries they share."""

import re
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

import inventory
import rules
import slim
import stage
from stage import BUILD, PACKAGING, BuildError, Release, run, say

PLATFORM = "x86_64-manylinux_2_35"
_PYTHON = ("python3.11-minimal", "libpython3.11-minimal", "libpython3.11-stdlib")
# Libraries of Debian's Python that not every Linux has in this version.
_LIBRARIES = ("libssl3", "libffi8", "libsqlite3-0", "libexpat1", "zlib1g", "libbz2-1.0", "liblzma5", "libuuid1")
NOT_SHIPPED = re.compile(
    r"^(lib-dynload/(_test|_ctypes_test|_crypt|_curses|_dbm|_xxtest|xxlimited|nis|readline|ossaudiodev|_tkinter)|lib-dynload/_xxsub|"
    r"(sitecustomize\.py|LICENSE\.txt)$|"
    r"(idlelib|lib2to3|tkinter|turtledemo|ensurepip|venv|turtle\.pyc?|pydoc_data|test|__pycache__|config-3)(/|$))"
)
# What every desktop Linux has: the C library, OpenGL, X11 and Wayland, fonts and D-Bus. The packages depend on them.
OF_THE_SYSTEM = re.compile(
    r"^(ld-linux-x86-64|lib(c|m|dl|rt|pthread|util|resolv|gcc_s|stdc\+\+|z|zstd|expat|GL|EGL|GLX|OpenGL|X11|X11-xcb|xcb(-[a-z0-9-]+)?|"
    r"xkbcommon(-x11)?|fontconfig|freetype|dbus-1|glib-2\.0|gthread-2\.0|wayland-(client|cursor|egl)|vulkan|drm))\.so\."
)


# Every module of the program can be imported, but for those that need the training pack: nothing too much was left out.
_IMPORTS = """
import importlib, pkgutil, sys, inspector
pack = {"torch", "torchvision", "timm", "nncf", "onnx", "onnxscript", "tensorboardX"}
for module in pkgutil.walk_packages(inspector.__path__, "inspector."):
    if not module.name.endswith("__main__"):
        try:
            importlib.import_module(module.name)
        except ModuleNotFoundError as error:
            if (error.name or "").partition(".")[0] not in pack:
                sys.exit(f"{module.name}: {error}")
"""


def build(folder: Path, wheel: Path, release: Release) -> dict[str, str]:
    """Make the whole folder and return the Debian packages in it with their versions."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    say("installing the packages of the station")
    site = folder / "site"
    stage.install(site, wheel, platform=PLATFORM)
    inventory.collect_licenses(site, folder / "licenses")
    say(f"left out {rules.trim(site, rules.DROPPED)} files")
    slim.replace_opengl(site)
    versions = add_python(folder)
    slim.share_openblas(site)
    slim.replace_unused(site)
    shared = slim.share_libraries(site / "imagecodecs.libs", site / "pillow.libs")
    say(f"shared {', '.join(shared)}")
    slim.replace_icu(site / "PySide6" / "Qt" / "lib")
    for libraries_of in (site, folder / "python"):
        slim.strip(libraries_of)
        slim.close_gaps(libraries_of)
    launcher(folder)
    trees = [folder / "python" / "stdlib", site]
    for modules in trees:
        slim.drop_docstrings(modules)
    stage.compile_modules([folder / "inspector"], trees)
    for modules in trees:
        slim.drop_sources(modules)
        slim.archive_modules(modules, modules.with_suffix(".zip"), release)
    slim.shorten_metadata(site)
    run([folder / "inspector", "-c", _IMPORTS])
    missing = sorted(unresolved(folder))
    if missing:
        raise BuildError("libraries that neither the folder nor the system has: " + ", ".join(missing))
    inventory.write_sbom(folder, release, versions)
    stage.finish(folder, release, system="linux")
    return versions


def launcher(folder: Path) -> None:
    """Compile the launcher, and write where its Python looks for modules."""
    run(["gcc", "-O2", "-static", "-s", "-o", folder / "inspector", PACKAGING / "linux" / "launcher.c"])
    places = ("python/stdlib.zip", "python/stdlib", "python/stdlib/lib-dynload", "site.zip", "site", "training")
    (folder / "inspector._pth").write_text("\n".join([*places, ""]), "ascii")


def add_python(folder: Path) -> dict[str, str]:
    """Unpack Debian's Python and its libraries into `python/`, and make them find each other there."""
    unpacked, versions = debian((*_PYTHON, *_LIBRARIES), folder / "licenses")
    python = folder / "python"
    library = python / "lib"
    library.mkdir(parents=True)
    shutil.copy(unpacked / "usr" / "bin" / "python3.11", python / "inspector")
    _copy_stdlib(unpacked / "usr" / "lib" / "python3.11", python / "stdlib")
    for place in ("lib", "usr/lib"):
        for path in (unpacked / place / "x86_64-linux-gnu").glob("lib*.so.*"):
            soname = needed(path, "SONAME")
            if soname and path.name == soname[0]:
                shutil.copy(path, library / path.name)  # the file behind the link
    for wide in library.glob("libexpatw*"):
        wide.unlink()
    run(["patchelf", "--force-rpath", "--set-rpath", "$ORIGIN/lib", python / "inspector"])
    for module in (python / "stdlib" / "lib-dynload").glob("*.so"):
        run(["patchelf", "--force-rpath", "--set-rpath", "$ORIGIN/../../lib", module])
    for path in library.iterdir():
        run(["patchelf", "--force-rpath", "--set-rpath", "$ORIGIN", path])
    return versions


def debian(names: Sequence[str], licenses: Path) -> tuple[Path, dict[str, str]]:
    """Unpack packages of Debian, copy their licences, and return the folder and their versions."""
    debs = stage.CACHE / "debian"
    debs.mkdir(parents=True, exist_ok=True)
    run(["apt-get", "-q", "-o", "APT::Sandbox::User=root", "download", *names], cwd=debs)
    unpacked = BUILD / "debian-root"
    shutil.rmtree(unpacked, ignore_errors=True)
    versions = {}
    for name in names:
        deb = max(debs.glob(f"{name}_*.deb"), key=lambda path: path.stat().st_mtime)
        versions[name] = run(["dpkg-deb", "-f", deb, "Version"]).strip()
        run(["dpkg-deb", "-x", deb, unpacked])
        copyright_file = unpacked / "usr" / "share" / "doc" / name / "copyright"
        if copyright_file.is_file():
            shutil.copy(copyright_file, licenses / f"{name}.txt")
    return unpacked, versions


def _copy_stdlib(source: Path, target: Path) -> None:
    for path in sorted(source.rglob("*")):
        name = path.relative_to(source).as_posix()
        if path.is_file() and not NOT_SHIPPED.search(name) and "/__pycache__/" not in f"/{name}":
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, target / name)


def needed(path: Path, tag: str = "NEEDED") -> list[str]:
    """Return the entries of an ELF file of this kind, by default the libraries it needs."""
    return re.findall(rf"\({tag}\).*\[(.*)\]", run(["readelf", "-dW", path]))


def libraries(folder: Path) -> Iterator[Path]:
    """Yield every ELF file."""
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not path.is_symlink() and (".so" in path.name or path.name == "inspector"):
            yield path


def unresolved(folder: Path) -> set[str]:
    """Return libraries that a file needs, that are not in the folder, and that not every Linux has."""
    files = list(libraries(folder))
    here = {path.name for path in files}
    return {
        f"{name} (for {path.relative_to(folder)})"
        for path in files
        for name in needed(path)
        if name not in here and not OF_THE_SYSTEM.search(name)
    }


def glibc(folder: Path) -> str:
    """Return the version of the C library that the newest symbol of any file needs, for example "2.35"."""
    versions = {
        tuple(map(int, found.split(".")))
        for path in libraries(folder)
        for found in re.findall(r"GLIBC_(\d+\.\d+)", run(["readelf", "-VW", path]))
    }
    return ".".join(map(str, max(versions | {(2, 36)})))  # which reads the lists of elf.pack_relocations
