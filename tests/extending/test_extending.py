"""What is added from outside the package, in one file, works the whole way; and what was forgotten is an error of mypy."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

pytest.importorskip("torch")
pytest.importorskip("pytestqt")

from pytestqt.qtbot import QtBot

from inspector.bundles.bundle import Bundle
from inspector.cameras.sequence import open_sequence
from inspector.cli.main import cli
from inspector.core.types import Masks, Verdict
from inspector.data.survey import survey
from inspector.ml.train.trainer import train
from inspector.recipes.automatic import CAMERA, recipe_for
from inspector.recipes.recipe import Rule
from inspector.results.overlays import draw
from inspector.results.records import record
from inspector.runs.report import read_report
from inspector.runs.settings import train_settings
from inspector.station.part_inspector import PartInspector
from inspector.training.costs import Hardware
from inspector.training.recommend import recommend
from inspector.ui.shell.strings import translate
from inspector.ui.training.data.dataset_view import FoundView
from inspector.ui.training.labels import task_sentence, task_word
from inspector.ui.training.new.draft import Draft
from tests.extending.oddness import NAME, peak, register
from tests.ml.making import Told, classification_folder

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def oddness(monkeypatch: pytest.MonkeyPatch) -> None:
    register(monkeypatch)


@pytest.mark.usefixtures("oddness")
def test_a_task_and_a_quantity_from_one_file_go_the_whole_way(tmp_path: Path, qtbot: QtBot) -> None:
    data = classification_folder(tmp_path / "data", 24)  # bright and dark; "dark" comes second: it is the odd class

    found = survey(data)
    assert NAME in found.tasks
    assert found.tasks[NAME].blocked is None
    advice = recommend(found, NAME, takt_s=None, hardware=Hardware(2, 8 << 30, weights=False))
    assert advice.settings["network"] == "unet"

    given = {"task": NAME, "data": data, "out": tmp_path / "odd", "options": {"filters": 4}, "epochs": 6, "threads": 1}
    settings = train_settings({**given, "calibrate": False, "run": tmp_path / "run", "val": 0.25, "test": 0.25})
    assert (settings.network, settings.width) == ("unet", 32), "the task's own defaults"
    bundle = train(settings, Told())
    assert bundle.card.task == NAME
    summary = read_report(tmp_path / "run" / "report.json").summary[0].text
    assert "were told right" in summary

    outcome = CliRunner().invoke(cli, ["evaluate", "--model", str(bundle.folder), "--data", str(data), "--json"])
    assert outcome.exit_code == 0, outcome.output
    assert json.loads(outcome.stdout)["metrics"].keys() == {"accuracy"}

    _judged(bundle, data)
    view = FoundView(Draft())
    qtbot.addWidget(view)
    assert view.tasks[NAME].text() == task_word(NAME) == "Oddness"
    assert view.tasks[NAME].toolTip() == task_sentence(NAME) == "Where an image looks odd"


def _judged(bundle: Bundle, data: Path) -> None:
    """Judge a part by the task's default rule, and by one that says NG; write and draw what came of it."""
    recipe = recipe_for([bundle.folder], f"folder:{data}")
    strict = recipe.model_copy(
        update={"rules": (Rule(bundle=str(bundle.folder), quantity="oddness", when="below", limit=2.0),)}
    )
    frame = open_sequence(data / "dark", camera=CAMERA).frame(0)
    for wanted in (recipe, strict):
        with PartInspector(wanted) as inspector:
            inspection = inspector.inspect({CAMERA: frame})
        (judgement,) = inspection.judgements
        (prediction,) = inspection.predictions
        assert isinstance(prediction.answer, Masks)
        assert (judgement.quantity, judgement.value) == ("oddness", pytest.approx(peak(prediction)))
        written = json.loads(json.dumps(record(inspection)))
        assert written["judgements"][0]["quantity"] == "oddness"
        assert written["predictions"][0]["task"] == NAME
        assert draw(inspection)[CAMERA].ndim == 3
    assert inspection.verdict is Verdict.NG
    assert translate(inspection.reasons[0]).startswith("oddness of 0.")


_CONSUMER = """
from typing import assert_never
from inspector.core.types import Answer, Boxes, Masks, Scores, Temperatures

def whole(answer: Answer) -> int:
    match answer:
        case Scores() | Boxes() | Masks():
            return 1
        case Temperatures():
            return 2
        case _:
            assert_never(answer)

def forgetful(answer: Answer) -> int:
    match answer:
        case Scores() | Boxes() | Masks():
            return 1
        case _:
            assert_never(answer)
"""


def test_a_consumer_that_forgets_a_kind_of_answer_is_an_error_of_mypy(tmp_path: Path) -> None:
    path = tmp_path / "consumer.py"
    path.write_text(_CONSUMER)
    options = ["--strict", "--follow-imports=silent", "--no-incremental", "--config-file", os.devnull]
    done = subprocess.run(
        [sys.executable, "-m", "mypy", *options, str(path)], cwd=ROOT, capture_output=True, text=True, timeout=300, check=False
    )
    errors = [line for line in done.stdout.splitlines() if "error:" in line]
    assert len(errors) == 1, done.stdout + done.stderr
    assert "consumer.py:19" in errors[0]
    assert '"Temperatures"' in errors[0]
    assert "assert_never" in errors[0]
