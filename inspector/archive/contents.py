"""What the journal's records say, as JSON objects. Names are those of OPC 40100-1 (ResultDataType) where it has one."""

import math
import platform
import time
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np

from inspector import __version__
from inspector.archive.recording.segment import JournalRecord
from inspector.archive.recording.segments import JournalReader, first_of, segment_files
from inspector.cameras.ledger import RecordKey
from inspector.core.message import Message, message
from inspector.core.sentence import sentence
from inspector.core.types import CodeReading, Frame, Inspection, Judgement, Verdict
from inspector.inspection.status import StationStatus
from inspector.results.records import by_bundle, prediction_facts, rule_facts, summary

COMPLETED, ABORTED, FAILED = 1, 3, 4  # result_state
EVALUATIONS: Final[Mapping[Verdict, int]] = {Verdict.OK: 1, Verdict.NG: 2, Verdict.REVIEW: 3, Verdict.NOT_INSPECTED: 0}
_SEARCHED = 3  # newest segments that are searched for a part
_WRITTEN: Final = ("serial_number", "lot", "job_id", "material")  # what a code on the part may say
_ROWS = 16  # rows of a frame that its brightness is taken from


@dataclass(frozen=True, slots=True)
class RunContext:
    """Where and for whom a run inspects: as a person or the line said it, "" for unknown."""

    station: str = ""
    line: str = ""
    shift: str = ""
    operator: str = ""
    lot: str = ""
    order: str = ""


def run_content(status: StationStatus, context: RunContext) -> dict[str, Any]:
    """Return the record of a run's start."""
    recipe = status.recipe
    judging = status.judging
    return {
        "kind": "run",
        **_now(),
        **asdict(context),
        "station": context.station or platform.node(),
        "software": __version__,
        "mode": status.mode,
        "recipe": "" if recipe is None else recipe.name,
        "is_simulated": recipe is not None and recipe.is_simulated,
        "judging": "" if judging is None else judging.why.text,
    }


def run_end_content(status: StationStatus) -> dict[str, Any]:
    """Return the record of a run's end, with its cause if it failed."""
    failure = status.failure
    cause = {} if failure is None else {"cause": failure.problem.text}
    return {"kind": "run_ended", **_now(), **summary(status.stats), **cause}


def interrupted_run_content(count: int) -> dict[str, Any]:
    """Return the record of a run that ended without a word. `count`: parts that were under way."""
    return {"kind": "run_ended", **_now(), "interrupted": True, "parts_interrupted": count}


def document_content(digest: str, text: str) -> dict[str, Any]:
    """Return the record of a recipe or a bundle's card. `digest`: by which other records name it."""
    return {"kind": "document", **_now(), "digest": digest, "text": text}


def files_content(of: int, files: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the record of the images that were kept of the part with the record `of`."""
    return {"kind": "files", **_now(), "of": of, "files": files}


def heat_content(result: str, maps: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the record of where bundles looked in an NG part, which may come long after the record of the part."""
    return {"kind": "heat", **_now(), "result_id": result, "maps": maps}


def told_content(of: int, verdict: Verdict, reason: Message) -> dict[str, Any]:
    """Return the record of a part of which the line was told another verdict than the one of its record `of`."""
    return {"kind": "told", **_now(), "of": of, "verdict": verdict.value, "reason": sentence(reason).model_dump()}


def correction_content(
    result: str, *, who: str, verdict: Verdict, machine: str, class_name: str, reason: str, note: str
) -> dict[str, Any]:
    """Return the record of what a person said of an inspection. `machine`: the verdict that it had."""
    return {
        "kind": "correction",
        **_now(),
        "result_id": result,
        "who": who,
        "verdict": verdict.value,
        "machine_verdict": machine,
        "class": class_name,
        "reason": reason,
        "note": note,
    }


def undo_content(result: str, correction: str, *, who: str) -> dict[str, Any]:
    """Return the record that takes a correction back."""
    return {"kind": "correction", **_now(), "result_id": result, "undoes": correction, "who": who}


def event_content(what: str, *, who: str = "", **values: object) -> dict[str, Any]:
    """Return a record of the audit trail."""
    return {"kind": "event", **_now(), "what": what, "who": who, **values}


def opened_content(part: str, *, lot: str | None = None) -> dict[str, Any]:
    """Return the notice of a part that is under way. `lot` None: that of its run."""
    return {"part_id": part, **({} if lot is None else {"lot": lot}), **_now()}


def interrupted_content(run: Mapping[str, Any], notice: Mapping[str, Any]) -> dict[str, Any]:
    """Return the record of a part that was under way when the station ended without a word."""
    reason = message("The station ended while this part was being inspected (interrupted).")
    return {
        "kind": "result",
        "result_state": ABORTED,
        "is_partial": True,
        "is_simulated": bool(run.get("is_simulated")),
        "creation_time": notice.get("creation_time"),
        "monotonic": notice.get("monotonic"),
        "part_id": notice.get("part_id", ""),
        "lot": notice.get("lot", run.get("lot", "")),
        "run_sequence": notice.get("opened"),
        "internal_recipe_id": {"id": run.get("recipe", ""), "version": 0, "hash": "", "hash_algorithm": "SHA-256"},
        "result_evaluation": EVALUATIONS[Verdict.NOT_INSPECTED],
        "verdict": Verdict.NOT_INSPECTED.value,
        "reasons": [sentence(reason).model_dump()],
        "judgements": [],
        "predictions": [],
        "frames": [],
    }


def result_content(inspection: Inspection, *, keeps: str) -> dict[str, Any]:
    """Return the record of one part. `keeps`: why its images are kept ("ng", "review", "sample", "burst"), "" if not."""
    judged_by = inspection.judged_by
    return {
        "kind": "result",
        "result_state": FAILED if inspection.verdict is Verdict.NOT_INSPECTED else COMPLETED,
        "is_partial": False,
        "is_simulated": inspection.is_simulated,
        "creation_time": _local(inspection.utc),
        "monotonic": time.monotonic(),
        "part_id": inspection.part,
        **({} if inspection.lot is None else {"lot": inspection.lot}),
        "run_sequence": inspection.sequence,
        "internal_recipe_id": {
            "id": inspection.recipe,
            "version": inspection.revision,
            "hash": judged_by.recipe_digest,
            "hash_algorithm": "SHA-256",
        },
        "internal_configuration_id": by_bundle(judged_by.bundles),
        "processing_times": {"latency_ms": inspection.latency_ms, **inspection.timings_ms},
        "result_evaluation": EVALUATIONS[inspection.verdict],
        "verdict": inspection.verdict.value,
        "reasons": [sentence(reason).model_dump() for reason in inspection.reasons],
        "notes": [note.text for note in inspection.notes],
        "judgements": [_judgement(judgement) for judgement in inspection.judgements],
        "predictions": [prediction_facts(prediction, outlines=True) for prediction in inspection.predictions],
        "frames": [_frame(frame) for frame in inspection.frames.values()],
        **_identified(inspection.codes),
        "source": inspection.source,
        "software": judged_by.software,
        "keeps": keeps,
    }


def _identified(codes: Sequence[CodeReading]) -> dict[str, Any]:
    """Return what is written on the part; nothing where no camera looks for a code."""
    if not codes:
        return {}
    said = {name: next((text for code in codes if (text := getattr(code, name))), "") for name in _WRITTEN}
    read = [{"camera": code.camera, "text": code.text, "symbology": code.symbology} for code in codes]
    return {"codes": read, "identification": {name: text for name, text in said.items() if text}}


def _judgement(judgement: Judgement) -> dict[str, Any]:
    """Return a rule with its value and limit, unrounded: it is judged again later."""
    baseline = judgement.baseline
    compared = {} if baseline is None else {"baseline": baseline if math.isfinite(baseline) else None}
    value = judgement.value if math.isfinite(judgement.value) else None
    return {**rule_facts(judgement), "wrong": judgement.wrong, "value": value, **compared}


def _frame(frame: Frame) -> dict[str, Any]:
    return {
        "camera": frame.camera,
        "sequence": frame.sequence,
        "utc": frame.utc.isoformat(),
        "monotonic": frame.monotonic,
        "width": frame.width,
        "height": frame.height,
        "channels": 1 if frame.pixels.ndim == 2 else 3,
        "dtype": _name_of(frame.pixels.dtype),
        "bits": frame.bits,
        "unit": frame.unit,
        "brightness": _brightness(frame),
        "source": frame.source,
    }


@lru_cache(100)
def _name_of(dtype: np.dtype[Any]) -> str:
    return str(dtype)


def _brightness(frame: Frame) -> float | None:
    """Return the mean of some rows, in the unit of the frame; None if no pixel has a value."""
    rows = frame.pixels[:: max(1, frame.height // _ROWS)]
    if frame.unit == "kelvin":
        known = rows[np.isfinite(rows)]
        return float(known.mean()) if known.size else None
    channels = 1 if rows.ndim == 2 else 3
    return sum(cv2.mean(rows)[:channels]) / channels


def _now() -> dict[str, Any]:
    return {"creation_time": _local(datetime.now(UTC)), "monotonic": time.monotonic()}


def recorded_in(folder: Path, keys: Collection[RecordKey]) -> set[RecordKey]:
    """Return which of these parts are among the last records of a journal, which may be one that is open elsewhere."""
    wanted = {(key.sequence, datetime.fromisoformat(key.utc)): key for key in keys}
    found: set[RecordKey] = set()
    newest = segment_files(folder)[-_SEARCHED:] if folder.is_dir() else []
    with suppress(OSError):
        for item in JournalReader(folder, first_of(newest[0])).read() if newest else ():
            if isinstance(item, JournalRecord) and b"run_sequence" in item.payload:
                with suppress(ValueError, KeyError):  # of one that is not readable
                    content = item.content
                    if content["kind"] == "result" and not content["is_partial"]:
                        key = wanted.get((content["run_sequence"], datetime.fromisoformat(content["creation_time"])))
                        found |= set() if key is None else {key}
    return found


def _local(utc: datetime) -> str:
    """Return a time with the station's offset from UTC, so that both are known."""
    return utc.astimezone().isoformat()
