"""What the page of the trainings says and draws, from run folders as workers leave them."""

import json
import os
import time
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtWidgets import QWidget
from pytestqt.qtbot import QtBot

from inspector.core.message import message
from inspector.runs.folder import CHECKPOINT, CURVES, MESSAGES, append_packet, create_run, read_run, started, write_run
from inspector.runs.settings import train_settings
from inspector.training.state import RunInfo, RunState, run_info
from inspector.ui.training.run.bridge import TrainingBridge, newest_samples
from inspector.ui.training.run.chart import thinned
from inspector.ui.training.run.history import LOG_LINES, RunHistory, compressed
from inspector.ui.training.run.list import in_order
from inspector.ui.training.run.view import RunView
from inspector.workers.messages import EpochDone, Log, Packet, Progress, WorkerMessage
from inspector.workers.outcome import REMEDIES, Cause, End, Outcome


def run_of(folder: Path, name: str, *packets: Packet, queued: bool = False) -> RunInfo:
    """A run that has said this."""
    run = folder / name
    create_run(
        train_settings({"task": "thermal", "data": folder, "out": run / "bundle", "run": run, "name": name}), queued=queued
    )
    (run / MESSAGES).write_bytes(b"".join(packet.line() for packet in packets))
    return run_info(run)


def metric(epoch: int, value: float, *, best: bool = False) -> EpochDone:
    return EpochDone(
        epoch=epoch,
        epochs=90,
        loss=1 / epoch,
        val_loss=0.5,
        best=best,
        name="dice",
        value=value,
        seconds=2.0,
        val={"dice": value},
    )


SENTENCES = [
    (Outcome(End.CANCELLED), "The training was cancelled and left no bundle.", RunState.CANCELLED),
    (
        Outcome(End.FAILED, problem=message("The memory was not enough (x)."), cause=Cause.MEMORY),
        "The memory was not enough (x). Use smaller batches",
        RunState.FAILED,
    ),
    (
        Outcome(End.FAILED, problem=message("A file cannot be written or read (x)."), cause=Cause.DISK),
        "A file cannot be written or read (x). Free some space",
        RunState.FAILED,
    ),
    (
        Outcome(End.FAILED, problem=message("The graphics card or its driver failed (x)."), cause=Cause.DEVICE),
        "The graphics card or its driver failed (x). Restart the computer",
        RunState.FAILED,
    ),
    (
        Outcome(End.FAILED, problem=message("The program ..."), cause=Cause.PARENT),
        "The window that had started the training was closed or ended, and the training with it. Go on from",
        RunState.FAILED,
    ),
    (
        Outcome(End.CRASHED, problem=message("The worker process was killed (x)."), cause=Cause.KILLED),
        "The worker process was killed (x). Go on from the last epoch",
        RunState.CRASHED,
    ),
    (
        Outcome(End.CRASHED, problem=message("It ended unexpectedly (y)."), cause=Cause.CRASH, details="trace"),
        "It ended unexpectedly (y). Go on from the last epoch; if it happens again, please report it",
        RunState.CRASHED,
    ),
    (
        Outcome(End.CRASHED, problem=message("It ended unexpectedly (x)."), cause=Cause.INTERNAL, details="trace"),
        "It ended unexpectedly (x). Please report it",
        RunState.CRASHED,
    ),
]


@pytest.mark.parametrize(("outcome", "text", "state"), SENTENCES, ids=lambda value: getattr(value, "cause", None))
def test_every_end_is_a_sentence_with_what_to_do(
    qtbot: QtBot, tmp_path: Path, outcome: Outcome, text: str, state: RunState
) -> None:
    view = RunView(over := QWidget())
    qtbot.addWidget(over)
    qtbot.addWidget(view)
    view.show()
    remedy = message(REMEDIES[outcome.cause]) if outcome.cause in REMEDIES else None
    ended = Outcome(outcome.end, problem=outcome.problem, remedy=remedy, cause=outcome.cause, details=outcome.details)
    info = run_of(tmp_path, "run", metric(1, 0.5), ended.packet())
    view.show_run(info, 0)
    assert info.state is state
    assert view.outcome.text.startswith(text)
    shown = {name for name, button in view.buttons.items() if button.isVisible()}
    details = {"details"} if outcome.cause in (Cause.CRASH, Cause.INTERNAL) else set()
    assert shown == {"again", "folder", "remove", *details}
    (info.folder / CHECKPOINT).write_bytes(b"state")
    view.show_run(run_info(info.folder), 0)
    assert view.buttons["resume_interrupted"].isVisible() == run_info(info.folder).resumable
    assert view.buttons["resume_interrupted"].isVisible()


def test_a_history_repeats_what_was_not_whole_and_takes_from_the_table_what_was_not_told(tmp_path: Path) -> None:
    history = RunHistory()
    for packet in (metric(1, 0.1, best=True), metric(2, 0.2, best=True), metric(3, 0.3, best=True), metric(3, 0.25)):
        history.take(packet)
    assert history.epochs.tolist() == [1, 2, 3]
    assert history.column("dice").tolist() == [0.1, 0.2, 0.25]
    assert history.best_epoch == 2
    history.fill_gaps([{"epoch": 2.0, "dice": 0.9}, {"epoch": 4.0, "dice": 0.4, "loss": 0.1}])
    assert history.epochs.tolist() == [1, 2, 3, 4]
    assert history.column("dice").tolist() == [0.1, 0.2, 0.25, 0.4]
    assert history.column("val_loss")[:3].tolist() == [0.5] * 3
    assert np.isnan(history.column("val_loss")[3])
    assert history.measured == ("dice",)
    assert history.as_rows()[0] == ["epoch", "loss", "val_loss", "seconds", "dice"]


def test_a_flood_of_messages_is_made_short() -> None:
    flood: list[WorkerMessage] = [Progress(phase="train", step=step) for step in range(50)]
    flood += [Log(text=str(line)) for line in range(LOG_LINES * 3)]
    flood += [Progress(phase="train", step=99), metric(1, 0.5)]
    short = compressed(flood)
    assert [message.type for message in short] == ["log"] * LOG_LINES + ["progress", "metric"]
    assert short[0] == Log(text=str(LOG_LINES * 2))
    assert short[-2] == Progress(phase="train", step=99)


def test_what_waits_stands_in_its_turn_below_what_trains(tmp_path: Path) -> None:
    over = [run_of(tmp_path, f"over-{index}", Outcome(End.CANCELLED).packet()) for index in range(2)]
    waiting = [run_of(tmp_path, f"waits-{index}", queued=True) for index in range(2)]
    assert [info.name for info in in_order([*over, *reversed(waiting)])] == ["waits-0", "waits-1", "over-1", "over-0"]


def test_a_thinned_curve_keeps_its_peaks() -> None:
    values = np.zeros(10_000)
    values[[1234, 7777]] = (5.0, -3.0)
    x, y = thinned(np.arange(10_000, dtype=np.float64), values)
    assert len(x) <= 1300
    assert (y.max(), y.min()) == (5.0, -3.0)
    assert (x[y.argmax()], x[y.argmin()]) == (1234, 7777)
    assert (np.diff(x) > 0).all()


def test_time_left_is_known_once_an_epoch_is_measured(tmp_path: Path) -> None:
    def progress(epoch: int, step: int) -> Progress:
        return Progress(phase="train", epoch=epoch, epochs=90, step=step, steps=4)

    info = run_of(tmp_path, "run", progress(1, 2))
    me = {"pid": os.getpid(), "pid_started": started(os.getpid())}
    write_run(info.folder, read_run(info.folder).model_copy(update=me))
    assert run_info(info.folder).seconds_left is None
    append_packet(info.folder / MESSAGES, metric(1, 0.5))
    append_packet(info.folder / MESSAGES, progress(2, 2))
    assert run_info(info.folder).seconds_left == pytest.approx(2.0 * (90 - 1 - 0.5))


def test_the_newest_pictures_are_those_of_the_last_epoch(tmp_path: Path) -> None:
    for name in ("epoch-009-1.jpg", "epoch-010-2.jpg", "epoch-010-1.jpg", "epoch-x-1.jpg", "other.jpg"):
        (tmp_path / name).write_bytes(b"")
    assert [path.name for path in newest_samples(tmp_path)] == ["epoch-010-1.jpg", "epoch-010-2.jpg"]


def test_a_long_run_and_a_long_list_do_not_hold_the_window(qtbot: QtBot, tmp_path: Path) -> None:
    """200 runs, one with 10,000 epochs and 100,000 log lines: the window's own processor time for what it is told is short."""
    for index in range(200):
        run_of(tmp_path, f"run-{index:03d}", Outcome(End.CANCELLED).packet())
    long = tmp_path / "run-000"
    lines = [json.dumps({"type": "log", "text": f"file {index} is left out"}) for index in range(100_000)]
    epochs = [metric(epoch, 1 - 1 / epoch).line().decode().strip() for epoch in range(1, 10_001)]
    (long / MESSAGES).write_text("\n".join((*lines, *epochs)) + "\n", "utf-8")
    (long / CURVES).write_text("epoch,loss\n1,1.0\n", "utf-8")
    bridge = TrainingBridge(tmp_path)
    view = RunView(over := QWidget())
    for widget in (over, view):
        qtbot.addWidget(widget)
    view.resize(950, 740)
    view.show()
    longest = 0.0
    told: list[RunInfo] = []

    def hear() -> None:
        nonlocal longest
        began = time.thread_time()
        news = bridge.take()
        if news.runs:
            told[:] = news.runs
        if news.history is not None and len(news.history):
            view.show_history(news.history)
        longest = max(longest, time.thread_time() - began)

    bridge.news.connect(hear)
    bridge.watch(long)
    try:
        qtbot.waitUntil(lambda: len(told) == 200 and len(view.history) == 10_000, timeout=60_000)
        assert len(view.history.log) == LOG_LINES
        assert view.history.dropped == 100_000 - LOG_LINES
        assert view.log.document().blockCount() <= LOG_LINES + 1
        assert longest < 0.25
        began = time.thread_time()
        for epoch in range(10_001, 10_011):
            view.take([metric(epoch, 0.9)])
            view.grab()
        assert (time.thread_time() - began) / 10 < 0.1
    finally:
        bridge.end()


def test_a_command_is_shown_before_the_run_has_heard_of_it(qtbot: QtBot, tmp_path: Path) -> None:
    info = run_of(tmp_path, "run")
    me = {"pid": os.getpid(), "pid_started": started(os.getpid())}
    write_run(info.folder, read_run(info.folder).model_copy(update=me))
    info = run_info(info.folder)
    assert info.state is RunState.RUNNING
    over = QWidget()
    qtbot.addWidget(over)
    view = RunView(over)
    qtbot.addWidget(view)
    view.show_run(info, 0)
    assert view._how.text().startswith("Loading the training library")
    view.begin("cancel")
    assert view._state.text() == "Cancelling…"
    assert not view.buttons["cancel"].isEnabled()
    view.show_run(run_info(info.folder), 0)  # news that say nothing new
    assert view._state.text() == "Cancelling…"
    other = run_of(tmp_path, "other")
    view.show_run(other, 0)
    assert view._state.text() != "Cancelling…"
