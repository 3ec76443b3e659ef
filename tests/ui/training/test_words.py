"""What the list of trainings and a run's page say of a training that is done, but taught nothing."""

from pathlib import Path

from inspector.core.message import Message, message
from inspector.core.sentence import sentence
from inspector.runs.folder import MESSAGES, append_packet, create_run
from inspector.runs.settings import train_settings
from inspector.training.state import RunInfo, run_info
from inspector.ui.training.run.labels import SIGNS, outcome_sentence, sign_of, state_word
from inspector.workers.outcome import End, Outcome


def done(folder: Path, *warnings: Message) -> RunInfo:
    run = create_run(train_settings({"task": "classification", "data": folder / "data", "out": folder / "bundle"}))
    told = {"warnings": [sentence(one).model_dump() for one in warnings]} if warnings else {}
    append_packet(run / MESSAGES, Outcome(End.SUCCEEDED, {"bundle": str(folder / "bundle"), **told}).packet())
    return run_info(run)


def test_a_warning_stands_in_place_of_done(tmp_path: Path) -> None:
    info = done(tmp_path, message("Nothing was found in {epochs} epochs.", epochs=4), message("Use a larger input."))
    assert state_word(info) == "Done, with a warning"
    assert sign_of(info).icon == "warning"
    said = outcome_sentence(info)
    assert said is not None
    assert said.text == "Nothing was found in 4 epochs."


def test_without_a_warning_it_is_done(tmp_path: Path) -> None:
    info = done(tmp_path)
    assert state_word(info) == "Done"
    assert sign_of(info) == SIGNS[info.state]
