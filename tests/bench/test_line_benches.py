"""Latency, soak and the table of engines: their figures are there, consistent, and say what went wrong."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from inspector.bench.frames import frames
from inspector.bench.line.engines import Row, bench_engines
from inspector.bench.line.soak import bench_soak
from inspector.bench.sides import Ours
from inspector.bundles.bundle import Bundle
from inspector.cli.main import cli
from inspector.core.errors import ConfigError
from inspector.recipes.automatic import recipe_for
from inspector.recipes.locate import find_bundle


def test_the_station_inspects_every_frame_of_a_round_in_order_and_keeps_the_pace() -> None:
    recipe = recipe_for([find_bundle("window-state")], "bench")
    with Ours(recipe, frames(3)) as ours:
        fps, inspections = ours.round(7)
        assert fps > 0
        assert [inspection.sequence for inspection in inspections] == list(range(7))
        paced, inspections = ours.round(6, rate=20.0)
        assert paced <= 6 / (5 / 20.0)
        assert len(inspections) == 6
        assert all(inspection.latency_ms > 0 for inspection in inspections)
        assert ours.round(5, keep=False)[1] == []
        assert ours.station.stats().parts == 18


def test_a_station_that_cannot_start_says_why(tmp_path: Path) -> None:
    with Ours(recipe_for([tmp_path / "nothing"], "bench")) as ours, pytest.raises(ConfigError, match="no bundle"):
        ours.round(1)


def test_latency_is_at_least_the_engine_s_and_grows_with_the_percentile() -> None:
    pytest.importorskip("torch")
    arguments = ["bench", "latency", "--size", "64", "--rounds", "1", "--parts", "20", "--json"]
    result = CliRunner().invoke(cli, arguments)
    assert result.exit_code == 0, result.stderr
    figures = json.loads(result.stdout)
    assert (figures["network"], figures["precision"], figures["load"]) == ("simple_cnn", "fp32", 0.7)
    assert 0 < figures["p50_ms"] <= figures["p99_ms"]
    assert 0 < figures["naive_p50_ms"] <= figures["naive_p99_ms"]
    assert figures["rate"] == pytest.approx(700 / figures["engine_ms"], rel=0.01)
    assert figures["ratio"] == pytest.approx(figures["p99_ms"] / figures["engine_ms"], rel=0.01)
    assert figures["paced_ratio"] == pytest.approx(figures["paced_p99_ms"] / figures["engine_ms"], rel=0.01)
    assert figures["naive_ratio"] == pytest.approx(figures["naive_p99_ms"] / figures["engine_ms"], rel=0.01)


def test_a_short_day_loses_no_part_and_is_told_in_full() -> None:
    result = CliRunner().invoke(cli, ["bench", "soak", "--parts", "300", "--json"])
    assert result.exit_code == 0, result.stderr
    figures = json.loads(result.stdout)
    assert (figures["parts"], figures["lost"], figures["dropped"], figures["not_inspected"]) == (300, 0, 0, 0)
    assert figures["line_hours"] == pytest.approx(300 / 36000, abs=1e-5)
    assert figures["memory_mb"] > 50
    assert figures["growth"] == pytest.approx(figures["memory_end_mb"] / figures["memory_mb"] - 1, abs=1e-4)


def test_a_day_of_too_few_parts_is_refused() -> None:
    with pytest.raises(ConfigError, match="100"):
        bench_soak(find_bundle("window-state"), parts=50)


def test_the_table_of_engines_has_every_row_or_says_why_not() -> None:
    bundle = Bundle.open(find_bundle("equipment-temperature"))
    rows = list(bench_engines(bundle, batches=(1, 2), threads=(1,), least=0.01, peers=False))
    measured = {(row.engine, row.precision, row.batch) for row in rows if not row.problem}
    assert {(engine, "fp32", batch) for engine in ("openvino", "onnxruntime") for batch in (1, 2)} <= measured
    assert all(row.ms > 0 and row.fps == pytest.approx(1000 / row.ms) for row in rows if not row.problem)
    assert all(isinstance(row, Row) and row.problem.endswith((".", ")")) for row in rows if row.ms == 0)


def test_the_command_prints_the_table() -> None:
    arguments = ["bench", "engines", "--model", "equipment-temperature", "--batch", "1", "--threads", "1", "--seconds", "0.05"]
    plain = CliRunner().invoke(cli, [*arguments, "--no-peers"])
    assert plain.exit_code == 0, plain.stderr
    assert "openvino" in plain.stdout
    told = CliRunner().invoke(cli, [*arguments, "--json"])
    assert told.exit_code == 0, told.stderr
    rows = json.loads(told.stdout)["engines"]
    assert {"openvino", "onnxruntime"} <= {row["engine"] for row in rows}
    peers = [row for row in rows if row["engine"] == "benchmark_app"]
    assert [row["fps"] > 0 for row in peers] in ([], [True])
