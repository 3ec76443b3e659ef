"""Faults of the whole process: killed, asked to stop, beside another one, on a full disk. `inspector run` is run for real."""

import json
import os
import random
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

import cv2

from inspector.bench.faults.disks import freezable_disk
from inspector.bench.faults.outcome import FaultCost, answers_in, archived_answers, counted, saved_answers
from inspector.cameras.demo.line import WINDOW, DemoLine
from inspector.core.config import Option
from inspector.core.errors import InspectorError, StorageError
from inspector.core.installed import program_command
from inspector.recipes.automatic import CAMERA
from inspector.recipes.document import save_recipe
from inspector.recipes.recipe import CameraModel, InspectModel, Recipe, RegionModel
from inspector.results.saving import RESULTS

_PATIENCE = 180.0  # seconds until something that must happen counts as lost
_POLL = 0.02
_FROZEN_S = 50.0  # less than until a frozen disk thaws by itself
HOME = "home"  # folder of the user's data of these processes


class StationProcess:
    """`inspector run` in a process of its own. What it prints is kept."""

    def __init__(self, recipe: Path, *arguments: str | Path) -> None:
        command = program_command("run", "--recipe", str(recipe), "--json", *map(str, arguments))
        home = str(recipe.parent / HOME)  # not the user's archive
        environment = os.environ | {"XDG_DATA_HOME": home, "LOCALAPPDATA": home, "HOME": home}
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment)
        self.printed: list[bytes] = []
        self.said: list[bytes] = []
        self._readers = [
            threading.Thread(target=self._read, args=(self.process.stdout, self.printed)),
            threading.Thread(target=self._read, args=(self.process.stderr, self.said)),
        ]
        for reader in self._readers:
            reader.start()

    @staticmethod
    def _read(stream: Iterator[bytes], lines: list[bytes]) -> None:
        lines.extend(stream)

    def parts(self) -> list[tuple[str, str]]:
        """Return part and verdict of every whole line that was printed."""
        return answers_in(b"".join(self.printed))

    def told(self, count: int) -> bool:
        """Wait until more than `count` lines are printed; return whether it came true in time."""
        return until(lambda: len(self.printed) > count)

    def end(self, number: int = signal.SIGTERM) -> int:
        """Send a signal and wait for the end; return the exit code."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        try:
            self.process.wait(_PATIENCE)
        finally:
            self.process.kill()
            for reader in self._readers:
                reader.join()
            for stream in (self.process.stdout, self.process.stderr):
                if stream is not None:
                    stream.close()
        return self.process.returncode


@contextmanager
def running(recipe: Path, *arguments: str | Path) -> Iterator[StationProcess]:
    """Run a station for the length of the block, and kill what is left of it."""
    station = StationProcess(recipe, *arguments)
    try:
        yield station
    finally:
        station.end(signal.SIGKILL)


def fault_recipe(bundle: Path, source: str, *, engine: str = "openvino", options: Mapping[str, Option] | None = None) -> Recipe:
    """Return a recipe with one camera that shows the demo line; the bundle looks at the vessel's window."""
    region = RegionModel(x=WINDOW.x, y=WINDOW.y, width=WINDOW.width, height=WINDOW.height)
    step = InspectModel(bundle=str(bundle), camera=CAMERA, region=region)
    return Recipe(
        name="fault", engine=engine, cameras={CAMERA: CameraModel(source=source, options=dict(options or {}))}, inspect=(step,)
    )


def recipe_file(folder: Path, bundle: Path, source: str, **options: Option) -> Path:
    """Write such a recipe and return its path."""
    path = folder / "fault.toml"
    save_recipe(fault_recipe(bundle, source, options=options), path)
    return path


def until(condition: Callable[[], bool], seconds: float = _PATIENCE) -> bool:
    """Wait for a condition; return whether it came true in time."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(_POLL)
    return True


class _Feeder(threading.Thread):
    """Writes images into a watched folder; every tenth is cut off."""

    def __init__(self, folder: Path, count: int, pause: float) -> None:
        super().__init__(name="feeder")
        self._folder, self._pause = folder, pause
        self.names = [f"part-{number:04d}" for number in range(count)]
        self.cut = {name for number, name in enumerate(self.names) if number % 10 == 7}
        line = DemoLine(0, good=1.0)
        pictures = [cv2.imencode(".jpg", line.visible(index)[0][..., ::-1])[1].tobytes() for index in range(4)]
        self._data = {name: pictures[number % 4] for number, name in enumerate(self.names)}

    def run(self) -> None:
        for name in self.names:
            data = self._data[name]
            (self._folder / f"{name}.jpg").write_bytes(data[: len(data) // 2] if name in self.cut else data)
            time.sleep(self._pause)


def _grown(home: Path, before: int, feeder: _Feeder) -> bool:
    """Wait for another record, as long as files arrive."""
    return until(lambda: len(archived_answers(home)) > before or not feeder.is_alive())


def killed_watching(folder: Path, bundle: Path, *, files: int = 150, kills: int = 12, pause: float = 0.05) -> FaultCost:
    """Kill a station that watches a folder again and again, while files go on to arrive.

    The archive, which is written before anything else, has exactly one record of every file, and none is told twice.
    """
    incoming, home, chance = folder / "incoming", folder / HOME, random.Random(1)
    incoming.mkdir()
    recipe = recipe_file(folder, bundle, f"folder:{incoming}", watch=True, settle=0.05, patience=0.2)
    feeder = _Feeder(incoming, files, pause)
    feeder.start()
    printed: list[tuple[str, str]] = []
    for _ in range(kills):
        before = len(archived_answers(home))
        with running(recipe, "--out", folder / "out") as station:
            _grown(home, before, feeder)
            time.sleep(chance.uniform(0.0, 0.2))
            station.end(signal.SIGKILL)
            printed += station.parts()
    feeder.join()
    with running(recipe, "--out", folder / "out") as station:
        until(lambda: len({part for part, _ in archived_answers(home)}) >= files)
        station.end()
        printed += station.parts()
    recorded = counted(feeder.names, archived_answers(home), untrue=feeder.cut)
    told_twice = counted((), printed).doubled
    return FaultCost(recorded.parts, recorded.lost, recorded.doubled + told_twice, recorded.silent_ok)


def killed_process(folder: Path, bundle: Path, *, kills: int = 3) -> FaultCost:
    """Kill a station on the demo line: what was told is on record, each part once a run, and whole."""
    out = folder / "out"
    recipe = recipe_file(folder, bundle, "simulated:visible")
    outcome = FaultCost()
    for number in range(kills):
        place = out / str(number)
        with running(recipe, "--out", place) as station:
            station.told(20)
            station.end(signal.SIGKILL)
            told = station.parts()
        outcome = outcome + counted([part for part, _ in told], saved_answers(place))
    return outcome


def asked_to_stop(folder: Path, bundle: Path) -> FaultCost:
    """Send SIGTERM while parts wait for the slower saving: every judged part is told and recorded."""
    out = folder / "out"
    with running(recipe_file(folder, bundle, "simulated:visible"), "--out", out) as station:
        station.told(20)
        station.end()
        told = [part for part, _ in station.parts()]
        judged = json.loads(station.printed[-1])["summary"]["parts"]
    outcome = counted(told, saved_answers(out))
    return FaultCost(judged, outcome.lost + judged - len(set(told)), outcome.doubled)


def two_writers(folder: Path, bundle: Path, *, parts: int = 60) -> FaultCost:
    """Start two stations at once that save into the same folder: each has all its records."""
    out = folder / "out"
    recipe = recipe_file(folder, bundle, "simulated:visible", parts=parts)
    with running(recipe, "--out", out) as first, running(recipe, "--out", out) as second:
        for station in (first, second):
            station.process.wait(_PATIENCE)
    outcome = FaultCost()
    files = [file.read_bytes() for file in out.glob(f"*/{RESULTS}")]
    for station in (first, second):
        told = [part for part, _ in station.parts()]
        own = next((answers_in(data) for data in files if set(told) & {part for part, _ in answers_in(data)}), [])
        outcome += counted(told, own)
    return FaultCost(2 * parts, outcome.lost + 2 * parts - outcome.parts, outcome.doubled)


def two_watchers(folder: Path, bundle: Path, *, files: int = 20) -> FaultCost:
    """Let two stations watch the same folder with the same recipe: one is refused, and each file has one record."""
    incoming, out = folder / "incoming", folder / "out"
    incoming.mkdir()
    feeder = _Feeder(incoming, files, 0.02)
    feeder.start()
    recipe = recipe_file(folder, bundle, f"folder:{incoming}", watch=True, settle=0.05, patience=0.2)
    with running(recipe, "--out", out) as first, running(recipe, "--out", out) as second:
        until(lambda: len({part for part, _ in saved_answers(out)}) >= files)
        time.sleep(0.5)
        for station in (first, second):
            station.end()
    feeder.join()
    return counted(feeder.names, saved_answers(out), untrue=feeder.cut)


def full_disk(folder: Path, bundle: Path, *, parts: int = 100, size: str = "3m") -> FaultCost:
    """Save to a disk that becomes full of pictures: every part has its record, and every line is whole."""
    disk = folder / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(disk)], capture_output=True, check=False
    )
    if mounted.returncode:
        return FaultCost(skipped="no small disk may be mounted here")
    try:
        with running(recipe_file(folder, bundle, "simulated:visible", parts=parts), "--out", disk / "out") as station:
            station.process.wait(_PATIENCE)
            if b"picture" not in b"".join(station.said).lower():
                raise InspectorError("The disk of {size} did not become full.", size=size)
        told = [part for part, _ in station.parts()]
        outcome = counted(told, saved_answers(disk / "out"))
        return FaultCost(parts, outcome.lost + parts - len(set(told)), outcome.doubled)
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=False)


def hung_disk(folder: Path, bundle: Path, *, files: int = 40) -> FaultCost:
    """Let the disk with archive and ledger hang while files arrive: all are told, none of them OK, and each has one record."""
    incoming, home = folder / "incoming", folder / HOME
    incoming.mkdir()
    recipe = recipe_file(folder, bundle, f"folder:{incoming}", watch=True, settle=0.05, patience=0.2)
    feeder = _Feeder(incoming, files, 0.1)
    with ExitStack() as stack:
        try:
            disk = stack.enter_context(freezable_disk(home))
        except StorageError as error:
            return FaultCost(skipped=error.problem.text)
        station = stack.enter_context(running(recipe))
        feeder.start()
        station.told(files // 4)
        disk.freeze()
        frozen = time.time()
        until(lambda: len(station.parts()) >= files, _FROZEN_S)
        told = station.parts()
        disk.thaw()
        station.end()
        feeder.join()
        late = {name for name in feeder.names if (incoming / f"{name}.jpg").stat().st_mtime > frozen}
        outcome = counted(feeder.names, archived_answers(home), untrue=feeder.cut)
    answered = counted(feeder.names, told, untrue=feeder.cut | late)
    return FaultCost(
        files, outcome.lost + answered.lost, outcome.doubled + answered.doubled, outcome.silent_ok + answered.silent_ok
    )
