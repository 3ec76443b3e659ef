#!/usr/bin/env bash
# Lossless JPEG 2000 of 12 bits by imagecodecs accepts values beyond 12 bits. One value slightly beyond is clipped; a single
# 65535, the usual mark for an invalid pixel, spoils thousands of pixels around it. No call fails.
# Check the maximum against the number of bits before encoding, or store 16 bits; read back before the original is deleted.
# Why it matters: An archive kept as evidence is damaged at the moment it is written, and nobody notices until it is needed.
set -euo pipefail

work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -qq --disable-pip-version-check numpy==2.4.6 imagecodecs==2026.3.6
cd "$work"
"$work/venv/bin/python" -I - <<'PYTHON'
import imagecodecs
import numpy as np

print("imagecodecs", imagecodecs.__version__, "|", imagecodecs.jpeg2k_version())
picture = np.full((64, 64), 1000, np.uint16)
picture[:, ::2] = 4000
wrong = {}
for value in (4095, 4096, 65535):
    picture[30, 30] = value
    stored = imagecodecs.jpeg2k_encode(picture, level=0, reversible=True, bitspersample=12)
    back = imagecodecs.jpeg2k_decode(stored)
    error = np.abs(back.astype(int) - picture)
    wrong[value] = int(np.count_nonzero(error))
    error[30, 30] = 0
    print(f"one pixel of {value:5}: {wrong[value]:4} of {picture.size} pixels read wrong, the others by up to {error.max()}")
assert wrong == {4095: 0, 4096: 1, 65535: picture.size}
stored = imagecodecs.jpeg2k_encode(picture, level=0, reversible=True)
assert np.array_equal(imagecodecs.jpeg2k_decode(stored), picture)
print("stored with 16 bits: equal")
PYTHON
