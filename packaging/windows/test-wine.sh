# shellcheck shell=bash
# Sourced by test-installers.sh: the setup programs under wine, without a network.
#
# What wine cannot do, and no test here shows: a virus scanner that holds files, SmartScreen and signatures, elevation (UAC), cameras
# of Windows (Media Foundation, DirectShow), the scaling of screens, drivers of graphics cards, and Windows' own ICU and C library:
# wine has no icuuc.dll, no bcryptprimitives.dll and no complex mathematics, so stand-ins for them are compiled here and laid beside the installed copy.

export WINEPREFIX="$OUT/wine" WINEDEBUG=-all WINEDLLOVERRIDES="icuuc,bcryptprimitives=n;mscoree,mshtml=d" XDG_RUNTIME_DIR="$OUT"
INSTALLED="$WINEPREFIX/drive_c/users/root/AppData/Local/Programs/Inspector"

# Input and output that wine can use: a device and pipes; with a file Python finds no valid handle.
# The only network is the loopback, which Windows always has and Python needs for pairs of sockets.
in_wine() { unshare --net sh -c 'ip link set lo up && exec "$@"' sh xvfb-run -a -s '-screen 0 1920x1080x24' wine "$@" </dev/null 2> >(cat >>"$OUT/wine.log") | cat; }

program() { in_wine "$INSTALLED/$VERSION/inspector.exe" "$@"; }

make_prefix() {
    rm -rf "$WINEPREFIX"
    xvfb-run -a wineboot --init >>"$OUT/wine.log" 2>&1
    xvfb-run -a winecfg -v win10 >>"$OUT/wine.log" 2>&1
}

setup_program() {
    in_wine "$DIST/inspector-$VERSION-setup.exe" /S /CurrentUser /NOTEST /AUTOSTART
    need "the program is there" [ -e "$INSTALLED/$VERSION/inspector.exe" ]
    need "nothing is left half-way" [ ! -e "$INSTALLED/.new" ]
    need "the Start menu has it" [ -n "$(find "$WINEPREFIX/drive_c" -name Inspector.lnk)" ]
    registry 'Software\Microsoft\Windows\CurrentVersion\Uninstall\Inspector' DisplayVersion "$VERSION"
    registry 'Software\Microsoft\Windows\CurrentVersion\Run' Inspector inspectorw.exe
    registry 'Software\Microsoft\Windows\CurrentVersion\App Paths\inspector.exe' '' "$VERSION"
}

registry() { # registry KEY NAME VALUE: the value of the current user contains this
    local name=(/ve)
    [ -z "$2" ] || name=(/v "$2")
    need "the registry has $1 $2" grep -qF "$3" <(in_wine reg query "HKCU\\$1" "${name[@]}")
}

stand_ins() {
    local source="$ROOT/packaging/windows/wine" folder="$INSTALLED/$VERSION" options=(-shared -s -O1 -w -fno-builtin -static)
    x86_64-w64-mingw32-gcc "${options[@]}" -o "$folder/icuuc.dll" "$source/icuuc.c" "$source/icuuc.def"
    x86_64-w64-mingw32-gcc "${options[@]}" -o "$folder/zpi-ms-win-crt-math-l1-1-0.dll" "$source/math.c" "$source/math.def"
    x86_64-w64-mingw32-gcc "${options[@]}" -o "$folder/bcryptprimitives.dll" "$source/bcryptprimitives.c" -ladvapi32
    # The modules that need complex numbers ask for the stand-in, by a name of the same length, in this copy only.
    find "$folder" \( -name '*.pyd' -o -name '*.dll' \) ! -name 'zpi-*' -exec grep -lZ 'crealf\|cabsf' {} + |
        xargs -0 -r sed -i 's/api-ms-win-crt-math-l1-1-0/zpi-ms-win-crt-math-l1-1-0/g'
}

windows_first_day() {
    cp "$PHOTOGRAPH" "$WINEPREFIX/drive_c/photograph.png"
    need "it says its version" grep -q "inspector, version $VERSION" <(program --version)
    program doctor --json >"$OUT/windows-doctor.jsonl"
    need "the doctor finds no problem" grep -qE '"problem": ?0\b' "$OUT/windows-doctor.jsonl"
    program predict --model plate-defects --json 'C:\photograph.png' >"$OUT/windows-predict.jsonl"
    need "a picture gets a verdict" grep -qE '"verdict": ?"(OK|NG|REVIEW)"' "$OUT/windows-predict.jsonl"
    program run --limit 10 --json >"$OUT/windows-run.jsonl"
    need "the demo line judges parts" grep -qE '"verdict": ?"NG"' "$OUT/windows-run.jsonl"
    in_wine "$INSTALLED/$VERSION/inspectorw.exe" gui --start --screenshot 'C:\window.png' --parts 5
    need "the window shows parts" [ -s "$WINEPREFIX/drive_c/window.png" ]
    cp "$WINEPREFIX/drive_c/window.png" "$OUT/windows.png"
}

windows_training() {
    in_wine "$DIST/inspector-training-$VERSION-setup.exe" /S /CurrentUser /NOTEST
    need "the pack is there" [ -d "$INSTALLED/$VERSION/training/torch" ]
    stand_ins
    KMP_AFFINITY=disabled program -c 'import torch; print(torch.nn.Linear(2, 2)(torch.ones(1, 2)).sum().backward(), torch.__version__)'
}

windows_repair() { # the same version again: the training pack stays, with its licences and its list of contents
    local pack="$INSTALLED/$VERSION"
    mkdir -p "$pack/training/thing" "$pack/training-licenses"
    echo kept >"$pack/training/thing/file"
    echo kept >"$pack/training-licenses/thing.txt"
    [ -e "$pack/training-sbom.cdx.json" ] || echo '{}' >"$pack/training-sbom.cdx.json"
    in_wine "$DIST/inspector-$VERSION-setup.exe" /S /CurrentUser /NOTEST
    need "the program is there" [ -e "$pack/inspector.exe" ]
    for file in training/thing/file training-licenses/thing.txt training-sbom.cdx.json; do
        need "$file is kept" [ -s "$pack/$file" ]
    done
    need "nothing is left half-way" [ ! -e "$INSTALLED/.old" -a ! -e "$INSTALLED/.new" ]
}

windows_refused() { # without the stand-ins the new files fail their self-test here: the version before is back, with its pack
    local code=0
    in_wine "$DIST/inspector-$VERSION-setup.exe" /S /CurrentUser || code=$?
    need "the exit code says so: $code" [ "$code" = 3 ]
    need "the version before is there" [ -e "$INSTALLED/$VERSION/inspector.exe" ]
    need "its pack is there" [ -s "$INSTALLED/$VERSION/training/thing/file" -a -s "$INSTALLED/$VERSION/training-licenses/thing.txt" ]
    need "nothing is left half-way" [ ! -e "$INSTALLED/.old" -a ! -e "$INSTALLED/.new" ]
    code=0
    in_wine "$DIST/inspector-$VERSION-setup.exe" /S /CurrentUser "/D=C:\\$(printf 'f%.0s' $(seq 200))" || code=$?
    need "a path of 200 letters is refused: $code" [ "$code" = 2 ]
    head -c 1000000 "$DIST/inspector-$VERSION-setup.exe" >"$OUT/half.exe"
    code=0
    in_wine "$OUT/half.exe" /S /CurrentUser || code=$?
    need "half a setup program does nothing: $code" [ "$code" -ne 0 ]
}

# A drive with too little space is refused before anything is written; one that is full in the middle, while setup writes its files
# or while they are unpacked, is left empty.
windows_full_drive() {
    local code=0 small="$OUT/small" size
    mkdir -p "$small"
    ln -sfn "$small" "$WINEPREFIX/dosdevices/s:"
    trap 'umount "$OUT/small" 2>/dev/null || true' EXIT
    for size in 60 250; do
        mount -t tmpfs -o size="${size}m" tmpfs "$small"
        if [ $size = 60 ]; then
            in_wine "$DIST/inspector-$VERSION-setup.exe" /S /CurrentUser /NOTEST '/D=S:\Inspector' || code=$?
            need "too little space is refused: $code" [ "$code" = 2 ]
            need "nothing is left: $(find "$small" -type f | head -3)" [ -z "$(find "$small" -type f)" ]
        fi
        code=0 # by this name setup asks how much space the drive of the root has
        in_wine "$DIST/inspector-$VERSION-setup.exe" /S /CurrentUser /NOTEST "/D=Z:${small//\//\\}\Inspector" || code=$?
        need "a drive that is full in the middle is refused: $code" [ "$code" = 2 ]
        need "nothing is left: $(find "$small" -type f | head -3)" [ -z "$(find "$small" -type f)" ]
        umount "$small"
    done
    rm "$WINEPREFIX/dosdevices/s:"
}

windows_remove() {
    in_wine "$INSTALLED/uninstall.exe" /CurrentUser /S
    for _ in $(seq 60); do
        [ -e "$INSTALLED" ] || break
        sleep 1 # the uninstaller goes on as a copy of itself
    done
    need "the program is gone" [ ! -e "$INSTALLED" ]
    need "the Start menu is clean" [ -z "$(find "$WINEPREFIX/drive_c" -name 'Inspector*.lnk')" ]
    need "the user's data are left" [ -e "$WINEPREFIX/drive_c/users/root/AppData/Local/inspector" ]
}

windows() {
    apt_install iproute2 wine wine64 xvfb xauth gcc-mingw-w64-x86-64-win32 || stop "the tests of Windows need wine, xvfb and mingw"
    step "wine" make_prefix
    step "setup.exe" setup_program
    step "stand-ins for wine" stand_ins
    step "the first day on Windows" windows_first_day
    if [ -e "$DIST/inspector-training-$VERSION-setup.exe" ]; then
        step "the training pack on Windows" windows_training
    fi
    step "repair on Windows" windows_repair
    step "what is refused on Windows" windows_refused
    step "a full drive on Windows" windows_full_drive
    step "uninstall" windows_remove
}
