"""H.264 (ITU-T H.264): kinds of pictures, and gaps in their numbers."""

from dataclasses import dataclass

from inspector.cameras.bitstream.bits import Bits
from inspector.cameras.bitstream.picture import Picture

_HIGH = frozenset({100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135})  # profiles with a chroma format (7.3.2.1.1)
_INTRA = (2, 4)  # slice types I and SI, modulo 5
_RECOVERY_POINT = 6
_HEADER = 24  # bytes of a slice that hold what is read of its header


@dataclass(frozen=True, slots=True)
class _Sps:
    numbers: int  # MaxFrameNum
    gaps: bool  # numbers may be left out on purpose
    planes: bool  # colour planes are coded apart
    fields: bool  # pictures may be of two fields (interlaced)


class H264:
    """Follows the pictures of a stream in decoding order."""

    def __init__(self) -> None:
        self._sps: dict[int, _Sps] = {}
        self._sps_of: dict[int, int] = {}  # by picture parameter set
        self._reference: int | None = None  # number of the last reference picture
        self.repeats = False
        """Whether macroblocks are coded with codes of whole bits (CAVLC): of an even area these are the same for each."""

    def take(self, units: list[bytes]) -> Picture:
        """Return what the units of one access unit hold. Raises ValueError if a header cannot be read."""
        slices: list[tuple[int, bytes]] = []
        enters = False
        for unit in units:
            kind = unit[0] & 0x1F
            if kind == 6:
                enters = enters or _says_recovery(unit)
            elif kind == 7:
                number, sps = _sps(unit)
                self._sps[number] = sps
            elif kind == 8:
                bits = Bits(unit[1:_HEADER])
                identity = bits.exp()
                self._sps_of[identity] = bits.exp()
                self.repeats = self.repeats or not bits.flag()
            elif 1 <= kind <= 5:
                slices.append((kind, unit))
        if not slices:
            return Picture(shows=False)
        key = all(kind == 5 for kind, _ in slices)
        begins = [Bits(unit[1:_HEADER]).exp() for kind, unit in slices if kind in (1, 2, 5)]
        enters = enters or all(_is_intra(unit) for kind, unit in slices if kind in (1, 5))
        gap = self._gap(slices[0][1], key=key)
        return Picture(key=key, enters=enters, follows=not gap and 0 in begins, begins=tuple(begins))

    def _gap(self, unit: bytes, *, key: bool) -> bool:
        """Return whether a reference picture before this one is missing (frame_num, 7.4.3)."""
        bits = Bits(unit[1:_HEADER])
        bits.skip_exp(2)
        sps = self._sps.get(self._sps_of.get(bits.exp(), -1))
        if sps is None:
            return False
        if sps.planes:
            bits.take(2)
        number, before = bits.take(sps.numbers.bit_length() - 1), self._reference
        if unit[0] >> 5 & 3:
            self._reference = number
        return not (key or sps.gaps or before is None or number in (before, (before + 1) % sps.numbers))


def _sps(unit: bytes) -> tuple[int, _Sps]:
    """Return the number of a sequence parameter set, and what matters of it (7.3.2.1.1). Raises ValueError."""
    profile, bits = unit[1], Bits(unit[4:])
    identity, planes = bits.exp(), False
    if profile in _HIGH:
        chroma = bits.exp()
        planes = chroma == 3 and bits.flag()
        bits.skip_exp(2)  # bit depths
        bits.flag()
        if bits.flag():
            for index in range(8 if chroma != 3 else 12):
                if bits.flag():
                    _skip_scaling(bits, 16 if index < 6 else 64)
    numbers = 1 << bits.exp() + 4
    order = bits.exp()
    if order == 0:
        bits.exp()
    elif order == 1:
        bits.flag()
        bits.skip_exp(2)
        bits.skip_exp(bits.exp())
    bits.exp()  # number of reference frames
    gaps = bits.flag()
    bits.skip_exp(2)  # width and height
    return identity, _Sps(numbers, gaps, planes, not bits.flag())


def _is_intra(unit: bytes) -> bool:
    """Return whether a slice refers to no other picture (slice_type, 7.4.3)."""
    bits = Bits(unit[1:_HEADER])
    bits.exp()
    return bits.exp() % 5 in _INTRA


def _says_recovery(unit: bytes) -> bool:
    """Return whether supplemental information holds a recovery point (7.3.2.3.1, D.1.8): so begin open groups of pictures."""
    at = 1
    while at + 2 < len(unit):
        kind, at = _extended(unit, at)
        size, at = _extended(unit, at)
        if kind == _RECOVERY_POINT:
            return True
        at += size
    return False


def _extended(unit: bytes, at: int) -> tuple[int, int]:
    """Return a number that is written as a sum of bytes, of which only the last is not 255, and the place behind it."""
    value = 0
    while at < len(unit) and unit[at] == 255:
        value, at = value + 255, at + 1
    return value + (unit[at] if at < len(unit) else 0), at + 1


def has_fields(unit: bytes) -> bool:
    """Return whether a sequence parameter set says that pictures may be of two fields (interlaced; 7.4.2.1.1)."""
    try:
        return _sps(unit)[1].fields
    except (ValueError, IndexError):
        return False  # it is damaged


def _skip_scaling(bits: Bits, size: int) -> None:
    """Skip a scaling list (7.3.2.1.1.1)."""
    last = following = 8
    for _ in range(size):
        if following:
            following = (last + bits.signed()) % 256
        last = following or last
