"""What a decoder says of its own errors. OpenCV does not pass that on; PyAV, where it is installed, does."""

from importlib.util import find_spec
from typing import Any

from inspector.cameras.bitstream.bits import units_of
from inspector.cameras.bitstream.h264 import H264
from inspector.cameras.bitstream.h265 import H265

_NAMES = {H264: "h264", H265: "hevc"}
# H.264: decode all that can be decoded, and flag it. H.265: compare pictures with the checksums in the stream, where there are
# any; a difference is an error of the packet.
_PREFIX = 39  # messages (SEI) of H.265 that stand before a picture; those with checksums stand behind it
_DETECT = {H264: "crccheck+bitstream+buffer+aggressive", H265: "crccheck+explode"}


class DecoderFlags:
    """Decodes packets once more, for what FFmpeg flags: errors inside slices, concealed areas, wrong checksums."""

    def __init__(self, codec: type[H264] | type[H265]) -> None:
        """Raises ImportError without PyAV."""
        import av

        self._packet: Any = av.Packet
        self._refused = av.error.FFmpegError
        self._context: Any = av.CodecContext.create(_NAMES[codec], "r")
        self._context.thread_count = 1
        self._context.options = {"err_detect": _DETECT[codec]}
        self._explodes = codec is H265

    def take(self, number: int, data: bytes) -> list[int]:
        """Decode a packet, an access unit; return the numbers of the pictures that are now known to be in error."""
        packet = self._packet(self._without_messages(data) if self._explodes else data)
        packet.pts = packet.dts = number
        try:
            return self._flagged(packet)
        except self._refused:
            return [number]

    def end(self) -> list[int]:
        """Return the numbers of those that were still on their way."""
        try:
            return self._flagged(None)
        except self._refused:
            return []  # a packet that was refused before

    def _without_messages(self, data: bytes) -> bytes:
        """Return a packet without what says nothing of its data, and is refused where it stands before its parameters.

        Containers that keep parameters apart have it so: those of an encoder with a buffer model (HRD) would be refused whole.
        """
        kept = [unit for unit in units_of(data) if unit[:1] and unit[0] >> 1 & 0x3F != _PREFIX]
        return b"".join(b"\0\0\0\1" + unit for unit in kept)

    def _flagged(self, packet: object) -> list[int]:
        return [frame.pts for frame in self._context.decode(packet) if frame.is_corrupt]


def decoder_flags(codec: type[H264] | type[H265]) -> DecoderFlags | None:
    """Return what asks the decoder; None without PyAV."""
    return DecoderFlags(codec) if find_spec("av") is not None else None
