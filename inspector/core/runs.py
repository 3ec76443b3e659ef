"""A training run on disk: one folder that says what was asked, how it goes, and what came of it.

run.json         what was asked and who does it (`RunRecord`)
messages.jsonl   every message of the worker, as it was sent (`protocol.Packet`), `done` or `failed` last
control.jsonl    commands for a run whose parent has gone (`cancel`, `pause`, `resume`, `stop`), appended by a window
split.json       the sample names of each part
curves.csv       one row an epoch; events.out.tfevents.* the same for TensorBoard
last.ckpt        the state after the last whole epoch, to go on from
samples/         predictions on validation images, as JPEG
report.json      `core.report.TrainReport`; report.html the same for people, with images in report/
bundle/          the bundle, unless the settings put it elsewhere
"""

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import psutil
from pydantic import BaseModel, ConfigDict, ValidationError

from inspector.core.config import describe_validation
from inspector.core.errors import ConfigError

RUN = "run.json"
MESSAGES = "messages.jsonl"
CONTROL = "control.jsonl"
CURVES = "curves.csv"
CHECKPOINT = "last.ckpt"
SAMPLES = "samples"
REPORT = "report.json"
REPORT_HTML = "report.html"
REPORT_IMAGES = "report"
BUNDLE = "bundle"


class RunRecord(BaseModel):
    """What was asked (`TrainSettings` as JSON) and the process that does it, by pid and its time of start (POSIX seconds)."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    v: int = 1
    name: str
    settings: dict[str, Any]
    created: datetime
    software: str
    pid: int = 0
    pid_started: float = 0.0

    def alive(self) -> bool:
        """Whether that process still runs; another one that got its number does not count."""
        try:
            return self.pid > 0 and abs(psutil.Process(self.pid).create_time() - self.pid_started) < 2.0
        except psutil.Error:
            return False


def read_run(folder: Path) -> RunRecord:
    """The record of a run. Raises ConfigError."""
    path = folder / RUN
    try:
        return RunRecord.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        raise ConfigError("{folder} is not a training run.", remedy="Choose a folder with a run.json.", folder=folder) from None
    except ValidationError as error:
        raise ConfigError(
            "{file} is not the record of a training run ({detail}).", file=path, detail=describe_validation(error)
        ) from error
    except (OSError, ValueError) as error:
        raise ConfigError("{file} cannot be read ({detail}).", file=path, detail=error) from error


def write_run(folder: Path, record: RunRecord) -> None:
    """Write the record whole. Raises OSError."""
    temporary = folder / f".{RUN}.part"
    temporary.write_text(json.dumps(record.model_dump(mode="json"), ensure_ascii=False, indent=1), "utf-8")
    temporary.replace(folder / RUN)
