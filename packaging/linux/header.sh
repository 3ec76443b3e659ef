#!/bin/sh
@BODY@
set -eu
umask 022
LC_ALL=C
export LC_ALL
stop() {
    echo "inspector: $1" >&2
    exit 1
}
base="${XDG_DATA_HOME:-$HOME/.local/share}"
to="$HOME/.local/opt/inspector"
check=
while [ $# -gt 0 ]; do
    case "$1" in
    --to)
        [ $# -ge 2 ] || stop "--to needs a folder"
        to="$2/inspector"
        shift 2
        ;;
    --check)
        check=1
        shift
        ;;
    *) stop "unknown option $1; known are --to FOLDER and --check" ;;
    esac
done
[ "$(uname -sm)" = "Linux x86_64" ] || stop "this installer is for 64-bit Linux on x86 processors, and this is $(uname -sm)."
glibc="$(getconf GNU_LIBC_VERSION 2>/dev/null | sed 's/glibc //')"
oldest="$(printf '%s\n%s\n' "${glibc:-0}" "@GLIBC@" | sort -V | head -n 1)"
[ "$oldest" = "@GLIBC@" ] || stop "this Linux is too old: it has glibc ${glibc:-of an unknown version}, and @GLIBC@ or newer is needed (Debian 12, Ubuntu 24.04, Fedora 37)."
for tool in tar xz sha256sum tail; do
    command -v "$tool" >/dev/null 2>&1 || stop "the program $tool is missing; install it first (the packages tar, xz-utils and coreutils)."
done
size="$(stat -c %s "$0")"
[ "$size" -eq @TOTAL@ ] || stop "the installer is incomplete: it has $size of @TOTAL@ bytes. Copy or download it again."
sum="$(tail -c +@START@ "$0" | sha256sum | cut -d ' ' -f 1)"
[ "$sum" = "@SHA256@" ] || stop "the installer is damaged. Copy or download it again."
if [ -n "$check" ]; then
    echo "The installer is complete."
    exit 0
fi
prepare
mkdir -p "$to" 2>/dev/null && [ -w "$to" ] || stop "$to cannot be written. Choose another folder: --to FOLDER."
free="$(df -Pk "$to" | awk 'NR == 2 { print $4 }')"
[ "$free" -ge @NEEDED@ ] || stop "there is too little space in $to: @NEEDED@ kB are needed and $free kB are free."
unpacked="$to/.new-$$"
new="$unpacked@HOME@/@VERSION@"
trap 'rm -rf "$unpacked"' EXIT
trap 'exit 1' INT TERM HUP # not the same trap: the script would go on without what it has unpacked
mkdir "$unpacked"
tail -c +@START@ "$0" | tar -xJf - -C "$unpacked" || stop "unpacking failed; nothing was installed."
finish
exit 0
