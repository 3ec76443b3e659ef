"""Tuning: which variants are chosen, what is kept for this machine, and what happens when a choice does not hold any more."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from click.testing import CliRunner

from inspector.bundles.bundle import Bundle
from inspector.cameras.demo.line import DemoLine
from inspector.cli.main import cli
from inspector.core.errors import EngineError
from inspector.engines.base import Engine
from inspector.inspection.program import Program, Runtime, load_program
from inspector.recipes.document import save_recipe
from inspector.recipes.recipe import Recipe
from inspector.station.part_inspector import PartInspector
from inspector.station.station import Station
from inspector.tuning.measure import Subject, proof, timed
from inspector.tuning.plan import Around, Judged, Machine, Plan, Row, Tuning, Use, pareto, plans_of, ranked
from inspector.tuning.store import bundles_of, changed, decide, load_tunings, save_tuning, this_processor
from tests.station.fakes import Planted, Recorder, tunings_folder

NO_TIME = Around()


def _row(engine: str, precision: Any, threads: int, p99: float, cpu: float, *, bundle: str = "a", batch: int = 1) -> Row:
    return Row(
        bundle=bundle,
        engine=engine,
        precision=precision,
        threads=threads,
        batch=batch,
        p50_ms=p99 * 0.8,
        p99_ms=p99,
        cpu_ms=cpu,
        images=100,
    )


def _judged(engine: str, precision: Any, *, bundle: str = "a", accepted: bool = True, accuracy: float = 0.9) -> Judged:
    return Judged(
        bundle=bundle,
        engine=engine,
        precision=precision,
        accepted=accepted,
        metric="macro_f1",
        accuracy=accuracy,
        before=0.9,
        images=50,
    )


def test_the_cheapest_that_keeps_the_limit_comes_first_and_a_refused_variant_never() -> None:
    rows = [
        _row("openvino", "fp32", 1, 40, 38),
        _row("openvino", "fp32", 2, 22, 41),
        _row("openvino", "int8", 1, 12, 11),
        _row("onnxruntime", "int8", 1, 8, 7),
    ]
    judged = [_judged("openvino", "fp32"), _judged("openvino", "int8"), _judged("onnxruntime", "int8", accepted=False)]
    plans = plans_of(rows, judged, {"a": 1}, NO_TIME)
    assert "onnxruntime int8" not in {plan.words for plan in plans}
    order = [(plan.words, plan.threads) for plan in ranked(plans, 50)]
    assert order == [("openvino int8", 1), ("openvino fp32", 1), ("openvino fp32", 2)]
    order = [(plan.words, plan.threads) for plan in ranked(plans, 30)]  # fp32 on one thread is too slow now
    assert order == [("openvino int8", 1), ("openvino fp32", 2), ("openvino fp32", 1)]
    assert [plan.p99_ms for plan in ranked(plans, 5)] == [12, 22, 40]  # nothing keeps it: the quickest first


def test_bundles_may_have_different_variants_and_count_as_often_as_they_are_used() -> None:
    rows = [
        _row("openvino", "fp32", 1, 30, 30, bundle="a"),
        _row("openvino", "int8", 1, 10, 10, bundle="a"),
        _row("openvino", "fp32", 1, 5, 5, bundle="b"),
        _row("onnxruntime", "fp32", 1, 4, 6, bundle="b"),
    ]
    judged = [
        _judged("openvino", "fp32"),
        _judged("openvino", "int8"),
        _judged("openvino", "fp32", bundle="b"),
        _judged("onnxruntime", "fp32", bundle="b"),
    ]
    around = Around(p50_ms=2, p99_ms=3, cpu_ms=2)
    best = ranked(plans_of(rows, judged, {"a": 1, "b": 3}, around), 100)[0]
    assert {use.bundle: (use.engine, use.precision) for use in best.uses} == {
        "a": ("openvino", "int8"),
        "b": ("openvino", "fp32"),
    }
    assert best.p99_ms == 3 + 10 + 3 * 5
    assert best.cpu_ms == 2 + 10 + 3 * 5


def test_a_larger_batch_is_taken_only_where_it_saves_time() -> None:
    judged = [_judged("openvino", "fp32")]
    saves = [_row("openvino", "fp32", 1, 10, 9), _row("openvino", "fp32", 1, 6, 5, batch=8)]
    assert plans_of(saves, judged, {"a": 1}, NO_TIME)[0].batch == 8
    same = [_row("openvino", "fp32", 1, 10, 9), _row("openvino", "fp32", 1, 9.9, 9, batch=8)]
    assert plans_of(same, judged, {"a": 1}, NO_TIME)[0].batch == 1


def test_the_front_holds_what_nothing_else_beats() -> None:
    def plan(p99: float, accuracy: float) -> Plan:
        return Plan(uses=(), threads=1, batch=1, p50_ms=p99, p99_ms=p99, cpu_ms=p99, accuracy=accuracy)

    plans = [plan(10, 0.97), plan(20, 0.99), plan(25, 0.98), plan(40, 1.0), plan(50, 1.0), plan(12, 0.97)]
    assert [(one.p99_ms, one.accuracy) for one in pareto(plans)] == [(10, 0.97), (20, 0.99), (40, 1.0)]


def test_what_a_machine_differs_by_is_said() -> None:
    old = Machine(processor="A", cores=2, features=("avx2",), software={"openvino": "1", "torch": "2"})
    new = old.model_copy(update={"cores": 8, "features": ("avx2", "avx512_vnni"), "software": {"openvino": "1.1"}})
    assert new.differences(old) == ["2 -> 8 cores", "+avx512_vnni", "openvino 1 -> 1.1", "torch 2 -> none"]
    assert not old.differences(old)


@pytest.fixture
def program(recipe: Recipe) -> Program:
    return load_program(recipe)


def _tuning(program: Program, **changes: Any) -> Tuning:
    """As a tuning leaves it: onnxruntime on one thread is chosen."""
    (name,) = bundles_of(program)
    bundle = bundles_of(program)[name]
    runtime = Runtime("onnxruntime", "fp32", 1)
    with runtime.open(bundle) as engine:
        image = Subject(name, bundle).images(1)
        half, most, cpu = timed(lambda: engine.infer(image), seconds=0.3).per_image(1)
    row = Row(
        bundle=name,
        engine="onnxruntime",
        precision="fp32",
        threads=1,
        batch=1,
        p50_ms=half,
        p99_ms=most,
        cpu_ms=cpu,
        images=30,
    )
    use = Use(bundle=name, engine="onnxruntime", precision="fp32")
    plan = Plan(uses=(use,), threads=1, batch=1, p50_ms=half, p99_ms=most, cpu_ms=cpu, measured=True)
    fields: dict[str, Any] = {
        "recipe": program.recipe.name,
        "revision": program.recipe.revision,
        "takt_ms": 100.0,
        "machine": this_processor(),
        "bundles": {name: bundle.fingerprint},
        "rows": (row,),
        "chosen": plan,
        "state": "kept",
        "created": datetime.now(UTC),
        **changes,
    }
    return Tuning(**fields)


def _keep(tuning: Tuning, program: Program, root: Path) -> None:
    (name,) = bundles_of(program)
    bundle = bundles_of(program)[name]
    with Runtime("onnxruntime", "fp32", 1).open(bundle) as engine:
        save_tuning(tuning, {name: proof(engine, Subject(name, bundle))}, root=root)


def test_without_a_tuning_the_recipe_decides(program: Program, tmp_path: Path) -> None:
    decision = decide(program, root=tmp_path)
    assert not decision.runtimes
    assert decision.note is None
    assert decision.why.text == "openvino fp32, as the recipe says; it was not tuned on this computer."


def test_a_choice_that_holds_judges(program: Program, tmp_path: Path) -> None:
    _keep(_tuning(program), program, tmp_path)
    decision = decide(program, root=tmp_path)
    assert decision.note is None
    changed_program = decision.apply(program)
    assert changed_program.steps[0].runtime == Runtime("onnxruntime", "fp32", 1)
    assert changed_program.tuned
    assert decision.why.text.startswith("onnxruntime fp32 on 1 threads is the cheapest that keeps the takt of 100 ms")


def _plant(monkeypatch: pytest.MonkeyPatch, **how: Any) -> None:
    opened = Runtime.open

    def planted(self: Runtime, bundle: Bundle) -> Engine:
        engine = opened(self, bundle)
        return Planted(engine, **how) if self.engine == "onnxruntime" else engine

    monkeypatch.setattr(Runtime, "open", planted)


def test_a_choice_that_became_slow_is_passed_over_with_one_sentence(
    program: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _keep(_tuning(program), program, tmp_path)
    _plant(monkeypatch, pause=0.1)
    decision = decide(program, root=tmp_path)
    assert not decision.runtimes
    assert decision.note is not None
    assert "takes 1" in decision.note.text
    assert decision.note.text.endswith("openvino fp32 judges instead.")


def test_a_choice_that_answers_otherwise_falls_back_to_the_last_good_one(
    program: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (name,) = bundles_of(program)
    good = _tuning(program, created=datetime.now(UTC) - timedelta(days=3))
    use = Use(bundle=name, engine="openvino", precision="fp32")
    assert good.chosen is not None
    older = good.model_copy(update={"chosen": good.chosen.model_copy(update={"uses": (use,)})})
    with Runtime("openvino", "fp32", 1).open(bundles_of(program)[name]) as engine:
        save_tuning(older, {name: proof(engine, Subject(name, bundles_of(program)[name]))}, root=tmp_path)
    _keep(_tuning(program), program, tmp_path)
    assert decide(program, root=tmp_path).runtimes[name].engine == "onnxruntime"
    _plant(monkeypatch, wrong=True)
    decision = decide(program, root=tmp_path)
    assert decision.runtimes[name] == Runtime("openvino", "fp32", 1)
    assert decision.note is not None
    assert "does not answer as it did" in decision.note.text
    assert decision.note.text.endswith("openvino fp32 judges instead.")


def test_an_engine_that_is_gone_falls_back(program: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _keep(_tuning(program), program, tmp_path)

    def gone(self: Runtime, bundle: Bundle) -> Engine:
        raise EngineError("{engine} is not on this machine.", engine=self.engine)

    monkeypatch.setattr(Runtime, "open", gone)
    decision = decide(program, root=tmp_path)
    assert not decision.runtimes
    assert decision.note is not None
    assert decision.note.text == "onnxruntime is not on this machine. openvino fp32 judges instead."


def test_another_machine_version_or_bundle_is_flagged_and_not_tested(
    program: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tuning = _tuning(program)
    _keep(tuning, program, tmp_path)
    monkeypatch.setattr(Runtime, "open", lambda self, bundle: pytest.fail("it was tested"))
    other = tuning.machine.model_copy(update={"software": {**tuning.machine.software, "onnxruntime": "99"}})
    decision = decide(program, root=tmp_path, machine=other)
    assert not decision.runtimes
    assert decision.note is not None
    assert "-> 99" in decision.note.text
    assert "tune again" in decision.note.text
    exchanged = changed(tuning.model_copy(update={"bundles": dict.fromkeys(tuning.bundles, "0")}), program, tuning.machine)
    assert exchanged is not None
    assert "another version of" in exchanged.text


def test_a_newer_revision_keeps_the_choice_and_says_so(program: Program, tmp_path: Path) -> None:
    _keep(_tuning(program), program, tmp_path)
    newer = replace(program, recipe=program.recipe.model_copy(update={"revision": 2}))
    decision = decide(newer, root=tmp_path)
    assert decision.runtimes
    assert "for revision 1 of the recipe, which is at 2 now" in decision.why.text


def test_a_damaged_file_is_as_good_as_none_and_old_tunings_are_let_go(program: Program, tmp_path: Path) -> None:
    tuning = _tuning(program)
    for day in range(8):
        _keep(tuning.model_copy(update={"created": tuning.created + timedelta(days=day)}), program, tmp_path)
    kept = load_tunings("window", root=tmp_path)
    assert len(kept) == 5
    assert kept[0].created > kept[-1].created
    assert len(list(tmp_path.glob("*.safetensors"))) == 5
    (file,) = tmp_path.glob("*.json")
    file.write_text("{")
    assert load_tunings("window", root=tmp_path) == []
    assert not decide(program, root=tmp_path).runtimes


def test_the_station_judges_with_the_choice_and_says_why(recipe: Recipe, program: Program) -> None:
    _keep(_tuning(program), program, tunings_folder())
    recorder = Recorder()
    camera = recipe.cameras["camera"].model_copy(update={"options": {"parts": 3}})
    station = Station(recipe.model_copy(update={"cameras": {"camera": camera}}), sinks=[recorder], listeners=[recorder])
    station.start()
    try:
        assert station.wait(60)
        told = recorder.status.judging
        assert told is not None
        assert told.tuned
        assert told.note is None
        assert "onnxruntime fp32 on 1 threads" in told.why.text
        assert len(recorder.inspections) == 3
        pipeline = station._pipeline
        assert pipeline is not None
        assert pipeline.program.steps[0].runtime == Runtime("onnxruntime", "fp32", 1)
    finally:
        station.stop()
        for file in tunings_folder().iterdir():
            file.unlink()


def test_away_from_the_line_the_same_variant_judges_unless_another_is_asked_for(
    recipe: Recipe, program: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in ("XDG_DATA_HOME", "LOCALAPPDATA"):
        monkeypatch.setenv(variable, str(tmp_path / "home"))
    _keep(_tuning(program), program, tunings_folder())
    _plant(monkeypatch, pause=0.1)  # it became slow: on the line that counts, here it does not
    with PartInspector(recipe) as inspector:
        assert inspector.program.variants == "onnxruntime fp32"
        assert inspector.program.note is None
    for asked in ({"engine": "openvino"}, {"precision": "fp32"}):
        with PartInspector(recipe, **asked) as inspector:
            assert inspector.program.variants == "openvino fp32"
    _plant(monkeypatch, wrong=True)
    with PartInspector(recipe) as inspector:
        assert inspector.program.variants == "openvino fp32"
        assert inspector.program.note is not None
        assert "does not answer as it did" in inspector.program.note.text


def test_a_recipe_cut_down_to_a_camera_follows_the_whole_one(program: Program, tmp_path: Path) -> None:
    tuning = _tuning(program)
    _keep(tuning.model_copy(update={"bundles": {**tuning.bundles, "of-the-other-camera": "0"}}), program, tmp_path)
    assert decide(program, root=tmp_path).runtimes
    exactly = tuning.model_copy(update={"created": tuning.created - timedelta(days=3), "takt_ms": 33.0})
    _keep(exactly, program, tmp_path)
    _keep(tuning.model_copy(update={"bundles": {**tuning.bundles, "of-the-other-camera": "0"}}), program, tmp_path)
    assert "33 ms" in decide(program, root=tmp_path).why.text  # one of its own comes first
    _keep(tuning.model_copy(update={"bundles": {"another": "0"}}), program, tmp_path / "other")
    assert not decide(program, root=tmp_path / "other").runtimes


def test_predict_says_which_choice_judges(
    recipe: Recipe, program: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in ("XDG_DATA_HOME", "LOCALAPPDATA"):
        monkeypatch.setenv(variable, str(tmp_path / "home"))
    _keep(_tuning(program), program, tunings_folder())
    file, picture = tmp_path / "line.toml", tmp_path / "part.png"
    save_recipe(recipe, file)
    frame, _ = DemoLine(4).visible(1)
    assert cv2.imwrite(str(picture), frame)
    arguments = ["predict", str(picture), "--recipe", str(file), "--json"]
    tuned = CliRunner().invoke(cli, arguments)
    assert tuned.exit_code == 0, tuned.stderr
    assert "onnxruntime fp32 on 1 threads is the cheapest that keeps the takt of 100 ms" in tuned.stderr
    asked = CliRunner().invoke(cli, [*arguments, "--engine", "openvino"])
    assert "cheapest" not in asked.stderr
    verdicts = [json.loads(result.stdout.splitlines()[0])["verdict"] for result in (tuned, asked)]
    assert verdicts[0] == verdicts[1]


def test_answers_are_compared_but_for_rounding() -> None:
    from inspector.tuning.store import agrees

    answers = np.array([[0.1, 0.9], [0.6, 0.4]], np.float32)
    assert agrees(answers + 1e-4, answers)
    assert not agrees(answers[:, ::-1], answers)
    assert not agrees(answers[:1], answers)
    assert not agrees(np.full_like(answers, np.nan), answers)
