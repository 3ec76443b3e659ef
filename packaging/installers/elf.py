"""Pages taken out of ELF files of 64 bits whose code goes on to work."""

import struct
from collections.abc import Callable, Sequence
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


_DYNAMIC, _TAG = 2, struct.Struct("<QQ")
_RELOCATION, _RELATIVE = struct.Struct("<QQq"), 8  # where, kind, addend; the kind that adds the address of the library
_STRTAB, _STRSZ, _RELA, _RELASZ, _RELACOUNT = 5, 10, 7, 8, 0x6FFFFFF9
_RELRSZ, _RELR, _RELRENT = 35, 36, 37
_VERNEED, _VERNEEDNUM, _VERDEF, _VERDEFNUM = 0x6FFFFFFE, 0x6FFFFFFF, 0x6FFFFFFC, 0x6FFFFFFD
_NEED, _AUX = struct.Struct("<HHIII"), struct.Struct("<IHHII")
_MARK = b"GLIBC_ABI_DT_RELR"  # the C library from 2.36 on refuses a table of this kind in a library that does not ask for this


def pack_relocations(file: Path) -> bool:
    """Write the list of a library's pointers to itself as bits, and return whether that was possible and worth it.

    Such a list (DT_RELR) takes a tenth of what linkers write by default, which is 24 bytes for each pointer. Linkers themselves
    write it with -z pack-relative-relocs; this does so afterwards. `close_gaps` then leaves out the pages that became free.
    """
    data = bytearray(file.read_bytes())
    segments_at, sections_at = struct.unpack_from("<QQ", data, 32)
    _, count, _, sections, _ = struct.unpack_from("<HHHHH", data, 54)
    segments = [list(_SEGMENT.unpack_from(data, segments_at + _SEGMENT.size * index)) for index in range(count)]
    dynamic = next((one for one in segments if one[0] == _DYNAMIC), None)
    spare = next((one for one in segments if one[0] == _NOTE), None)
    if data[:5] != b"\x7fELF\2" or dynamic is None or spare is None:
        return False

    def place(address: int) -> int:
        """Return where in the file an address is. Raises StopIteration if it is not there."""
        return next(address - one[3] + one[2] for one in segments if one[0] == _LOAD and 0 <= address - one[3] < one[5])

    tags = [list(_TAG.unpack_from(data, dynamic[2] + at)) for at in range(0, dynamic[5], _TAG.size)]
    used = next((index for index, one in enumerate(tags) if one[0] == 0), len(tags))
    value = {one[0]: one[1] for one in tags[:used]}
    relative = value.get(_RELACOUNT, 0)
    if relative * _RELOCATION.size < 2 * _PAGE or _RELR in value or _VERNEED not in value or used == len(tags):
        return False
    if len(tags) - used < 3:  # two more are needed, and one that ends them
        if not _grow(data, segments, dynamic[3] + dynamic[6], 2 * _TAG.size):
            return False
        dynamic[5] = dynamic[6] = dynamic[5] + 2 * _TAG.size
        tags += [[0, 0], [0, 0]]
    table, size = value[_RELA], value[_RELASZ]
    start = place(table)
    entries = sorted(_RELOCATION.unpack_from(data, start + _RELOCATION.size * index) for index in range(relative))
    if any(kind != _RELATIVE or where % 2 for where, kind, _ in entries):
        return False
    rest = bytes(data[start + relative * _RELOCATION.size : start + size])
    bits = as_bits([where for where, _, _ in entries])
    needs = _libc_versions(data, value, place)
    if needs is None:
        return False
    libc, last, index = needs
    bits_at = table + len(rest)
    aux_at = bits_at + 8 * len(bits)
    end = name_at = aux_at + _AUX.size
    if name_at > value[_STRTAB]:
        end += len(_MARK) + 1
    else:  # names are counted from the first one on, which another tool moved away
        name_at = next(one[3] + one[5] for one in segments if one[0] == _LOAD and 0 <= value[_STRTAB] - one[3] < one[5])
        if not _grow(data, segments, name_at, len(_MARK) + 1):
            return False
        data[place(name_at) : place(name_at) + len(_MARK)] = _MARK
    first, next_page = end + -end % _PAGE, (table + size) // _PAGE * _PAGE
    if first >= next_page:
        return False
    for where, _, addend in entries:
        struct.pack_into("<q", data, place(where), addend)
    aux = _AUX.pack(_hash(_MARK), 0, index, name_at - value[_STRTAB], 0)
    new = rest + struct.pack(f"<{len(bits)}Q", *bits) + aux + (_MARK + b"\0" if name_at < end else b"")
    data[start : start + size] = new + bytes(size - len(new))
    struct.pack_into("<H", data, libc + 2, struct.unpack_from("<H", data, libc + 2)[0] + 1)
    struct.pack_into("<I", data, place(last) + 12, aux_at - last)

    value[_RELASZ], value[_STRSZ] = len(rest), name_at + len(_MARK) + 1 - value[_STRTAB]
    del value[_RELACOUNT]
    kept = [[tag, value[tag] if tag in (_RELASZ, _STRSZ) else number] for tag, number in tags[:used] if tag != _RELACOUNT]
    kept += [[_RELR, bits_at], [_RELRSZ, 8 * len(bits)], [_RELRENT, 8]]
    kept += [[0, 0]] * (len(tags) - len(kept))
    for at, tag in enumerate(kept):
        _TAG.pack_into(data, dynamic[2] + at * _TAG.size, *tag)

    whole = next(one for one in segments if one[0] == _LOAD and one[3] <= table < one[3] + one[5])
    after = list(whole)
    gone = next_page - whole[3]
    after[2:7] = [whole[2] + gone, next_page, next_page, whole[5] - gone, whole[6] - gone]
    whole[5] = whole[6] = first - whole[3]
    whole[7] = after[7] = min(whole[7], _PAGE)
    segments.remove(spare)
    segments.insert(segments.index(whole) + 1, after)
    for at, segment in enumerate(segments):
        _SEGMENT.pack_into(data, segments_at + _SEGMENT.size * at, *segment)
    sections_at = struct.unpack_from("<Q", data, 40)[0]
    grown = {table: len(rest), value[_STRTAB]: value[_STRSZ], value[_VERNEED]: aux_at + _AUX.size - value[_VERNEED]}
    for at in range(sections):
        header = list(_SECTION.unpack_from(data, sections_at + _SECTION.size * at))
        if header[2] & _ALLOCATED and header[3] in grown and header[5]:
            header[5] = grown[header[3]]
            _SECTION.pack_into(data, sections_at + _SECTION.size * at, *header)
    file.write_bytes(data)
    return True


def _grow(data: bytearray, segments: list[list[int]], end: int, by: int) -> bool:
    """Add zeros to the segment in memory that ends at this address, and return whether one does and has room behind it."""
    loads = [one for one in segments if one[0] == _LOAD]
    whole = next((one for one in loads if one[3] + one[5] == end and one[5] == one[6]), None)
    if whole is None or any(end <= one[3] < end + -end % _PAGE + _PAGE + by for one in loads):
        return False
    at = whole[2] + whole[5]
    behind = [one[2] for one in loads if one[2] >= at]
    if behind and (min(behind) < at + by or any(data[at : at + by])):
        return False
    if not behind:  # only what is not in memory follows
        data[at:at] = bytes(_PAGE)
        sections_at = struct.unpack_from("<Q", data, 40)[0]
        if sections_at >= at:
            sections_at += _PAGE
            struct.pack_into("<Q", data, 40, sections_at)
        for index in range(struct.unpack_from("<H", data, 60)[0]):
            header = list(_SECTION.unpack_from(data, sections_at + _SECTION.size * index))
            if header[4] >= at and not header[2] & _ALLOCATED:
                header[4] += _PAGE
                _SECTION.pack_into(data, sections_at + _SECTION.size * index, *header)
    whole[5] += by
    whole[6] += by
    return True


def as_bits(addresses: Sequence[int]) -> list[int]:
    """Return ascending addresses as DT_RELR has them: one, and then words of 63 bits for the 63 words of memory behind it."""
    words, at = [], 0
    while at < len(addresses):
        words.append(addresses[at])
        base = addresses[at] + 8
        at += 1
        while True:
            bits = 0
            while at < len(addresses) and (distance := addresses[at] - base) < 63 * 8 and distance % 8 == 0:
                bits |= 1 << distance // 8
                at += 1
            if not bits:
                break
            words.append(bits << 1 | 1)
            base += 63 * 8
    return words


def _libc_versions(data: bytearray, value: dict[int, int], place: Callable[[int], int]) -> tuple[int, int, int] | None:
    """Return where in the file the C library is asked for, the address of its last version, and a number no version has."""
    highest, found, at = 1, None, value[_VERNEED]
    for _ in range(value[_VERNEEDNUM]):
        _, count, name, aux, following = _NEED.unpack_from(data, place(at))
        one = at + aux
        for index in range(count):
            _, _, other, _, further = _AUX.unpack_from(data, place(one))
            highest = max(highest, other & 0x7FFF)
            if index + 1 < count:
                one += further
        text = place(value[_STRTAB] + name)
        if data[text : data.index(0, text)] == b"libc.so.6":
            found = (place(at), one)
        at += following
    at = value.get(_VERDEF, 0)
    for _ in range(value.get(_VERDEFNUM, 0)):
        highest = max(highest, struct.unpack_from("<H", data, place(at) + 4)[0] & 0x7FFF)
        at += struct.unpack_from("<I", data, place(at) + 16)[0]
    return None if found is None else (*found, highest + 1)


def _hash(name: bytes) -> int:
    """Return the hash of a name as ELF files have it."""
    value = 0
    for letter in name:
        value = (value << 4) + letter
        high = value & 0xF0000000
        value = (value ^ high >> 24) & ~high & 0xFFFFFFFF
    return value
