"""Libraries that an installed program gets in place of large ones: stand-ins, and OpenCV's way to numpy's OpenBLAS."""

import ctypes
import importlib
import importlib.metadata
import os
import platform
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import cv2
import numpy as np
import pytest

from tests.packaging.modules import build_module

PACKAGING = Path(__file__).resolve().parents[2] / "packaging"
OPENBLAS = next((Path(np.__file__).parent.parent / "numpy.libs").glob("libscipy_openblas64_*"), None)
FFMPEG = next((Path(cv2.__file__).parents[1] / "opencv_python_headless.libs").glob("libavutil-*"), None)
NEW_C_LIBRARY = pytest.mark.skipif(
    sys.platform != "linux" or tuple(map(int, platform.libc_ver()[1].split("."))) < (2, 36), reason="needs glibc 2.36"
)
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


@NEW_C_LIBRARY
def test_the_list_of_a_librarys_own_addresses_becomes_bits_and_it_works_on(elf: ModuleType, tmp_path: Path) -> None:
    names = ", ".join(f'"name {number}"' for number in range(6000))
    source = f"""
    #include <stdlib.h>
    static const char *const names[] = {{{names}}};
    static struct {{ char odd; const char *at; }} apart[300] = {{[7] = {{1, "seven"}}, [299] = {{2, "last"}}}};
    const char *name(int at) {{ return names[at]; }}
    const char *other(int at) {{ return apart[at].at; }}
    int absolute(int of) {{ return abs(of); }}
    char *(*outside)(const char *) = getenv;
    """
    library = _library(tmp_path / "libnames.so", source, "-Wl,--build-id")
    size = library.stat().st_size
    assert elf.pack_relocations(library)
    elf.close_gaps(library)
    assert size - library.stat().st_size > 6000 * 24 * 0.9
    loaded = ctypes.CDLL(str(library))
    loaded.name.restype = loaded.other.restype = ctypes.c_char_p
    assert [loaded.name(at) for at in (0, 1, 62, 63, 64, 5999)] == [b"name %d" % at for at in (0, 1, 62, 63, 64, 5999)]
    assert (loaded.other(7), loaded.other(8), loaded.other(299), loaded.absolute(-3)) == (b"seven", None, b"last", 3)
    read = subprocess.run(["readelf", "-dlrVSW", "--dyn-syms", library], capture_output=True, text=True, check=True)
    assert read.stderr == ""
    assert "GLIBC_ABI_DT_RELR" in read.stdout
    assert not elf.pack_relocations(library), "it is packed already"


@NEW_C_LIBRARY
@pytest.mark.parametrize(
    "options", [("-Wl,--spare-dynamic-tags=0", "-Wl,--build-id"), ("-Wl,--build-id=none", "-Wl,-z,noseparate-code")]
)
def test_a_library_without_room_for_bits_stays_as_it_was(elf: ModuleType, tmp_path: Path, options: tuple[str, ...]) -> None:
    empty = ", ".join(['""'] * 6000)
    source = f"static const char *const names[] = {{{empty}}}; const char *name(int at) {{ return names[at]; }}"
    library = _library(tmp_path / "libfull.so", source, *options)
    before = library.read_bytes()
    assert not elf.pack_relocations(library)
    assert library.read_bytes() == before
    loaded = ctypes.CDLL(str(library))
    loaded.name.restype = ctypes.c_char_p
    assert loaded.name(5999) == b""


@NEW_C_LIBRARY
@pytest.mark.skipif(FFMPEG is None, reason="needs OpenCV as PyPI has it")
def test_a_library_that_a_wheel_has_moved_about_becomes_smaller_and_works_on(elf: ModuleType, tmp_path: Path) -> None:
    assert FFMPEG is not None
    for library in FFMPEG.parent.iterdir():
        (tmp_path / library.name).symlink_to(library)
    copy = tmp_path / FFMPEG.name
    copy.unlink()
    shutil.copy(FFMPEG, copy)
    assert elf.pack_relocations(copy)
    elf.close_gaps(copy)
    code = """
import ctypes, sys
library = ctypes.CDLL(sys.argv[1])
library.av_get_pix_fmt_name.restype = ctypes.c_char_p
print(library.av_get_pix_fmt_name(0), library.av_get_pix_fmt_name(2))
"""
    command = [sys.executable, "-c", code, copy]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "b'yuv420p' b'rgb24'\n"


def test_addresses_as_bits(elf: ModuleType) -> None:
    # Read back by the rule of the ELF specification.
    addresses = [0x1000, 0x1008, 0x1200, 0x1208, 0x9000, 0x9002, 0x900C, *range(0xA000, 0xB000, 8)]
    found: list[int] = []
    base = 0
    words = elf.as_bits(addresses)
    for word in words:
        if word & 1:
            found += [base + 8 * bit for bit in range(63) if word >> bit + 1 & 1]
            base += 63 * 8
        else:
            found.append(word)
            base = word + 8
    assert found == addresses
    assert len(words) < 20


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


def test_packages_that_are_nothing_but_modules_are_imported_from_an_archive(slim: ModuleType, tmp_path: Path) -> None:
    site = tmp_path / "site"
    sources = {
        "plain/__init__.py": "from plain.inner import deep",
        "plain/inner/__init__.py": "",
        "plain/inner/deep.py": "VALUE = 7",
        "plain/py.typed": "",
        "alone.py": "VALUE = 8",
        "with_data/__init__.py": "from pathlib import Path; TEXT = (Path(__file__).parent / 'data.txt').read_text()",
        "with_data/data.txt": "nine",
        "inspector/__init__.py": "def fail():\n    raise RuntimeError  # on purpose",
        "inspector/_resources/icon.svg": "<svg/>",
        "thing-1.0.dist-info/METADATA": "Name: thing",
    }
    for name, text in sources.items():
        (site / name).parent.mkdir(parents=True, exist_ok=True)
        (site / name).write_text(text)
    compile_all = ["-m", "compileall", "-q", "--invalidation-mode", "unchecked-hash", site]
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPYCACHEPREFIX"}
    subprocess.run([sys.executable, *map(str, compile_all)], check=True, env=environment)
    slim.drop_sources(site)
    release = importlib.import_module("stage").Release("1.0", "", 1_764_500_000)
    slim.archive_modules(site, tmp_path / "site.zip", release)
    left = sorted(path.relative_to(site).as_posix() for path in site.rglob("*") if path.is_file())
    assert left == [
        "inspector/_resources/icon.svg", "thing-1.0.dist-info/METADATA", "with_data/__init__.pyc", "with_data/data.txt",
    ]  # fmt: skip
    code = """
import sys, traceback
sys.path[:0] = sys.argv[1:]
import alone, inspector, plain, with_data
print(plain.deep.VALUE, alone.VALUE, with_data.TEXT)
try:
    inspector.fail()
except RuntimeError:
    traceback.print_exc(file=sys.stdout)
"""
    command = [sys.executable, "-I", "-c", code, str(tmp_path / "site.zip"), str(site)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.startswith("7 8 nine\n")
    assert "raise RuntimeError  # on purpose" in done.stdout, "a traceback shows the program's own lines"


def test_descriptions_of_packages_are_left_out_and_their_facts_are_not(slim: ModuleType, tmp_path: Path) -> None:
    metadata = tmp_path / "thing-1.0.dist-info" / "METADATA"
    metadata.parent.mkdir()
    head = b"Metadata-Version: 2.4\r\nName: thing\r\nVersion: 1.0\r\nRequires-Dist: other\r\n"
    metadata.write_bytes(head + b"\r\n# Thing\r\n\r\nlong\r\n")
    slim.shorten_metadata(tmp_path)
    (thing,) = importlib.metadata.distributions(path=[str(tmp_path)])
    assert (thing.name, thing.version, thing.requires) == ("thing", "1.0", ["other"])
    assert b"long" not in metadata.read_bytes()


@pytest.mark.skipif(shutil.which("patchelf") is None, reason="needs patchelf, which the build installs")
def test_equal_libraries_of_two_packages_are_shared(slim: ModuleType, tmp_path: Path) -> None:
    site = tmp_path / "site"
    for folder in ("one", "one.libs", "two.libs"):
        (site / folder).mkdir(parents=True)
    shapes = "int shape(void) { return %d; }"
    kept = _library(site / "two.libs" / "libshape-2222.so.3.5", shapes % 5 + "int more(void) { return 0; }")
    own = _library(site / "one.libs" / "libshape-1111.so.3.4", shapes % 4)
    _library(site / "two.libs" / "libother-2222.so.8.0", shapes % 8)
    other = _library(site / "one.libs" / "libother-1111.so.7.0", "int other(void) { return 7; }")
    _library(site / "two.libs" / "libpoor-2222.so.1.0", "int few(void) { return 1; }")
    poor = _library(site / "one.libs" / "libpoor-1111.so.1.0", "int many(void) { return 2; }")
    source = "int shape(void); int other(void); int many(void); int all(void) { return shape() * 100 + other() * 10 + many(); }"
    where = f"-Wl,-rpath,{site / 'one.libs'}"
    module = _library(site / "one" / "module.so", source, own, other, poor, where)
    for written in site.rglob("*.c"):
        written.unlink()
    code = "import ctypes, sys; print(ctypes.CDLL(sys.argv[1]).all())"  # in a process of its own, because the file is changed

    def answer(file: Path) -> str:
        return subprocess.run([sys.executable, "-c", code, file], capture_output=True, text=True, check=True).stdout

    assert answer(module) == "472\n"
    assert slim.share_libraries(site / "one.libs", site / "two.libs") == [own.name]
    assert kept.is_file()
    assert answer(site.rename(tmp_path / "elsewhere") / "one" / "module.so") == "572\n"


@pytest.mark.parametrize("damage", ["", "half", "missing"])
def test_a_damaged_archive_of_modules_is_one_sentence(tmp_path: Path, damage: str) -> None:
    launcher = tmp_path / "inspector"
    subprocess.run(["gcc", "-o", launcher, PACKAGING / "linux" / "launcher.c"], check=True)
    python = tmp_path / "python" / "inspector"
    python.parent.mkdir()
    python.write_text("#!/bin/sh\necho started\n")
    python.chmod(0o755)
    for archive in (tmp_path / "python" / "stdlib.zip", tmp_path / "site.zip"):
        with zipfile.ZipFile(archive, "w") as made:
            made.writestr("module.py", "VALUE = 1")
    if damage == "half":
        archive.write_bytes(archive.read_bytes()[:-30])
    elif damage == "missing":
        archive.unlink()
    done = subprocess.run([launcher, "doctor"], capture_output=True, text=True, check=False)
    sentence = f"inspector: {archive} is missing or damaged. Install the program again.\n"
    assert (done.returncode, done.stdout, done.stderr) == ((1, "", sentence) if damage else (0, "started\n", ""))
    asked = subprocess.run([launcher, "-c", "pass"], capture_output=True, text=True, check=True)
    assert asked.stdout == "started\n", "the build compiles modules by it before there is an archive"


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
