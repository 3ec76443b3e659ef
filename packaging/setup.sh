# shellcheck shell=bash
# Sourced by run.sh and test.sh: makes the Python environment in .venv, once. Everything it says goes to stderr, so that the
# output of the program stays clean.
#
#   INSPECTOR_VENV     where the environment goes (default: .venv in the checkout)
#   INSPECTOR_PYTHON   the Python to use (default: the newest of 3.11 to 3.13 on the PATH)
#   INSPECTOR_NO_APT   set to 1 to never install system packages

ROOT="$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd -P)"
VENV="${INSPECTOR_VENV:-$ROOT/.venv}"
READY="$VENV/.inspector-ready" # one line for each set of packages that was installed completely

# Debian's and Ubuntu's names, and the libraries they are there for. A font with Japanese ships with the program.
QT_PACKAGES=(libgl1 libegl1 libxkbcommon0 libfontconfig1 libglib2.0-0 libdbus-1-3 libxkbcommon-x11-0 libxcb-cursor0 libxcb-icccm4 libxcb-keysyms1 libxcb-shape0 fonts-dejavu-core)
QT_LIBRARIES=(libGL.so.1 libEGL.so.1 libxkbcommon.so.0 libfontconfig.so.1 libglib-2.0.so.0 libdbus-1.so.3 libxkbcommon-x11.so.0 libxcb-cursor.so.0 libxcb-icccm.so.4 libxcb-keysyms.so.1 libxcb-shape.so.0)

say() { printf 'inspector setup: %s\n' "$*" >&2; }

stop() {
    say "$1"
    exit "${2:-1}"
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

# What Qt needs of the system: install it where we may; where we may not, say the one line (and go on: only the window needs it).
ensure_window_libraries() {
    local missing
    [ "$(uname -s)" = Linux ] || return 0
    missing="$(missing_libraries "$1")"
    [ -n "$missing" ] || return 0
    if apt_install "${QT_PACKAGES[@]}" && [ -z "$(missing_libraries "$1")" ]; then
        return 0
    fi
    missing="$(missing_libraries "$1" | tr '\n' ' ')"
    if command -v apt-get >/dev/null 2>&1; then
        say "the window needs libraries that are missing here (${missing% }). Install them with:"
        say "    sudo apt-get install ${QT_PACKAGES[*]}"
    else
        say "the window needs libraries that are missing here: ${missing% }"
    fi
}

# uv: the one on the PATH, or our own copy in build/uv (Debian's python refuses a plain pip install).
ensure_uv() {
    local python="$1" tool="$ROOT/build/uv"
    if command -v uv >/dev/null 2>&1 && uv --version >/dev/null 2>&1; then
        UV="$(command -v uv)"
        return
    fi
    UV="$tool/bin/uv"
    if [ -x "$UV" ] && "$UV" --version >/dev/null 2>&1; then
        return
    fi
    say "installing uv into build/uv"
    rm -rf "$tool"
    if ! "$python" -c 'import ensurepip, venv' >/dev/null 2>&1; then
        apt_install python3-venv || stop "Python's venv is missing. Install it with: sudo apt-get install python3-venv"
    fi
    [ -z "${SSL_CERT_FILE:-}" ] || export PIP_CERT="${PIP_CERT:-$SSL_CERT_FILE}"
    "$python" -m venv "$tool" >&2 || stop "the folder $tool cannot be made"
    "$tool/bin/python" -m pip install --quiet --disable-pip-version-check uv >&2 ||
        stop "uv could not be installed. Behind a proxy see 'Troubleshooting' in README.md"
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
    python="$(find_python)" || stop "Python 3.11, 3.12 or 3.13 is needed (sudo apt-get install python3 python3-venv); or name one in INSPECTOR_PYTHON"
    ensure_window_libraries "$python"
    ensure_uv "$python"
    ensure_uv_cache
    say "installing Python packages into $VENV; the first time this downloads a good deal"
    sync "$python" "${options[@]}" || stop "the Python packages could not be installed. Behind a proxy, or offline, see 'Troubleshooting' in README.md"
    for name in "$@"; do stamp "$name" >>"$READY"; done
}
