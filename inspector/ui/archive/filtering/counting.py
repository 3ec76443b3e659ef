"""The numbers beside the filters: how many parts each value has, among those that the other filters leave."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Final

from inspector.archive.archive import Archive
from inspector.archive.store.query import count, documents, facets
from inspector.ui.archive.filtering.choice import COLUMNS, PERIODS, Choice

MOST: Final = 50  # values of one filter, the most frequent


@dataclass(frozen=True, slots=True)
class Counts:
    """How many parts have each value of the filter `name`. `total`: of all its values, of which not all may be named.

    `words`: how a value is shown where it is not itself.
    """

    name: str
    numbers: Mapping[str, int]
    total: int
    words: Mapping[str, str]


def counts_of(archive: Archive, choice: Choice, name: str, now: datetime) -> Counts:
    """Count the values of one filter. Raises StorageError."""
    if name == "period":
        periods = [period for period in PERIODS if period != "dates"]
        numbers = {one: count(archive.database, choice.with_value("period", one).filters(now)) for one in periods}
        return Counts(name, numbers, numbers[""], {})
    if name == "simulated":
        both = {one: count(archive.database, choice.with_value(name, one).filters(now)) for one in ("no", "yes")}
        return Counts(name, both, sum(both.values()), {})
    column = COLUMNS[name]
    found = facets(archive.database, choice.with_value(name, "").filters(now), (column,))[column]
    named = dict(islice(found.items(), MOST))
    return Counts(name, named, sum(found.values()), _bundles(archive, named) if name == "bundle" else {})


def _bundles(archive: Archive, configurations: Mapping[str, int]) -> dict[str, str]:
    """Return bundles by the names in their cards, with the beginning of the fingerprint that tells them apart."""
    fingerprints = {name for one in configurations for name in one.split()}
    texts = documents(archive.database, fingerprints)
    words = {}
    for one in configurations:
        words[one] = ", ".join(f"{_card_name(texts.get(name, ''))}{name[:8]}" for name in one.split())
    return words


def _card_name(text: str) -> str:
    try:
        return f"{json.loads(text)['name']} " if text else ""
    except (ValueError, KeyError, TypeError):
        return ""
