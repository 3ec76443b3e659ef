"""From frame pixels to a network's input: the one preprocessing of training, validation and every engine."""

import functools
from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pydantic import ConfigDict, Field, model_validator

from inspector.core.config import FiniteModel
from inspector.core.message import Message, message
from inspector.core.types import Frame, Pixels, Region, Unit
from inspector.imaging.temperature import may_be_hundredths

Prepared = NDArray[np.uint8 | np.float32]
Places = NDArray[np.float64]
Fit = Literal["stretch", "letterbox", "crop"]
Resample = Literal["average", "linear", "antialias"]

_LINEAR = 1.5  # largest reduction by interpolation
_KEPT = 0.49  # share of a line's contrast: half, allowing for rounding
_PLACES = 512  # positions along a side at which a line is tested
_BAND = 256 * 1024  # bytes
_COLDEST, _HOTTEST = 150.0, 2000.0  # kelvin: range for the levels of a thermal camera
_FEW_BITS = (1 << 14) - 1  # the most that cameras store in 16 bits without using all of them
_BRIGHT = 0.01  # share of pixels that reflections may drive beyond what was learnt

# Callers prepare several frames in parallel; OpenCV's own threads would only spin and waste processor time.
cv2.setNumThreads(1)


class InputSpec(FiniteModel):
    """The array that a network takes.

    `kind="uint8"`: 8 bits per channel; deeper frames are mapped linearly from `levels` (low, high), in the frame's own unit
    (grey levels or kelvin), to 0..255. The default levels are the whole range of the dtype. `kind="float"`: the same as float32
    without rounding, so that frames of 10 to 16 bits and temperatures keep their depth. `unit`: the unit of the frames that the
    network was trained on; None in cards of earlier versions (see `reads`). `fit="stretch"` resizes to the input size;
    `"letterbox"` keeps the aspect ratio and pads with the value 114; `"crop"` keeps it and leaves out what exceeds the input on
    both sides of the middle. `resample="average"` keeps thin lines where a picture shrinks (see `resize`). Imported networks
    may have learnt from others: `"linear"` interpolates between four pixels, `"antialias"` is Pillow's bilinear filter.
    """

    model_config = ConfigDict(extra="forbid")

    width: int = Field(gt=0, le=4096)
    height: int = Field(gt=0, le=4096)
    channels: Literal[1, 3] = 3
    kind: Literal["uint8", "float"] = "uint8"
    fit: Fit = "stretch"
    resample: Resample = "average"
    levels: tuple[float, float] | None = None
    unit: Unit | None = None

    @model_validator(mode="after")
    def _check(self) -> "InputSpec":
        if self.unit == "kelvin" and self.channels != 1:
            raise ValueError("temperatures have one channel")
        if self.levels is not None and not self.levels[0] < self.levels[1]:
            raise ValueError("levels must be (low, high) with low < high")
        return self

    @property
    def reads(self) -> Unit:
        """The unit that frames must have. If the card does not say, one channel with temperature levels means kelvin."""
        if self.unit is not None:
            return self.unit
        low, high = self.levels or (0.0, 0.0)
        return "kelvin" if self.channels == 1 and low >= _COLDEST and high <= _HOTTEST else "intensity"

    @property
    def dtype(self) -> type[np.uint8] | type[np.float32]:
        return np.uint8 if self.kind == "uint8" else np.float32

    @property
    def shape(self) -> tuple[int, int, int]:
        """(height, width, channels) of the input."""
        return (self.height, self.width, self.channels)


@dataclass(frozen=True, slots=True)
class View:
    """Geometry of a frame's region in a network's input: input = frame * scale + offset, in pixels."""

    camera: str
    region: Region
    scale_x: float
    scale_y: float
    offset_x: float
    offset_y: float

    def to_frame(self, xyxy: NDArray[np.float32]) -> NDArray[np.float32]:
        """Convert boxes [N, 4] from input pixels to frame pixels, clipped to the region."""
        scale = np.array([self.scale_x, self.scale_y] * 2, np.float32)
        offset = np.array([self.offset_x, self.offset_y] * 2, np.float32)
        low = np.array([self.region.x, self.region.y] * 2, np.float32)
        high = np.array([self.region.right, self.region.bottom] * 2, np.float32)
        clipped: NDArray[np.float32] = np.clip((xyxy - offset) / scale, low, high).astype(np.float32)
        return clipped

    def to_input(self, xyxy: NDArray[np.float32]) -> NDArray[np.float32]:
        """Convert boxes [N, 4] from frame pixels to input pixels, without clipping."""
        scale = np.array([self.scale_x, self.scale_y] * 2, np.float32)
        offset = np.array([self.offset_x, self.offset_y] * 2, np.float32)
        return (xyxy * scale + offset).astype(np.float32)

    def content(self, spec: InputSpec) -> Region:
        """Return the part of the input that shows the region, in input pixels. Without letterboxing this is the whole input."""
        if spec.fit != "letterbox":
            return Region(0, 0, spec.width, spec.height)
        x = round(self.region.x * self.scale_x + self.offset_x)
        y = round(self.region.y * self.scale_y + self.offset_y)
        width = min(max(1, round(self.region.width * self.scale_x)), spec.width - x)
        height = min(max(1, round(self.region.height * self.scale_y)), spec.height - y)
        return Region(x, y, width, height)


def whole(pixels: Pixels) -> Region:
    """Return the region that covers the whole frame."""
    return Region(0, 0, int(pixels.shape[1]), int(pixels.shape[0]))


def view(region: Region, spec: InputSpec, camera: str = "") -> View:
    """Return the geometry that `prepare` uses for this region and input. Its region is the part of `region` that is seen."""
    if spec.fit == "crop":
        return _cropped(region, spec, camera)
    scale_x, scale_y = spec.width / region.width, spec.height / region.height
    pad_x = pad_y = 0
    if spec.fit == "letterbox":
        scale = min(scale_x, scale_y)
        inner_width = min(max(1, round(region.width * scale)), spec.width)
        inner_height = min(max(1, round(region.height * scale)), spec.height)
        scale_x, scale_y = inner_width / region.width, inner_height / region.height
        pad_x, pad_y = (spec.width - inner_width) // 2, (spec.height - inner_height) // 2
    return View(camera, region, scale_x, scale_y, pad_x - region.x * scale_x, pad_y - region.y * scale_y)


def _covering(region: Region, spec: InputSpec) -> tuple[int, int, int, int]:
    """Return width and height of the resized region, and left and top of the input in it, for `fit="crop"`."""
    scale = max(spec.width / region.width, spec.height / region.height)
    width, height = max(spec.width, int(region.width * scale)), max(spec.height, int(region.height * scale))
    return width, height, round((width - spec.width) / 2), round((height - spec.height) / 2)


def _cropped(region: Region, spec: InputSpec, camera: str) -> View:
    width, height, left, top = _covering(region, spec)
    scale_x, scale_y = width / region.width, height / region.height
    x, y = round(left / scale_x), round(top / scale_y)
    seen_width, seen_height = max(1, round(spec.width / scale_x)), max(1, round(spec.height / scale_y))
    seen = Region(region.x + x, region.y + y, min(seen_width, region.width - x), min(seen_height, region.height - y))
    return View(camera, seen, scale_x, scale_y, -left - region.x * scale_x, -top - region.y * scale_y)


def prepare(
    pixels: Pixels,
    spec: InputSpec,
    region: Region | None = None,
    out: Prepared | None = None,
    *,
    bits: int | None = None,
) -> Prepared:
    """Crop, map levels, convert channels and resize; return the array [height, width, channels] of `spec.dtype`.

    `pixels` and `bits` are as in `Frame`. If `out` (a row of the batch) is given, it is written and returned. The same pixels
    and spec give the same bytes everywhere. Training augments after this function, never before.
    """
    region = region or whole(pixels)
    patch = _without_gaps(pixels[region.y : region.bottom, region.x : region.right])
    levelled = _levels(patch, spec, bits)
    content = view(region, spec).content(spec)
    result = np.empty(spec.shape, spec.dtype) if out is None else out
    if content.width != spec.width or content.height != spec.height:
        result[...] = 114
    target = result[content.y : content.bottom, content.x : content.right]
    if spec.fit == "crop":
        width, height, left, top = _covering(region, spec)
        large = np.empty((height, width, *levelled.shape[2:]), levelled.dtype)
        _resampled(levelled, large, spec)
        levelled = large[top : top + spec.height, left : left + spec.width]
    if levelled.ndim == 2:
        _resampled(levelled, target[..., 0], spec)
        target[..., 1:] = target[..., :1]
    elif spec.channels == 3:
        _resampled(levelled, target, spec)
    else:  # grey is ITU-R BT.601 luma
        small = np.empty((content.height, content.width, 3), levelled.dtype)
        _resampled(levelled, small, spec)
        target[..., 0] = cv2.cvtColor(small, cv2.COLOR_RGB2GRAY)
    return result


def white_of(pixels: Pixels, bits: int | None = None) -> float:
    """Return the value that counts as white: the largest value of the bits in use, or of the dtype if that is unknown."""
    return float((1 << (bits or 16)) - 1) if pixels.dtype == np.uint16 else 255.0


def _without_gaps(patch: Pixels) -> Pixels:
    """Replace each NaN temperature by the average of its surroundings.

    No network may receive a NaN: OpenVINO turns it into an output that looks like any other.
    """
    if patch.dtype != np.float32 or cv2.checkRange(patch)[0]:
        return patch
    alive = np.isfinite(patch)
    if not alive.any():
        return np.zeros_like(patch)
    filled = np.where(alive, patch, np.float32(0))
    size = 3
    while not alive.all():
        weight = cv2.blur(alive.astype(np.float32), (size, size), borderType=cv2.BORDER_CONSTANT)
        around = cv2.blur(filled, (size, size), borderType=cv2.BORDER_CONSTANT)
        found = ~alive & (weight > 0.5 / size**2)
        filled[found] = around[found] / weight[found]
        alive, size = alive | found, 2 * size + 1
    return filled


def _levels(patch: Pixels, spec: InputSpec, bits: int | None) -> Prepared:
    """Map pixels from their native depth to the spec's dtype, by the spec's levels."""
    if patch.dtype == np.uint8 and spec.levels is None:
        return patch.astype(spec.dtype, copy=False)
    low, high = spec.levels or (0.0, white_of(patch, bits))
    scaled = (patch.astype(np.float32) - low) * np.float32(255.0 / (high - low))
    if spec.kind == "float":
        return np.asarray(np.clip(scaled, 0, 255), np.float32)
    mapped: NDArray[np.uint8] = np.clip(np.rint(scaled), 0, 255).astype(np.uint8)
    return mapped


def resize(patch: Prepared, target: Prepared) -> None:
    """Resize `patch` into `target`, each side independently: averaging where it shrinks, linear interpolation where it grows.

    Averaging keeps thin defects from falling between samples, but over areas of fractional size it is the slowest step between
    camera and engine. So both sides are halved while they stay at least as large as the target, which is exact and eight times
    as fast. After halving, a step of at most `_LINEAR` is linear. If a thin line would lose more than half of its contrast that
    way, the slower steps are used.
    """
    height, width = target.shape[:2]
    if patch.shape == target.shape:
        target[...] = patch
        return
    source = _readable(patch)
    if width > source.shape[1] or height > source.shape[0]:
        # OpenCV averages only where both sides shrink.
        less = (min(width, source.shape[1]), min(height, source.shape[0]))
        if less != source.shape[1::-1]:
            source = np.asarray(cv2.resize(source, less, interpolation=cv2.INTER_AREA), patch.dtype)
        _scale(source, target, cv2.INTER_LINEAR)
        return
    halvings, method = _plan(*source.shape[:2], height, width)
    for _ in range(halvings):
        source = _halved(source)
    _scale(source, target, method)


def _resampled(patch: Prepared, target: Prepared, spec: InputSpec) -> None:
    """Resize `patch` into `target` as the spec says."""
    if spec.resample == "average" or patch.shape == target.shape:
        resize(patch, target)
    elif spec.resample == "linear":
        _scale(_readable(patch), target, cv2.INTER_LINEAR)
    else:
        layers = patch[..., None] if patch.ndim == 2 else patch
        size, made = (target.shape[1], target.shape[0]), target[..., None] if target.ndim == 2 else target
        for channel in range(layers.shape[2]):
            layer = Image.fromarray(np.ascontiguousarray(layers[..., channel]))
            made[..., channel] = np.asarray(layer.resize(size, Image.Resampling.BILINEAR), patch.dtype)


@functools.lru_cache(maxsize=4096)
def _plan(height: int, width: int, to_height: int, to_width: int) -> tuple[int, int]:
    """Return how often to halve and how to continue: the fastest way that keeps thin lines."""
    most, high, wide = 0, height, width
    while not (high % 2 or wide % 2) and high >= 2 * to_height and wide >= 2 * to_width:
        most, high, wide = most + 1, high // 2, wide // 2
    step = max(wide / to_width, high / to_height)
    quickest = cv2.INTER_LINEAR if most and step <= _LINEAR else cv2.INTER_AREA
    for halvings, method in ((most, quickest), *((left, cv2.INTER_AREA) for left in range(most, 0, -1))):
        linear = method == cv2.INTER_LINEAR
        if all(_kept(*side, halvings, linear=linear) >= _KEPT for side in ((height, to_height), (width, to_width))):
            return halvings, method
    return 0, cv2.INTER_AREA


def _kept(source: int, target: int, halvings: int, *, linear: bool) -> float:
    """Return the remaining contrast of a line of 1, 3 or 6 pixels, as a share of what averaging in one step would leave.

    The result is the minimum over many positions.
    """
    block, cell = 1 << halvings, source / target
    small = source // block
    step, worst = small / target, 1.0
    for width in (1, 3, 6):
        start: Places = np.arange(max(1, min(source - width + 1, _PLACES)), dtype=np.float64)[:, None]
        sample: Places = np.clip(np.floor(start / cell) + np.arange(-2.0, int(width / cell) + 4), 0, target - 1)
        exact = _shared(start, start + width, sample * cell, (sample + 1) * cell) / cell
        if linear:
            centre = (sample + 0.5) * step - 0.5
            low = np.clip(np.floor(centre), 0, small - 1)
            share = np.clip(centre - low, 0, 1)
            pieces = [(low, 1 - share), (np.minimum(low + 1, small - 1), share)]
        else:
            touched: list[Places] = [np.floor(start / block) + index for index in range(width // block + 2)]
            pieces = [(one, _shared(one, one + 1, sample * step, (sample + 1) * step) / step) for one in touched]
        made = sum(_shared(start, start + width, one * block, (one + 1) * block) / block * weight for one, weight in pieces)
        worst = min(worst, float((np.max(made, axis=1) / exact.max(axis=1)).min()))
    return worst


def _shared(begin: Places, end: Places, other_begin: Places, other_end: Places) -> Places:
    """Return the length of the overlap of two intervals."""
    shared: Places = np.clip(np.minimum(end, other_end) - np.maximum(begin, other_begin), 0, None)
    return shared


def _halved(source: Prepared) -> Prepared:
    """Return the averages of two by two pixels; both sides are even.

    Works in bands that stay in the cache, each read through first. OpenCV reads two rows at a time, and memory outside the
    cache arrives half as fast that way (190 against 130 us, 640 x 480 RGB).
    """
    height, width = source.shape[:2]
    half = np.empty((height // 2, width // 2, *source.shape[2:]), source.dtype)
    rows = max(2, _BAND // source.strides[0] // 2 * 2)
    for top in range(0, height, rows):
        band = source[top : top + rows]
        cv2.sumElems(band)
        cv2.resize(band, (width // 2, len(band) // 2), dst=half[top // 2 :][: len(band) // 2], interpolation=cv2.INTER_AREA)
    return half


def _scale(source: Prepared, target: Prepared, method: int) -> None:
    """Call `cv2.resize` into `target`, whatever the strides of `target`."""
    size = (target.shape[1], target.shape[0])
    if target.strides[-1] == target.itemsize:
        cv2.resize(source, size, dst=target, interpolation=method)
    else:
        target[...] = cv2.resize(source, size, interpolation=method)


def _readable(patch: Prepared) -> Prepared:
    """Return the same pixels in a layout that OpenCV can read: a crop of a frame unchanged, any other layout as a copy."""
    whole_pixels = patch.strides[1] == patch.itemsize * (patch.shape[2] if patch.ndim == 3 else 1)
    plain = whole_pixels and patch.strides[0] > 0 and patch.strides[-1] == patch.itemsize
    return patch if plain else np.ascontiguousarray(patch)


def fits(spec: InputSpec, unit: Unit) -> bool:
    """Return whether a network with this input accepts frames of this unit (temperatures or light)."""
    return spec.reads == unit


def wrong_unit(spec: InputSpec, frame: Frame, bundle: str, *, name: str = "") -> Message | None:
    """Return why a bundle cannot inspect this frame; None if it can.

    Reasons: temperatures are needed and the frame holds light, or the reverse, or the levels exceed 8 bits. `name`: the frame's
    name in the sentence, by default its camera.
    """
    camera = name or frame.camera
    if fits(spec, frame.unit):
        return None if spec.reads == "kelvin" else _wrong_depth(spec, frame, bundle, camera)
    if spec.reads == "kelvin":
        return may_be_hundredths(frame.pixels, camera) or message(
            "The bundle {bundle} needs temperatures, and {camera} gives a picture without them.", bundle=bundle, camera=camera
        )
    return message("The bundle {bundle} needs a picture, and {camera} gives temperatures.", bundle=bundle, camera=camera)


def _wrong_depth(spec: InputSpec, frame: Frame, bundle: str, camera: str) -> Message | None:
    """Return why the grey levels of a frame are not those that a bundle learnt.

    The bundle would get an image that is too dark or too bright and would detect nothing.
    """
    pixels, bits = frame.pixels, frame.bits
    if spec.levels is not None and spec.levels[1] > 256 and (pixels.dtype == np.uint8 or (bits or 16) <= 8):
        return message(
            "The bundle {bundle} needs pictures of more than 8 bits, and {camera} gives 8.", bundle=bundle, camera=camera
        )
    if pixels.dtype != np.uint16:
        return None
    highest = int(pixels.max())
    if bits is not None and _more_than(pixels, (1 << bits) - 1, highest):
        return message(
            "{camera} gives values up to {highest}, more than the {bits} bits that it is said to use.",
            camera=camera,
            highest=highest,
            bits=bits,
        )
    if spec.levels is None:
        if bits is not None:
            return None
        if _more_than(pixels, _FEW_BITS, highest):
            return may_be_hundredths(pixels, camera)
        return message(
            "{camera} gives values up to {highest} in 16 bits, and nothing says how many of the bits are used; {bundle} would "
            "see it too dark. Set the option bits of the camera, for example 12.",
            camera=camera,
            highest=highest,
            bundle=bundle,
        )
    low, high = spec.levels
    if (bits is not None and high > 1 << bits) or _more_than(pixels, 2 * high, highest, _BRIGHT):
        return message(
            "{camera} gives values up to {highest}, and {bundle} learnt values from {low:.0f} to {high:.0f}: another depth.",
            camera=camera,
            highest=highest,
            bundle=bundle,
            low=low,
            high=high,
        )
    return None


def _more_than(pixels: Pixels, limit: float, highest: int, share: float = 1e-4) -> bool:
    """Return whether more pixels than a few sensor defects are above a limit."""
    return highest > limit and int(np.count_nonzero(pixels > limit)) > share * pixels.size
