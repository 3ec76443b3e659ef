"""A trained network on disk: `card.json` + `weights.safetensors` + `model.onnx`, and variants for engines and precisions.

A bundle comes from outside and must not be able to run code: no pickles, only the file kinds in `SUFFIXES`, and every
file must have the SHA-256 the card names.
"""

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, PositiveInt, ValidationError

from inspector.core.config import describe_validation, write_atomically
from inspector.core.errors import BundleError, ConfigError, StorageError
from inspector.core.images import InputSpec
from inspector.core.types import Floats, TaskName
from inspector.core.variants import Precision, Variant

CARD = "card.json"
WEIGHTS = "weights.safetensors"
GRAPH = "model.onnx"
SUFFIXES = frozenset({".safetensors", ".onnx", ".xml", ".bin", ".json"})


class Card(BaseModel):
    """What is needed to use a trained network: written once by the trainer, verified at every open."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: Literal[1] = 1
    name: str = Field(min_length=1, max_length=80)
    task: TaskName
    network: str
    network_options: Mapping[str, int | float | str | bool] = {}
    classes: tuple[str, ...] = Field(description="for segmentation the foreground classes, background is not one")
    ok_classes: tuple[str, ...] = Field((), description="classes of a good part; empty where no class is good")
    input: InputSpec
    mean: tuple[float, ...] = Field(description="per channel, of the array prepare() makes")
    std: tuple[float, ...] = Field(description="per channel; the graph computes (array - mean) / std")
    target_mean: tuple[float, ...] = Field((), description="thermal: kelvin added to the scaled outputs (max, mean, min)")
    target_std: tuple[float, ...] = Field((), description="thermal: kelvin per unit of the scaled outputs")
    thresholds: Mapping[str, float] = Field({}, description="defaults of the decision: score, nms_iou, mask, floor, ...")
    metrics: Mapping[str, float] = Field({}, description="on the test part of the split")
    validation: Mapping[str, float] = Field({}, description="on the validation part, best epoch")
    dataset: Mapping[str, str | int] = Field({}, description="name, fingerprint, counts, split seed")
    training: Mapping[str, str | int | float | bool] = Field({}, description="the settings it was trained with")
    created: datetime
    software: str = Field(description="version of this program")
    files: Mapping[str, str] = Field({}, description="SHA-256 of every other file of the bundle")
    max_batch: PositiveInt = 16
    variants: tuple[Variant, ...] = ()

    def with_variant(self, variant: Variant) -> "Card":
        """This card with `variant` instead of an earlier one for the same engine and precision."""
        others = (old for old in self.variants if (old.engine, old.precision) != (variant.engine, variant.precision))
        return self.model_copy(update={"variants": (*others, variant)})


@dataclass(frozen=True, slots=True)
class Bundle:
    """An opened, verified bundle."""

    folder: Path
    card: Card

    @property
    def name(self) -> str:
        return self.card.name

    def path(self, file: str) -> Path:
        """Where a file of the bundle lies; ConfigError if the card does not list it."""
        if file not in self.card.files:
            raise ConfigError(
                "The bundle {bundle} has no {file}.", remedy="Export or train it again.", bundle=self.folder, file=file
            )
        return self.folder / file

    def variant(self, engine: str, precision: Precision) -> Variant | None:
        """What the card says of this engine and precision, whether it may be used or not; None if nothing."""
        found = (one for one in self.card.variants if (one.engine, one.precision) == (engine, precision))
        return next(found, None)

    def variant_file(self, engine: str, precision: Precision, suffix: str) -> Path:
        """The variant's file with this suffix; every file of the variant is verified first. Raises BundleError.

        They are not verified by `open`: a damaged variant leaves the others usable.
        """
        variant = self.variant(engine, precision)
        files = {} if variant is None else variant.files
        for name, expected in files.items():
            file = self.folder / name
            if Path(name).name != name or file.suffix not in SUFFIXES or not file.is_file() or sha256(file) != expected:
                raise BundleError(
                    "The file {file} is missing, or not the one this variant was made with (its SHA-256 differs).",
                    remedy="Export the bundle again, or use the precision fp32.",
                    file=file,
                )
        for name in files:
            if Path(name).suffix == suffix:
                return self.folder / name
        raise BundleError(
            "The bundle {bundle} has no {precision} graph for {engine}.",
            remedy="Export it: inspector export --model {bundle} --engine {engine} --precision {precision}.",
            bundle=self.folder,
            engine=engine,
            precision=precision,
        )

    @classmethod
    def open(cls, folder: Path) -> "Bundle":
        """Read the card and verify every file it lists but the variants' own (see `variant_file`).

        Raises ConfigError, naming the file, if the card is missing or invalid, a file is missing, has another
        SHA-256 than the card says, or is of a kind that a bundle does not hold.
        """
        card = read_card(folder)
        for name, expected in card.files.items():
            file = folder / name
            if Path(name).name != name or file.suffix not in SUFFIXES:
                raise ConfigError(
                    "The bundle {bundle} lists {file}, a kind of file that bundles do not hold.",
                    remedy="Use a bundle made by this program.",
                    bundle=folder,
                    file=name,
                )
            if not file.is_file():
                raise ConfigError(
                    "The bundle {bundle} lacks its file {file}.",
                    remedy="Copy the whole folder again, or train it again.",
                    bundle=folder,
                    file=name,
                )
            if sha256(file) != expected:
                raise ConfigError(
                    "The file {file} is not the one this bundle was made with (its SHA-256 differs).",
                    remedy="Copy the bundle again from where it was trained.",
                    file=file,
                )
        for needed in (WEIGHTS, GRAPH):
            if needed not in card.files:
                raise ConfigError(
                    "The card of the bundle {bundle} does not list {file}.",
                    remedy="Train or export it again.",
                    bundle=folder,
                    file=needed,
                )
        return cls(folder, card)

    def weights(self) -> dict[str, Floats]:
        """The network's parameters by name, read with safetensors; ConfigError if the file is something else."""
        from safetensors import SafetensorError
        from safetensors.numpy import load_file

        path = self.path(WEIGHTS)
        try:
            return load_file(path)
        except (SafetensorError, ValueError, OSError) as error:
            raise ConfigError(
                "{file} is not a safetensors file ({detail}).",
                remedy="Use a bundle made by this program; other weight files are never loaded.",
                file=path,
                detail=error,
            ) from error


def read_card(folder: Path) -> Card:
    """Parse `folder/card.json`, without looking at the other files. Raises ConfigError."""
    path = folder / CARD
    try:
        text = path.read_text("utf-8")
    except FileNotFoundError:
        raise ConfigError(
            "There is no bundle at {folder}: it has no card.json.",
            remedy="Give the folder that `inspector train --out` made.",
            folder=folder,
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError("{file} cannot be read ({detail}).", file=path, detail=error) from error
    try:
        return Card.model_validate(json.loads(text))
    except json.JSONDecodeError as error:
        raise ConfigError("{file} is not JSON ({detail}).", file=path, detail=error) from error
    except ValidationError as error:
        raise ConfigError(
            "{file} is not a valid bundle card: {detail}.", file=path, detail=describe_validation(error)
        ) from error


def write_card(folder: Path, card: Card) -> Bundle:
    """Replace the card of a bundle, all at once or not at all. Raises StorageError."""
    write_atomically(folder / CARD, _text(card))
    (folder / CARD).chmod(0o644)
    return Bundle(folder, card)


def write_bundle(folder: Path, card: Card, fill: Callable[[Path], None]) -> Bundle:
    """Make a bundle all at once or not at all.

    `fill(temporary_folder)` writes the files; then they are hashed into the card, the card is written, and the folder is
    renamed to `folder`, replacing an earlier bundle there. Raises StorageError if the disk refuses.
    """
    folder = folder.resolve()
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    except OSError as error:
        raise StorageError(
            "The bundle {folder} cannot be written ({detail}).",
            remedy="Choose a folder with free space and write permission.",
            folder=folder,
            detail=error.strerror or error,
        ) from error
    try:
        fill(temporary)
        own = {name for variant in card.variants for name in variant.files}  # the variants vouch for these
        files = {file.name: sha256(file) for file in sorted(temporary.iterdir()) if file.name not in own}
        full = card.model_copy(update={"files": files})
        (temporary / CARD).write_bytes(_text(full))
        temporary.chmod(0o755)
        _replace(temporary, folder)
    except OSError as error:
        raise StorageError(
            "The bundle {folder} cannot be written ({detail}).",
            remedy="Free some space, or choose another folder; an earlier bundle there is unchanged.",
            folder=folder,
            detail=error.strerror or error,
        ) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return Bundle(folder, full)


def _text(card: Card) -> bytes:
    return (card.model_dump_json(indent=2) + "\n").encode()


def _replace(new: Path, folder: Path) -> None:
    """Rename `new` to `folder`; an old folder there is moved aside first and removed last."""
    if not folder.exists():
        new.rename(folder)
        return
    if not (folder / CARD).is_file() and any(folder.iterdir()):
        raise FileExistsError(17, "the folder exists and is not a bundle", str(folder))
    aside = folder.with_name(f".{folder.name}.old-{os.getpid()}")
    folder.rename(aside)
    try:
        new.rename(folder)
    except OSError:
        aside.rename(folder)
        raise
    shutil.rmtree(aside, ignore_errors=True)


def find_bundles(root: Path) -> list[Path]:
    """The folders directly under `root` that hold a card, by name."""
    return sorted(card.parent for card in root.glob(f"*/{CARD}")) if root.is_dir() else []


def sha256(file: Path) -> str:
    """Hexadecimal SHA-256 of a file's bytes."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def normalisation(card: Card) -> tuple[Floats, Floats]:
    """The card's mean and std as float32 [C]."""
    return np.asarray(card.mean, np.float32), np.asarray(card.std, np.float32)
