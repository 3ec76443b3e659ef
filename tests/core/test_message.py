"""Sentences with numbers in them: the words agree with one and with many."""

import pickle
import re
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from inspector.core.message import fill, message
from inspector.core.sentence import sentence

TEXTS = Path(__file__).parents[2] / "resources" / "translations" / "inspector_ja.ts"
# A number before its noun, in a text that has one form only. Fixed numbers, and numbers that are never 1, may stand so.
ONE_FORM = re.compile(r"\{\w+(?::[^}|]*)?\} (images|epochs|parts|records|files|objects|masks|boxes|rows)\b")
NEVER_ONE = {
    "An evidence pack holds not more than {count} parts.",
    "Not more than {count} parts can be picked one by one.",
    "The rise a minute needs {count} parts within {seconds:g} s.",
    "tables of labels list about {count} images",
    "{rate} images/s",
}


@pytest.mark.parametrize(
    ("template", "value", "expected"),
    [
        ("{n} {n:|image is|images are} new", 1, "1 image is new"),
        ("{n} {n:|image is|images are} new", 0, "0 images are new"),
        ("{n} {n:|image is|images are} new", "1", "1 image is new"),
        ("{n} {n:|image is|images are} new", "1,001", "1,001 images are new"),
        ("{n:.0f} {n:.0f|minute|minutes}", 1.2, "1 minute"),
        ("{n:.0f} {n:.0f|minute|minutes}", 1.7, "2 minutes"),
        ("{n:,} of {{n}}", 1200, "1,200 of {n}"),
        ("{n:>3}|{n!r}", "a", "  a|'a'"),
    ],
)
def test_words_agree_with_the_number_as_it_is_written(template: str, value: object, expected: str) -> None:
    assert fill(template, n=value) == expected


def test_a_message_agrees_in_every_place_it_goes_to() -> None:
    said = message("{count} {count:|epoch fits|epochs fit} into the time.", count=1)
    assert str(said) == "1 epoch fits into the time."
    assert pickle.loads(pickle.dumps(said)).text == said.text
    assert sentence(said).text == said.text


def test_a_value_that_is_missing_is_an_error_in_both_syntaxes() -> None:
    for template in ("{count} images", "{count} {count:|image|images}"):
        with pytest.raises(KeyError):
            fill(template)


def sources() -> list[str]:
    return [element.text or "" for element in ET.parse(TEXTS).getroot().iter("source")]


def test_no_text_counts_in_one_form_only() -> None:
    found = {text for text in sources() if ONE_FORM.search(text)}
    assert found - NEVER_ONE == set()
    assert NEVER_ONE - found == set(), "no longer needed"


def test_every_agreement_names_a_form_for_one_and_one_for_many() -> None:
    places = [place for text in sources() for place in re.findall(r"\{\w+:([^{}]*\|[^{}]*)\}", text)]
    assert len(places) > 50
    for place in places:
        _, one, many = place.split("|")
        assert one != many
        assert one
        assert many
