"""The network's input as a frame: the result of `prepare`, turned back into the arguments of `Task.decode`."""

from datetime import UTC, datetime

import numpy as np

from inspector.core.types import Frame
from inspector.imaging.preprocessing import InputSpec, Prepared, View, view, whole


def input_frame(pixels: Prepared, spec: InputSpec, sequence: int) -> Frame:
    """Return a frame that is the network's input itself, as made by `prepare`."""
    picture = pixels[..., 0] if spec.channels == 1 else pixels
    if spec.kind == "float":
        picture = np.rint(picture).astype(np.uint8)  # frames hold no fractions; the picture is not used again
    return Frame(picture, "data", sequence, 0.0, datetime.now(UTC))


def input_view(spec: InputSpec) -> View:
    """Return the view of a frame that is the network's input itself."""
    return view(whole(np.empty((spec.height, spec.width), np.uint8)), spec)
