#!/usr/bin/env bash
# zxing-cpp reports two equal linear codes, one above the other with the usual quiet zone between, as one code whose outline
# spans both. Side by side they are two. A station that counts labels on a strip or finds a doubled label gets 1 instead of 2.
# Read each label's own region, or check the height of the outline. Matrix codes are counted right.
# Why it matters: A doubled label on a package is a reason to stop the line, and it is counted as one.
set -euo pipefail

work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -qq --disable-pip-version-check numpy==2.4.6 zxing-cpp==3.1.0
cd "$work"
"$work/venv/bin/python" -I - <<'PYTHON'
import importlib.metadata

import numpy as np
import zxingcpp

print("zxing-cpp", importlib.metadata.version("zxing-cpp"))


def label(text, code):
    drawn = np.array(zxingcpp.create_barcode(text, code).to_image(scale=2))
    return np.pad(drawn, 20, constant_values=255)


def count(labels, axis):
    return [(code.text, str(code.position)) for code in zxingcpp.read_barcodes(np.concatenate(labels, axis=axis))]


linear = label("4901234567894", zxingcpp.BarcodeFormat.EAN13)
other = label("4912345678904", zxingcpp.BarcodeFormat.EAN13)
matrix = label("lot 7", zxingcpp.BarcodeFormat.DataMatrix)
seen = {
    "equal EAN-13, stacked": count([linear, linear], 0),
    "equal EAN-13, side by side": count([linear, linear], 1),
    "different EAN-13, stacked": count([linear, other], 0),
    "equal Data Matrix, stacked": count([matrix, matrix], 0),
}
for name, codes in seen.items():
    print(f"{name}: {len(codes)} found: {codes}")
assert [len(codes) for codes in seen.values()] == [1, 2, 2, 2]
PYTHON
