"""Images of more than 8 bits keep their depth, from the file to the verdict of an engine."""

from pathlib import Path

import cv2
import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray

pytest.importorskip("torch")

import torch

from inspector.bundles.bundle import Bundle
from inspector.core.types import Annotation
from inspector.data.annotations import read_dataset
from inspector.data.samples import Sample
from inspector.data.split import read_split
from inspector.engines.base import open_engine
from inspector.imaging.files import Image
from inspector.imaging.preprocessing import InputSpec, prepare
from inspector.ml.evaluate import measure, sample_items
from inspector.ml.train import trainer
from inspector.ml.train.loading.depth import choose_input, used_levels
from inspector.runs.settings import TrainSettings
from tests.ml.making import FOLDERS, SIDE, Told, tiny

LIGHT, CONTRAST = 30_000, 30  # of 16 bits; the defect is brighter by a thousandth


@pytest.fixture(autouse=True)
def _threads_as_before() -> object:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def faint(index: int) -> NDArray[np.uint16]:
    """An even surface in 16 bits; every other one has a defect of a thousandth of its brightness."""
    rng = np.random.default_rng(index)
    pixels = LIGHT + rng.normal(0, 4, (SIDE, SIDE))
    if index % 2:
        left, top = rng.integers(6, 18, 2)
        pixels[top : top + 8, left : left + 8] += CONTRAST
    return pixels.astype(np.uint16)


def faint_folder(folder: Path, count: int = 48) -> Path:
    for index in range(count):
        place = folder / ("defect" if index % 2 else "good")
        place.mkdir(parents=True, exist_ok=True)
        assert cv2.imwrite(str(place / f"{index:03d}.png"), faint(index))
    return folder


def settings(tmp_path: Path, data: Path, name: str, **changes: object) -> TrainSettings:
    base = {"channels": 1, "epochs": 20, "augment": "none"}
    return tiny("classification", data, tmp_path / name, **{**base, **changes})


def trained(values: TrainSettings) -> Bundle:
    return trainer.train(values, Told())  # type: ignore[arg-type] # Told has the methods of Report


def test_a_defect_of_a_thousandth_is_found_in_16_bits_and_not_in_8(tmp_path: Path) -> None:
    data = faint_folder(tmp_path / "data")
    bundle = trained(settings(tmp_path, data, "deep"))
    card = bundle.card
    assert card.input.kind == "float"
    assert card.input.levels is not None
    assert LIGHT - 60 < card.input.levels[0] < LIGHT - 10
    assert LIGHT + CONTRAST < card.input.levels[1] < LIGHT + CONTRAST + 60
    assert card.metrics["accuracy"] == 1.0
    names = read_split(bundle.folder)["test"]
    unseen = [sample for sample in read_dataset(data, "classification").samples if sample.name in names]
    for engine in ("onnxruntime", "openvino"):
        with open_engine(engine, bundle, threads=1) as opened:
            found = measure(opened.infer, card, sample_items(unseen, card, problems=[])).compute()
        assert found["accuracy"] == 1.0, engine
    squeezed = trained(settings(tmp_path, data, "squeezed", depth="8", levels=(0, 65535)))
    assert squeezed.card.input.kind == "uint8"
    assert squeezed.card.metrics["accuracy"] <= 0.6  # chance


def test_a_bright_edge_in_the_picture_leaves_the_defect_in_a_float_input_only() -> None:
    """What uses the whole range for other things has no grey level left for the defect."""
    even = np.full((SIDE, SIDE), LIGHT, np.uint16)
    even[:, 0], even[:, -1] = 2_000, 60_000
    marked = even.copy()
    marked[8:16, 8:16] += CONTRAST
    spec = InputSpec(width=SIDE, height=SIDE, channels=1, kind="float", levels=(0.0, 65535.0))
    eight = spec.model_copy(update={"kind": "uint8"})
    assert np.array_equal(prepare(even, eight), prepare(marked, eight))
    difference = prepare(marked, spec) - prepare(even, spec)
    assert difference.dtype == np.float32
    assert difference[8:16, 8:16] == pytest.approx(CONTRAST * 255 / 65535, rel=0.01)
    assert np.count_nonzero(difference) == 64


def test_float_and_8_bit_inputs_are_the_same_but_for_rounding() -> None:
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 4096, (60, 80, 3), dtype=np.uint16)
    for fit in ("stretch", "letterbox"):
        spec = InputSpec(width=48, height=32, kind="float", fit=fit, levels=(200.0, 3900.0))
        deep, eight = prepare(pixels, spec), prepare(pixels, spec.model_copy(update={"kind": "uint8"}))
        assert deep.dtype == np.float32
        assert deep.min() >= 0
        assert deep.max() <= 255
        assert np.abs(deep - eight).max() <= 1.0  # rounded before and after it is made smaller
    photo = rng.integers(0, 256, (32, 48, 3), dtype=np.uint8)
    plain = InputSpec(width=48, height=32, kind="float")
    assert np.array_equal(prepare(photo, plain), photo.astype(np.float32))
    kelvin = np.full((32, 48), 300, np.float32)
    kelvin[0, 0] = np.nan
    warm = prepare(kelvin, InputSpec(width=48, height=32, channels=1, kind="float", levels=(290.0, 310.0)))
    assert warm == pytest.approx(127.5)  # what its surroundings have, not the coldest that there is


def _sample(path: Path) -> Sample:
    return Sample(path.name, path, path.name, "", Annotation(label=0))


def test_the_levels_are_those_the_images_use(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    images = [rng.integers(300, 900, (100, 100), dtype=np.uint16) for _ in range(4)]
    images[0][5, 5] = 4095  # a hot pixel
    low, high = used_levels([Image(pixels) for pixels in images])
    assert (low, high) == pytest.approx((240, 960), abs=12)
    dark = used_levels([Image(np.arange(10_000, dtype=np.uint16).reshape(100, 100) % 50)])
    assert dark == (0.0, 54.0)
    full = used_levels([Image(np.linspace(0, 65535, 10_000).astype(np.uint16).reshape(100, 100))])
    assert full == (0.0, 65535.0)
    assert used_levels([Image(np.full((4, 4), 300.0, np.float32), "kelvin")]) == (299.0, 301.0)


def test_which_input_suits_which_images(tmp_path: Path) -> None:
    deep, plain, warm = tmp_path / "deep.png", tmp_path / "plain.png", tmp_path / "warm.tiff"
    cv2.imwrite(str(deep), faint(1))
    cv2.imwrite(str(plain), np.zeros((8, 8), np.uint8))
    tifffile.imwrite(warm, np.full((8, 8), 301.5, np.float32), photometric="minisblack", metadata=None)
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"")
    values = settings(tmp_path, tmp_path, "b")

    def chosen(*paths: Path, **changes: object) -> tuple[str, bool]:
        spec = choose_input(values.model_copy(update=changes), [_sample(path) for path in paths])
        return spec.kind, spec.levels is not None

    assert chosen(deep) == ("float", True)
    assert chosen(deep, broken) == ("float", True)
    assert chosen(deep, depth="8") == ("uint8", True)
    assert chosen(warm) == ("float", True)
    assert chosen(plain) == ("uint8", False)
    assert chosen(broken) == ("uint8", False)
    assert chosen(deep, plain) == ("uint8", False)  # a mixture: each over its own range
    assert chosen(deep, warm) == ("uint8", False)
    given = choose_input(values.model_copy(update={"levels": (0.0, 4095.0)}), [_sample(deep)])
    assert (given.kind, given.levels) == ("float", (0.0, 4095.0))


def test_temperatures_keep_their_depth(tmp_path: Path) -> None:
    bundle = trained(tiny("thermal", FOLDERS["thermal"](tmp_path / "data"), tmp_path / "bundle", epochs=2))
    assert bundle.card.input.kind == "float"
    assert bundle.card.input.levels is not None
    cold = np.full((24, 32), 300, np.float32)
    difference = prepare(cold + np.float32(0.02), bundle.card.input) - prepare(cold, bundle.card.input)
    assert (difference > 0).all()
