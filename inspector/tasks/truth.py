"""The network's input as a frame: what `prepare` made, turned back into what `Task.decode` reads."""

from datetime import UTC, datetime

import numpy as np

from inspector.core.images import InputSpec, Prepared, View, view, whole
from inspector.core.types import Frame


def input_frame(pixels: Prepared, spec: InputSpec, sequence: int) -> Frame:
    """Return a frame that is the network's input itself, as `prepare` made it."""
    picture = pixels[..., 0] if spec.channels == 1 else pixels
    if spec.kind == "float":
        picture = np.rint(picture).astype(np.uint8)  # a frame holds no fractions; its picture is not looked at again
    return Frame(picture, "data", sequence, 0.0, datetime.now(UTC))


def input_view(spec: InputSpec) -> View:
    """Return the view of a frame that is the network's input itself."""
    return view(whole(np.empty((spec.height, spec.width), np.uint8)), spec)
