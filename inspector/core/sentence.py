"""A Message as data, for files and other processes, so that the window can translate it later."""

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import ConfigDict, Field

from inspector.core.config import FiniteModel
from inspector.core.message import ClassName, Message


class Sentence(FiniteModel):
    """A `Message` as data."""

    model_config = ConfigDict(extra="ignore")

    template: str
    values: dict[str, Any] = Field(default_factory=dict)
    classes: tuple[str, ...] = ()  # keys of the values that are names of classes

    @property
    def message(self) -> Message:
        """The original Message."""
        return Message(self.template, marked(self.values, self.classes))

    @property
    def text(self) -> str:
        """The formatted English sentence."""
        return self.message.text


def sentence(message: Message) -> Sentence:
    """Convert a message to data; values that are neither numbers nor booleans become text."""
    plain = {key: value if isinstance(value, int | float) else str(value) for key, value in message.values.items()}
    return Sentence(template=message.template, values=plain, classes=class_keys(message.values))


def class_keys(values: Mapping[str, object]) -> tuple[str, ...]:
    """Return the keys of the values that are names of classes; as data these values are plain text."""
    return tuple(key for key, value in values.items() if isinstance(value, ClassName))


def marked(values: Mapping[str, Any], classes: Sequence[str]) -> dict[str, Any]:
    """Return the values with the given keys marked as names of classes again."""
    return {key: ClassName(value) if key in classes else value for key, value in values.items()}
