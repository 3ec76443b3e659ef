"""A sentence for a person, kept apart from the numbers in it so that it can be shown in any language."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

_NOTHING: Mapping[str, object] = MappingProxyType({})


class ClassName(str):
    """A class of a bundle, or several joined by ", ", as the value of a message: the window translates the names it knows."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Message:
    """An English template in `str.format` syntax and the values to insert.

    The window translates `template` before it formats it; everything else prints `text`.
    """

    template: str
    values: Mapping[str, object] = field(default_factory=lambda: _NOTHING)

    @property
    def text(self) -> str:
        """The formatted English sentence."""
        return self.template.format(**self.values)

    def __str__(self) -> str:
        return self.text

    def __reduce__(self) -> tuple[type["Message"], tuple[str, dict[str, object]]]:
        """Let it, and errors that hold it, go to another process: the view of its values cannot."""
        return Message, (self.template, dict(self.values))


def message(template: str, **values: object) -> Message:
    """Build a Message; `message("{name} is late", name="line 2")`."""
    return Message(template, MappingProxyType(values))
