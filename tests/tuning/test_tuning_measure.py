"""Tuning: what is measured and judged, what is left out or refused, and what the command says of it."""

import json
import time
from collections.abc import Mapping
from pathlib import Path

import pytest
from click.testing import CliRunner

from inspector.bundles.bundle import Bundle
from inspector.cli.main import cli
from inspector.core.errors import ConfigError
from inspector.core.message import message
from inspector.core.sentence import sentence
from inspector.engines.base import Engine
from inspector.inspection.program import Runtime, load_program
from inspector.recipes.document import save_recipe
from inspector.recipes.locate import demo_recipe
from inspector.recipes.recipe import Recipe, load_recipe
from inspector.tuning import job as tuning_job
from inspector.tuning.job import Order, tune
from inspector.tuning.measure import Subject, measure_parts, parts_of, timed
from inspector.tuning.plan import why
from inspector.tuning.store import bundles_of, decide
from inspector.workers.jobs import TuneJob
from tests.reports import Quiet
from tests.station.fakes import Planted, tunings_folder


class Impatient(Quiet):
    """A report whose reader interrupts the work after so many pauses."""

    def __init__(self, cancel_after: int) -> None:
        super().__init__()
        self._left = cancel_after

    def pause_point(self) -> float:
        self._left -= 1
        if self._left < 0:
            raise KeyboardInterrupt
        return 0.0


def test_a_planted_pause_is_measured() -> None:
    times = timed(lambda: time.sleep(0.01), seconds=0.3)
    p50, p99, cpu = times.per_image(2)
    assert 5 <= p50 < 9
    assert p99 >= p50
    assert cpu < p50 / 2  # a pause takes no processor


def test_a_tuning_of_the_demo_recipe_measures_judges_chooses_and_keeps(
    demo_bundles: Mapping[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tuning_job, "ROW_S", 0.2)
    path = demo_recipe()
    order = Order(
        load_recipe(path),
        path.parent,
        takt_ms=20_000,
        engines=("openvino", "onnxruntime"),
        precisions=("fp32",),
        threads=(1,),
        batches=(1,),
        budget_s=100,
        root=tmp_path,
    )
    report = Quiet()
    tuning = tune(order, report)
    assert {(row.bundle, row.engine) for row in tuning.rows} == {
        (name, engine) for name in demo_bundles for engine in ("openvino", "onnxruntime")
    }
    assert all(0 < row.p50_ms <= row.p99_ms for row in tuning.rows)
    assert all(row.cpu_ms > 0 for row in tuning.rows)
    assert all(one.accepted and one.images >= 20 and one.flips == 0 for one in tuning.judged)
    assert tuning.around.p50_ms > 0
    assert tuning.state == "kept"
    assert tuning.chosen is not None
    assert tuning.chosen.measured
    assert tuning.chosen.p99_ms <= tuning.limit_ms
    assert {use.bundle for use in tuning.chosen.uses} == set(demo_bundles)
    assert "keeps the takt of 20000 ms" in why(tuning).text
    assert report.phases == {"variants", "parts", "confirm"}
    program = load_program(order.recipe, order.base)
    assert decide(program, root=tmp_path).runtimes


def test_a_variant_that_was_not_exported_is_named_and_left_out(recipe: Recipe, tmp_path: Path) -> None:
    order = Order(
        recipe,
        None,
        takt_ms=10_000,
        engines=("openvino",),
        precisions=("fp32", "int8"),
        threads=(1,),
        batches=(1,),
        budget_s=20,
        export=False,
        root=tmp_path,
    )
    tuning = tune(order, Quiet())
    (refused,) = [one for one in tuning.judged if not one.accepted]
    assert refused.precision == "int8"
    assert refused.reason is not None
    assert "has not been exported" in refused.reason.text
    assert {row.precision for row in tuning.rows} == {"fp32"}


def test_a_variant_that_answers_wrongly_is_refused_on_this_machine(
    recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = Runtime.open

    def planted(self: Runtime, bundle: Bundle) -> Engine:
        engine = opened(self, bundle)
        return Planted(engine, wrong=True) if self.engine == "openvino" else engine

    monkeypatch.setattr(Runtime, "open", planted)
    engines = ("openvino", "onnxruntime")
    order = Order(recipe, None, 10_000, engines, ("fp32",), threads=(1,), batches=(1,), budget_s=20, root=tmp_path)
    tuning = tune(order, Quiet())
    wrong = next(one for one in tuning.judged if one.engine == "openvino")
    assert not wrong.accepted
    assert wrong.flips > 10
    assert tuning.chosen is not None
    assert tuning.chosen.words == "onnxruntime fp32"


def test_where_nothing_keeps_the_takt_smaller_networks_are_built_and_timed(recipe: Recipe, tmp_path: Path) -> None:
    pytest.importorskip("torch")
    engines = ("openvino",)
    order = Order(recipe, None, 0.01, engines, ("fp32",), threads=(1,), batches=(1,), budget_s=60, root=tmp_path)
    tuning = tune(order, Quiet())
    assert tuning.state == "missed"
    assert tuning.chosen is not None  # the quickest there is
    assert len(tuning.needs) >= 2
    texts = [sentence(message(need.template, **need.values)).text for need in tuning.needs]
    assert any("96 x 96 px instead of 128 x 128 px" in text for text in texts)
    assert any("8 filters instead of 16 filters" in text for text in texts)
    assert all("timed" in text for text in texts)
    assert "Nothing keeps the takt" in why(tuning).text


def test_it_ends_when_it_is_asked_to_and_keeps_nothing(recipe: Recipe, tmp_path: Path) -> None:
    order = Order(recipe, None, 100, ("openvino",), ("fp32",), threads=(1,), batches=(1,), root=tmp_path)
    with pytest.raises(KeyboardInterrupt):
        tune(order, Impatient(5))
    assert not list(tmp_path.iterdir())


def test_whole_parts_show_the_reference_images_where_the_regions_are(demo_bundles: Mapping[str, Path]) -> None:
    path = demo_recipe()
    program = load_program(load_recipe(path), path.parent)
    subjects = {name: Subject(name, bundle) for name, bundle in bundles_of(program).items()}
    parts = parts_of(program, subjects, 4)
    assert {camera: capture.frame.unit for camera, capture in parts[0].captures.items() if capture.frame} == {
        "visible": "intensity",
        "thermal": "kelvin",
    }
    whole = measure_parts(program, parts, tick=lambda: None)
    assert not whole.problems
    assert whole.p99_ms >= whole.p50_ms > whole.around.p50_ms > 0


def test_a_recipe_without_a_takt_is_asked_for_one(recipe: Recipe) -> None:
    with pytest.raises(ConfigError, match="names no takt"):
        Order.of(TuneJob(recipe=recipe.model_dump(mode="json", exclude_none=True)))
    given = recipe.model_copy(update={"takt_ms": 80.0})
    assert Order.of(TuneJob(recipe=given.model_dump(mode="json", exclude_none=True))).takt_ms == 80


def test_the_command_prints_one_object_and_draws_the_picture(recipe: Recipe, tmp_path: Path) -> None:
    file, picture = tmp_path / "r.toml", tmp_path / "tune.svg"
    save_recipe(recipe, file)
    arguments = [
        "tune",
        "--recipe",
        str(file),
        "--takt",
        "20s",
        "--engine",
        "openvino",
        "--precision",
        "fp32",
        "--threads",
        "1",
    ]
    arguments += ["--batch", "1", "--budget", "10", "--json", "--picture", str(picture)]
    result = CliRunner().invoke(cli, arguments)
    assert result.exit_code == 0, result.stderr
    told = json.loads(result.stdout)
    assert told["state"] == "kept"
    assert told["takt_ms"] == 20_000
    assert told["chosen"]["threads"] == 1
    assert told["why"].startswith("openvino fp32 on 1 threads")
    assert picture.read_text().count("<circle") == len(told["plans"])
    for stored in tunings_folder().iterdir():
        stored.unlink()
