"""A window that runs as a service tells the manager that it is ready and alive; one whose event loop hangs falls silent."""

import os
import socket
import sys
import time
from pathlib import Path

import pytest
from PySide6.QtCore import QObject, QTimer
from pytestqt.qtbot import QtBot

from inspector.core import service
from inspector.ui.shell.diagnostics.watchdog import Watchdog

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="systemd is part of Linux")


@pytest.fixture
def manager(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> "socket.socket":
    """The manager's end: a datagram socket, as sd_notify(3) describes it."""
    address = tmp_path / "notify"
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    connection.bind(str(address))
    connection.setblocking(False)
    monkeypatch.setenv("NOTIFY_SOCKET", str(address))
    return connection


def _received(manager: "socket.socket") -> list[str]:
    states = []
    while True:
        try:
            states.append(manager.recv(4096).decode())
        except BlockingIOError:
            return states


def test_signs_of_life_stop_with_the_event_loop(
    manager: "socket.socket", monkeypatch: pytest.MonkeyPatch, qtbot: QtBot
) -> None:
    monkeypatch.setenv("WATCHDOG_USEC", "60000")
    parent = QObject()
    with manager:
        Watchdog(parent)
        received: list[str] = []
        qtbot.waitUntil(lambda: received.extend(_received(manager)) or received.count("WATCHDOG=1") >= 4)
        assert received[0] == "READY=1"
        time.sleep(0.15)  # the loop hangs
        assert _received(manager) == []
        qtbot.waitUntil(lambda: "WATCHDOG=1" in _received(manager))
        parent.deleteLater()


def test_without_a_watchdog_only_readiness_is_sent(
    manager: "socket.socket", monkeypatch: pytest.MonkeyPatch, qtbot: QtBot
) -> None:
    monkeypatch.delenv("WATCHDOG_USEC", raising=False)
    parent = QObject()
    with manager:
        Watchdog(parent)
        qtbot.waitUntil(lambda: _received(manager) == ["READY=1"])
        assert parent.findChild(QTimer) is None
    parent.deleteLater()


def test_a_watchdog_for_another_process_is_not_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WATCHDOG_USEC", "1000000")
    assert service.watchdog_interval() == 1.0
    monkeypatch.setenv("WATCHDOG_PID", str(os.getpid() + 1))
    assert service.watchdog_interval() is None
    monkeypatch.setenv("WATCHDOG_PID", str(os.getpid()))
    monkeypatch.setenv("WATCHDOG_USEC", "soon")
    assert service.watchdog_interval() is None


def test_abstract_addresses_and_a_manager_that_is_gone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as abstract:
        name = f"inspector-test-{os.getpid()}"
        abstract.bind("\0" + name)
        monkeypatch.setenv("NOTIFY_SOCKET", "@" + name)
        assert service.notify("READY=1")
        assert abstract.recv(64) == b"READY=1"
    assert not service.notify("WATCHDOG=1")
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "gone"))
    assert not service.notify("WATCHDOG=1")
    monkeypatch.delenv("NOTIFY_SOCKET")
    assert not service.notify("WATCHDOG=1")
