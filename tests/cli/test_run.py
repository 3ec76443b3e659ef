"""`inspector run` as a person and a script use it."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from click.testing import CliRunner

from inspector.cli.main import cli, run
from inspector.recipes.automatic import recipe_for
from inspector.recipes.document import save_recipe
from inspector.recipes.recipe import CameraModel
from inspector.results.saving import RunFolder
from tests.cameras.http_camera import MULTIPART, HttpCamera
from tests.cameras.http_camera import part as one_part
from tests.cli.consoles import on_console
from tests.disks import disk_of

KEYS = {"source", "sequence", "verdict", "reasons", "predictions", "latency_ms"}
SUMMARY = {"parts", "ok", "ng", "review", "not_inspected", "dropped", "seconds", "takt", "stages"}


def _demo(folder: Path, states: Path, **options: int) -> Path:
    """A recipe of the demo line's visible camera, as fast as it renders."""
    recipe = recipe_for([states], "simulated:visible", name="demo")
    camera = CameraModel(source="simulated:visible", options=dict(options))
    path = folder / "demo.toml"
    save_recipe(recipe.model_copy(update={"cameras": {"camera": camera}}), path)
    return path


def _lines(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def _command(*arguments: str | Path, **options: Any) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "inspector", *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, encoding="utf-8", **options)


def _rest(process: "subprocess.Popen[str]", seconds: float = 30.0) -> tuple[str, str]:
    """Wait for the end and return what is left of stdout and stderr.

    `communicate` reads from the descriptors: it would pass over the lines that `readline` has read ahead.
    """
    assert process.stdout is not None
    assert process.stderr is not None
    late = threading.Timer(seconds, process.kill)
    late.start()
    try:
        with ThreadPoolExecutor(1) as reader, process.stdout, process.stderr:
            said = reader.submit(process.stderr.read)
            rest = process.stdout.read()
            return rest, said.result()
    finally:
        process.wait()
        late.cancel()


def test_json_has_one_object_a_part_and_a_summary(states: Path, tmp_path: Path) -> None:
    result = CliRunner().invoke(cli, ["run", "--recipe", str(_demo(tmp_path, states)), "--limit", "5", "--json"])
    assert result.exit_code == 0, result.stderr
    *parts, last = _lines(result.stdout)
    assert len(parts) == 5
    for number, part in enumerate(parts):
        assert part.keys() >= KEYS
        assert part["sequence"] == number
        assert part["source"] == "simulated:visible"
        assert part["verdict"] in ("OK", "NG", "REVIEW")
        (prediction,) = part["predictions"]
        assert prediction["bundle"] == "states"
        assert prediction["task"] == "classification"
        assert sum(prediction["scores"].values()) == pytest.approx(1, abs=1e-3)
        assert prediction["score"] == max(prediction["scores"].values())
        (judgement,) = part["judgements"]
        assert (judgement["quantity"], judgement["bundle"]) == ("class", "states")
        assert (judgement["class"], judgement["value"]) == (prediction["class"], prediction["score"])
        assert judgement["verdict"] == part["verdict"], "also of a part that is OK"
        assert part["latency_ms"] > 0
    assert last.keys() == {"summary"}
    assert last["summary"].keys() == SUMMARY
    summary = last["summary"]
    assert summary["parts"] == 5 == sum(summary[key] for key in ("ok", "ng", "review", "not_inspected"))


def test_the_counters_of_a_lot_go_on_until_another_lot_begins(states: Path, tmp_path: Path) -> None:
    recipe = str(_demo(tmp_path, states))

    def ran(*options: str) -> tuple[set[str], str]:
        result = CliRunner().invoke(cli, ["run", "--recipe", recipe, "--limit", "2", "--json", *options])
        assert result.exit_code == 0, result.stderr
        (counts,) = [line for line in result.stderr.splitlines() if " since " in line]
        return {part["lot"] for part in _lines(result.stdout)[:-1]}, counts

    lots, counts = ran("--lot", "L 7", "--count-anew")
    assert lots == {"L 7"}
    assert counts.startswith("Lot L 7 since ")
    assert ": 2 parts, " in counts
    lots, counts = ran()
    assert (lots, ": 4 parts, " in counts) == ({"L 7"}, True)
    lots, counts = ran("--lot", "L 8")
    assert (lots, ": 2 parts, " in counts) == ({"L 8"}, True)


def test_a_finite_source_ends_by_itself_and_people_get_words(states: Path, tmp_path: Path) -> None:
    result = CliRunner().invoke(cli, ["run", "--recipe", str(_demo(tmp_path, states, parts=3))])
    assert result.exit_code == 0, result.stderr
    *lines, last = result.stdout.splitlines()
    numbers = [int(line.split()[1].removeprefix("P")) for line in lines]
    assert numbers == list(range(numbers[0], numbers[0] + 3))  # the station goes on from where the last start ended
    assert last.startswith("3 parts: ")


def test_out_gets_pictures_results_and_a_report(states: Path, tmp_path: Path) -> None:
    out = tmp_path / "new" / "report"
    arguments = ["run", "--recipe", str(_demo(tmp_path, states, parts=3)), "--out", str(out), "--json"]
    result = CliRunner().invoke(cli, arguments)
    assert result.exit_code == 0, result.stderr
    (run_folder,) = out.iterdir()
    assert re.fullmatch(r"\d{8}T\d{6}Z", run_folder.name)
    *saved, last = _lines((run_folder / "results.jsonl").read_text("utf-8"))
    *printed, summary = _lines(result.stdout)
    assert [{key: part[key] for key in KEYS} for part in saved] == [{key: part[key] for key in KEYS} for part in printed]
    assert last == summary
    report = (run_folder / "report.html").read_text("utf-8")
    for part in saved:
        (name,) = part["overlays"]
        assert name in report
        picture = cv2.imread(str(run_folder / name))
        assert picture.shape == (600, 800, 3)
    first, *_, end = result.stderr.splitlines()
    assert first == f"Saving to {run_folder}"
    assert end == f"Report: {run_folder / 'report.html'}"


def test_a_folder_with_a_bad_file_has_a_verdict_for_each(states: Path, tmp_path: Path) -> None:
    folder = tmp_path / "pictures"
    folder.mkdir()
    for number in range(3):
        noise = np.random.default_rng(number).integers(60, 200, (80, 100, 3)).astype(np.uint8)
        cv2.imwrite(str(folder / f"{number}.png"), noise)
    (folder / "1.png").write_bytes(b"")
    result = CliRunner().invoke(cli, ["run", "--source", f"folder:{folder}", "--model", str(states), "--json"])
    *parts, last = _lines(result.stdout)
    assert [Path(part["source"]).name for part in parts] == ["0.png", "1.png", "2.png"]
    assert parts[1]["verdict"] == "NOT_INSPECTED"
    assert "1.png is empty" in parts[1]["reasons"][0]
    assert last["summary"]["not_inspected"] == 1
    assert result.exit_code == 0


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["--recipe", "none.toml"], 2, "none.toml"),
        (["--model", "no-bundle"], 2, "no-bundle"),
        (["--source", "pigeon:1"], 2, "pigeon"),
        (["--engine", "steam", "--limit", "1"], 2, "steam"),
        (["--limit", "0"], 2, "0"),
        (["--recipe", "a.toml", "--model", "b"], 2, "either"),
    ],
)
def test_wrong_usage_is_one_sentence(arguments: list[str], code: int, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["run", *arguments]) == code
    printed = capsys.readouterr()
    assert said in printed.err
    assert "Traceback" not in printed.err
    assert printed.out == ""


def test_a_source_that_is_not_there_fails(states: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["run", "--source", f"folder:{tmp_path / 'none'}", "--model", str(states)]) == 1
    assert "none" in capsys.readouterr().err


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_a_signal_ends_with_the_summary_and_everything_judged_is_saved(states: Path, tmp_path: Path, name: str) -> None:
    """As fast as it goes, so that some parts wait for the slower saving when the signal comes."""
    number, out = getattr(signal, name), tmp_path / "out"
    process = _command("run", "--recipe", _demo(tmp_path, states), "--json", "--out", out)
    assert process.stdout is not None
    first = json.loads(process.stdout.readline())
    assert first["sequence"] == 0
    process.send_signal(number)
    rest, said = _rest(process)
    assert process.returncode == 0, said
    assert "Traceback" not in said
    *parts, last = _lines(rest)
    printed = [first, *parts]
    assert last["summary"]["parts"] == len(printed)
    (folder,) = out.iterdir()
    *saved, summary = _lines((folder / "results.jsonl").read_text("utf-8"))
    for told in (summary, last):
        told["summary"].pop("stages")  # the last pictures are drawn and timed after the records have their summary
    assert summary == last
    assert [part["sequence"] for part in saved] == [part["sequence"] for part in printed] == list(range(len(printed)))
    assert all((folder / name).is_file() for part in saved for name in part["overlays"])


@pytest.mark.skipif(shutil.which("nohup") is None, reason="needs nohup")
def test_with_nohup_it_outlives_its_terminal(states: Path, tmp_path: Path) -> None:
    command = ["nohup", sys.executable, "-m", "inspector", "run", "--recipe", str(_demo(tmp_path, states, rate=20)), "--json"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    process.stdout.readline()
    process.send_signal(signal.SIGHUP)
    for _ in range(3):
        assert json.loads(process.stdout.readline())["sequence"] > 0
    process.send_signal(signal.SIGTERM)
    rest, _ = _rest(process)
    assert process.returncode == 0
    assert "summary" in _lines(rest)[-1]


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX pipes")
def test_a_reader_that_goes_away_ends_it_quietly(states: Path, tmp_path: Path) -> None:
    process = _command("run", "--recipe", _demo(tmp_path, states), "--json")
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.readline()
    process.stdout.close()
    said = process.stderr.read()
    process.stderr.close()
    assert process.wait(30) == 0
    assert said == ""


def test_a_part_is_recorded_before_it_is_printed(states: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    process = _command("run", "--recipe", _demo(tmp_path, states, parts=20), "--json", "--out", out)
    assert process.stdout is not None
    for number in range(20):
        printed = json.loads(process.stdout.readline())
        (results,) = out.glob("*/results.jsonl")
        saved = _lines(results.read_text("utf-8"))
        assert len(saved) > number
        assert saved[number]["part"] == printed["part"]
    _rest(process)


def test_a_limit_judges_and_saves_so_many(states: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    arguments = ["run", "--recipe", str(_demo(tmp_path, states)), "--limit", "7", "--out", str(out), "--json"]
    result = CliRunner().invoke(cli, arguments)
    assert result.exit_code == 0, result.stderr
    *printed, last = _lines(result.stdout)
    (folder,) = out.iterdir()
    *saved, _ = _lines((folder / "results.jsonl").read_text("utf-8"))
    assert len(printed) == len(saved) == last["summary"]["parts"] == 7
    assert len(list((folder / "overlays").iterdir())) == 7
    for part in saved:
        assert len(part["recipe_digest"]) == 64
        assert part["bundles"].keys() == {"states"}
        assert part["software"]


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX limits")
def test_files_that_may_not_grow_are_told_once_and_every_verdict_is_printed(states: Path, tmp_path: Path) -> None:
    import resource

    out = tmp_path / "out"
    process = _command(
        *("run", "--recipe", _demo(tmp_path, states, parts=4), "--out", out, "--json", "--no-archive"),
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (1500, 1500)),
    )
    printed, told = process.communicate(timeout=60)
    assert process.returncode == 1, told
    assert len(_lines(printed)) == 5
    sentences = [line for line in told.splitlines() if "cannot be written" in line]
    assert len(sentences) == 2  # each kind of loss once: the records, and at the end the report
    for sentence, name in zip(sentences, ("results.jsonl", "report.html"), strict=True):
        assert str(out) in sentence
        assert name in sentence
        assert "File too large" in sentence
    (results,) = out.glob("*/results.jsonl")
    assert results.stat().st_size <= 1500
    assert all(line["sequence"] >= 0 for line in _lines(results.read_text("utf-8")))  # whole records, as far as there was room


def test_a_second_start_leaves_the_first_alone(states: Path, tmp_path: Path) -> None:
    recipe, out = _demo(tmp_path, states, parts=2), tmp_path / "out"
    together = [_command("run", "--recipe", recipe, "--out", out, "--json") for _ in range(3)]
    ended = [(process.communicate(timeout=120), process.returncode) for process in together]
    assert [code for _, code in ended] == [0, 0, 0]
    before = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    folders = sorted(out.iterdir())
    assert len(folders) == 3
    named = [told.splitlines()[0] for (_, told), _ in ended]
    assert sorted(named) == [f"Saving to {folder}" for folder in folders]
    for folder in folders:
        *parts, last = _lines((folder / "results.jsonl").read_text("utf-8"))
        assert [part["sequence"] for part in parts] == [0, 1]
        assert last["summary"]["parts"] == 2
        assert len(list((folder / "overlays").iterdir())) == 2
        assert (folder / "report.html").is_file()
    again = CliRunner().invoke(cli, ["run", "--recipe", str(recipe), "--out", str(out), "--json"])
    assert again.exit_code == 0
    assert len(list(out.iterdir())) == 4
    assert {path: path.read_bytes() for path in before} == before


def test_starts_in_the_same_second_have_folders_of_their_own_in_their_order(tmp_path: Path) -> None:
    made = [RunFolder(tmp_path) for _ in range(30)]
    assert len({saver.folder for saver in made}) == 30
    assert [saver.folder for saver in made] == sorted(saver.folder for saver in made)
    for saver in made:
        saver.close()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.parametrize("as_json", [True, False])
def test_standard_output_on_a_full_disk_does_not_end_the_inspection(as_json: bool, states: Path, tmp_path: Path) -> None:
    arguments = ["run", "--recipe", _demo(tmp_path, states, parts=5), "--out", tmp_path / "out", "--json"]
    with Path("/dev/full").open("wb") as full:
        done = on_console({}, *arguments[: None if as_json else -1], stdout=full)
    assert done.returncode == 1
    told = done.stderr.decode()
    assert told.count("standard output cannot be written (No space left on device)") == 1
    assert "Traceback" not in told
    assert "Exception" not in told
    (results,) = (tmp_path / "out").glob("*/results.jsonl")
    *saved, last = _lines(results.read_text("utf-8"))
    assert len(saved) == last["summary"]["parts"] == 5


def test_without_an_archive_parts_that_a_full_disk_does_not_take_are_not_told_as_judged(states: Path, tmp_path: Path) -> None:
    with disk_of(tmp_path / "disk", "32k") as disk:
        done = on_console({}, "run", "--recipe", _demo(tmp_path, states, parts=60), "--out", disk, "--json", "--no-archive")
        (results,) = disk.glob("*/results.jsonl")
        recorded = {kept["part"]: kept["verdict"] for kept in _lines(results.read_text("utf-8")) if "part" in kept}
    assert done.returncode == 1
    told = {kept["part"]: kept for kept in _lines(done.stdout.decode()) if "part" in kept}
    assert len(told) == 60
    assert 0 < len(recorded) < 60
    assert {part: told[part]["verdict"] for part in recorded} == recorded
    without = [kept for part, kept in told.items() if part not in recorded]
    assert {kept["verdict"] for kept in without} == {"NOT_INSPECTED"}
    assert all("could not be recorded in time" in json.dumps(kept["reasons"]) for kept in without)


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX descriptors")
@pytest.mark.parametrize("closed", [(1,), (1, 2), (0, 1, 2)])
def test_standard_streams_that_are_closed_do_not_end_the_inspection(
    closed: tuple[int, ...], states: Path, tmp_path: Path
) -> None:
    arguments = ("run", "--recipe", _demo(tmp_path, states, parts=5), "--out", tmp_path / "out", "--json")
    done = on_console({}, *arguments, preexec_fn=lambda: [os.close(number) for number in closed])
    assert done.returncode == 0, done.stderr
    assert done.stdout == b""
    (results,) = (tmp_path / "out").glob("*/results.jsonl")
    *saved, last = _lines(results.read_text("utf-8"))
    assert len(saved) == last["summary"]["parts"] == 5


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX pipes")
def test_a_reader_that_goes_away_does_not_end_what_is_saved(states: Path, tmp_path: Path) -> None:
    process = _command("run", "--recipe", _demo(tmp_path, states, parts=40), "--out", tmp_path / "out", "--json")
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.readline()
    process.stdout.close()
    told = process.stderr.read()
    process.stderr.close()
    assert process.wait(60) == 0, told
    (results,) = (tmp_path / "out").glob("*/results.jsonl")
    *saved, last = _lines(results.read_text("utf-8"))
    assert len(saved) == last["summary"]["parts"] == 40


@pytest.mark.usefixtures("own_folders")
def test_no_file_of_a_run_holds_the_password_or_the_token_of_a_camera(states: Path, tmp_path: Path) -> None:
    """The records hold the recipe, and may be in a database that many read."""

    def answer(path: str, headers: dict[str, str]) -> Iterator[bytes]:
        yield MULTIPART
        for number in range(400):
            pixels = np.random.default_rng(number).integers(0, 256, (96, 128, 3), np.uint8)
            yield one_part(cv2.imencode(".jpg", pixels)[1].tobytes())
            time.sleep(0.05)

    with HttpCamera(answer) as camera:
        address = f"http://operator:S3CRETword@{camera.address}/video?token=S3CRETtoken"
        arguments = ["--source", address, "--model", str(states), "--limit", "2", "--json", "--out", str(tmp_path / "out")]
        result = CliRunner().invoke(cli, ["run", *arguments])
    assert result.exit_code == 0, result.stderr
    assert any("S3CRETtoken" in request for request in camera.requests)
    assert "S3CRET" not in result.stdout + result.stderr
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert any(path.suffix == ".journal" for path in files)
    assert [path for path in files if b"S3CRET" in path.read_bytes()] == []


def test_torch_never_loads(states: Path, tmp_path: Path) -> None:
    script = (
        "import sys; from inspector.cli.main import run;"
        f"code = run(['run', '--recipe', {str(_demo(tmp_path, states, parts=1))!r}, '--json']);"
        "assert code == 0; assert 'torch' not in sys.modules; assert 'PySide6' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr


def test_the_rate_of_the_line_is_kept(states: Path, tmp_path: Path) -> None:
    started = time.monotonic()
    result = CliRunner().invoke(cli, ["run", "--recipe", str(_demo(tmp_path, states, rate=10, parts=6)), "--json"])
    assert result.exit_code == 0
    assert time.monotonic() - started > 0.45


def test_no_secret_of_an_address_is_told_or_saved(states: Path, tmp_path: Path) -> None:
    """A password that ends the address for others, and a token; one camera answers, the other does not."""
    picture = cv2.imencode(".jpg", np.random.default_rng(0).integers(60, 190, (48, 64, 3), np.uint8))[1].tobytes()
    with HttpCamera(lambda path, headers: [MULTIPART, one_part(picture), one_part(picture[:500]), one_part(picture)]) as server:
        for host in (server.address, "127.0.0.1:9"):
            source = f"http://operator:Se#cr/et@{host}/mjpg?channel=1&token=S3cr3t"
            command = ["run", "--source", source, "--model", str(states), "--give-up", "3", "--limit", "2"]
            said = CliRunner().invoke(cli, [*command, "--json", "--out", str(tmp_path / "out")])
            text = said.stdout + said.stderr + repr(said.exception)
            saved = [file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()]
            assert f"http://{host}/mjpg?channel=1&token=***" in text
            for secret in ("operator", "Se#", "cr/et", "S3cr3t"):
                assert secret not in text
                assert not any(secret.encode() in content for content in saved)
    for wrong in (
        "http://operator:Se#cr/et",
        "usb:http://operator:Secret@cam/x",
        "rtps:/operator:Secret@cam/x",
        "operator:Secret@cam",
    ):
        said = CliRunner().invoke(cli, ["run", "--source", wrong, "--model", str(states)])
        assert said.exit_code != 0
        text = said.stderr + str(said.exception)
        assert not any(secret in text for secret in ("ecret", "Se#", "cr/et"))


def test_a_camera_that_never_comes_is_told_once_and_given_up(states: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["run", "--source", "usb:63", "--model", str(states), "--give-up", "3", "--json"]) == 1
    said = capsys.readouterr()
    assert _lines(said.out)[-1]["summary"]["parts"] == 0
    assert said.err.count("usb:63 cannot be opened") == 1, said.err
