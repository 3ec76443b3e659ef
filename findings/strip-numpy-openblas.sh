#!/usr/bin/env bash
# strip reports success for a library inside the numpy wheel and leaves a file that the loader refuses: "ELF load command
# address/offset not page-aligned". patchelf moved the segments when the wheel was made, and strip lays them out anew, off their pages.
# Why it matters: Installers strip what they pack, and a station whose numpy does not load does not start; strip says nothing of it.
# Compare offset and address of every LOAD segment afterwards (readelf -lW), and keep the file as it was where they do not fit.
set -euo pipefail

work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -qq --disable-pip-version-check numpy==2.4.6
python="$work/venv/bin/python"
library="$(find "$work/venv" -name 'libscipy_openblas64_*.so')"

misplaced() { # the number of LOAD segments whose place in the file does not fit that in memory
    readelf -lW "$library" | awk '$1 == "LOAD" { print $2, $3, $NF }' |
        "$python" -c 'import sys; print(sum((int(a, 16) - int(b, 16)) % int(c, 16) != 0 for a, b, c in map(str.split, sys.stdin)))'
}

strip --version | head -n 1
echo "before: $(misplaced) segments are misplaced, $("$python" -c 'import numpy; print("numpy", numpy.__version__, "loads")')"
before="$(misplaced)"
strip --strip-unneeded "$library"
echo "strip ends with $?: $(misplaced) segments are misplaced"
{ "$python" -c 'import numpy' 2>&1 || true; } | grep -m 1 'page-aligned'
[ "$before" = 0 ] && [ "$(misplaced)" -gt 0 ]
