"""A version marks the data folder as its own, and leaves data of a newer format alone."""

import errno
import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from inspector.cli.main import cli
from inspector.core.errors import ConfigError
from inspector.core.storage import data_format as subject


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(subject, "user_data", lambda: tmp_path)
    return tmp_path


def test_the_folder_is_marked_once_there_are_data(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    subject.claim_user_data()
    assert json.loads((folder / subject.MARK).read_text()) == {"format": subject.FORMAT, "version": ""}
    assert [path.name for path in folder.iterdir()] == [subject.MARK]
    monkeypatch.setattr(subject, "user_data", lambda: folder / "not yet")
    subject.claim_user_data()
    assert not (folder / "not yet").exists()


def test_data_of_a_newer_format_are_refused_and_left_as_they_are(folder: Path) -> None:
    mark = folder / subject.MARK
    text = json.dumps({"format": subject.FORMAT + 1, "version": "9.0.0", "more": True})
    mark.write_text(text)
    with pytest.raises(ConfigError, match=r"belong to version 9\.0\.0") as raised:
        subject.claim_user_data()
    assert raised.value.remedy is not None
    assert mark.read_text() == text
    result = CliRunner().invoke(cli, ["runs"])
    assert isinstance(result.exception, ConfigError)
    assert CliRunner().invoke(cli, ["--help"]).exit_code == 0


@pytest.mark.parametrize("text", ["", "[]", '{"format": "x", "version": "1"}'])
def test_a_damaged_mark_is_written_anew(folder: Path, text: str) -> None:
    (folder / subject.MARK).write_text(text)
    subject.claim_user_data()
    assert json.loads((folder / subject.MARK).read_text())["format"] == subject.FORMAT


def test_a_folder_that_cannot_be_written_is_no_reason_to_stop(folder: Path) -> None:
    (folder / subject.MARK).mkdir()
    subject.claim_user_data()
    assert [path.name for path in folder.iterdir()] == [subject.MARK]


def test_a_disk_that_is_only_read_is_no_reason_to_stop(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(Path, "write_text", refuse)
    monkeypatch.setattr(Path, "unlink", refuse)  # such a disk refuses that also for a file that is not there
    subject.claim_user_data()
    assert not list(folder.iterdir())
