"""Where bundles looked in labelled images, as data: their figures, and what to do about it (`inspector explain --report`)."""

import hashlib
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Final, Literal

from pydantic import TypeAdapter

from inspector.core.config import Count, FiniteModel
from inspector.core.sentence import Sentence
from inspector.core.untrusted import read_bounded
from inspector.runs.settings import TrainSettings, areas_of, train_settings

FIGURES: Final = "trust.json"
PAGE: Final = "trust.html"
_FOLDER: Final = "where-they-look"  # among the runs

Change = Literal["cover", "part", "light", "place", "collect"]


class Advice(FiniteModel):
    """What to do: the change, why, the settings of a training that make it, and the command; empty where a person must act."""

    change: Change
    why: Sentence
    settings: Mapping[str, str] = {}
    command: str = ""


class Trust(FiniteModel):
    """The figures of one bundle on one folder of images; None where there was nothing to measure.

    `right`: share of right answers. `inside_part`, `inside_truth`: mean shares of the heat. `lift`: `inside_truth` over that of
    an even map. `pointing`: share of the images whose hottest pixel lies on the defect. `light`, `place`: shares of the scores
    lost to other light and another position. `wrong_place`: images with the right answer and no more heat on the defect than by
    chance. `area`: in percent of the input, where answers depend on something else; `effect`: of covering it.
    """

    bundle: str
    folder: str
    fingerprint: str
    task: str
    created: datetime
    data: str
    images: Count
    right: float | None = None
    inside_part: float | None = None
    inside_truth: float | None = None
    lift: float | None = None
    pointing: float | None = None
    insertion: float | None = None
    deletion: float | None = None
    road: float | None = None
    light: float = 0.0
    place: float = 0.0
    wrong_place: tuple[str, ...] = ()
    area: str = ""
    effect: float | None = None
    advice: tuple[Advice, ...] = ()

    @property
    def rank(self) -> tuple[float, float, float]:
        """What bundles are ranked by, the most trustworthy first: heat where the defect is, on the part, right answers."""
        return -(self.lift or 0.0), -(self.inside_part or 0.0), -(self.right or 0.0)


def dump_trust(found: Sequence[Trust]) -> bytes:
    """Return figures as a file."""
    return _ALL.dump_json(list(found), indent=1)


def read_trust(folder: Path) -> list[Trust]:
    """Return the figures of a report, oldest first; none of a damaged file."""
    try:
        return _ALL.validate_json(read_bounded(folder / FIGURES))
    except (OSError, ValueError):
        return []


def trust_folder(runs: Path, data: Path) -> Path:
    """Return the folder of the report on all runs that learnt from the same images, so that it shows them side by side."""
    return runs / _FOLDER / hashlib.sha256(str(data.resolve()).encode("utf-8", "surrogatepass")).hexdigest()[:12]


def advised(settings: TrainSettings, advice: Advice) -> TrainSettings:
    """Return the settings of a training with the change that is advised. What is covered already stays covered."""
    values = {name: _added(settings, name, value) for name, value in advice.settings.items()}
    out = settings.out.with_name(f"{settings.bundle_name}-{advice.change}")
    return train_settings({**settings.model_dump(), **values, "name": "", "run": None, "out": out})


def _added(settings: TrainSettings, name: str, value: str) -> str:
    """Return the value of a changed setting; what is covered already stays covered, if enough is left."""
    joined = f"{settings.cover}+{value}"
    if name != "cover" or not settings.cover:
        return value
    try:
        areas_of(joined)
    except ValueError:
        return value
    return joined


_ALL: TypeAdapter[list[Trust]] = TypeAdapter(list[Trust])
