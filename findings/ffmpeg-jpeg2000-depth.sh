#!/usr/bin/env bash
# FFmpeg records grey pictures of 10, 12 or 14 bits losslessly as JPEG 2000 in Matroska, MOV or MP4, and hands them back as 16
# bits with every value times 64, 16 or 4: a saturated 12-bit pixel of 4095 comes back as 65520. FFV1 keeps value and depth.
# Record FFV1; of a JPEG 2000 recording ask the stream how many bits the pictures had, and divide.
# Why it matters: A limit in counts and a network that learnt 12-bit pictures see a part sixteen times as bright when the
# recording is judged again, and the depth that would explain it is gone.
set -euo pipefail

work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -qq --disable-pip-version-check numpy==2.4.6 av==18.1.0
cd "$work"
"$work/venv/bin/python" -I - <<'PYTHON'
import av
import numpy as np

print("PyAV", av.__version__, "| libavcodec", ".".join(map(str, av.library_versions["libavcodec"])))


def recorded(codec: str, pixels: str, picture: np.ndarray) -> tuple[str, np.ndarray]:
    """Write one picture and read it back; return the pixel format and the values."""
    with av.open("one.mkv", "w") as container:
        stream = container.add_stream(codec, rate=10, options={"pred": "1"} if codec == "jpeg2000" else {})
        stream.width, stream.height, stream.pix_fmt = picture.shape[1], picture.shape[0], pixels
        frame = av.VideoFrame(picture.shape[1], picture.shape[0], pixels)
        rows = np.zeros((picture.shape[0], frame.planes[0].line_size // 2), "<u2")
        rows[:, : picture.shape[1]] = picture
        frame.planes[0].update(rows.tobytes())
        frame.pts = 0
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    with av.open("one.mkv") as container:
        back = next(container.decode(video=0))
        plane = np.frombuffer(bytes(back.planes[0]), "<u2").reshape(back.height, -1)
        return back.format.name, plane[:, : back.width]


for bits in (10, 12, 14):
    top = (1 << bits) - 1
    picture = (np.arange(48 * 64).reshape(48, 64) * 5 % (top + 1)).astype("<u2")
    picture[0, 0] = top
    pixels, values = recorded("jpeg2000", f"gray{bits}le", picture)
    factor = 1 << (16 - bits)
    print(f"JPEG 2000, {bits} bits: {top} comes back as {values[0, 0]} in {pixels}")
    assert pixels == "gray16le"
    assert np.array_equal(values, picture * factor)
    pixels, values = recorded("ffv1", f"gray{bits}le", picture)
    assert pixels == f"gray{bits}le"
    assert np.array_equal(values, picture)
    print(f"FFV1, {bits} bits: equal, in {pixels}")
PYTHON
