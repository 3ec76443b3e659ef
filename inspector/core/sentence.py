"""A Message as data: what is written to files and sent between processes, so that the window can translate it later."""

from typing import Any

from pydantic import BaseModel, ConfigDict

from inspector.core.message import ClassName, Message


class Sentence(BaseModel):
    """A `Message` as data."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    template: str
    values: dict[str, Any] = {}
    classes: tuple[str, ...] = ()  # which of the values are names of classes

    @property
    def message(self) -> Message:
        """Return it as it was made."""
        marked = {key: ClassName(value) if key in self.classes else value for key, value in self.values.items()}
        return Message(self.template, marked)

    @property
    def text(self) -> str:
        """The English sentence."""
        return self.message.text


def sentence(message: Message) -> Sentence:
    """Convert a message to data; values that are neither numbers nor booleans become text."""
    plain = {key: value if isinstance(value, int | float) else str(value) for key, value in message.values.items()}
    classes = tuple(key for key, value in message.values.items() if isinstance(value, ClassName))
    return Sentence(template=message.template, values=plain, classes=classes)
