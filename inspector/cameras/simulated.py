"""The demo line as a camera: "simulated" or "simulated:visible", and "simulated:thermal"."""

import time
from collections.abc import Iterator, Mapping
from itertools import count
from threading import Event
from typing import Annotated, ClassVar

from pydantic import Field

from inspector.cameras.base import Camera, CameraOptions, Pace, parse_options
from inspector.cameras.demo.line import DemoLine
from inspector.core.config import FormField, Option
from inspector.core.errors import ConfigError
from inspector.core.types import Frame


class SimulatedOptions(CameraOptions):
    rate: Annotated[float, FormField(unit="1/s")] = Field(
        0.0, ge=0, le=1000, description="parts a second; 0: as fast as they are taken"
    )
    seed: int = Field(0, ge=0, le=2**31 - 1, description="another seed renders other parts")
    parts: int = Field(0, ge=0, le=2**31 - 1, description="how many parts; 0: without end")
    good: Annotated[float, FormField("Good parts")] = Field(0.5, ge=0, le=1, description="share of good parts")


class SimulatedCamera(Camera):
    """Renders the parts of the line one after another, with their truth.

    A visible and a thermal camera with the same seed see the same parts: part ids are "P000000", "P000001", ...
    """

    live: ClassVar[bool] = False
    simulated: ClassVar[bool] = True
    options_model: ClassVar[type[CameraOptions]] = SimulatedOptions

    def __init__(self, name: str, address: str, options: Mapping[str, Option]) -> None:
        super().__init__(name, address or "visible", options)
        if self.address not in ("visible", "thermal"):
            raise ConfigError(
                "The demo line has no camera called {address!r}.",
                remedy="Use simulated:visible or simulated:thermal.",
                address=address,
            )
        self._options = parse_options(SimulatedOptions, name, options)

    def frames(self, stop: Event) -> Iterator[Frame]:
        options = self._options
        line, pace = DemoLine(options.seed, good=options.good), Pace(options.rate, self.alive)
        source = f"simulated:{self.address}"
        for index in range(options.parts) if options.parts else count():
            if not pace.wait(stop):
                return
            part, began = f"P{index:06d}", time.monotonic()
            if self.address == "thermal":
                kelvin, truth = line.thermal(index)
                yield self.frame(kelvin, unit="kelvin", part=part, source=source, truth=truth, began=began)
            else:
                pixels, truth = line.visible(index)
                yield self.frame(pixels, part=part, source=source, truth=truth, began=began)
