#!/usr/bin/env bash
# OpenCV's CAP_PROP_FRAME_COUNT is no count where the container stores none: it is duration times nominal rate. A triggered
# camera delivers at irregular moments, so a recording of 6 parts announces 151 frames.
# Read to the end and count, or keep the number of frames beside the recording; never size a loop or a progress bar by it.
# Why it matters: Parts are numbered, judged and reported by frames: with an announced count, parts that never existed are
# reported as damaged.
set -euo pipefail

work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -qq --disable-pip-version-check numpy==2.4.6 av==18.1.0 opencv-python-headless==5.0.0.93
cd "$work"
"$work/venv/bin/python" -I - <<'PYTHON'
from fractions import Fraction

import av
import cv2
import numpy as np

print("PyAV", av.__version__, "| opencv", cv2.__version__)
moments = [0, 100, 200, 1500, 1600, 5000]  # milliseconds, one part each
with av.open("parts.mkv", "w") as container:
    stream = container.add_stream("ffv1", rate=30)
    stream.width, stream.height, stream.pix_fmt = 64, 48, "gray"
    stream.codec_context.time_base = Fraction(1, 1000)
    for moment in moments:
        frame = av.VideoFrame.from_ndarray(np.full((48, 64), moment % 200, np.uint8), format="gray")
        frame.pts, frame.time_base = moment, Fraction(1, 1000)
        container.mux(stream.encode(frame))
    container.mux(stream.encode(None))
with av.open("parts.mkv") as container:
    stored = [round(frame.time * 1000) for frame in container.decode(video=0)]
capture = cv2.VideoCapture("parts.mkv")
announced = int(capture.get(cv2.CAP_PROP_FRAME_COUNT))
counted = 0
while capture.read()[0]:
    counted += 1
print("times in the file [ms]:", stored)
print(f"announced by OpenCV: {announced} frames at {capture.get(cv2.CAP_PROP_FPS):g} per second; read by OpenCV: {counted}")
assert stored == moments and counted == len(moments)
assert announced > 100
PYTHON
