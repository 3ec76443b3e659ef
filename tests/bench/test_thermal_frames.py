"""The measurement of thermal frames measures what is shown, and says when there is nothing to compare with."""

import json

import numpy as np
from click.testing import CliRunner

from inspector.cli.main import cli
from inspector.imaging.image import Scene
from inspector.imaging.measuring import PlacedTool, adjusted
from inspector.imaging.thermography import Rectangle
from inspector.ui.shell.diagnostics import thermal_frames


def test_every_step_of_a_frame_is_measured() -> None:
    done = CliRunner().invoke(cli, ["bench", "thermal", "--rounds", "1", "--frames", "1", "--json"])
    assert done.exit_code == 0, done.output
    cost = json.loads(done.output)
    assert (cost["width"], cost["height"], cost["frames"]) == (640, 512, 1)
    assert all(cost[f"{name}_ms"] >= 0 for name in ("convert", "regions", "setting", "tools", "isotherm", "colours", "frame"))
    assert cost["flyr"] is None or cost["difference_k"] < 1e-3
    words = CliRunner().invoke(cli, ["bench", "thermal", "--rounds", "1", "--frames", "1"])
    assert ("flyr is not installed" in words.output) == (cost["flyr"] is None)


def test_a_region_with_its_own_emissivity_is_as_the_whole_frame_would_be() -> None:
    (raw, *_) = thermal_frames.raw_frames()
    measured = thermal_frames.measured_of(raw)
    region = Rectangle(600, 500, 40, 12)
    mixed, _ = adjusted(measured, Scene(distance=3.0), [PlacedTool(region, 0.5)])
    other, _ = measured.kelvin(Scene(distance=3.0, emissivity=0.5))
    plain, _ = measured.kelvin(Scene(distance=3.0))
    assert np.array_equal(mixed[500:, 600:], other[500:, 600:])
    assert np.array_equal(mixed[:500], plain[:500])
    assert np.array_equal(mixed[500:, :600], plain[500:, :600])
    assert float(np.abs(mixed - plain).max()) > 1
