#!/usr/bin/env bash
# compileall --invalidation-mode unchecked-hash -s FOLDER leaves some modules with a timestamp and with the full path of the build
# folder inside: those that the compiling Python imported itself from there. They were written the ordinary way a moment before,
# count as up to date, and are skipped, whatever was asked for.
# Why it matters: An installer that packs its own standard library is then never the same twice, tells where it was built, and
# these modules are compiled again at every start once their times have been levelled. Compile with python -B -m compileall -f.
set -euo pipefail

work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
unset PYTHONDONTWRITEBYTECODE PYTHONPYCACHEPREFIX
mkdir "$work/library"
echo 'x = 1' >"$work/library/wanted.py"
echo 'x = 1' >"$work/library/imported.py"

look() {
    python3 - "$work" <<'PYTHON'
import marshal
import sys
from pathlib import Path

for file in sorted(Path(sys.argv[1]).rglob("*.pyc")):
    data = file.read_bytes()
    kind = "hash" if data[4] & 1 else "timestamp"
    print(f"  {file.name.partition('.')[0]}: {kind}, {marshal.loads(data[16:]).co_filename.replace(sys.argv[1], 'BUILD')}")
PYTHON
}

python3 --version
build() { # build FORCE OPTION...: compile the folder with a Python that was started with these options
    local force="$1"
    shift
    PYTHONPATH="$work/library" python3 "$@" -c '
import compileall, py_compile, sys
import imported
mode = py_compile.PycInvalidationMode.UNCHECKED_HASH
compileall.compile_dir(sys.argv[1] + "/library", quiet=1, stripdir=sys.argv[1], force=sys.argv[2] == "force", invalidation_mode=mode)
' "$work" "$force"
}
build "" -s
first="$(look)"
printf 'as usual:\n%s\n' "$first"
rm -r "$work/library/__pycache__"
build force -s -B
second="$(look)"
printf 'with -B and force:\n%s\n' "$second"
grep -q 'imported: timestamp, BUILD/library/imported.py' <<<"$first" && [ "$(grep -c ': hash, library/' <<<"$second")" = 2 ]
