"""Tables that are opened in a spreadsheet."""

import csv
import io

import pytest

from inspector.core.spreadsheet import table_text


@pytest.mark.parametrize(
    ("cell", "written"),
    [
        ('=HYPERLINK("http://x")', '\'=HYPERLINK("http://x")'),
        ("+cmd|' /C calc'!A0", "'+cmd|' /C calc'!A0"),
        ("-1+cmd", "'-1+cmd"),
        ("-1+2", "'-1+2"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("\t=1", "'\t'=1"),
        ("＝1", "'＝1"),
        ("-0.5", "-0.5"),
        ("+1,234.5", "+1,234.5"),
        ("-3.2e-05", "-3.2e-05"),
        ("-3.5 ms", "-3.5 ms"),
        ("+12 %", "+12 %"),
        ("-", "-"),
        ("-ABC", "'-ABC"),
        ("+e5", "'+e5"),
        ("lot;=1+1;-2;-A1", "lot;'=1+1;-2;'-A1"),
        ("a\tb\t@SUM(A1)", "a\tb\t'@SUM(A1)"),
        ("first\n=1+1\n-0.5 mm", "first\n'=1+1\n-0.5 mm"),
        ("[-1,-2]", "[-1,-2]"),
        ("scratch = deep", "scratch = deep"),
        ("", ""),
        (-2, "-2"),
        (0.25, "0.25"),
    ],
)
@pytest.mark.parametrize("separator", [",", "\t"])
def test_a_name_is_no_formula(cell: object, written: str, separator: str) -> None:
    text = table_text([["name", cell]], separator=separator)
    assert list(csv.reader(io.StringIO(text, newline=""), delimiter=separator)) == [["name", written]]
