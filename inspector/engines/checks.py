"""Checks common to all engines: batches and outputs must have the shapes of the bundle's card."""

import re
from pathlib import Path

import numpy as np

from inspector.bundles.bundle import Bundle, Card
from inspector.core.errors import BundleError, EngineError
from inspector.engines.base import Engine
from inspector.imaging.preprocessing import Prepared
from inspector.tasks.base import task_of


def check_batch(bundle: Bundle, batch: Prepared) -> None:
    """Raise EngineError unless `batch` is [1..max_batch, height, width, channels] of the card's dtype."""
    card = bundle.card
    if batch.shape[1:] == card.input.shape and batch.dtype == card.input.dtype and 1 <= len(batch) <= card.max_batch:
        return
    raise EngineError(
        "The bundle {bundle} takes 1 to {most} frames {wanted}, not {got}.",
        bundle=card.name,
        most=card.max_batch,
        wanted=f"{list(card.input.shape)} {card.input.dtype.__name__}",
        got=f"{list(batch.shape)} {batch.dtype}",
    )


def check_output(bundle: Bundle, shape: tuple[int, ...], count: int) -> None:
    """Raise BundleError unless the graph's output for `count` frames has the shape required by the card's task."""
    if len(shape) >= 2 and shape[0] == count and _fits(bundle.card, shape[1:]):
        return
    raise BundleError(
        "The graph of the bundle {bundle} does not do {task}: its output is {shape}.",
        remedy="Copy the bundle again from where it was trained, or train it again.",
        bundle=bundle.folder,
        task=bundle.card.task,
        shape=list(shape),
    )


def cannot_open(path: Path, engine: str, error: Exception) -> BundleError:
    """Return the error for a graph file that an engine cannot open."""
    detail = first_line(error)
    if re.search(r"(?i)official released onnx opset|model IR version|unsupported version", str(error)):
        return BundleError(
            "{engine} cannot open {file} ({detail}).",
            remedy="It was made with a newer version: install that here, or export the bundle with this one.",
            engine=engine,
            file=path,
            detail=detail,
        )
    return BundleError(
        "{engine} cannot open {file} ({detail}).",
        remedy="Copy the bundle again from where it was trained, or train it again.",
        engine=engine,
        file=path,
        detail=detail,
    )


def not_here(engine: str, precision: str) -> EngineError:
    """Return the error for a precision that this processor does not support."""
    return EngineError(
        "{engine} cannot compute in {precision} on this machine: its processor has no instructions for it.",
        remedy="Use the precision fp32.",
        engine=engine,
        precision=precision,
    )


def probe(engine: Engine) -> None:
    """Run one empty frame, so that a graph that cannot run here fails on opening and not at the first part."""
    spec = engine.bundle.card.input
    try:
        engine.infer(np.zeros((1, *spec.shape), spec.dtype))
    except EngineError:
        engine.close()
        raise


def first_line(error: Exception) -> str:
    """Return the first line of a library's error, without file and line of its source."""
    lines = [line.strip() for line in str(error).splitlines()]
    useful = [line for line in lines if line and not line.startswith(("Exception from ", "Check '"))]
    return (useful or lines or [type(error).__name__])[0][:200].rstrip(".") or type(error).__name__


def _fits(card: Card, shape: tuple[int, ...]) -> bool:
    expected = task_of(card.task).output_shape(card)
    return len(shape) == len(expected) and all(known in (None, given) for known, given in zip(expected, shape, strict=True))
