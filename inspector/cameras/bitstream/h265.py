"""H.265 (ITU-T H.265): kinds of pictures, and the pictures that each refers to."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from inspector.cameras.bitstream.bits import Bits
from inspector.cameras.bitstream.picture import Picture

_EXTENDED = 255  # aspect_ratio_idc: width and height follow
_HEADER = 256  # bytes of a slice that hold what is read of its header
_IDR = (19, 20)
_BLA = (16, 17, 18)
_IRAP = range(16, 24)
_RASL = (8, 9)
_NO_REFERENCE = (0, 2, 4, 6, 8, 10, 12, 14)  # in their temporal layer (7.4.2.2)

_Set = tuple[tuple[int, bool], ...]
"""A short-term reference picture set: difference of order to each picture, and whether the current one uses it."""


@dataclass(frozen=True, slots=True)
class _Sps:
    order_bits: int
    planes: bool
    sets: tuple[_Set, ...]
    address_bits: int
    fields: bool  # pictures are fields (interlaced)


@dataclass(frozen=True, slots=True)
class _Pps:
    sps: int
    dependent: bool
    output: bool
    extra: int


@dataclass(slots=True)
class H265:
    """Follows the pictures of a stream in decoding order."""

    repeats: ClassVar[bool] = False  # all are coded arithmetically
    _sps: dict[int, _Sps] = field(default_factory=dict)
    _pps: dict[int, _Pps] = field(default_factory=dict)
    _before: int = 0  # order of the last picture that others count from
    _come: set[int] | None = None  # orders of the pictures since the last key picture that begins anew; None before the first
    _without_leading: bool = False  # what they refer to was before the beginning, and decoders leave them out

    def take(self, units: list[bytes]) -> Picture:
        """Return what the units of one access unit hold. Raises ValueError if a header cannot be read."""
        slices: list[bytes] = []
        for unit in units:
            kind = unit[0] >> 1 & 0x3F
            if kind == 33:
                number, sps = _read_sps(Bits(unit[2:]))
                self._sps[number] = sps
            elif kind == 34:
                bits = Bits(unit[2:])
                identity = bits.exp()
                self._pps[identity] = _Pps(bits.exp(), bits.flag(), bits.flag(), bits.take(3))
            elif kind < 32 and not (unit[0] & 1 or unit[1] >> 3):  # the base layer
                slices.append(unit)
        if not slices:
            return Picture(shows=False)
        kind = slices[0][0] >> 1 & 0x3F
        follows = bool(slices[0][2] & 0x80) and self._follows(slices[0], kind)
        begins = tuple(map(self._begin, slices))
        return Picture(key=kind in _IRAP, leading=kind in _RASL, follows=follows, begins=begins)

    def _begin(self, unit: bytes) -> int:
        """Return the first block of a slice segment (7.3.6.1); 0 if that cannot be told."""
        bits = Bits(unit[2:_HEADER])
        if bits.flag():
            return 0
        if unit[0] >> 1 & 0x3F in _IRAP:
            bits.flag()
        pps = self._pps.get(bits.exp())
        sps = self._sps.get(pps.sps) if pps is not None else None
        if pps is None or sps is None:
            return 0
        bits.take(int(pps.dependent))
        return bits.take(sps.address_bits)

    def _follows(self, unit: bytes, kind: int) -> bool:
        """Return whether all pictures have come that this one uses (8.3.1, 8.3.2)."""
        bits = Bits(unit[2:_HEADER])
        bits.flag()
        if kind in _IRAP:
            bits.flag()
        pps = self._pps.get(bits.exp())
        sps = self._sps.get(pps.sps) if pps is not None else None
        if pps is None or sps is None:
            return True
        bits.take(pps.extra)
        bits.exp()
        bits.take(pps.output + 2 * sps.planes)
        if kind in _IDR:
            self._before, self._come, self._without_leading = 0, {0}, False
            return True
        starts = kind in _BLA or (kind in _IRAP and self._come is None)
        order = self._order(bits.take(sps.order_bits), 1 << sps.order_bits, starts=starts)
        before = set() if starts or self._come is None else self._come
        self._come = before | {order}
        if kind in _IRAP:
            self._before, self._without_leading = order, starts
            return True
        if unit[1] & 7 == 1 and kind not in _NO_REFERENCE and kind not in (7, 9):
            self._before = order
        if kind in _RASL and self._without_leading:
            return True
        used = sps.sets[0] if len(sps.sets) == 1 else ()
        if not bits.flag():
            used = _read_set(bits, len(sps.sets), sps.sets, in_slice=True)
        elif len(sps.sets) > 1:
            used = sps.sets[bits.take((len(sps.sets) - 1).bit_length())]
        return all(order + step in before for step, is_used in used if is_used)

    def _order(self, low: int, size: int, *, starts: bool) -> int:
        """Return the picture's order from its lower bits (8.3.1)."""
        before = self._before
        if starts:
            return low
        base = before - before % size
        if low < before % size and before % size - low >= size // 2:
            return base + size + low
        if low > before % size and low - before % size > size // 2:
            return base - size + low
        return base + low


def has_fields(unit: bytes) -> bool:
    """Return whether a sequence parameter set says that pictures are fields (interlaced; 7.4.4, E.3.1)."""
    try:
        return _read_sps(Bits(unit[2:]))[1].fields
    except (ValueError, IndexError):
        return False  # it is damaged


def _read_sps(bits: Bits) -> tuple[int, _Sps]:
    """Return the number of a sequence parameter set, and what matters of it (7.3.2.2). Raises ValueError."""
    bits.take(4)
    layers = bits.take(3)
    bits.flag()
    fields = _read_profile(bits, layers)
    identity = bits.exp()
    planes = bits.exp() == 3 and bits.flag()
    width, height = bits.exp(), bits.exp()
    if bits.flag():
        bits.skip_exp(4)
    bits.skip_exp(2)
    order_bits = bits.exp() + 4
    bits.skip_exp(3 * (layers + 1 if bits.flag() else 1))
    block = 1 << min(6, bits.exp() + 3 + bits.exp())
    bits.skip_exp(4)
    if bits.flag() and bits.flag():
        _skip_scaling(bits)
    bits.take(2)
    if bits.flag():
        bits.take(8)
        bits.skip_exp(2)
        bits.flag()
    sets: list[_Set] = []
    count = bits.exp()
    if count > 64:
        raise ValueError("too many sets of references")
    for number in range(count):
        sets.append(_read_set(bits, number, sets, in_slice=False))
    blocks = -(-width // block) * -(-height // block)
    fields = fields or _fields_follow(bits, order_bits)
    return identity, _Sps(order_bits, planes, tuple(sets), max(0, blocks - 1).bit_length(), fields)


def _fields_follow(bits: Bits, order_bits: int) -> bool:
    """Return the flag field_seq_flag, behind the sets of references (7.3.2.2, E.2.1); False where it is left out."""
    try:
        if bits.flag():
            for _ in range(bits.exp()):
                bits.take(order_bits + 1)
        bits.take(2)
        if not bits.flag():
            return False
        if bits.flag() and bits.take(8) == _EXTENDED:  # the shape of pixels
            bits.take(32)
        if bits.flag():  # overscan
            bits.flag()
        if bits.flag():  # kind of signal
            bits.take(4)
            bits.take(24 * bits.flag())
        if bits.flag():  # where colours are measured
            bits.skip_exp(2)
        bits.flag()
        return bits.flag()
    except ValueError:
        return False


def _read_profile(bits: Bits, layers: int) -> bool:
    """Skip profile, tier and level; return whether they say that the source is interlaced (7.3.3)."""
    bits.take(40)
    progressive, interlaced = bits.flag(), bits.flag()
    bits.take(54)
    present = [(bits.flag(), bits.flag()) for _ in range(layers)]
    if layers:
        bits.take(2 * (8 - layers))
    for profile, level in present:
        bits.take(88 * profile + 8 * level)
    return interlaced and not progressive


def _skip_scaling(bits: Bits) -> None:
    """Skip the scaling lists (7.3.4)."""
    for size in range(4):
        for _ in range(2 if size == 3 else 6):
            if not bits.flag():
                bits.exp()
                continue
            if size > 1:
                bits.signed()
            for _ in range(min(64, 1 << 4 + 2 * size)):
                bits.signed()


def _read_set(bits: Bits, number: int, sets: Sequence[_Set], *, in_slice: bool) -> _Set:
    """Return the short-term reference picture set `number` (7.3.7, 7.4.8). Raises ValueError."""
    if number and bits.flag():
        back = bits.exp() + 1 if in_slice else 1
        if back > number:
            raise ValueError("no such set of references")
        return _predicted_set(bits, sets[number - back])
    counts = bits.exp(), bits.exp()
    if max(counts) > 16:
        raise ValueError("too many references")
    read: list[tuple[int, bool]] = []
    for sign, count in zip((-1, 1), counts, strict=True):
        step = 0
        for _ in range(count):
            step += sign * (bits.exp() + 1)
            read.append((step, bits.flag()))
    return tuple(read)


def _predicted_set(bits: Bits, base: _Set) -> _Set:
    """Return a set that is given by its differences from another one."""
    negative = bits.flag()
    shift = (1 - 2 * negative) * (bits.exp() + 1)
    flags = []
    for _ in range(len(base) + 1):
        used = bits.flag()
        flags.append((used, used or bits.flag()))
    steps = [*(step for step, _ in base), 0]
    kept = [(step + shift, used) for step, (used, there) in zip(steps, flags, strict=True) if there and step + shift]
    return (*sorted((one for one in kept if one[0] < 0), reverse=True), *sorted(one for one in kept if one[0] > 0))
