"""The pictures of a video file that cannot be true: damaged ones, and those that depend on them."""

import re
from collections import Counter
from collections.abc import Iterator
from itertools import chain, islice
from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from inspector.cameras.bitstream.bits import units_and_zeros, units_of
from inspector.cameras.bitstream.flags import decoder_flags
from inspector.cameras.bitstream.h264 import H264
from inspector.cameras.bitstream.h265 import H265
from inspector.cameras.bitstream.picture import Picture

# What a unit must not hold (H.264, 7.4.1; H.265, 7.4.2): zeros that are no start code. Looked for from the end of the zeros: a
# hole may be megabytes long, and a pattern for any number of zeros begins anew at each of them.
_FORBIDDEN = re.compile(rb"\x00\x00(?:\x02|\x00[^\x00\x01])")
_BLOCK = 16  # bytes
_TRIES = 64  # a packet that cannot be read looks like the end
_AHEAD = 16  # packets by which one may come behind its turn, most that H.264 and H.265 allow
_USUAL = 3  # of the first pictures that end in zeros, from which on that is how they are encoded, and no hole
_STEADY = 8  # pictures whose slices begin at the same places, after which fewer slices are a loss


class _Follower(Protocol):
    @property
    def repeats(self) -> bool:
        """Whether evenly coloured areas may be the same byte again and again."""

    def take(self, units: list[bytes]) -> Picture: ...


class Damage:
    """Judges packets in decoding order: Annex B byte streams of one access unit each."""

    def __init__(self, codec: type[H264] | type[H265], *, lengths: bool = False) -> None:
        """`lengths`: the container knows where each unit ends, so that nothing can follow it."""
        self._codec, self._lengths = codec, lengths
        self._follower: _Follower = codec()
        self._spent = False  # what the decoder shows is not to be believed any more
        self._waiting = True  # for a picture that needs none before it, as every video begins with one
        self._whole = True  # nothing was damaged yet
        self._leading = False  # leading pictures are spoilt, too
        self._begins: tuple[int, ...] = ()
        self._steady = 0  # pictures in a row whose slices begin there
        self._fewer: tuple[int, ...] = ()
        self._again = 0  # pictures in a row with these fewer slices
        self._zeros = 0  # most zeros behind a picture that are no hole
        self.last: Picture | None = None
        """The picture of the last packet; None if it is damaged."""

    def lose(self) -> None:
        """Note that a packet could not be read."""
        self._waiting, self._whole = True, False

    def distrust(self) -> bool:
        """Note that the decoder was given damaged data; return whether nothing that it shows from now on is to be believed.

        FFmpeg decodes pictures wrongly that come behind damaged ones of H.264 without arithmetic coding (CAVLC), beginning with
        the next key picture and by up to 18 levels, and does not say so.
        """
        self._spent = self._spent or self._follower.repeats
        return self._spent

    def spoils(self, packet: bytes) -> bool:
        """Return whether the picture of this packet is damaged, or depends on one that is."""
        self.last = picture = self._picture(packet)
        if picture is None:
            self.distrust()
        return self._depends(picture) or self._spent

    def _depends(self, picture: Picture | None) -> bool:
        if picture is None or not picture.shows or not picture.follows or not self._complete(picture):
            self._waiting = True
            self._whole = self._whole and picture is not None and not picture.shows
            return True
        if picture.key or (picture.enters and self._waiting and self._whole):  # a recording may be cut from a longer one
            self._leading, self._waiting = self._waiting, False
            return False
        if not picture.leading and not self._waiting:
            self._leading = False
        return self._waiting or (picture.leading and self._leading)

    def expect(self, packets: list[bytes]) -> None:
        """Learn from the first packets where slices usually begin, and whether zeros follow pictures."""
        scout = Damage(self._codec, lengths=self._lengths)
        scout._zeros = max(map(len, packets), default=0)
        pictures = [scout._picture(packet) for packet in packets]
        usual = Counter(picture.begins for picture in pictures if picture is not None).most_common(1)
        if usual and usual[0][1] >= _STEADY:
            self._begins, self._steady = usual[0]
        zeros = list(filter(None, map(self._trailing, packets)))
        self._zeros = (1 << max(zeros).bit_length()) - 1 if len(zeros) >= _USUAL else 0

    def _picture(self, packet: bytes) -> Picture | None:
        """Return what a packet holds; None if it is damaged."""
        if _FORBIDDEN.search(packet) or self._trailing(packet) > self._zeros:
            return None
        units = units_of(packet)
        if any(len(unit) < 2 or unit[0] & 0x80 for unit in units):
            return None
        try:
            picture = self._follower.take(units)
        except ValueError:
            return None
        repeats = self._follower.repeats
        return None if any(_filled(unit, repeats=repeats) for unit in units if self._is_slice(unit)) else picture

    def _trailing(self, packet: bytes) -> int:
        """Return how many zeros follow a slice or the packet, at most; 0 for a single one that may belong to a start code.

        No unit ends in a zero (7.4.1; 7.4.2), but zeros may follow one (trailing_zero_8bits, B.1.1), as of encoders that fill
        up to whole words or to a constant rate. A single one may belong to the start code of the next unit (zero_byte).
        """
        *before, last = units_and_zeros(packet) or [b""]
        most = max((_zeros_behind(unit) for unit in before if self._is_slice(unit)), default=0)
        zeros = _zeros_behind(last)
        return max(most if most > 1 else 0, zeros if zeros > 1 or self._lengths else 0)

    def _is_slice(self, unit: bytes) -> bool:
        if not unit:
            return False
        return 1 <= unit[0] & 0x1F <= 5 if self._codec is H264 else unit[0] >> 1 & 0x3F < 32

    def _complete(self, picture: Picture) -> bool:
        """Return False if slices are missing that all pictures before had; as often again, fewer are how it is encoded now."""
        begins = picture.begins
        if begins == self._begins:
            self._steady, self._again = self._steady + 1, 0
            return True
        if self._steady >= _STEADY and len(begins) < len(self._begins):
            self._again = self._again + 1 if begins == self._fewer else 1
            self._fewer = begins
            if self._again < _STEADY:
                return False
        self._begins, self._steady, self._again = begins, 1, 0
        return True


def _zeros_behind(unit: bytes) -> int:
    return len(unit) - len(unit.rstrip(b"\0"))


def _filled(unit: bytes, *, repeats: bool) -> bool:
    """Return whether a byte is repeated 48 times.

    No encoder writes this into arithmetically coded data, but a file system or a copying program does where it could not read.
    `repeats`: the data are coded otherwise, and bytes other than 255 may be those of an even area.
    """
    blocks = np.frombuffer(unit, np.uint8)[: len(unit) // _BLOCK * _BLOCK].reshape(-1, _BLOCK)
    same = (blocks == (255 if repeats else blocks[:, :1])).all(axis=1)
    return bool((same[1:] & same[:-1] & (blocks[1:, 0] == blocks[:-1, 0])).any())


class FileDamage:
    """The damage of a video file, by the times of its pictures. Reads its packets no further than asked for."""

    def __init__(self, packets: cv2.VideoCapture, codec: type[H264] | type[H265], *, lengths: bool = False) -> None:
        """`packets`: the file, opened to read packets instead of pictures. `lengths`: see `Damage`."""
        self._capture, self._damage, self._flags = packets, Damage(codec, lengths=lengths), decoder_flags(codec)
        self._packets: Iterator[tuple[float, bytes]] | None = None
        self._known: set[float] = set()
        self._spoilt: set[float] = set()
        self._judged = 0  # packets
        self._seen: list[tuple[float, Picture | None]] = []  # all of them, where a decoder may flag an earlier one
        self._lost = False  # a packet could not be read, so that the time of its picture is unknown
        self._begun = self._ended = self._matched = False
        # A picture is flagged when its turn comes, and one that is shown before it may depend on it.
        self._ahead = _AHEAD if self._flags is None else 3 * _AHEAD

    def spoils(self, time: float, number: int) -> bool:
        """Return whether the picture at this time, in ms, is damaged or depends on one that is.

        `number`: pictures that were read before it; by that it is known even where times repeat.
        """
        while (time not in self._known or self._judged <= number + self._ahead) and not self._ended:
            self._judge_next()
        if time not in self._known:
            return self._lost or self._matched
        self._matched = True
        return time in self._spoilt

    def close(self) -> None:
        self._capture.release()

    def _judge_next(self) -> None:
        if self._packets is None:
            packets = _packets(self._capture)
            first = list(islice(packets, 2 * _STEADY))
            self._damage.expect([packet for _, packet in first if packet])
            self._packets = chain(first, packets)
        time, packet = next(self._packets, (0.0, None))
        if packet is None:
            self._ended = True
            self._spoil(self._flags.end() if self._flags is not None else [])
        elif not packet:
            self._lost = True
            self._damage.lose()
        else:
            self._known.add(time)
            if self._damage.spoils(packet):
                self._spoilt.add(time)
            picture = self._damage.last
            self._judged += 1
            self._begun = self._begun or (picture is not None and (picture.key or picture.enters))
            if self._flags is not None:
                self._seen.append((time, picture))
                if self._begun:  # before, there is nothing to decode
                    self._spoil(self._flags.take(self._judged - 1, packet))

    def _spoil(self, numbers: list[int]) -> None:
        """Note that pictures are in error, by the order of their packets: all are spoilt that may depend on them."""
        for number in numbers:
            depends = True
            if self._damage.distrust():
                self._spoilt.update(time for time, _ in self._seen[number:])
            for place, (time, picture) in enumerate(self._seen[number:]):
                if place and picture is not None and picture.key:
                    depends = False
                elif not depends and not (picture is not None and picture.leading):
                    break
                if depends or (picture is not None and picture.leading):
                    self._spoilt.add(time)
            if depends:
                self._damage.lose()


def _packets(capture: cv2.VideoCapture) -> Iterator[tuple[float, bytes]]:
    """Yield the time of each packet and its bytes; no bytes, and no true time, for one that cannot be read."""
    failures = 0
    while failures < _TRIES:
        if not capture.grab():
            failures += 1
            continue
        if failures:
            yield 0.0, b""
        failures = 0
        yield capture.get(cv2.CAP_PROP_POS_MSEC), retrieved(capture)


def retrieved(capture: cv2.VideoCapture) -> bytes:
    """Return the packet that was grabbed last; nothing if it is empty or cannot be read."""
    packet: NDArray[np.generic] | None = capture.retrieve()[1]  # None for an empty one, which OpenCV calls good
    return b"" if packet is None else packet.tobytes()
