"""Inspections that nobody made: a month of one line, stored as the feeder stores them."""

from datetime import UTC, datetime, timedelta
from typing import Any, Final

import numpy as np

from inspector.archive.contents import RunContext, correction_content, result_content, run_content
from inspector.archive.recording.segment import JournalRecord, chained, genesis
from inspector.archive.store.database import Database
from inspector.archive.store.feeder import journal_row, store_records
from inspector.archive.store.models import result_id
from inspector.bench.archiving.kill import made_inspection
from inspector.core.text import json_line
from inspector.core.types import Verdict
from inspector.inspection.status import StationStatus

_ODD: Final = 70_001  # of so many parts one is named unlike the others, as one whose code was misread


def fill(database: Database, inspections: int, *, batch: int = 2000) -> None:
    """Make inspections of one month on one line and store them as the feeder does."""
    rng = np.random.default_rng(0)
    start = datetime.now(UTC) - timedelta(days=30)
    template = result_content(made_inspection(1, part="", size=(8, 8)), keeps="")
    before, name, sequence = genesis("bench"), "bench", 0
    done = 0
    while done < inspections:
        records = []
        for _ in range(min(batch, inspections - done)):
            if done % 5000 == 0:
                sequence += 1
                records.append(_chained(run_content(StationStatus(), _context(done)), before, sequence))
                before = records[-1].digest
            sequence += 1
            made = _varied(template, done, start, inspections, rng)
            records.append(_chained(made, before, sequence))
            before = records[-1].digest
            if done % 100 == 99:  # a person says that one was misjudged
                truth = Verdict.OK if made["verdict"] == "NG" else Verdict.NG
                said = correction_content(
                    result_id(name, sequence),
                    who="Ann",
                    verdict=truth,
                    machine=made["verdict"],
                    class_name="",
                    reason="",
                    note="",
                )
                sequence += 1
                records.append(_chained(said, before, sequence))
                before = records[-1].digest
            done += 1
        with database.write() as connection:
            store_records(connection, int(journal_row(connection, name)["id"]), records)
    with database.write() as connection:
        if database.is_sqlite:
            connection.exec_driver_sql("ANALYZE")


def _context(number: int) -> RunContext:
    lot = number // 5000
    return RunContext(station="bench", line="1", shift="ABC"[lot % 3], operator=f"operator {lot % 12}", lot=f"L{lot}")


def _varied(template: dict[str, Any], number: int, start: datetime, total: int, rng: np.random.Generator) -> dict[str, Any]:
    value = float(rng.random())
    verdict = "NG" if value > 0.97 else "REVIEW" if value > 0.95 else "OK"
    (judgement,) = template["judgements"]
    name = ("scratch", "stain", "dent", "crack")[int(rng.integers(4))]
    return {
        **template,
        "creation_time": (start + timedelta(days=30) * (number / total)).isoformat(),
        "part_id": f"P{number:07d}" if number % _ODD != _ODD // 2 else f"X{number}",
        "run_sequence": number,
        "verdict": verdict,
        "result_evaluation": {"OK": 1, "NG": 2, "REVIEW": 3}[verdict],
        "internal_recipe_id": {**template["internal_recipe_id"], "id": f"product {number // 50_000}", "hash": "ab" * 32},
        "internal_configuration_id": {"states": f"{number // 100_000:064x}"},
        "judgements": [{**judgement, "class": name, "value": value, "limit": 0.97, "verdict": verdict}],
        "reasons": template["reasons"] if verdict != "OK" else [],
        "frames": [{**template["frames"][0], "brightness": 80 + 20 * value}],
    }


def _chained(content: dict[str, Any], before: bytes, sequence: int) -> JournalRecord:
    payload = json_line(content)
    return JournalRecord(sequence, payload, chained(before, sequence, payload))
