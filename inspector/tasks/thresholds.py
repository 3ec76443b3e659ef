"""Decision thresholds: what a bundle's own rule makes of a frame, and the threshold for an allowed false-reject rate.

The rules are those that a recipe gets where it has none (`recipes.automatic`): classification is NG if the most likely class
is not a good one and its score reaches the threshold, REVIEW if the score does not; detection is NG with any box that reaches
the threshold; segmentation is NG with any area larger than a speck at the threshold.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from inspector.core.bundle import Card
from inspector.core.message import Message, message
from inspector.core.report import Interval, Sentence, Threshold, sentence
from inspector.core.types import Annotation, Prediction
from inspector.tasks.intervals import allowed_hits, group_numbers, needed, proportion
from inspector.tasks.masks import MASK, SPECK_PX, areas, without_unknown

SCORE = 0.5  # where the card has none
RISK = 0.05  # of a threshold whose true false-reject rate is above the allowed one
_NEVER = -1.0
_HIGHEST = 0.999

How = Literal["default", "given", "best_f1", "false_reject"]


@dataclass(frozen=True, slots=True)
class Rated:
    """One frame as the threshold sees it. `reject`: it is NG at every threshold up to this (-1: at none); `keep`: it is OK, and
    not REVIEW, at every threshold up to this, unless it is NG. `good` is the truth.
    """

    good: bool
    reject: float
    keep: float
    group: str = ""

    def verdict(self, threshold: float) -> Literal["OK", "NG", "REVIEW"]:
        """What the bundle's own rule says."""
        if self.reject >= threshold:
            return "NG"
        return "OK" if self.keep >= threshold else "REVIEW"


@dataclass(frozen=True, slots=True)
class Choice:
    """A threshold, who chose it, and why it is not what was wished for. `needed`: good images that it takes at the least."""

    score: float
    how: How
    refused: Message | None = None
    needed: int = 0


def rate(prediction: Prediction, truth: Annotation, card: Card, *, group: str = "") -> Rated | None:
    """A frame with its truth. None where no rule can be made: temperatures, or classes of which none is good."""
    wanted = [index for index, name in enumerate(card.classes) if name not in card.ok_classes]
    if prediction.scores is not None and truth.label is not None and card.ok_classes:
        best = int(prediction.scores.argmax())
        score, bad = float(prediction.scores[best]), best in wanted
        return Rated(truth.label not in wanted, score if bad else _NEVER, _NEVER if bad else score, group)
    if prediction.boxes is not None and truth.boxes is not None:
        scores = prediction.boxes.scores[np.isin(prediction.boxes.classes, wanted)]
        good = not np.isin(truth.boxes.classes, wanted).any()
        return Rated(good, float(scores.max(initial=_NEVER)), math.inf, group)
    if prediction.mask is not None and truth.mask is not None:
        region = prediction.region
        seen = truth.mask[region.y : region.bottom, region.x : region.right]
        known = without_unknown(prediction, seen)
        return Rated(not np.isin(seen, [index + 1 for index in wanted]).any(), _mask_score(known, wanted), math.inf, group)
    return None


def _mask_score(prediction: Prediction, wanted: Sequence[int]) -> float:
    """The highest mask threshold at which an area larger than a speck is left. Areas shrink as the threshold rises."""
    low, high = 0, 256  # an area is left at level `low`, none at `high`; in 255ths
    while high - low > 1:
        level = (low + high) // 2
        found = areas(prediction, level / 255, min_area_px=SPECK_PX)
        left = any(area.area_px > SPECK_PX and area.class_index in wanted for area in found)
        low, high = (level, high) if left else (low, level)
    return (low + 0.49) / 255 if low else _NEVER


def choose(rated: Sequence[Rated], allowed: float, *, default: Choice, lowest: float) -> Choice:
    """The lowest threshold, not below `lowest`, that rejects at most the share `allowed` of good parts, with 95 % confidence.

    The good validation frames' own reject scores are the candidates. That at most k of n of them lie above the threshold shows
    a rate of at most `allowed` if the binomial probability of k or fewer is at most 5 % (Clopper and Pearson, 1934; that this
    holds for a threshold chosen at an order statistic: Wilks, Annals of Mathematical Statistics 12, 1941; in conformal terms,
    Vovk, ACML 2012). Frames of one group count as one case. Where the data cannot show it: `default`, with the reason.
    """
    good = [frame for frame in rated if frame.good]
    fewest = needed(allowed, RISK)
    units = len(set(group_numbers([frame.group for frame in good]).tolist()))
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
    spare = hits * len(good) // units
    scores = np.sort([frame.reject for frame in good])[::-1]
    edge = float(scores[spare]) if spare < len(scores) else _NEVER
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


def measure_threshold(rated: Sequence[Rated], choice: Choice, *, allowed: float = 0.0) -> Threshold:
    """What the threshold costs on these frames, with intervals."""
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


def threshold_key(task: str) -> str:
    """What the decision threshold of a task is called in a card."""
    return "mask" if task == "segmentation" else "score"


def card_threshold(card: Card) -> float:
    """The decision threshold of a card."""
    return card.thresholds.get(threshold_key(card.task), MASK if card.task == "segmentation" else SCORE)


def _share(groups: NDArray[np.int64], hits: NDArray[np.bool_], of: NDArray[np.bool_]) -> Interval | None:
    if not of.any():
        return None
    count = int(groups.max()) + 1
    return proportion(np.bincount(groups[hits & of], minlength=count), np.bincount(groups[of], minlength=count))
