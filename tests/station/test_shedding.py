"""What is left out under load: the order, the hysteresis, and the way back."""

from itertools import pairwise

import pytest

from inspector.station.load_shedding import Limits, Shed, Shedder

STEP = 0.25


def _levels(shedder: Shedder, load: float | None, seconds: float, start: float = 0.0) -> list[Shed]:
    return [shedder.observe(load, start + index * STEP) for index in range(round(seconds / STEP))]


def test_levels_come_one_by_one_in_the_fixed_order_and_go_in_reverse() -> None:
    shedder = Shedder()
    up = _levels(shedder, 1.3, 10)
    assert list(dict.fromkeys(up)) == [Shed.NOTHING, Shed.GRADCAM, Shed.OVERLAYS, Shed.RATE]
    down = _levels(shedder, 0.3, 20, start=10)
    assert list(dict.fromkeys(down)) == [Shed.RATE, Shed.OVERLAYS, Shed.GRADCAM, Shed.NOTHING]
    assert all(abs(after - before) <= 1 for before, after in pairwise(up + down))


def test_each_level_is_held_for_its_time() -> None:
    limits = Limits(enter_s=1.0, leave_s=2.0)
    shedder = Shedder(limits)
    assert shedder.observe(1.0, 0.0) is Shed.NOTHING
    assert shedder.observe(1.0, 0.875) is Shed.NOTHING
    assert shedder.observe(1.0, 1.0) is Shed.GRADCAM
    assert shedder.observe(1.0, 1.875) is Shed.GRADCAM
    assert shedder.observe(1.0, 2.0) is Shed.OVERLAYS
    assert shedder.observe(0.1, 2.25) is Shed.OVERLAYS
    assert shedder.observe(0.1, 4.0) is Shed.OVERLAYS
    assert shedder.observe(0.1, 4.25) is Shed.GRADCAM


@pytest.mark.parametrize("load", [0.8, 0.9])
def test_between_the_limits_nothing_changes(load: float) -> None:
    calm = Shedder()
    assert set(_levels(calm, load, 60)) == {Shed.NOTHING}
    busy = Shedder()
    _levels(busy, 1.2, 1.0)
    reached = busy.level
    assert reached > Shed.NOTHING
    assert set(_levels(busy, load, 60, start=1)) == {reached}


def test_a_short_peak_leaves_nothing_out() -> None:
    shedder = Shedder()
    for index in range(40):
        assert shedder.observe(1.5 if index % 4 == 0 else 0.5, index * STEP) is Shed.NOTHING


def test_without_a_takt_nothing_is_left_out_and_everything_comes_back() -> None:
    shedder = Shedder()
    _levels(shedder, 2.0, 5)
    assert shedder.level is Shed.RATE
    assert _levels(shedder, None, 12, start=5)[-1] is Shed.NOTHING


def test_a_display_that_is_itself_the_load_does_not_flicker() -> None:
    """With overlays the load is too high, without them it is low: the way back is tried more and more seldom."""
    shedder, changes, level = Shedder(), [], Shed.NOTHING
    for index in range(round(600 / STEP)):
        load = 1.1 if level < Shed.OVERLAYS else 0.5
        now = shedder.observe(load, index * STEP)
        if now is not level:
            changes.append(index * STEP)
            level = now
    gaps = [after - before for before, after in pairwise(changes)]
    assert max(gaps) >= 30
    assert len(changes) < 40  # without growing patience it would be some 200
    assert len([at for at in changes if at > 300]) <= 2 * 300 / 60 + 2


def test_patience_is_forgotten_after_a_calm_time() -> None:
    shedder, at = Shedder(Limits(leave_s=1.0)), 0.0
    for load, seconds in ((1.2, 1.25), (0.2, 1.5), (1.2, 1.0), (0.2, 30.0)):
        _levels(shedder, load, seconds, at)
        at += seconds
    assert shedder.level is Shed.NOTHING
    _levels(shedder, 1.2, 1.0, at)
    assert shedder.level > Shed.NOTHING
    back = _levels(shedder, 0.2, 5.0, at + 1.0)
    assert back.index(Shed.NOTHING) * STEP <= 3.0
