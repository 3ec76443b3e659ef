"""Inspections as JSON objects, for `--json`, result files and reports."""

import math
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import PurePath
from typing import assert_never

from inspector.core.types import KELVIN_AT_0_C, Boxes, Inspection, Json, Judgement, Masks, Prediction, Scores, Temperatures
from inspector.data.outlines import components, run_lengths
from inspector.inspection.status import Stats
from inspector.inspection.takt import headroom_ms, measured
from inspector.recipes.quantities import QUANTITIES
from inspector.tasks.masks import class_map

MOST_AREAS = 100  # most areas of a mask that are listed; the count is always complete


def record(inspection: Inspection) -> dict[str, Json]:
    """Return the record of one part, including what judged it. Boxes and areas are those at the thresholds in force."""
    judged_by = inspection.judged_by
    return {
        "source": inspection.source,
        "sequence": inspection.sequence,
        "part": inspection.part,
        "lot": inspection.lot or "",
        "verdict": inspection.verdict.value,
        "reasons": [reason.text for reason in inspection.reasons],
        "judgements": [_judgement(judgement) for judgement in inspection.judgements],
        "notes": [note.text for note in inspection.notes],
        "predictions": [prediction_facts(prediction) for prediction in inspection.predictions],
        "latency_ms": _number(inspection.latency_ms, 3),
        "recipe": inspection.recipe,
        "revision": inspection.revision,
        "recipe_digest": judged_by.recipe_digest,
        "bundles": by_bundle(judged_by.bundles),
        "cards": by_bundle(judged_by.cards),
        "software": judged_by.software,
        "utc": inspection.utc.isoformat(),
        "is_simulated": inspection.is_simulated,
    }


def summary(stats: Stats) -> dict[str, Json]:
    """Return the last record of a run, the summary."""
    return {
        "summary": {
            "parts": stats.parts,
            "ok": stats.ok,
            "ng": stats.ng,
            "review": stats.review,
            "not_inspected": stats.not_inspected,
            "dropped": stats.dropped,
            "seconds": _number(stats.seconds, 3),
            "takt": _takt(stats),
            "stages": {name: _times(stage.p50_ms, stage.p99_ms) for name, stage in measured(stats).items()},
        }
    }


def _takt(stats: Stats) -> dict[str, Json]:
    """Return the takt; `source` is "" and numbers are null if unknown. `inspection`: time per part of the inspection thread."""
    takt, room = stats.takt, headroom_ms(stats)
    busy = takt.busy_p50_ms, takt.busy_p99_ms
    return {
        "takt_ms": None if takt.takt_ms is None else _number(takt.takt_ms, 3),
        "source": takt.source,
        "inspection": None if busy[0] is None or busy[1] is None else _times(busy[0], busy[1]),
        "headroom_ms": None if room is None else _number(room, 3),
        "late": takt.late,
    }


def _times(p50: float, p99: float) -> dict[str, float | None]:
    return {"p50_ms": _number(p50, 3), "p99_ms": _number(p99, 3)}


@lru_cache(1000)
def bundle_name(name: str) -> str:
    """Return a bundle's display name: the last part of its folder."""
    return PurePath(name).name or name


def by_bundle(digests: Mapping[str, str]) -> dict[str, str]:
    """Return digests by the display names of their bundles."""
    return {bundle_name(name): digest for name, digest in digests.items()}


def _judgement(judgement: Judgement) -> dict[str, Json]:
    """Return a rule with its measured value; null if there is none."""
    baseline = None if judgement.baseline is None else _number(judgement.baseline)
    return {**rule_facts(judgement), "value": _number(judgement.value), "baseline": baseline}


def rule_facts(judgement: Judgement) -> dict[str, Json]:
    """Return what a judgement is about, its limit and its verdict."""
    region = judgement.region
    return {
        "rule": judgement.rule,
        "bundle": bundle_name(judgement.bundle),
        "camera": judgement.camera,
        "region": [region.x, region.y, region.width, region.height],
        "quantity": judgement.quantity,
        "unit": QUANTITIES[judgement.quantity].unit,
        "class": judgement.name,
        "when": judgement.when,
        "limit": judgement.limit,
        "verdict": judgement.verdict.value,
    }


def prediction_facts(prediction: Prediction, *, outlines: bool = False) -> dict[str, Json]:
    """Return what a bundle says of a frame. `outlines`: with the pixels of each area of a mask."""
    region, threshold = prediction.region, prediction.threshold
    common: dict[str, Json] = {
        "bundle": bundle_name(prediction.bundle),
        "task": prediction.task,
        "camera": prediction.camera,
        "engine": prediction.engine,
        "precision": prediction.precision,
        "region": [region.x, region.y, region.width, region.height],
    }
    answer = prediction.answer
    match answer:
        case Scores():
            return {**common, **_scores(answer, prediction.classes)}
        case Boxes():
            return {**common, "threshold": threshold, "boxes": _boxes(prediction, answer.at_least(threshold))}
        case Masks():
            return {**common, "threshold": threshold, **_areas(prediction, threshold, outlines=outlines)}
        case Temperatures():
            return {**common, **_temperatures(answer)}
        case _:
            assert_never(answer)


def _scores(scores: Scores, classes: Sequence[str]) -> dict[str, Json]:
    values = scores.values.tolist()
    numbers = {name: _number(value) for name, value in zip(classes, values, strict=True)}
    return {"class": classes[scores.best], "score": _number(values[scores.best]), "scores": numbers}


def _areas(prediction: Prediction, threshold: float, *, outlines: bool) -> dict[str, Json]:
    """Return the areas, the largest first. `runs`: run lengths of the area's pixels inside its box, down the columns."""
    x, y = prediction.region.x, prediction.region.y
    found = [(int(area.sum()), value, box, area) for value, box, area in components(class_map(prediction, threshold))]
    found.sort(key=lambda one: -one[0])
    listed = [
        {
            "class": prediction.classes[value - 1],
            "area_px": _number(size, 1),
            "box": [int(box[0]) + x, int(box[1]) + y, int(box[2]) + x, int(box[3]) + y],
            **({"runs": run_lengths(area)} if outlines else {}),
        }
        for size, value, box, area in found[:MOST_AREAS]
    ]
    return {"count": len(found), "area_px": _number(sum(one[0] for one in found), 1), "areas": listed}


def _boxes(prediction: Prediction, boxes: Boxes) -> list[Json]:
    return [
        {"class": prediction.classes[index], "score": _number(score), "box": [_number(value, 1) for value in xyxy]}
        for xyxy, score, index in zip(boxes.xyxy.tolist(), boxes.scores.tolist(), boxes.classes.tolist(), strict=True)
    ]


def _temperatures(temperatures: Temperatures) -> dict[str, Json]:
    return {
        "maximum_c": _celsius(temperatures.maximum),
        "mean_c": _celsius(temperatures.mean),
        "minimum_c": _celsius(temperatures.minimum),
        "source": temperatures.source,
        "hot_spots": [
            {"x": spot.x, "y": spot.y, "celsius": _celsius(spot.kelvin), "area_px": _number(spot.area_px, 1)}
            for spot in temperatures.hot_spots
        ],
    }


def _celsius(kelvin: float) -> float | None:
    return _number(kelvin - KELVIN_AT_0_C, 2)


def _number(value: float, digits: int = 4) -> float | None:
    """Return a rounded number, or null for NaN, which JSON does not have."""
    return round(value, digits) if math.isfinite(value) else None
