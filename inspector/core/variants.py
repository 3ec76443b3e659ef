"""Variants of a bundle: its graph for one engine and precision, and the proof that it judges as the trained network does."""

from collections.abc import Mapping
from datetime import datetime
from typing import Literal, get_args

from pydantic import BaseModel, ConfigDict, Field

from inspector.core.message import Message, message
from inspector.core.report import Sentence

Precision = Literal["fp32", "bf16", "fp16", "int8"]
PRECISIONS: tuple[Precision, ...] = get_args(Precision)


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Parity(_Part):
    """What a variant said of the bundle's reference images, beside what the trained network says of them.

    Differences are of scores (0..1), or kelvin for thermal bundles, each image's largest; `unit` says which. `flips` counts
    images with another verdict, with boxes or areas that do not overlap (IoU below one half), or with temperatures more than
    5 K apart. `before` and `after` are `metric` of the trained network and of the variant.
    """

    images: int = Field(ge=1)
    unit: Literal["score", "kelvin"]
    max_difference: float
    mean_difference: float
    flips: int
    metric: str
    before: float
    after: float
    max_drop: float = Field(description="largest accepted drop of `metric`, in its own unit")
    max_flips: int
    max_mean: float = Field(description="largest accepted mean difference")
    refused: Sentence | None = Field(None, description="why it must not be used; None: accepted")
    files: Mapping[str, str] = Field(
        description="SHA-256 of the files that this holds for: weights, graph and the variant's own"
    )
    checked: datetime

    @property
    def accepted(self) -> bool:
        return self.refused is None

    @property
    def drop(self) -> float:
        """How much worse than the trained network, in the metric's unit; below 0: better."""
        return self.before - self.after


class Variant(_Part):
    """The graph for one engine and precision. `files` (SHA-256 by name) is empty where it runs the bundle's own graph."""

    engine: str
    precision: Precision
    files: Mapping[str, str] = {}
    software: Mapping[str, str] = Field({}, description="versions it was made with, and the processor it was judged on")
    full_precision: tuple[str, ...] = Field((), description="int8: layers that stayed in floating point")
    calibration: int = Field(0, ge=0, description="int8: images it was calibrated with")
    parity: Parity | None = None
    created: datetime


def why_not(
    variant: Variant | None, files: Mapping[str, str], *, bundle: object, engine: str, precision: Precision
) -> Message | None:
    """Why a variant must not judge parts, or None: it was never made, never judged, made from other files, or refused.

    `files`: the card's own, SHA-256 by name.
    """
    values = {"bundle": bundle, "engine": engine, "precision": precision}
    if variant is None or variant.parity is None:
        return message("The bundle {bundle} has not been exported and checked for {engine} in {precision}.", **values)
    known = {**files, **variant.files}
    if not set(variant.files) <= set(variant.parity.files) or any(
        known.get(name) != digest for name, digest in variant.parity.files.items()
    ):
        return message("The {precision} variant of {bundle} for {engine} was checked with other files than these.", **values)
    if variant.parity.refused is not None:
        return message(
            "The {precision} variant of {bundle} for {engine} is refused: {reason}",
            **values,
            reason=variant.parity.refused.text,
        )
    return None
