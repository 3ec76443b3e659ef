"""Makes the program's folder smaller without taking anything from it that the program uses."""

import itertools
import re
import shutil
from pathlib import Path

import cpu_torch
from stage import BUILD, PACKAGING, BuildError, run

# Modules of these packages stay readable: our own for whoever looks into a traceback, cv2's because it reads its own sources,
# and Qt's, so that they can be replaced.
_WITH_SOURCE = ("inspector", "PySide6", "shiboken6", "cv2")
# The parts of ICU's data that Qt does not ask for, and the languages that the window does not speak. Converters, time zones and
# the order of letters stay.
_ICU_DROPPED = re.compile(
    r"^(brkitr|translit|rbnf|unit|lang|region|curr)/|"
    r"^((coll|zone)/)?(?!(root|en|en_US|en_US_POSIX|ja|ja_JP)\.)[a-z]{2,3}(_\w*)?\.res$"
)


def replace_opengl(site: Path) -> None:
    """Put an empty module where 9 MB of Qt's OpenGL were.

    pyqtgraph imports it at its start, for kinds of plots that the window does not have, and uses it when one is made.
    """
    (site / "PySide6" / "QtOpenGL.py").write_text('"""Stands for Qt\'s OpenGL, which this program does not use."""\n', "ascii")


def drop_sources(folder: Path) -> None:
    """Keep only the bytecode of the modules in `folder`, beside where their sources were."""
    for compiled in sorted(folder.rglob("__pycache__/*.pyc")):
        module = compiled.parent.parent / f"{compiled.name.partition('.')[0]}.py"
        if module.is_file() and module.relative_to(folder).parts[0] not in _WITH_SOURCE:
            module.unlink()
            compiled.rename(module.with_suffix(".pyc"))
    for cache in sorted(folder.rglob("__pycache__")):
        if not any(cache.iterdir()):
            cache.rmdir()


def strip(site: Path) -> None:
    """Remove symbol tables that only debuggers read.

    Libraries whose segments were moved when their wheel was made do not survive it: strip moves them back, off their pages, and
    the loader refuses them. These stay as they were.
    """
    stripped = BUILD / "stripped"
    for path in sorted(site.rglob("*.so*")):
        if path.is_file() and not path.is_symlink():
            run(["strip", "--strip-unneeded", "-o", stripped, path])
            if _aligned(stripped) and stripped.stat().st_size < path.stat().st_size:
                shutil.copyfile(stripped, path)


def _aligned(file: Path) -> bool:
    """Return whether each segment lies in the file as it lies in memory, which the loader demands."""
    segments = re.findall(r"(?m)^\s+LOAD\s+(0x\w+)\s+(0x\w+).*?(0x\w+)$", run(["readelf", "-lW", file]))
    return all((int(offset, 16) - int(address, 16)) % int(size, 16) == 0 for offset, address, size in segments)


def trim_icu(folder: Path) -> None:
    """Leave out most of the data of ICU, which Qt brings in all languages."""
    library = next(folder.glob("libicudata.so.*"))
    match = re.search(r"(?m)^\s*\d+: (\w+)\s+(\w+) OBJECT .* (icudt\d+)_dat$", run(["readelf", "--dyn-syms", "-W", library]))
    if match is None:
        raise BuildError(f"{library} holds no data of ICU")
    start, name = int(match[1], 16), match[3]
    work = BUILD / "icu"
    shutil.rmtree(work, ignore_errors=True)
    (work / "less").mkdir(parents=True)
    # The data carry the name of their file inside; under another name ICU finds nothing in them, without a word.
    whole, less = work / f"{name}l.dat", work / "less" / f"{name}l.dat"
    whole.write_bytes(library.read_bytes()[start : start + int(match[2], 0)])
    items = run(["icupkg", "-tl", "-l", whole]).split()
    (work / "dropped.txt").write_text("".join(f"{item}\n" for item in items if _ICU_DROPPED.search(item)), "ascii")
    run(["icupkg", "-tl", "-r", work / "dropped.txt", whole, less])
    symbol = f"{name}_dat"
    source = f'.section .rodata\n.balign 16\n.globl {symbol}\n.type {symbol}, @object\n{symbol}:\n.incbin "{less}"\n'
    source += f'.size {symbol}, .-{symbol}\n.section .note.GNU-stack,"",@progbits\n'
    (work / "data.s").write_text(source, "utf-8")
    options = ["-shared", "-nostdlib", "-s", f"-Wl,-soname,{library.name}", "-Wl,--build-id=none"]
    run(["gcc", *options, "-o", library, work / "data.s"])


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


def replace_unused(site: Path) -> None:
    """Put stand-ins where OpenCV brings libraries that this program never asks: AVIF's, and OpenSSL 1.1 for FFmpeg.

    AVIF files are refused by name before OpenCV sees them, and cameras with TLS are read through Python's own. Functions of the
    stand-ins answer 0: no decoder, no connection.
    """
    folder = site / "opencv_python_headless.libs"
    opencv, ffmpeg = [site / "cv2" / "cv2.abi3.so"], [*folder.glob("libavformat-*"), *folder.glob("libavutil-*")]
    for name, users in (("avif", opencv), ("ssl", ffmpeg), ("crypto", ffmpeg)):
        cpu_torch.replace(next(folder.glob(f"lib{name}-*")), users, answer=0)
    next(folder.glob("libaom-*")).unlink()
