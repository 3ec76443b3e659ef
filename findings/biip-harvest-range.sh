#!/usr/bin/env bash
# biip knows the harvest date (7007) as "YYMMDD[YYMMDD]", one day or a range of days, and its pattern accepts both. It then reads
# every value as one date, with a time behind it, so a range is an error, and the error refuses the whole label: the product number,
# the lot and the serial number in the same code are gone too. With gs1_element_strings_verify_date=False the label is read.
# Why it matters: A station that identifies parts by their label (food, fibre, wood) records each part of a harvest of several days
# without a lot, although the label is valid and was read.
set -euo pipefail

work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -qq --disable-pip-version-check biip==5.2.0
cd "$work"
"$work/venv/bin/python" -I - <<'PYTHON'
import biip
from biip import ParseConfig

print("biip", biip.__version__)
SEPARATOR = "\x1d"


def read(days: str, *, verify: bool = True) -> tuple[list[tuple[str, str]], str | None]:
    """Read a label with a product number, the days of harvest and a lot."""
    label = f"]d201095060001343527007{days}{SEPARATOR}10LOT7"
    config = ParseConfig(gs1_element_strings_verify_date=verify)
    result = biip.parse(label, config=config)
    message = result.gs1_message
    return [(element.ai.ai, element.value) for element in message.element_strings] if message else [], result.gs1_message_error


for days in ("261101", "261101261130"):
    print(days, "->", *read(days))
print("without checking dates ->", *read("261101261130", verify=False))

assert read("261101") == ([("01", "09506000134352"), ("7007", "261101"), ("10", "LOT7")], None)
elements, error = read("261101261130")
assert elements == []
assert error is not None and "7007" in error
assert read("261101261130", verify=False)[0] == [("01", "09506000134352"), ("7007", "261101261130"), ("10", "LOT7")]
PYTHON
