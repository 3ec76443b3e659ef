"""Decision thresholds: the outcome of a bundle's own rule, and the threshold for an allowed false-reject rate.

The rules are the defaults of a recipe without rules (`recipes.automatic`). Classification: NG if the most likely class is not
good and its score reaches the threshold, REVIEW if the score does not. Detection: NG if any box reaches the threshold.
Segmentation: NG if any area at the threshold is larger than a speck.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from inspector.core.message import Message, message
from inspector.core.sentence import Sentence, sentence
from inspector.runs.report import Interval, Threshold
from inspector.tasks.statistics.intervals import allowed_hits, group_numbers, needed, proportion

RISK = 0.05  # probability that a threshold's true false-reject rate exceeds the allowed rate
NEVER = -1.0
_HIGHEST = 0.999

How = Literal["default", "given", "best_f1", "false_reject"]


@dataclass(frozen=True, slots=True)
class Rated:
    """One frame's outcome over all thresholds.

    `reject`: the frame is NG at every threshold up to this value (-1: at none). `keep`: unless NG, it is OK, not REVIEW, at
    every threshold up to this value. `good` is the truth.
    """

    good: bool
    reject: float
    keep: float
    group: str = ""

    def verdict(self, threshold: float) -> Literal["OK", "NG", "REVIEW"]:
        """Return the verdict of the bundle's own rule."""
        if self.reject >= threshold:
            return "NG"
        return "OK" if self.keep >= threshold else "REVIEW"


@dataclass(frozen=True, slots=True)
class Choice:
    """A threshold, who chose it, and why it differs from the requested one.

    `needed`: smallest number of good images required.
    """

    score: float
    how: How
    refused: Message | None = None
    needed: int = 0


def choose(rated: Sequence[Rated], allowed: float, *, default: Choice, lowest: float) -> Choice:
    """Return the lowest threshold, not below `lowest`, that rejects at most the share `allowed` of good parts, with 95 %
    confidence.

    The candidates are the reject scores of the good validation frames. If at most k of n lie above the threshold, the rate is
    at most `allowed` if the binomial probability of k or fewer is at most 5 % (Clopper and Pearson, 1934; for a threshold at an
    order statistic: Wilks, Annals of Mathematical Statistics 12, 1941; in conformal terms: Vovk, ACML 2012). A group is one
    case, whatever its size: each of its frames counts as a part of it, and the rate is that of an average group. Equal scores
    lie above a threshold together. If the data are not sufficient: `default`, with the reason.
    """
    good = [frame for frame in rated if frame.good]
    fewest = needed(allowed, RISK)
    groups = group_numbers([frame.group for frame in good])
    units = len(set(groups.tolist()))
    hits = allowed_hits(units, allowed, RISK) if units else -1
    if hits < 0:
        return replace(
            default,
            needed=fewest,
            refused=message(
                "{allowed:g} % false rejects cannot be promised: it takes {needed} good validation images, there are {count}.",
                allowed=allowed * 100,
                needed=fewest,
                count=units,
            ),
        )
    edge = _edge(np.array([frame.reject for frame in good]), 1 / np.bincount(groups)[groups], hits)
    score = max(lowest, math.floor(edge * 10_000 + 1) / 10_000 if edge >= 0 else lowest)
    if score > _HIGHEST:
        return replace(
            default,
            needed=fewest,
            refused=message(
                "{allowed:g} % false rejects cannot be reached: more good validation images than that look like defects.",
                allowed=allowed * 100,
            ),
        )
    return Choice(score, "false_reject", needed=fewest)


def _edge(scores: NDArray[np.float64], shares: NDArray[np.float64], hits: int) -> float:
    """Return the lowest score which the threshold must exceed so that the `shares` of the frames above it sum up to `hits`."""
    order = np.argsort(-scores, kind="stable")
    scores, above = scores[order], np.cumsum(shares[order])
    beyond = np.flatnonzero(above > hits + 1e-9)
    return float(scores[beyond[0]]) if len(beyond) else NEVER


def measure_threshold(rated: Sequence[Rated], choice: Choice, *, allowed: float = 0.0) -> Threshold:
    """Return the rates of the threshold on these frames, with intervals."""
    groups = group_numbers([frame.group for frame in rated])
    good = np.array([frame.good for frame in rated], bool)
    verdicts = np.array([frame.verdict(choice.score) for frame in rated], dtype="<U6")
    refused: Sentence | None = None if choice.refused is None else sentence(choice.refused)
    return Threshold(
        score=choice.score,
        allowed=allowed,
        false_reject=_share(groups, verdicts == "NG", good),
        miss=_share(groups, verdicts == "OK", ~good),
        review=_share(groups, verdicts == "REVIEW", np.ones(len(good), bool)),
        refused=refused,
        good=int(good.sum()),
        bad=int((~good).sum()),
        needed=choice.needed,
        how=choice.how,
    )


def _share(groups: NDArray[np.int64], hits: NDArray[np.bool_], of: NDArray[np.bool_]) -> Interval | None:
    if not of.any():
        return None
    count = int(groups.max()) + 1
    return proportion(np.bincount(groups[hits & of], minlength=count), np.bincount(groups[of], minlength=count))
