"""Where a bundle looks: the shares, the pointing game, insertion and deletion, and the place on which answers depend."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import cv2
import numpy as np
import pytest

from inspector.bundles.bundle import Card
from inspector.core.types import Annotation, Boxes, Frame, Prediction, Region, Scores
from inspector.imaging.preprocessing import InputSpec, Prepared, view, whole
from inspector.ml.evaluate import Item
from inspector.ml.reports.trust import area_text, around, faithful, hot_area, looked, unsteady
from inspector.ml.reports.trust_report import advice, earlier, figures, helped, write_trust
from inspector.runs.settings import areas_of
from inspector.runs.trust import FIGURES, PAGE, Trust

SIDE = 64
CARD = Card(
    name="b",
    task="classification",
    network="none",
    classes=("good", "defect"),
    input=InputSpec(width=SIDE, height=SIDE),
    mean=(0.0,) * 3,
    std=(1.0,) * 3,
    created=datetime(2026, 1, 1, tzinfo=UTC),
    software="test",
)


def by_corner(frames: Prepared) -> np.ndarray:
    """A network that says defect the surer, the brighter the left upper corner is."""
    corner = frames[:, :8, :8].astype(np.float32).mean(axis=(1, 2, 3)) / 255
    logits = np.stack([0 * corner, 12 * corner - 4], axis=1)
    return logits.astype(np.float32)


def _sure(frames: Prepared) -> np.ndarray:
    """A network that says defect whatever it sees."""
    return np.tile(np.float32([0, 1]), (len(frames), 1))


def item(name: str, *, label: int = 1, marked: bool = True) -> Item:
    pixels = np.full((SIDE, SIDE, 3), 60, np.uint8)
    pixels[40:48, 40:56] = 200  # the defect
    if marked:
        pixels[:8, :8] = 255
    mask = np.zeros((SIDE, SIDE), np.uint8)
    mask[40:48, 40:56] = 1
    frame = Frame(pixels, "c", 0, 0.0, datetime.now(UTC))
    return Item(pixels, view(whole(pixels), CARD.input), frame, Annotation(label=label, mask=mask), name=name)


def answer(best: int) -> Prediction:
    values = np.array([0.1, 0.1], np.float32)
    values[best] = 0.9
    return Prediction("b", "classification", "c", CARD.classes, Region(0, 0, SIDE, SIDE), Scores(values))


def heat(*, corner: float, defect: float) -> np.ndarray:
    """With these shares of the heat in the marked corner and on the defect."""
    values = np.zeros((SIDE, SIDE), np.float32)
    values[:8, :8] = corner / 64
    values[40:48, 40:56] = defect / 128
    return values / values.max()


def test_shares_the_pointing_game_and_the_wrong_place() -> None:
    part = Region(32, 32, 32, 32)
    one = looked(item("a"), answer(1), heat(corner=0.9, defect=0.1), card=CARD, class_index=1, part=part)
    assert (one.right, one.pointed) == (True, False)
    assert one.inside_truth == pytest.approx(0.1)
    assert one.inside_part == pytest.approx(0.1)
    assert one.lift == pytest.approx(0.1 / (16 * 24 / SIDE**2))  # the mask with 4 px of slack on every side
    assert not one.wrong_place  # by chance 9 % would lie there
    elsewhere = looked(item("a"), answer(1), heat(corner=0.98, defect=0.02), card=CARD, class_index=1)
    assert elsewhere.wrong_place
    assert not replace(elsewhere, right=False).wrong_place
    good = looked(item("a"), answer(1), heat(corner=0.1, defect=0.9), card=CARD, class_index=1)
    assert (good.pointed, good.inside_part) == (True, None)
    cold = looked(item("a"), answer(0), np.zeros((SIDE, SIDE), np.float32), card=CARD, class_index=0)
    assert (cold.right, cold.inside_truth, cold.lift, cold.pointed) == (False, None, None, None)
    numbers = figures([one, elsewhere, good, cold])
    assert numbers["pointing"] == pytest.approx(1 / 3)
    assert numbers["right"] == pytest.approx(3 / 4)


def test_a_map_of_what_matters_is_inserted_high_and_deleted_low() -> None:
    frame = item("a").pixels
    true = faithful(by_corner, CARD, frame, heat(corner=1.0, defect=0.0), 1)
    false = faithful(by_corner, CARD, frame, heat(corner=0.0, defect=1.0), 1)
    assert true is not None
    assert false is not None
    assert true[0] > false[0] + 0.05
    assert true[1] < false[1] - 0.05
    assert faithful(by_corner, CARD, frame, np.zeros((SIDE, SIDE), np.float32), 1) is None


def test_the_place_on_which_answers_depend_is_found_and_advised(tmp_path: Path) -> None:
    items = [item(f"{n}.png") for n in range(4)]
    warm = cv2.GaussianBlur(heat(corner=0.95, defect=0.05), (0, 0), 4)
    seen = [looked(one, answer(1), warm, card=CARD, class_index=1) for one in items]
    hot = hot_area(by_corner, CARD, [one.pixels for one in items], seen, CARD.classes)
    assert hot is not None
    left, top, width, height = hot.area
    assert (left, top) == (0.0, 0.0)
    assert 0.08 <= width <= 0.3
    assert 0.08 <= height <= 0.3
    assert hot.effect > 0.8
    assert hot.control == pytest.approx(0.0, abs=0.01)
    # The same heat where nothing depends on it is no advice.
    assert hot_area(_sure, CARD, [one.pixels for one in items], seen, CARD.classes) is None
    light, place = unsteady(by_corner, CARD, [one.pixels for one in items], seen)
    assert light > 0.1
    told = advice(seen, hot, inside_part=0.2, beside_part="0,0,100,50", light=light, place=place, augment="window")
    assert [one.change for one in told][:3] == ["cover", "part", "light"]
    assert areas_of(told[0].settings["cover"]) == (pytest.approx(hot.area, abs=0.01),)
    assert told[2].settings == {"augment": "strong"}

    old = Trust(
        bundle="old",
        folder="f",
        fingerprint="1",
        task="classification",
        created=datetime.now(UTC),
        data="d",
        images=4,
        right=0.5,
    )
    new = old.model_copy(update={"bundle": "new <b>", "fingerprint": "2", "right": 0.9, "inside_truth": 0.5, "lift": 6.0})
    write_trust(tmp_path, [old], [], {})
    before = earlier(tmp_path, "d", [new])
    assert before == [old]
    assert earlier(tmp_path, "other data", [new]) == []
    assert "right answers 50% → 90%" in helped(old, new).text
    write_trust(tmp_path, [new], before, {"new <b>": [("a.png", b"jpeg")]})
    page = (tmp_path / PAGE).read_text()
    assert page.index("new &lt;b&gt;") < page.index("<td>old</td>")  # ranked
    assert [one["bundle"] for one in json.loads((tmp_path / FIGURES).read_text())] == ["old", "new <b>"]
    (tmp_path / FIGURES).write_text("[{")
    assert earlier(tmp_path, "d", [new]) == []


def test_a_box_is_right_where_it_fits() -> None:
    card = CARD.model_copy(update={"task": "detection"})
    truth = Boxes(np.float32([[40, 40, 56, 48]]), np.float32([1]), np.array([1]))
    for xyxy, right in (([40, 40, 56, 48], True), ([0, 0, 8, 8], False)):
        boxes = Boxes(np.float32([xyxy]), np.float32([0.9]), np.array([1]))
        said = Prediction("b", "detection", "c", card.classes, Region(0, 0, SIDE, SIDE), boxes)
        one = replace(item("a"), truth=Annotation(boxes=truth))
        found = looked(one, said, heat(corner=0.0, defect=1.0), card=card, class_index=1)
        assert (found.right, found.pointed) == (right, True)


def test_everything_around_a_part_is_covered() -> None:
    areas = around(Region(16, 32, 32, 16), item("a").view, CARD.input)
    covered = np.zeros((SIDE, SIDE), int)
    for left, top, width, height in areas:
        covered[round(top * SIDE) : round((top + height) * SIDE), round(left * SIDE) : round((left + width) * SIDE)] += 1
    expected = np.ones((SIDE, SIDE), int)
    expected[32:48, 16:48] = 0
    np.testing.assert_array_equal(covered, expected)
    assert len(areas_of(area_text(areas))) == 4


def test_areas_as_a_setting_stay_inside_the_input() -> None:
    for sides in range(1, 29):
        width = sides / 32
        (found,) = areas_of(area_text([(1 - width, 0.0, width, 1.0)]))
        assert found == pytest.approx((1 - width, 0.0, width, 1.0), abs=0.001)
    assert areas_of(area_text([(0.9516, 0.0, 0.0484, 1.0)])) == (pytest.approx((0.952, 0.0, 0.048, 1.0)),)


def test_places_are_those_of_the_input_where_it_has_borders() -> None:
    """A frame twice as wide as high fills the middle half of its input."""
    card = CARD.model_copy(update={"input": InputSpec(width=SIDE, height=SIDE, fit="letterbox")})
    pixels = np.zeros((SIDE, 2 * SIDE, 3), np.uint8)
    place = view(whole(pixels), card.input)
    wide = Item(pixels, place, Frame(pixels, "c", 0, 0.0, datetime.now(UTC)), Annotation(label=1), name="a")
    warm = np.zeros((SIDE, 2 * SIDE), np.float32)
    warm[:16, :16] = 1.0
    spread = looked(wide, answer(1), warm, card=card, class_index=1).spread
    assert spread.sum() == pytest.approx(1.0)
    assert spread[4:6, :2].sum() == pytest.approx(1.0)
    assert around(Region(0, 0, SIDE, SIDE), place, card.input) == ((0, 0, 1, 0.25), (0, 0.75, 1, 0.25), (0.5, 0.25, 0.5, 0.5))
