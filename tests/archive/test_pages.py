"""Every page that is written has one look, loads nothing from anywhere, and takes texts from outside as texts."""

import re
from html.parser import HTMLParser

import cv2
import numpy as np
import pytest

from inspector.archive.reports.figures import ArchiveReport
from inspector.archive.reports.page import report_html
from inspector.archive.reports.sections import ReportImage
from inspector.core.page import html_page
from inspector.core.types import Inspection, Verdict
from inspector.inspection.status import Stats
from inspector.results.report import Row, write_report
from inspector.results.sheet import SheetTable, sheet

EVIL = "<script>alert(1)</script>&\"'=cmd"
PNG = cv2.imencode(".png", np.zeros((4, 4), np.uint8))[1].tobytes()


def _pages() -> dict[str, str]:
    inspection = Inspection(EVIL, 0, Verdict.NG, (), {}, (), EVIL, 1, 1.0, source=EVIL)
    row = {"part_id": EVIL, "creation_time": "2026", "verdict": "NG", "human_verdict": None, "reason": EVIL}
    found = ArchiveReport({"lot": EVIL}, 1, {"NG": 1}, (0.0, 0.0, 0.8), {EVIL: 1}, {}, {}, [], [row], [])
    return {
        "archive": report_html(found, [ReportImage(b"jpeg", EVIL)]),
        "run": write_report(EVIL, [Row.of(inspection, (f"pictures/{EVIL}.png",))], Stats(parts=1, ng=1)),
        "sheet": sheet(EVIL, PNG, [SheetTable(EVIL, (EVIL,), ((EVIL,),))], notes=[EVIL]),
        "bare": html_page(EVIL, "", kicker=EVIL, about=EVIL, note=EVIL, language=EVIL),
    }


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.found: set[str] = set()

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.found.add(tag)
        if tag not in ("meta", "img", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.mark.parametrize("name", ["archive", "run", "sheet", "bare"])
def test_a_page_is_whole_and_takes_texts_as_texts(name: str) -> None:
    page = _pages()[name]
    reader = _Reader()
    reader.feed(page)
    assert reader.open == []
    assert "script" not in reader.found
    assert "&lt;script&gt;" in page
    assert "default-src 'none'" in page
    assert not re.search(r"https?://", page)
    style = page[page.index("<style>") : page.index("</style>")]
    assert all(text in style for text in ("prefers-color-scheme: dark", "@media print", "size: A4"))
