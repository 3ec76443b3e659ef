"""Exports the missing variants that a tuning could measure, each bundle in a separate worker process, through the gate.

Code that makes variants is large; in its own process it neither slows nor ends the measuring.
"""

import importlib.util
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from inspector.bundles.bundle import Bundle
from inspector.bundles.status import standing, worth_making
from inspector.core.errors import InspectorError
from inspector.core.installed import training_pack
from inspector.core.message import Message, message
from inspector.core.registry import ENGINES
from inspector.core.sentence import Sentence, sentence
from inspector.core.types import Precision
from inspector.tasks.parity import KELVIN, limits_for
from inspector.tuning.plan import Use
from inspector.workers.jobs import VariantsJob, VariantsTried
from inspector.workers.messages import Progress, Report, Suspended, WorkerMessage
from inspector.workers.process import End, WorkerProcess

Kind = tuple[str, Precision]
_POLL_S: Final = 0.2
_GRACE_S: Final = 2.0  # the tuning itself has five seconds to end
_STEPS: Final = 100  # of the progress, for each variant
_WRITTEN: Final = ("refused", "failed")  # the tuning reports the reason itself
_PACKAGE: Final = "torch"  # required by every export


@dataclass(slots=True)
class Exported:
    """The variants that were made and passed the gate, and a sentence for each failure."""

    made: list[Use] = field(default_factory=list)
    problems: list[Sentence] = field(default_factory=list)

    def trouble(self, problem: Message) -> None:
        """Note a problem once."""
        told = sentence(problem)
        if told not in self.problems:
            self.problems.append(told)


def possible(kinds: Sequence[Kind]) -> list[Kind]:
    """Return the variants that this machine can run.

    Engines with a process of their own are assumed to work, because asking would load them.
    """
    found: list[Kind] = []
    for engine, precision in dict.fromkeys(kinds):
        entry = ENGINES[engine]
        try:
            if not entry.isolate:
                entry.load().ensure_here(precision)
        except InspectorError:
            continue
        found.append((engine, precision))
    return found


def export_missing(bundles: Mapping[str, Bundle], kinds: Sequence[Kind], report: Report) -> Exported:
    """Make the missing variants of these kinds, bundle by bundle. Raises what `report` raises."""
    exported = Exported()
    wanted = {name: [kind for kind in kinds if _worth(bundle, kind)] for name, bundle in bundles.items()}
    if not any(wanted.values()):
        return exported
    if importlib.util.find_spec(_PACKAGE) is None:
        pack = training_pack()
        problem = message(
            "Only what is there is measured: an export needs the training pack, {pack}, which is not installed."
            if pack
            else "Only what is there is measured: an export needs the Python package {package}, which is not installed. "
            "Install it from the program's folder: packaging/run.sh --with train (Windows: run.ps1).",
            package=_PACKAGE,
            pack=pack,
        )
        exported.trouble(problem)
        return exported
    progress = _Progress(report, sum(len(missing) for missing in wanted.values()))
    absent: set[Kind] = set()  # kinds of engines checked in the worker
    for name, bundle in bundles.items():
        missing = [kind for kind in wanted[name] if kind not in absent]
        if missing:
            absent |= _export(name, bundle, missing, exported, progress)
        progress.skip(len(wanted[name]) - len(missing))
    return exported


def _worth(bundle: Bundle, kind: Kind) -> bool:
    """Return whether to make this variant; a refused variant is retried if its limit was narrower than a tuning's."""
    variant = bundle.variant(*kind)
    parity = None if variant is None else variant.parity
    if parity is not None and parity.refused is not None:
        usual = limits_for(kind[1]).drop * (KELVIN if parity.unit == "kelvin" else 1.0)
        return parity.max_drop < usual or worth_making(bundle, *kind)
    return worth_making(bundle, *kind)


def _export(name: str, bundle: Bundle, missing: Sequence[Kind], exported: Exported, progress: "_Progress") -> set[Kind]:
    """Export the variants of one bundle; return the kinds that this machine cannot run."""
    progress.bundle(bundle.name)
    wanted = VariantsJob(bundle=bundle.folder.resolve(), variants=tuple(missing))
    job = WorkerProcess(wanted, listener=progress.hear, grace=_GRACE_S)
    try:
        while job.wait(_POLL_S) is None and progress.suspended is None:
            progress.tell()
    finally:
        outcome = job.close()
    progress.done(len(missing))
    if progress.suspended is not None:
        exported.trouble(progress.suspended)
        progress.suspended = None
        return set()
    if outcome.end is not End.SUCCEEDED:
        exported.trouble(outcome.error().problem)
        return set()
    attempts = outcome.read(VariantsTried).made
    now = Bundle.open(bundle.folder)
    for one in attempts:
        if one.problem is None:
            exported.made.append(Use(bundle=name, engine=one.engine, precision=one.precision))
        elif one.here and standing(now, one.engine, one.precision).state not in _WRITTEN:
            exported.trouble(one.problem.message)
    return {(one.engine, one.precision) for one in attempts if not one.here}


class _Progress:
    """Progress over all bundles.

    `hear` is called on the job's thread; `tell` on the tuning's thread, which may be cancelled.
    """

    def __init__(self, report: Report, variants: int) -> None:
        self._report, self._steps = report, variants * _STEPS
        self._done = 0  # variants of the bundles before
        self._begun = 0  # variants of this bundle
        self._share = 0.0  # of the variant in progress
        self._bundle = self._what = ""
        self.suspended: Message | None = None  # what to say if something outside has stopped the job's process

    def bundle(self, name: str) -> None:
        """Start the next bundle."""
        self._bundle, self._what, self._begun, self._share = name, name, 0, 0.0
        self.tell()

    def hear(self, told: WorkerMessage) -> None:
        """Handle a message of the worker."""
        if isinstance(told, Suspended):
            self.suspended = message(
                "{bundle}: the worker process that exports was suspended from outside, and was ended.", bundle=self._bundle
            )
        if not isinstance(told, Progress):
            return
        if told.phase == "variant":
            self._begun, self._share = self._begun + 1, 0.0
            self._what = f"{self._bundle}: {told.what}"
        elif told.phase != "reference":
            self._share = min(1.0, max(self._share, told.step / max(1, told.steps)))

    def tell(self) -> None:
        """Report the progress. Raises what the report raises."""
        self._report.pause_point()
        step = (self._done + max(0, self._begun - 1) + self._share) * _STEPS
        self._report.progress(Progress(phase="export", step=int(step), steps=self._steps, what=self._what))

    def done(self, variants: int) -> None:
        """Mark the bundle as finished."""
        self._done, self._begun, self._share = self._done + variants, 0, 0.0

    def skip(self, variants: int) -> None:
        """Count variants that need not be made."""
        self._done += variants
