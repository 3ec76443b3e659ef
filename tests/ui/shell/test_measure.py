"""What is measured of the window, on the real window in a process of its own."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from inspector.bench.many_files import write_many
from inspector.cli.main import cli
from inspector.ui.shell.diagnostics.measure import waits


def test_a_stall_keeps_everything_waiting_that_falls_into_it() -> None:
    assert waits([0.0, 4.0, 8.5], 4.0) == pytest.approx([0.0, 0.5])
    assert waits([0.0, 4.0, 20.0, 24.0], 4.0) == pytest.approx([0.0, 12.0, 8.0, 4.0, 0.0])
    assert waits([0.0], 4.0) == []


def test_the_window_is_watched_while_the_line_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QT_QPA_PLATFORM", "offscreen")
    result = CliRunner().invoke(cli, ["bench", "window", "--seconds", "5", "--json"])
    assert result.exit_code == 0, result.stderr
    figures = json.loads(result.stdout)
    assert figures.keys() == {"rest_p50_ms", "rest_p99_ms", "p50_ms", "p99_ms", "max_ms", "parts_per_s", "load"}
    assert 0 <= figures["p50_ms"] <= figures["p99_ms"] <= figures["max_ms"]
    assert figures["parts_per_s"] > 0
    assert 0 < figures["load"] <= 1.05


def test_both_windows_show_a_picture_and_torch_is_not_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QT_QPA_PLATFORM", "offscreen")
    result = CliRunner().invoke(cli, ["bench", "start", "--rounds", "1", "--json"])
    assert result.exit_code == 0, result.stderr
    figures = json.loads(result.stdout)
    assert figures["torch"] is False
    moments = [figures[f"{name}_s"] for name in ("window", "picture", "page", "verdict")]
    assert 0 < figures["bare_s"] < moments[0]
    assert moments == sorted(moments)
    assert figures["picture_s"] < figures["page_s"]  # it does not wait for the page
    assert 1 < figures["picture_ratio"] < figures["page_ratio"]
    assert 0 < figures["held_s"] < figures["verdict_s"]


def test_the_dialog_is_watched_while_it_looks_through_a_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QT_QPA_PLATFORM", "offscreen")
    result = CliRunner().invoke(cli, ["bench", "dialog", "--files", "400", "--json"])
    assert result.exit_code == 0, result.stderr
    figures = json.loads(result.stdout)
    assert figures.keys() == {"rest_p50_ms", "rest_p99_ms", "p50_ms", "p99_ms", "max_ms", "seconds", "images"}
    assert figures["images"] == 400
    assert 0 <= figures["p50_ms"] <= figures["p99_ms"] <= figures["max_ms"]
    assert figures["seconds"] > 0


def test_most_of_many_files_are_links_and_some_have_pictures_of_their_own(tmp_path: Path) -> None:
    told: list[int] = []
    write_many(tmp_path / "many", 2500, distinct=2000, tick=told.append)
    files = sorted((tmp_path / "many").rglob("*.jpg"))
    assert len(files) == 2500
    assert len({file.stat().st_ino for file in files}) == len({file.read_bytes() for file in files}) == 2000
    assert {file.parent.name for file in files} == {"dent", "good", "scratch", "stain"}
    assert told == [0, 1000, 2000]


def test_a_start_is_timed_only_with_something_to_open() -> None:
    result = CliRunner().invoke(cli, ["gui", "--timed"])
    assert result.exit_code == 2
    assert "--timed needs --open" in result.stderr
