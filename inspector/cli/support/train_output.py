"""Output of `inspector train` for one training: a progress bar and a line an epoch on stderr, or JSON lines on stdout."""

from collections.abc import Mapping
from pathlib import Path

from rich.progress import Progress, TaskID

from inspector.bundles.bundle import read_card
from inspector.cli.support.lines import ResultLines
from inspector.core.text import one_line
from inspector.core.types import Json
from inspector.runs.folder import REPORT, run_path
from inspector.runs.report import read_report
from inspector.runs.settings import TrainSettings
from inspector.workers import messages
from inspector.workers.jobs import Trained
from inspector.workers.messages import WorkerMessage
from inspector.workers.outcome import suspended
from inspector.workers.process import End, Outcome

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
        self._lines = ResultLines()
        self._name = ""
        self._task = TaskID(0)
        self._best = ""
        self._report = Path()

    def begin(self, settings: TrainSettings) -> None:
        """Show that the training starts."""
        self._name = settings.bundle_name
        self._report = run_path(settings) / REPORT
        self._task = self._bar.add_task(self._name, total=None, text="starting")

    def hear(self, message: WorkerMessage) -> None:
        """Handle one message of the worker."""
        match message:
            case messages.Log():
                self._say(message.text)
            case messages.Progress():
                self._progress(message)
            case messages.EpochDone():
                self._metric(message)
            case messages.Paused() | messages.Resumed():
                self._bar.update(self._task, text=message.type)
                self._say(message.type)
            case messages.Suspended():
                self._bar.update(self._task, text=message.type)
                self._say(suspended(message.pid).text)
            case messages.Continued():
                self._bar.update(self._task, text=message.type)
                self._say(message.type)
        if self._as_json and isinstance(message, messages.Progress | messages.EpochDone | messages.Log):
            self._print({"name": self._name, message.type: message.fields()})

    def end(self, outcome: Outcome) -> None:
        """Show how the training ended, with the bundle and its test metrics if there are any."""
        if outcome.end is not End.SUCCEEDED:
            self._bar.update(self._task, text=outcome.end.value)
            return
        folder = outcome.read(Trained).bundle
        card = read_card(folder)
        report = read_report(self._report)
        self._bar.update(self._task, total=1, completed=1, text="done, with a warning" if report.warnings else "done")
        if self._as_json:
            told: dict[str, Json] = {"name": self._name, "bundle": str(folder), "metrics": dict(card.metrics)}
            for name in ("cross_validation", "learning"):
                if getattr(report, name) is not None:
                    told[name] = getattr(report, name).model_dump(mode="json")
            if report.warnings:
                told["warnings"] = [line.text for line in report.warnings]
            self._print(told)
        else:
            self._lines.text(one_line(f"{folder}: on {card.dataset['test']} unseen test images: {summary(card.metrics)}"))
            for line in (*report.warnings, *report.trials):
                self._lines.text(one_line(f"{folder}: {line.text}"))

    def _progress(self, now: messages.Progress) -> None:
        share = (now.epoch - 1 + now.step / max(now.steps, 1)) / max(now.epochs, 1)
        trial = {"folds": ("fold", now.fold, now.folds), "curve": ("learning curve", now.run, now.runs)}.get(now.phase)
        if now.phase == "train":
            done = (now.epoch - 1) * now.steps + now.step
            text = f"epoch {now.epoch}/{now.epochs}  loss {_number(now.loss)}{self._best}  {_left(now)}"
            self._bar.update(self._task, total=now.epochs * now.steps, completed=done, text=text)
        elif trial is not None:
            what, number, count = trial
            text = f"{what} {number}/{count}, epoch {now.epoch}/{now.epochs}  {_left(now)}"
            self._bar.update(self._task, total=count, completed=number - 1 + share, text=text)
        else:
            self._bar.update(self._task, text=_PHASES.get(now.phase, now.phase))

    def _metric(self, done: messages.EpochDone) -> None:
        if done.best:
            self._best = f"  best {done.name} {_number(done.value)}"
        checked = f", validation {_number(done.val_loss)}, {summary(done.val)}" if done.val else ""
        self._say(
            f"epoch {done.epoch}/{done.epochs}: loss {_number(done.loss)}{checked}, "
            f"{done.seconds or 0:.0f} s{' (best)' if done.best else ''}"
        )

    def _say(self, text: str) -> None:
        self._bar.console.print(one_line(f"{self._name}: {text}"), soft_wrap=True)

    def _print(self, value: Mapping[str, Json]) -> None:
        self._lines.json(value)


def summary(metrics: Mapping[str, float | None]) -> str:
    """Return the metrics over all classes as one phrase."""
    return ", ".join(f"{name} {_number(value)}" for name, value in metrics.items() if "/" not in name and "minus" not in name)


def _number(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, int | float) else "-"


def _left(now: messages.Progress) -> str:
    minutes, seconds = divmod(int(now.eta_s or 0), 60)
    return f"{minutes}:{seconds:02d} left"
