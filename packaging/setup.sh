# shellcheck shell=bash
# Sourced by run.sh and test.sh: makes the Python environment in .venv, once. Everything it says goes to stderr, so that the
# output of the program stays clean.
#
#   INSPECTOR_VENV     where the environment goes (default: .venv in the checkout)
#   INSPECTOR_PYTHON   the Python to use (default: the newest of 3.11 to 3.13 on the PATH)
#   INSPECTOR_NO_APT   set to 1 to never install system packages

ROOT="$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd -P)"
VENV="${INSPECTOR_VENV:-$ROOT/.venv}"
OWN_UV="$ROOT/build/uv"
READY="$VENV/.inspector-ready" # one line for each set of packages that was installed completely

# Debian's and Ubuntu's names, and the libraries they are there for. A font with Japanese ships with the program.
QT_PACKAGES=(libgl1 libegl1 libxkbcommon0 libfontconfig1 libglib2.0-0 libdbus-1-3 libxkbcommon-x11-0 libxcb-cursor0 libxcb-icccm4 libxcb-keysyms1 libxcb-shape0 fonts-dejavu-core)
QT_LIBRARIES=(libGL.so.1 libEGL.so.1 libxkbcommon.so.0 libfontconfig.so.1 libglib-2.0.so.0 libdbus-1.so.3 libxkbcommon-x11.so.0 libxcb-cursor.so.0 libxcb-icccm.so.4 libxcb-keysyms.so.1 libxcb-shape.so.0)

say() { printf 'inspector setup: %s\n' "$*" >&2; }

stop() {
    say "$1"
    exit "${2:-1}"
}

# Tests start hundreds of worker processes. Where the environment forbids compiled bytecode beside the sources, each of them
# would compile torch and all the rest once more; so it is kept in build/, and the source tree stays clean.
keep_bytecode() {
    unset PYTHONDONTWRITEBYTECODE
    export PYTHONPYCACHEPREFIX="${PYTHONPYCACHEPREFIX:-$ROOT/build/bytecode}"
}

has_display() {
    [ "$(uname -s)" = Darwin ] || [ -n "${DISPLAY:-}${WAYLAND_DISPLAY:-}" ]
}

usable_python() {
    "$1" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' >/dev/null 2>&1
}

find_python() {
    local candidate
    for candidate in ${INSPECTOR_PYTHON:-python3.13 python3.12 python3.11 python3 python}; do
        if command -v "$candidate" >/dev/null 2>&1 && usable_python "$candidate"; then
            command -v "$candidate"
            return
        fi
    done
    return 1
}

# Run apt-get as root or with a sudo that asks for nothing; 1 where neither is to be had.
apt_install() {
    local as_root=()
    [ "${INSPECTOR_NO_APT:-}" != 1 ] && command -v apt-get >/dev/null 2>&1 || return 1
    if [ "$(id -u)" -ne 0 ]; then
        command -v sudo >/dev/null 2>&1 && sudo -n true >/dev/null 2>&1 || return 1
        as_root=(sudo -n)
    fi
    say "installing system packages: $*"
    mkdir -p "$ROOT/build"
    local log="$ROOT/build/apt.log"
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get update -qq >"$log" 2>&1 || true # an old list may do
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" </dev/null >>"$log" 2>&1 && return
    grep '^E:' "$log" | head -5 >&2
    say "that failed; the whole output is in $log"
    return 1
}

missing_libraries() {
    "$1" - "${QT_LIBRARIES[@]}" <<'PYTHON'
import ctypes
import sys

for name in sys.argv[1:]:
    try:
        ctypes.CDLL(name)
    except OSError:
        print(name)
PYTHON
}

has_uv() { "$1" --version >/dev/null 2>&1; }

# What is missing of the system: install it where we may; where we may not, say the one line that does. Only the window needs
# Qt's libraries, so without them the set-up goes on.
ensure_system() {
    local python="$1" wanted=() missing=""
    if ! has_uv uv && ! has_uv "$OWN_UV/bin/uv" && ! "$python" -c 'import ensurepip, venv' >/dev/null 2>&1; then
        wanted+=(python3-venv)
    fi
    if [ "$(uname -s)" = Linux ]; then
        missing="$(missing_libraries "$python" | tr '\n' ' ')"
        [ -z "$missing" ] || wanted+=("${QT_PACKAGES[@]}")
    fi
    if [ ${#wanted[@]} -eq 0 ] || apt_install "${wanted[@]}"; then
        return 0
    fi
    [ -z "$missing" ] || say "the window needs libraries that are missing here: ${missing% }"
    [[ " ${wanted[*]} " != *" python3-venv "* ]] || say "Python's venv module is missing here"
    ! command -v apt-get >/dev/null 2>&1 || say "this installs what is missing: sudo apt-get install ${wanted[*]}"
}

# uv: the one on the PATH, or our own copy in build/uv (Debian's python refuses a plain pip install).
ensure_uv() {
    if has_uv uv; then
        UV="$(command -v uv)"
        return
    fi
    UV="$OWN_UV/bin/uv"
    ! has_uv "$UV" || return 0
    say "installing uv into build/uv"
    rm -rf "$OWN_UV"
    [ -z "${SSL_CERT_FILE:-}" ] || export PIP_CERT="${PIP_CERT:-$SSL_CERT_FILE}"
    "$1" -m venv "$OWN_UV" >/dev/null || stop "uv needs Python's venv module (sudo apt-get install python3-venv)"
    "$OWN_UV/bin/python" -m pip install --quiet --no-cache-dir --disable-pip-version-check uv >&2 ||
        stop "uv could not be installed. Behind a proxy, or offline, see resources/manual/troubleshooting.md"
}

# A home that cannot be written to (kiosk accounts) must not stop uv.
ensure_uv_cache() {
    [ -z "${UV_CACHE_DIR:-}" ] || return 0
    local cache="${XDG_CACHE_HOME:-${HOME:-/nonexistent}/.cache}/uv"
    if ! mkdir -p "$cache" 2>/dev/null || [ ! -w "$cache" ]; then
        export UV_CACHE_DIR="$ROOT/build/uv-cache"
    fi
}

# Which sets of packages are complete is known by their names and the text of pyproject.toml. Somebody may have taken packages
# away since, so something of each set must be there too.
stamp() { printf '%s %s\n' "$(cksum <"$ROOT/pyproject.toml" | tr ' \t' '--')" "$1"; }

is_ready() {
    local name sign
    for name in "$@"; do
        case "$name" in
        dev) sign=bin/pytest ;;
        train) sign='lib/python3*/site-packages/torch' ;;
        *) sign=bin/inspector ;;
        esac
        compgen -G "$VENV/$sign" >/dev/null && grep -qxF "$(stamp "$name")" "$READY" 2>/dev/null || return 1
    done
}

# uv sync, keeping what an earlier set-up installed besides. A second try trusts the system's certificates, which is what a
# factory's proxy that looks into TLS needs.
sync() {
    local python=()
    [ -x "$VENV/bin/python" ] && usable_python "$VENV/bin/python" || python=(--python "$1")
    shift
    export UV_PROJECT_ENVIRONMENT="$VENV" UV_PYTHON_DOWNLOADS=never
    unset VIRTUAL_ENV
    "$UV" sync --project "$ROOT" --inexact "${python[@]}" "$@" </dev/null >&2 && return
    say "that failed; once more with the certificates of this system"
    UV_SYSTEM_CERTS=1 UV_NATIVE_TLS=1 "$UV" sync --project "$ROOT" --inexact "${python[@]}" "$@" </dev/null >&2
}

# setup NAME...: .venv holds these sets of packages afterwards (base, dev, or the name of an extra). Does nothing, and needs no
# network, where they are there already.
setup() {
    local python name options=()
    ! is_ready "$@" || return 0
    [[ " $* " == *" dev "* ]] || options+=(--no-dev)
    for name in "$@"; do
        [[ "$name" == base || "$name" == dev ]] || options+=(--extra "$name")
    done
    python="$(find_python)" || stop "Python 3.11, 3.12 or 3.13 is needed (sudo apt-get install python3 python3-venv), or its name in INSPECTOR_PYTHON"
    ensure_system "$python"
    ensure_uv "$python"
    ensure_uv_cache
    say "installing Python packages into $VENV; the first time this downloads a good deal"
    sync "$python" "${options[@]}" || stop "the Python packages could not be installed. Behind a proxy, or offline, see resources/manual/troubleshooting.md"
    for name in "$@"; do stamp "$name" >>"$READY"; done
}
