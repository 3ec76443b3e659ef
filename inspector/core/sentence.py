"""A Message as data: what is written to files and sent between processes, so that the window can translate it later."""

from typing import Any

from pydantic import ConfigDict, Field

from inspector.core.config import FiniteModel
from inspector.core.message import Message


class Sentence(FiniteModel):
    """A `Message` as data."""

    model_config = ConfigDict(extra="ignore")

    template: str
    values: dict[str, Any] = Field(default_factory=dict)

    @property
    def text(self) -> str:
        """The English sentence."""
        return Message(self.template, self.values).text


def sentence(message: Message) -> Sentence:
    """Convert a message to data; values that are neither numbers nor booleans become text."""
    plain = {key: value if isinstance(value, int | float) else str(value) for key, value in message.values.items()}
    return Sentence(template=message.template, values=plain)
