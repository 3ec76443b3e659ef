"""Making a variant of a bundle, and the gate that it must pass: its answers to the reference images against the network's."""

import hashlib
import os
import platform
import re
import shutil
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Protocol

import numpy as np
import psutil
import torch

from inspector import __version__
from inspector.core.bundle import GRAPH, WEIGHTS, Bundle, Card, read_card, sha256, write_bundle, write_card
from inspector.core.errors import ConfigError, EngineError, StorageError
from inspector.core.images import Prepared
from inspector.core.offline import no_usage_statistics
from inspector.core.reference import Reference, read_reference
from inspector.core.registry import ENGINES, find
from inspector.core.variants import Precision, Variant, why_not
from inspector.ml.evaluate import Infer
from inspector.ml.export import export_bundle
from inspector.ml.gate import Gate
from inspector.ml.quantise import Quantised, quantise_onnx, quantise_openvino
from inspector.ml.reference import FEWEST, read_calibration
from inspector.tasks.parity import MAX_DROP, Limits, excess, limits_for

_PACKAGES: Mapping[str, Sequence[str]] = {
    "openvino": ("openvino",),
    "onnxruntime": ("onnxruntime",),
    "tensorrt": ("onnxruntime-gpu",),
    "torchscript": ("torch",),
    "torch": ("torch",),
}
_OWN_FILE = re.compile(r"(openvino|onnxruntime|tensorrt)-(fp16|int8)-[0-9a-f]{8}\.(xml|bin|onnx)")


class Progress(Protocol):
    """What is needed here of `channel.Report`."""

    def progress(self, **fields: object) -> None: ...

    def log(self, text: str) -> None: ...

    def pause_point(self) -> float: ...


@dataclass(frozen=True, slots=True)
class Order:
    """What to export. `calibration`: a folder with more images to calibrate with. `check`: only judge again what is there."""

    engine: str
    precision: Precision
    max_drop: float = MAX_DROP
    calibration: Path | None = None
    check: bool = False
    threads: int = 0


def export_variant(bundle: Bundle, order: Order, report: Progress, *, out: Path | None = None) -> tuple[Bundle, Variant]:
    """Make the variant, let it pass the gate, and write it into the bundle, or into a copy of the bundle at `out`.

    Nothing is half written whenever this is killed: files have names of their own before the card, replaced last, names them.
    A variant that does not pass leaves an accepted one as it is. Raises ConfigError (reference or calibration images missing or
    too few, another precision), EngineError (not on this machine, refused), StorageError, Cancelled.
    """
    entry = find(ENGINES, order.engine, "engine")
    if order.precision not in entry.precisions:
        raise ConfigError(
            "{engine} does not run bundles in {precision}.",
            remedy="Use one of: {names}.",
            engine=entry.label,
            precision=order.precision,
            names=", ".join(entry.precisions),
        )
    entry.load().ensure_here(order.precision)
    reference = _reference(bundle)
    if out is not None and out.resolve() != bundle.folder.resolve():
        bundle = _copy(bundle, out)
    report.progress(phase="reference", step=0, steps=len(reference.judged))
    gate = Gate(bundle, reference, tick=_Steps(report, "reference", len(reference.judged)))
    limits = limits_for(order.precision, max_drop=order.max_drop)
    if order.check:
        old = bundle.variant(order.engine, order.precision)
        return _settle(bundle, old or _bare(order), gate, limits, order, report)
    if order.precision == "fp32" and order.engine in ("openvino", "onnxruntime", "tensorrt"):
        bundle = _with_sound_graph(bundle, gate, limits, order)
    variant = _make(bundle, order, gate, limits, reference, report)
    return _settle(bundle, variant, gate, limits, order, report)


def _reference(bundle: Bundle) -> Reference:
    reference = read_reference(bundle)
    if reference is None or len(reference.judged) < FEWEST:
        raise ConfigError(
            "The bundle {bundle} has {count} reference images to be judged, and {fewest} are needed.",
            remedy="Train it again with this version; a training keeps them in the bundle.",
            bundle=bundle.folder,
            count=0 if reference is None else len(reference.judged),
            fewest=FEWEST,
        )
    return reference


def _settle(
    bundle: Bundle, variant: Variant, gate: Gate, limits: Limits, order: Order, report: Progress
) -> tuple[Bundle, Variant]:
    """Judge a variant whose files lie in the bundle's folder, and write down what came of it."""
    report.progress(phase="judge", step=0, steps=len(gate))
    known = {name: bundle.card.files[name] for name in (WEIGHTS, GRAPH)}
    candidate = Bundle(bundle.folder, bundle.card.with_variant(variant))
    new = {bundle.folder / name for name in variant.files} - _named(bundle)
    try:
        engine = ENGINES[order.engine].load()(candidate, precision=order.precision, threads=order.threads)
        try:
            parity = gate.judge(engine.infer, limits=limits, files={**known, **variant.files})
        finally:
            engine.close()
    except BaseException:
        _remove(new)
        raise
    variant = variant.model_copy(update={"parity": parity})
    if parity.accepted or order.check or not _usable(bundle, order):
        kept = variant if parity.accepted or order.check else variant.model_copy(update={"files": {}})
        bundle = _write(bundle, kept)
    _clean(bundle)
    if parity.refused is not None:
        raise EngineError(
            "The {precision} variant of {bundle} for {engine} is refused: {reason}",
            remedy="Use fp32 or bf16; or give more images to calibrate with, or allow a larger drop.",
            precision=order.precision,
            bundle=bundle.name,
            engine=order.engine,
            reason=parity.refused.text,
        )
    return bundle, variant


def _usable(bundle: Bundle, order: Order) -> bool:
    """Whether the bundle has a variant of this kind that may be used."""
    old = bundle.variant(order.engine, order.precision)
    values = {"bundle": bundle.name, "engine": order.engine}
    return why_not(old, bundle.card.files, **values, precision=order.precision) is None


def _make(bundle: Bundle, order: Order, gate: Gate, limits: Limits, reference: Reference, report: Progress) -> Variant:
    """Write the variant's own files into the bundle's folder, under names that no other version of them has."""
    if order.precision == "int8":
        frames = _calibration(bundle, order, reference, report)
        return _written(
            bundle, order, lambda folder: _quantise(bundle, order, gate, limits, frames, folder, report), len(frames)
        )
    if order.engine == "openvino" and order.precision == "fp16":
        return _written(bundle, order, lambda folder: _halve(bundle, folder), 0)
    return _bare(order)


def _bare(order: Order) -> Variant:
    """A variant without files of its own."""
    return Variant(
        engine=order.engine,
        precision=order.precision,
        software=_software(order.engine, order.precision),
        created=datetime.now(UTC),
    )


def _calibration(bundle: Bundle, order: Order, reference: Reference, report: Progress) -> Prepared:
    frames = list(reference.for_calibration)
    if order.calibration is not None:
        more, problems = read_calibration(order.calibration, bundle)
        for problem in problems:
            report.log(problem.text)
        frames += more
    if len(frames) < FEWEST:
        raise ConfigError(
            "There are {count} images to calibrate {bundle} with, and {fewest} are needed.",
            remedy="Give a folder with images of good and bad parts: --calibration DIR.",
            count=len(frames),
            bundle=bundle.name,
            fewest=FEWEST,
        )
    stacked: Prepared = np.stack(frames)
    return stacked


def _quantise(
    bundle: Bundle, order: Order, gate: Gate, limits: Limits, frames: Prepared, folder: Path, report: Progress
) -> Quantised:
    def judge(infer: Infer, rows: list[int]) -> float:
        return excess(gate.distance(infer, rows, limits=limits))

    quantise, name = (quantise_openvino, "int8.xml") if order.engine == "openvino" else (quantise_onnx, "int8.onnx")
    tick = _Steps(report, "calibrate", len(frames))
    return quantise(bundle.path(GRAPH), frames, judge=judge, judged=len(gate), target=folder / name, tick=tick)


def _halve(bundle: Bundle, folder: Path) -> Quantised:
    """The graph with its weights in sixteen bits; it computes in float32."""
    no_usage_statistics()
    import openvino  # type: ignore[import-untyped]  # it ships no types

    target = folder / "fp16.xml"
    openvino.save_model(openvino.Core().read_model(bundle.path(GRAPH)), target, compress_to_fp16=True)
    return Quantised((target, target.with_suffix(".bin")), ())


def _written(bundle: Bundle, order: Order, write: Callable[[Path], Quantised], calibration: int) -> Variant:
    """Let `write` make the files in a temporary folder, then give them their names in the bundle's folder."""
    made: list[Path] = []
    try:
        with tempfile.TemporaryDirectory(prefix=f".export-{os.getpid()}-", dir=bundle.folder) as name:
            result = write(Path(name))
            digests = [sha256(file) for file in result.files]
            content = hashlib.sha256("".join(digests).encode()).hexdigest()  # other files never have the names of these
            stem = f"{order.engine}-{order.precision}-{content[:8]}"
            files: dict[str, str] = {}
            for file, digest in zip(result.files, digests, strict=True):
                final = bundle.folder / f"{stem}{file.suffix}"
                if final.name not in _names(bundle.card):
                    made.append(final)
                file.replace(final)
                final.chmod(0o644)
                files[final.name] = digest
    except OSError as error:
        _remove(made)
        raise StorageError(
            "The bundle {bundle} cannot be written ({detail}).",
            remedy="Free some space, or export it into another folder: --out DIR.",
            bundle=bundle.folder,
            detail=error.strerror or error,
        ) from error
    return _bare(order).model_copy(update={"files": files, "full_precision": result.full_precision, "calibration": calibration})


def _with_sound_graph(bundle: Bundle, gate: Gate, limits: Limits, order: Order) -> Bundle:
    """The bundle with an ONNX graph that agrees with its weights: as it is, or else written anew."""
    try:
        engine = ENGINES["onnxruntime"].load()(bundle, threads=order.threads)
        try:
            sound = gate.judge(engine.infer, limits=limits, files={}).accepted
        finally:
            engine.close()
    except EngineError:
        sound = False
    return bundle if sound else export_bundle(bundle, bundle.folder)


def _write(bundle: Bundle, variant: Variant) -> Bundle:
    """Put the variant into the card as it is now: others may have been added since it was read."""
    return write_card(bundle.folder, read_card(bundle.folder).with_variant(variant))


def _copy(bundle: Bundle, out: Path) -> Bundle:
    def fill(folder: Path) -> None:
        for name in {*bundle.card.files, *_names(bundle.card)}:
            with suppress(FileNotFoundError):  # of a variant that is damaged already
                shutil.copyfile(bundle.folder / name, folder / name)

    return write_bundle(out, bundle.card, fill)


def _names(card: Card) -> set[str]:
    """The files that the variants of a card name."""
    return {name for variant in card.variants for name in variant.files}


def _named(bundle: Bundle) -> set[Path]:
    return {bundle.folder / name for name in _names(bundle.card)}


def _clean(bundle: Bundle) -> None:
    """Remove files of variants that the card no longer names, and what a killed export left."""
    kept = _named(bundle)
    _remove([file for file in bundle.folder.iterdir() if _OWN_FILE.fullmatch(file.name) and file not in kept])
    for folder in bundle.folder.glob(".export-*"):
        pid = folder.name.split("-")[1]
        if not (pid.isdigit() and psutil.pid_exists(int(pid))):
            shutil.rmtree(folder, ignore_errors=True)


def _remove(files: Iterable[Path]) -> None:
    for file in files:
        with suppress(OSError):
            file.unlink(missing_ok=True)


def _software(engine: str, precision: Precision) -> dict[str, str]:
    """Versions of what made it, and the processor."""
    found = {"inspector": __version__}
    for package in (*_PACKAGES[engine], *(("nncf",) if precision == "int8" else ())):
        with suppress(PackageNotFoundError):
            found[package] = version(package)
    name = str(torch.cpu.get_capabilities().get("cpu_name", "")) or platform.processor() or platform.machine()
    return {**found, "processor": name}


class _Steps:
    """Counts steps of a phase and tells them; raises Cancelled."""

    def __init__(self, report: Progress, phase: str, steps: int) -> None:
        self._report, self._phase, self._steps, self._done = report, phase, steps, 0

    def __call__(self) -> None:
        self._done += 1
        self._report.pause_point()
        if self._done % 8 == 0 and self._done <= self._steps:
            self._report.progress(phase=self._phase, step=self._done, steps=self._steps)
