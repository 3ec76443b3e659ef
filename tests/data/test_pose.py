"""Whether pictures have an up and down."""

import cv2
import numpy as np
import pytest

from inspector.data.duplicates import Look
from inspector.data.pose import Pose, pose_of

SIDE = 64


def looks(pictures: list[np.ndarray]) -> list[Look | None]:
    return [Look(b"", np.clip(picture, 0, 255).astype(np.uint8), 1.0) for picture in pictures]


def noise(seed: int, strength: float = 20.0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return np.asarray(cv2.resize(rng.normal(0, strength, (16, 16)), (SIDE, SIDE)))


def test_textures_have_nothing_in_common() -> None:
    pose = pose_of(looks([128 + noise(seed) for seed in range(60)]))
    assert pose is not None
    assert pose.common < 0.05
    assert pose.any_direction


def test_a_part_that_always_lies_the_same_way_has_an_up() -> None:
    part = np.full((SIDE, SIDE), 90.0)
    part[8:24, 8:56] = 200
    pose = pose_of(looks([part + noise(seed) for seed in range(40)]))
    assert pose is not None
    assert pose.common > 0.5
    assert pose.mirrored < 0.5
    assert not pose.any_direction


def test_a_cell_that_is_the_same_in_a_mirror_has_none() -> None:
    cell = np.full((SIDE, SIDE), 150.0)
    cell[:, 20:24] = cell[:, 40:44] = 30
    pose = pose_of(looks([cell + noise(seed) for seed in range(40)]))
    assert pose is not None
    assert pose.common > 0.3
    assert pose.mirrored > 0.9
    assert pose.any_direction


def test_the_mean_correlation_is_that_of_all_pairs() -> None:
    part = 60 * np.sin(np.arange(SIDE) / 5)[None, :].repeat(SIDE, 0)
    pictures = [128 + part + noise(seed, 60) for seed in range(30)]
    flat = np.array([np.clip(picture, 0, 255).astype(np.uint8).ravel() for picture in pictures], np.float64)
    pairs = np.corrcoef(flat)[np.triu_indices(30, 1)]
    pose = pose_of(looks(pictures))
    assert pose is not None
    assert pose.common == pytest.approx(float(pairs.mean()), abs=1e-6)


def test_too_few_pictures_and_empty_ones_tell_nothing() -> None:
    assert pose_of(looks([128 + noise(seed) for seed in range(19)])) is None
    assert pose_of([None] * 50) is None
    assert pose_of(looks([np.full((SIDE, SIDE), 100.0)] * 50)) is None
    assert Pose(0.05, -1.0).any_direction
