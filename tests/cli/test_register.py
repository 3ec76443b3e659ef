"""`inspector register`: a thermal and a visible picture of a heated target, rendered with a homography that is known."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import tifffile

from inspector.cli.main import run
from inspector.imaging.registration import Registration, as_points

TRUE = np.array([[4.1, 0.12, 22.0], [-0.08, 4.3, 15.0], [1e-4, -5e-5, 1.0]])  # from thermal to visible
THERMAL, VISIBLE = (160, 120), (720, 560)
SPOTS = as_points([(30 + 32 * column, 25 + 32 * row) for row in range(3) for column in range(4)])


def to_visible(points: np.ndarray, matrix: np.ndarray = TRUE) -> np.ndarray:
    return np.asarray(cv2.perspectiveTransform(points[None], matrix)[0])


@pytest.fixture
def pictures(tmp_path: Path) -> list[str]:
    """The target: warm spots, which are black in the visible picture."""
    y, x = np.mgrid[0 : THERMAL[1], 0 : THERMAL[0]]
    kelvin = np.full(x.shape, 300, np.float32)
    for u, v in SPOTS:
        kelvin += (15 - 15 * np.tanh(np.hypot(x - u, y - v) - 5)).astype(np.float32)
    tifffile.imwrite(tmp_path / "warm.tiff", kelvin)
    shown = np.full((VISIBLE[1], VISIBLE[0]), 230, np.uint8)
    for u, v in to_visible(SPOTS):
        cv2.circle(shown, (round(u * 8), round(v * 8)), 20 * 8, 20, -1, cv2.LINE_AA, 3)
    cv2.imwrite(str(tmp_path / "seen.png"), shown)
    return ["register", "--thermal", str(tmp_path / "warm.tiff"), "--visible", str(tmp_path / "seen.png")]


def given(points: np.ndarray, *, noise: float = 0.0, matrix: np.ndarray = TRUE) -> list[str]:
    rng, there = np.random.default_rng(1), to_visible(points, matrix)
    there = there + rng.normal(0, noise, there.shape) if noise else there
    return [word for (x, y), (u, v) in zip(points, there, strict=True) for word in ("--point", f"{x},{y}={u},{v}")]


def test_the_target_is_found_and_its_error_is_that_of_points_left_out(
    pictures: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "registration.json"
    overlay = tmp_path / "both.png"
    arguments = [*pictures, "--grid", "4x3", "--mm-per-px", "0.25", "--out", str(out), "--overlay", str(overlay), "--json"]
    assert run(arguments) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["points"] == 12
    assert told["error_px"] < 1.0
    assert told["error_mm"] == pytest.approx(told["error_px"] * 0.25)
    found = Registration.model_validate_json(out.read_text())
    corners = as_points([(10, 10), (150, 10), (150, 110), (10, 110)])
    assert np.abs(found.to_visible(corners) - to_visible(corners)).max() < 2.0
    np.testing.assert_allclose(found.to_thermal(found.to_visible(corners)), corners, atol=1e-6)
    assert cv2.imread(str(overlay)).shape == (VISIBLE[1], VISIBLE[0], 3)
    warm = found.warp(np.asarray(tifffile.imread(tmp_path / "warm.tiff")))
    u, v = to_visible(SPOTS)[5].round().astype(int)
    assert warm[v, u] == pytest.approx(330, abs=1.0)
    assert np.isnan(warm[0, 0])

    assert run([*pictures, "--check", str(out), "--grid", "4x3"]) == 0
    assert "holds: points lie" in capsys.readouterr().out
    moved = np.array([[1, 0, 15.0], [0, 1, 0], [0, 0, 1]]) @ TRUE
    assert run([*pictures, "--check", str(out), *given(SPOTS, matrix=moved)]) == 3
    assert "no longer holds: a camera was moved" in capsys.readouterr().out
    small = tmp_path / "small.png"
    cv2.imwrite(str(small), np.zeros((100, 100), np.uint8))
    points = [word for n in range(5) for word in ("--point", f"{n},{n * n}={n},{n * n}")]
    assert run([*pictures[:4], str(small), "--check", str(out), *points]) == 2
    assert "measured with visible pictures of 720 x 560" in capsys.readouterr().err


def test_points_by_hand_and_what_they_leave_open(
    pictures: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = ["--out", str(tmp_path / "r.json")]
    assert run([*pictures, *out, *given(SPOTS[[0, 3, 8, 11]])]) == 0
    assert "give a fifth to measure the error" in capsys.readouterr().out
    found = Registration.model_validate_json((tmp_path / "r.json").read_text())
    np.testing.assert_allclose(np.array(found.matrix).reshape(3, 3), TRUE, atol=1e-6)
    assert run([*pictures, *out, *given(SPOTS, noise=2.0), "--json"]) == 0
    assert 1.0 < json.loads(capsys.readouterr().out)["error_px"] < 6.0
    (tmp_path / "r.json").unlink()
    for points, words in (
        (SPOTS[:4], "they lie in a line"),
        (SPOTS[[0, 1, 2, 8]], "three of them lie in a line"),
        (SPOTS[:3], "at least 4 points"),
    ):
        assert run([*pictures, *out, *given(points)]) == 2
        assert words in capsys.readouterr().err
    for arguments, words in (
        (["--grid", "5x5", *out], "does not show the target of 5 x 5 spots"),
        (["--grid", "5", *out], "columns and rows"),
        (["--point", "1,2", *out], "the same point of the visible one"),
        ([*given(SPOTS), "--point", "500,1=1,1", *out], "lies beside"),
        (["--grid", "4x3"], "Give --out"),
        (["--grid", "4x3", *out, "--overlay", "both.jpg"], "--overlay writes a .png"),
        (["--grid", "4x3", "--check", "kept.json", "--overlay", "both.png"], "it goes with --out"),
        (["--check", str(tmp_path / "none.json"), "--grid", "4x3"], "is not a registration"),
    ):
        assert run([*pictures, *arguments]) == 2
        assert words in capsys.readouterr().err
    assert not (tmp_path / "r.json").exists()


def test_a_kept_registration_that_maps_nothing_does_not_hold(
    pictures: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "registration.json"
    assert run([*pictures, *given(SPOTS), "--out", str(out)]) == 0
    kept = json.loads(out.read_text())
    for matrix in ([0.0] * 9, [1.0, 0, 0, 1, 0, 0, 0, 0, 1], [1e308] * 9):
        out.write_text(json.dumps({**kept, "matrix": matrix}))
        assert run([*pictures, "--check", str(out), *given(SPOTS)]) == 2
        assert "no map between two pictures" in capsys.readouterr().err
