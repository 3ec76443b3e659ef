#!/usr/bin/env bash
# watchfiles reports a folder that is moved into a watched one as a single addition; the pictures in it are never named.
# With force_polling=True the same move names each of them. A drop folder that a camera or another PC fills by moving a whole
# batch folder therefore stays uninspected. Walk every added folder yourself and compare with what is already known.
# Why it matters: A camera PC that moves whole batches into the watched folder gets no verdict for any of their parts.
set -euo pipefail

work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -qq --disable-pip-version-check watchfiles==1.3.0
cd "$work"
"$work/venv/bin/python" -I - <<'PYTHON'
import os
import pathlib
import threading
import time

import watchfiles

print("watchfiles", watchfiles.__version__)


def events(name, polling):
    watched, elsewhere = pathlib.Path(name), pathlib.Path(name + "-source")
    watched.mkdir()
    (elsewhere / "batch").mkdir(parents=True)
    for i in range(3):
        (elsewhere / "batch" / f"{i}.png").write_bytes(b"picture")
    stop, ready, seen = threading.Event(), threading.Event(), set()

    def watch():
        options = {"stop_event": stop, "rust_timeout": 200, "step": 20, "yield_on_timeout": True, "force_polling": polling}
        for changes in watchfiles.watch(watched, **options):
            seen.update(pathlib.Path(path).name for change, path in changes if change is watchfiles.Change.added)
            ready.set()

    thread = threading.Thread(target=watch)
    thread.start()
    ready.wait(30)
    os.rename(elsewhere / "batch", watched / "batch")
    until = time.monotonic() + 30
    while "batch" not in seen and time.monotonic() < until:
        time.sleep(0.1)
    time.sleep(3)  # whatever else may follow
    stop.set()
    thread.join()
    return sorted(seen)


native, polling = events("native", False), events("polling", True)
print("additions reported, native:", native)
print("additions reported, polling:", polling)
assert native == ["batch"] and polling == ["0.png", "1.png", "2.png", "batch"]
PYTHON
