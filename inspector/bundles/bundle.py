"""A trained network on disk: `card.json` + `weights.safetensors` + `model.onnx`, and variants for engines and precisions.

A bundle comes from outside and must not be able to run code: it holds no pickles and only the file kinds in `SUFFIXES`, and
every file must have the SHA-256 that the card names.

Variants lie in the bundle's own folder and card. If the bundle belongs to the program or may not be written to, its variants
lie in the user's folder (`variants_folder`), listed in a file of their own. Several processes may change the list at the same
time. Each holds the folder's lock (`locks`) while it reads, changes and replaces the list and deletes the files that the list
no longer names.
"""

import hashlib
import json
import os
import re
import shutil
from collections.abc import Callable, Mapping, Sequence, Set
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Annotated, Literal

import psutil
from pydantic import AfterValidator, ConfigDict, Field, TypeAdapter, ValidationError

from inspector.bundles.external_data import check_external_data
from inspector.bundles.variants import AnyVariant, LaterVariant, Variant
from inspector.core.config import FiniteModel, Option, describe_validation, write_atomically
from inspector.core.errors import BundleError, ConfigError, StorageError
from inspector.core.registry import ENGINES, known_task
from inspector.core.storage.durable import replace_durably, sync_file
from inspector.core.storage.locks import alone
from inspector.core.storage.paths import is_shipped, user_data
from inspector.core.storage.temporary import make_temporary
from inspector.core.types import Floats, Precision, TaskName
from inspector.core.untrusted import parse_json, read_bounded
from inspector.imaging.preprocessing import InputSpec
from inspector.imaging.tiling import Tiling

CARD = "card.json"
WEIGHTS = "weights.safetensors"
GRAPH = "model.onnx"
SIGNATURE = "signature.json"  # of the fingerprint (see `acceptance`)
VARIANTS = "variants"  # the user's folder for variants, and the stem of the list in it
FORMAT = 1  # of cards and lists of variants
LARGEST_CARD = 4 * 1024 * 1024  # bytes
SUFFIXES = frozenset({".safetensors", ".onnx", ".xml", ".bin", ".json"})
MAKING = ".export-{pid}-"  # name prefix of the folder in which a process makes a variant's files
_MAKING = re.compile(r"\.export-([0-9]+)-.*")
_FILED = "|".join(name for name, engine in ENGINES.items() if engine.files)
_OWN_FILE = re.compile(rf"({_FILED})-(fp16|int8)-[0-9a-f]{{8}}\.(xml|bin|onnx)")
_VARIANTS: TypeAdapter[tuple[AnyVariant, ...]] = TypeAdapter(tuple[AnyVariant, ...])


class Card(FiniteModel):
    """Everything needed to use a trained network. The trainer writes the card once; it is verified at every open."""

    model_config = ConfigDict(extra="forbid")

    format: Literal[1] = 1
    name: str = Field(min_length=1, max_length=80)
    task: Annotated[TaskName, AfterValidator(known_task)]
    network: str
    family: str = Field("", description="of an imported graph, which has no weights file; empty: trained here")
    network_options: Mapping[str, Option] = {}
    classes: tuple[str, ...] = Field(description="for segmentation the foreground classes, background is not one")
    ok_classes: tuple[str, ...] = Field((), description="classes of a good part; empty where no class is good")
    input: InputSpec
    tiles: Tiling | None = Field(None, description="detection, segmentation: larger frames are inspected in tiles")
    mean: tuple[float, ...] = Field(description="per channel, of the array prepare() makes")
    std: tuple[float, ...] = Field(description="per channel; the graph computes (array - mean) / std")
    target_mean: tuple[float, ...] = Field((), description="thermal: kelvin added to the scaled outputs (max, mean, min)")
    target_std: tuple[float, ...] = Field((), description="thermal: kelvin per unit of the scaled outputs")
    thresholds: Mapping[str, float] = Field({}, description="defaults of the decision: score, nms_iou, mask, floor, ...")
    metrics: Mapping[str, float] = Field({}, description="on the test part of the split")
    validation: Mapping[str, float] = Field({}, description="on the validation part, best epoch")
    dataset: Mapping[str, Option] = Field({}, description="name, fingerprint, counts, split seed")
    training: Mapping[str, Option] = Field({}, description="the settings it was trained with")
    created: datetime
    software: str = Field(description="version of this program")
    files: Mapping[str, str] = Field({}, description="SHA-256 of every other file of the bundle")
    max_batch: int = Field(16, ge=1, le=64)
    variants: tuple[AnyVariant, ...] = ()

    def with_variant(self, *variants: AnyVariant) -> "Card":
        """Return this card with `variants` in place of earlier variants for the same engines and precisions."""
        new = {variant.kind for variant in variants}
        return self.with_variants([*(old for old in self.variants if old.kind not in new), *variants])

    def with_variants(self, variants: Sequence[AnyVariant]) -> "Card":
        """Return this card with exactly these variants."""
        return self.model_copy(update={"variants": tuple(variants)})

    @property
    def variant_files(self) -> frozenset[str]:
        """The files that the variants name. They are not among `files`, which a bundle requires."""
        return frozenset(name for variant in self.variants for name in variant.files)


@dataclass(frozen=True, slots=True)
class Bundle:
    """An opened, verified bundle. `making`: the folder with the files of a variant that is not listed yet."""

    folder: Path
    card: Card
    making: Path | None = None

    @property
    def name(self) -> str:
        return self.card.name

    def path(self, file: str) -> Path:
        """Return the path of a file of the bundle. Raises ConfigError if the card does not list the file."""
        if file not in self.card.files:
            raise ConfigError(
                "The bundle {bundle} has no {file}.", remedy="Export or train it again.", bundle=self.folder, file=file
            )
        return self.folder / file

    @property
    def fingerprint(self) -> str:
        """One SHA-256 for the card and the files it names; variants added later do not change it."""
        return fingerprint_of(self.card)

    @property
    def card_digest(self) -> str:
        """The SHA-256 of the card with its variants, as this program writes it."""
        return hashlib.sha256(_text(self.card)).hexdigest()

    @property
    def variants_folder(self) -> Path:
        """The folder for new variants, which may not exist yet: the bundle's own, or the user's if that may not be changed."""
        return _variants_folder(self.folder, self.card)

    def variant(self, engine: str, precision: str) -> Variant | None:
        """Return the variant for this engine and precision, whether it may be used or not; None if there is none."""
        return found if isinstance(found := self._listed(engine, precision), Variant) else None

    def later_variant(self, engine: str, precision: str) -> LaterVariant | None:
        """Return a variant written by a newer program version that this version does not understand; None if there is none."""
        found = self._listed(engine, precision)
        return found if isinstance(found, LaterVariant) else None

    def _listed(self, engine: str, precision: str) -> AnyVariant | None:
        return next((one for one in self.card.variants if one.kind == (engine, precision)), None)

    def variant_path(self, name: str) -> Path:
        """Return the path of a variant's file, existing or not, without verifying anything."""
        places = (*(() if self.making is None else (self.making,)), self.variants_folder)
        return next((place / name for place in places if (place / name).is_file()), self.folder / name)

    def verify_variant(self, variant: Variant) -> None:
        """Raise BundleError unless every file of the variant is unchanged since it was made."""
        for name, expected in variant.files.items():
            file = self.variant_path(name)
            if file.suffix not in SUFFIXES or not file.is_file() or sha256(file) != expected:
                raise BundleError(
                    "The file {file} is missing, or not the one this variant was made with (its SHA-256 differs).",
                    remedy="Export the bundle again, or use the precision fp32.",
                    file=file,
                )
            check_external_data(file, variant.files)

    def variant_file(self, engine: str, precision: Precision, suffix: str) -> Path:
        """Return the variant's file with this suffix after verifying every file of the variant.

        Raises BundleError. `open` does not verify these files, so a damaged variant leaves the others usable.
        """
        variant = self.variant(engine, precision)
        files = {} if variant is None else variant.files
        if variant is not None:
            self.verify_variant(variant)
        for name in files:
            if Path(name).suffix == suffix:
                return self.variant_path(name)
        raise BundleError(
            "The bundle {bundle} has no {precision} graph for {engine}.",
            remedy="Export it: inspector export --model {bundle} --engine {engine} --precision {precision}.",
            bundle=self.folder,
            engine=engine,
            precision=precision,
        )

    def add_variant(
        self, variant: Variant, *, made: Path | None = None, where: Callable[["Bundle"], bool] = lambda now: True
    ) -> "Bundle":
        """List a variant in place of an earlier variant of its kind.

        Its files lie in `variants_folder`, or are copied from `made`. The list is read again first, because other processes may
        have added variants. `where` is called with the current bundle; if it returns False, that bundle is returned unchanged.
        Raises StorageError.
        """
        with alone(self.variants_folder):
            now = self._now()
            return self._add(variant, Bundle(self.folder, now.card, made)) if where(now) else now

    def remove_variant(self, engine: str, precision: str) -> "Bundle":
        """Delete a variant and its files. Raises StorageError, also if the variant lies where nothing may be written."""
        with alone(self.variants_folder):
            bundle = self._keep(lambda kept: [old for old in kept if old.kind != (engine, precision)])
        if bundle.variant(engine, precision) is not None:
            raise StorageError(
                "The {precision} variant for {engine} cannot be removed: nothing may be written in {folder}.",
                precision=precision,
                engine=engine,
                folder=self.folder,
            )
        return bundle

    def take_variants(self, other: "Bundle") -> "Bundle":
        """Return this bundle with those variants of another copy that are newer or missing here. Raises StorageError."""
        with alone(self.variants_folder):
            bundle = self._now()
            for variant in other.card.variants:
                old = bundle._listed(*variant.kind)
                newer = isinstance(old, Variant) and isinstance(variant, Variant) and old.created < variant.created
                if not (old is None or newer):
                    continue
                if all(other.variant_path(name).is_file() for name in variant.files):  # otherwise the other copy is damaged
                    bundle = bundle._add(variant, other)
        return bundle

    # ---- shared steps; the caller holds the lock --------------------

    def _add(self, variant: AnyVariant, source: "Bundle") -> "Bundle":
        """List `variant` and copy its files from the bundle `source`."""
        place = self.variants_folder
        for name, digest in variant.files.items():
            found, target = source.variant_path(name), place / name
            if found == target or (target.is_file() and sha256(target) == digest):  # an engine may have it open
                continue
            try:
                place.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(found, target)
                sync_file(target)
            except OSError as error:
                target.unlink(missing_ok=True)
                raise _unwritten(place, error) from error
        return self._keep(lambda kept: [*(old for old in kept if old.kind != variant.kind), variant])

    def _keep(self, change: Callable[[Sequence[AnyVariant]], Sequence[AnyVariant]]) -> "Bundle":
        """Atomically replace the list of writable variants, and delete files that the list no longer names."""
        card, place = read_card(self.folder), self.variants_folder
        if place == self.folder:
            before = card.variants
            bundle = write_card(place, card.with_variants(change(before)))
        else:
            before = _read_list(place, to_change=True)
            kept = change(before)
            listed = {"format": FORMAT, VARIANTS: [one.model_dump(mode="json") for one in kept]}
            write_atomically(place / f"{VARIANTS}.json", (json.dumps(listed, indent=2) + "\n").encode())
            bundle = Bundle(self.folder, card.with_variant(*kept))
        kept_files = {CARD, f"{VARIANTS}.json", *card.files, *bundle.card.variant_files}  # even if a variant claims them
        _clean(place, {name for one in before for name in one.files}, kept_files)
        return bundle

    def _now(self) -> "Bundle":
        return _listed_too(self.folder, read_card(self.folder))

    def copy_to(self, folder: Path) -> "Bundle":
        """Copy the bundle, all at once or not at all. A variant that lacks files stays as unusable. Raises StorageError."""

        def fill(target: Path) -> None:
            for name in self.card.files:
                shutil.copyfile(self.folder / name, target / name)
            with suppress(FileNotFoundError):
                shutil.copyfile(self.folder / SIGNATURE, target / SIGNATURE)
            _copy_variants(self, target)

        return write_bundle(folder, self.card, fill)

    @classmethod
    def open(cls, folder: Path) -> "Bundle":
        """Read the card and verify every file it lists, except the files of variants (see `variant_file`).

        Raises ConfigError, naming the file, if the card is missing or invalid, or if a file is missing, differs from its
        SHA-256 in the card, or is of a kind that a bundle must not hold.
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
        for needed in (GRAPH,) if card.family else (WEIGHTS, GRAPH):
            if needed not in card.files:
                raise ConfigError(
                    "The card of the bundle {bundle} does not list {file}.",
                    remedy="Train or export it again.",
                    bundle=folder,
                    file=needed,
                )
        check_external_data(folder / GRAPH, card.files)
        return _listed_too(folder, card)

    def weights(self) -> dict[str, Floats]:
        """Return the network's parameters by name, read with safetensors. Raises ConfigError if the file is something else."""
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
    """Parse `folder/card.json` without reading the other files. Raises ConfigError."""
    path = folder / CARD
    try:
        data = parse_json(read_bounded(path, limit=LARGEST_CARD))
    except FileNotFoundError:
        raise ConfigError(
            "There is no bundle at {folder}: it has no card.json.",
            remedy="Give the folder that `inspector train --out` made.",
            folder=folder,
        ) from None
    except OSError as error:
        raise ConfigError("{file} cannot be read ({detail}).", file=path, detail=error) from error
    except ValueError as error:
        raise ConfigError("{file} is not JSON ({detail}).", file=path, detail=error) from error
    made_as = data.get("format", FORMAT) if isinstance(data, dict) else FORMAT
    if isinstance(made_as, int) and made_as > FORMAT:
        raise ConfigError(
            "{file} was written by a newer version of this program (format {found}; this one reads {known}).",
            remedy="Install that version here, or train or export the bundle with this one.",
            file=path,
            found=made_as,
            known=FORMAT,
        )
    try:
        return Card.model_validate(data)
    except ValidationError as error:
        raise ConfigError(
            "{file} is not a valid bundle card: {detail}.", file=path, detail=describe_validation(error)
        ) from error


def write_card(folder: Path, card: Card) -> Bundle:
    """Replace the card of a bundle, all at once or not at all. Raises StorageError."""
    write_atomically(folder / CARD, _text(card))
    (folder / CARD).chmod(0o644)
    return Bundle(folder, card)


def write_bundle(folder: Path, card: Card, fill: Callable[[Path], None], *, keep_variants: bool = False) -> Bundle:
    """Create a bundle, all at once or not at all.

    `fill(temporary_folder)` writes the files. Then the files are hashed into the card, the card is written, and the folder is
    renamed to `folder`, replacing an earlier bundle. `keep_variants`: take over the variants of the earlier bundle, whatever
    `card` lists. Raises StorageError if writing fails.
    """
    folder = folder.resolve()
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        temporary = make_temporary(folder.parent, f".{folder.name}.")
    except OSError as error:
        raise StorageError(
            "The bundle {folder} cannot be written ({detail}).",
            remedy="Choose a folder with free space and write permission.",
            folder=folder,
            detail=error.strerror or error,
        ) from error
    try:
        fill(temporary)
        with alone(folder):
            if keep_variants:
                card = card.with_variants(read_card(folder).variants)
                _copy_variants(Bundle(folder, card), temporary)
            own = {*card.variant_files, SIGNATURE}  # covered by the variants' own hashes, or outside all of them
            files = {file.name: sha256(file) for file in sorted(temporary.iterdir()) if file.name not in own}
            full = card.model_copy(update={"files": files})
            (temporary / CARD).write_bytes(_text(full))
            temporary.chmod(0o755)
            _replace(temporary, folder)
    except OSError as error:
        raise _unwritten(folder, error) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return Bundle(folder, full)


def _copy_variants(bundle: Bundle, folder: Path) -> None:
    """Copy the files of the variants, leaving out files that are missing. Raises OSError."""
    for name in bundle.card.variant_files:
        with suppress(FileNotFoundError):
            shutil.copyfile(bundle.variant_path(name), folder / name)


def _unwritten(folder: Path, error: OSError) -> StorageError:
    return StorageError(
        "The bundle {folder} cannot be written ({detail}).",
        remedy="Free some space, or choose another folder; an earlier bundle there is unchanged.",
        folder=folder,
        detail=error.strerror or error,
    )


def fingerprint_of(card: Card) -> str:
    """Return the SHA-256 of the card without its variants and fields at their defaults, so that new fields change nothing."""
    trained = card.model_dump(mode="json", exclude={"variants"}, exclude_defaults=True)
    return hashlib.sha256(json.dumps(trained, sort_keys=True).encode()).hexdigest()


def _variants_folder(folder: Path, card: Card) -> Path:
    if not is_shipped(folder) and os.access(folder, os.W_OK):
        return folder
    return user_data() / VARIANTS / fingerprint_of(card)[:16]


def _listed_too(folder: Path, card: Card) -> Bundle:
    """Return the bundle of a card, including the variants listed in the user's folder."""
    place = _variants_folder(folder, card)
    return Bundle(folder, card if place == folder else card.with_variant(*_read_list(place)))


def _clean(place: Path, before: Set[str], kept: Set[str]) -> None:
    """Delete files of variants that nothing names any more, and the remains of a killed export."""
    for file in place.glob("*"):
        if file.name not in kept and (file.name in before or _OWN_FILE.fullmatch(file.name)):
            with suppress(OSError):  # an engine may have it open: the next change of the list deletes it
                file.unlink()
        making = _MAKING.fullmatch(file.name)
        if making is not None and not psutil.pid_exists(int(making[1])):
            shutil.rmtree(file, ignore_errors=True)


def _read_list(place: Path, *, to_change: bool = False) -> tuple[AnyVariant, ...]:
    """Return the variants listed in the user's folder; none if the list cannot be read.

    `to_change`: raise StorageError for a list of a newer version, which must not be replaced.
    """
    file = place / f"{VARIANTS}.json"
    try:
        data = parse_json(read_bounded(file, limit=LARGEST_CARD))
        if data["format"] == FORMAT:
            return _VARIANTS.validate_python(data[VARIANTS])
        newer = int(data["format"]) > FORMAT
    except (OSError, ValueError, KeyError, TypeError):
        newer = False
    if newer and to_change:
        raise StorageError(
            "{file} was written by a newer version of this program (format {found}; this one reads {known}) and is kept.",
            remedy="Install that version here.",
            file=file,
            found=data["format"],
            known=FORMAT,
        )
    return ()


def _text(card: Card) -> bytes:
    return (card.model_dump_json(indent=2) + "\n").encode()


def _replace(new: Path, folder: Path) -> None:
    """Rename `new` to `folder`; an existing folder is moved aside first and deleted last."""
    if not folder.exists():
        replace_durably(new, folder)
        return
    if not (folder / CARD).is_file() and any(folder.iterdir()):
        raise FileExistsError(17, "the folder exists and is not a bundle", str(folder))
    aside = folder.with_name(f".{folder.name}.old-{os.getpid()}")
    folder.rename(aside)
    try:
        replace_durably(new, folder)
    except OSError:
        aside.rename(folder)
        raise
    shutil.rmtree(aside, ignore_errors=True)


def sha256(file: Path) -> str:
    """Return the hexadecimal SHA-256 of a file's bytes."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
