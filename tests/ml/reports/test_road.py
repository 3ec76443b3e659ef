"""ROAD against its published system of equations, and against pytorch-grad-cam where that is installed."""

import numpy as np
import pytest

from inspector.ml.reports.road import REMOVED, imputed, removals, road
from inspector.ml.reports.trust import faithful
from tests.ml.reports.test_trust import CARD, SIDE, by_corner, heat, item

_WEIGHTS = {(y, x): 1 / 6 if 0 in (y, x) else 1 / 12 for y in (-1, 0, 1) for x in (-1, 0, 1) if (y, x) != (0, 0)}


def exact(frame: np.ndarray, missing: np.ndarray) -> np.ndarray:
    """Solve the equations of section 4 of Rong et al. densely: a missing pixel is the mean of its neighbours."""
    places = [tuple(place) for place in np.argwhere(missing)]
    number = {place: n for n, place in enumerate(places)}
    matrix, right = np.eye(len(places)), np.zeros((len(places), frame.shape[2]))
    for n, (y, x) in enumerate(places):
        inside = {
            step: w for step, w in _WEIGHTS.items() if 0 <= y + step[0] < len(frame) and 0 <= x + step[1] < frame.shape[1]
        }
        total = sum(inside.values())
        for (dy, dx), weight in inside.items():
            other = (y + dy, x + dx)
            if other in number:
                matrix[n, number[other]] -= weight / total
            else:
                right[n] += weight / total * frame[other]
    found = frame.astype(np.float64)
    found[missing] = np.linalg.solve(matrix, right)
    return found


@pytest.mark.parametrize("share", [0.1, 0.5, 0.95])
def test_removed_pixels_solve_the_published_equations(share: float) -> None:
    rng = np.random.default_rng(0)
    frame = rng.integers(0, 256, (33, 40, 3)).astype(np.uint8)
    scattered = rng.random((33, 40)) < share
    block = np.zeros((33, 40), bool)
    block[: round(33 * share), 3:38] = True
    for missing in (scattered, block):
        np.testing.assert_allclose(imputed(frame, missing), exact(frame, missing), atol=1.5)  # of 255
        assert np.array_equal(imputed(frame, missing)[~missing], frame[~missing])


def test_a_map_of_what_matters_has_a_higher_road_than_one_of_what_does_not() -> None:
    frame = item("a").pixels
    true = faithful(by_corner, CARD, frame, heat(corner=1.0, defect=0.0), 1)
    false = faithful(by_corner, CARD, frame, heat(corner=0.0, defect=1.0), 1)
    assert true is not None
    assert false is not None
    assert true.road > 0.3
    assert abs(false.road) < 0.1
    assert faithful(by_corner, CARD, frame, heat(corner=1.0, defect=0.0), 1) == true


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.allow_logs("Matplotlib")
def test_it_is_that_of_pytorch_grad_cam() -> None:
    torch = pytest.importorskip("torch")
    metrics = pytest.importorskip("pytorch_grad_cam.metrics.road")
    perturbed = pytest.importorskip("pytorch_grad_cam.metrics.perturbation_confidence")
    rng = np.random.default_rng(1)
    warm = (heat(corner=0.5, defect=0.5) + 1e-3 * rng.random((SIDE, SIDE))).astype(np.float32)  # no two pixels are equal
    frame = item("a").pixels

    def score(tensor: object) -> np.ndarray:
        frames = np.asarray(tensor).transpose(0, 2, 3, 1)
        logits = by_corner(frames.astype(np.float32))
        return np.exp(logits)[:, 1] / np.exp(logits).sum(axis=1)

    whole = torch.from_numpy(frame.transpose(2, 0, 1).astype(np.float32))
    means = []
    for remove in (perturbed.RemoveLeastRelevantFirst, perturbed.RemoveMostRelevantFirst):
        imputer = metrics.NoisyLinearImputer(noise=0.0)
        found = [remove(100 * (1 - share), imputer)(whole, torch.from_numpy(warm)) for share in REMOVED]
        means.append(float(score(np.stack([one.numpy() for one in found])).mean()))
    theirs = (means[0] - means[1]) / 2 / float(score(whole[None].numpy())[0])
    relative = score(removals(CARD, frame, warm).transpose(0, 3, 1, 2)) / score(whole[None].numpy())[0]
    assert road(relative) == pytest.approx(theirs, abs=0.01)
