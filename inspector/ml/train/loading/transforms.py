"""Augmentation: the same geometry for pixels, boxes and mask. numpy and OpenCV, because a batch must cost less than a step.

How far a sample may be varied goes by the kind of process it comes from:

    none      tests, and data that is varied enough: nothing is changed
    standard  when nothing is known: left-right flip, 10 degrees, some brightness and contrast
    surface   textures without up and down (sheet, tile, fabric, wafer): both flips, quarter turns, light, mild scale
    part      a part that always lies the same way: small shift, turn and scale, mild light; no flip
    window    a fixed camera and fixed parts, only light and focus change: exposure, blur, noise; the geometry stays
    strong    few images (below a hundred or so): as surface, but further; scale 0.6 to 1.4, blur, noise, holes

Temperatures are what a thermal network learns, so a thermal frame is only mirrored, whatever the preset. Inputs that are not
square are turned by half turns only. A hole could hide all of a defect, so only classes that cover much of the picture
(classification) get holes, and small ones. Cost at 224 x 224 pixels in colour, one core: about 0.5 ms (standard, surface,
part), 0.8 ms (window), 1.3 ms (strong); 2 ms for inputs of kind "float".
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

import cv2
import numpy as np
from numpy.typing import NDArray

from inspector.core.types import Floats, TaskName
from inspector.data.tiles import place
from inspector.imaging.preprocessing import Prepared
from inspector.runs.settings import Area, Augmentations
from inspector.tasks.base import Target, task_of

Matrix = NDArray[np.float64]
Size = tuple[int, int]  # width and height

# A box with less than this share left in the input no longer shows its labelled object.
_LEAST_VISIBLE = 0.25
_PAD = 114
_COVERED = 128  # share of a pixel, times 255, from which it shows a class
_AT_OBJECTS = 0.8  # of the pieces show an object, if there is one; the others lie anywhere


@dataclass(frozen=True, slots=True)
class Augmentation:
    """How far a sample may be changed; a field that is 0 changes nothing.

    Geometry: `flip`, `flip_vertical`, probability of mirroring left and right, top and bottom. `quarter_turns`: turned by
    a random multiple of 90 degrees. `degrees`: largest rotation either way. `shift`: largest shift either way, as a share of
    the side. `scale`: smallest and largest factor of the size.
    Light, not for kelvin: `brightness`, `contrast`, `gamma`, largest relative change either way. `blur`: largest standard
    deviation in pixels; `noise`: largest standard deviation in grey levels; half of the samples get either. `cutout`:
    largest side of a grey hole, as a share of the side, in half of the samples.
    `cover`: areas that no sample shows, so that nothing can be learnt from them (see `_covered`).
    """

    flip: float = 0.0
    flip_vertical: float = 0.0
    quarter_turns: bool = False
    degrees: float = 0.0
    shift: float = 0.0
    scale: tuple[float, float] = (1.0, 1.0)
    brightness: float = 0.0
    contrast: float = 0.0
    gamma: float = 0.0
    blur: float = 0.0
    noise: float = 0.0
    cutout: float = 0.0
    cover: tuple[Area, ...] = ()


PRESETS: Mapping[Augmentations, Augmentation | None] = MappingProxyType(
    {
        "none": None,
        "standard": Augmentation(flip=0.5, degrees=10.0, brightness=0.2, contrast=0.2),
        "surface": Augmentation(
            flip=0.5, flip_vertical=0.5, quarter_turns=True, scale=(0.9, 1.15), brightness=0.2, contrast=0.2, gamma=0.2
        ),
        "part": Augmentation(degrees=5.0, shift=0.04, scale=(0.93, 1.07), brightness=0.15, contrast=0.15, gamma=0.1),
        "window": Augmentation(brightness=0.3, contrast=0.3, gamma=0.3, blur=1.2, noise=5.0),
        "strong": Augmentation(
            flip=0.5,
            flip_vertical=0.5,
            quarter_turns=True,
            degrees=20.0,
            shift=0.1,
            scale=(0.6, 1.4),
            brightness=0.35,
            contrast=0.35,
            gamma=0.3,
            blur=1.2,
            noise=8.0,
            cutout=0.2,
        ),
    }
)


def augmentation_for(
    task: TaskName, preset: Augmentations = "standard", *, cover: tuple[Area, ...] = ()
) -> Augmentation | None:
    """Return the augmentation of a preset for a task, with areas that are covered; None: nothing is changed."""
    how = PRESETS[preset]
    varied = task_of(task).varied
    if cover and varied:
        how = replace(how or Augmentation(), cover=cover)
    if how is None:
        return None
    if not varied:
        return Augmentation(flip=how.flip, flip_vertical=how.flip_vertical) if how.flip else None
    return how if task_of(task).cutout else replace(how, cutout=0.0)


def augment(
    pixels: Prepared, target: Target, how: Augmentation, rng: np.random.Generator, *, piece: Size | None = None
) -> tuple[Prepared, Target]:
    """Return a random variant of `pixels` [H, W, C] (uint8, or float32 on the scale of 0 to 255) and its encoded truth.

    `piece`: width and height of a piece that is cut out, no larger than `pixels`; None: the whole. Most pieces show an object.
    Temperatures require an `Augmentation` without changes in light. Neither argument is modified.
    """
    whole = (pixels.shape[1], pixels.shape[0])
    size = piece or whole
    if how.cover:
        pixels = _covered(pixels, how.cover, rng, located=bool({"boxes", "mask"} & target.keys()))
    matrix = _geometry(size[0], size[1], how, rng)
    if size != whole:
        matrix = np.eye(2, 3) if matrix is None else matrix
        matrix[:, 2] -= matrix[:, :2] @ _corner(target, whole, size, rng)
    if matrix is not None:
        # A border filled by mirroring would show objects without a box; a mask is mirrored with its pixels.
        border = cv2.BORDER_CONSTANT if "boxes" in target else cv2.BORDER_REFLECT_101
        pixels = _warp(pixels, matrix, border, size)
        target = warp_target(target, matrix, *whole, into=size)
    return _light(pixels, how, rng), target


def _corner(target: Target, whole: Size, size: Size, rng: np.random.Generator) -> NDArray[np.int64]:
    """Return x and y where a piece of this size begins. Those that show an object have it anywhere in them."""
    around = _some_object(target, whole, rng) if rng.random() < _AT_OBJECTS else None
    low, high = (np.zeros(2), np.array(whole, np.float64)) if around is None else (around[:2], around[2:])
    return np.array([place(low[axis], high[axis], size[axis], whole[axis], rng) for axis in (0, 1)])


def _some_object(target: Target, whole: Size, rng: np.random.Generator) -> NDArray[np.float64] | None:
    """Return the corners of a box, or of a pixel of a mask, of a random class in pixels; None if there is no object."""
    if "boxes" in target:
        kinds = target["classes"]
        if not (kinds >= 0).any():
            return None
        chosen = rng.choice(np.flatnonzero(kinds == rng.choice(np.unique(kinds[kinds >= 0]))))
        centre, sides = np.split(target["boxes"][chosen].astype(np.float64) * (*whole, *whole), 2)
        return np.concatenate([centre - sides / 2, centre + sides / 2])
    drawn = [plane for plane in target.get("mask", ()) if plane.max() >= _COVERED]
    if not drawn:
        return None
    where = np.flatnonzero(drawn[int(rng.integers(len(drawn)))] >= _COVERED)
    y, x = divmod(int(rng.choice(where)), whole[0])
    return np.array([x, y, x + 1, y + 1], np.float64)


def _covered(pixels: Prepared, areas: tuple[Area, ...], rng: np.random.Generator, *, located: bool) -> Prepared:
    """Return the sample with each area replaced by another piece of itself, which hides it without an edge of its own.

    A piece could show an object that the truth does not name; `located`: so samples with boxes or masks get grey instead.
    """
    covered = pixels.copy()
    height, width = pixels.shape[:2]
    for left, top, across, down in areas:
        x, y = round(left * width), round(top * height)
        w, h = max(1, min(round(across * width), width - x)), max(1, min(round(down * height), height - y))
        at_y, at_x = int(rng.integers(height - h + 1)), int(rng.integers(width - w + 1))
        piece = pixels[at_y : at_y + h, at_x : at_x + w]
        overlaps = abs(at_x - x) < w and abs(at_y - y) < h
        covered[y : y + h, x : x + w] = _PAD if located or overlaps else piece
    return covered


def _geometry(width: int, height: int, how: Augmentation, rng: np.random.Generator) -> Matrix | None:
    """Return a random map of the input onto itself; None for the identity."""
    mirrored = bool(how.flip) and rng.random() < how.flip
    upended = bool(how.flip_vertical) and rng.random() < how.flip_vertical
    angle = float(rng.uniform(-how.degrees, how.degrees)) if how.degrees else 0.0
    if how.quarter_turns:
        angle += 90.0 * int(rng.integers(4)) if width == height else 180.0 * int(rng.integers(2))
    # Enlarging and shrinking are equally likely.
    scale = float(np.exp(rng.uniform(*np.log(how.scale)))) if how.scale != (1.0, 1.0) else 1.0
    shift = (rng.uniform(-how.shift, how.shift, 2) * (width, height)) if how.shift else np.zeros(2)
    if not (mirrored or upended or angle or shift.any() or scale != 1.0):
        return None
    matrix = affine(width, height, angle, mirrored=mirrored, upended=upended, scale=scale)
    matrix[:, 2] += shift
    return matrix


def _light(pixels: Prepared, how: Augmentation, rng: np.random.Generator) -> Prepared:
    """Apply random brightness, contrast and gamma, then blur, noise and a hole."""
    if how.brightness or how.contrast or how.gamma:
        brightness, contrast, gamma = (
            float(rng.uniform(1 - most, 1 + most)) if most else 1.0 for most in (how.brightness, how.contrast, how.gamma)
        )
        pixels = _jitter(pixels, brightness, contrast, gamma)
    if how.blur and (sigma := float(rng.uniform(-how.blur, how.blur))) > 0.2:
        blurred = np.asarray(cv2.GaussianBlur(pixels, (0, 0), sigma), pixels.dtype).reshape(pixels.shape)
        pixels = np.minimum(blurred, 255)  # float32 sums may exceed 255 slightly
    if how.noise and (sigma := float(rng.uniform(-how.noise, how.noise))) > 0:
        grain = rng.standard_normal(pixels.shape[:2], dtype=np.float32)[..., None] * sigma
        noisy = np.clip(pixels + grain, 0, 255)
        pixels = (np.rint(noisy) if pixels.dtype == np.uint8 else noisy).astype(pixels.dtype)
    if how.cutout and (side := float(rng.uniform(-how.cutout, how.cutout))) > 0:
        pixels = pixels.copy()
        height, width = max(1, round(side * pixels.shape[0])), max(1, round(side * pixels.shape[1]))
        top, left = int(rng.integers(pixels.shape[0] - height + 1)), int(rng.integers(pixels.shape[1] - width + 1))
        pixels[top : top + height, left : left + width] = _PAD
    return pixels


def warp_target(target: Target, matrix: Matrix, width: int, height: int, *, into: Size | None = None) -> Target:
    """Return an encoded truth (see `Task.encode`) under an affine map of the input, applied to `mask`, `ignore` and `boxes`.

    `into`: width and height of the result; None: those of the input.
    """
    size = into or (width, height)
    result = dict(target)
    for name in ("mask", "ignore"):
        if name in target:
            result[name] = np.stack([_warp(plane, matrix, cv2.BORDER_REFLECT_101, size) for plane in target[name]])
    if "boxes" in target:
        boxes, visible = warp_boxes(target["boxes"], matrix, width, height, into=size)
        classes = np.where(visible, target["classes"], -1)
        used_first = np.argsort(classes < 0, kind="stable")
        result["boxes"], result["classes"] = boxes[used_first], classes[used_first]
    return result


def affine(
    width: int, height: int, angle: float, *, mirrored: bool = False, upended: bool = False, scale: float = 1.0
) -> Matrix:
    """Return the [2, 3] matrix of a rotation about the centre by `angle` degrees and scaling, after mirroring.

    Coordinates are continuous pixels (a pixel's centre is at .5). `mirrored` swaps left and right, `upended` top and bottom.
    """
    radians = np.deg2rad(angle)
    cos, sin = scale * np.cos(radians), scale * np.sin(radians)
    linear = np.array([[cos, sin], [-sin, cos]]) @ np.diag([-1.0 if mirrored else 1.0, -1.0 if upended else 1.0])
    centre = np.array([width / 2, height / 2])
    return np.hstack([linear, (centre - linear @ centre)[:, None]])


def warp_boxes(
    boxes: Floats, matrix: Matrix, width: int, height: int, *, into: Size | None = None
) -> tuple[Floats, NDArray[np.bool_]]:
    """Return boxes [N, 4] under an affine map, and which of them are still visible.

    Boxes are centre x, y, width, height as fractions of the input, and are clipped to the result, whose width and height are
    `into` (None: those of the input). A rotated box is bounded like
    the ellipse inscribed in it, which is closer to the object than the bounds of its corners (Kalra et al., "Towards Rotation
    Invariance in Object Detection", ICCV 2021).
    """
    size = np.array([width, height], np.float64)
    centres = (boxes[:, :2] * size) @ matrix[:, :2].T + matrix[:, 2]
    halves = np.sqrt((boxes[:, 2:] * size / 2) ** 2 @ (matrix[:, :2] ** 2).T)
    size = size if into is None else np.array(into, np.float64)
    low, high = np.clip(centres - halves, 0, size), np.clip(centres + halves, 0, size)
    sides = high - low
    visible = (sides.min(axis=1) >= 1) & (sides.prod(axis=1) >= _LEAST_VISIBLE * 4 * halves.prod(axis=1))
    moved: Floats = np.hstack([(low + high) / 2 / size, sides / size]).astype(np.float32)
    return moved, visible


def _warp(image: Prepared, matrix: Matrix, border: int, size: Size) -> Prepared:
    """Apply a matrix given in continuous coordinates; OpenCV's origin is the centre of the first pixel."""
    centred = matrix.copy()
    centred[:, 2] += matrix[:, :2] @ np.array([0.5, 0.5]) - 0.5
    warped = cv2.warpAffine(image, centred, size, flags=cv2.INTER_LINEAR, borderMode=border, borderValue=(_PAD,) * 4)
    return np.asarray(warped, image.dtype).reshape(size[1], size[0], *image.shape[2:])


def _jitter(pixels: Prepared, brightness: float, contrast: float, gamma: float = 1.0) -> Prepared:
    """Scale the grey levels, then their distance from the mean, as torchvision's ColorJitter does; then apply gamma."""
    if pixels.dtype != np.uint8:
        bright = np.clip(pixels * np.float32(brightness), 0, 255)
        mean = np.float32(bright.mean())
        stretched = np.clip((bright - mean) * np.float32(contrast) + mean, 0, 255)
        curved: Prepared = np.minimum(255 * (stretched / 255) ** np.float32(gamma), 255).astype(np.float32)
        return curved
    levels = np.clip(np.arange(256) * brightness, 0, 255)
    flat = np.ascontiguousarray(pixels).reshape(pixels.shape[0], -1)
    counts = cv2.calcHist([flat], [0], None, [256], [0, 256]).ravel()
    middle = float(counts.astype(np.float64) @ levels) / pixels.size
    spread = np.clip((levels - middle) * contrast + middle, 0, 255)
    table = np.rint(255 * (spread / 255) ** gamma).astype(np.uint8)
    return np.asarray(cv2.LUT(pixels, table), np.uint8).reshape(pixels.shape)
