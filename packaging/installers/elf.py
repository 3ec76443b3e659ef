"""Pages taken out of ELF files of 64 bits whose code goes on to work."""

import struct
from pathlib import Path

_PAGE = 0x1000
_LOAD, _NOTE = 1, 4  # kinds of segments
_NULL, _NOBITS, _ALLOCATED = 0, 8, 2  # kinds of sections, and the flag of those that are in memory
_SEGMENT, _SECTION = struct.Struct("<IIQQQQQQ"), struct.Struct("<IIQQQQIIQQ")


def close_gaps(file: Path) -> int:
    """Leave out of a library the pages that no segment holds, and return how many bytes those are.

    Such pages are symbol tables for debuggers, and nothing at all where a tool laid out segments on pages of 2 MB. Segments
    keep their addresses; only their places in the file change, and pages are said to have 4 kB.
    """
    data = file.read_bytes()
    segments_at, sections_at = struct.unpack_from("<QQ", data, 32)
    _, count, _, sections, names = struct.unpack_from("<HHHHH", data, 54)
    segments = [list(_SEGMENT.unpack_from(data, segments_at + _SEGMENT.size * index)) for index in range(count)]
    headers = [list(_SECTION.unpack_from(data, sections_at + _SECTION.size * index)) for index in range(sections)]
    loads = sorted((one for one in segments if one[0] == _LOAD and one[5]), key=lambda one: int(one[2]))
    ends = [one[2] + one[5] for one in loads]
    if (
        not loads
        or loads[0][2] != 0
        or segments_at + count * _SEGMENT.size > ends[0]
        or any(end > one[2] for end, one in zip(ends, loads[1:], strict=False))  # parts of the file are in two segments
        or any(header[8] > _PAGE for header in headers)
    ):
        return 0
    moved, out = [], bytearray()
    for one in loads:
        start = len(out) + (one[2] - len(out)) % _PAGE
        moved.append((one[2], one[2] + one[5], start - one[2]))
        out += bytes(start - len(out)) + data[one[2] : one[2] + one[5]]

    def place(offset: int) -> int:
        return next((offset + by for start, end, by in moved if start <= offset < end), -1)

    for segment in segments:
        at = place(segment[2])
        segment[2], segment[7] = (at, min(segment[7], _PAGE)) if at >= 0 else (segment[2], segment[7])
    for index, header in enumerate(headers):
        if header[2] & _ALLOCATED:
            header[4] = max(place(header[4]), 0) if header[1] != _NOBITS else 0
        elif index == names:
            text = data[header[4] : header[4] + header[5]]
            header[4] = len(out)
            out += text
        else:
            header[1:] = [_NULL, 0, 0, 0, 0, 0, 0, 0, 0]
    out += bytes(-len(out) % 8)
    struct.pack_into("<Q", out, 40, len(out))
    out += b"".join(_SECTION.pack(*header) for header in headers)
    for index, segment in enumerate(segments):
        _SEGMENT.pack_into(out, segments_at + _SEGMENT.size * index, *segment)
    saved = len(data) - len(out)
    if saved > 0:
        file.write_bytes(out)
    return max(saved, 0)


def drop_gpu_code(file: Path) -> int:
    """Take the code for NVIDIA cards out of a library, and return how many bytes that were.

    The section .nv_fatbin is read by CUDA's driver alone. Its pages are left out of the file, and of the memory: the segment it
    lies in becomes two, the header of the second one taking the place of that of the note with the build's id.
    """
    data = bytearray(file.read_bytes())
    if data[:5] != b"\x7fELF\2":  # of 64 bits
        return 0
    segments_at, sections_at = struct.unpack_from("<QQ", data, 32)
    _, count, _, sections, names = struct.unpack_from("<HHHHH", data, 54)
    segments = [list(_SEGMENT.unpack_from(data, segments_at + _SEGMENT.size * index)) for index in range(count)]
    headers = [list(_SECTION.unpack_from(data, sections_at + _SECTION.size * index)) for index in range(sections)]
    strings = headers[names][4] if headers else 0
    name = b".nv_fatbin\0"
    found = (one for one in headers if data[strings + one[0] : strings + one[0] + len(name)] == name and one[1] != _NOBITS)
    code = next(found, None)
    whole = next((one for one in segments if code and one[0] == _LOAD and one[2] <= code[4] < one[2] + one[5]), None)
    note = next((one for one in segments if one[0] == _NOTE), None)
    if code is None or whole is None or note is None:
        return 0
    start, end = -(-code[4] // _PAGE) * _PAGE, (code[4] + code[5]) // _PAGE * _PAGE  # in the file
    if end <= start or code[4] + code[5] > whole[2] + whole[5]:
        return 0
    cut: int = end - start
    second = [*whole]
    second[2:7] = [end, *(address + end - whole[2] for address in whole[3:5]), *[whole[2] + whole[5] - end] * 2]
    whole[5] = whole[6] = start - whole[2]
    segments.remove(note)
    segments.insert(segments.index(whole) + 1, second)
    code[1] = _NOBITS
    for index, segment in enumerate(segments):
        segment[2] -= cut if segment[2] >= end else 0
        _SEGMENT.pack_into(data, segments_at + _SEGMENT.size * index, *segment)
    for index, header in enumerate(headers):
        header[4] -= cut if header[4] >= end else 0
        _SECTION.pack_into(data, sections_at + _SECTION.size * index, *header)
    struct.pack_into("<Q", data, 40, sections_at - cut * (sections_at >= end))
    del data[start:end]
    file.write_bytes(data)
    return cut
