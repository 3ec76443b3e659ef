#!/usr/bin/env bash
# Sets up and runs the program: ./packaging/run.sh [--with EXTRA]... [arguments to inspector]
#
# Without arguments it runs the demo line: in the window, or, where there is no display, headless with a report.
# --with train adds what training, Grad-CAM and the torch engines need (a large download); `train` and `explain` add it by
# themselves.
set -euo pipefail
# shellcheck source=packaging/setup.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/setup.sh"

sets=(base)
while [ "${1:-}" = --with ]; do
    [ $# -ge 2 ] || stop "--with needs the name of an extra, such as train" 2
    sets+=("$2")
    shift 2
done
case "${1:-}" in
train | explain) sets+=(train) ;;
esac

setup "${sets[@]}"

if [ $# -gt 0 ]; then
    exec "$VENV/bin/inspector" "$@"
fi
if has_display; then
    exec "$VENV/bin/inspector" gui --start
fi
say "there is no display here: running 40 parts of the demo line without the window"
exec "$VENV/bin/inspector" run --limit 40 --out "$ROOT/runs/demo"
