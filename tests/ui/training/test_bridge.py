"""The thread between the training queue and the page, on run folders that another process writes."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from pytestqt.qtbot import QtBot

from inspector.core.errors import InspectorError
from inspector.runs.folder import MESSAGES, append_packet, create_run, read_run, started, write_run
from inspector.runs.settings import train_settings
from inspector.training.state import RunState
from inspector.ui.training.run.bridge import TrainingBridge
from inspector.workers.messages import EpochDone, Log
from inspector.workers.outcome import End, Outcome


def training(folder: Path, name: str, *, epochs: int) -> Path:
    """A run that this process seems to train, `epochs` of ten done."""
    settings = {"task": "classification", "data": folder / "line", "out": folder / name / "bundle", "run": folder / name}
    run = create_run(train_settings({**settings, "name": name, "network": "simple_cnn"}))
    write_run(run, read_run(run).model_copy(update={"pid": os.getpid(), "pid_started": started(os.getpid())}))
    for number in range(1, epochs + 1):
        learn(run, number)
    return run


def learn(run: Path, epoch: int) -> None:
    append_packet(run / MESSAGES, EpochDone(epoch=epoch, epochs=10, name="accuracy", value=0.1 * epoch, loss=1 / epoch))


@pytest.fixture
def bridge(tmp_path: Path, qapp: object) -> Iterator[TrainingBridge]:
    made = TrainingBridge(tmp_path / "runs")
    yield made
    made.end()


def test_the_page_gets_the_history_and_then_what_is_new_also_when_it_was_busy(qtbot: QtBot, bridge: TrainingBridge) -> None:
    run = training(bridge.folder, "plates", epochs=3)
    with qtbot.waitSignal(bridge.news, timeout=20_000):
        bridge.begin()
    first = bridge.take()
    assert first.runs is not None
    assert [(info.name, info.state) for info in first.runs] == [("plates", RunState.RUNNING)]
    assert first.history is None

    with qtbot.waitSignal(bridge.news, timeout=20_000):
        bridge.watch(run)
    history = bridge.take()
    assert history.watched == run
    assert history.history is not None
    assert history.history.epochs.tolist() == [1, 2, 3]

    # The page is busy: it is told once, and then takes the newest.
    told: list[int] = []
    bridge.news.connect(lambda: told.append(1))
    learn(run, 4)
    qtbot.waitUntil(lambda: bool(told), timeout=20_000)
    for epoch in range(5, 11):
        learn(run, epoch)
    append_packet(run / MESSAGES, Log(text="the last epoch"))
    append_packet(run / MESSAGES, Outcome(End.CANCELLED).packet())
    numbers: list[int] = []
    states: list[RunState] = []

    def take() -> None:
        news = bridge.take()
        numbers.extend(one.epoch for one in news.messages if isinstance(one, EpochDone))
        states.extend(info.state for info in news.runs or ())

    assert told == [1]
    bridge.news.connect(take)
    take()
    qtbot.waitUntil(lambda: RunState.CANCELLED in states, timeout=20_000)
    assert numbers == list(range(4, 11)), "nothing is told twice and nothing is missing"


def test_what_cannot_be_done_is_told_and_the_thread_goes_on(qtbot: QtBot, bridge: TrainingBridge) -> None:
    training(bridge.folder, "plates", epochs=1)
    failures: list[InspectorError] = []
    bridge.failed.connect(failures.append)
    bridge.command("pause", bridge.folder / "nothing")
    qtbot.waitUntil(lambda: bool(failures), timeout=20_000)
    assert "nothing is not a training run" in str(failures[0])
    bridge.command("remove", bridge.folder / "plates")
    qtbot.waitUntil(lambda: len(failures) == 2, timeout=20_000)
    assert str(failures[1]) == f"The training in {bridge.folder / 'plates'} is still going on. Wait, or stop it first."
