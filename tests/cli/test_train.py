"""`inspector train` and `inspector evaluate`, as processes of their own."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")

from inspector.bundles.bundle import Bundle
from inspector.cli.support.demo_bundles import DEMO_BUNDLES
from inspector.core.errors import ConfigError
from inspector.data.annotations import read_dataset
from inspector.data.split import split_samples
from inspector.runs.folder import read_run
from inspector.runs.settings import TrainSettings, parse_option, parse_size, train_settings
from tests.ml.making import FOLDERS

COMMAND = [sys.executable, "-m", "inspector"]
TINY = ["--size", "32", "--option", "head=gap", "--option", "filters=4", "--batch", "4", "--lr", "0.01", "--threads", "1"]
SHARES = ["--val", "0.25", "--test", "0.25"]


def inspector(*arguments: str | Path, code: int = 0) -> subprocess.CompletedProcess[str]:
    done = subprocess.run([*COMMAND, *map(str, arguments)], capture_output=True, text=True, timeout=110, check=False)
    assert done.returncode == code, done.stderr
    return done


def lines(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def _training(data: Path, out: Path, *, epochs: int) -> list[str | Path]:
    what = ("--task", "classification", "--data", data, "--out", out)
    return ["train", *what, *TINY, *SHARES, "--epochs", str(epochs), "--ok", "dark"]


def test_train_and_evaluate(tmp_path: Path) -> None:
    data, out = FOLDERS["classification"](tmp_path / "data"), tmp_path / "bundle"
    broken = split_samples(read_dataset(data, "classification").samples, val=0.25, test=0.25, seed=0).train[0].path
    broken.write_bytes(b"")
    done = inspector(*_training(data, out, epochs=3), "--json")
    said = lines(done.stdout)
    assert {key for line in said for key in line} == {"name", "progress", "metric", "log", "bundle", "metrics"}
    assert [line["metric"]["epoch"] for line in said if "metric" in line] == [1, 2, 3]
    assert f"{broken} is empty." in {line["log"]["text"] for line in said if "log" in line}
    assert str(broken) in done.stderr.replace("\n", "")
    bundle = Bundle.open(out)
    assert bundle.card.ok_classes == ("dark",)
    assert said[-1] == {"name": "bundle", "bundle": str(out), "metrics": dict(bundle.card.metrics)}

    tested = inspector("evaluate", "--model", out, "--data", data, "--split", "test", "--engine", "onnxruntime", "--json")
    (result,) = lines(tested.stdout)
    assert result["images"] == bundle.card.dataset["test"]
    assert result["metrics"] == pytest.approx(dict(bundle.card.metrics), abs=1e-3)

    everything = inspector("evaluate", "--model", out, "--data", data, code=1)  # one of the files is broken
    assert "was trained on these images" in everything.stderr
    assert str(broken) in everything.stderr
    assert "accuracy" in everything.stdout
    (data / "shiny").mkdir()
    (data / "dark").rename(data / "shiny" / "dark")
    assert "has the class 'shiny'" in inspector("evaluate", "--model", out, "--data", data, code=2).stderr


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_behind_the_output_does_not_end_a_training(tmp_path: Path) -> None:
    data, out = FOLDERS["classification"](tmp_path / "data"), tmp_path / "bundle"
    arguments = map(str, _training(data, out, epochs=1))
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run([*COMMAND, *arguments], stdout=full, stderr=full, timeout=110, check=False)
    assert done.returncode == 0
    assert Bundle.open(out).card.classes


def test_without_further_words_the_recommendation_is_followed_and_said(tmp_path: Path) -> None:
    data, out = FOLDERS["classification"](tmp_path / "data"), tmp_path / "bundle"
    (checked,) = lines(inspector("data", "check", data, "--task", "classification", "--json").stdout)
    advice = checked["advice"]["classification"]
    done = inspector(
        "train", "--task", "classification", "--data", data, "--out", out, *SHARES, "--epochs", 1, "--folds", 0, "--json"
    )
    assert lines(done.stdout)[0] == {"name": "bundle", "advice": advice}
    for sentence in advice["reasons"]:
        assert sentence in done.stderr.replace("\n", "")
    asked = read_run(out.with_name("bundle.run")).train_settings()
    expected = {**advice["settings"], "epochs": 1, "folds": 0}  # what is given goes before it
    assert {name: getattr(asked, name) for name in expected} == expected


def test_interrupting_leaves_no_bundle(tmp_path: Path) -> None:
    data, out = FOLDERS["classification"](tmp_path / "data"), tmp_path / "out" / "bundle"
    arguments = ["train", "--task", "classification", "--data", str(data), "--out", str(out), *TINY, *SHARES, "--json"]
    process = subprocess.Popen(
        [*COMMAND, *arguments, "--epochs", "10000"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        for line in process.stdout:
            if "metric" in json.loads(line):
                break
        os.kill(process.pid, signal.SIGINT)
        _, errors = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 1, errors
    assert "The training was cancelled." in errors
    assert "Traceback" not in errors
    assert [path.name for path in out.parent.iterdir()] == ["bundle.run"]
    assert lines(inspector("runs", "show", out.with_name("bundle.run"), "--json").stdout)[0]["state"] == "cancelled"


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--task", "classification"], "Give --task and --data"),
        (["--data", "{tmp}/missing", "--task", "classification"], "There is no folder"),
        (["--data", "{tmp}/data", "--task", "detection"], "holds nothing labelled for detection"),
        (["--data", "{tmp}/data", "--task", "classification", "--size", "huge"], "is not an input size"),
        (["--data", "{tmp}/data", "--task", "classification", "--option", "filters"], "is not an option"),
        (["--data", "{tmp}/data", "--task", "classification", "--lr", "-1"], "lr: Input should be greater than 0"),
        (["--data", "{tmp}/data", "--task", "classification", "--val", "0.6", "--test", "0.6"], "must leave something"),
        (["--data", "{tmp}/data", "--task", "classification", "--group", "("], "--group"),
        (["--data", "{tmp}/data", "--task", "classification", "--only", "plate-mask"], "--only is for --demo"),
        (["--demo", "--lr", "0.1"], "--demo takes only"),
        (["--data", "{tmp}/data", "--task", "classification", "--out", "{tmp}/data"], "exists and is not a bundle"),
    ],
)
def test_wrong_usage(tmp_path: Path, capfd: pytest.CaptureFixture[str], arguments: list[str], sentence: str) -> None:
    from inspector.cli.main import run

    FOLDERS["classification"](tmp_path / "data", 4)
    given = [argument.format(tmp=tmp_path) for argument in arguments]
    out = [] if "--out" in given else ["--out", str(tmp_path / "bundle")]
    assert run(["train", *given, *out]) == 2
    captured = capfd.readouterr()
    assert sentence in " ".join(captured.err.split())
    assert captured.out == ""
    assert not (tmp_path / "bundle").exists()


def test_evaluate_needs_a_bundle(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    from inspector.cli.main import run

    assert run(["evaluate", "--model", str(tmp_path), "--data", str(tmp_path)]) == 2
    assert "There is no bundle" in capfd.readouterr().err


def test_parsing() -> None:
    assert parse_size("224") == (224, 224)
    assert parse_size("320x240") == (320, 240)
    assert [parse_option(text) for text in ("a=1", "b=0.5", "c=true", "d=gap")] == [
        ("a", 1),
        ("b", 0.5),
        ("c", True),
        ("d", "gap"),
    ]


def test_settings_left_out_are_the_tasks(tmp_path: Path) -> None:
    base = {"task": "segmentation", "data": tmp_path, "out": tmp_path}
    settings = train_settings(base)
    assert (settings.network, settings.width, settings.batch, settings.loss) == ("unet", 224, 8, "bce_dice")
    assert train_settings({**base, "batch": 16, "loss": "dice", "lr": 0}).model_dump() == settings.model_dump() | {
        "batch": 16,
        "loss": "dice",
    }
    assert train_settings({**base, "task": "thermal"}).channels == 1
    for wrong, sentence in (
        ({"task": "guessing"}, "task: "),
        ({"width": 64}, "Width and height are given together"),
        ({"folds": 1}, "One fold is no cross-validation"),
    ):
        with pytest.raises(ConfigError, match=sentence):
            train_settings({**base, **wrong})


def test_the_demo_table_is_valid(tmp_path: Path) -> None:
    for name, chosen in DEMO_BUNDLES.items():
        settings = train_settings({**chosen.settings, "name": name, "data": tmp_path, "out": tmp_path / name})
        assert TrainSettings.model_validate_json(settings.model_dump_json()) == settings


@pytest.mark.slow
@pytest.mark.timeout(1000)
def test_the_demo_command_makes_bundles_that_are_good(tmp_path: Path) -> None:
    """The two bundles that take minutes rather than half an hour, on fewer parts."""
    inspector_out = tmp_path / "models"
    only = ["--only", "window-state", "--only", "equipment-temperature"]
    command = [*COMMAND, "train", "--demo", "--out", str(inspector_out), "--parts", "300", "--epochs", "8", *only]
    subprocess.run(command, check=True, timeout=900)
    assert Bundle.open(inspector_out / "window-state").card.metrics["accuracy"] > 0.9
    assert Bundle.open(inspector_out / "equipment-temperature").card.metrics["mae_kelvin"] < 6
