"""`inspector runs`: what a person without a screen sees of trainings, and can do to them."""

import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from inspector.cli.learning.runs import runs
from inspector.core.errors import ConfigError, JobError
from inspector.core.message import message
from inspector.core.storage.paths import models
from inspector.runs.folder import CONTROL, MESSAGES, append_packet, create_run, read_run, started, write_run
from inspector.runs.settings import train_settings
from inspector.training.state import RunState, run_info
from inspector.workers.messages import EpochDone, Progress
from inspector.workers.outcome import Cause, End, Outcome


def inspector(*arguments: str | Path) -> Result:
    """Run the command; what it raises is what `inspector` prints as one sentence."""
    return CliRunner().invoke(runs, [str(argument) for argument in arguments], standalone_mode=False)


def new_run(folder: Path, name: str, *, queued: bool = False) -> Path:
    settings = {"task": "classification", "data": folder / "line", "out": folder / name / "bundle", "run": folder / name}
    return create_run(train_settings({**settings, "name": name, "network": "simple_cnn"}), queued=queued)


def learn(run: Path, *, epochs: int) -> Path:
    """Write what a training reports after each epoch; the third is the best."""
    for epoch in range(1, epochs + 1):
        value = 0.9 if epoch == 3 else 0.5
        metric = EpochDone(epoch=epoch, epochs=10, name="accuracy", value=value, best=epoch in (1, 3))
        append_packet(run / MESSAGES, metric)
    return run


def give_process(run: Path, pid: int, mark: str) -> Path:
    write_run(run, read_run(run).model_copy(update={"pid": pid, "pid_started": mark}))
    return run


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Four runs: done, failed, training (in the process of this test), and waiting."""
    done = learn(new_run(tmp_path, "a-done"), epochs=10)
    append_packet(done / MESSAGES, Outcome(End.SUCCEEDED, result={"bundle": str(models() / "window-state")}).packet())
    failed = learn(new_run(tmp_path, "b-failed"), epochs=2)
    problem, remedy = message("The disk of {place} is full.", place="/data"), message("Free some space.")
    append_packet(failed / MESSAGES, Outcome(End.FAILED, problem=problem, remedy=remedy, cause=Cause.DISK).packet())
    training = learn(give_process(new_run(tmp_path, "c-training"), os.getpid(), started(os.getpid())), epochs=4)
    append_packet(training / MESSAGES, Progress(phase="train", step=0, steps=8, epoch=5, epochs=10))
    new_run(tmp_path, "d-waiting", queued=True)
    (tmp_path / "not-a-run").mkdir()
    return tmp_path


def test_the_list_tells_state_name_and_progress(folder: Path) -> None:
    lines = inspector("list", "--folder", folder).output.splitlines()
    assert [line.split()[:2] for line in lines] == [
        ["done", "a-done"],
        ["failed", "b-failed"],
        ["running", "c-training"],
        ["waiting", "d-waiting"],
    ]
    assert "epoch 10/10, best accuracy 0.9" in lines[0]
    assert "epoch 4/10, best accuracy 0.9" in lines[2]
    assert lines[3].endswith("d-waiting"), "nothing is known of its progress"

    records = [json.loads(line) for line in inspector("list", "--folder", folder, "--json").output.splitlines()]
    assert [record["state"] for record in records] == ["done", "failed", "running", "waiting"]
    assert records[0]["bundle"] == str(models() / "window-state")
    assert records[0]["best"]["epoch"] == 3
    assert (records[1]["problem"], records[1]["cause"]) == ("The disk of /data is full.", "disk")
    assert datetime.fromisoformat(records[2]["created"]) > datetime.now(UTC) - timedelta(hours=1)


def test_one_run_is_shown_with_how_it_ended(folder: Path) -> None:
    shown = inspector("show", "b-failed", "--folder", folder).output.splitlines()
    assert shown[0] == f"{folder / 'b-failed'}: failed"
    assert shown[1] == f"classification, simple_cnn, data {folder / 'line'}"
    assert shown[3:5] == ["The disk of /data is full.", "Free some space."]
    training = inspector("show", folder / "c-training").output
    assert f"process {os.getpid()}" in training
    assert json.loads(inspector("show", folder / "a-done", "--json").output)["settings"]["name"] == "a-done"


def test_a_damaged_record_is_named_and_the_others_are_listed(folder: Path) -> None:
    (folder / "b-failed" / "run.json").write_text("{", "utf-8")
    listed = inspector("list", "--folder", folder)
    assert [line.split()[1] for line in listed.stdout.splitlines()] == ["a-done", "c-training", "d-waiting"]
    assert str(folder / "b-failed" / "run.json") in listed.stderr


def test_a_training_gets_commands_and_a_waiting_one_leaves_the_queue(folder: Path) -> None:
    for command in ("pause", "resume", "stop"):
        assert inspector(command, "c-training", "--folder", folder).return_value == 0
    sent = [json.loads(line)["type"] for line in (folder / "c-training" / CONTROL).read_text("utf-8").splitlines()]
    assert sent == ["pause", "resume", "stop"]
    assert inspector("cancel", "d-waiting", "--folder", folder).return_value == 0
    assert run_info(folder / "d-waiting").state is RunState.CANCELLED
    refused = inspector("pause", "a-done", "--folder", folder).exception
    assert isinstance(refused, JobError)
    assert str(refused) == f"The training in {folder / 'a-done'} does not run: it is done."


def test_only_a_finished_run_is_removed(folder: Path) -> None:
    assert inspector("remove", "a-done", "--folder", folder).return_value == 0
    assert not (folder / "a-done").exists()
    assert (models() / "window-state" / "card.json").is_file(), "its bundle lies elsewhere and stays"
    refused = inspector("remove", "c-training", "--folder", folder).exception
    assert isinstance(refused, JobError)
    assert str(refused) == f"The training in {folder / 'c-training'} is still going on. Wait, or stop it first."
    assert (folder / "c-training").is_dir()
    unknown = inspector("remove", "not-a-run", "--folder", folder).exception
    assert isinstance(unknown, ConfigError)
    assert "not-a-run is not a training run" in str(unknown)
