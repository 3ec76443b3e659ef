"""Find the external data files of an ONNX graph without loading it: tensors may lie in files that no hash covers.

ONNX is protocol buffers: a message is a sequence of fields, each a tag (number and wire type) and a value. Only the fields that
lead to tensors are followed; the data of tensors are skipped.
"""

from collections.abc import Container, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final

from inspector.core.errors import BundleError

# For each message: the field numbers of onnx.proto that lead to a tensor, and the message found there.
_FIELDS: Final[Mapping[str, Mapping[int, str]]] = MappingProxyType(
    {
        "model": {7: "graph", 20: "training", 25: "function"},
        "training": {1: "graph", 2: "graph"},
        "function": {7: "node", 11: "attribute"},
        "graph": {1: "node", 5: "tensor", 15: "sparse"},
        "node": {5: "attribute"},
        "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse", 23: "sparse"},
        "sparse": {1: "tensor", 2: "tensor"},
    }
)
_EXTERNAL_DATA, _DATA_LOCATION, _EXTERNAL = 13, 14, 1  # fields of a tensor, and the value of the second
_VARINT, _FIXED64, _BYTES, _GROUP, _GROUP_END, _FIXED32 = range(6)
_LONGEST_VARINT = 10


def check_external_data(graph: Path, hashed: Container[str]) -> None:
    """Raise BundleError if a tensor of the graph lies in a file that is not in `hashed`, the names with a known SHA-256.

    Files other than `.onnx` have no such tensors.
    """
    foreign = sorted(name for name in external_files(graph) if name not in hashed) if graph.suffix == ".onnx" else []
    if foreign:
        raise BundleError(
            "The graph {file} reads weights from {names}, which the card of its bundle does not vouch for.",
            remedy="Export it again with its weights inside the graph.",
            file=graph,
            names=", ".join(name or "(no name)" for name in foreign[:3]),
        )


def external_files(graph: Path) -> frozenset[str]:
    """Return the locations named by tensors with external data, "" if a tensor names none.

    Raises OSError. A file that is no ONNX graph yields the locations found before the first broken field; the engine refuses it
    later.
    """
    found: set[str] = set()
    data = graph.read_bytes()  # not mapped: a mapped file that is cut short meanwhile ends the process
    waiting = [("model", 0, len(data))]
    while waiting:
        kind, start, end = waiting.pop()
        if kind == "tensor":
            found |= _locations(data, start, end)
            continue
        for number, value, stop in _fields(data, start, end):
            if stop and number in _FIELDS[kind]:
                waiting.append((_FIELDS[kind][number], value, stop))
    return frozenset(found)


def _locations(data: bytes, start: int, end: int) -> set[str]:
    """Return the locations of one tensor; empty if the tensor holds its own data."""
    external, named = False, set()
    for number, value, stop in _fields(data, start, end):
        if number == _DATA_LOCATION and not stop:
            external |= value == _EXTERNAL
        elif number == _EXTERNAL_DATA and stop:
            external = True
            entry = {key: data[first:last] for key, first, last in _fields(data, value, stop) if last}
            if entry.get(1) == b"location":
                named.add(entry.get(2, b"").decode("utf-8", "replace"))
    return (named or {""}) if external else set()


def _fields(data: bytes, start: int, end: int) -> Iterator[tuple[int, int, int]]:
    """Yield the fields of a message, until the first broken field.

    Each integer is (number, value, 0); each text, message or array is (number, start, end).
    """
    at = start
    while at < end:
        tag, at = _varint(data, at, end)
        number, wire = tag >> 3, tag & 7
        if wire == _VARINT:
            value, at = _varint(data, at, end)
            yield number, value, 0
        elif wire == _BYTES:
            length, at = _varint(data, at, end)
            if at + length > end:
                return
            if length:
                yield number, at, at + length
            at += length
        elif wire in (_FIXED64, _FIXED32):
            at += 8 if wire == _FIXED64 else 4
        elif wire not in (_GROUP, _GROUP_END):  # groups are no more in use: their fields are read as the message's own
            return


def _varint(data: bytes, at: int, end: int) -> tuple[int, int]:
    """Return an integer and the offset after it; a broken integer ends the message."""
    value = 0
    for index in range(min(_LONGEST_VARINT, end - at)):
        byte = data[at + index]
        value |= (byte & 0x7F) << (7 * index)
        if byte < 0x80:
            return value, at + index + 1
    return 0, end
