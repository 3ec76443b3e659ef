#!/usr/bin/env bash
# AVI and MOV have no code for raw grey pictures of 16 bits. FFmpeg writes them without an objection, and every reader built
# on it takes the same bytes for colour with 5 bits a channel (RGB555): the grey values are gone, at the right picture size.
# Record FFV1 in Matroska; treat raw video that calls itself rgb555 as a likely 16-bit recording and ask.
# Why it matters: Recordings of 16-bit cameras are judged again and trained on later; in false colours a good part looks bad and
# a bad one good.
set -euo pipefail

work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -qq --disable-pip-version-check numpy==2.4.6 av==18.1.0 opencv-python-headless==5.0.0.93
cd "$work"
"$work/venv/bin/python" -I - <<'PYTHON'
import av
import cv2
import numpy as np

print("PyAV", av.__version__, "| opencv", cv2.__version__)
ramp = (np.arange(48 * 64, dtype=np.uint16) * 21).reshape(48, 64)
for name, codec, pixels in (
    ("raw.avi", "rawvideo", "rgb555le"),
    ("raw.mov", "rawvideo", "rgb555be"),
    ("good.mkv", "ffv1", "gray16le"),
):
    with av.open(name, "w") as container:
        stream = container.add_stream(codec, rate=10)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "gray16le"
        container.mux(stream.encode(av.VideoFrame.from_ndarray(ramp, format="gray16le")))
        container.mux(stream.encode(None))
    with av.open(name) as container:
        frame = next(container.decode(video=0))
    read, picture = cv2.VideoCapture(name).read()
    assert read
    print(f"{name:8} written as gray16le, read as {frame.format.name}; grey {ramp[10, 10]} in OpenCV: {picture[10, 10].tolist()}")
    assert frame.format.name == pixels, name
    colourless = bool((picture[..., 0] == picture[..., 1]).all() and (picture[..., 1] == picture[..., 2]).all())
    assert colourless == (codec == "ffv1"), name
    if codec == "ffv1":
        assert np.array_equal(frame.to_ndarray(), ramp)
PYTHON
