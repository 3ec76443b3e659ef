"""Choice of the input from the training images: bit depth and the range of values in use."""

import math
from collections.abc import Sequence

import numpy as np

from inspector.core.errors import ConfigError
from inspector.data.samples import Sample
from inspector.imaging.files import Image, read_image
from inspector.imaging.preprocessing import InputSpec
from inspector.runs.settings import TrainSettings

_FIRST_LOOK, _LOOK = 8, 64  # images sampled to detect the depth, and to find the range
_OUTLIERS = 0.01  # percent of an image's pixels at either end that may be sensor defects
_MARGIN = 0.1  # margin at either end for future images, as a share of the range
_MARGIN_KELVIN = 10.0


def choose_input(settings: TrainSettings, samples: Sequence[Sample]) -> InputSpec:
    """Return the input for these training samples.

    8-bit images are used unchanged. If all sampled images have more depth (10 to 16 bits in 16, or kelvin), the input is
    "float", unless `settings.depth` is "8". Its levels, unless set by a person, are the range in use: from the lowest to the
    highest value without the outermost 0.01 % of each image, plus a tenth at either end. For predicted temperatures the levels
    are the labelled range plus 10 K at either end.
    """
    levels, first = settings.levels, _images(samples, _FIRST_LOOK)
    deep = _deep(first) and _deep(found := _images(samples, _LOOK))
    if deep and levels is None:
        known = [sample.truth.temperatures for sample in samples if sample.truth.temperatures is not None]
        if known and found[0].unit == "kelvin":
            low, high = min(low for _, _, low in known), max(high for high, _, _ in known)
            levels = (math.floor(low - _MARGIN_KELVIN), math.ceil(high + _MARGIN_KELVIN))
        else:
            levels = used_levels(found)
    return InputSpec(
        width=settings.width,
        height=settings.height,
        channels=settings.channels,
        kind="float" if deep and settings.depth == "auto" else "uint8",
        fit=settings.fit,
        levels=levels,
        unit="kelvin" if deep and first[0].unit == "kelvin" else "intensity",
    )


def used_levels(images: Sequence[Image]) -> tuple[float, float]:
    """Return the range of values in these images, with a margin; whole numbers, and for grey levels not below 0."""
    finite = [image.pixels[np.isfinite(image.pixels)] for image in images]
    ends = np.array([np.percentile(values, [_OUTLIERS, 100 - _OUTLIERS]) for values in finite if values.size])
    if not len(ends):
        return 0.0, 1.0
    low, high = float(ends[:, 0].min()), float(ends[:, 1].max())
    margin = max(_MARGIN * (high - low), 1.0)
    lowest, highest = math.floor(low - margin), math.ceil(high + margin)
    if images[0].unit == "kelvin":
        return float(lowest), float(highest)
    return float(max(lowest, 0)), float(min(highest, 65535))


def _deep(images: Sequence[Image]) -> bool:
    """Return whether all images have more than 8 bits, or all hold temperatures.

    A mixture is treated as 8 bits, each image over its own range.
    """
    return bool(images) and all(image.pixels.dtype != np.uint8 and image.unit == images[0].unit for image in images)


def _images(samples: Sequence[Sample], count: int) -> list[Image]:
    """Return up to `count` images, evenly spaced among the samples. Unreadable images are left out."""
    found = []
    for index in np.unique(np.linspace(0, len(samples) - 1, min(count, len(samples))).astype(int)):
        try:
            found.append(read_image(samples[index].path))
        except ConfigError:
            continue
    return found
