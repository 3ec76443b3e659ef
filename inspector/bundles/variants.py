"""Variants of a bundle: its graph for one engine and precision, and the proof that it agrees with the trained network."""

import re
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, ConfigDict, Discriminator, Field, Tag, ValidationError

from inspector import __version__
from inspector.core.config import Count, FiniteModel
from inspector.core.message import Message, message
from inspector.core.registry import ENGINES
from inspector.core.sentence import Sentence
from inspector.core.types import Precision

PROCESSOR = "processor"  # key next to the software versions of a variant


def software_for(engine: str, precision: Precision) -> dict[str, str]:
    """Return the installed versions of the software that makes and runs a variant, without importing any of it."""
    found = {"inspector": __version__}
    for package in (*ENGINES[engine].software, *(("nncf",) if precision == "int8" else ())):
        with suppress(PackageNotFoundError):
            found[package] = version(package)
    return found


_FILE = re.compile(r"\w[\w.-]*")


def _plain_name(name: str) -> str:
    """Validate a plain file name: cards come from outside, and files of variants are copied and deleted by their names."""
    if _FILE.fullmatch(name) is None:
        raise ValueError(f"{name!r} is not the name of a file in the bundle's folder")
    return name


FileName = Annotated[str, AfterValidator(_plain_name)]


class _Part(FiniteModel):
    model_config = ConfigDict(extra="forbid")


class Parity(_Part):
    """A variant's answers on the bundle's reference images, compared with the trained network's.

    Each difference is the largest of one image, in scores (0..1), or in kelvin for thermal bundles; `unit` says which. `flips`
    counts images with another verdict, with boxes or areas that do not overlap (IoU below one half), or with temperatures more
    than 5 K apart. `before` and `after` are `metric` of the trained network and of the variant.
    """

    images: Count = Field(ge=1)
    unit: Literal["score", "kelvin"]
    max_difference: float
    mean_difference: float
    flips: Count
    metric: str
    before: float
    after: float
    max_drop: float = Field(description="largest accepted drop of `metric`, in its own unit")
    max_flips: Count
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
        """Loss against the trained network, in the metric's unit; negative if the variant is better."""
        return self.before - self.after


class Variant(_Part):
    """The graph for one engine and precision. `files` (SHA-256 by name) is empty if the variant runs the bundle's own graph."""

    engine: str
    precision: Precision
    files: Mapping[FileName, str] = {}
    software: Mapping[str, str] = Field({}, description="versions it was made with, and the processor it was judged on")
    full_precision: tuple[str, ...] = Field((), description="int8: layers that stayed in floating point")
    calibration: Count = Field(0, description="int8: images it was calibrated with")
    parity: Parity | None = None
    failed: Sentence | None = Field(None, description="why it could not be made, so that there is nothing to be judged")
    created: datetime

    @property
    def kind(self) -> tuple[str, Precision]:
        """(engine, precision). A bundle has at most one variant of each kind."""
        return self.engine, self.precision


class VariantMade(FiniteModel):
    """The result of a `VariantJob`: the variant, and the bundle or copy that now holds it."""

    bundle: Path
    variant: Variant


class LaterVariant(FiniteModel):
    """A variant that only a newer version of this program understands. It is kept unchanged with its files and never used."""

    model_config = ConfigDict(extra="allow")

    engine: str
    precision: str
    files: Mapping[FileName, str] = {}

    @property
    def kind(self) -> tuple[str, str]:
        """(engine, precision), as for `Variant`."""
        return self.engine, self.precision


_NEWS = frozenset({"extra_forbidden", "literal_error"})  # validation errors of a variant from a newer program version


def _reader(value: object) -> str:
    """Return the discriminator of a list entry: `later` if the entry names an unknown engine, precision or field."""
    if isinstance(value, Mapping):
        if not any(value.get("engine") == engine for engine in ENGINES):
            return "later"
        try:
            Variant.model_validate(value)
        except ValidationError as error:
            problems = error.errors(include_url=False)
            if any(problem["loc"] == ("precision",) and problem["type"] == "literal_error" for problem in problems):
                return "later"
            return "later" if all(problem["type"] in _NEWS for problem in problems) else "variant"
    return "later" if isinstance(value, LaterVariant) else "variant"


AnyVariant = Annotated[
    Annotated[Variant, Tag("variant")] | Annotated[LaterVariant, Tag("later")],
    Discriminator(_reader),
]


def why_not(
    variant: Variant | None, files: Mapping[str, str], *, bundle: object, engine: str, precision: str
) -> Message | None:
    """Return why a variant must not judge parts, or None.

    Reasons: it was never made, never judged, made from other files, or refused. `files`: the card's own files, SHA-256 by name.
    """
    values = {"bundle": bundle, "engine": engine, "precision": precision}
    if variant is not None and variant.failed is not None:
        reason = variant.failed.text
        return message("The {precision} variant of {bundle} for {engine} could not be made: {reason}", **values, reason=reason)
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
