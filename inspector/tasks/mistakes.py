"""What is wrong with one prediction, and how badly: for the list of worst errors. Each task finds its own (`Task.mistake`)."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

NOTHING = "-"


@dataclass(frozen=True, slots=True)
class Mistake:
    """`truth` and `said` as a person would say them. `severity` orders mistakes of one task. `score`: how sure the network was.

    `focus` is the class whose heat map tells most, None for temperatures.
    """

    truth: str
    said: str
    severity: float
    score: float
    focus: int | None = None


def listed(classes: Iterable[int], names: tuple[str, ...]) -> str:
    """Return how many there are of each class, in words."""
    counts = Counter(classes)
    return ", ".join(f"{count} {names[index]}" for index, count in sorted(counts.items())) or NOTHING
