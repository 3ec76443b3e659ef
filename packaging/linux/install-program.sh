# Installs Inspector @VERSION@ for this user, without root: sh inspector-@VERSION@-linux.run [--to FOLDER] [--check]
#
# Into ~/.local/opt/inspector/@VERSION@, with a menu entry and the command ~/.local/bin/inspector. The version before stays:
# inspector-previous starts it. Remove everything with ~/.local/opt/inspector/uninstall.sh; recipes and results stay.
# shellcheck shell=sh disable=SC2154
prepare() { :; }

finish() {
    old="$(readlink "$to/current" 2>/dev/null || true)"
    "$new/inspector" doctor --self-test >/dev/null || stop "the new version failed its self-test; nothing was installed."
    if [ -e "$to/@VERSION@" ]; then # the same version again: its training pack stays
        for part in "$to/@VERSION@"/training*; do
            [ ! -e "$part" ] || mv "$part" "$new/"
        done
        mv "$to/@VERSION@" "$to/.old-$$"
    fi
    mv "$new" "$to/@VERSION@"
    rm -rf "$to"/.old-*
    if [ -n "$old" ] && [ "$old" != "@VERSION@" ]; then
        before="$(readlink "$to/previous" 2>/dev/null || true)"
        ln -sfn "$old" "$to/previous"
        [ -z "$before" ] || [ "$before" = "$old" ] || [ "$before" = "@VERSION@" ] || rm -rf "${to:?}/$before"
    fi
    ln -sfn "@VERSION@" "$to/current"
    cat >"$to/uninstall.sh" <<'END_OF_FILE'
@UNINSTALL@
END_OF_FILE
    chmod +x "$to/uninstall.sh"
    mkdir -p "$HOME/.local/bin" "$base/applications" "$base/icons/hicolor/scalable/apps" "${XDG_CONFIG_HOME:-$HOME/.config}/systemd/user"
    ln -sfn "$to/current/inspector" "$HOME/.local/bin/inspector"
    ln -sfn "$to/previous/inspector" "$HOME/.local/bin/inspector-previous"
    share="$unpacked/usr/share"
    cp "$share/icons/hicolor/scalable/apps/inspector.svg" "$base/icons/hicolor/scalable/apps/"
    escaped="$(printf '%s' "$to" | sed 's/[\\"`$]/\\\\&/g; s/%/%%/g')"
    sed -e '/^TryExec=/d' "$share/applications/inspector.desktop" |
        TARGET="$escaped" awk '/^Exec=/ { print "Exec=\"" ENVIRON["TARGET"] "/current/inspector\""; next } { print }' >"$base/applications/inspector.desktop"
    TARGET="$(printf '%s' "$to" | sed 's/%/%%/g')" awk '/^ExecStart=/ { print "ExecStart=\"" ENVIRON["TARGET"] "/current/inspector\" gui --start"; next } { print }' \
        "$unpacked/usr/lib/systemd/user/inspector.service" >"${XDG_CONFIG_HOME:-$HOME/.config}/systemd/user/inspector.service"
    echo "Inspector @VERSION@ is installed in $to."
    case ":$PATH:" in
    *":$HOME/.local/bin:"*) ;;
    *) echo "Start it from the menu, or by $HOME/.local/bin/inspector." ;;
    esac
}
