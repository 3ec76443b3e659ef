"""Libraries that an installed program gets in place of large ones: stand-ins, and OpenCV's way to numpy's OpenBLAS."""

import ctypes
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from tests.packaging.modules import build_module

PACKAGING = Path(__file__).resolve().parents[2] / "packaging"
OPENBLAS = next((Path(np.__file__).parent.parent / "numpy.libs").glob("libscipy_openblas64_*"), None)
pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or not all(map(shutil.which, ("gcc", "readelf"))), reason="needs Linux with a compiler"
)


@pytest.fixture
def cpu_torch(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[ModuleType]:
    yield from build_module("cpu_torch", monkeypatch, tmp_path)


@pytest.fixture
def elf(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[ModuleType]:
    yield from build_module("elf", monkeypatch, tmp_path)


@pytest.fixture
def slim(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[ModuleType]:
    yield from build_module("slim", monkeypatch, tmp_path)


def _library(file: Path, source: str, *options: str | Path) -> Path:
    file.with_suffix(".c").write_text(source)
    soname = f"-Wl,-soname,{file.name}"
    words = ["gcc", "-shared", "-fPIC", "-w", soname, "-o", file, file.with_suffix(".c"), *options]
    subprocess.run([str(word) for word in words], check=True)
    return file


def test_a_stand_in_has_what_its_users_ask_for_under_the_same_versions(cpu_torch: ModuleType, tmp_path: Path) -> None:
    versions = tmp_path / "versions.map"
    versions.write_text("NEW_1 { global: asked; unasked; };")
    source = "int asked(void) { return 5; } int unasked(void) { return 6; }"
    library = _library(tmp_path / "libbig.so", source, f"-Wl,--version-script={versions}")
    user = "int asked(void); int ask(void) { return asked(); }"
    using = _library(tmp_path / "libuser.so", user, f"-L{tmp_path}", "-lbig", f"-Wl,-rpath,{tmp_path}")
    cpu_torch.replace(library, [using], answer="100")
    named = {symbol.name: symbol.version for symbol in cpu_torch.symbols(library) if symbol.defined}
    assert (named.get("asked"), named.get("unasked")) == ("NEW_1", None)
    assert ctypes.CDLL(str(using)).ask() == 100


def test_code_for_graphics_cards_is_cut_out_of_a_library_that_works_on(elf: ModuleType, tmp_path: Path) -> None:
    source = """
    __attribute__((section(".nv_fatbin"))) const char code[5000001] = {1};
    const char *const before = "before";
    static const int table[2000] = {[1999] = 17};
    int look(int at) { return table[at]; }
    const char *text(void) { return before; }
    unsigned long where(void) { return (unsigned long)code; }
    """
    library = _library(tmp_path / "libgpu.so", source, "-Wl,--build-id")
    size = library.stat().st_size
    cut = elf.drop_gpu_code(library)
    assert 5_000_001 - 2 * 4096 < cut <= 5_000_001
    assert library.stat().st_size == size - cut
    loaded = ctypes.CDLL(str(library))
    loaded.text.restype = ctypes.c_char_p
    assert (loaded.look(1999), loaded.text()) == (17, b"before")
    assert elf.drop_gpu_code(_library(tmp_path / "libplain.so", "int one(void) { return 1; }")) == 0
    read = subprocess.run(["readelf", "-lSW", library], capture_output=True, text=True, check=True)
    assert read.stderr == ""
    assert ".nv_fatbin        NOBITS" in read.stdout


@pytest.mark.skipif(OPENBLAS is None, reason="needs numpy as PyPI has it")
def test_what_opencv_asks_of_lapack_is_answered_by_the_openblas_of_numpy(tmp_path: Path) -> None:
    assert OPENBLAS is not None
    source = (PACKAGING / "linux" / "lapack.c").read_text()
    where = [f"-L{OPENBLAS.parent}", f"-l:{OPENBLAS.name}", f"-Wl,-rpath,{OPENBLAS.parent}", "-Wl,--no-undefined"]
    lapack = ctypes.CDLL(str(_library(tmp_path / "liblapack.so", source, "-O2", *where)))

    def number(value: int) -> "ctypes._CArgObject":
        return ctypes.byref(ctypes.c_int(value))

    generator = np.random.default_rng(0)
    matrix, right = generator.normal(size=(5, 5)), generator.normal(size=5)
    rows, info = (ctypes.c_int * 6)(*[-9] * 6), ctypes.c_int(-9)
    factors, solution = np.asfortranarray(matrix.copy()), right.copy()
    lapack.dgesv_(number(5), number(1), factors.ctypes, number(5), rows, solution.ctypes, number(5), ctypes.byref(info))
    assert info.value == 0
    np.testing.assert_allclose(solution, np.linalg.solve(matrix, right), rtol=1e-9)
    assert all(1 <= row <= 5 for row in rows[:5])
    assert rows[5] == -9, "more positions were written than there are rows"

    single = np.asfortranarray(generator.normal(size=(4, 3)).astype(np.float32))
    expected = np.linalg.svd(single, compute_uv=False)
    values, work, whole = np.zeros(3, np.float32), np.zeros(400, np.float32), (ctypes.c_int * 24)()
    lapack.sgesdd_(
        b"N", number(4), number(3), single.ctypes, number(4), values.ctypes, work.ctypes, number(4), work.ctypes, number(3),
        work.ctypes, number(400), whole, ctypes.byref(info),
    )  # fmt: skip
    assert info.value == 0
    np.testing.assert_allclose(values, expected, rtol=1e-5)


def test_what_openblas_asks_of_the_library_of_fortran(tmp_path: Path) -> None:
    library = ctypes.CDLL(str(_library(tmp_path / "libgfortran.so", (PACKAGING / "linux" / "gfortran.c").read_text())))
    for size, expected in ((3, b"ABC"), (4, b"ABCD"), (7, b"ABCDE  "), (1, b"A")):
        text = ctypes.create_string_buffer(b"#" * (size + 1))
        library._gfortran_concat_string(ctypes.c_size_t(size), text, ctypes.c_size_t(3), b"ABC", ctypes.c_size_t(2), b"DE")
        assert text.raw == expected + b"#\0"
    for name, real in (("_gfortran_pow_r4_i8", ctypes.c_float), ("_gfortran_pow_r8_i8", ctypes.c_double)):
        power = getattr(library, name)
        power.restype, power.argtypes = real, (real, ctypes.c_int64)
        for base, exponent in ((2.0, 10), (2.0, -3), (-3.0, 3), (5.0, 0), (2.0, -126)):
            assert power(base, exponent) == pytest.approx(base**exponent, rel=1e-6)


def test_pages_that_no_segment_holds_are_left_out_of_a_library_that_works_on(elf: ModuleType, tmp_path: Path) -> None:
    source = """
    #include <stdlib.h>
    static const char *const words[] = {"one", "two"};
    static int changing[3000] = {[2999] = 5};
    static char *later;
    __attribute__((constructor)) static void begin(void) { later = getenv("PATH") ? "yes" : "no"; }
    const char *word(int at) { return words[at]; }
    int change(int by) { return changing[2999] += by; }
    const char *begun(void) { return later; }
    """
    pages = ("-Wl,-z,max-page-size=0x200000", "-Wl,-z,common-page-size=0x200000", "-Wl,-z,separate-code")
    library = _library(tmp_path / "libwide.so", source, "-g", *pages)
    size = library.stat().st_size
    saved = elf.close_gaps(library)
    assert saved == size - library.stat().st_size
    assert library.stat().st_size < 40_000 < 2_000_000 < size
    loaded = ctypes.CDLL(str(library))
    loaded.word.restype = loaded.begun.restype = ctypes.c_char_p
    assert (loaded.word(1), loaded.change(2), loaded.change(1), loaded.begun()) == (b"two", 7, 8, b"yes")
    read = subprocess.run(["readelf", "--dyn-syms", "-lSW", library], capture_output=True, text=True, check=True)
    assert read.stderr == ""
    assert " change" in read.stdout
    assert elf.close_gaps(library) == 0


@pytest.mark.skipif(OPENBLAS is None, reason="needs numpy as PyPI has it")
def test_the_openblas_of_numpy_works_without_its_gaps(elf: ModuleType, tmp_path: Path) -> None:
    assert OPENBLAS is not None
    for library in OPENBLAS.parent.iterdir():
        shutil.copy(library, tmp_path / library.name)
    assert elf.close_gaps(tmp_path / OPENBLAS.name) > 900_000
    code = """
import ctypes, sys
import numpy
blas = ctypes.CDLL(sys.argv[1])
blas.scipy_cblas_ddot64_.restype = ctypes.c_double
one, two = numpy.arange(3.0), numpy.arange(3.0) + 1
print(blas.scipy_cblas_ddot64_(ctypes.c_int64(3), one.ctypes, ctypes.c_int64(1), two.ctypes, ctypes.c_int64(1)))
"""
    command = [sys.executable, "-c", code, tmp_path / OPENBLAS.name]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "8.0\n"


def test_docstrings_are_shortened_and_lines_stay_where_they_were(slim: ModuleType) -> None:
    source = '''"""A module.

Of several lines, with signs: 検査.
"""
import dataclasses

TEXT = """not a docstring"""

@dataclasses.dataclass
class Thing:
    """検査 = a thing."""
    size: int = 1; """after an attribute"""

    def one(self, text="a"):
        "Return its size."
        return self.size

async def nothing(): """Does nothing."""

def both():
    """First."""; return TEXT
'''
    short = slim.without_docstrings(source.encode())
    assert len(short.splitlines()) == len(source.splitlines())
    made: dict[str, Any] = {"__name__": __name__}
    exec(compile(short, "short", "exec"), made)
    thing = made["Thing"]
    assert (made["__doc__"], thing.__doc__, thing.one.__doc__, made["nothing"].__doc__) == (".", ".", ".", ".")
    assert (made["both"](), thing().one(), thing.one.__code__.co_firstlineno) == ("not a docstring", 1, 14)
    assert thing.__doc__ == ".", "an empty one is made up by dataclasses, which takes time at every start"


def test_what_qt_asks_of_icu(tmp_path: Path) -> None:
    icu = ctypes.CDLL(str(_library(tmp_path / "libicu.so", (PACKAGING / "linux" / "icu.c").read_text(), "-fvisibility=hidden")))
    icu.ucol_open.restype = ctypes.c_void_p

    def letters(text: str) -> tuple[bytes, int]:
        return text.encode("utf-16-le"), len(text)

    def order(left: str, right: str, *, numbers: bool = True, strength: int = 2) -> int:
        collator = ctypes.c_void_p(icu.ucol_open(b"ja", None))
        icu.ucol_setAttribute(collator, 7, 17 if numbers else 16, None)
        icu.ucol_setAttribute(collator, 5, strength, None)
        answer: int = icu.ucol_strcoll(collator, *letters(left), *letters(right))
        keys = []
        for name in (left, right):
            size = icu.ucol_getSortKey(collator, *letters(name), None, 0)
            key = ctypes.create_string_buffer(size)
            assert icu.ucol_getSortKey(collator, *letters(name), key, size) == size
            keys.append(key.raw)
        assert (keys[0] > keys[1]) - (keys[0] < keys[1]) == answer, "keys are in the order of the names"
        icu.ucol_close(collator)
        return answer

    assert order("img2.png", "img10.png") == -1
    assert order("img2.png", "img10.png", numbers=False) == 1
    assert order("img002", "img2", strength=1) == 0
    assert order("B", "a") == 1
    assert order("A", "a") != 0
    assert order("A", "a", strength=1) == 0
    assert order("é", "É", strength=1) == 0
    assert order("", "a") == -1
    assert order("検査", "検査") == 0
    assert order("い1", "あ2") == 1
    status = ctypes.c_int(0)
    target = ctypes.create_string_buffer(20)
    assert icu.u_strToUpper(target, 10, *letters("a"), b"ja", ctypes.byref(status)) == 0
    assert status.value > 0, "Qt then takes its own tables"
