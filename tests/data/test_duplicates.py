"""Images that are in a data set more than once."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from inspector.core.errors import ConfigError
from inspector.data.annotations import read_dataset
from inspector.data.duplicates import deduplicated, find_duplicates, look, look_at
from inspector.data.samples import Dataset
from inspector.data.split import split_samples


def texture(seed: int, side: int = 200) -> NDArray[np.uint8]:
    """Noise with structure at several scales, as a rough surface has."""
    rng = np.random.default_rng(seed)
    layers = [cv2.resize(rng.normal(size=(n, n)), (side, side), interpolation=cv2.INTER_CUBIC) for n in (5, 12, 40, 100)]
    return np.clip(128 + 25 * sum(layers), 0, 255).astype(np.uint8)


def save(path: Path, pixels: NDArray[np.uint8], quality: int = 95) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), pixels, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return path


def saved_again(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Smaller, brighter."""
    smaller = cv2.resize(pixels, None, fx=0.8, fy=0.8, interpolation=cv2.INTER_AREA)
    return np.asarray(np.clip(smaller * 1.05 + 3, 0, 255), np.uint8)


def said(dataset: Dataset) -> str:
    return "\n".join(problem.text for problem in dataset.problems)


def test_copies_are_used_once_and_contradictions_not_at_all(tmp_path: Path) -> None:
    for index in range(30):
        save(tmp_path / ("good" if index % 2 else "bad") / f"{index}.jpg", texture(index))
    copy = (tmp_path / "good" / "1.jpg").read_bytes()
    (tmp_path / "good" / "copy.jpg").write_bytes(copy)
    (tmp_path / "good" / "2 again.jpg").write_bytes((tmp_path / "bad" / "2.jpg").read_bytes())
    (tmp_path / "bad" / "broken.jpg").write_bytes(copy[: len(copy) // 2])
    dataset = deduplicated(read_dataset(tmp_path, "classification"))
    names = {sample.name for sample in dataset.samples}
    assert len(names) == 29
    assert "good/1.jpg" in names
    assert not names & {"good/copy.jpg", "bad/2.jpg", "good/2 again.jpg", "bad/broken.jpg"}
    assert "good/1.jpg, good/copy.jpg are the same image; only good/1.jpg is used." in said(dataset)
    assert "bad/2.jpg, good/2 again.jpg are the same image with different labels; none of them is used." in said(dataset)
    assert "broken.jpg is damaged or cut short" in said(dataset)


@pytest.mark.parametrize("suffix", [".png", ".jpg"])
def test_an_image_saved_again_stays_in_the_part_of_the_first(tmp_path: Path, suffix: str) -> None:
    for index in range(40):
        save(tmp_path / "good" / f"{index}{suffix}", texture(index, 300))
        save(tmp_path / "bad" / f"b{index}{suffix}", texture(1000 + index, 300))
    for index in range(10):
        save(tmp_path / "good" / f"again {index}{suffix}", saved_again(texture(index, 300)), quality=70)
    ticks: list[int] = []
    dataset = deduplicated(read_dataset(tmp_path, "classification"), tick=lambda: ticks.append(1))
    assert len(ticks) == 90
    assert len(dataset.samples) == 90
    assert len(dataset.problems) == 10  # each pair, and no two of the others
    for seed in range(3):
        parts = split_samples(dataset.samples, val=0.25, test=0.25, seed=seed).names()
        where = {name: part for part, names in parts.items() for name in names}
        assert all(where[f"good/{index}{suffix}"] == where[f"good/again {index}{suffix}"] for index in range(10))


def test_parts_under_a_fixed_camera_are_not_duplicates(tmp_path: Path) -> None:
    scene = texture(0, 256)
    rng = np.random.default_rng(0)
    paths = []
    for index in range(40):
        shot = scene.astype(np.float32) + rng.normal(0, 4, scene.shape) + rng.uniform(-5, 5)
        x, y = rng.integers(20, 220, 2)
        cv2.circle(shot, (int(x), int(y)), 9, 20.0, -1)
        paths.append(save(tmp_path / f"{index}.png", np.clip(shot, 0, 255).astype(np.uint8)))
    looks, errors = look_at(paths)
    assert not errors
    assert find_duplicates(looks).near == ()


def test_cancelling_leaves_the_data_as_it_is(tmp_path: Path) -> None:
    for index in range(3):
        save(tmp_path / "good" / f"{index}.png", texture(0))
    dataset = read_dataset(tmp_path, "classification")
    assert deduplicated(dataset, cancelled=lambda: True) is dataset
    assert len(deduplicated(dataset).samples) == 1


def test_a_damaged_image_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"nothing")
    with pytest.raises(ConfigError, match=r"a\.png is not an image"):
        look(tmp_path / "a.png")


def test_the_one_copy_in_the_real_data(real_data: Path) -> None:
    steel = read_dataset(real_data / "neu-det", "detection")
    clean = deduplicated(steel)
    assert {sample.name for sample in steel.samples} - {sample.name for sample in clean.samples} == {
        "JPEGImages/patches_105.jpg"
    }
    assert len({sample.group for sample in clean.samples}) == len(clean.samples)  # textures are not near duplicates
