"""The dialog that puts a training together, on a real folder."""

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("PySide6")

import cv2
from PySide6.QtCore import Qt, QTimer
from PySide6.QtWidgets import QLabel, QPushButton
from pytestqt.qtbot import QtBot

from inspector.core.message import Message, message
from inspector.core.types import TaskName
from inspector.data.survey import Survey
from inspector.runs.settings import TrainSettings, shown_settings
from inspector.training.alternatives import Advice
from inspector.ui.shell import strings
from inspector.ui.shell.settings import Settings
from inspector.ui.training.new.dialog import TrainingDialog
from inspector.ui.training.new.wiring import training_dialog
from inspector.ui.widgets.setting_fields import in_words


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """30 different pictures in two classes, one of them a copy, and a file that is no image."""
    rng = np.random.default_rng(0)
    for index in range(30):
        place = tmp_path / "data" / ("bad" if index % 3 else "good")
        place.mkdir(parents=True, exist_ok=True)
        assert cv2.imwrite(str(place / f"{index:02d}.png"), rng.integers(0, 255, (48, 64, 3), dtype=np.uint8))
    (tmp_path / "data" / "good" / "copy.png").write_bytes((tmp_path / "data" / "good" / "00.png").read_bytes())
    (tmp_path / "data" / "good" / "broken.png").write_bytes(b"no image")
    return tmp_path / "data"


@pytest.fixture
def dialog(qtbot: QtBot, tmp_path: Path) -> Iterator[TrainingDialog]:
    made = TrainingDialog(Settings(tmp_path / "window.toml"), runs=tmp_path / "runs")
    qtbot.addWidget(made)
    made.resize(1270, 768)
    made.show()
    yield made
    made.end()


def press(qtbot: QtBot, dialog: TrainingDialog, name: str) -> None:
    button = dialog.findChild(QPushButton, name)
    assert button is not None
    assert button.isEnabled(), name
    qtbot.mouseClick(button, Qt.MouseButton.LeftButton)


def test_from_a_folder_to_a_training(qtbot: QtBot, dialog: TrainingDialog, folder: Path, tmp_path: Path) -> None:
    dialog.set_folder(folder)
    qtbot.waitUntil(lambda: dialog.data.survey is not None and dialog.data.survey.complete, timeout=20_000)
    survey = dialog.data.survey
    assert survey is not None
    told = [problem.text for problem in (*survey.problems, *survey.tasks["classification"].problems)]
    assert any("broken.png" in text for text in told)
    assert any("copy.png" in text and "same image" in text for text in told)
    for step in ("network", "advanced", "start"):
        press(qtbot, dialog, "next")
        assert dialog.step == step
    with qtbot.waitSignal(dialog.accepted, timeout=5_000) as chosen:
        press(qtbot, dialog, "next")
    assert chosen.args is not None
    settings = chosen.args[0]
    assert isinstance(settings, TrainSettings)
    assert (settings.task, settings.data) == ("classification", folder)
    assert settings.run is not None
    assert settings.run.parent == tmp_path / "runs"
    assert settings.out.parent == settings.run


def test_a_folder_without_labels_leads_no_further(qtbot: QtBot, dialog: TrainingDialog, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    dialog.set_folder(tmp_path / "empty")
    qtbot.waitUntil(lambda: bool(dialog.data.empty.trouble), timeout=10_000)
    following = dialog.findChild(QPushButton, "next")
    assert following is not None
    assert not following.isEnabled()


def opened(qtbot: QtBot, dialog: TrainingDialog, folder: Path) -> TrainingDialog:
    """With its survey done and every question answered."""
    dialog.set_folder(folder)
    qtbot.waitUntil(lambda: dialog.data.survey is not None and dialog.data.survey.complete, timeout=20_000)
    qtbot.waitUntil(lambda: dialog.network.settled and not dialog.ask.waits("minutes"), timeout=20_000)
    return dialog


Make = Callable[..., TrainingDialog]


@pytest.fixture
def make(qtbot: QtBot, tmp_path: Path) -> Iterator[Make]:
    """Dialogs that are ended after the test: the program's own, or with `advisor=...` and the like, only with these."""
    made: list[TrainingDialog] = []

    def dialog(runs: Path = tmp_path / "runs", **wired: object) -> TrainingDialog:
        settings = Settings(tmp_path / "window.toml")
        one = TrainingDialog(settings, runs=runs, **wired) if wired else training_dialog(settings, runs)  # type: ignore[arg-type]
        qtbot.addWidget(one)
        made.append(one)
        one.resize(1270, 768)
        one.show()
        return one

    yield dialog
    for one in made:
        one.end()


def test_the_advice_for_this_data_and_computer_is_followed_unless_a_person_wants_otherwise(
    qtbot: QtBot, make: Make, folder: Path
) -> None:
    dialog = opened(qtbot, make(), folder)
    reason = dialog.network._reason.text()
    assert "Few images (30, 10 of the rarest class)" in reason
    assert dialog.draft.value("augment") == "strong"
    assert dialog.network.minutes is not None
    before = dialog.network.minutes
    dialog.draft.set(epochs=10 * dialog.draft.value("epochs"), augment="none")
    qtbot.waitUntil(lambda: dialog.network.minutes is not None and dialog.network.minutes > before, timeout=5_000)
    dialog.network.takt.setValue(30.0)
    qtbot.waitUntil(lambda: "takt is 30000 ms" in dialog.network._reason.text(), timeout=5_000)
    assert dialog.draft.value("augment") == "none"
    dialog.show_step("start")
    qtbot.waitUntil(dialog.next.isEnabled, timeout=5_000)
    settings = dialog.settings()
    assert (settings.augment, settings.network) == ("none", "efficientnet_lite0")


def test_what_would_stop_it_is_said_before_it_starts(qtbot: QtBot, make: Make, folder: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    dialog = opened(qtbot, make(runs=tmp_path / "file" / "runs"), folder)
    dialog.show_step("start")
    qtbot.waitUntil(lambda: bool(dialog.start.sentences), timeout=5_000)
    assert "Nothing can be written" in dialog.start.sentences[0]
    assert not dialog.next.isEnabled()


def advice(epochs: int) -> Advice:
    return Advice({"epochs": epochs}, (message("{count} epochs.", count=epochs),), (), 1.0, 1.0)


def test_it_is_said_apart_from_the_estimate_that_other_programs_keep_the_computer_busy(
    qtbot: QtBot, make: Make, folder: Path
) -> None:
    others = [message("Other programs use {count} cores.", count=2), None]
    wired = {"advisor": lambda *_: advice(22), "estimator": lambda *_: 12.0, "busy": lambda: others[0]}
    dialog = opened(qtbot, make(**wired), folder)
    dialog.show_step("network")
    busy, estimate = dialog.findChild(QLabel, "busy"), dialog.findChild(QLabel, "estimated_time")
    assert busy is not None
    assert estimate is not None
    qtbot.waitUntil(busy.isVisible, timeout=5_000)
    assert busy.text() == "Other programs use 2 cores."
    assert "12" in estimate.text()
    others.pop(0)
    dialog.network.takt.setValue(2.0)  # it is asked again with every recommendation
    qtbot.waitUntil(lambda: not busy.isVisible(), timeout=5_000)
    assert "12" in estimate.text()


def test_an_answer_that_comes_too_late_changes_nothing(qtbot: QtBot, make: Make, folder: Path) -> None:
    late, began = threading.Event(), threading.Event()

    def advisor(_survey: Survey, _task: TaskName, takt: float | None) -> Advice:
        if takt == 1.0:
            began.set()
            late.wait(10)
        return advice(11 if takt == 1.0 else 22)

    dialog = opened(qtbot, make(advisor=advisor), folder)
    told: list[int] = []
    dialog.draft.changed.connect(lambda _: told.append(dialog.draft.value("epochs")))
    dialog.network.takt.setValue(1.0)
    assert began.wait(5)
    dialog.network.takt.setValue(2.0)
    late.set()
    qtbot.waitUntil(lambda: dialog.network.settled, timeout=5_000)
    assert dialog.draft.value("epochs") == 22
    assert 11 not in told


def test_the_window_stays_awake_while_advice_is_worked_out_and_nothing_starts_without_it(
    qtbot: QtBot, make: Make, folder: Path
) -> None:
    go = threading.Event()

    def advisor(_survey: Survey, _task: TaskName, _takt: float | None) -> Advice:
        go.wait(30)
        return advice(22)

    dialog = make(advisor=advisor, preflight=lambda _settings: ())
    dialog.set_folder(folder)
    qtbot.waitUntil(lambda: dialog.data.ready, timeout=20_000)
    dialog.show_step("start")
    beats: list[float] = []
    timer = QTimer()
    timer.timeout.connect(lambda: beats.append(time.monotonic()))
    timer.start(10)
    qtbot.waitUntil(lambda: len(beats) >= 10, timeout=10_000)  # not where the advice is worked out on the window's thread
    assert not dialog.next.isEnabled()
    go.set()
    qtbot.waitUntil(dialog.next.isEnabled, timeout=5_000)
    assert dialog.settings().epochs == 22


@pytest.mark.allow_logs("AskThread failed")
def test_another_folder_is_not_trained_by_the_advice_for_the_first(
    qtbot: QtBot, make: Make, folder: Path, tmp_path: Path
) -> None:
    def advisor(survey: Survey, _task: TaskName, _takt: float | None) -> Advice:
        if survey.folder != folder:
            raise RuntimeError("it does not work")
        return advice(22)

    dialog = opened(qtbot, make(advisor=advisor), folder)
    assert dialog.draft.value("epochs") == 22
    folder.rename(tmp_path / "other")
    dialog.set_folder(tmp_path / "other")
    qtbot.waitUntil(lambda: dialog.data.survey is not None and dialog.data.survey.complete, timeout=20_000)
    qtbot.waitUntil(lambda: dialog.network.settled, timeout=5_000)
    assert "it does not work" in dialog.network._reason.text()
    assert dialog.draft.value("epochs") == TrainSettings.model_fields["epochs"].default


def test_every_setting_stands_in_the_windows_language_with_unit_default_and_why(qtbot: QtBot, dialog: TrainingDialog) -> None:
    strings.set_language("ja")
    try:
        qtbot.waitUntil(lambda: dialog._title.text() == "新しい学習", timeout=5_000)
        assert set(dialog.advanced.rows) == set(shown_settings())
        for name, row in dialog.advanced.rows.items():
            shown = shown_settings()[name]
            assert in_words(shown.label) in row._label.text()
            assert in_words(shown.label) != shown.label, name
            assert row._why.text(), name
            assert row._default.text(), name
        time_limit = dialog.advanced.rows["time_limit"]
        assert "秒" in time_limit._default.text()
        dialog.draft.set(val=0.6, test=0.6)
        assert "学習用が残る" in dialog.advanced._whole.text()
    finally:
        strings.set_language("en")


def test_several_cards_are_offered_only_where_there_are_several(qtbot: QtBot, make: Make) -> None:
    for cards, offered in ((1, False), (2, True)):
        dialog = make(cards=lambda cards=cards: cards)
        qtbot.waitUntil(lambda dialog=dialog: not dialog.ask.waits("cards"), timeout=5_000)
        dialog.show_step("advanced")
        assert ("devices" in dialog.advanced._useless) is not offered
        row = dialog.advanced.rows.get("devices")
        assert row is None or row.isVisible() is offered


def test_giving_up_says_so(qtbot: QtBot, dialog: TrainingDialog) -> None:
    with qtbot.waitSignal(dialog.rejected, timeout=5_000):
        press(qtbot, dialog, "cancel")


def test_what_else_was_considered_is_one_press_away_and_so_is_the_way_back(qtbot: QtBot, make: Make, folder: Path) -> None:
    dialog = opened(qtbot, make(), folder)
    network, draft = dialog.network, dialog.draft
    dialog.show_step("network")
    texts = [button.accessibleName() for button in network.considered.buttons]
    assert any("SimpleCNN" in text and "learns from nothing" in text for text in texts), texts
    assert all("Training takes" in text for text in texts)
    scratch = next(button for button in network.considered.buttons if "SimpleCNN" in button.accessibleName())

    def values() -> dict[str, object]:
        return {name: draft.value(name) for name in ("network", "pretrained", "freeze_stages", "freeze_epochs", "lr")}

    advised = values()
    assert advised["network"] == "efficientnet_lite0"
    qtbot.mouseClick(scratch, Qt.MouseButton.LeftButton)
    assert values() == {"network": "simple_cnn", "pretrained": "", "freeze_stages": 0, "freeze_epochs": 0, "lr": 1e-3}
    assert network.networks["simple_cnn"].isChecked()
    qtbot.mouseClick(network.follow, Qt.MouseButton.LeftButton)
    assert not draft.own
    assert values() == advised
    network.networks["simple_cnn"].click()
    assert draft.value("freeze_stages") == 0
    network.networks["efficientnet_lite0"].click()
    assert not draft.own


def test_a_quick_look_that_was_left_before_it_began_does_not_begin_later(
    qtbot: QtBot, dialog: TrainingDialog, folder: Path
) -> None:
    known = threading.Event()

    def preflight(settings: TrainSettings) -> list[Message]:
        known.wait(20)
        return []

    dialog._preflight = preflight
    accepted: list[TrainSettings] = []
    dialog.accepted.connect(accepted.append)
    dialog.set_folder(folder)
    qtbot.waitUntil(lambda: dialog.data.survey is not None and dialog.data.survey.complete, timeout=20_000)
    press(qtbot, dialog, "quick_look")
    press(qtbot, dialog, "back")
    known.set()
    dialog.show_step("start")
    qtbot.waitUntil(dialog.next.isEnabled, timeout=20_000)
    qtbot.wait(50)
    assert accepted == []
    assert "time_limit" not in dialog.draft.own
    press(qtbot, dialog, "next")
    assert len(accepted) == 1
