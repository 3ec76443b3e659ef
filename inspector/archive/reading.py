"""A recorded part as an Inspection again, with its images at native depth, so that it is looked at like one of today."""

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import numpy as np
from pydantic import ValidationError

from inspector.archive.archive import Archive
from inspector.archive.images import read_kept
from inspector.archive.recording.heat import heat_of
from inspector.archive.store.query import documents, result_of
from inspector.core.errors import StorageError
from inspector.core.message import Message, message
from inspector.core.sentence import marked
from inspector.core.types import (
    KELVIN_AT_0_C,
    Boxes,
    Frame,
    HotSpot,
    Inspection,
    Judgement,
    Masks,
    Prediction,
    Region,
    Scores,
    Temperatures,
    Verdict,
)
from inspector.data.outlines import Outline
from inspector.recipes.recipe import Recipe
from inspector.results.heat import PartHeat
from inspector.results.records import bundle_name

_NOT_KEPT: Final = message("No picture of this part was kept: the recipe keeps NG and REVIEW parts, and one OK part in some.")
_DELETED: Final = message("The picture of this part was deleted when its time was over.")
_DAMAGED: Final = message("The record of this part cannot be read; what the table of results says is shown.")

_NO_HEAT: Final = message("The heat maps of this part cannot be read.")


@dataclass(frozen=True, slots=True, eq=False)
class ReadPart:
    """A recorded part.

    `found`: its row, record, images and corrections (`result_of`). `recipe`: that judged it, None if the archive has no text
    of it. `classes`: of its bundles, `good` those that are OK. `problems`: what of it cannot be shown. `heat`: where its
    bundles looked, if that was kept.
    """

    found: Mapping[str, Any]
    inspection: Inspection
    recipe: Recipe | None
    classes: tuple[str, ...]
    good: frozenset[str]
    problems: tuple[Message, ...]
    heat: tuple[PartHeat, ...] = ()


def read_part(archive: Archive, key: int) -> ReadPart:
    """Read all of one part. Raises ConfigError if there is none and StorageError for the database."""
    found = result_of(archive.database, key)
    record = found["record"]
    problems: list[Message] = []
    frames = _frames(archive, found, problems)
    digest = found["internal_recipe_id"]
    fingerprints = _strings(record.get("internal_configuration_id", {}))
    texts = documents(archive.database, {digest, *fingerprints})
    recipe = _recipe(texts.get(digest, ""))
    classes, good = _classes(texts[name] for name in fingerprints if name in texts)
    try:
        predictions = tuple(_prediction(one, recipe) for one in record.get("predictions", ()))
        judgements = tuple(_judgement(one, recipe) for one in record.get("judgements", ()))
        reasons = tuple(
            Message(one["template"], marked(one.get("values", {}), one.get("classes", ()))) for one in record.get("reasons", ())
        )
    except (KeyError, ValueError, TypeError, IndexError, AttributeError):
        predictions, judgements, reasons = (), (), ()
        problems.append(_DAMAGED)
    heat = _heat(found, problems)
    inspection = Inspection(
        part=found["part_id"],
        sequence=int(record.get("run_sequence") or 0),
        verdict=Verdict(found["verdict"]),
        reasons=reasons,
        frames=frames,
        predictions=predictions,
        recipe=found["product_id"],
        revision=found["recipe_version"],
        latency_ms=found["latency_ms"] or 0.0,
        utc=_utc(found["creation_time"]),
        source=str(record.get("source", "")),
        judgements=judgements,
    )
    named = [name for one in predictions for name in one.classes] + [
        one.name for one in judgements if one.name not in ("-", "")
    ]
    return ReadPart(found, inspection, recipe, tuple(dict.fromkeys([*classes, *named])), good, tuple(problems), heat)


def frame_of(
    pixels: np.ndarray[Any, Any], camera: str, *, facts: Mapping[str, Any] | None = None, is_simulated: bool = False
) -> Frame:
    """Return an image of the archive as a frame. `facts`: what its record says of it."""
    facts = facts or {}
    unit = facts.get("unit") or ("kelvin" if pixels.dtype == np.float32 else "intensity")
    utc = datetime.now(UTC) if "utc" not in facts else datetime.fromisoformat(str(facts["utc"]))
    return Frame(
        pixels,
        camera,
        int(facts.get("sequence", 0)),
        float(facts.get("monotonic") or 0.0),
        utc,
        unit=unit,  # type: ignore[arg-type]  # one of the two
        bits=facts.get("bits"),
        source=str(facts.get("source", "")),
        is_simulated=is_simulated,
    )


def _frames(archive: Archive, found: Mapping[str, Any], problems: list[Message]) -> dict[str, Frame]:
    known = {str(one.get("camera")): one for one in found["record"].get("frames", ())}
    frames: dict[str, Frame] = {}
    for file in found["image_files"]:
        camera = str(file["camera"])
        if file["deleted"] is not None:
            problems.append(_DELETED)
            continue
        try:
            pixels = read_kept(archive.folder, file)
            frames[camera] = frame_of(pixels, camera, facts=known.get(camera), is_simulated=bool(found["is_simulated"]))
        except StorageError as error:
            problems.append(error.problem)
        except ValueError as error:
            problems.append(message("The image of camera {camera} cannot be shown ({detail}).", camera=camera, detail=error))
    if not found["image_files"]:
        problems.append(_NOT_KEPT)
    return frames


def _heat(found: Mapping[str, Any], problems: list[Message]) -> tuple[PartHeat, ...]:
    """Return the heat maps of the newest record that has some."""
    try:
        maps = [heat_of(one) for content in found["heat"][-1:] for one in content["maps"]]
        seen = {one["camera"]: one for one in found["record"].get("frames", ())}
        return tuple(one for one in maps if one.heat.region.fits(seen[one.camera]["width"], seen[one.camera]["height"]))
    except (ValueError, KeyError, TypeError, IndexError):
        problems.append(_NO_HEAT)
        return ()


def _recipe(text: str) -> Recipe | None:
    try:
        return Recipe.model_validate_json(text) if text else None
    except ValidationError:  # of an older or newer version of the program
        return None


def _classes(cards: Iterable[str]) -> tuple[list[str], frozenset[str]]:
    """Return the classes of bundles by their cards, and those of them that are OK."""
    classes: list[str] = []
    good: set[str] = set()
    for text in cards:
        try:
            card = json.loads(text)
            classes += [str(name) for name in card["classes"]]
            good |= {str(name) for name in card.get("ok_classes", ())}
        except (ValueError, KeyError, TypeError):
            continue  # a card of another version
    return classes, frozenset(good)


def _strings(named: object) -> list[str]:
    return [str(value) for value in named.values()] if isinstance(named, Mapping) else []


def _bundle(shown: str, camera: str, recipe: Recipe | None) -> str:
    """Return the name that a bundle has in the recipe; records have only its last part."""
    steps = recipe.inspect if recipe is not None else ()
    return next((step.bundle for step in steps if bundle_name(step.bundle) == shown and step.camera == camera), shown)


def _prediction(facts: Mapping[str, Any], recipe: Recipe | None) -> Prediction:
    classes, answer = _answer(facts)
    return Prediction(
        bundle=_bundle(facts["bundle"], facts["camera"], recipe),
        task=facts["task"],
        camera=facts["camera"],
        classes=classes,
        region=Region(*facts["region"]),
        answer=answer,
        engine=facts.get("engine", ""),
        precision=facts.get("precision", ""),
        threshold=facts.get("threshold", 0.5),
    )


def _answer(facts: Mapping[str, Any]) -> tuple[tuple[str, ...], Scores | Boxes | Masks | Temperatures]:
    """Return classes and answer. Areas of a mask become their boxes where an older record has no more of them."""
    if "scores" in facts:
        scores = {str(name): value for name, value in facts["scores"].items()}
        values = np.array([math.nan if value is None else value for value in scores.values()], np.float32)
        return tuple(scores), Scores(values)
    if "maximum_c" in facts:
        spots = tuple(
            HotSpot(spot["x"], spot["y"], _kelvin(spot["celsius"]), spot["area_px"] or 0.0) for spot in facts["hot_spots"]
        )
        maximum, mean, minimum = (_kelvin(facts[f"{name}_c"]) for name in ("maximum", "mean", "minimum"))
        return (), Temperatures(maximum, mean, minimum, facts["source"], spots)
    found: Sequence[Mapping[str, Any]] = facts["boxes"] if "boxes" in facts else facts["areas"]
    names = tuple(dict.fromkeys(str(one["class"]) for one in found))
    if "areas" in facts and names and all("runs" in one for one in found):
        return names, _masks(facts["region"], names, found)
    corners = np.array([one["box"] for one in found], np.float32).reshape(-1, 4)
    certainty = np.array([one.get("score", 1.0) for one in found], np.float32)
    return names, Boxes(corners, certainty, np.array([names.index(str(one["class"])) for one in found], np.int64))


def _masks(region: Sequence[int], names: Sequence[str], found: Sequence[Mapping[str, Any]]) -> Masks:
    """Draw the areas of a mask, in the pixels of the region."""
    x, y, width, height = region
    planes = np.zeros((len(names), height, width), np.uint8)
    for one in found:
        left, top, right, bottom = one["box"]
        inside = planes[names.index(str(one["class"])), top - y : bottom - y, left - x : right - x]
        inside[Outline((), tuple(one["runs"]), (bottom - top, right - left)).pixels()] = 255
    return Masks(planes)


def _judgement(facts: Mapping[str, Any], recipe: Recipe | None) -> Judgement:
    value, baseline = facts["value"], facts.get("baseline")
    return Judgement(
        rule=facts["rule"],
        bundle=_bundle(facts["bundle"], facts["camera"], recipe),
        camera=facts["camera"],
        region=Region(*facts["region"]),
        quantity=facts["quantity"],
        name=facts["class"],
        value=math.nan if value is None else value,
        when=facts["when"],
        limit=facts["limit"],
        verdict=Verdict(facts["verdict"]),
        baseline=baseline if "baseline" not in facts or baseline is not None else math.nan,
        wrong=facts.get("wrong", True),
    )


def _kelvin(celsius: float | None) -> float:
    return math.nan if celsius is None else celsius + KELVIN_AT_0_C


def _utc(microseconds: int) -> datetime:
    return datetime.fromtimestamp(0, UTC) + timedelta(microseconds=microseconds)
