"""Choice of a bundle's reference images from its training and validation parts."""

from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from inspector.bundles.bundle import Bundle
from inspector.bundles.reference import Reference, pack_reference
from inspector.core.errors import ConfigError
from inspector.core.message import Message
from inspector.core.types import Frame
from inspector.imaging.files import image_files, read_image
from inspector.imaging.preprocessing import Prepared, prepare, wrong_unit
from inspector.ml.train.loading.dataset import Inputs, InputSample

CALIBRATION, JUDGED = 40, 88
MOST = 200  # most images of a folder used for calibration
FEWEST = 8  # fewest images for calibration, and for judging
_BYTES = 12 * 1024 * 1024  # largest size of the file
_RAW = 96 * 1024 * 1024  # largest size of the arrays


def make_reference(train: Inputs, val: Inputs, *, limit: int = _BYTES) -> bytes:
    """Return the reference file: images of `train` for calibration and of `val` for judging.

    The images are spread evenly over their strata. Their number is reduced to stay within `limit` bytes, but not below FEWEST
    of each if available. Missing validation images are replaced by training images.
    """
    size = max(1, val[0].nbytes)
    share = min(1.0, _RAW / size / (CALIBRATION + JUDGED))
    while True:
        counts = [max(FEWEST, round(share * most)) for most in (CALIBRATION, JUDGED)]
        packed = pack_reference(_choose(train, val, *counts))
        if len(packed) <= limit or counts == [FEWEST, FEWEST]:
            return packed
        share *= 0.95 * limit / len(packed)


def _choose(train: Inputs, val: Inputs, calibration: int, judged: int) -> Reference:
    first = _spread(train, calibration)
    second = _spread(val, judged)
    if len(second) < FEWEST:
        second += _spread(train, FEWEST + calibration)[::-1][: FEWEST - len(second)]
    samples = [*first, *second]
    frames: Prepared = np.stack([sample.pixels for sample in samples])
    names = samples[0].target
    return Reference(frames, {name: np.stack([sample.target[name] for sample in samples]) for name in names}, len(first))


def _spread(inputs: Inputs, count: int) -> list[InputSample]:
    """Return at most `count` samples, evenly spaced in the order of their strata."""
    order = sorted(range(len(inputs)), key=lambda index: (inputs.samples[index].stratum, index))
    places = np.unique(np.linspace(0, len(order) - 1, min(count, len(order))).round().astype(int))
    return [inputs.readable(order[place]) for place in places.tolist()]


def read_calibration(folder: Path, bundle: Bundle, *, most: int = MOST) -> tuple[list[Prepared], list[Message]]:
    """Return up to `most` prepared images of a folder, evenly spaced in the order of their names.

    Also returns a message for each unusable file. Raises ConfigError if there is no such folder.
    """
    try:
        files = image_files(folder, recursive=True, masks=False)
    except OSError as error:
        raise ConfigError(
            "The folder {folder} cannot be read ({detail}).",
            remedy="Give a folder with images of good and bad parts.",
            folder=folder,
            detail=error.strerror or error,
        ) from error
    frames: list[Prepared] = []
    problems: list[Message] = []
    for place in np.unique(np.linspace(0, len(files) - 1, min(most, len(files))).round().astype(int)).tolist():
        try:
            image = read_image(files[place])
        except ConfigError as error:
            problems.append(error.problem)
            continue
        frame = Frame(image.pixels, "calibration", place, 0.0, datetime.now(UTC), image.unit, bits=image.bits)
        problem = wrong_unit(bundle.card.input, frame, bundle.name, name=str(files[place]))
        if problem is None:
            frames.append(prepare(image.pixels, bundle.card.input, bits=image.bits))
        else:
            problems.append(problem)
    return frames, problems
