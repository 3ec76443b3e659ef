"""The doctor says what works, breaks nothing when something is broken, and its exit code tells the two apart."""

import importlib.metadata
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from inspector.cli import doctor as subject
from inspector.cli.doctor import Finding, Status, doctor


def _run(*arguments: str) -> Result:
    return CliRunner().invoke(doctor, list(arguments), standalone_mode=False)


def _only(monkeypatch: pytest.MonkeyPatch, *checks: subject.Check) -> None:
    monkeypatch.setattr(subject, "CHECKS", checks)


def _healthy() -> Iterator[Finding]:
    yield Finding("thing", Status.OK, "works")


def _unhealthy() -> Iterator[Finding]:
    yield Finding("other", Status.PROBLEM, "is broken.", "Mend it.")


def _exploding() -> Iterator[Finding]:
    raise RuntimeError("unforeseen")
    yield


def test_a_note_is_no_failure_and_a_problem_is(monkeypatch: pytest.MonkeyPatch) -> None:
    _only(monkeypatch, _healthy, lambda: iter([Finding("extra", Status.NOTE, "is missing")]))
    assert _run().return_value == 0
    _only(monkeypatch, _healthy, _unhealthy)
    result = _run()
    assert result.return_value == 1
    assert "PROBLEM  other" in result.output
    assert "Mend it." in result.output


def test_a_check_that_breaks_is_a_problem_and_the_others_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    _only(monkeypatch, _exploding, _healthy)
    result = _run("--json")
    lines = [json.loads(line) for line in result.output.splitlines()]
    assert [line.get("status") for line in lines] == ["problem", "ok", None]
    assert "RuntimeError: unforeseen" in lines[0]["text"]
    assert lines[-1] == {"summary": {"ok": 1, "note": 0, "problem": 1}}


def test_a_spoilt_bundle_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "scratches").mkdir()
    (tmp_path / "scratches" / "card.json").write_text("{}")
    monkeypatch.setattr(subject, "models", lambda: tmp_path)
    problems = [finding for finding in subject.bundles() if finding.status is Status.PROBLEM]
    assert len(problems) == 1
    assert str(tmp_path / "scratches" / "card.json") in problems[0].text


def test_a_recipe_without_its_bundle_is_a_problem(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    folder = tmp_path / "recipes"
    folder.mkdir()
    (folder / "line.toml").write_text(
        'name = "line"\n[cameras.visible]\nsource = "simulated"\n[[inspect]]\nbundle = "no-such-bundle"\ncamera = "visible"\n'
    )
    monkeypatch.setattr(subject, "resources", lambda: tmp_path)
    found = list(subject.recipes())
    assert [finding.status for finding in found] == [Status.PROBLEM]
    assert "no-such-bundle" in found[0].text


def test_low_disk_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(subject, "user_data", lambda: tmp_path / "not" / "yet")
    monkeypatch.setattr(subject, "LOW_DISK", 10**18)
    assert [finding.status for finding in subject.disk()] == [Status.NOTE]
    monkeypatch.setattr(subject, "FULL_DISK", 10**18)
    found = list(subject.disk())
    assert [finding.status for finding in found] == [Status.PROBLEM]
    assert str(tmp_path / "not" / "yet") in found[0].text


def test_missing_torch_is_a_note_with_the_way_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    real = importlib.metadata.version

    def version(name: str) -> str:
        if name == "torch":
            raise importlib.metadata.PackageNotFoundError(name)
        return real(name)

    monkeypatch.setattr(importlib.metadata, "version", version)
    notes = [finding for finding in subject.program() if finding.status is Status.NOTE]
    assert [note.check for note in notes] == ["training"]
    assert "--with train" in notes[0].remedy


def test_every_engine_runs_a_shipped_bundle(demo_bundles: dict[str, Path]) -> None:
    found = {finding.check: finding for finding in subject.engines()}
    for name in ("openvino", "onnxruntime"):
        assert found[f"engine {name}"].status is Status.OK, found[f"engine {name}"]
        assert " ms" in found[f"engine {name}"].text


def _installed(package: str) -> bool:
    try:
        return bool(importlib.metadata.version(package))
    except importlib.metadata.PackageNotFoundError:
        return False


def test_this_machine_is_looked_at(demo_bundles: dict[str, Path]) -> None:
    result = _run("--json")
    lines = [json.loads(line) for line in result.output.splitlines()]
    *found, summary = lines
    checks = {line["check"] for line in found}
    assert {"program", "packages", "bundle", "recipe demo-line", "engine openvino", "camera simulated", "disk"} <= checks
    # The core is also tested where the window's packages are left out on purpose; the doctor has to miss exactly those.
    window = {name for name in ("PySide6-Essentials", "pyqtgraph") if not _installed(name)}
    assert {line["text"] for line in found if line["status"] == "problem"} == {f"{name} is not installed." for name in window}
    assert result.return_value == (1 if window else 0)
    assert sum(summary["summary"].values()) == len(found)
    simulated = next(line for line in found if line["check"] == "camera simulated")
    assert simulated["status"] == "ok"
    assert "800 x 600" in simulated["text"]
