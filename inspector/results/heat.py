"""Heat maps of NG parts: where the bundles looked that made them NG."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from inspector.core.types import Inspection, Judgement, Temperatures, Verdict
from inspector.engines.explainer import HeatMap

_OUTPUTS: Final = {"temperature_mean": 1, "temperature_min": 2}  # else the maximum


@dataclass(frozen=True, slots=True, eq=False)
class PartHeat:
    """The heat map of one answer that made a part NG. `bundle`: its name as in records."""

    camera: str
    bundle: str
    heat: HeatMap


Keep = Callable[[Inspection, Sequence[PartHeat]], None]


def decisive(inspection: Inspection) -> list[Judgement]:
    """Return the judgements that made a part NG, one of each bundle, camera, region and class."""
    found: dict[tuple[object, ...], Judgement] = {}
    for judgement in inspection.judgements:
        if judgement.verdict is Verdict.NG and judgement.camera in inspection.frames:
            key = judgement.bundle, judgement.camera, judgement.region, judgement.name, output_of(inspection, judgement)
            found.setdefault(key, judgement)
    return list(found.values())


def class_of(inspection: Inspection, judgement: Judgement) -> int | None:
    """Return the class that a judgement is about; None if it is about several, or none: then the best of the answer."""
    for prediction in inspection.predictions:
        if (prediction.bundle, prediction.camera) == (judgement.bundle, judgement.camera):
            return prediction.classes.index(judgement.name) if judgement.name in prediction.classes else None
    return None


def output_of(inspection: Inspection, judgement: Judgement) -> int | None:
    """Return which temperature a judgement is about; None where it is not about one."""
    thermal = any(one.bundle == judgement.bundle and isinstance(one.answer, Temperatures) for one in inspection.predictions)
    return _OUTPUTS.get(judgement.quantity, 0) if thermal else None
