"""Mistakes of predictions and their severity, for the list of worst errors. Each task finds its own (`Task.mistake`)."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

NOTHING = "-"


@dataclass(frozen=True, slots=True)
class Mistake:
    """A wrong prediction. `truth` and `said` are in a person's words.

    `severity` orders the mistakes of one task. `score` is the network's confidence. `focus` is the class whose heat map is most
    informative, None for temperatures.
    """

    truth: str
    said: str
    severity: float
    score: float
    focus: int | None = None


def listed(classes: Iterable[int], names: tuple[str, ...]) -> str:
    """Return the number of objects of each class, in words."""
    counts = Counter(classes)
    return ", ".join(f"{count} {names[index]}" for index, count in sorted(counts.items())) or NOTHING
