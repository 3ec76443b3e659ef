"""The commands of EXPERIMENTS.md: a line of its tables, on plates made for it."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("torch")


def test_a_line_of_the_tables_is_made_by_the_command_that_is_named_there(tmp_path: Path) -> None:
    def ran(*words: str) -> str:
        root = Path(__file__).parents[3]
        where = {**os.environ, "PYTHONPATH": str(root)}
        return subprocess.run(
            [sys.executable, "-m", *words], cwd=root, env=where, capture_output=True, text=True, check=True, timeout=240
        ).stdout

    ran("tests.ml.plates", "detection", "small", str(tmp_path / "plates"), "--count", "12", "--side", "96")
    asked = ("--size", "96", "--epochs", "1", "--batch", "4", "--change", "leaky", "--change", "varifocal")
    lines = ran("tests.ml.experiment", str(tmp_path / "plates"), *asked).splitlines()
    assert re.fullmatch(r"epoch 1 loss [\d.]+ val_loss [\d.]+ value [\d.]+ cpu \d+ s alive \[\d+, \d+, \d+\]", lines[0])
    assert re.fullmatch(r"test \{'map50': .*'ap50/hole': .*\} best epoch 1 cpu \d+ s", lines[-1])
