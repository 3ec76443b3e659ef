"""The text of a recipe, changed only where the recipe has changed; comments, order and layout are preserved.

The text is cut into blocks, one per table header. Comments directly above a header belong to its block.
"""

import re
import tomllib
from collections.abc import Iterable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field
from itertools import zip_longest
from pathlib import Path
from typing import Any

import tomlkit
from tomlkit.exceptions import TOMLKitError
from tomlkit.items import AbstractTable, Array, InlineTable, Table

from inspector.core.config import write_atomically
from inspector.recipes.recipe import Recipe

_HEADER = re.compile(r"\s*\[{1,2}[^\[\]#=,]+\]{1,2}\s*(#.*)?\n")
# Which field of an item of a list must be the same for it to be changed rather than removed and written anew.
_ALIKE: Mapping[str, str] = {"inspect": "camera", "rules": "quantity"}


def recipe_text(recipe: Recipe, *, like: str = "") -> str:
    """Return the recipe as TOML: the text `like`, also a recipe, changed as little as possible.

    Without `like`, only values that differ from the defaults are written. If the layout of `like` cannot be preserved, the text
    is written anew.
    """
    full = recipe.model_dump(exclude_none=True, mode="json")
    sparse = recipe.model_dump(exclude_none=True, exclude_defaults=True, mode="json")
    windows = like.count("\r\n") * 2 > like.count("\n")
    try:
        text = _changed(like.replace("\r\n", "\n"), full, sparse)
        kept = Recipe.model_validate(tomllib.loads(text)) == recipe
    except (TOMLKitError, ValueError, LookupError):  # a pydantic or tomllib error is a ValueError
        kept = False
    if not kept:
        text = _changed("", full, sparse)
    return text.replace("\n", "\r\n") if windows else text


def save_recipe(recipe: Recipe, path: Path, *, like: str = "") -> None:
    """Write a recipe atomically. `like`: as in `recipe_text`. Raises StorageError."""
    write_atomically(path, recipe_text(recipe, like=like).encode())


@dataclass(slots=True)
class _Block:
    """A header and the lines under it. `lead`: blank lines and comments above it; `path`: of the table, () for the top."""

    lead: str = ""
    header: str = ""
    path: tuple[str, ...] = ()
    is_item: bool = False
    body: MutableMapping[str, Any] = field(default_factory=tomlkit.document)

    @property
    def text(self) -> str:
        return self.lead + self.header + tomlkit.dumps(self.body)


Group = list[_Block]  # a table with the tables below it, as far as they have headers of their own


def _changed(like: str, full: Mapping[str, Any], sparse: Mapping[str, Any]) -> str:
    blocks, tail = _cut(like)
    old = Recipe.model_validate(tomllib.loads(like)).model_dump(exclude_none=True, mode="json") if like.strip() else {}
    for key in [key for key, value in full.items() if _is_list_of_tables(value) or _is_list_of_tables(old.get(key))]:
        if key not in blocks[0].body:
            blocks = _with_items(blocks, key, old.get(key, []), full.get(key, []), sparse.get(key, []))
    rest = [block for block in blocks if not block.is_item and not _below_item(block, full)]
    kept = _with_table(rest, (), full, sparse, lists=[key for key in full if _is_list_of_tables(full[key])])
    return "".join(block.text for block in _in_order(blocks, rest, kept)) + tail


def _cut(text: str) -> tuple[Group, str]:
    """Return the blocks, the first of them without a header, and the text at the end after a blank line."""
    lines = (text if text.endswith("\n") or not text else text + "\n").splitlines(keepends=True)
    end = len(lines)
    while end and (not lines[end - 1].strip() or lines[end - 1].lstrip().startswith("#")):
        end -= 1
    while end < len(lines) and lines[end].strip():
        end += 1
    starts = [0]
    headers = [number for number in range(end) if _HEADER.fullmatch(lines[number])]
    for number in headers:
        first = number
        while first and lines[first - 1].lstrip().startswith("#"):
            first -= 1
        while first and not lines[first - 1].strip():
            first -= 1
        starts.append(first)
    blocks = [_Block(body=tomlkit.parse("".join(lines[: starts[1] if headers else end])))]
    for number, first, after in zip_longest(headers, starts[1:], starts[2:], fillvalue=end):
        path, is_item = _path(lines[number])
        body = tomlkit.parse("".join(lines[number + 1 : after]))
        blocks.append(_Block("".join(lines[first:number]), lines[number], path, is_item, body))
    return blocks, "".join(lines[end:])


def _path(header: str) -> tuple[tuple[str, ...], bool]:
    path: list[str] = []
    value: Any = tomllib.loads(header)
    while value and not isinstance(value, list):
        ((key, value),) = value.items()
        path.append(key)
    return tuple(path), isinstance(value, list)


def _is_list_of_tables(value: object) -> bool:
    return isinstance(value, list) and any(isinstance(item, dict) for item in value)


def _below_item(block: _Block, full: Mapping[str, Any]) -> bool:
    return bool(block.path) and isinstance(full.get(block.path[0]), list)


def _in_order(blocks: Group, before: Group, after: Group) -> Group:
    """Return all blocks, with the blocks `before` replaced by `after`; new blocks come before the lists."""
    known = {id(block) for block in before}
    kept = {id(block) for block in after}
    new = [block for block in after if id(block) not in known]
    rest = [block for block in blocks if id(block) not in known or id(block) in kept]
    place = max((number + 1 for number, block in enumerate(rest) if id(block) in kept), default=0)
    return [*rest[:place], *new, *rest[place:]]


# ---- tables --------------------


def _with_table(
    group: Group, path: tuple[str, ...], full: Mapping[str, Any], sparse: Mapping[str, Any], *, lists: Sequence[str] = ()
) -> Group:
    """Return the blocks of a table, changed to these values. `lists`: keys that have blocks of their own and are left alone."""
    own = next((block for block in group if block.path == path), None)
    depth = len(path)
    below = {block.path[depth]: None for block in group if len(block.path) > depth}
    result = list(group)
    for key in below:
        inner = [block for block in group if len(block.path) > depth and block.path[depth] == key]
        changed = _with_table(inner, (*path, key), full[key], sparse.get(key, {})) if key in full else []
        place = result.index(inner[0])
        result = [block for block in result if not any(block is one for one in inner)]
        result[place:place] = changed
    elsewhere = {*below, *(key for key in lists if own is None or key not in own.body)}
    here = {key: value for key, value in full.items() if key not in elsewhere}
    wanted = {key: value for key, value in sparse.items() if key in here}
    if own is None and wanted and not all(isinstance(value, dict) for value in wanted.values()):
        own = _new_block(path)
        result.insert(0, own)
    tables = {key: value for key, value in wanted.items() if isinstance(value, dict) and (own is None or key not in own.body)}
    if own is not None:
        _update(own.body, {key: value for key, value in here.items() if key not in tables}, wanted, skip=tables)
    for key, value in tables.items():
        result += _with_table([], (*path, key), value, value)
    return result


def _new_block(path: tuple[str, ...], *, is_item: bool = False) -> _Block:
    name = ".".join(tomlkit.key(part).as_string() for part in path)
    return _Block("\n", f"[[{name}]]\n" if is_item else f"[{name}]\n", path, is_item)


def _update(
    table: MutableMapping[str, Any], full: Mapping[str, Any], sparse: Mapping[str, Any], *, skip: Iterable[str] = ()
) -> None:
    """Update the table under one header, or an inline table, to these values."""
    for key in [key for key in table if key not in full and key not in skip]:
        del table[key]
    for key, value in full.items():
        if key not in table:
            if key in sparse:
                _append(table, key, sparse[key])
        elif isinstance(value, dict) and isinstance(table[key], AbstractTable):
            _update(table[key], value, sparse.get(key, {}))
        elif _is_list_of_tables(value) or (key in _ALIKE and isinstance(table[key], Array)):
            _update_array(table[key], key, value, sparse.get(key, []))
        elif table[key] != value:
            table[key] = value


def _append(table: MutableMapping[str, Any], key: str, value: Any) -> None:  # noqa: ANN401 - any TOML value
    """Add a key after the last key, before the comments and blank lines that follow it."""
    item = _inline(value)
    body = None if isinstance(table, InlineTable) else getattr(table.value if isinstance(table, Table) else table, "body", None)
    trivia: list[Any] = []
    while body and body[-1][0] is None:
        trivia.insert(0, body.pop())
    if body is not None and not body:
        body.extend(trivia)  # nothing but comments
        trivia = []
    table[key] = item
    if body is not None:
        body.extend(trivia)


def _inline(value: Any) -> Any:  # noqa: ANN401
    if not isinstance(value, dict):
        return value
    table = tomlkit.inline_table()
    for key, inner in value.items():
        table[key] = _inline(inner)
    return table


# ---- lists of tables --------------------


Items = Sequence[Mapping[str, Any]]


def _with_items(blocks: Group, key: str, old: Items, full: Items, sparse: Items) -> Group:
    """Return all blocks, with the items of this list changed to these; an item that stays keeps its position."""
    items: list[Group] = []
    for block in blocks:
        if block.path[:1] == (key,):
            if block.is_item and len(block.path) == 1:
                items.append([])
            items[-1].append(block)
    made: list[Group] = []
    for number, values, wanted in zip(_pairs(key, old, full), full, sparse, strict=True):
        if number is None:
            item = _new_block((key,), is_item=True)
            _update(item.body, values, wanted)
            made.append([item])
        else:
            made.append(_with_table(items[number], (key,), values, wanted))
    firsts = {id(item[0]): number for number, item in enumerate(items)}
    result: Group = []
    for block in blocks:
        if block.path[:1] != (key,):
            result.append(block)
        elif (place := firsts.get(id(block))) is not None:
            last = place == len(items) - 1
            for group in made[place:] if last else made[place : place + 1]:
                result += group
    if not items:
        result += [block for item in made for block in item]
    return result


def _update_array(array: Array, key: str, full: Items, sparse: Items) -> None:
    """Update a list that is written as an array of inline tables."""
    items = list(array)
    made = []
    for number, values, wanted in zip(_pairs(key, [dict(item) for item in items], full), full, sparse, strict=True):
        if number is None:
            made.append(_inline(wanted))
        else:
            _update(items[number], values, wanted)
            made.append(items[number])
    if len(made) == len(items) and all(one is other for one, other in zip(made, items, strict=True)):
        return
    if made[: len(items)] == items:
        array.extend(made[len(items) :])
        return
    array.clear()
    array.extend(made)
    array.multiline(multiline=True)


def _pairs(key: str, old: Items, new: Items) -> list[int | None]:
    """Match each new item to an old item: an equal one, or a similar one that is left over."""
    free = list(range(len(old)))
    pairs: list[int | None] = []
    for values in new:
        same = next((number for number in free if old[number] == values), None)
        pairs.append(same)
        if same is not None:
            free.remove(same)
    alike = _ALIKE.get(key, "")
    for place, values in enumerate(new):
        if pairs[place] is None:
            close = [number for number in free if old[number].get(alike) == values.get(alike)]
            best = max(close, key=lambda number: sum(old[number].get(name) == values[name] for name in values), default=None)
            if best is not None:
                pairs[place] = best
                free.remove(best)
    return pairs
