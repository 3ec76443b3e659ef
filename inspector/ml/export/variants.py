"""Export of a bundle's variants, and the parity gate that compares each with the trained network on the reference images."""

import hashlib
import os
import platform
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import torch

from inspector.bundles.bundle import GRAPH, MAKING, WEIGHTS, Bundle, sha256
from inspector.bundles.reference import Reference, read_reference
from inspector.bundles.variants import PROCESSOR, Variant, software_for, why_not
from inspector.core.errors import ConfigError, EngineError, StorageError
from inspector.core.registry import ENGINES, engine_for
from inspector.core.sentence import sentence
from inspector.core.types import Precision
from inspector.imaging.preprocessing import Prepared
from inspector.ml.evaluate import Infer
from inspector.ml.export.network import export_bundle
from inspector.ml.export.parity_check import Gate
from inspector.ml.export.quantise import Quantised, quantise_onnx, quantise_openvino
from inspector.ml.export.reference import FEWEST, read_calibration
from inspector.tasks.parity import MAX_DROP, Limits, excess, limits_for
from inspector.workers.messages import Progress, Report


@dataclass(frozen=True, slots=True)
class Order:
    """A request for an export.

    `calibration`: folder with additional calibration images. `check`: only judge the existing variant again.
    """

    engine: str
    precision: Precision
    max_drop: float = MAX_DROP
    calibration: Path | None = None
    check: bool = False
    threads: int = 0


class Exporter:
    """Makes variants of a bundle, one after the other.

    The trained network answers the reference images once for all of them.
    """

    def __init__(self, bundle: Bundle, report: Report, *, out: Path | None = None) -> None:
        """`out`: copy the bundle to this folder and work on the copy."""
        self.bundle = bundle
        self._report = report
        self._out = None if out is None or out.resolve() == bundle.folder.resolve() else out
        self._reference: Reference | None = None
        self._gate: Gate | None = None

    def make(self, order: Order) -> Variant:
        """Make the variant, judge it and record it; `bundle` then includes it.

        The bundle stays consistent if the process is killed at any time: files are made in a private folder and moved together
        with the list that names them, so that a concurrent export finds the old list or the new one. A variant that fails
        leaves an accepted one in place. Raises ConfigError (reference or calibration images missing or too few, another
        precision), EngineError (not on this machine, refused), StorageError, Cancelled.
        """
        ensure_possible(order.engine, order.precision)
        if self.bundle.card.family and ENGINES[order.engine].weights:
            raise EngineError(
                "The bundle {bundle} was imported as a graph: it has no weights for {engine}.",
                remedy="Use another engine.",
                bundle=self.bundle.name,
                engine=ENGINES[order.engine].label,
            )
        reference, gate = self._opened()
        limits = limits_for(order.precision, max_drop=order.max_drop)
        try:
            own = not self.bundle.card.family  # of an imported bundle nothing else is known than its graph
            if (
                own
                and not order.check
                and order.precision == "fp32"
                and order.engine in ("openvino", "onnxruntime", "tensorrt")
            ):
                self.bundle = _with_sound_graph(self.bundle, gate, limits, order)
            with _making(self.bundle) as made:
                if order.check:
                    variant = self.bundle.variant(order.engine, order.precision) or _bare(order)
                else:
                    variant = _make(self.bundle, order, gate, limits, reference, self._report, made)
                self.bundle, variant = _settle(self.bundle, variant, gate, limits, order, self._report, made)
        except EngineError as error:
            # A result with a narrower limit does not apply to the usual limit.
            if not order.check and order.max_drop >= MAX_DROP:
                failed = _bare(order).model_copy(update={"failed": sentence(error.problem)})
                self.bundle = self.bundle.add_variant(failed, where=lambda now: not _usable(now, order))
            raise
        if variant.parity is not None and variant.parity.refused is not None:
            raise EngineError(
                "The {precision} variant of {bundle} for {engine} is refused: {reason}",
                remedy="Use another precision; or give more images to calibrate with, or allow a larger drop.",
                precision=order.precision,
                bundle=self.bundle.name,
                engine=order.engine,
                reason=variant.parity.refused.text,
            )
        return variant

    def _opened(self) -> tuple[Reference, Gate]:
        if self._reference is None or self._gate is None:
            self._reference = _reference(self.bundle)
            if self._out is not None:
                self.bundle = self.bundle.copy_to(self._out)
            steps = len(self._reference.judged)
            self._report.progress(Progress(phase="reference", steps=steps))
            self._gate = Gate(self.bundle, self._reference, tick=_Steps(self._report, "reference", steps))
        return self._reference, self._gate


def ensure_possible(engine: str, precision: Precision) -> None:
    """Raise ConfigError if the engine does not have this precision, EngineError if this machine does not support it."""
    engine_for(engine, precision).load().ensure_here(precision)


def _reference(bundle: Bundle) -> Reference:
    reference = read_reference(bundle)
    if reference is None or len(reference.judged) < FEWEST:
        raise ConfigError(
            "The bundle {bundle} has {count} reference {count:|image|images} to be judged, and {fewest} are needed.",
            remedy="Import it again with at least twice as many pictures: --images FOLDER."
            if bundle.card.family
            else "Train it again with this version; a training keeps them in the bundle.",
            bundle=bundle.folder,
            count=0 if reference is None else len(reference.judged),
            fewest=FEWEST,
        )
    return reference


@contextmanager
def _making(bundle: Bundle) -> Iterator[Path]:
    """Yield a temporary folder for a variant's files, on the disk of the bundle. Raises StorageError."""
    place = bundle.variants_folder
    try:
        place.mkdir(parents=True, exist_ok=True)
        made = tempfile.TemporaryDirectory(prefix=MAKING.format(pid=os.getpid()), dir=place, ignore_cleanup_errors=True)
    except OSError as error:
        raise _unwritten(bundle, error) from error
    with made as name:
        yield Path(name)


def _unwritten(bundle: Bundle, error: OSError) -> StorageError:
    return StorageError(
        "The bundle {bundle} cannot be written ({detail}).",
        remedy="Free some space, or export it into another folder: --out DIR.",
        bundle=bundle.variants_folder,
        detail=error.strerror or error,
    )


def _settle(
    bundle: Bundle, variant: Variant, gate: Gate, limits: Limits, order: Order, report: Report, made: Path
) -> tuple[Bundle, Variant]:
    """Judge a variant whose files lie in `made` or in the bundle, and record the result."""
    report.progress(Progress(phase="judge", steps=len(gate)))
    known = {name: bundle.card.files[name] for name in (WEIGHTS, GRAPH) if name in bundle.card.files}
    candidate = Bundle(bundle.folder, bundle.card.with_variant(variant), made)
    engine = ENGINES[order.engine].load()(candidate, precision=order.precision, threads=order.threads)
    try:
        parity = gate.judge(engine.infer, limits=limits, files={**known, **variant.files})
    finally:
        engine.close()
    variant = variant.model_copy(update={"parity": parity, "failed": None})
    holds = parity.accepted or order.check
    kept = variant if holds else variant.model_copy(update={"files": {}})
    return bundle.add_variant(kept, made=made, where=lambda now: holds or not _usable(now, order)), variant


def _usable(bundle: Bundle, order: Order) -> bool:
    """Return whether the bundle has a usable variant of this kind, here or in the newer version that made it."""
    if bundle.later_variant(order.engine, order.precision) is not None:
        return True
    old = bundle.variant(order.engine, order.precision)
    values = {"bundle": bundle.name, "engine": order.engine, "precision": order.precision}
    return why_not(old, bundle.card.files, **values) is None


def _make(
    bundle: Bundle, order: Order, gate: Gate, limits: Limits, reference: Reference, report: Report, made: Path
) -> Variant:
    """Write the variant's files into `made`, under names that are unique to their content."""
    if order.precision == "int8":
        frames = _calibration(bundle, order, reference, report)
        return _written(bundle, order, made, lambda: _quantise(bundle, order, gate, limits, frames, made, report), len(frames))
    if order.engine == "openvino" and order.precision == "fp16":
        return _written(bundle, order, made, lambda: _halve(bundle, made), 0)
    return _bare(order)


def _bare(order: Order) -> Variant:
    """Return a variant without files."""
    return Variant(
        engine=order.engine,
        precision=order.precision,
        software=_software(order.engine, order.precision),
        created=datetime.now(UTC),
    )


def _calibration(bundle: Bundle, order: Order, reference: Reference, report: Report) -> Prepared:
    frames = list(reference.for_calibration)
    if order.calibration is not None:
        more, problems = read_calibration(order.calibration, bundle)
        for problem in problems:
            report.log(problem.text)
        frames += more
    if len(frames) < FEWEST:
        raise ConfigError(
            "There {count:|is|are} {count} {count:|image|images} to calibrate {bundle} with, and {fewest} are needed.",
            remedy="Give a folder with images of good and bad parts: --calibration DIR.",
            count=len(frames),
            bundle=bundle.name,
            fewest=FEWEST,
        )
    stacked: Prepared = np.stack(frames)
    return stacked


def _quantise(
    bundle: Bundle, order: Order, gate: Gate, limits: Limits, frames: Prepared, folder: Path, report: Report
) -> Quantised:
    def judge(infer: Infer, rows: list[int]) -> float:
        return excess(gate.distance(infer, rows, limits=limits))

    quantise, name = (quantise_openvino, "int8.xml") if order.engine == "openvino" else (quantise_onnx, "int8.onnx")
    tick = _Steps(report, "calibrate", len(frames))
    return quantise(bundle.path(GRAPH), frames, judge=judge, judged=len(gate), target=folder / name, tick=tick)


def _halve(bundle: Bundle, folder: Path) -> Quantised:
    """Write the graph with 16-bit weights; it still computes in float32."""
    import openvino

    target = folder / "fp16.xml"
    openvino.save_model(openvino.Core().read_model(bundle.path(GRAPH)), target, compress_to_fp16=True)
    return Quantised((target, target.with_suffix(".bin")), ())


def _written(bundle: Bundle, order: Order, made: Path, write: Callable[[], Quantised], calibration: int) -> Variant:
    """Call `write` to make the files in `made`, then rename them by content."""
    try:
        result = write()
        digests = [sha256(file) for file in result.files]
        content = hashlib.sha256("".join(digests).encode()).hexdigest()  # unique to the content of these files
        stem = f"{order.engine}-{order.precision}-{content[:8]}"
        files: dict[str, str] = {}
        for file, digest in zip(result.files, digests, strict=True):
            files[file.replace(made / f"{stem}{file.suffix}").name] = digest
    except OSError as error:
        raise _unwritten(bundle, error) from error
    return _bare(order).model_copy(update={"files": files, "full_precision": result.full_precision, "calibration": calibration})


def _with_sound_graph(bundle: Bundle, gate: Gate, limits: Limits, order: Order) -> Bundle:
    """Return the bundle with an ONNX graph that agrees with its weights; the graph is written anew if it does not."""
    try:
        engine = ENGINES["onnxruntime"].load()(bundle, threads=order.threads)
        try:
            sound = gate.judge(engine.infer, limits=limits, files={}).accepted
        finally:
            engine.close()
    except EngineError:
        sound = False
    return bundle if sound else export_bundle(bundle, bundle.folder)


def _software(engine: str, precision: Precision) -> dict[str, str]:
    """Return the versions of the software involved, and the processor."""
    name = str(torch.cpu.get_capabilities().get("cpu_name", "")) or platform.processor() or platform.machine()
    return {**software_for(engine, precision), PROCESSOR: name}


class _Steps:
    """Counts and reports the steps of a phase; raises Cancelled."""

    def __init__(self, report: Report, phase: str, steps: int) -> None:
        self._report, self._phase, self._steps, self._done = report, phase, steps, 0

    def __call__(self) -> None:
        self._done += 1
        self._report.pause_point()
        if self._done % 8 == 0 and self._done <= self._steps:
            self._report.progress(Progress(phase=self._phase, step=self._done, steps=self._steps))
