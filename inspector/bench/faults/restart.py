"""How soon the window that was killed gives verdicts again, under what its service does."""

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from inspector.bench.faults.outcome import archived
from inspector.bench.faults.processes import HOME, recipe_file, until
from inspector.bench.line.pipeline import Progress, silent
from inspector.core.errors import JobError
from inspector.core.installed import program_command
from inspector.core.storage.temporary import temporary_folder

PAUSE_S = 3.0  # RestartSec of packaging/linux/inspector.service
_WARM = 5  # verdicts before a kill


@dataclass(frozen=True, slots=True)
class Restart:
    """Outcome of `kills`. `seconds`: from each kill to the next verdict on record, with the `pause_s` of the service.

    `same`: whether the recipe and the mode were the same each time.
    """

    kills: int
    pause_s: float
    seconds: tuple[float, ...]
    most_s: float
    same: bool


def bench_restart(bundle: Path, *, kills: int = 3, progress: Progress = silent) -> Restart:
    """Kill a window that inspects the demo line, and start it again as its service does. Raises JobError."""
    took: list[float] = []
    with temporary_folder() as folder:
        recipe, home = recipe_file(folder, bundle, "simulated:visible", rate=20), folder / HOME
        with _window(folder, "--recipe", str(recipe)):
            _wait_for(home, _WARM)
        for number in range(kills):
            progress(number, kills)
            killed, before = time.monotonic(), len(_results(home))
            time.sleep(PAUSE_S)
            with _window(folder):
                _wait_for(home, before + 1)
                took.append(time.monotonic() - killed)
                _wait_for(home, before + _WARM)
        runs = {(run["recipe"], run["mode"]) for run in archived(home, "run")}
        recipes = {result["internal_recipe_id"]["hash"] for result in _results(home)}
    return Restart(kills, PAUSE_S, tuple(took), max(took), len(runs) == len(recipes) == 1)


def _results(home: Path) -> list[dict[str, Any]]:
    return archived(home, "result")


def _wait_for(home: Path, count: int) -> None:
    if not until(lambda: len(_results(home)) >= count, 120.0):
        raise JobError("The window gave no verdict.")


@contextmanager
def _window(folder: Path, *arguments: str) -> Iterator[None]:
    """Run the window for the length of the block, then kill it."""
    home = str(folder / HOME)
    environment = os.environ | {"XDG_DATA_HOME": home, "XDG_CONFIG_HOME": home, "LOCALAPPDATA": home, "HOME": home}
    command = program_command("gui", "--start", "--settings", str(folder / "window.toml"), *arguments)
    process = subprocess.Popen(command, env=environment, stderr=None)
    try:
        yield
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
