"""The folders that reviewed parts lie in, taken as the truth, compared with what was said of the parts."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from inspector.core.verdict import Verdict
from inspector.data.good_classes import guess_good_classes
from inspector.runs.report import Confusion


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a part is, by its folder; the class it was said to be, "" where no single classifier looked; and its verdict."""

    truth: str
    said: str
    verdict: Verdict


class Comparison:
    """How folders and answers are compared: classes where folders are named like classes, else verdicts with good folders."""

    def __init__(self, outcomes: Sequence[Outcome]) -> None:
        self._outcomes = outcomes
        folders = {one.truth for one in outcomes}
        self._by_class = bool(folders & {one.said for one in outcomes if one.said})
        self._good = guess_good_classes(sorted(folders))

    def words(self, one: Outcome) -> tuple[str, str] | None:
        """Return (truth, said) of a part; None where its folder says nothing."""
        if not one.truth or not (self._by_class or self._good):
            return None
        if self._by_class:
            return one.truth, one.said or one.verdict.value
        return (Verdict.OK if one.truth in self._good else Verdict.NG).value, one.verdict.value

    def confusion(self) -> Confusion | None:
        """Return the table of folders against answers; None where there is nothing to compare."""
        pairs = Counter(pair for one in self._outcomes if (pair := self.words(one)) is not None)
        if not pairs:
            return None
        labels = tuple(dict.fromkeys((*sorted({truth for truth, _ in pairs}), *sorted({said for _, said in pairs}))))
        return Confusion(labels=labels, counts=tuple(tuple(pairs[truth, said] for said in labels) for truth in labels))


def right_share(confusion: Confusion) -> float:
    """Return the share of parts on the diagonal, 0..1."""
    whole = sum(map(sum, confusion.counts))
    return sum(row[at] for at, row in enumerate(confusion.counts)) / whole if whole else 0.0
