"""Make the torch of PyPI, which is built for NVIDIA cards, run without NVIDIA's libraries.

Its own libraries are linked to CUDA's, and so do not load without them, although nothing of CUDA runs on a PC without such a
card. Each missing library is replaced by a stand-in of a few kilobytes that exports the symbols asked for: a function of
CUDA answers "no device" (error 100), and torch then works on the processor. The build of torch for the processor alone, from
pytorch.org, needs none of this and can be installed instead.
"""

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from stage import BUILD, run

_SYMBOL = re.compile(
    r"^\s*\d+: [0-9a-f]+\s+\S+\s+\S+\s+(?P<bind>\S+)\s+\S+\s+(?:\[[^]]*\]\s+)?(?P<index>\S+)\s+"
    r"(?P<name>[^@\s]+)(?:@@?(?P<version>\S+))?"
)
_NO_DEVICE = "100"
_SYSTEM = ("libc.so.6", "libm.so.6", "libstdc++.so.6", "libgcc_s.so.1")


@dataclass(frozen=True, slots=True)
class Symbol:
    """An entry of a library's dynamic symbol table."""

    name: str
    version: str
    defined: bool
    weak: bool


def symbols(file: Path) -> Iterator[Symbol]:
    """Yield the dynamic symbols of an ELF file."""
    for line in run(["readelf", "--dyn-syms", "-W", file]).splitlines():
        match = _SYMBOL.match(line)
        if match is not None:
            yield Symbol(match["name"], match["version"] or "", match["index"] != "UND", match["bind"] == "WEAK")


def version_files(file: Path) -> dict[str, str]:
    """Return the library that each symbol version of an ELF file is asked from."""
    found: dict[str, str] = {}
    library = ""
    for line in run(["readelf", "-VW", file]).splitlines():
        if match := re.search(r"File: (\S+)", line):
            library = match[1]
        elif library and (match := re.search(r"Name: (\S+)\s+Flags:.*Version: \d+", line)):
            found[match[1]] = library
    return found


def replace_cuda(site: Path, *, system: re.Pattern[str]) -> list[str]:
    """Put stand-ins for NVIDIA's libraries beside torch's own in `site` and return their names.

    `system`: matches the names of libraries that the system provides.
    """
    folder = site / "torch" / "lib"
    files = [path for top in ("torch", "torchvision") for path in sorted((site / top).rglob("*.so*")) if path.is_file()]
    files += sorted((site / "torchvision.libs").glob("*.so*"))
    here = {path.name for path in files}
    needed = {name for path in files for name in re.findall(r"\(NEEDED\).*\[(.*)\]", run(["readelf", "-dW", path]))}
    absent = sorted(name for name in needed - here if not system.search(name))
    versions = {version: library for path in files for version, library in version_files(path).items() if library in absent}
    per_library: dict[str, dict[str, set[str]]] = {name: defaultdict(set) for name in absent}
    for name, version in _missing(files, frozenset(versions)):
        per_library[versions.get(version, absent[0])][version].add(name)
    for library, names in per_library.items():
        write_stand_in(folder / library, names, answer=_NO_DEVICE)
    return absent


def _missing(files: list[Path], absent: frozenset[str]) -> set[tuple[str, str]]:
    """Return name and version of the symbols that are asked for and that neither a file, nor Python, nor the system defines.

    `absent`: versions of libraries that are not there: their symbols are missing even where another library has the same name.
    """
    defined: set[str] = set()
    asked: set[tuple[str, str]] = set()
    for path in files:
        for symbol in symbols(path):
            if symbol.defined:
                defined.add(symbol.name)
            elif not symbol.weak:
                asked.add((symbol.name, symbol.version))
    for name in _SYSTEM:  # some libraries ask for the system's symbols without a version
        defined |= {symbol.name for symbol in symbols(Path(run(["gcc", f"-print-file-name={name}"]).strip())) if symbol.defined}
    return {
        (name, version)
        for name, version in asked
        if version in absent or (not version and name not in defined and not re.match(r"_?Py", name))
    }


def replace(library: Path, users: Sequence[Path], *, answer: str) -> None:
    """Put a stand-in for a library in its place, with the functions that `users` ask of it.

    They return `answer`, an expression of C.
    """
    versions = {symbol.name: symbol.version for symbol in symbols(library) if symbol.defined}
    names: dict[str, set[str]] = defaultdict(set)
    for path in users:
        for symbol in symbols(path):
            if not symbol.defined and symbol.name in versions:
                names[versions[symbol.name]].add(symbol.name)
    write_stand_in(library, names, answer=answer)


def write_stand_in(file: Path, names: Mapping[str, set[str]], *, answer: str) -> None:
    """Write a library at `file` whose functions, by the version of their symbols ("" for none), return `answer`, in C."""
    source = BUILD / "stand-in.c"
    wanted = sorted({name for found in names.values() for name in found})
    lines = [f"static long answer(void) {{ return {answer}; }}"]
    lines += [f'long {name}(void) __attribute__((alias("answer")));' for name in wanted]
    source.write_text("\n".join(lines) + "\n", "ascii")
    versions = BUILD / "stand-in.map"
    nodes = [f"{version} {{ global: {'; '.join(sorted(found))}; }};" for version, found in names.items() if version and found]
    versions.write_text("\n".join(nodes) + "\n", "ascii")
    options = ["-shared", "-fPIC", "-w", "-fno-builtin", "-O1", "-s", f"-Wl,-soname,{file.name}", "-Wl,--build-id=none"]
    run(["gcc", *options, *([f"-Wl,--version-script={versions}"] if nodes else []), "-o", file, source])
