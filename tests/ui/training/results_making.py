"""Folders of finished runs, made through the report's own model."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from inspector.core.sentence import Sentence
from inspector.core.storage.paths import models
from inspector.runs.folder import MESSAGES, REPORT, REPORT_HTML, append_packet, create_run
from inspector.runs.report import Calibration, ClassRow, Confusion, Curve, Interval, Threshold, TrainReport, Worst
from inspector.runs.settings import train_settings
from inspector.training.state import RunInfo, run_info
from inspector.workers.messages import Done

LABELS = ("good", "dent", "scratch")


def interval(value: float, half: float = 0.05) -> Interval:
    return Interval(value=value, low=max(0.0, value - half), high=min(1.0, value + half))


def report_of(name: str, accuracy: float, **changes: Any) -> TrainReport:
    """A classification of three classes, of which two are mistaken for each other."""
    recall = tuple(np.linspace(0, 1, 20).tolist())
    values: dict[str, Any] = {
        "task": "classification",
        "network": "simple_cnn",
        "name": name,
        "created": datetime(2026, 1, 2, tzinfo=UTC),
        "seconds": 300.0,
        "epochs": 12,
        "best_epoch": 9,
        "counts": {"train": 70, "val": 15, "test": 30},
        "primary": "accuracy",
        "metrics": {"accuracy": interval(accuracy), "macro_f1": interval(accuracy - 0.02)},
        "classes": tuple(
            ClassRow(name=label, support=10 * (at + 1), numbers={"recall": interval(0.9 - 0.1 * at), "f1": interval(0.8)})
            for at, label in enumerate(LABELS)
        ),
        "confusion": Confusion(labels=LABELS, counts=((9, 1, 0), (0, 8, 2), (0, 3, 7))),
        "curves": tuple(
            Curve(name=label, recall=recall, precision=tuple(1 - 0.1 * r for r in recall), scores=recall, area=0.95)
            for label in LABELS
        ),
        "worst": (
            Worst(sample="dent/1.png", truth="dent", said="scratch", score=0.9, image="report/1.jpg", heat="report/1-heat.jpg"),
            Worst(sample="good/2.png", truth="good", said="dent", score=0.8, image="report/2.jpg"),
            Worst(sample="x", truth="scratch", said="dent", score=0.7, image="../secret.jpg"),
        ),
        "calibration": Calibration(temperature=1.3, before=0.06, after=0.02, bins=((0.6, 0.55, 10), (0.95, 0.9, 20))),
        "threshold": Threshold(score=0.62, false_reject=interval(0.02), good=10, bad=20, how="false_reject"),
        "summary": (
            Sentence(
                template="The weakest class is {name}: {kind} {value}, with {count} tested.",
                values={"name": "scratch", "kind": "F1", "value": "0.80", "count": 30},
            ),
        ),
        "images": 30,
        "groups": 30,
        "data": "line",
        "fingerprint": "f1",
        **changes,
    }
    return TrainReport(**values)


def finished_run(
    folder: Path,
    name: str,
    *,
    accuracy: float = 0.86,
    told: dict[str, Any] | None = None,
    bundle: Path | None = None,
    **report: Any,
) -> RunInfo:
    """A run that is done. `told`: its settings; `bundle`: by default one of the shipped ones."""
    run = folder / name
    settings = train_settings(
        {"task": "classification", "data": folder / "line", "out": run / "bundle", "run": run, "name": name, **(told or {})}
    )
    create_run(settings)
    (run / "report").mkdir()
    picture = np.full((40, 60, 3), 128, np.uint8)
    for file in ("1.jpg", "1-heat.jpg", "2.jpg"):
        assert cv2.imwrite(str(run / "report" / file), picture)
    assert cv2.imwrite(str(folder / "secret.jpg"), picture)
    made = report_of(name, accuracy, settings=settings.model_dump(mode="json"), **report)
    (run / REPORT).write_text(made.model_dump_json(), "utf-8")
    (run / REPORT_HTML).write_text("<html></html>", "utf-8")
    (run / "split.json").write_text(json.dumps({"train": ["a"], "val": ["b"], "test": ["c"]}), "utf-8")
    append_packet(run / MESSAGES, Done(status="ok", bundle=str(bundle or models() / "window-state")))
    return run_info(run)
