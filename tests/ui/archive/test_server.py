"""The plant's server on the settings page: tried before it is kept, its password never shown."""

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QShowEvent
from PySide6.QtWidgets import QLabel, QLineEdit, QWidget
from pytestqt.qtbot import QtBot

from inspector.archive.archive import opened_archive
from inspector.archive.filters import Filters
from inspector.archive.recording.journal import archive_folder
from inspector.archive.server import FILE, ServerSettings, load_server, server_url
from inspector.archive.store.database import try_server
from inspector.archive.store.query import count
from inspector.core.errors import ConfigError
from inspector.core.storage.paths import user_config
from inspector.ui.archive.asking import ArchiveSource
from inspector.ui.shell.server_form import ServerForm
from tests.archive.postgres import INSTALLED, PASSWORD, Postgres, running_server
from tests.archive.recorded import record_run
from tests.ui.pressing import press

pytestmark = pytest.mark.usefixtures("own_folders")  # a server would also get what other tests leave in the archive


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postgres]:
    with running_server(tmp_path_factory.mktemp("runtime")) as started:
        yield started


class _Restored(QShowEvent):
    """What a widget gets when its window is no longer minimised."""

    def spontaneous(self) -> bool:
        return True


@pytest.fixture
def form(qtbot: QtBot) -> Iterator[ServerForm]:
    made = ServerForm()
    qtbot.addWidget(made)
    made.show()
    yield made
    made.end()


def seen(widget: QWidget) -> str:
    """Every text that a person can see or copy."""
    texts = [label.text() + label.toolTip() for label in widget.findChildren(QLabel)]
    return "\n".join([*texts, *(field.displayText() for field in widget.findChildren(QLineEdit))])


def enter(qtbot: QtBot, form: ServerForm, **texts: str) -> None:
    for name, text in texts.items():
        form.fields[name].clear()
        qtbot.keyClicks(form.fields[name], text)


def asked(qtbot: QtBot, form: ServerForm) -> str:
    press(form, qtbot, "Test the server")
    qtbot.waitUntil(form.test.isEnabled, timeout=30_000)
    return form.said.text()


@pytest.mark.skipif(not INSTALLED, reason="PostgreSQL or its driver is not installed")
def test_a_server_is_tried_then_kept_and_holds_the_archive_from_then_on(
    qtbot: QtBot, form: ServerForm, server: Postgres, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    url = server.database("plant")
    enter(qtbot, form, address=server.address("plant"), user="station", password="wrong")
    assert "password authentication failed" in asked(qtbot, form)
    assert not form.save.isEnabled()
    enter(qtbot, form, password=PASSWORD)
    assert asked(qtbot, form).startswith("PostgreSQL 18")
    assert "no archive on it yet" in form.said.text()
    assert form.save.isEnabled()
    qtbot.keyClick(form.fields["user"], Qt.Key.Key_X)  # what is saved is what was tried
    assert not form.save.isEnabled()
    qtbot.keyClick(form.fields["user"], Qt.Key.Key_Backspace)
    asked(qtbot, form)
    with qtbot.waitSignal(form.saved, timeout=10_000):
        press(form, qtbot, "Save")
    kept = user_config() / FILE
    assert kept.stat().st_mode & 0o077 == 0
    assert load_server() == ServerSettings(server.address("plant"), "station", PASSWORD)
    assert PASSWORD not in repr(load_server())
    record_run(archive_folder(), "L1", "P{}", count=3, url=server_url())
    assert try_server(url).inspections == 3
    source = ArchiveSource()  # as the window's archive page has it
    opened = source.opened()
    assert opened is not None
    assert opened.database.is_shared
    assert count(opened.database, Filters()) == 3
    assert source.opened() is opened
    source.renew()  # as when another server is saved
    renewed = source.opened()
    assert renewed is not None
    assert renewed is not opened
    source.close()
    form.hide()
    form.show()  # the next day
    assert form.fields["password"].text() == ""
    assert "holds 3 inspections" in asked(qtbot, form)  # with the password that is kept
    enter(qtbot, form, user="other")
    assert "failed" in asked(qtbot, form)  # which is not sent for another user
    assert PASSWORD not in seen(form)
    press(form, qtbot, "Use no server")
    assert not kept.exists()
    assert server_url() == ""
    assert PASSWORD not in caplog.text
    with opened_archive() as local:  # everything is in the journal of this computer
        assert count(local.database, Filters()) == 3


def test_what_is_being_entered_outlasts_a_minimised_window_but_not_another_page(qtbot: QtBot, form: ServerForm) -> None:
    enter(qtbot, form, address="server", user="station")
    assert "no address" in asked(qtbot, form)
    form.showEvent(_Restored())
    assert form.fields["user"].text() == "station"
    form.hide()
    form.show()
    assert form.fields["user"].text() == ""
    assert not form.said.isVisible()  # what was found out of another server


@pytest.mark.parametrize("address", ["server", "server/", "ann:secret@server/archive", "server/a/b", "server/a?password=b"])
def test_an_address_that_is_none_is_refused(qtbot: QtBot, form: ServerForm, address: str) -> None:
    enter(qtbot, form, address=address)
    press(form, qtbot, "Test the server")
    assert "is no address of a database" in form.said.text()
    assert "secret" not in form.said.text()
    assert not form.save.isEnabled()


@pytest.mark.allow_logs("cannot be read")
def test_damaged_settings_stop_no_line_and_say_so_without_their_content(form: ServerForm) -> None:
    file = user_config() / FILE
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text('address = "server/archive"\npassword = "geheim\n')
    with pytest.raises(ConfigError) as refused:
        load_server()
    assert "geheim" not in f"{refused.value} {refused.value.__cause__}"
    assert server_url() == ""
    form.hide()
    form.show()
    assert "cannot be read" in form.said.text()
    file.unlink()


def test_a_url_is_made_of_its_parts(tmp_path: Path) -> None:
    assert ServerSettings(encrypted=True, address="[::1]:5433/plant", user="a b", password="p@/").url == (
        "postgresql://a%20b:p%40%2F@[::1]:5433/plant?sslmode=require"
    )
    assert load_server(tmp_path / "none.toml") == ServerSettings()
