"""Faults provoked for real cost nothing: a few rows of the table, on a small scale."""

import json
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
from click.testing import CliRunner

from inspector.bench.faults.outcome import FaultCost, counted
from inspector.bench.faults.processes import killed_watching
from inspector.bench.faults.stations import cut, damaged_stream
from inspector.cli.main import cli

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")


def test_what_is_lost_doubled_or_silently_ok_is_counted() -> None:
    answers = [("a", "OK"), ("b", "NG"), ("b", "NG"), ("d", "OK")]
    assert counted(["a", "b", "c", "d"], answers, untrue={"b", "d"}) == FaultCost(parts=4, lost=1, doubled=1, silent_ok=1)


def test_a_station_that_is_killed_again_and_again_has_one_record_of_every_watched_file(
    demo_bundles: Mapping[str, Path], tmp_path: Path
) -> None:
    cost = killed_watching(tmp_path, demo_bundles["window-state"], files=30, kills=2, pause=0.1)
    assert cost == FaultCost(parts=30)


def test_damaged_frames_are_never_ok(demo_bundles: Mapping[str, Path]) -> None:
    assert damaged_stream(demo_bundles["window-state"], cut, triggers=6) == FaultCost(parts=22)


def test_the_command_prints_each_fault_with_its_cost() -> None:
    done = CliRunner().invoke(cli, ["bench", "faults", "--fault", "engine hangs", "--json"])
    assert done.exit_code == 0, done.output
    (row,) = json.loads(done.stdout)["faults"]
    assert row["fault"] == "engine hangs"
    assert (row["lost"], row["doubled"], row["silent_ok"]) == (0, 0, 0)
    assert row["parts"] > 30
    wrong = CliRunner().invoke(cli, ["bench", "faults", "--fault", "flood"])
    assert wrong.exit_code == 2
    assert "There is no fault 'flood'" in wrong.output
