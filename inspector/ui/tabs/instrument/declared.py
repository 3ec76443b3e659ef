"""Sources whose grey values a person has declared to be temperatures in this window, where no recipe says so. No Qt."""

from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

import numpy as np

from inspector.core.errors import ConfigError
from inspector.core.types import Frame, Inspection
from inspector.imaging.image import AS_IT_SAYS, Reading
from inspector.imaging.temperature import declared


class DeclaredSources:
    """The scale of each source, by camera and folder; forgotten with the window."""

    def __init__(self) -> None:
        self._scales: dict[tuple[str, str], Reading] = {}
        self._last: tuple[Inspection, Inspection] | None = None

    def declare(self, frame: Frame, how: Reading) -> None:
        """Take the grey values of this frame's source for temperatures from now on."""
        self._scales[_key(frame)] = how
        self._last = None

    def of(self, frame: Frame) -> Reading:
        """Return what was declared of a frame's source."""
        return self._scales.get(_key(frame), AS_IT_SAYS)

    def grey(self, inspection: Inspection, camera: str | None = None) -> Frame | None:
        """Return the frame of grey values of 16 bits that is to be declared, if there is one.

        It is that of `camera`, else the first of which nothing is declared, else the first.
        """
        found = [frame for frame in inspection.frames.values() if is_grey(frame)]
        return min(found, key=lambda frame: (frame.camera != camera, _key(frame) in self._scales), default=None)

    def in_degrees(self, inspection: Inspection | None) -> Inspection | None:
        """Return the inspection with frames in kelvin where their source is declared; the same one if none is.

        A frame whose values are then no temperatures stays as it is.
        """
        if inspection is None or not self._scales:
            self._last = None
            return inspection
        if self._last is None or self._last[0] is not inspection:
            frames = {name: self._shown(frame) for name, frame in inspection.frames.items()}
            changed = any(frames[name] is not frame for name, frame in inspection.frames.items())
            shown = replace(inspection, frames=MappingProxyType(frames)) if changed else inspection
            self._last = inspection, shown
        return self._last[1]

    def _shown(self, frame: Frame) -> Frame:
        how = self._scales.get(_key(frame))
        if how is None or not is_grey(frame):
            return frame
        try:
            kelvin, notes = declared(Path(frame.source), frame.pixels, how)
        except ConfigError:
            return frame
        return replace(frame, pixels=kelvin, unit="kelvin", bits=None, notes=(*frame.notes, *notes))


def is_grey(frame: Frame) -> bool:
    """Return whether a frame has grey values of 16 bits, which may be temperatures."""
    return frame.unit != "kelvin" and frame.pixels.ndim == 2 and frame.pixels.dtype == np.uint16


def frames_of_light(inspection: Inspection) -> tuple[Frame, ...]:
    """Return the frames that see light: colour, or grey of 8 bits."""
    return tuple(frame for frame in inspection.frames.values() if frame.unit != "kelvin" and not is_grey(frame))


def _key(frame: Frame) -> tuple[str, str]:
    return frame.camera, str(Path(frame.source).parent)
