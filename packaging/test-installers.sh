#!/usr/bin/env bash
# Tests the installers in build/dist: ./packaging/test-installers.sh [linux|windows|all]
#
# Needs root. Linux: the packages are checked by lintian and the desktop's own tools, then installed into a Debian 12 and a Debian 13
# made by debootstrap and used there, without any network, as an ordinary user would; the .run file as a user whose home has spaces
# and Japanese letters in its name; Debian 11 is too old for them and has to be told so. Windows: as far as wine goes. Every step
# runs; the exit code is 0 only if all passed. Pictures and logs are in build/installers-test.
#
#   INSPECTOR_PHOTOGRAPH   the picture that the installed program judges (default: one of the screenshots)
set -euo pipefail
# shellcheck source=packaging/setup.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/setup.sh"
# shellcheck source=packaging/steps.sh
source "$ROOT/packaging/steps.sh"

DIST="$ROOT/build/dist"
OUT="$ROOT/build/installers-test"
SUITE=bookworm DEBIAN="$OUT/bookworm" # Debian 12; the steps of Debian 13 and 11 set both anew
VERSION="$(sed -n 's/^version = "\(.*\)"$/\1/p' "$ROOT/pyproject.toml" | head -n 1)"
HOME_PATH="/home/検査 員"
PHOTOGRAPH="${INSPECTOR_PHOTOGRAPH:-$ROOT/resources/screenshots/detection.png}"

need() { # need WHAT COMMAND...: stop the step with a sentence if a command fails
    local what="$1"
    shift
    "$@" || {
        echo "not so: $what" >&2
        return 1
    }
}

# Run a command in the Debian root: inside online|offline USER COMMAND. Mounts, processes and network end with it.
inside() {
    local network=() user="$2"
    [ "$1" = online ] || network=(--net)
    shift 2
    ROOT_DIR="$DEBIAN" AS="$user" unshare --mount --pid --fork --kill-child "${network[@]}" bash -c '
        set -e
        mount --bind "$ROOT_DIR" "$ROOT_DIR"
        mount -t proc proc "$ROOT_DIR/proc"
        mount --rbind /sys "$ROOT_DIR/sys"
        mount --rbind /dev "$ROOT_DIR/dev"
        mount -t tmpfs tmpfs "$ROOT_DIR/tmp"
        [ ! -d "$ROOT_DIR/opt" ] || mount -t tmpfs -o ro tmpfs "$ROOT_DIR/opt"
        # Not by exec: xvfb-run waits for ever for a signal where it is the first process of its world.
        chroot "$ROOT_DIR" /usr/bin/env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
            LANG=C.UTF-8 DEBIAN_FRONTEND=noninteractive HOME=/root \
            setpriv --reuid="$AS" --regid="$AS" --init-groups -- "$@" && exit 0 || exit $?' inside "$@"
}

as_user() { inside offline worker env HOME="$HOME_PATH" "$@"; }

checks() {
    local deb="$DIST/inspector_${VERSION}_amd64.deb" tree="$OUT/tree" output
    (cd "$DIST" && sha256sum --quiet --check SHA256SUMS)
    lintian --fail-on error --tag-display-limit 0 "$deb" >"$OUT/lintian.txt" 2>&1 || {
        grep '^E:' "$OUT/lintian.txt" | head -20
        return 1
    }
    rm -rf "$tree"
    dpkg-deb -x "$deb" "$tree"
    desktop-file-validate "$tree"/usr/share/applications/*.desktop
    appstreamcli validate --no-net "$tree/usr/share/metainfo/inspector.metainfo.xml"
    xmllint --noout "$tree/usr/share/mime/packages/inspector.xml"
    output="$(sed "s|/usr/bin/inspector|$tree/usr/lib/inspector/$VERSION/inspector|" "$tree/usr/lib/systemd/user/inspector.service" >"$OUT/inspector.service" &&
        XDG_RUNTIME_DIR="$OUT" systemd-analyze --user --man=no verify "$OUT/inspector.service" 2>&1 || true)"
    need "systemd accepts every line of the unit: $output" [ -z "$output" ]
    man --warnings -E UTF-8 -l -Tutf8 -Z "$tree/usr/share/man/man1/inspector.1.gz" >/dev/null
    need "the list of contents names what is installed" same_packages "$tree/usr/lib/inspector/$VERSION"
    rm -rf "$tree"
}

same_packages() {
    "$1/inspector" -c '
import importlib.metadata, json, sys
from pathlib import Path
folder = Path(sys.executable).parent
listed = {part["name"]: part["version"] for part in json.loads((folder / "sbom.cdx.json").read_text())["components"] if "pypi" in part["purl"]}
there = {one.name: one.version for one in importlib.metadata.distributions(path=[str(folder / "site")]) if one.name != "inspector"}
sys.exit(listed != there)'
}

make_debian() {
    local mirror
    [ ! -e "$DEBIAN/.ready" ] || return 0
    mirror="$(apt-get indextargets --format '$(REPO_URI)' | grep -v security | head -n 1)"
    rm -rf "$DEBIAN"
    debootstrap --variant=minbase --include=xvfb,xauth,x11-utils,adduser,xz-utils "$SUITE" "$DEBIAN" "$mirror" >"$OUT/debootstrap-$SUITE.log"
    echo "deb $mirror $SUITE main" >"$DEBIAN/etc/apt/sources.list"
    for file in /etc/apt/apt.conf.d/99*; do [ ! -e "$file" ] || cp "$file" "$DEBIAN/etc/apt/apt.conf.d/"; done
    inside online root apt-get -qq update
    inside online root useradd --home-dir "$HOME_PATH" --create-home --shell /bin/sh worker
    touch "$DEBIAN/.ready"
}

install_deb() {
    find "$DEBIAN" -xdev -path "$DEBIAN/var" -prune -o -print | sort >"$OUT/before.txt"
    mkdir -p "$DEBIAN/media"
    cp "$DIST"/inspector_"$VERSION"_amd64.deb "$DEBIAN/media/"
    inside online root apt-get -qq -y --no-install-recommends install "/media/inspector_${VERSION}_amd64.deb" >"$OUT/apt.log" 2>&1 || {
        tail -5 "$OUT/apt.log"
        return 1
    }
    cp "$PHOTOGRAPH" "$DEBIAN/media/photograph.png"
}

# Half a file is refused, and dpkg says why.
half_deb() {
    local code=0 file="$DIST/inspector_${VERSION}_amd64.deb"
    head -c $(($(stat -c %s "$file") / 2)) "$file" >"$DEBIAN/media/half.deb"
    inside offline root dpkg --force-depends -i /media/half.deb >"$OUT/half-deb.txt" 2>&1 || code=$?
    need "the installation fails" [ "$code" -ne 0 ]
    need "the reason is given: $(tail -3 "$OUT/half-deb.txt")" grep -qi 'unexpected end of' "$OUT/half-deb.txt"
    need "nothing is left half-way" [ -z "$(inside offline root find /usr/lib/inspector /usr/bin/inspector ! -type d 2>/dev/null)" ]
    need "dpkg is in order" [ -z "$(inside offline root dpkg --audit)" ]
}

# Nothing of a package is left where the disk is full, and dpkg says why.
full_disk() {
    local code=0
    cp "$DIST"/inspector_"$VERSION"_amd64.deb "$DEBIAN/media/"
    as_root_with_little_space dpkg --force-depends -i "/media/inspector_${VERSION}_amd64.deb" >"$OUT/full.log" 2>&1 || code=$?
    need "the installation fails" [ "$code" -ne 0 ]
    need "the reason is given: $(tail -3 "$OUT/full.log")" grep -q 'No space left on device' "$OUT/full.log"
    need "nothing is left half-way" [ -z "$(inside offline root find /usr/lib/inspector /usr/bin/inspector ! -type d 2>/dev/null)" ]
    inside offline root dpkg --remove --force-remove-reinstreq inspector >/dev/null 2>&1 || true
    need "dpkg is in order again" [ -z "$(inside offline root dpkg --audit)" ]
    rmdir "$DEBIAN/usr/lib/inspector"
}

as_root_with_little_space() {
    mkdir -p "$DEBIAN/usr/lib/inspector"
    inside offline root sh -c 'mount -t tmpfs -o size=100m tmpfs /usr/lib/inspector && exec "$@"' sh "$@"
}

# Six frames of VP9, 64 x 48, each lighter than the one before.
VIDEO="import base64, tempfile, cv2
file = tempfile.NamedTemporaryFile(suffix='.webm')
file.write(base64.b64decode('''GkXfo59ChoEBQveBAULygQRC84EIQoKEd2VibUKHgQJChYECGFOAZwEAAAAAAAJJEU2bdLpNu4tTq4QVSalmU6yBoU27i1OrhBZUrmtTrIHYTbuMU6uEElTD
Z1OsggEbTbuMU6uEHFO7a1OsggIz7AEAAAAAAABZAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA
AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAVSalmsirXsYMPQkBNgI1MYXZmNjIuMTIuMTAxV0GNTGF2ZjYyLjEyLjEwMUSJiEBuAAAAAAAAFlSua76u
AQAAAAAAADXXgQFzxYihUMoy/uPh/JyBACK1nIN1bmSIgQCGhVZfVlA5g4EBI+ODhAJiWgDghrCBQLqBMBJUw2fYc3OgY8CAZ8iaRaOHRU5DT0RFUkSHjUxh
dmY2Mi4xMi4xMDFzc7JjwItjxYihUMoy/uPh/GfIoUWjiERVUkFUSU9ORIeTMDA6MDA6MDAuMjQwMDAwMDAwAB9DtnVAteeBAKOjgQAAgIJJg0IAA/AC9gA4
JBwYSAAAMGAAABO///1ZFYAAAACjm4EAKACGAECS8AEoAAAMYAAAAaP//7yYAAAAAKOagQBQAIYAQJLwAS8AAAxgAAABo///OjwAAACjmYEAeACGAECS8AEr
AAAMYAAAAaP+qQAAAACjmoEAoACGAECS8AEnAAAMYAAAAaP//qPgAAAAo5uBAMgAhgBAkvABIoAADGAAAAGj//+wjgAAAAAcU7trkbuPs4EAt4r3gQHxggF4
8IED'''))
file.flush()
video = cv2.VideoCapture(file.name, cv2.CAP_FFMPEG)
levels = [int(frame.mean()) for found, frame in iter(video.read, (False, None)) if found]
print(len(levels), levels)"

use_program() { # use_program PROGRAM NAME: the first day with it, without a network, as a user
    local program="$1" name="$2"
    as_user "$program" --version
    as_user "$program" doctor --json >"$OUT/$name-doctor.jsonl"
    need "the doctor finds no problem" grep -qE '"problem": ?0\b' "$OUT/$name-doctor.jsonl"
    as_user "$program" predict --model plate-defects --json /media/photograph.png >"$OUT/$name-predict.jsonl"
    need "a picture gets a verdict" grep -qE '"verdict": ?"(OK|NG|REVIEW)"' "$OUT/$name-predict.jsonl"
    as_user "$program" run --limit 20 --out "$HOME_PATH/runs" --json >"$OUT/$name-run.jsonl"
    need "the demo line judges parts" grep -qE '"verdict": ?"NG"' "$OUT/$name-run.jsonl"
    need "VP9 is read without the library that writes it" [ "$(as_user "$program" -c "$VIDEO")" = "6 [0, 37, 77, 117, 157, 197]" ]
    use_archive "$program" "$name"
    # Four seconds of the clock do not matter here: the picture is taken when 5 parts have been judged.
    as_user xvfb-run -a -s '-screen 0 1920x1080x24' "$program" gui --start --screenshot "$HOME_PATH/$name.png" --parts 5
    cp "$DEBIAN$HOME_PATH/$name.png" "$OUT/"
}

# What the line recorded is found, proved and reported; an earlier version's tables are led to the newest; codes are read.
use_archive() {
    local program="$1" name="$2" code='import zxingcpp, numpy
made = zxingcpp.create_barcode("(21)S0001", zxingcpp.BarcodeFormat.DataMatrix, gs1=True)
print(zxingcpp.read_barcodes(numpy.array(zxingcpp.write_barcode_to_image(made, scale=5)))[0].text)'
    as_user "$program" archive take-back 0001
    as_user "$program" archive query --limit 100 --json >"$OUT/$name-archive.jsonl"
    need "the archive has every part" [ "$(grep -c '"part_id"' "$OUT/$name-archive.jsonl")" -ge 20 ]
    need "its records are whole" grep -q ': sound$' <(as_user "$program" archive verify)
    as_user "$program" archive report --simulated --out "$HOME_PATH/report.pdf"
    need "the report is a PDF with the program's fonts" grep -aq NotoSansCJK "$DEBIAN$HOME_PATH/report.pdf"
    need "a code is read" [ "$(as_user "$program" -c "$code")" = "(21)S0001" ]
}

not_without_pack() {
    local code=0
    as_user inspector data demo --parts 120 --out "$HOME_PATH/demo data" >/dev/null
    as_user inspector train --task classification --data "$HOME_PATH/demo data/window" --out "$HOME_PATH/bundle" >"$OUT/train.txt" 2>&1 || code=$?
    need "training ends with a failure" [ "$code" -ne 0 ]
    need "it names the training pack: $(cat "$OUT/train.txt")" grep -q "inspector-training_$VERSION" "$OUT/train.txt"
}

# The service under a real service manager: the window's thread is stopped while the others run, so its event loop hangs.
watchdog() {
    inside online root apt-get -qq -y --no-install-recommends install systemd >"$OUT/systemd.log" 2>&1
    cp "$ROOT/packaging/linux/test-watchdog.sh" "$DEBIAN/media/"
    inside offline root sh /media/test-watchdog.sh | tee "$OUT/watchdog.txt"
    need "the service manager started the window again" grep -q '^restarts: 1$' "$OUT/watchdog.txt"
    need "the restart is recorded" grep -q 'watchdog killed ABRT' "$OUT/watchdog.txt"
}

# The package of another version with the same files, for updates.
repack() {
    local work="$OUT/repack" other="$1"
    rm -rf "$work"
    dpkg-deb -R "$DIST/inspector_${VERSION}_amd64.deb" "$work"
    mv "$work/usr/lib/inspector/$VERSION" "$work/usr/lib/inspector/$other"
    sed -i "s/^Version: .*/Version: $other/" "$work/DEBIAN/control"
    sed -i "s/$VERSION/$other/g" "$work"/DEBIAN/pre* "$work"/DEBIAN/post*
    sed -i "s/\"version\": \".*\"/\"version\": \"$other\"/" "$work/usr/lib/inspector/$other/installation.json"
    sed -i "s/^Version: .*/Version: $other/" "$work/usr/lib/inspector/$other/site/inspector-$VERSION.dist-info/METADATA"
    ln -sfn "../lib/inspector/$other/inspector" "$work/usr/bin/inspector"
    rm "$work/DEBIAN/md5sums"
    dpkg-deb --root-owner-group -Zgzip -z1 --build "$work" "$DEBIAN/media/inspector_${other}_amd64.deb" >/dev/null
    rm -rf "$work"
}

update() {
    local newer="$VERSION.1" running code=0 data="$DEBIAN$HOME_PATH/.local/share/inspector"
    repack "$newer"
    as_user sh -c 'mkdir -p "$HOME/.local/share/inspector/bundles" && cp -r /usr/lib/inspector/*/site/inspector/_models/plate-mask "$HOME/.local/share/inspector/bundles/own-mask"'
    (cd "$data" && find . -type f -exec sha256sum {} +) | sort >"$OUT/data-before.txt"
    # A line that runs during the update goes on: workers and late imports find the old files.
    as_user sh -c 'inspector run --limit 400 --out "$HOME/during" --json' >"$OUT/during.jsonl" 2>"$OUT/during.txt" &
    running=$!
    inside online root dpkg -i "/media/inspector_${newer}_amd64.deb" >"$OUT/update.log" 2>&1 || { tail -5 "$OUT/update.log"; code=1; }
    wait "$running" || { tail -3 "$OUT/during.txt"; code=1; }
    need "the update was installed" [ "$code" = 0 ]
    need "the line that ran meanwhile judged every part" [ "$(grep -c '"verdict"' "$OUT/during.jsonl")" -ge 400 ]
    need "the new version answers" [ "$(as_user inspector --version)" = "inspector, version $newer" ]
    need "the version before can be started" [ "$(as_user inspector-previous --version)" = "inspector, version $VERSION" ]
    as_user inspector-previous doctor --self-test >/dev/null
    (cd "$data" && find . -type f -exec sha256sum {} +) | sort >"$OUT/data-after.txt"
    # Of what was there, only what the line itself goes on writing has changed: the database, which is fed from the journals, ...
    comm -23 "$OUT/data-before.txt" "$OUT/data-after.txt" | grep -v -e archive.sqlite -e ./station/ -e ./log/ -e self-test.json -e format.json >"$OUT/data-lost.txt" || true
    need "the user's data are as they were: $(head -3 "$OUT/data-lost.txt")" [ ! -s "$OUT/data-lost.txt" ]
    as_user inspector predict --model own-mask /media/photograph.png >/dev/null
}

downgrade() {
    local file="$DEBIAN$HOME_PATH/.local/share/inspector/format.json" code=0
    echo '{"format": 99, "version": "99.0"}' >"$file"
    as_user inspector predict --model plate-defects /media/photograph.png >"$OUT/downgrade.txt" 2>&1 || code=$?
    need "data of a later format are refused" [ "$code" = 2 ]
    need "the sentence names the version" grep -q 'belong to version 99.0' "$OUT/downgrade.txt"
    need "the mark was left alone" grep -q 99.0 "$file"
    rm "$file"
}

remove_deb() {
    inside online root dpkg --purge inspector >"$OUT/remove.log" 2>&1
    find "$DEBIAN" -xdev -path "$DEBIAN/var" -prune -o -print | sort >"$OUT/after.txt"
    need "only the user's data are left" [ -z "$(comm -13 "$OUT/before.txt" "$OUT/after.txt" | grep inspector | grep -v -e "$HOME_PATH" -e /media/ || true)" ]
    need "and they are left" [ -d "$DEBIAN$HOME_PATH/.local/share/inspector/bundles/own-mask" ]
}

remove_unused() {
    inside online root dpkg --purge inspector >"$OUT/remove-$SUITE.log" 2>&1
    need "the program is gone" [ ! -e "$DEBIAN/usr/lib/inspector" ]
}

run_file() {
    local file="/media/inspector-$VERSION-linux.run" program="$HOME_PATH/.local/bin/inspector" size long code=0
    cp "$DIST/inspector-$VERSION-linux.run" "$DEBIAN/media/"
    as_user sh "$file" --check
    as_user sh "$file"
    use_program "$program" run-file
    as_user sh -c 'desktop="$HOME/.local/share/applications/inspector.desktop"; grep "^Exec=" "$desktop"'
    need "the menu entry is valid" desktop-file-validate "$DEBIAN$HOME_PATH/.local/share/applications/inspector.desktop"
    size="$(stat -c %s "$DEBIAN$file")"
    head -c $((size / 2)) "$DEBIAN$file" >"$DEBIAN/media/half.run"
    as_user sh /media/half.run >"$OUT/half.txt" 2>&1 || code=$?
    need "half an installer says so" grep -q 'the installer is incomplete' "$OUT/half.txt"
    need "and fails" [ "$code" = 1 ]
    code=0
    as_user sh "$file" --to /opt >"$OUT/read-only.txt" 2>&1 || code=$?
    need "a folder that cannot be written is named: $(cat "$OUT/read-only.txt")" grep -q '/opt/inspector cannot be written' "$OUT/read-only.txt"
    code=0
    inside offline root sh -c 'mkdir /tmp/small && mount -t tmpfs -o size=100m tmpfs /tmp/small && exec sh "$1" --to /tmp/small' sh "$file" \
        >"$OUT/small.txt" 2>&1 || code=$?
    need "a full disk is named: $(cat "$OUT/small.txt")" grep -q 'there is too little space in /tmp/small/inspector' "$OUT/small.txt"
    need "and nothing is installed" [ "$code" = 1 ]
    as_user sh -c '"$HOME/.local/opt/inspector/uninstall.sh"'
    need "the program is gone" [ ! -e "$DEBIAN$HOME_PATH/.local/opt/inspector" ]
    need "the command is gone" [ ! -L "$DEBIAN$program" ]
    need "the user's data are left" [ -d "$DEBIAN$HOME_PATH/.local/share/inspector" ]
    long="$HOME_PATH/$(printf 'line %.0s' $(seq 40))"
    as_user sh -c 'mkdir -p "$1" && HOME="$1" sh "$2" && HOME="$1" "$1/.local/bin/inspector" doctor --self-test >/dev/null && HOME="$1" "$1/.local/opt/inspector/uninstall.sh"' sh "$long" "$file"
}

rpm_file() {
    local file="$DIST/inspector-$VERSION-1.x86_64.rpm" root="$OUT/rpm"
    rm -rf "$root"
    mkdir -p "$root"
    rpm -K --nosignature "$file"
    need "it asks for the C library and the system's libraries" [ "$(rpm -qpR "$file" | grep -c '()(64bit)')" -gt 5 ]
    rpm --root "$root" --nodeps --noscripts --dbpath /var/lib/rpm -i "$file"
    "$root/usr/lib/inspector/$VERSION/inspector" doctor --self-test
    need "the command is there" [ "$(readlink "$root/usr/bin/inspector")" = "../lib/inspector/$VERSION/inspector" ]
    rm -rf "$root"
}

linux() {
    apt_install debootstrap lintian desktop-file-utils appstream libxml2-utils man-db groff-base rpm ||
        stop "the tests need debootstrap, lintian, desktop-file-utils, appstream, libxml2-utils, man-db and rpm"
    step "packages by the rules" checks
    step "Debian 12 from nothing" make_debian
    step "half a .deb" half_deb
    step "a full disk" full_disk
    step "install the .deb" install_deb
    step "the first day, without a network" use_program /usr/bin/inspector deb
    step "training without its pack" not_without_pack
    if [ -e "$DIST/inspector-training_${VERSION}_amd64.deb" ]; then
        step "the training pack" training_pack
    fi
    step "a window that hangs is started again" watchdog
    step "update while a line runs" update
    step "downgrade" downgrade
    step "remove" remove_deb
    step "the .run file" run_file
    step "the .rpm" rpm_file
    SUITE=trixie DEBIAN="$OUT/trixie"
    step "Debian 13 from nothing" make_debian
    step "install the .deb on Debian 13" install_deb
    step "the first day on Debian 13" use_program /usr/bin/inspector deb-13
    step "remove on Debian 13" remove_unused
    SUITE=bullseye DEBIAN="$OUT/bullseye"
    step "Debian 11 from nothing" make_debian
    step "what Debian 11 is told" older_linux
}

# A Linux with an older C library: apt and the .run file say what is missing, and nothing is installed.
older_linux() {
    local code=0
    cp "$DIST/inspector_${VERSION}_amd64.deb" "$DIST/inspector-$VERSION-linux.run" "$DEBIAN/media/"
    inside online root apt-get -q -y --no-install-recommends install "/media/inspector_${VERSION}_amd64.deb" >"$OUT/older-deb.txt" 2>&1 || code=$?
    need "apt refuses the .deb" [ "$code" -ne 0 ]
    need "it names the C library: $(tail -5 "$OUT/older-deb.txt")" grep -q 'Depends: libc6 (>= 2\.' "$OUT/older-deb.txt"
    code=0
    as_user sh "/media/inspector-$VERSION-linux.run" >"$OUT/older-run.txt" 2>&1 || code=$?
    need "the .run file refuses" [ "$code" = 1 ]
    need "it names the C library: $(cat "$OUT/older-run.txt")" grep -q 'this Linux is too old: it has glibc 2\.31' "$OUT/older-run.txt"
    need "nothing is installed" [ ! -e "$DEBIAN/usr/lib/inspector" -a ! -e "$DEBIAN$HOME_PATH/.local" ]
}

training_pack() {
    cp "$DIST/inspector-training_${VERSION}_amd64.deb" "$DEBIAN/media/"
    inside online root dpkg -i "/media/inspector-training_${VERSION}_amd64.deb" >"$OUT/training.log" 2>&1
    as_user inspector train --task classification --network simple_cnn --size 96 --data "$HOME_PATH/demo data/window" --epochs 2 --folds 0 --out "$HOME_PATH/trained" || [ $? = 3 ]
    as_user inspector predict --model "$HOME_PATH/trained" /media/photograph.png >/dev/null
    as_user inspector export --model "$HOME_PATH/trained" --precision int8 --max-drop 1 --out "$HOME_PATH/int8"
    need "the variant is in the bundle" grep -q int8 "$DEBIAN$HOME_PATH/int8/card.json"
    as_user inspector explain --model "$HOME_PATH/trained" --out "$HOME_PATH/heat.png" /media/photograph.png
    cp "$DEBIAN$HOME_PATH/heat.png" "$OUT/"
    inside online root dpkg --purge inspector-training >/dev/null 2>&1
}

mkdir -p "$OUT"
[ "$(id -u)" = 0 ] || stop "these tests need root: they make a system of their own to install into"
case "${1:-all}" in
linux) linux ;;
windows)
    source "$ROOT/packaging/windows/test-wine.sh"
    windows
    ;;
all)
    linux
    source "$ROOT/packaging/windows/test-wine.sh"
    windows
    ;;
*) stop "usage: test-installers.sh [linux|windows|all]" 2 ;;
esac
end_of_steps
