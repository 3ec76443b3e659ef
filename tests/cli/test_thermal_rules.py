"""Rules on temperatures on the demo line, from the rendered frame to the record: against its own pixels."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from inspector.cameras.demo.line import DemoLine
from inspector.cli.main import cli

RECIPE = """
name = "heat"
[cameras.thermal]
source = "simulated:thermal"
gate = { stale_ms = 60000 }
[cameras.thermal.options]
seed = 7
[[inspect]]
bundle = "equipment-temperature"
camera = "thermal"
place = "bearing"
region = { x = 36, y = 58, width = 16, height = 16 }
[[inspect]]
bundle = "equipment-temperature"
camera = "thermal"
place = "wall"
region = { x = 0, y = 0, width = 16, height = 16 }
[[rules]]
bundle = "equipment-temperature"
quantity = "temperature_max"
place = "bearing"
limit = 4
baseline_parts = 3
[[rules]]
bundle = "equipment-temperature"
quantity = "temperature_max"
minus = "wall"
limit = 60
[[rules]]
bundle = "equipment-temperature"
quantity = "temperature_mean"
place = "bearing"
limit = 1e9
rise_s = 600
"""
ORDER = ["OK", "REVIEW", "NOT_INSPECTED", "NG"]


def test_differences_and_rises_are_those_of_the_pixels(tmp_path: Path) -> None:
    path = tmp_path / "heat.toml"
    path.write_text(RECIPE)
    done = CliRunner().invoke(cli, ["run", "--recipe", str(path), "--limit", "16", "--json"])
    assert done.exit_code == 0, done.stderr
    *parts, _ = (json.loads(text) for text in done.stdout.splitlines())
    line, good, fired = DemoLine(7), list[float](), set[int]()
    for part in parts:
        kelvin = line.thermal(part["sequence"])[0]
        bearing, wall = (float(patch.max()) - 273.15 for patch in (kelvin[58:74, 36:52], kelvin[0:16, 0:16]))
        compared, less, rise = sorted(part["judgements"], key=lambda one: one["rule"])
        assert (less["value"], less["baseline"]) == (pytest.approx(bearing, abs=0.01), pytest.approx(wall, abs=0.01))
        assert (less["verdict"] == "NG") == (bearing - wall > 60)
        if len(good) < 3:
            assert (compared["baseline"], compared["verdict"]) == (None, "REVIEW")
        else:
            assert compared["baseline"] == pytest.approx(sum(good[-3:]) / 3, abs=0.01)
            assert (compared["verdict"] == "NG") == (bearing - compared["baseline"] > 4)
        assert (rise["baseline"] is None) == (part["sequence"] < 2)
        assert part["verdict"] == max((one["verdict"] for one in part["judgements"]), key=ORDER.index)
        fired |= {one["rule"] for one in part["judgements"] if one["verdict"] == "NG"}
        waits = {compared["verdict"]} <= {"OK"} or compared["baseline"] is None
        if less["verdict"] == "OK" and waits and (rise["verdict"] == "OK" or rise["baseline"] is None):
            good.append(bearing)
    assert fired == {0, 1}
