"""Makes the program's folder smaller without taking anything from it that the program uses."""

import ast
import contextlib
import itertools
import os
import re
import shutil
import time
import zipfile
from collections.abc import Collection
from pathlib import Path

import cpu_torch
import elf
from stage import BUILD, PACKAGING, BuildError, Release, run

# Modules of these packages stay readable: our own for whoever looks into a traceback, cv2's because it reads its own sources,
# and Qt's, so that they can be replaced.
_WITH_SOURCE = ("inspector", "PySide6", "shiboken6", "cv2")
# numpy makes some of its docstrings of others, and stops where these are not as it knows them.
_WITH_DOCSTRINGS = (*_WITH_SOURCE, "numpy")
_MARKERS = ("py.typed", "architecture.rst")  # of packages that are nothing but modules, for others than Python


def replace_opengl(site: Path) -> None:
    """Put an empty module where 9 MB of Qt's OpenGL were.

    pyqtgraph imports it at its start, for kinds of plots that the window does not have, and uses it when one is made.
    """
    (site / "PySide6" / "QtOpenGL.py").write_text('"""Stands for Qt\'s OpenGL, which this program does not use."""\n', "ascii")


def drop_docstrings(folder: Path) -> None:
    """Shorten every docstring of the modules in `folder` to a point, but keep the numbers of the lines.

    A seventh of their bytecode is docstrings, which nobody reads in an installed program. None are left empty: the module
    dataclasses would make up one for each class, at its start.
    """
    for path in sorted(folder.rglob("*.py")):
        if path.relative_to(folder).parts[0] not in _WITH_DOCSTRINGS:
            with contextlib.suppress(SyntaxError, ValueError):  # a module of another Python, which is never imported
                path.write_bytes(without_docstrings(path.read_bytes()))


def without_docstrings(source: bytes) -> bytes:
    """Return the source of a module with a point in the place of every docstring, and its lines where they were.

    Raises SyntaxError if it is none, and UnicodeDecodeError if it is not in UTF-8.
    """
    source.decode("utf-8")
    lines = source.splitlines(keepends=True)
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) or not node.body:
            continue
        first = node.body[0]
        if not (isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str)):
            continue
        start, end = first.value.lineno - 1, (first.value.end_lineno or 0) - 1
        before, after = lines[start][: first.value.col_offset], lines[end][first.value.end_col_offset :]
        if after.strip():
            continue  # more stands in the last line
        lines[start : end + 1] = [before + b'"."\n', *[b"\n"] * (end - start)]
    return b"".join(lines)


def drop_sources(folder: Path, packages: Collection[str] | None = None) -> None:
    """Keep only the bytecode of the modules in `folder`, or of these packages there, beside where their sources were."""
    for compiled in sorted(folder.rglob("__pycache__/*.pyc")):
        module = compiled.parent.parent / f"{compiled.name.partition('.')[0]}.py"
        package = module.relative_to(folder).parts[0]
        if module.is_file() and (package not in _WITH_SOURCE if packages is None else package in packages):
            module.unlink()
            compiled.rename(module.with_suffix(".pyc"))
    for cache in sorted(folder.rglob("__pycache__")):
        if not any(cache.iterdir()):
            cache.rmdir()


def archive_modules(folder: Path, archive: Path, release: Release) -> None:
    """Move the packages in `folder` that hold nothing but modules into a compressed archive, from which Python imports them.

    Extension modules cannot be loaded from there, and other files need not be found there: packages that have some stay. Of the
    program itself the modules are moved with their sources, which tracebacks show, and its other files stay.
    """
    when = time.gmtime(release.epoch)[:6]
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as target:
        for top in sorted(folder.iterdir()):
            files = sorted(path for path in ([top] if top.is_file() else top.rglob("*")) if path.is_file())
            modules = [path for path in files if path.suffix in {".py", ".pyc"}]
            others = [path for path in files if path not in modules and path.name not in _MARKERS]
            names = {_imported_from(path): path for path in modules}
            if not {top, top / "__init__.pyc"} & set(names) or (others and top.name != "inspector"):
                continue
            for name, path in sorted(names.items()):
                entry = zipfile.ZipInfo(name.relative_to(folder).as_posix(), when)
                entry.compress_type, entry.external_attr = zipfile.ZIP_DEFLATED, 0o644 << 16
                target.writestr(entry, path.read_bytes(), compresslevel=9)
                path.unlink()
            for path in sorted(top.rglob("*"), reverse=True) if top.is_dir() else ():
                if path.is_dir() and not any(path.iterdir()):
                    path.rmdir()
                elif path.name in _MARKERS:
                    path.unlink()
            if top.is_dir() and not any(top.iterdir()):
                top.rmdir()


def _imported_from(path: Path) -> Path:
    """Return where Python looks for a module in an archive: there, bytecode lies beside the source."""
    return path.parent.parent / f"{path.name.partition('.')[0]}.pyc" if path.parent.name == "__pycache__" else path


def shorten_metadata(site: Path) -> None:
    """Leave out of the packages' metadata the long descriptions, which are their pages in the index."""
    for file in sorted(site.glob("*.dist-info/METADATA")):
        head, _, _about = file.read_bytes().replace(b"\r\n", b"\n").partition(b"\n\n")
        file.write_bytes(head + b"\n")


def strip(site: Path) -> None:
    """Remove symbol tables that only debuggers read.

    Libraries whose segments were moved when their wheel was made do not survive `strip`: it moves them back, off their pages,
    and the loader refuses them. These stay as they were; `close_gaps` makes them smaller.
    """
    stripped = BUILD / "stripped"
    for path in sorted(site.rglob("*.so*")):
        if path.is_file() and not path.is_symlink():
            run(["strip", "--strip-unneeded", "-o", stripped, path])
            if _aligned(stripped) and stripped.stat().st_size < path.stat().st_size:
                shutil.copyfile(stripped, path)


def close_gaps(folder: Path) -> None:
    """Leave out of every library the pages that no segment holds, and with them most of the list of its own addresses."""
    for path in sorted(folder.rglob("*.so*")):
        if path.is_file() and not path.is_symlink():
            elf.pack_relocations(path)
            elf.close_gaps(path)


def needed(path: Path) -> list[str]:
    """Return the libraries that an ELF file needs."""
    return re.findall(r"\(NEEDED\).*\[(.*)\]", run(["readelf", "-dW", path]))


def _aligned(file: Path) -> bool:
    """Return whether each segment lies in the file as it lies in memory, which the loader demands."""
    segments = re.findall(r"(?m)^\s+LOAD\s+(0x\w+)\s+(0x\w+).*?(0x\w+)$", run(["readelf", "-lW", file]))
    return all((int(offset, 16) - int(address, 16)) % int(size, 16) == 0 for offset, address, size in segments)


def replace_icu(folder: Path) -> None:
    """Put `packaging/linux/icu.c` where 14 MB of ICU were, of which Qt asks for the order of file names.

    Raises BuildError if Qt asks for a function that is not there.
    """
    libraries = {name: next(folder.glob(f"libicu{name}.so.*")) for name in ("i18n", "uc", "data")}
    version = libraries["uc"].name.rpartition(".")[2]
    asked = {
        symbol.name.removesuffix(f"_{version}")
        for path in folder.glob("libQt6*")
        for symbol in cpu_torch.symbols(path)
        if not symbol.defined and symbol.name.endswith(f"_{version}")
    }
    options = ["-shared", "-fPIC", "-O2", "-Wall", "-Werror", "-s", "-Wl,--build-id=none", "-fvisibility=hidden"]
    names = [f"-D{name}={name}_{version}" for name in sorted(asked)]
    for library in libraries.values():
        run(["gcc", *options, *names, f"-Wl,-soname,{library.name}", "-o", library, PACKAGING / "linux" / "icu.c"])
    there = {symbol.name.removesuffix(f"_{version}") for symbol in cpu_torch.symbols(libraries["uc"]) if symbol.defined}
    if asked - there:
        raise BuildError("Qt asks for functions of ICU that packaging/linux/icu.c lacks: " + ", ".join(sorted(asked - there)))


def share_openblas(site: Path) -> None:
    """Let OpenCV use the OpenBLAS of numpy in place of one of its own, of 39 MB, for 30 processors.

    What numpy's asks of the library of Fortran is four functions, which come from `packaging/linux/gfortran.c`.
    """
    module, folder = site / "cv2" / "cv2.abi3.so", site / "opencv_python_headless.libs"
    openblas = next((site / "numpy.libs").glob("libscipy_openblas64_*"))
    between = folder / "liblapack-of-numpy.so"
    options = ["-shared", "-fPIC", "-O2", "-Wall", "-Werror", "-s", f"-Wl,-soname,{between.name}", "-Wl,--build-id=none"]
    where = [f"-L{openblas.parent}", f"-l:{openblas.name}", "-Wl,-rpath,$ORIGIN/../numpy.libs", "-Wl,--disable-new-dtags"]
    run(["gcc", *options, "-o", between, PACKAGING / "linux" / "lapack.c", *where, "-Wl,--no-undefined"])
    own = next(folder.glob("libopenblas*"))
    run(["patchelf", "--replace-needed", own.name, between.name, module])
    fortran = next(openblas.parent.glob("libgfortran-*"))
    map_file = BUILD / "gfortran.map"
    map_file.write_text("GFORTRAN_8 { global: _gfortran_*; local: *; };\n", "ascii")
    options = ["-shared", "-fPIC", "-O2", "-Wall", "-Werror", "-s", f"-Wl,-soname,{fortran.name}", "-Wl,--build-id=none"]
    run(["gcc", *options, f"-Wl,--version-script={map_file}", "-o", fortran, PACKAGING / "linux" / "gfortran.c"])
    unused = (folder.glob("libgfortran-*"), folder.glob("libquadmath-*"), openblas.parent.glob("libquadmath-*"))
    for old in (own, *itertools.chain(*unused)):
        old.unlink()


def share_libraries(folder: Path, with_folder: Path) -> list[str]:
    """Let the libraries beside a package use those of another one in place of their own; return the names of those deleted.

    A library is shared if its name and the number of its interface are the same, and if it has all symbols that are asked for.
    """
    site, deleted = folder.parent, []
    package = site / folder.name.removesuffix(".libs")
    files = [path for place in (package, folder) for path in sorted(place.rglob("*.so*"))]
    needs = {path: needed(path) for path in files}
    for own in sorted(folder.glob("*.so*")):
        other = next((path for path in sorted(with_folder.glob("*.so*")) if _interface(path) == _interface(own)), None)
        users = [path for path in files if own.name in needs[path] and path != own]
        if other is None:
            continue
        there = {(symbol.name, symbol.version) for symbol in cpu_torch.symbols(other) if symbol.defined}
        was = {(symbol.name, symbol.version) for symbol in cpu_torch.symbols(own) if symbol.defined}
        asked = {(symbol.name, symbol.version) for path in users for symbol in cpu_torch.symbols(path) if not symbol.defined}
        if (asked & was) - there:
            continue
        for path in users:
            run(["patchelf", "--replace-needed", own.name, other.name, path])
            places = [f"$ORIGIN/{os.path.relpath(place, path.parent)}" for place in (folder, with_folder)]
            run(["patchelf", "--force-rpath", "--set-rpath", ":".join(places), path])
        own.unlink()
        files.remove(own)
        deleted.append(own.name)
    return deleted


def _interface(path: Path) -> tuple[str, str]:
    """Return the name of a library without the hash that a wheel adds, and the number of its interface."""
    name, _, number = path.name.partition(".so.")
    return name.rpartition("-")[0], number.partition(".")[0]


def replace_unused(site: Path) -> None:
    """Put stand-ins where packages bring libraries that this program never asks.

    OpenCV: AVIF's, because such files are refused by name before it sees them; OpenSSL 1.1 for FFmpeg, because cameras with TLS
    are read through Python's own; libvpx for FFmpeg, which writes VP8 and VP9 by it and reads them itself. Pillow: X11's, for
    pictures of the screen. Functions of the stand-ins answer 0, which is no decoder and no connection, or fail.
    """
    folder, pillow = site / "opencv_python_headless.libs", site / "pillow.libs"
    opencv, ffmpeg = [site / "cv2" / "cv2.abi3.so"], [*folder.glob("libavformat-*"), *folder.glob("libavutil-*")]
    for name, users in (("avif", opencv), ("ssl", ffmpeg), ("crypto", ffmpeg)):
        cpu_torch.replace(next(folder.glob(f"lib{name}-*")), users, answer="0")
    cpu_torch.replace(next(folder.glob("libvpx-*")), [*folder.glob("libavcodec-*")], answer='(long)""')
    cpu_torch.replace(next(pillow.glob("libxcb-*")), [*(site / "PIL").glob("_imaging.*.so")], answer="1")
    for unasked in (folder.glob("libaom-*"), pillow.glob("libXau-*")):
        next(unasked).unlink()
