"""The base of the window's threads that report news: order, errors, and a window that is slow to take the news."""

import threading
from collections.abc import Iterator

import pytest
from pytestqt.qtbot import QtBot

from inspector.core.errors import ConfigError, InspectorError
from inspector.ui.widgets.work_thread import NewsThread


class Counting(NewsThread):
    """Counts its commands; the count is its news."""

    def __init__(self) -> None:
        super().__init__(hz=1000.0, look_s=60.0)
        self.count = 0
        self.errors: list[InspectorError] = []

    def run(self) -> None:
        self._work()

    def add(self) -> None:
        def command() -> None:
            self.count += 1
            self._stir()

        self._command(command)

    def fail(self, error: Exception) -> None:
        def command() -> None:
            raise error

        self._command(command)

    def wait_for_commands(self) -> None:
        """Return when every command so far has been carried out, and the window told of it if it may be."""
        for _ in range(2):  # the second begins after the window was told of what came before the first
            reached = threading.Event()
            self._command(reached.set)
            assert reached.wait(10)

    def take(self) -> int:
        with self._wake:
            self._taken()
            return self.count

    def _failed(self, error: InspectorError) -> None:
        self.errors.append(error)

    def close(self) -> None:
        self._quit()
        self.wait()


@pytest.fixture
def thread(qapp: object) -> Iterator[Counting]:
    made = Counting()
    made.start()
    yield made
    made.close()


def test_a_window_that_takes_nothing_is_told_once_and_then_gets_the_newest(qtbot: QtBot, thread: Counting) -> None:
    told: list[int] = []
    with qtbot.waitSignal(thread.news):
        thread.add()
    thread.news.connect(lambda: told.append(thread.take()))
    for _ in range(50):
        thread.add()
    thread.wait_for_commands()
    qtbot.wait(0)
    assert not told, "the first news was never taken"
    with qtbot.waitSignal(thread.news):
        assert thread.take() == 51
    qtbot.waitUntil(lambda: told == [51])


@pytest.mark.allow_logs("Counting failed")
def test_what_a_command_raises_is_reported_and_the_next_one_is_carried_out(thread: Counting) -> None:
    def refuse() -> None:
        try:
            raise FileNotFoundError("line.toml")
        except FileNotFoundError as error:
            raise ConfigError("There is no recipe {file}.", file="line.toml") from error

    thread._command(refuse)
    thread.fail(ValueError("boom"))
    thread.add()
    thread.wait_for_commands()
    assert [str(error) for error in thread.errors] == [
        "There is no recipe line.toml.",
        "This program has a defect: ValueError: boom. Please report it with the program's log.",
    ]
    assert all(error.__traceback__ is None and error.__cause__ is None for error in thread.errors), "it holds on to nothing"
    assert thread.count == 1
