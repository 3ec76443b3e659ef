"""The split of samples into training, validation (chooses the best epoch) and test (measured only at the end)."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from inspector.core.errors import ConfigError
from inspector.core.untrusted import parse_json
from inspector.data.samples import PARTS, Part, Sample

SPLIT = "split.json"


@dataclass(frozen=True, slots=True, eq=False)
class Split:
    """The samples of each part of the split."""

    train: tuple[Sample, ...]
    val: tuple[Sample, ...]
    test: tuple[Sample, ...]

    def names(self) -> dict[str, list[str]]:
        """Return the sample names of each part, as stored in the bundle."""
        parts = {"train": self.train, "val": self.val, "test": self.test}
        return {part: [sample.name for sample in samples] for part, samples in parts.items()}


def split_samples(samples: Sequence[Sample], *, val: float, test: float, seed: int) -> Split:
    """Split by group, balanced by stratum; the same samples and seed give the same split.

    If the data has its own split (`Sample.part`), it is kept. Missing parts are taken from its training part, and samples
    without a part go to the training part, unless no sample has a part. Raises ConfigError if a part stays empty.
    """
    given = {sample.part for sample in samples if sample.part is not None}
    shares: dict[Part, float] = {"train": 1 - val - test, "val": val, "test": test}
    free = [sample for sample in samples if sample.part in (None, "train")]
    left: dict[Part, float] = {part: share for part, share in shares.items() if part == "train" or part not in given}
    chosen = _assign(free, left, seed)
    parts: dict[Part, list[Sample]] = {part: [] for part in PARTS}
    for sample in samples:
        parts[chosen[sample.group] if sample.part is None or sample.part == "train" else sample.part].append(sample)
    if not all(parts.values()):
        raise ConfigError(
            "{count} samples in {groups} groups are too few for training, validation and test.",
            remedy="Add labelled images, or raise the shares of validation and test.",
            count=len(samples),
            groups=len({sample.group for sample in samples}),
        )
    return Split(tuple(parts["train"]), tuple(parts["val"]), tuple(parts["test"]))


def _assign(samples: Sequence[Sample], shares: Mapping[Part, float], seed: int) -> dict[str, Part]:
    """Map each group to a part.

    Groups are shuffled within their stratum by a hash of seed and name, so that adding a file moves few others. Each group goes
    to the part that lacks most samples; the first group with a class goes to training.
    """
    groups: dict[str, list[Sample]] = {}
    for sample in samples:
        groups.setdefault(sample.group, []).append(sample)
    by_stratum: dict[str, list[str]] = {}
    for group, members in groups.items():
        by_stratum.setdefault(min(sample.stratum for sample in members), []).append(group)
    # Sorted by texts alone, a stratum at a time: a hundred thousand pairs would stop every other thread for half a second.
    keys = {group: _shuffle_key(group, seed) for group in groups}
    order = [group for stratum in sorted(by_stratum) for group in sorted(by_stratum[stratum], key=keys.__getitem__)]
    counts: dict[Part, int] = dict.fromkeys(shares, 0)
    chosen: dict[str, Part] = {}
    seen, whole = 0, sum(shares.values())
    trained: set[str] = set()
    for group in order:
        size = len(groups[group])
        seen += size
        part: Part = max(shares, key=lambda name: shares[name] / whole * seen - counts[name])
        kinds = {kind for sample in groups[group] for kind in sample.kinds}
        if not kinds <= trained:
            part = "train"
        if part == "train":
            trained |= kinds
        counts[part] += size
        chosen[group] = part
    return chosen


def _shuffle_key(group: str, seed: int) -> str:
    return hashlib.sha256(f"{seed}\0{group}".encode()).hexdigest()


def read_split(bundle: Path) -> Mapping[str, tuple[str, ...]]:
    """Return the sample names of each part that a bundle was trained with. Raises ConfigError."""
    path = bundle / SPLIT
    try:
        data = parse_json(path.read_bytes())
        return {part: tuple(str(name) for name in data[part]) for part in ("train", "val", "test")}
    except FileNotFoundError:
        raise ConfigError(
            "The bundle {bundle} does not say which samples it was tested on.",
            remedy="Evaluate it on all of the data.",
            bundle=bundle,
        ) from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigError("{file} cannot be read ({detail}).", file=path, detail=error) from error
