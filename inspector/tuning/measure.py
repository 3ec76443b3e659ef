"""Measures the cost of a recipe's bundles on this machine: each variant alone on reference images, then whole parts.

One engine is open at a time, so that no engine slows another.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import cv2
import numpy as np
import psutil

from inspector.bundles.bundle import Bundle, Card
from inspector.bundles.reference import Reference, read_reference
from inspector.bundles.variants import Parity
from inspector.core.errors import InspectorError
from inspector.core.message import Message, message
from inspector.core.sentence import sentence
from inspector.core.types import Floats, Frame, Pixels, Unit
from inspector.engines.base import Engine
from inspector.imaging.preprocessing import Prepared, fits
from inspector.inspection.batch_inference import BatchInference
from inspector.inspection.parts import Part, capture_of, conclude
from inspector.inspection.program import Program, Runtime, Step
from inspector.inspection.takt import INSPECTION
from inspector.tasks.parity import limits_for
from inspector.tasks.parity_check import Gate
from inspector.tuning.plan import Around, Judged, Plan, Row

WARM_UP = 3  # batches before the clock counts
LEAST = 12  # batches, however long they take
MOST = 400
PROOF = 4  # reference images whose answers are kept for the self-test
PARTS = 40  # whole parts that a plan is confirmed with
ENLARGED = 2  # a camera sees this many times the pixels of a network's input, where no region says more
BASE: Sequence[Runtime] = (Runtime("onnxruntime"), Runtime("openvino"))  # the graph that was compared when it was written


@dataclass(frozen=True, slots=True)
class Timed:
    """Times of single batches in seconds; `cpu`: processor seconds of all batches, including worker processes."""

    spent: tuple[float, ...]
    cpu: float

    def per_image(self, batch: int) -> tuple[float, float, float]:
        """Return p50, p99 and processor time per image in ms."""
        p50, p99 = np.percentile(np.asarray(self.spent), (50, 99)) * 1000 / batch
        return float(p50), float(p99), self.cpu * 1000 / (len(self.spent) * batch)


def timed(work: Callable[[], object], *, seconds: float, tick: Callable[[], None] = lambda: None) -> Timed:
    """Repeat `work` for a given time, at least LEAST times, after WARM_UP unmeasured runs.

    `tick` is called in between; it may raise to end the measurement.
    """
    for _ in range(WARM_UP):
        work()
    spent: list[float] = []
    used, end = processor_seconds(), time.monotonic() + seconds
    while len(spent) < LEAST or (time.monotonic() < end and len(spent) < MOST):
        tick()
        began = time.perf_counter()
        work()
        spent.append(time.perf_counter() - began)
    return Timed(tuple(spent), processor_seconds() - used)


def processor_seconds() -> float:
    """Return user and system time of this process and its current worker processes."""
    total, me = 0.0, psutil.Process()
    for process in (me, *me.children(recursive=True)):
        try:
            times = process.cpu_times()
        except psutil.Error:
            continue
        total += float(times.user + times.system)
    return total


class Subject:
    """A bundle with its reference images and its own graph's answers to them."""

    def __init__(self, name: str, bundle: Bundle) -> None:
        """Read the reference images and run the bundle's own graph on them.

        `name`: as in the recipe. Raises ConfigError or EngineError if that graph cannot be run.
        """
        self.name, self.bundle = name, bundle
        self.reference: Reference | None = read_reference(bundle)
        self._gate: Gate | None = None
        if self.reference is not None and len(self.reference.judged):
            with _base(bundle) as engine:
                self._gate = Gate(bundle, self.reference, engine.infer)

    @property
    def known(self) -> bool:
        """Whether there are reference images to judge by."""
        return self._gate is not None

    def images(self, count: int) -> Prepared:
        """Return `count` inputs, cycling through the judged reference images; noise if the bundle has none."""
        spec = self.bundle.card.input
        if self.reference is None or not len(self.reference.judged):
            noise = np.random.default_rng(0).integers(0, 256, (count, *spec.shape))
            return noise.astype(spec.dtype)
        judged = list(self.reference.judged)
        rows = [judged[index % len(judged)] for index in range(count)]
        taken: Prepared = np.ascontiguousarray(self.reference.frames[rows])
        return taken

    def image(self, number: int) -> Prepared:
        """Return one input [H, W, C], always the same for the same number."""
        if self.reference is None or not len(self.reference.judged):
            alone: Prepared = self.images(1)[0]
            return alone
        judged = self.reference.judged
        taken: Prepared = self.reference.frames[judged[number % len(judged)]]
        return taken

    def judge(self, engine: Engine, runtime: Runtime) -> Judged:
        """Run an engine on the reference images and compare it with the bundle's own graph by the limits of the gate."""
        common = {"bundle": self.name, "engine": runtime.engine, "precision": runtime.precision}
        if self._gate is None:
            own = runtime.precision == "fp32"
            problem = message("The bundle {bundle} has no reference images to judge a variant by.", bundle=self.name)
            return Judged(**common, accepted=own, reason=None if own else sentence(problem))
        parity = self._gate.judge(engine.infer, limits=limits_for(runtime.precision), files=self.bundle.card.files)
        return _judged({**common, "accepted": parity.accepted}, parity)

    def refused(self, runtime: Runtime, error: InspectorError) -> Judged:
        """Return the judgement of a variant that cannot be opened.

        The reason is why it could not be made, or the gate's earlier result, if there is one.
        """
        common = {"bundle": self.name, "engine": runtime.engine, "precision": runtime.precision, "accepted": False}
        variant = self.bundle.variant(runtime.engine, runtime.precision)
        if variant is not None and variant.failed is not None:
            return Judged(**common, tried=True, reason=variant.failed)
        parity = None if variant is None else variant.parity
        if parity is None or parity.refused is None:
            return Judged(**common, reason=sentence(error.problem))
        return _judged(common, parity)


def _judged(common: Mapping[str, Any], parity: Parity) -> Judged:
    return Judged(
        **common,
        metric=parity.metric,
        accuracy=parity.after,
        before=parity.before,
        flips=parity.flips,
        images=parity.images,
        reason=parity.refused,
    )


@contextmanager
def _base(bundle: Bundle) -> Iterator[Engine]:
    """Open the bundle's own graph in float32 on the first engine that is installed."""
    for number, runtime in enumerate(BASE, start=1):
        try:
            engine = runtime.open(bundle)
        except InspectorError:
            if number == len(BASE):
                raise
            continue
        with engine:
            yield engine
        return


def measure(subject: Subject, engine: Engine, runtime: Runtime, batch: int, *, seconds: float, tick: Callable[[], None]) -> Row:
    """Time one open engine on batches of this size."""
    images = subject.images(batch)
    times = timed(lambda: engine.infer(images), seconds=seconds, tick=tick)
    p50, p99, cpu = times.per_image(batch)
    return Row(
        bundle=subject.name,
        engine=runtime.engine,
        precision=runtime.precision,
        threads=runtime.threads,
        batch=batch,
        p50_ms=p50,
        p99_ms=p99,
        cpu_ms=cpu,
        images=batch * len(times.spent),
    )


def proof(engine: Engine, subject: Subject) -> Floats:
    """Return the engine's raw answers to the first reference images, [PROOF, ...]."""
    return engine.infer(subject.images(PROOF)[: min(PROOF, subject.bundle.card.max_batch)])


# ---- whole parts --------------------


def with_runtimes(program: Program, runtimes: Mapping[str, Runtime], *, batch: int | None = None) -> Program:
    """Return the program with other runtimes by bundle (other bundles keep theirs), and optionally another maximum batch."""
    steps = tuple(replace(step, runtime=runtimes.get(step.model.bundle, step.runtime)) for step in program.steps)
    recipe = program.recipe if batch is None else program.recipe.model_copy(update={"max_batch": batch})
    return replace(program, recipe=recipe, steps=steps)


def runtimes_of(plan: Plan) -> dict[str, Runtime]:
    """Return the runtime of each bundle in a plan."""
    return {use.bundle: Runtime(use.engine, use.precision, plan.threads) for use in plan.uses}


def parts_of(program: Program, subjects: Mapping[str, Subject], count: int) -> list[Part]:
    """Return parts whose frames show the reference images in the recipe's regions, enlarged to fit."""
    made: list[Part] = []
    for number in range(count):
        part = Part(str(number), number, time.monotonic())
        for camera in sorted(program.cameras()):
            steps = [step for step in program.steps if step.model.camera == camera]
            frame = _frame(camera, steps, subjects, number)
            part.captures[camera] = capture_of(frame, camera, program)
            # A composed image may fail the brightness check.
            part.captures[camera] = replace(part.captures[camera], problem=None)
        made.append(part)
    return made


def _frame(camera: str, steps: Sequence[Step], subjects: Mapping[str, Subject], number: int) -> Frame:
    kelvin = all(fits(step.card.input, "kelvin") for step in steps)
    dtype = np.float32 if kelvin else np.uint16 if any(_deep(step.card) for step in steps) else np.uint8
    pictures = [(step, _picture(subjects[step.model.bundle], number, dtype)) for step in steps]
    width = max(_extent(step, step.card)[0] for step in steps)
    height = max(_extent(step, step.card)[1] for step in steps)
    colour = not kelvin and any(step.card.input.channels == 3 for step in steps)
    canvas = np.full((height, width, 3) if colour else (height, width), 290 if kelvin else 100, dtype)
    for step, picture in pictures:
        region = step.region
        left, top = (region.x, region.y) if region is not None else (0, 0)
        size = (region.width, region.height) if region is not None else (width, height)
        scaled = cv2.resize(picture, size, interpolation=cv2.INTER_LINEAR)
        if colour and scaled.ndim == 2:
            scaled = np.repeat(scaled[..., None], 3, axis=2)
        canvas[top : top + size[1], left : left + size[0]] = scaled
    pixels: Pixels = canvas
    unit: Unit = "kelvin" if kelvin else "intensity"
    return Frame(pixels, camera, number, time.monotonic(), datetime.now(UTC), unit)


def _extent(step: Step, card: Card) -> tuple[int, int]:
    if step.region is not None:
        return step.region.right, step.region.bottom
    return card.input.width * ENLARGED, card.input.height * ENLARGED


def _deep(card: Card) -> bool:
    """Return whether the bundle is for frames of more than eight bits."""
    return card.input.kind == "float" or (card.input.levels is not None and card.input.levels[1] > 255)


def _picture(subject: Subject, number: int, dtype: type[np.uint8 | np.uint16 | np.float32]) -> Pixels:
    """Return a reference image as the camera gives it: in grey levels or kelvin, a single channel without its axis."""
    image, spec = subject.image(number), subject.bundle.card.input
    flat = image[..., 0] if image.shape[-1] == 1 else image
    if spec.levels is None and dtype is np.uint8:
        return np.asarray(flat, dtype)
    low, high = spec.levels or (0.0, 65535.0)
    values = low + flat.astype(np.float32) * ((high - low) / 255)
    return np.asarray(values if dtype is np.float32 else np.rint(values), dtype)


@dataclass(frozen=True, slots=True)
class Whole:
    """Times of whole parts in ms: the inspecting thread, and its time outside the engines.

    `problems`: of parts not inspected.
    """

    p50_ms: float
    p99_ms: float
    cpu_ms: float
    around: Around
    problems: tuple[Message, ...] = ()


def measure_parts(program: Program, parts: Sequence[Part], *, tick: Callable[[], None]) -> Whole:
    """Inspect every part individually, as the station does when parts arrive one by one. Raises ConfigError or EngineError."""
    totals: list[float] = []
    beside: list[float] = []
    problems: list[Message] = []
    with BatchInference(program) as inference:
        for part in parts[:WARM_UP]:
            inference.analyse([part])
        used = processor_seconds()
        for part in parts:
            tick()
            found = inference.analyse([part])[0]
            conclude(part, found, program)
            problems += [problem for problem in found.failures if problem not in problems]
            totals.append(sum(found.timings_ms.get(stage, 0.0) for stage in INSPECTION))
            beside.append(totals[-1] - found.timings_ms.get("infer", 0.0))
        cpu = (processor_seconds() - used) * 1000 / len(parts)
    p50, p99 = np.percentile(totals, (50, 99))
    half, most = np.percentile(beside, (50, 99))
    around = Around(p50_ms=float(half), p99_ms=float(most), cpu_ms=float(half))
    return Whole(float(p50), float(p99), cpu, around, tuple(problems))
