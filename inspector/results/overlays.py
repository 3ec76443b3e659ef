"""Overlay pictures for files: the frame with boxes, areas, regions, hot spots and the verdict. Needs no window.

The window has its own drawing.
"""

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np
import PIL.Image

from inspector.core.types import Floats, Frame, Inspection, Masks, Pixels, Verdict
from inspector.engines.explainer import HeatMap
from inspector.imaging.colormaps import PALETTES, Palette, Table, indices
from inspector.imaging.visible import Colour, Picture, visible
from inspector.tasks.drawing import WHITE, Pen, draw_prediction, font, tint

_VERDICTS: Mapping[Verdict, Colour] = MappingProxyType(
    {
        Verdict.OK: (0, 158, 115),
        Verdict.NG: (213, 94, 0),
        Verdict.REVIEW: (230, 159, 0),
        Verdict.NOT_INSPECTED: (120, 120, 120),
    }
)
_SIMULATION: Colour = (240, 228, 66)
HEAT_PALETTE: Palette = "inferno"
HEAT_OPACITY = 0.7  # of the hottest place
_SMALLEST = 480  # narrower pictures are enlarged for legible labels


def draw(inspection: Inspection) -> dict[str, Picture]:
    """Return RGB uint8 [H, W, 3] by camera name. Small frames are enlarged by an integer factor."""
    return {camera: _draw_frame(inspection, frame, camera) for camera, frame in inspection.frames.items()}


def heat_picture(pixels: Pixels, heat: HeatMap, palette: Table, opacity: float) -> Picture:
    """Return the frame as 8-bit RGB with the heat map over its region.

    Stronger heat is more opaque; `opacity` is that of the hottest pixel.
    """
    shown = _displayable(pixels)
    region, values = heat.region, heat.in_region()
    colours = palette[indices(values, 0.0, 1.0)]
    patch = shown[region.y : region.bottom, region.x : region.right]
    weight = (opacity * np.clip(0.4 + 0.6 * values, 0, 1) * (values > 0))[..., None]
    patch[...] = np.rint(patch * (1 - weight) + colours * weight).astype(np.uint8)
    return shown


def warm_picture(frame: Frame, kelvin: Floats) -> Picture:
    """Return a frame of light as 8-bit RGB under temperatures [H, W] of the same pixels, half and half; NaN leaves it alone."""
    picture, alive = visible(frame).copy(), np.isfinite(kelvin)
    if alive.any():
        colours = PALETTES["iron"][indices(kelvin, float(kelvin[alive].min()), float(kelvin[alive].max()))]
        picture[alive] = (picture[alive].astype(np.uint16) + colours[alive]) // 2
    return picture


def _displayable(pixels: Pixels) -> Picture:
    """Return a writable 8-bit RGB copy; kelvin and 16-bit values are stretched from their minimum to their maximum."""
    if pixels.dtype != np.uint8:
        low, high = float(np.nanmin(pixels)), float(np.nanmax(pixels))
        scaled = np.nan_to_num((pixels.astype(np.float32) - low) * (255.0 / max(high - low, 1e-6)))
        pixels = np.rint(scaled).astype(np.uint8)
    return np.array(pixels if pixels.ndim == 3 else np.repeat(pixels[..., None], 3, axis=2), np.uint8)


def _draw_frame(inspection: Inspection, frame: Frame, camera: str) -> Picture:
    picture = visible(frame)
    predictions = [prediction for prediction in inspection.predictions if prediction.camera == camera]
    for prediction in predictions:
        if isinstance(prediction.answer, Masks):
            tint(picture, prediction, prediction.threshold)
    scale = -(-_SMALLEST // picture.shape[1]) if picture.shape[1] < _SMALLEST else 1
    if scale > 1:
        picture = np.repeat(np.repeat(picture, scale, axis=0), scale, axis=1)
    image = PIL.Image.fromarray(picture)
    pen = Pen(image, scale)
    for prediction in predictions:
        region = prediction.region
        if (region.width, region.height) != (frame.width, frame.height):
            pen.rectangle(region, WHITE, width=1)
        draw_prediction(pen, prediction, prediction.threshold)
    _banner(pen, inspection)
    if frame.is_simulated:
        _simulation(pen)
    return np.asarray(image, np.uint8)


def _banner(pen: Pen, inspection: Inspection) -> None:
    """Draw the verdict and its first reason along the top."""
    words = [inspection.verdict.value.replace("_", " "), *(reason.text for reason in inspection.reasons[:1])]
    pen.draw.rectangle((0, 0, pen.image.width, pen.size + 8), fill=_VERDICTS[inspection.verdict])
    pen.draw.text((6, 2), "  ".join(words), font=font(pen.size), fill=WHITE)


def _simulation(pen: Pen) -> None:
    """Mark a rendered frame along the bottom, in letters twice as large as the others."""
    letters = font(pen.size * 2)
    width, height = pen.image.width, pen.image.height
    pen.draw.rectangle((0, height - pen.size * 2 - 12, width, height), fill=_SIMULATION)
    pen.draw.text((width / 2, height - 6), "SIMULATION", font=letters, fill=(0, 0, 0), anchor="md")
