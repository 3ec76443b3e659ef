"""One labelled image of a data folder, and the folder as a whole."""

import hashlib
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from inspector.core.errors import ConfigError
from inspector.core.message import Message
from inspector.core.registry import TASKS
from inspector.core.types import IGNORE, Annotation, Region, TaskName
from inspector.data.masks import HALF, read_mask_of
from inspector.data.outlines import Outline

Part = Literal["train", "val", "test"]
PARTS: tuple[Part, ...] = ("train", "val", "test")


@dataclass(frozen=True, slots=True)
class MaskFile:
    """A mask on disk.

    `value` None: its pixels are 0, k+1 for the class with index k, or IGNORE. Otherwise it is black and white, and pixels of at
    least `white` mean `value`. `colours`: RGB of the values 1, 2, ..., for a mask in colours. `merged`: every class counts as
    the first class. `ignores`: some of its pixels are IGNORE. `others`: further masks of the same image, one for each defect.
    """

    path: Path
    value: int | None = None
    merged: bool = False
    white: int = HALF
    colours: tuple[tuple[int, int, int], ...] = ()
    ignores: bool = False
    others: tuple[Path, ...] = ()

    def read(self, height: int, width: int) -> NDArray[np.uint8]:
        """Return uint8 [H, W]: 0 background, k+1 class k, IGNORE.

        Raises ConfigError, also if the mask has another size than its image.
        """
        pixels = read_mask_of(self.path, height, width, self.colours, self.others)
        classes = pixels if self.value is None else np.where(pixels >= self.white, np.uint8(self.value), np.uint8(0))
        return _one_class(classes) if self.merged else classes

    def fingerprint(self) -> bytes:
        """Return a fingerprint of the mask. Raises ConfigError if the file is missing."""
        data = b""
        for path in (self.path, *self.others):
            with _there(path):
                data += path.read_bytes()
        return data


@dataclass(frozen=True, slots=True)
class DrawnMask:
    """A mask drawn when it is read, from (outline, value) in this order; empty if there are none.

    The value IGNORE marks unlabelled regions.
    """

    file: Path
    outlines: tuple[tuple[Outline, int], ...]
    merged: bool = False

    @property
    def ignores(self) -> bool:
        """Whether some pixels are IGNORE."""
        return any(value == IGNORE for _, value in self.outlines)

    def read(self, height: int, width: int) -> NDArray[np.uint8]:
        """Return uint8 [H, W]: 0 background, k+1 class k. Raises ConfigError if an outline is for another size."""
        mask = np.zeros((height, width), np.uint8)
        for outline, value in self.outlines:
            try:
                outline.paint(mask, min(value, 1) if self.merged and value != IGNORE else value)
            except ValueError as error:
                raise ConfigError(
                    "An outline in {file} cannot be drawn ({detail}); its image has {width} x {height} px.",
                    remedy="Export the labels again, at the size of the images.",
                    file=self.file,
                    detail=error,
                    width=width,
                    height=height,
                ) from error
        return mask

    def fingerprint(self) -> bytes:
        """Return a fingerprint of the mask."""
        return repr(self.outlines).encode()


def _one_class(mask: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the mask with all classes merged into one; unknown pixels stay unknown."""
    return np.where(mask == IGNORE, np.uint8(IGNORE), np.minimum(mask, 1))


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """One labelled image.

    `name` is its path relative to the data folder, with forward slashes. Samples of one `group` show the same part or lot and
    are never distributed over several parts of a split. `stratum` is the class by which a split is balanced: the rarest class
    in the image. `shows`: all classes in the image; if omitted, only the stratum. `truth` holds everything but the mask, which
    is read when needed. `region`: the part of the image that is used, a tile; None for the whole image.
    """

    name: str
    path: Path
    group: str
    stratum: str
    truth: Annotation
    mask: MaskFile | DrawnMask | None = None
    part: Part | None = None
    shows: tuple[str, ...] = ()
    region: Region | None = None

    @property
    def kinds(self) -> tuple[str, ...]:
        """The classes that the sample counts for."""
        return self.shows or (self.stratum,)

    def annotation(self, height: int, width: int) -> Annotation:
        """Return the complete ground truth, with the mask read, for an image of this size.

        Raises ConfigError if the mask has another size.
        """
        if self.mask is None:
            return self.truth
        return replace(self.truth, mask=self.mask.read(height, width))


@dataclass(frozen=True, slots=True, eq=False)
class Dataset:
    """The usable samples of a folder sorted by name, and a sentence for every file that is not used or was corrected.

    `by_most`: the class of an image is that of most of its objects, because there is no label of the whole image.
    """

    folder: Path
    task: TaskName
    classes: tuple[str, ...]
    samples: tuple[Sample, ...]
    problems: tuple[Message, ...] = ()
    by_most: bool = False

    def as_one_class(self, name: str) -> "Dataset":
        """Return the same boxes or masks with all classes merged into the class `name`.

        With few images, the position of a defect can be learnt long before its kind. Raises ConfigError for tasks whose classes
        are not regions of the image.
        """
        if TASKS[self.task].labels not in ("boxes", "mask"):
            raise ConfigError(
                "Classes can be merged for detection and segmentation, not for {task}.",
                remedy="Leave out --one-class.",
                task=self.task,
            )
        return replace(self, classes=(name,), samples=tuple(_merged(sample) for sample in self.samples))

    @property
    def ignores(self) -> bool:
        """Whether masks have unlabelled regions."""
        return any(sample.mask is not None and sample.mask.ignores for sample in self.samples)

    def fingerprint(self) -> str:
        """Return SHA-256 over every sample's name, file size, labels and mask, to recognise the same data.

        Raises ConfigError if a file is missing.
        """
        digest = hashlib.sha256("\0".join((self.task, *self.classes)).encode())
        for sample in self.samples:
            truth = sample.truth
            boxes = b"" if truth.boxes is None else truth.boxes.xyxy.tobytes() + truth.boxes.classes.tobytes()
            mask = b"" if sample.mask is None else sample.mask.fingerprint()
            with _there(sample.path):
                size = sample.path.stat().st_size
            sure = "" if truth.confidence == 1 else f"{truth.confidence:.6g}\0"
            head = f"\0{sample.name}\0{size}\0{truth.label}\0{sure}{truth.temperatures}\0"
            digest.update(head.encode() + boxes + mask)
        return digest.hexdigest()

    def counts(self) -> Mapping[str, int]:
        """Return the number of samples per class; a sample with several classes counts for each."""
        return dict(sorted(Counter(kind for sample in self.samples for kind in sample.kinds).items()))


@contextmanager
def _there(path: Path) -> Iterator[None]:
    """Check that a file still exists. Raises ConfigError if it has been removed since the folder was read."""
    try:
        yield
    except OSError as error:
        raise ConfigError(
            "{file} cannot be read any more ({detail}).",
            remedy="Check the disk or network drive; do not change the data while it is used.",
            file=path,
            detail=error.strerror or error,
        ) from error


def _merged(sample: Sample) -> Sample:
    boxes = sample.truth.boxes
    truth = sample.truth if boxes is None else replace(sample.truth, boxes=replace(boxes, classes=np.zeros_like(boxes.classes)))
    return replace(sample, truth=truth, mask=None if sample.mask is None else replace(sample.mask, merged=True))


def group_of(name: str, pattern: str) -> str:
    """Return the part or lot that a file shows.

    This is the match of `pattern` in the file's name (its first group, if it has one), or the stem. Raises ConfigError if the
    pattern is no regular expression.
    """
    if pattern:
        try:
            found = re.search(pattern, name)
        except re.error as error:
            raise ConfigError("{pattern!r} is not a regular expression ({detail}).", pattern=pattern, detail=error) from error
        if found:
            return found.group(1) if found.re.groups else found.group(0)
    return Path(name).stem


def class_indices(names: Sequence[str], expected: Sequence[str] | None, folder: Path) -> dict[str, int]:
    """Map class names to indices, in the order of `expected` if given (a bundle's classes), else of `names`.

    Raises ConfigError if the data has an unexpected class.
    """
    if expected is None:
        return {name: index for index, name in enumerate(names)}
    unknown = [name for name in names if name not in expected]
    if unknown:
        raise ConfigError(
            "The data in {folder} has the class {name!r}, which is not one of {classes}.",
            remedy="Use data with the classes the bundle was trained on, or train a bundle on this data.",
            folder=folder,
            name=unknown[0],
            classes=", ".join(expected) or "(none)",
        )
    return {name: index for index, name in enumerate(expected)}
