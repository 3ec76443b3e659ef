"""The reference images of a bundle, for calibrating variants and comparing their answers with the trained network's.

One safetensors file holds the network's input arrays bit for bit. It therefore needs neither the data set nor a decoder that
may change. Images are packed as PNG, which is lossless.

frames           uint8 [bytes]: concatenated PNG files, one per frame, ending at the offsets frames.ends int64 [N];
                 kelvin: float32 [N, H, W, 1]
calibration      int64 [1]: number of leading frames used for calibration; the others are judged
target.NAME      the ground truth as `Task.encode` returns it, [N, ...]; mask planes are packed like frames, as [K * H, W]
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from inspector.bundles.bundle import Bundle, Card
from inspector.core.errors import ConfigError
from inspector.imaging.preprocessing import Prepared

REFERENCE = "reference.safetensors"
Arrays = Mapping[str, NDArray[Any]]
_COMPRESSION = 3  # of 9, which takes 5 to 14 times as long and saves a tenth of the bytes
_ENDS = ".ends"
_MASK = "target.mask"
_PLANES = (_MASK, "target.ignore")  # uint8 [N, planes, H, W], kept as PNG


@dataclass(frozen=True, slots=True, eq=False)
class Reference:
    """`frames` [N, H, W, C] as made by `prepare()`; `targets` by name [N, ...]; the first `calibration` are not judged."""

    frames: Prepared
    targets: Arrays
    calibration: int

    @property
    def for_calibration(self) -> Prepared:
        return self.frames[: self.calibration]

    @property
    def judged(self) -> range:
        """The indices of the frames that are judged."""
        return range(self.calibration, len(self.frames))


def pack_reference(reference: Reference) -> bytes:
    """Return the content of the file of reference images."""
    from safetensors.numpy import save

    arrays: dict[str, NDArray[Any]] = {"calibration": np.array([reference.calibration], np.int64)}
    for name, values in {
        "frames": reference.frames,
        **{f"target.{key}": array for key, array in reference.targets.items()},
    }.items():
        if name == "frames" and values.dtype == np.uint8:
            arrays |= _pack(name, values)
        elif name in _PLANES:
            arrays |= _pack(name, values.reshape(len(values), -1, values.shape[-1], 1))
        else:
            arrays[name] = np.ascontiguousarray(values)
    packed: bytes = save(arrays)
    return packed


def read_reference(bundle: Bundle) -> Reference | None:
    """Return the bundle's reference images; None if there are none. Raises ConfigError if they do not fit the bundle."""
    if REFERENCE not in bundle.card.files:
        return None
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    path = bundle.path(REFERENCE)
    try:
        return _unpack(load_file(path), bundle.card)
    except (SafetensorError, OSError, KeyError, ValueError, IndexError, cv2.error) as error:
        raise ConfigError(
            "The reference images {file} cannot be used ({detail}).",
            remedy="Copy the bundle again from where it was trained, or train it again.",
            file=path,
            detail=str(error).splitlines()[0] if str(error) else type(error).__name__,
        ) from error


def _unpack(arrays: Arrays, card: Card) -> Reference:
    spec = card.input
    frames = _images(arrays, "frames", spec.shape) if spec.kind == "uint8" else arrays["frames"]
    targets = {name.removeprefix("target."): array for name, array in arrays.items() if name.startswith("target.")}
    for name in (name for name in _PLANES if name in arrays):
        count = len(card.classes) if name == _MASK else 1
        planes = _images(arrays, name, (count * spec.height, spec.width, 1))
        targets[name.removeprefix("target.")] = planes.reshape(len(planes), count, spec.height, spec.width)
    targets = {name: array for name, array in targets.items() if not name.endswith(_ENDS)}
    calibration = int(arrays["calibration"][0])
    counts = {len(frames), *(len(array) for array in targets.values())}
    if frames.shape[1:] != spec.shape or frames.dtype != spec.dtype or len(counts) != 1 or not 0 <= calibration <= len(frames):
        raise ValueError(f"its arrays are {list(frames.shape)} {frames.dtype}")
    return Reference(frames, targets, calibration)


def _pack(name: str, images: NDArray[np.uint8]) -> dict[str, NDArray[Any]]:
    """Pack uint8 [N, H, W, C] as concatenated PNG files; return their bytes and the end offset of each file."""
    files = [cv2.imencode(".png", image, (cv2.IMWRITE_PNG_COMPRESSION, _COMPRESSION))[1] for image in images]
    ends = np.cumsum([len(file) for file in files], dtype=np.int64)
    return {name: np.concatenate(files).astype(np.uint8), name + _ENDS: ends}


def _images(arrays: Arrays, name: str, shape: tuple[int, int, int]) -> NDArray[np.uint8]:
    data, ends = arrays[name], arrays[name + _ENDS].tolist()
    images = []
    for start, end in zip([0, *ends[:-1]], ends, strict=True):
        image = cv2.imdecode(data[start:end], cv2.IMREAD_UNCHANGED)
        if image is None:
            raise ValueError("an image in it is damaged")
        images.append(np.asarray(image, np.uint8).reshape(shape))
    return np.stack(images)
