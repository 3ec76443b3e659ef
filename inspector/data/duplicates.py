"""Exact and near duplicates in a data set: a network must not be tested on images that it has learnt.

Exact: the same bytes. Near: a perceptual hash, which is the image at 64 x 64 pixels, compared twice. The first comparison is
coarse (16 x 16, then 32 x 32), minus the mean image of the set, because parts under a fixed camera all look alike. The second
compares the detail alone (64 x 64 minus its blurred copy), because smooth textures agree coarsely by chance. The limits are
from three sets of real photographs. Copies saved 20 % smaller, 5 % brighter, as JPEG of quality 70 reach 0.99 and 0.9 in 97 of
100 cases, while different images of rolled steel stay below 0.989 in the coarse comparison.
"""

import hashlib
import io
import os
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
import PIL.Image
from numpy.typing import NDArray

from inspector.core.errors import ConfigError
from inspector.core.message import Message, message
from inspector.core.types import Floats
from inspector.data.samples import Dataset, Sample
from inspector.imaging.files import MAX_BYTES, MAX_PIXELS, read_image
from inspector.imaging.formats.jpeg import decode_reduced, read_header
from inspector.imaging.formats.tiff import ORIENTATION

_SIDE, _COARSE, _SEARCH = 64, 32, 16
_ALIKE, _ALIKE_DETAIL, _CANDIDATE = 0.99, 0.9, 0.97  # correlations
_FLAT = 2.0  # grey levels of standard deviation below which a picture shows nothing to compare
_BLOCK = 1024  # rows compared at a time
_ALL_ALIKE = 0.3  # share of images in one group from which similarity means nothing


@dataclass(frozen=True, slots=True, eq=False)
class Look:
    """An image file reduced for comparison: SHA-256 of its bytes, the image as grey uint8 [64, 64], and width / height.

    `bits`: of its values; 0 for temperatures.
    """

    digest: bytes
    small: NDArray[np.uint8]
    aspect: float
    bits: int = 8


_DEPTHS = (10, 12, 14, 16)  # bits of cameras


@dataclass(frozen=True, slots=True)
class Duplicates:
    """Groups of two or more indices into the compared images.

    `near` groups hold one image of each exact group. `alike`: so many images look the same that similarity means nothing, and
    `near` is empty.
    """

    exact: tuple[tuple[int, ...], ...]
    near: tuple[tuple[int, ...], ...]
    alike: bool = False


def nothing() -> None:
    """Do nothing: the default `tick`."""


def never() -> bool:
    """Return False: the default `cancelled`."""
    return False


def look(path: Path) -> Look:
    """Read and decode one image, which reveals damage. Raises ConfigError."""
    try:
        data = path.read_bytes() if path.stat().st_size <= MAX_BYTES else b""
    except (OSError, ValueError):
        data = b""  # read_image says what is wrong
    grey, aspect, bits = _reduced_jpeg(data) or _whole(path)
    small = np.asarray(cv2.resize(grey, (_SIDE, _SIDE), interpolation=cv2.INTER_AREA), np.uint8)
    return Look(hashlib.sha256(data).digest(), small, aspect, bits)


def _reduced_jpeg(data: bytes) -> tuple[NDArray[np.uint8], float, int] | None:
    """Return a JPEG decoded at between an eighth and its full size, which is much faster; None for any other file."""
    if data[:3] != b"\xff\xd8\xff" or b"FLIR\0" in data[:4096]:
        return None
    try:
        header = read_header(data)
        if header.refused or not 4 * (4 * _SIDE) ** 2 <= header.width * header.height <= MAX_PIXELS:
            return None
        with PIL.Image.open(io.BytesIO(data), formats=("JPEG",)) as picture:
            if picture.getexif().get(ORIENTATION, 1) != 1:
                return None
        return decode_reduced(data, 2 * _SIDE, header=header), header.width / header.height, 8
    except (OSError, SyntaxError, ValueError, ZeroDivisionError, PIL.Image.DecompressionBombError):
        return None  # read_image says what is wrong


def _whole(path: Path) -> tuple[NDArray[np.uint8], float, int]:
    image = read_image(path)
    read = image.pixels
    aspect = read.shape[1] / read.shape[0]
    pixels = np.asarray(cv2.cvtColor(read, cv2.COLOR_RGB2GRAY)) if read.ndim == 3 else read
    if pixels.dtype == np.uint8:
        return np.asarray(pixels, np.uint8), aspect, 8
    # Deeper than 8 bits, or kelvin: what counts is the pattern between the darkest and the brightest.
    values = pixels.astype(np.float32)
    low, high = float(np.nanmin(values)), float(np.nanmax(values))
    shown = np.nan_to_num((values - low) * (255.0 / max(high - low, 1e-9)))
    bits = 0 if image.unit == "kelvin" else image.bits or next(n for n in _DEPTHS if int(pixels.max()) < 1 << n)
    return np.asarray(shown, np.uint8), aspect, bits


def look_at(
    paths: Sequence[Path], *, tick: Callable[[], None] = nothing, cancelled: Callable[[], bool] = never, spare: int = 0
) -> tuple[list[Look | None], list[ConfigError]]:
    """Decode many images on every core; return a `Look` per path (None if unreadable), and the problems found.

    `tick` is called after each image, on the calling thread. Once `cancelled()` returns True, the remaining looks are None.
    `spare`: cores to leave idle, so that a window stays responsive.
    """
    looks: list[Look | None] = []
    errors: list[ConfigError] = []
    workers = max(1, (os.cpu_count() or 1) - spare)
    with ThreadPoolExecutor(workers, thread_name_prefix="look") as pool:
        for start in range(0, len(paths), 16 * workers):
            if cancelled():
                break
            for result in pool.map(_tried, paths[start : start + 16 * workers]):
                if isinstance(result, ConfigError):
                    errors.append(result)
                looks.append(None if isinstance(result, ConfigError) else result)
                tick()
    return looks + [None] * (len(paths) - len(looks)), errors


def _tried(path: Path) -> Look | ConfigError:
    try:
        return look(path)
    except ConfigError as error:
        return error


def find_duplicates(looks: Sequence[Look | None], *, cancelled: Callable[[], bool] = never) -> Duplicates:
    """Return the groups of images that show the same.

    Compares every pair: 100,000 images take minutes, 2,000 less than a second.
    """
    by_digest: dict[bytes, list[int]] = {}
    for index, one in enumerate(looks):
        if one is not None:
            by_digest.setdefault(one.digest, []).append(index)
    exact = tuple(tuple(group) for group in by_digest.values() if len(group) > 1)
    firsts = [group[0] for group in by_digest.values()]
    kept = [(index, found) for index in firsts if (found := looks[index]) is not None and float(found.small.std()) >= _FLAT]
    union = _Union()
    for a, b in _near_pairs([found for _, found in kept], cancelled):
        union.join(kept[a][0], kept[b][0])
    near = tuple(sorted(union.groups()))
    largest = max((len(group) for group in near), default=0)
    if largest > max(8, _ALL_ALIKE * len(firsts)):
        return Duplicates(exact, (), alike=True)
    return Duplicates(exact, near)


def _near_pairs(looks: Sequence[Look], cancelled: Callable[[], bool]) -> Iterable[tuple[int, int]]:
    """Yield pairs of indices (a < b) of images that look the same."""
    if len(looks) < 2:
        return
    small = np.empty((len(looks), _SIDE, _SIDE), np.uint8)
    for index, seen in enumerate(looks):  # row by row, so that other threads can run
        small[index] = seen.small
    aspects = np.array([one.aspect for one in looks])
    coarse = _means_removed(np.stack([cv2.resize(one, (_COARSE, _COARSE), interpolation=cv2.INTER_AREA) for one in small]))
    search = _means_removed(np.stack([cv2.resize(one, (_SEARCH, _SEARCH), interpolation=cv2.INTER_AREA) for one in small]))
    for start in range(0, len(looks), _BLOCK):
        if cancelled():
            return
        likeness = search[start : start + _BLOCK] @ search[start:].T
        for a, b in zip(*np.nonzero(np.triu(likeness, 1) >= _CANDIDATE), strict=True):
            one, other = start + int(a), start + int(b)
            same_shape = abs(aspects[one] / aspects[other] - 1) < 0.03
            if (
                same_shape
                and float(coarse[one] @ coarse[other]) >= _ALIKE
                and _detail(small[one], small[other]) >= _ALIKE_DETAIL
            ):
                yield one, other


def _means_removed(pictures: NDArray[np.uint8]) -> Floats:
    """Return unit vectors [N, pixels] with brightness and contrast removed.

    In a set of enough images, the mean image is removed too.
    """
    flat = pictures.reshape(len(pictures), -1).astype(np.float32)
    flat = _unit(flat - flat.mean(axis=1, keepdims=True))
    # The mean of few images is dominated by each of them.
    return _unit(flat - flat.mean(axis=0)) if len(flat) >= 20 else flat


def _unit(rows: Floats) -> Floats:
    scaled: Floats = rows / np.maximum(np.linalg.norm(rows, axis=-1, keepdims=True), np.float32(1e-6))
    return scaled.astype(np.float32, copy=False)


def _detail(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> float:
    """Return the correlation of the details: each image minus its blurred copy."""
    rows = np.stack([one, other]).astype(np.float32)
    sharp = np.stack([row - cv2.GaussianBlur(row, (0, 0), 3) for row in rows]).reshape(2, -1)
    first, second = _unit((sharp - sharp.mean(axis=1, keepdims=True)).astype(np.float32))
    return float(first @ second)


class _Union:
    """Disjoint sets, merged pair by pair."""

    def __init__(self) -> None:
        self._parent: dict[int, int] = {}

    def root(self, item: int) -> int:
        parent = self._parent.setdefault(item, item)
        while parent != self._parent[parent]:
            self._parent[parent] = self._parent[self._parent[parent]]
            parent = self._parent[parent]
        return parent

    def join(self, one: int, other: int) -> None:
        low, high = sorted((self.root(one), self.root(other)))
        self._parent[high] = low

    def groups(self) -> list[tuple[int, ...]]:
        found: dict[int, list[int]] = {}
        for item in sorted(self._parent):
            found.setdefault(self.root(item), []).append(item)
        return [tuple(group) for group in found.values() if len(group) > 1]


def deduplicated(dataset: Dataset, *, tick: Callable[[], None] = nothing, cancelled: Callable[[], bool] = never) -> Dataset:
    """Return the data set without exact duplicates, and with near duplicates in the same group.

    Of exact copies with equal labels one is kept; copies with contradicting labels are all removed. If the data has its own
    split, images that are also in its test part (or validation part) are removed from training. Unreadable images are removed.
    Every removed image is named in `problems`. `tick` is called after each image; once `cancelled()` returns True, the data set
    is returned unchanged.
    """
    looks, errors = look_at([sample.path for sample in dataset.samples], tick=tick, cancelled=cancelled)
    found = find_duplicates(looks, cancelled=cancelled)
    if cancelled():
        return dataset
    return without_duplicates(dataset, looks, found, errors)


def without_duplicates(
    dataset: Dataset, looks: Sequence[Look | None], found: Duplicates, errors: Sequence[ConfigError]
) -> Dataset:
    """Do what `deduplicated` does, with looks at the images already made."""
    samples = dataset.samples
    problems: list[Message] = [error.problem for error in errors]
    dropped = {index for index, one in enumerate(looks) if one is None}
    for group in found.exact:
        dropped.update(_resolve(samples, group, problems))
    union = _Union()
    first_of_group: dict[str, int] = {}
    for index, sample in enumerate(samples):
        union.join(first_of_group.setdefault(sample.group, index), index)
    for group in found.near:
        dropped.update(_across_parts(samples, [index for index in group if index not in dropped], problems))
        for index in group:
            union.join(group[0], index)
    if found.alike:
        problems.append(
            message("The images look so alike that near duplicates cannot be told; only exact copies were looked for.")
        )
    kept = tuple(
        replace(sample, group=samples[union.root(index)].group) for index, sample in enumerate(samples) if index not in dropped
    )
    if not kept:
        raise ConfigError(
            "None of the images in {folder} can be used: {why}",
            remedy="Look at the list of problems and correct the data.",
            folder=dataset.folder,
            why=problems[0] if problems else "",
        )
    return replace(dataset, samples=kept, problems=(*dataset.problems, *problems))


_RANK = {"test": 0, "val": 1, "train": 2, None: 2}


def _resolve(samples: Sequence[Sample], group: Sequence[int], problems: list[Message]) -> set[int]:
    """Return the members of a group of exact copies to remove."""
    members = sorted(group, key=lambda index: (_RANK[samples[index].part], samples[index].name))
    names = ", ".join(samples[index].name for index in members)
    first = samples[members[0]]
    if all(_agree(first, samples[index]) for index in members[1:]):
        problems.append(message("{names} are the same image; only {name} is used.", names=names, name=first.name))
        return set(members[1:])
    problems.append(message("{names} are the same image with different labels; none of them is used.", names=names))
    return set(members)


def _across_parts(samples: Sequence[Sample], group: Sequence[int], problems: list[Message]) -> set[int]:
    """Return the members of a group of near duplicates that would train on what another member tests."""
    if not group:
        return set()
    best = min(_RANK[samples[index].part] for index in group)
    worse = {index for index in group if _RANK[samples[index].part] > best}
    names = ", ".join(samples[index].name for index in group)
    if worse:
        problems.append(
            message(
                "{names} look the same but are in different parts of the split; {left} not used.",
                names=names,
                left=", ".join(samples[index].name for index in sorted(worse)),
            )
        )
    elif len({samples[index].truth.label for index in group}) > 1:
        problems.append(message("{names} look the same but have different labels; please check them.", names=names))
    elif len(group) > 1:
        problems.append(message("{names} look the same; they are kept in the same part of the split.", names=names))
    return worse


def _agree(one: Sample, other: Sample) -> bool:
    """Return whether two copies of an image have equal labels: boxes and masks may differ slightly, classes may not."""
    first, second = one.truth, other.truth
    if first.label != second.label or first.temperatures != second.temperatures or one.stratum != other.stratum:
        return False
    if first.boxes is not None and second.boxes is not None:
        return _boxes_agree(first.boxes.xyxy, first.boxes.classes, second.boxes.xyxy, second.boxes.classes)
    if one.mask is not None and other.mask is not None:
        try:
            height, width = read_image(one.path).pixels.shape[:2]
            a, b = one.mask.read(height, width), other.mask.read(height, width)
        except ConfigError:
            return False
        return bool(((a == b) & (a > 0)).sum() >= 0.7 * max((a > 0).sum(), (b > 0).sum()))
    return True


def _boxes_agree(xyxy: Floats, classes: NDArray[np.int64], other_xyxy: Floats, other_classes: NDArray[np.int64]) -> bool:
    if sorted(classes.tolist()) != sorted(other_classes.tolist()):
        return False
    for box, kind in zip(xyxy, classes, strict=True):
        others = other_xyxy[other_classes == kind]
        low, high = np.maximum(others[:, :2], box[:2]), np.minimum(others[:, 2:], box[2:])
        shared = np.prod(np.clip(high - low, 0, None), axis=1)
        areas = np.prod(others[:, 2:] - others[:, :2], axis=1) + np.prod(box[2:] - box[:2]) - shared
        if not bool((shared >= 0.5 * areas).any()):
            return False
    return True
