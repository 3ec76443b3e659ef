"""What differs between two recipes, value by value."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from inspector.recipes.recipe import Recipe

_NAMES = {"inspect": ("bundle", "camera"), "rules": ("bundle", "quantity", "class_name")}


@dataclass(frozen=True, slots=True)
class Difference:
    """A value, by its place ("cameras.top.source", "rules[crack count].limit"), before and after; None where there is none."""

    where: str
    before: object
    after: object


def differences(before: Recipe, after: Recipe) -> tuple[Difference, ...]:
    """Return the values that differ, except for the revision, in the order of the recipe."""
    old, new = dict(_values(before.model_dump(mode="json"))), dict(_values(after.model_dump(mode="json")))
    places = dict.fromkeys((*new, *old))
    found = (Difference(place, old.get(place), new.get(place)) for place in places if place != "revision")
    return tuple(one for one in found if one.before != one.after)


def _values(data: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, object]]:
    for key, value in data.items():
        place = f"{prefix}{key}"
        if isinstance(value, dict):
            yield from _values(value, f"{place}.")
        elif isinstance(value, list) and key in _NAMES:
            yield from _items(value, key)
        else:
            yield place, value


def _items(items: list[dict[str, Any]], key: str) -> Iterator[tuple[str, object]]:
    seen: Counter[str] = Counter()
    for item in items:
        name = " ".join(str(item[part]) for part in _NAMES[key] if item.get(part))
        seen[name] += 1
        number = f" {seen[name]}" if seen[name] > 1 else ""
        yield from _values(item, f"{key}[{name}{number}].")
