"""A complete tuning: export missing variants, measure, judge, choose, confirm, suggest, store. Runs in a worker process."""

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import product
from pathlib import Path

import numpy as np
import psutil

from inspector.bundles.bundle import Bundle, Card
from inspector.core.errors import ConfigError, InspectorError
from inspector.core.message import message
from inspector.core.registry import ENGINES, UNTRAINED, find
from inspector.core.sentence import Sentence, sentence
from inspector.core.storage.temporary import temporary_folder
from inspector.core.types import PRECISIONS, Floats, Precision
from inspector.inspection.parts import Part
from inspector.inspection.program import Program, Runtime, load_program
from inspector.recipes.recipe import Recipe
from inspector.training.costs import core_count
from inspector.tuning.export import Exported, export_missing, possible
from inspector.tuning.measure import (
    PARTS,
    Subject,
    Whole,
    measure,
    measure_parts,
    parts_of,
    proof,
    runtimes_of,
    timed,
    with_runtimes,
)
from inspector.tuning.plan import HEADROOM, Judged, Plan, Row, Tuned, Tuning, plans_of, ranked, smaller
from inspector.tuning.store import bundles_of, save_tuning, this_processor
from inspector.workers.jobs import TuneJob
from inspector.workers.messages import Progress, Report

BUDGET_S = 180.0
ROWS_SHARE = 0.6  # share of the time for single variants; the rest is for confirming and suggesting
ROW_S = 1.0  # maximum seconds for one row
CONFIRMED = 3  # plans that are tried on whole parts, at most
BUSY = 25.0  # percent of processor use by other programs from which it is reported
_SOON: tuple[Precision, ...] = ("fp32", "int8")  # measured first, in case time runs out
SIZES = (0.75, 0.5)  # suggested shares of the input's sides
WIDTHS = (0.5,)  # suggested shares of the network's filters


@dataclass(frozen=True, slots=True)
class Order:
    """The request for a tuning.

    `engines`, `precisions`, `threads`, `batches`: restrict the search; empty for all available. `export`: first make missing
    variants; this does not count against the budget.
    """

    recipe: Recipe
    base: Path | None
    takt_ms: float
    engines: tuple[str, ...] = ()
    precisions: tuple[Precision, ...] = ()
    threads: tuple[int, ...] = ()
    batches: tuple[int, ...] = ()
    budget_s: float = BUDGET_S
    headroom: float = HEADROOM
    suggest: bool = True
    export: bool = True
    root: Path | None = None  # where the choice is kept; the user's folder if None

    @classmethod
    def of(cls, job: TuneJob) -> "Order":
        """Return the order in a job. Raises ConfigError."""
        recipe = Recipe.model_validate(job.recipe)
        takt = job.takt_ms or recipe.takt_ms
        if takt is None:
            raise ConfigError(
                "The recipe {recipe} names no takt.",
                remedy="Say what the line gives each part: --takt 120ms, or takt_ms in the recipe.",
                recipe=recipe.name,
            )
        for engine in job.engines:
            find(ENGINES, engine, "engine")
        return cls(
            recipe,
            job.base,
            takt,
            engines=job.engines,
            precisions=job.precisions,
            threads=job.threads,
            batches=job.batches,
            budget_s=job.budget_s or BUDGET_S,
            export=job.export,
        )

    def grid(self) -> tuple[list[Runtime], list[int]]:
        """Return the runtimes to measure, those in this process first, and the batch sizes."""
        cores = core_count()
        threads = self.threads or tuple(sorted({1, max(1, cores // 2), cores}))
        engines = sorted(self.engines or ENGINES, key=lambda name: ENGINES[name].isolate)
        precisions = sorted(self.precisions or PRECISIONS, key=lambda precision: precision not in _SOON)
        found = [
            Runtime(name, precision, count)
            for name, precision, count in product(engines, precisions, threads)
            if precision in ENGINES[name].precisions
        ]
        return found, sorted({1, *(self.batches or (self.recipe.max_batch,))})


@dataclass(slots=True)
class _Found:
    """The measurements so far."""

    rows: list[Row] = field(default_factory=list)
    judged: list[Judged] = field(default_factory=list)
    proofs: dict[tuple[str, str, Precision], Floats] = field(default_factory=dict)
    left_out: list[Sentence] = field(default_factory=list)

    def verdict(self, bundle: str, runtime: Runtime) -> Judged | None:
        """Return the existing judgement of a variant; None if there is none."""
        key = (bundle, runtime.engine, runtime.precision)
        return next((one for one in self.judged if (one.bundle, one.engine, one.precision) == key), None)


def work(job: TuneJob, report: Report) -> Tuned:
    """Run the job in a worker process."""
    return Tuned(tuning=tune(Order.of(job), report))


def tune(order: Order, report: Report) -> Tuning:
    """Measure, choose and store. Raises ConfigError for a recipe that cannot run, StorageError, and what `report` raises."""
    program, exported = _exported(order, report)
    return _Tuner(order, report, program).run(exported)


def _exported(order: Order, report: Report) -> tuple[Program, Exported]:
    """Return the program with the missing variants exported, as far as possible."""
    program = load_program(order.recipe, order.base)
    if not order.export:
        return program, Exported()
    runtimes, _ = order.grid()
    kinds = possible([(runtime.engine, runtime.precision) for runtime in runtimes])
    exported = export_missing(bundles_of(program), kinds, report)
    return load_program(order.recipe, order.base), exported


def _disturbed() -> list[Sentence]:
    """Return a sentence if other programs use much of the processor, which makes every time too long."""
    used = psutil.cpu_percent(interval=0.5)
    if used < BUSY:
        return []
    told = message("Other programs use {share:.0f} % of the processor now: the times are longer than they need be.", share=used)
    return [sentence(told)]


def _unknown(subject: Subject) -> Sentence:
    told = message(
        "The bundle {bundle} has no reference images: only its own graph in fp32 is measured. A training keeps some in it.",
        bundle=subject.name,
    )
    return sentence(told)


class _Tuner:
    """One tuning of a program: the order, the start time, and the results so far."""

    def __init__(self, order: Order, report: Report, program: Program) -> None:
        self._order, self._report, self._program = order, report, program
        self._began = time.monotonic()
        self._limit = order.takt_ms * (1 - order.headroom)
        self._subjects = {name: Subject(name, bundle) for name, bundle in bundles_of(program).items()}
        self._counts = Counter(step.model.bundle for step in program.steps)
        self._parts: Sequence[Part] = ()
        self._found = _Found()

    def run(self, exported: Exported) -> Tuning:
        """Measure, choose and store."""
        found = self._found
        found.left_out += [*exported.problems, *_disturbed()]
        found.left_out += [_unknown(subject) for subject in self._subjects.values() if not subject.known]
        self._measure_all()
        self._parts = parts_of(self._program, self._subjects, PARTS)
        whole = self._own()
        chosen, plans = self._confirm(plans_of(found.rows, found.judged, self._counts, whole.around))
        kept = chosen is not None and chosen.p99_ms <= self._limit
        needs: list[Sentence] = []
        if chosen is not None and not kept and self._order.suggest:
            needs = self._suggest(chosen)
        tuning = Tuning(
            recipe=self._program.recipe.name,
            revision=self._program.recipe.revision,
            takt_ms=self._order.takt_ms,
            headroom=self._order.headroom,
            machine=this_processor(),
            bundles={name: subject.bundle.fingerprint for name, subject in self._subjects.items()},
            rows=tuple(found.rows),
            judged=tuple(found.judged),
            around=whole.around,
            plans=tuple(plans),
            chosen=chosen,
            state="kept" if kept else "missed",
            needs=tuple(needs),
            made=tuple(exported.made),
            left_out=tuple(found.left_out),
            seconds=time.monotonic() - self._began,
            created=datetime.now(UTC),
        )
        if chosen is not None:
            proofs = {use.bundle: found.proofs[(use.bundle, use.engine, use.precision)] for use in chosen.uses}
            save_tuning(tuning, proofs, root=self._order.root)
        return tuning

    def _tick(self) -> None:
        self._report.pause_point()

    @property
    def _overdue(self) -> bool:
        return time.monotonic() > self._began + self._order.budget_s

    def _measure_all(self) -> None:
        """Measure every row of the grid until the time is up."""
        runtimes, batches = self._order.grid()
        jobs = [(subject, runtime) for runtime in runtimes for subject in self._subjects.values()]
        end = self._began + self._order.budget_s * ROWS_SHARE
        missed = 0
        for number, (subject, runtime) in enumerate(jobs):
            self._tick()
            label = f"{subject.bundle.name}: {runtime.engine} {runtime.precision}, {runtime.threads}"
            self._report.progress(Progress(phase="variants", step=number, steps=len(jobs), what=label))
            left = end - time.monotonic()
            if left <= 0:
                missed += 1
                continue
            verdict = self._found.verdict(subject.name, runtime)
            if verdict is None or verdict.accepted:
                seconds = min(ROW_S, left / (len(jobs) - number) / len(batches))
                self._measure_one(subject, runtime, batches, seconds)
        if missed:
            told = message(
                "The time was up before {count} of {all} {all:|row was|rows were} measured.", count=missed, all=len(jobs)
            )
            self._found.left_out.append(sentence(told))

    def _measure_one(self, subject: Subject, runtime: Runtime, batches: Sequence[int], seconds: float) -> None:
        found = self._found
        try:
            with runtime.open(subject.bundle) as engine:
                if found.verdict(subject.name, runtime) is None:
                    found.judged.append(subject.judge(engine, runtime))
                    found.proofs[(subject.name, runtime.engine, runtime.precision)] = proof(engine, subject).copy()
                verdict = found.verdict(subject.name, runtime)
                if verdict is None or not verdict.accepted:
                    return
                for batch in batches:
                    if batch <= subject.bundle.card.max_batch:
                        found.rows.append(measure(subject, engine, runtime, batch, seconds=seconds, tick=self._tick))
        except InspectorError as error:
            if found.verdict(subject.name, runtime) is None:
                found.judged.append(subject.refused(runtime, error))
            else:
                found.left_out.append(sentence(error.problem))

    def _own(self) -> Whole:
        """Time whole parts with the recipe's own variants, to learn the overhead outside the engines.

        A missing variant is replaced by float32.
        """
        self._report.progress(Progress(phase="parts", steps=1))
        try:
            return measure_parts(self._program, self._parts, tick=self._tick)
        except InspectorError:
            plain = {step.model.bundle: Runtime("openvino") for step in self._program.steps}
            return measure_parts(with_runtimes(self._program, plain), self._parts, tick=self._tick)

    def _confirm(self, plans: Sequence[Plan]) -> tuple[Plan | None, list[Plan]]:
        """Return the best plan that keeps to the limit on whole parts, and all plans with their whole-part measurements."""
        known = list(plans)
        confirmed: list[Plan] = []
        for number, plan in enumerate(ranked(plans, self._limit)[:CONFIRMED]):
            if confirmed and self._overdue:
                break
            self._tick()
            self._report.progress(Progress(phase="confirm", step=number, steps=CONFIRMED, what=plan.words))
            try:
                whole = measure_parts(with_runtimes(self._program, runtimes_of(plan)), self._parts, tick=self._tick)
            except InspectorError:
                continue
            times = {"p50_ms": whole.p50_ms, "p99_ms": whole.p99_ms, "cpu_ms": whole.cpu_ms}
            real = plan.model_copy(update={**times, "measured": True})
            known[known.index(plan)] = real
            confirmed.append(real)
            if real.p99_ms <= self._limit:
                return real, known
        return (min(confirmed, key=lambda plan: plan.p99_ms) if confirmed else None), known

    def _suggest(self, plan: Plan) -> list[Sentence]:
        """Time smaller and narrower versions of the most expensive bundle.

        They are untrained, because weights do not affect the cost.
        """
        rows, counts = self._found.rows, self._counts
        costs = {use.bundle: _row_of(rows, plan, use.bundle) for use in plan.uses}
        dearest = max(costs, key=lambda name: costs[name].p99_ms * counts[name])
        subject, runtime = self._subjects[dearest], runtimes_of(plan)[dearest]
        plain = Runtime(runtime.engine, "fp32", runtime.threads)
        before = next((row for row in rows if row.bundle == dearest and row.batch == 1 and _ran(row, plain)), None)
        if before is None:
            return []
        needs: list[Sentence] = []
        for number, (card, words, now) in enumerate(_changes(subject.bundle.card)):
            if needs and self._overdue:
                break
            self._tick()
            self._report.progress(Progress(phase="suggest", step=number, steps=len(SIZES) + len(WIDTHS), what=words))
            try:
                took = self._untrained_ms(card, plain)
            except InspectorError:
                continue  # not every network supports every size
            # As a share of its own time in the same arithmetic, which the chosen variant is taken to gain, too.
            gain = costs[dearest].p99_ms * (1 - took / before.p99_ms) * counts[dearest]
            needs.append(smaller(subject.bundle.name, now, words, plan.p99_ms - gain, self._limit))
        return needs

    def _untrained_ms(self, card: Card, runtime: Runtime) -> float:
        """Return the p99 time of one image in ms."""
        with temporary_folder() as name:
            bundle: Bundle = UNTRAINED.load()(card, name / "bundle")
            with runtime.open(bundle) as engine:
                image = np.full((1, *card.input.shape), 100, card.input.dtype)
                times = timed(lambda: engine.infer(image), seconds=ROW_S, tick=self._tick)
        return times.per_image(1)[1]


def _ran(row: Row, runtime: Runtime) -> bool:
    return (row.engine, row.precision, row.threads) == (runtime.engine, runtime.precision, runtime.threads)


def _row_of(rows: Sequence[Row], plan: Plan, bundle: str) -> Row:
    runtime = runtimes_of(plan)[bundle]
    return next(row for row in rows if row.bundle == bundle and row.batch == 1 and _ran(row, runtime))


def _changes(card: Card) -> list[tuple[Card, str, str]]:
    """Return smaller cards, each with its new and its previous value in words."""
    spec, made = card.input, list[tuple[Card, str, str]]()
    for share in SIZES:
        width, height = (max(32, round(side * share / 32) * 32) for side in (spec.width, spec.height))
        if (width, height) != (spec.width, spec.height):
            smaller_spec = spec.model_copy(update={"width": width, "height": height})
            words = (f"{width} x {height} px", f"{spec.width} x {spec.height} px")
            made.append((card.model_copy(update={"input": smaller_spec}), *words))
    filters = card.network_options.get("filters")
    if isinstance(filters, int):
        for share in WIDTHS:
            fewer = max(1, round(filters * share))
            options = {**card.network_options, "filters": fewer}
            words = (f"{fewer} filters", f"{filters} filters")
            made.append((card.model_copy(update={"network_options": options}), *words))
    return made
