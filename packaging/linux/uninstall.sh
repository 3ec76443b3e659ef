#!/bin/sh
# Removes Inspector and keeps recipes, bundles, settings and results.
set -eu
here="$(cd -- "$(dirname -- "$0")" && pwd -P)"
base="${XDG_DATA_HOME:-$HOME/.local/share}"
case "$here" in
*/inspector) ;;
*)
    echo "uninstall.sh: this is not the folder of an installation." >&2
    exit 1
    ;;
esac
for name in inspector inspector-previous; do
    link="$HOME/.local/bin/$name"
    case "$(readlink "$link" 2>/dev/null)" in
    "$here"/*) rm -f "$link" ;;
    esac
done
rm -f "$base/applications/inspector.desktop" "$base/icons/hicolor/scalable/apps/inspector.svg" \
    "${XDG_CONFIG_HOME:-$HOME/.config}/systemd/user/inspector.service"
rm -rf "$here"
echo "Inspector is removed. Your recipes, bundles, settings and results are kept in $base/inspector."
