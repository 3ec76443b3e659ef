"""What a person chose in the filters, as plain texts that are kept between runs."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, time, timedelta
from types import MappingProxyType
from typing import Any, Final

from inspector.archive.filters import Filters
from inspector.core.untrusted import parse_json

PERIODS: Final = ("", "hour", "today", "yesterday", "week", "month", "dates")
# The column of the archive whose values are counted, by the name of its filter.
COLUMNS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "verdict": "verdict",
        "truth": "human_verdict",
        "recipe": "product_id",
        "rule": "rule",
        "class_name": "class_name",
        "lot": "lot",
        "shift": "shift",
        "operator": "operator",
        "bundle": "internal_configuration_id",
    }
)
NUMBERS: Final = ("score_above", "score_below", "margin_above", "margin_below")
TEXTS: Final = ("recipe", "rule", "lot", "shift", "operator", "bundle", "verdict", "class_name", "text")
_NOTHING: Final[Mapping[str, str]] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Choice:
    """The chosen value of each filter by its name; filters without a value are left out."""

    values: Mapping[str, str] = field(default_factory=lambda: _NOTHING)

    def value(self, name: str) -> str:
        """Return the value of a filter, "" for any."""
        return self.values.get(name, "")

    def with_value(self, name: str, value: str) -> "Choice":
        """Return the choice with another value of one filter; "" for any."""
        others = {key: known for key, known in self.values.items() if key != name}
        return replace(self, values=others | ({name: value} if value else {}))

    def filters(self, now: datetime) -> Filters:
        """Return the filters. `now`: in the station's time, from which periods are reckoned."""
        since, until = self._period(now)
        truth, simulated = self.value("truth"), self.value("simulated")
        texts_and_numbers: dict[str, Any] = {name: self.value(name) for name in TEXTS}
        texts_and_numbers |= {name: number(self.value(name)) for name in NUMBERS}
        return Filters(
            since=since,
            until=until,
            human_verdict=truth if truth in ("OK", "NG") else "",
            corrected={"yes": True, "no": False}.get(truth),
            simulated={"yes": True, "no": False}.get(simulated),
            **texts_and_numbers,
        )

    def as_text(self) -> str:
        """Return it for a file."""
        return json.dumps(dict(self.values), ensure_ascii=False)

    def _period(self, now: datetime) -> tuple[datetime | None, datetime | None]:
        match self.value("period"):
            case "hour":
                return now - timedelta(hours=1), None
            case "today":
                return _midnight(now), None
            case "yesterday":
                return _midnight(now, days_ago=1), _midnight(now)
            case "week":
                return now - timedelta(days=7), None
            case "month":
                return now - timedelta(days=30), None
            case "dates":
                return _date(self.value("since")), _date(self.value("until"))
            case _:
                return None, None


def _midnight(now: datetime, days_ago: int = 0) -> datetime:
    """Return when the day began: with the offset from UTC of then, which is another one on the day when the clocks change."""
    return datetime.combine(now.date() - timedelta(days=days_ago), time()).astimezone()


def saved_choice(text: str) -> Choice:
    """Return a choice from a file; what is not understood is left out."""
    try:
        data: object = parse_json(text)
    except ValueError:
        return Choice()
    known = {"period", "since", "until", "truth", "simulated", *NUMBERS, *TEXTS}
    values = data.items() if isinstance(data, dict) else ()
    return Choice({str(key): str(value) for key, value in values if key in known and value})


def number(text: str) -> float | None:
    """Return a number as a person wrote it, None if it is none."""
    try:
        value = float(text.replace(",", "."))
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _date(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text).astimezone()
    except (ValueError, OverflowError):
        return None
