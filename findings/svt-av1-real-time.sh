#!/usr/bin/env bash
# Encoding one AV1 video with SVT-AV1 (PyAV and FFmpeg have it built in) makes the thread that called the encoder a real-time
# one, FIFO at the highest priority, where the process may do that: as root, or with the right that realtime groups have.
# Closing the video does not undo it, and every thread and process started afterwards inherits it.
# Encode in a thread or process of its own, or record with another codec; look at the policy if a machine starves.
# Why it matters: A station that records AV1 as a service would keep everything else from the processor from then on. Three
# inspections started together from such a process took minutes to compile a small network, instead of milliseconds.
set -euo pipefail

work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -qq --disable-pip-version-check numpy==2.4.6 av==18.1.0
cd "$work"
SVT_LOG=1 "$work/venv/bin/python" -I - <<'PYTHON'
import os
import subprocess
import sys
import threading

import av
import numpy as np

NAMES = {os.SCHED_OTHER: "normal", os.SCHED_FIFO: "real-time FIFO", os.SCHED_RR: "real-time round robin"}
NAME = "import os; print(os.sched_getscheduler(0), os.sched_getparam(0).sched_priority)"


def policy() -> tuple[int, int]:
    return os.sched_getscheduler(0), os.sched_getparam(0).sched_priority


def encode(codec: str) -> None:
    with av.open("parts.mkv", "w") as container:
        stream = container.add_stream(codec, rate=10)
        stream.width, stream.height, stream.pix_fmt = 64, 64, "yuv420p"
        for grey in range(0, 200, 40):
            frame = av.VideoFrame.from_ndarray(np.full((64, 64, 3), grey, np.uint8), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def child() -> tuple[int, int]:
    policy, priority = subprocess.check_output([sys.executable, "-c", NAME], text=True).split()
    return int(policy), int(priority)


print("PyAV", av.__version__)
try:
    os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
    os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
except PermissionError:
    sys.exit("Not shown: this user may not have real-time threads. Run it as root.")
seen = {"before": policy()}
encode("libx264")
seen["after H.264"] = policy()
thread = threading.Thread(target=encode, args=["libsvtav1"])
thread.start()
thread.join()
seen["after AV1 in a thread of its own"] = policy()
encode("libsvtav1")
seen["after AV1"] = policy()
seen["a process started later"] = child()
for when, (kind, priority) in seen.items():
    print(f"{when:33} {NAMES[kind]}, priority {priority}")
*normal, here, later = seen.values()
assert set(normal) == {(os.SCHED_OTHER, 0)}, seen
assert here == later == (os.SCHED_FIFO, 99), seen
PYTHON
