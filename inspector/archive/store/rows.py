"""From the journal's records to rows of tables. Pure: the same record gives the same rows."""

import json
from collections import defaultdict
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import PurePosixPath
from typing import Any

from inspector.archive.images import IMAGES
from inspector.archive.recording.segment import JournalRecord
from inspector.archive.store.models import Row, key_of, parse_result_id
from inspector.archive.store.names import identity_of, text_of
from inspector.archive.store.tally import category_of
from inspector.core.message import Message
from inspector.core.sentence import marked


class RowBatch:
    """Rows to insert and to update, of records of one journal, in order.

    `run`: the run that the records belong to, by its row; it is read from the database for the first batch. `find` returns
    the key of a journal by its name.
    """

    def __init__(self, journal: int, run: Mapping[str, Any] | None, find: Callable[[str], int]) -> None:
        self.journal = journal
        self.run = run
        self._find = find
        self.inserts: dict[str, list[Row]] = defaultdict(list)
        self.updates: dict[str, list[Row]] = defaultdict(list)
        self._makers: Mapping[str, Callable[[int, Mapping[str, Any]], None]] = {
            "run": self._run,
            "run_ended": self._run_ended,
            "result": self._result,
            "told": self._told,
            "files": self._files,
            "document": self._document,
            "correction": self._correction,
            "event": self._event,
            "heat": self._heat,
        }

    def add(self, record: JournalRecord) -> None:
        """Take one record. One that cannot be understood is kept in the ledger as it is."""
        key = key_of(self.journal, record.sequence)
        try:
            content = record.content
            kind = str(content["kind"])
            if (make := self._makers.get(kind)) is not None:
                make(key, content)
        except (ValueError, KeyError, TypeError, AttributeError):
            kind = "unreadable"
        row = {"id": key, "kind": kind[:16], "payload": record.payload, "digest": record.digest, "seal": record.seal or None}
        self.inserts["record"].append(row)

    def _run(self, key: int, content: Mapping[str, Any]) -> None:
        self.run = {
            "id": key,
            "creation_time": microseconds(content["creation_time"])[0],
            "ended": None,
            "interrupted": False,
            **{name: identity_of(content.get(name)) for name in ("station", "line", "shift", "operator", "lot")},
            "job_id": identity_of(content.get("order")),
        }
        self.inserts["run"].append(dict(self.run))
        self.updates["station"].append({"key": self.journal, "station": self.run["station"]})

    def _run_ended(self, key: int, content: Mapping[str, Any]) -> None:
        del key
        if self.run is not None:
            ended = microseconds(content["creation_time"])[0]
            how = {"interrupted": bool(content.get("interrupted")), "cause": text_of(content.get("cause"))}
            self.updates["run"].append({"key": self.run["id"], "ended": ended, **how})
            self.run = None

    def _result(self, key: int, content: Mapping[str, Any]) -> None:
        judgements = [_judgement_row(key, number, judgement) for number, judgement in enumerate(content["judgements"])]
        row = result_row(key, content, self.run or {})
        self.inserts["result"].append({**row, "category_id": category_of(row)})
        self.inserts["judgement"] += judgements

    def _told(self, key: int, content: Mapping[str, Any]) -> None:
        del key
        self.updates["told"].append({"key": key_of(self.journal, content["of"]), "told": content["verdict"]})

    def _files(self, key: int, content: Mapping[str, Any]) -> None:
        del key
        of = key_of(self.journal, content["of"])
        when = microseconds(content["creation_time"])[0]
        images = []
        for file in content["files"]:
            _check_path(file["path"])
            row = {name: file[name] for name in ("camera", "path", "sha256", "bytes", "keeps", "codec")}
            images.append({"result_id": of, **row, "creation_time": when, "deleted": None})
        self.inserts["image"] += images
        self.updates["images"].append({"key": of, "images": len(images)})

    def _heat(self, key: int, content: Mapping[str, Any]) -> None:
        self.inserts["heat"].append({"id": key, "result_id": self._key(content["result_id"])})

    def _document(self, key: int, content: Mapping[str, Any]) -> None:
        del key
        self.inserts["document"].append({"digest": content["digest"], "text": content["text"]})

    def _correction(self, key: int, content: Mapping[str, Any]) -> None:
        result = self._key(content["result_id"])
        if (undoes := content.get("undoes")) is not None:
            self.updates["undone"].append({"key": self._key(undoes), "undone": key, "result_id": result})
            return
        self.inserts["correction"].append(
            {
                "id": key,
                "result_id": result,
                "creation_time": microseconds(content["creation_time"])[0],
                "who": text_of(content["who"]),
                "verdict": content["verdict"],
                "class_name": text_of(content.get("class")),
                "reason": text_of(content.get("reason")),
                "note": str(content.get("note", "")),
                "undone": None,
            }
        )
        self.updates["human"].append({"result_id": result})

    def _key(self, name: str) -> int:
        """Return the key of a record by its name, which is the same in every database."""
        journal, sequence = parse_result_id(name)
        return key_of(self._find(journal), sequence)

    def _event(self, key: int, content: Mapping[str, Any]) -> None:
        known = ("kind", "creation_time", "monotonic", "what", "who")
        detail = {name: value for name, value in content.items() if name not in known}
        row = {
            "id": key,
            "creation_time": microseconds(content["creation_time"])[0],
            "what": str(content["what"])[:32],
            "who": text_of(content["who"]),
            "detail": json.dumps(detail, ensure_ascii=False),
        }
        self.inserts["event"].append(row)
        match content["what"]:
            case "hold":
                self.updates["hold"].append(
                    {"lot": identity_of(content["lot"]), **{name: text_of(content[name]) for name in ("who", "reason")}}
                    | {"creation_time": row["creation_time"]}
                )
            case "hold_released":
                self.updates["released"].append({"lot": identity_of(content["lot"])})
            case "images_deleted":
                keys = [self._key(name) for name in content["results"]]
                self.updates["deleted"] += [{"key": name, "deleted": row["creation_time"]} for name in keys]
            case _:
                pass


def _check_path(path: str) -> None:
    """Raise ValueError for a path that leaves the folder of images: files are read, and deleted, by it."""
    parts = PurePosixPath(path).parts
    if parts[:1] != (IMAGES,) or ".." in parts or "\\" in path or ":" in path:
        raise ValueError(f"{path!r} is not an image of this archive")


def _judgement_row(key: int, number: int, judgement: Mapping[str, Any]) -> Row:
    return {
        "result_id": key,
        "number": number,
        "rule": judgement["rule"],
        "bundle": text_of(judgement["bundle"]),
        "camera": text_of(judgement["camera"]),
        "quantity": judgement["quantity"],
        "class_name": text_of(judgement["class"]),
        "wrong": judgement.get("wrong", True),
        "value": judgement["value"],
        "compared": compared_value(judgement),
        "above": judgement["when"] == "above",
        "limit": judgement["limit"],
        "verdict": judgement["verdict"],
    }


def result_row(key: int, content: Mapping[str, Any], run: Mapping[str, Any]) -> Row:
    """Return the row of an inspection. `run`: the row of its run, or {}."""
    recipe, reasons = content["internal_recipe_id"], content["reasons"]
    when, offset = microseconds(content["creation_time"])
    judgements, frames = content["judgements"], content["frames"]
    decided = next((item for item in judgements if item["verdict"] == content["verdict"] != "OK"), None)
    nearest = _nearest(judgements)
    identified = content.get("identification", {})
    brightness = next((frame["brightness"] for frame in frames if frame.get("brightness") is not None), None)
    return {
        "id": key,
        "run_id": run.get("id"),
        "result_state": content["result_state"],
        "is_partial": content["is_partial"],
        "is_simulated": content["is_simulated"],
        "creation_time": when,
        "utc_offset": offset,
        "monotonic": content.get("monotonic"),
        "part_id": identity_of(content["part_id"]),
        **{name: identity_of(identified.get(name)) for name in ("serial_number", "material")},
        "product_id": text_of(recipe["id"]),
        "recipe_version": recipe["version"],
        "internal_recipe_id": recipe["hash"],
        "internal_configuration_id": " ".join(sorted(content.get("internal_configuration_id", {}).values())),
        **{name: run.get(name, "") for name in ("station", "line", "shift", "operator")},
        "job_id": identity_of(identified.get("job_id")) or run.get("job_id", ""),
        "lot": identity_of(identified.get("lot")) or identity_of(content.get("lot", run.get("lot", ""))),
        "result_evaluation": content["result_evaluation"],
        "verdict": content["verdict"],
        "told": None,
        "human_verdict": None,
        "rule": "" if decided is None else identity_of(f"{decided['quantity']} {decided['class']}"),
        "class_name": "" if decided is None else identity_of(decided["class"]),
        "reason": text_of(_sentence(reasons[0])) if reasons else "",
        "margin": None if nearest is None else nearest[0],
        "score": None if nearest is None else nearest[1],
        "brightness": brightness,
        "latency_ms": content.get("processing_times", {}).get("latency_ms"),
        "images": 0,
    }


def _nearest(judgements: list[Mapping[str, Any]]) -> tuple[float, float] | None:
    """Return the smallest distance of a value from its limit, as a share of the larger of both, and that value.

    None if there is none: a count of zero with the limit zero is near nothing.
    """
    found = []
    for item in judgements:
        value, limit = compared_value(item), item["limit"]
        if value is not None and (scale := max(abs(value), abs(limit))):
            found.append((abs(limit - value) / scale, value))
    return min(found, default=None)


def compared_value(judgement: Mapping[str, Any]) -> float | None:
    """Return what the limit of a judgement holds for: its value, or the difference to the last good parts."""
    value, baseline = judgement["value"], judgement.get("baseline", 0.0)
    return None if value is None or baseline is None else value - baseline


def microseconds(text: str) -> tuple[int, int]:
    """Return an ISO time as microseconds since 1970 in UTC, and its offset in minutes. Raises ValueError."""
    when = datetime.fromisoformat(text)
    offset = when.utcoffset()
    if offset is None:
        raise ValueError(f"{text} has no offset from UTC")
    return round(when.timestamp() * 1e6), round(offset.total_seconds() / 60)


def _sentence(data: Mapping[str, Any]) -> str:
    return Message(data["template"], marked(data.get("values", {}), data.get("classes", ()))).text
