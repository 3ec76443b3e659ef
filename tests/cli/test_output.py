"""What is printed can be read by a program and cannot be forged, whatever the console and the names of the files."""

import io
import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from inspector.cli.support.terminal import progress_bar
from inspector.core.text import LineWriter, json_line, one_line, utf8
from tests.cli.consoles import CONSOLES, on_console

HOSTILE = (
    b"\xff\xfe bytes.png",
    b"two\nlines OK P000009.png",
    b"red\x1b[31m\x1b[2K.png",
    "\u202egnp.OK\u2028 部品.png".encode(),
    "c1\x9b2J.png".encode(),
)
NO_ROOM = b"inspector: Standard output cannot be written (No space left on device), so some of it is missing."
CONTROL = re.compile(rb"[\x00-\x09\x0b-\x1f\x7f]")


@pytest.fixture
def hostile(tmp_path: Path) -> Path:
    """A folder of pictures with names that are no UTF-8, or that a terminal obeys."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    image = np.random.default_rng(1).integers(60, 200, (80, 100, 3)).astype(np.uint8)
    data = cv2.imencode(".png", image)[1].tobytes()
    try:
        for name in HOSTILE:
            (folder / os.fsdecode(name)).write_bytes(data)
    except (OSError, ValueError):
        pytest.skip("this file system refuses such names")
    return folder


def lines(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.split("\n") if line]


@pytest.mark.parametrize("console", CONSOLES)
def test_json_is_utf_8_on_every_console_and_with_every_name(console: str, states: Path, hostile: Path, tmp_path: Path) -> None:
    source = ("--source", f"folder:{hostile}", "--model", states)
    done = on_console(CONSOLES[console], "run", *source, "--json", "--out", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    assert CONTROL.search(done.stdout) is None
    *parts, last = lines(done.stdout.decode("utf-8"))
    assert last["summary"]["parts"] == len(parts) == len(HOSTILE)
    named = {Path(part["source"]).name for part in parts}
    assert {r"\xff\xfe bytes.png", "two\nlines OK P000009.png", "\u202egnp.OK\u2028 部品.png"} <= named
    (results,) = (tmp_path / "out").glob("*/results.jsonl")
    *saved, _ = lines(results.read_bytes().decode("utf-8"))
    assert {Path(part["source"]).name for part in saved} == named
    assert "部品" in (results.parent / "report.html").read_bytes().decode("utf-8")


@pytest.mark.parametrize("console", [name for name in CONSOLES if name != "utf-16"])
def test_a_line_for_people_cannot_be_forged_by_a_name(console: str, states: Path, hostile: Path) -> None:
    (hostile / "empty\nNG forged.png").write_bytes(b"")
    done = on_console(CONSOLES[console], "predict", hostile, "--model", states)
    assert done.returncode == 2, done.stderr
    *printed, last = done.stdout.splitlines()
    assert len(printed) == len(HOSTILE) + 1
    assert last.startswith(b"6 parts: ")
    assert CONTROL.search(done.stdout + done.stderr) is None
    assert any(rb"two\nlines OK P000009.png" in line for line in printed)
    assert any(rb"red\x1b[31m" in line for line in printed)
    assert [line[:11] for line in done.stderr.splitlines()] == [b"inspector: "]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.parametrize("command", ["scales", "doctor --json", "--help"])
def test_output_that_a_full_disk_does_not_take_is_said_in_one_line(command: str) -> None:
    with Path("/dev/full").open("wb") as full:
        done = on_console({}, *command.split(), stdout=full)
    assert done.returncode == 1
    assert done.stderr.strip() == NO_ROOM


NAMES = "dent[red]", "scratch[/deep]", ":warning:"


def test_names_are_shown_as_they_are_in_tables(tmp_path: Path) -> None:
    rows = ["path,label"]
    for number, name in enumerate(NAMES):
        cv2.imwrite(str(tmp_path / f"{number}.png"), np.full((8, 8), number, np.uint8))
        rows.append(f"{number}.png,{name}")
    (tmp_path / "labels.csv").write_text("\n".join(rows))
    done = on_console({}, "data", "check", tmp_path, "--task", "classification")
    assert all(name.encode() in done.stdout for name in NAMES), done.stdout
    if Path("/dev/full").exists():
        with Path("/dev/full").open("wb") as full:
            done = on_console({}, "data", "check", tmp_path, "--task", "classification", stdout=full)
        assert (done.returncode, done.stderr.strip()) == (1, NO_ROOM)


@pytest.mark.parametrize("name", [*NAMES, "two\nlines", "gone\x1b[2K"])
def test_names_are_shown_as_they_are_in_progress_bars(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = io.StringIO()
    monkeypatch.setattr("sys.stderr", terminal)
    with progress_bar(transient=False) as bar:
        bar.add_task(name)
    assert terminal.getvalue().startswith(f"{one_line(name)} ")


def test_what_is_escaped_and_what_is_left() -> None:
    assert one_line("部品 é \\ 'x'.png") == "部品 é \\ 'x'.png"
    assert one_line("a\nb\r\t\x1b[2K\x9b\u2028\u202e") == r"a\nb\r\t\x1b[2K\x9b\u2028\u202e"
    assert one_line(os.fsdecode(b"a\xff") if os.name == "posix" else "a\udcff") == r"a\xff"
    assert utf8("two\nlines\udcfe\ud800") == "two\nlines\\xfe\\ud800"
    value: Mapping[str, object] = {"a\nb": ["\udcff", "\x9b", 1.5, float("nan"), (float("inf"),)], "部": "\x1b"}
    line = json_line(value)
    assert line.count(b"\n") == 1
    assert b"\xe9\x83\xa8" in line
    assert json.loads(line) == {"a\nb": [r"\xff", "\x9b", 1.5, None, [None]], "部": "\x1b"}
    assert json_line("\x00\x1b\x7f") == b'"\\u0000\\u001b\\u007f"\n', "text that is ASCII throughout has controls as well"


def test_a_line_that_was_cut_off_is_ended_before_the_next_one(tmp_path: Path) -> None:
    room, written = [12], bytearray()

    def write(data: bytes) -> int:
        if not room[0]:
            raise OSError(28, "No space left on device")
        taken = data[: min(len(data), room[0], 5)]
        room[0] -= len(taken)
        written.extend(taken)
        return len(taken)

    writer = LineWriter(write)
    writer.write(b"first\n")
    with pytest.raises(OSError, match="No space"):
        writer.write(b"second\n")
    room[0] = 100
    writer.write(b"third\n")
    writer.write(b"fourth\n")
    assert bytes(written) == b"first\nsecond\nthird\nfourth\n"
