"""A sentence for a person, kept apart from the numbers in it so that it can be shown in any language."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from string import Formatter
from types import MappingProxyType
from typing import Final

_AGREES: Final = "|"  # in a format of a template: "{count:|image is|images are}"
_NOTHING: Mapping[str, object] = MappingProxyType({})


class _Agreeing(Formatter):
    def format_field(self, value: object, format_spec: str) -> str:
        number, mark, words = format_spec.partition(_AGREES)
        if not mark:
            return str(super().format_field(value, format_spec))
        one, many = words.split(_AGREES)
        return one if format(value, number) == "1" else many


def fill(template: str, **values: object) -> str:
    """Return the template with its values, in the syntax of `str.format` and one more: words that agree with a number.

    `fill("{count} {count:|image is|images are} new", count=1)`; the first words are used where the number is written as "1", in
    the format before the bar if there is one: `{share:.0f|minute|minutes}`.
    """
    if _AGREES not in template:
        return template.format(**values)
    return _Agreeing().vformat(template, (), values)


class ClassName(str):
    """A class of a bundle, or several joined by ", ", as the value of a message: the window translates the names it knows."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Message:
    """An English template in the syntax of `fill` and the values to insert.

    The window translates `template` before it formats it; everything else prints `text`.
    """

    template: str
    values: Mapping[str, object] = field(default_factory=lambda: _NOTHING)

    @property
    def text(self) -> str:
        """The formatted English sentence."""
        return fill(self.template, **self.values)

    def __str__(self) -> str:
        return self.text

    def __reduce__(self) -> tuple[type["Message"], tuple[str, dict[str, object]]]:
        """Let it, and errors that hold it, go to another process: the view of its values cannot."""
        return Message, (self.template, dict(self.values))


def message(template: str, **values: object) -> Message:
    """Build a Message; `message("{name} is late", name="line 2")`."""
    return Message(template, MappingProxyType(values))
