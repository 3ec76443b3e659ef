#!/usr/bin/env bash
# icupkg writes the name of its output file into the data. Under any other name than icudt73l.dat, ICU 73 finds nothing in them when
# they are linked as its library: no converter, no collation, no time zone. It loads, reports no error, and Qt goes on with less.
# Why it matters: Qt on Linux brings 32 MB of ICU data, of which a program in two languages needs 8. A file made smaller that way
# and checked only by starting the program would lose Shift-JIS, the order of Japanese words and the names of time zones in the plant.
set -euo pipefail

command -v icupkg >/dev/null || { echo "this needs icu-devtools of Debian" >&2; exit 2; }
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -qq --disable-pip-version-check PySide6-Essentials==6.11.3
library="$(find "$work/venv" -name 'libicudata.so.73')"
cd "$work"
python3 - "$library" <<'PYTHON'
import re
import subprocess
import sys
from pathlib import Path

table = subprocess.run(["readelf", "--dyn-syms", "-W", sys.argv[1]], capture_output=True, text=True, check=True).stdout
start, size = re.search(r"(?m)^\s*\d+: (\w+)\s+(\w+) OBJECT .* icudt73_dat$", table).groups()
Path("icudt73l.dat").write_bytes(Path(sys.argv[1]).read_bytes()[int(start, 16) :][: int(size, 0)])
PYTHON
icupkg -tl -l icudt73l.dat | grep '^translit/' >dropped.txt
cp "$library" original.so

look() {
    QT_QPA_PLATFORM=offscreen venv/bin/python -c '
from PySide6.QtCore import QLocale, QStringDecoder, QTimeZone, qVersion
zone = QTimeZone(b"Asia/Tokyo").displayName(QTimeZone.StandardTime, QTimeZone.LongName, QLocale("ja"))
print("Qt", qVersion(), "Shift-JIS" if QStringDecoder("Shift-JIS").isValid() else "no Shift-JIS", zone or "no time zone")'
}

use() { # use FILE: link these data as Qt's library
    printf '.section .rodata\n.balign 16\n.globl icudt73_dat\n.type icudt73_dat, @object\nicudt73_dat:\n.incbin "%s"\n.size icudt73_dat, .-icudt73_dat\n' "$1" >data.s
    gcc -shared -nostdlib -Wl,-soname,libicudata.so.73 -o "$library" data.s
    look
}

mkdir smaller
icupkg -tl -r dropped.txt icudt73l.dat smaller.dat
icupkg -tl -r dropped.txt icudt73l.dat smaller/icudt73l.dat
printf 'as it comes:            %s\n' "$(look)"
other="$(use smaller.dat)"
printf 'as smaller.dat:         %s\n' "$other"
same="$(use smaller/icudt73l.dat)"
printf 'as smaller/icudt73l.dat: %s\n' "$same"
[[ "$other" == *"no Shift-JIS no time zone" && "$same" == *" Shift-JIS 日本標準時" ]]
