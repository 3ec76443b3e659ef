"""The line protocol survives every way a pipe can cut it."""

import math

import pytest

from inspector.core.errors import JobError
from inspector.workers.protocol import LONGEST_LINE, LineDecoder, Packet


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
def test_packets_survive_any_cut_even_inside_a_character(size: int) -> None:
    sent = [Packet("log", {"text": "傷 3.2 mm²"}), Packet("progress", {"epoch": 3, "loss": 0.25}), Packet("done", {})]
    data = b"".join(packet.line() for packet in sent)
    decoder = LineDecoder()
    got = [packet for start in range(0, len(data), size) for packet in decoder.feed(data[start : start + size])]
    assert got == sent


@pytest.mark.parametrize("line", [b"hello\n", b"[1]\n", b'{"no": "type"}\n', b"\xff\xfe\n", b"null\n"])
def test_noise_is_named(line: bytes) -> None:
    with pytest.raises(JobError, match="not a message"):
        list(LineDecoder().feed(line))


def test_an_endless_line_is_refused_instead_of_filling_memory() -> None:
    with pytest.raises(JobError, match="more than"):
        list(LineDecoder().feed(b"x" * (LONGEST_LINE + 1)))


def test_nan_is_not_json() -> None:
    with pytest.raises(ValueError, match="JSON"):
        Packet("metric", {"loss": math.nan}).line()
