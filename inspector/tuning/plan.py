"""What a recipe's bundles cost on this machine, variant by variant, and which variants keep the takt for the least work.

Plain data and pure functions; `tuning_measure` measures, `tuning_store` keeps the choice and tests it at the next start.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final, Literal

from pydantic import ConfigDict, Field

from inspector.core.config import Count, FiniteModel
from inspector.core.message import Message, message
from inspector.core.sentence import Sentence, sentence
from inspector.core.types import Precision

HEADROOM: Final = 0.2  # share of the takt that a choice must leave free at p99
WORTH: Final = 0.97  # a larger batch must take less than this share of the time an image, to be worth its memory


class _Part(FiniteModel):
    model_config = ConfigDict(extra="ignore")


class Row(_Part):
    """Cost of one image of a bundle in ms: median (p50), p99, and processor time (all cores together)."""

    bundle: str
    engine: str
    precision: Precision
    threads: Count
    batch: Count
    p50_ms: float
    p99_ms: float
    cpu_ms: float
    images: Count

    @property
    def variant(self) -> tuple[str, Precision]:
        return self.engine, self.precision


class Judged(_Part):
    """A variant's answers on the reference images on this machine, compared with the bundle's own graph.

    `accuracy`: `metric` of the variant; `before`: of the own graph, which was compared with training. Both are None if the
    bundle has no reference images. `tried`: making the variant failed.
    """

    bundle: str
    engine: str
    precision: Precision
    accepted: bool
    metric: str = ""
    accuracy: float | None = None
    before: float | None = None
    flips: Count = 0
    images: Count = 0
    tried: bool = False
    reason: Sentence | None = Field(None, description="why it must not be used, or could not be measured")

    @property
    def share(self) -> float:
        """The accuracy as a share of the accuracy before, at most 1; for errors in kelvin the ratio is inverted."""
        if self.accuracy is None or self.before is None or self.accuracy == self.before:
            return 1.0
        if self.before <= 0 or self.accuracy <= 0:  # thermal bundles: minus an error
            return min(1.0, self.before / self.accuracy) if self.accuracy < 0 else 1.0
        return min(1.0, self.accuracy / self.before)


class Use(_Part):
    """The variant that judges for one bundle."""

    bundle: str
    engine: str
    precision: Precision


class Plan(_Part):
    """A variant for each bundle, with the time per part in ms: the sum over the bundles and the work around them.

    `accuracy`: mean share of the bundles' accuracy. `measured`: the times are of whole parts, inspected with exactly this plan.
    """

    uses: tuple[Use, ...]
    threads: Count
    batch: Count
    p50_ms: float
    p99_ms: float
    cpu_ms: float
    accuracy: float = 1.0
    measured: bool = False

    def variant(self, bundle: str) -> Use | None:
        """Return the variant that judges for this bundle."""
        return next((use for use in self.uses if use.bundle == bundle), None)

    @property
    def words(self) -> str:
        """The engines and precisions, each once, as shown to people."""
        return ", ".join(dict.fromkeys(f"{use.engine} {use.precision}" for use in self.uses))


class Around(_Part):
    """Time of a part outside the engines in ms: preparing, decoding, the verdict."""

    p50_ms: float = 0.0
    p99_ms: float = 0.0
    cpu_ms: float = 0.0


class Machine(_Part):
    """The machine that a choice is valid for; another processor, card or version may favour another choice."""

    processor: str
    cores: Count
    features: tuple[str, ...] = ()
    gpu: str = ""
    software: Mapping[str, str] = {}

    def differences(self, other: "Machine") -> list[str]:
        """Return the differences to another machine, in words that need no translation: "openvino 1.0 -> 1.1"."""
        found = [] if self.processor == other.processor else [f"{other.processor} -> {self.processor}"]
        if self.cores != other.cores:
            found.append(f"{other.cores} -> {self.cores} cores")
        found += [f"-{name}" for name in other.features if name not in self.features]
        found += [f"+{name}" for name in self.features if name not in other.features]
        if self.gpu != other.gpu:
            found.append(f"GPU {other.gpu or 'none'} -> {self.gpu or 'none'}")
        names = [*self.software, *(name for name in other.software if name not in self.software)]
        for name in names:
            now, before = self.software.get(name, "none"), other.software.get(name, "none")
            if now != before:
                found.append(f"{name} {before} -> {now}")
        return found


class Tuning(_Part):
    """All results of one tuning.

    `state`: "kept" the takt, or "missed" it and chose the fastest plan. `bundles`: SHA-256 of all files of each bundle, by its
    name in the recipe. `needs`: measured suggestions of smaller bundles. `made`: the variants that were exported for
    this tuning.
    """

    format: Literal[1] = 1
    recipe: str
    revision: Count
    takt_ms: float
    headroom: float = HEADROOM
    machine: Machine
    bundles: Mapping[str, str]
    rows: tuple[Row, ...] = ()
    judged: tuple[Judged, ...] = ()
    around: Around = Around()
    plans: tuple[Plan, ...] = ()
    chosen: Plan | None = None
    state: Literal["kept", "missed"] = "missed"
    needs: tuple[Sentence, ...] = ()
    made: tuple[Use, ...] = ()
    left_out: tuple[Sentence, ...] = ()
    seconds: float = 0.0
    created: datetime

    @property
    def limit_ms(self) -> float:
        """The p99 limit of a part in ms."""
        return self.takt_ms * (1 - self.headroom)


class Tuned(_Part):
    """The result of a `TuneJob`."""

    tuning: Tuning


def plans_of(rows: Sequence[Row], judged: Sequence[Judged], counts: Mapping[str, int], around: Around) -> list[Plan]:
    """Return the uniform plans and the plans with the best variant of each bundle.

    A uniform plan has one engine and precision for all bundles. `counts`: how often a part needs each bundle. Parts arrive one
    by one, so times are those of single images; the batch is for catching up. Only variants that agreed with the trained
    network are used.
    """
    agreed = {(one.bundle, one.engine, one.precision): one for one in judged if one.accepted}
    single = [row for row in rows if row.batch == 1 and (row.bundle, *row.variant) in agreed]
    plans: list[Plan] = []
    for threads in sorted({row.threads for row in single}):
        here = [row for row in single if row.threads == threads]
        variants = dict.fromkeys(row.variant for row in here)
        chosen = [[_best(here, bundle, variant, "p99_ms") for bundle in counts] for variant in variants]
        chosen += [[_best(here, bundle, None, by) for bundle in counts] for by in ("cpu_ms", "p99_ms")]
        for pick in chosen:
            found = [row for row in pick if row is not None]
            if len(found) == len(counts):
                plans.append(_plan(found, rows, agreed, counts, around))
    unique = {(plan.uses, plan.threads): plan for plan in plans}
    return list(unique.values())


def _best(rows: Sequence[Row], bundle: str, variant: tuple[str, Precision] | None, by: str) -> Row | None:
    found = [row for row in rows if row.bundle == bundle and variant in (None, row.variant)]
    return min(found, key=lambda row: float(getattr(row, by)), default=None)


def _plan(
    picked: Sequence[Row],
    rows: Sequence[Row],
    agreed: Mapping[tuple[str, str, Precision], Judged],
    counts: Mapping[str, int],
    around: Around,
) -> Plan:
    shares = [agreed[(row.bundle, *row.variant)].share for row in picked]
    return Plan(
        uses=tuple(Use(bundle=row.bundle, engine=row.engine, precision=row.precision) for row in picked),
        threads=picked[0].threads,
        batch=_batch(picked, rows, counts),
        p50_ms=around.p50_ms + sum(row.p50_ms * counts[row.bundle] for row in picked),
        p99_ms=around.p99_ms + sum(row.p99_ms * counts[row.bundle] for row in picked),
        cpu_ms=around.cpu_ms + sum(row.cpu_ms * counts[row.bundle] for row in picked),
        accuracy=sum(shares) / len(shares),
    )


def _batch(picked: Sequence[Row], rows: Sequence[Row], counts: Mapping[str, int]) -> int:
    """Return the batch size with the least time per image, if it is worth it."""
    times: dict[int, float] = {}
    for batch in sorted({row.batch for row in rows}):
        same = [next((row for row in rows if _same(row, one) and row.batch == batch), None) for one in picked]
        found = [row for row in same if row is not None]
        if len(found) == len(picked):
            times[batch] = sum(row.p50_ms * counts[row.bundle] for row in found)
    best = min(times, key=lambda batch: times[batch], default=1)
    return best if times.get(best, 0.0) < WORTH * times.get(1, 0.0) else 1


def _same(row: Row, other: Row) -> bool:
    return (row.bundle, row.variant, row.threads) == (other.bundle, other.variant, other.threads)


def ranked(plans: Sequence[Plan], limit_ms: float) -> list[Plan]:
    """Return the plans that keep to the limit, cheapest first; then the others, fastest first.

    The cheapest plan has the fewest threads, then the least processor time.
    """
    keep = sorted((plan for plan in plans if plan.p99_ms <= limit_ms), key=lambda plan: (plan.threads, plan.cpu_ms))
    miss = sorted((plan for plan in plans if plan.p99_ms > limit_ms), key=lambda plan: plan.p99_ms)
    return keep + miss


def pareto(plans: Sequence[Plan]) -> list[Plan]:
    """Return the Pareto-optimal plans in speed and accuracy, fastest first."""
    front: list[Plan] = []
    for plan in sorted(plans, key=lambda plan: (plan.p99_ms, -plan.accuracy)):
        if not front or plan.accuracy > front[-1].accuracy:
            front.append(plan)
    return front


def refused(tuning: Tuning) -> list[Judged]:
    """Return the variants that answered but must not be used, and the variants that could not be made."""
    return [one for one in tuning.judged if not one.accepted and (one.images or one.tried)]


def unavailable(tuning: Tuning) -> list[str]:
    """Return the variants that could not be opened for some bundle, each once.

    They are not exported, or not supported on this machine.
    """
    known = refused(tuning)
    gone = (one for one in tuning.judged if not one.accepted and one not in known)
    return list(dict.fromkeys(f"{one.engine} {one.precision}" for one in gone))


def exported(tuning: Tuning) -> str:
    """Return the variants exported for this tuning, each once, with the number of bundles; "" if there are none."""
    counts = Counter(f"{one.engine} {one.precision}" for one in tuning.made)
    return ", ".join(f"{name} ({count})" for name, count in counts.items())


def why(tuning: Tuning) -> Message:
    """Return the reason for the chosen variants in one sentence."""
    plan = tuning.chosen
    if plan is None:
        return message("No variant of these bundles could be measured on this computer.")
    values = {"variants": plan.words, "threads": plan.threads, "p99": plan.p99_ms, "takt": tuning.takt_ms}
    if tuning.state == "kept":
        return message(
            "{variants} on {threads} threads is the cheapest that keeps the takt of {takt:.0f} ms: 99 of 100 parts take at "
            "most {p99:.1f} ms.",
            **values,
        )
    return message(
        "Nothing keeps the takt of {takt:.0f} ms with head-room; {variants} on {threads} threads is the quickest: 99 of 100 "
        "parts take at most {p99:.1f} ms.",
        **values,
    )


def smaller(what: str, before: str, after: str, p99_ms: float, limit_ms: float) -> Sentence:
    """Return a measured suggestion: the time of a part with a smaller input or a narrower network."""
    values = {"bundle": what, "before": before, "after": after, "p99": p99_ms, "limit": limit_ms}
    if p99_ms <= limit_ms:
        enough = message(
            "With {after} instead of {before} in {bundle} a part would take {p99:.1f} ms and keep the limit of {limit:.1f} ms: "
            "the network was built so, untrained, and timed.",
            **values,
        )
        return sentence(enough)
    still = message(
        "With {after} instead of {before} in {bundle} a part would still take {p99:.1f} ms, more than the limit of {limit:.1f} "
        "ms: the network was built so, untrained, and timed.",
        **values,
    )
    return sentence(still)
