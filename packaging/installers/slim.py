"""Makes the program's folder smaller without taking anything from it that the program uses."""

import re
import shutil
from pathlib import Path

from stage import BUILD, BuildError, run

# Modules of these packages stay readable: our own for whoever looks into a traceback, cv2's because it reads its own sources,
# and Qt's, so that they can be replaced.
_WITH_SOURCE = ("inspector", "PySide6", "shiboken6", "cv2")
# The parts of ICU's data that Qt does not ask for, and the languages that the window does not speak. Converters, time zones and
# the order of letters stay.
_ICU_DROPPED = re.compile(
    r"^(brkitr|translit|rbnf|unit|lang|region|curr)/|"
    r"^((coll|zone)/)?(?!(root|en|en_US|en_US_POSIX|ja|ja_JP)\.)[a-z]{2,3}(_\w*)?\.res$"
)
LAPACK = ("liblapack3", "libblas3", "libgfortran5", "libquadmath0")  # of Debian


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


def replace_lapack(site: Path, debian: Path) -> None:
    """Let OpenCV use the LAPACK of Debian, unpacked in `debian`, in place of an OpenBLAS of 39 MB for 30 processors.

    OpenCV asks it for singular values and the solutions of equations, of matrices so small that its speed does not matter.
    """
    module, folder = site / "cv2" / "cv2.abi3.so", site / "opencv_python_headless.libs"
    openblas = next(folder.glob("libopenblas*"))
    for name in ("liblapack.so", "libblas.so", "libgfortran.so", "libquadmath.so"):
        path = next((debian / "usr" / "lib").rglob(f"{name}.*.*"))
        target = folder / f"{name}.{path.name.removeprefix(name).split('.')[1]}"
        shutil.copy(path, target)
        run(["patchelf", "--force-rpath", "--set-rpath", "$ORIGIN", target])
    run(["patchelf", "--replace-needed", openblas.name, "liblapack.so.3", module])
    for old in (openblas, *folder.glob("libgfortran-*"), *folder.glob("libquadmath-*")):
        old.unlink()
