"""What `inspector train` shows of one training: a progress bar and a line an epoch on stderr, or JSON lines on stdout."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click
from rich.progress import Progress, TaskID

from inspector.core.bundle import read_card
from inspector.core.process import End, Outcome
from inspector.core.protocol import Packet
from inspector.core.report import read_report
from inspector.core.runs import REPORT, run_path
from inspector.core.training import TrainSettings

# The trainings before the final one: what they are called, and the fields with their number and how many there are.
_TRIALS: Mapping[str, tuple[str, str, str]] = {
    "folds": ("fold", "fold", "folds"),
    "curve": ("learning curve", "run", "runs"),
}
_PHASES: Mapping[str, str] = {
    "prepare": "reading images",
    "test": "measuring",
    "export": "writing the bundle",
    "report": "writing the report",
}


class TrainOutput:
    """Listens to one training job."""

    def __init__(self, bar: Progress, *, as_json: bool) -> None:
        self._bar, self._as_json = bar, as_json
        self._name = ""
        self._task = TaskID(0)
        self._best = ""
        self._report = Path()

    def begin(self, settings: TrainSettings) -> None:
        """Show that it starts."""
        self._name = settings.bundle_name
        self._report = run_path(settings) / REPORT
        self._task = self._bar.add_task(self._name, total=None, text="starting")

    def hear(self, packet: Packet) -> None:
        """One message of the worker."""
        fields = packet.fields
        if packet.type == "log":
            self._say(str(fields.get("text", "")))
        elif packet.type == "progress":
            self._progress(fields)
        elif packet.type == "metric":
            self._metric(fields)
        elif packet.type in ("paused", "resumed"):
            self._bar.update(self._task, text=packet.type)
            self._say(packet.type)
        if self._as_json and packet.type in ("progress", "metric", "log"):
            self._print({"name": self._name, packet.type: fields})

    def end(self, outcome: Outcome) -> None:
        """Show how it ended, with the bundle and its test metrics if there is one."""
        if outcome.end is not End.SUCCEEDED:
            self._bar.update(self._task, text=outcome.end.value)
            return
        folder = Path(outcome.result["bundle"])
        card = read_card(folder)
        report = read_report(self._report)
        self._bar.update(self._task, total=1, completed=1, text="done, with a warning" if report.warnings else "done")
        if self._as_json:
            told: dict[str, Any] = {"name": self._name, "bundle": str(folder), "metrics": dict(card.metrics)}
            for name in ("cross_validation", "learning"):
                if getattr(report, name) is not None:
                    told[name] = getattr(report, name).model_dump(mode="json")
            if report.warnings:
                told["warnings"] = [line.text for line in report.warnings]
            self._print(told)
        else:
            click.echo(f"{folder}: on {card.dataset['test']} unseen test images: {summary(card.metrics)}")
            for line in (*report.warnings, *report.trials):
                click.echo(f"{folder}: {line.text}")

    def _progress(self, fields: Mapping[str, Any]) -> None:
        phase = str(fields.get("phase"))
        if phase == "train":
            done = (fields["epoch"] - 1) * fields["steps"] + fields["step"]
            text = f"epoch {fields['epoch']}/{fields['epochs']}  loss {_number(fields['loss'])}{self._best}  {_left(fields)}"
            self._bar.update(self._task, total=fields["epochs"] * fields["steps"], completed=done, text=text)
        elif phase in _TRIALS:
            what, at, of = _TRIALS[phase]
            number, count = fields[at], fields[of]
            share = (fields["epoch"] - 1 + fields["step"] / fields["steps"]) / fields["epochs"]
            text = f"{what} {number}/{count}, epoch {fields['epoch']}/{fields['epochs']}  {_left(fields)}"
            self._bar.update(self._task, total=count, completed=number - 1 + share, text=text)
        else:
            self._bar.update(self._task, text=_PHASES.get(phase, phase))

    def _metric(self, fields: Mapping[str, Any]) -> None:
        if fields["best"]:
            self._best = f"  best {fields['name']} {_number(fields['value'])}"
        self._say(
            f"epoch {fields['epoch']}/{fields['epochs']}: loss {_number(fields['loss'])}, validation "
            f"{_number(fields['val_loss'])}, {summary(fields['val'])}, "
            f"{fields['seconds']:.0f} s{' (best)' if fields['best'] else ''}"
        )

    def _say(self, text: str) -> None:
        self._bar.console.print(f"{self._name}: {text}", markup=False, highlight=False, soft_wrap=True)

    def _print(self, value: Mapping[str, Any]) -> None:
        click.echo(json.dumps(value, ensure_ascii=False, allow_nan=False))


def summary(metrics: Mapping[str, float]) -> str:
    """The numbers over all classes, in one phrase."""
    return ", ".join(f"{name} {_number(value)}" for name, value in metrics.items() if "/" not in name and "minus" not in name)


def _number(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, int | float) else "-"


def _left(fields: Mapping[str, Any]) -> str:
    minutes, seconds = divmod(int(fields.get("eta_s") or 0), 60)
    return f"{minutes}:{seconds:02d} left"
