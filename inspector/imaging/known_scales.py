"""How common cameras and programs write temperatures as integers of 16 bits, with the document that says so.

Nothing here is chosen by looking at pixels: a person says what the camera is, and checks the temperature of a known point.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from inspector.core.message import Message, message
from inspector.core.types import Floats, Pixels
from inspector.imaging.image import Reading, TemperatureUnit
from inspector.imaging.temperature import KELVIN_RANGE, in_kelvin


@dataclass(frozen=True, slots=True)
class KnownScale:
    """temperature = value * scale + offset in `unit`, the cameras that write it, and where that is documented.

    `certain`: the camera's maker published it; otherwise users of the camera found it.
    """

    key: str
    name: Message
    unit: TemperatureUnit
    scale: float
    offset: float
    document: str
    certain: bool = True

    @property
    def formula(self) -> str:
        """The scale as text, for example "0.1 * value - 100 °C"."""
        return formula(self.unit, self.scale, self.offset)

    def reading(self) -> Reading:
        """Return the scale as a source declares it."""
        return Reading(unit=self.unit, scale=self.scale, offset=self.offset)


@dataclass(frozen=True, slots=True)
class ScaledFrame:
    """What a scale makes of a frame, in kelvin: `point` at one pixel, and the lowest, mean and highest of all.

    `plausible`: every pixel is a temperature that a camera can see, which proves nothing: several scales can be.
    """

    point: float
    minimum: float
    mean: float
    maximum: float
    plausible: bool


KNOWN_SCALES: Final[tuple[KnownScale, ...]] = (
    KnownScale(
        "centikelvin",
        message("FLIR Lepton 0.01 K, FLIR Duo, MicaSense Altum, Sentera 6X: hundredths of a kelvin"),
        "kelvin",
        0.01,
        0.0,
        "FLIR Lepton Engineering Datasheet 500-0659, T-Linear; FLIR Duo User Guide 5.1.7.3.1; PIX4Dfields, Processing thermal",
    ),
    KnownScale(
        "decikelvin",
        message("FLIR Lepton 0.1 K: tenths of a kelvin"),
        "kelvin",
        0.1,
        0.0,
        "FLIR Lepton Engineering Datasheet 500-0659, T-Linear resolution 0",
    ),
    KnownScale(
        "flir-high",
        message("FLIR A15, A35, A65, Duo Pro R, high resolution; Workswell WIRIS: 0.04 K"),
        "kelvin",
        0.04,
        0.0,
        "FLIR support, TemperatureLinearResolution of the Ax5; Duo Pro R User Guide 6.2.2; Pix4D, Thermal projects FAQ",
    ),
    KnownScale(
        "flir-low",
        message("FLIR A15, A35, A65, Duo Pro R, low resolution: 0.4 K"),
        "kelvin",
        0.4,
        0.0,
        "FLIR support, TemperatureLinearResolution of the Ax5; Duo Pro R User Guide 6.2.2",
    ),
    KnownScale(
        "optris",
        message("Optris, Micro-Epsilon thermoIMAGER: tenths of a degree above -100 °C"),
        "celsius",
        0.1,
        -100.0,
        "Optris, Communication protocol: object temperature in tenth degree + 1000",
    ),
    KnownScale(
        "hundredths-above-minus-100",
        message("Optris fine, senseFly thermoMAP: hundredths of a degree above -100 °C"),
        "celsius",
        0.01,
        -100.0,
        "Optris, Communication protocol: hundredth degree + 10000; Pix4D, Thermal projects FAQ",
    ),
    KnownScale(
        "dji-sdk",
        message("DJI Thermal SDK (dirp_measure): tenths of a degree Celsius"),
        "celsius",
        0.1,
        0.0,
        "DJI Thermal SDK, dirp_api.h: each LSB is 0.1 °C",
    ),
    KnownScale(
        "infiray",
        message("InfiRay P2 Pro, Topdon TC001: sixty-fourths of a kelvin"),
        "kelvin",
        1 / 64,
        0.0,
        "",
        certain=False,
    ),
    KnownScale(
        "seek",
        message("Seek Thermal, fixed point 10.6: sixty-fourths of a degree above -40 °C"),
        "celsius",
        1 / 64,
        -40.0,
        "",
        certain=False,
    ),
)


def formula(unit: TemperatureUnit, scale: float, offset: float) -> str:
    """Return a scale as text."""
    sign = {"kelvin": "K", "celsius": "°C", "fahrenheit": "°F"}[unit]
    factor = f"value / {1 / scale:.6g}" if scale < 1 and (1 / scale).is_integer() and 1 / scale > 20 else f"{scale:.6g} * value"
    shift = "" if offset == 0 else f" {'-' if offset < 0 else '+'} {abs(offset):.6g}"
    return f"{factor}{shift} {sign}"


def known_scale(key: str) -> KnownScale | None:
    """Return the scale of this key."""
    return next((one for one in KNOWN_SCALES if one.key == key), None)


def scaled_frame(values: Pixels, how: Reading, *, x: int, y: int) -> ScaledFrame:
    """Return what a declared scale makes of grey values [H, W], at pixel (x, y) and in all of them.

    Values are shown as they come out, also where they are no temperatures of a scene.
    """
    kelvin: Floats = in_kelvin(values, how)
    low, high = float(kelvin.min()), float(kelvin.max())
    plausible = KELVIN_RANGE[0] <= low and high <= KELVIN_RANGE[1]
    return ScaledFrame(float(kelvin[y, x]), low, float(kelvin.mean(dtype=np.float64)), high, plausible)
