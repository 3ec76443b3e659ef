"""The units of a stream, and the bits of a unit's raw byte sequence payload."""

import re

_START = re.compile(rb"\x00\x00\x01")


def units_of(packet: bytes) -> list[bytes]:
    """Return the units of an Annex B byte stream, each from its header on."""
    return [unit.rstrip(b"\0") for unit in units_and_zeros(packet)]


def units_and_zeros(packet: bytes) -> list[bytes]:
    """Return the units of an Annex B byte stream, each with the zeros behind it."""
    marks = [mark.end() for mark in _START.finditer(packet)]
    ends = [mark - 3 for mark in marks[1:]] + [len(packet)] * bool(marks)
    return [packet[begin:end] for begin, end in zip(marks, ends, strict=True)]


class Bits:
    """Reads the bits of a unit, without its header, in order. Reading beyond the end raises ValueError."""

    def __init__(self, payload: bytes) -> None:
        data = payload.replace(b"\0\0\3", b"\0\0")  # emulation prevention (H.264, 7.4.1)
        self._value, self._left = int.from_bytes(data, "big"), 8 * len(data)

    def take(self, count: int) -> int:
        """Return the next `count` bits as an unsigned number."""
        self._left -= count
        if self._left < 0:
            raise ValueError("the unit ends early")
        return self._value >> self._left & ((1 << count) - 1)

    def flag(self) -> bool:
        return bool(self.take(1))

    def exp(self) -> int:
        """Return the next Exp-Golomb number, ue(v) (H.264, 9.1)."""
        zeros = 0
        while not self.take(1):
            zeros += 1
            if zeros > 32:
                raise ValueError("no Exp-Golomb number")
        return (1 << zeros) - 1 + self.take(zeros)

    def signed(self) -> int:
        """Return the next signed Exp-Golomb number, se(v)."""
        number = self.exp()
        return (number + 1) // 2 if number & 1 else -(number // 2)

    def skip_exp(self, count: int) -> None:
        for _ in range(count):
            self.exp()
