"""Cost of explaining to a line at full speed: its NG parts as they come, and a folder of them for a report."""

import subprocess
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from types import TracebackType
from typing import Self

import cv2
import psutil

from inspector.bench.frames import Picture, frames
from inspector.bench.line.beside import BenchLine, Source
from inspector.bench.making import make
from inspector.bundles.bundle import read_card
from inspector.core.errors import ConfigError, JobError
from inspector.core.installed import program_command
from inspector.core.storage.temporary import temporary_folder
from inspector.core.types import Frame, Inspection, Judgement, Region, Verdict
from inspector.inspection.status import StationStatus
from inspector.recipes.automatic import CAMERA, recipe_for
from inspector.recipes.recipe import ArchiveModel
from inspector.station.heat_maps import MOST_WAITING, HeatSink

_PATIENCE = 900.0  # seconds until maps are made that give way to other programs on the machine
_BUSY = 10.0  # seconds of the processor after which a report and its worker have loaded all and look at images
_LOOK_S = 0.05
_AHEAD = 8  # parts that wait to be explained


@dataclass(frozen=True, slots=True)
class Explaining:
    """Medians over the rounds, in which the line runs alone and beside the work in turn.

    `alone_fps`: parts a second of the line at full speed. `maps_fps`, `maps_lost`: the same while NG parts are explained as
    they come, and the share of `alone_fps` that it costs; `maps_beside`, `maps_alone`: parts explained a second beside the
    line and while it rests; `maps_made`: in all, at least `parts`. `report_fps`, `report_lost`: while `inspector explain FOLDER
    --report --background` looks at a folder of as many images. `niceness`, `group_niceness`: of the process that makes the
    report's maps and of its group (None where the system has no process groups).
    """

    parts: int
    alone_fps: float
    maps_fps: float
    maps_lost: float
    maps_beside: float
    maps_alone: float
    maps_made: int
    report_fps: float
    report_lost: float
    niceness: int
    group_niceness: int | None


def bench_explaining(
    network: str = "simple_cnn",
    *,
    engine: str = "openvino",
    size: int = 224,
    parts: int = 200,
    rounds: int = 3,
    seconds: float = 8.0,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Explaining:
    """Measure an untrained `network` of `size` pixels a side.

    Raises JobError if torch is missing, a worker makes no map, or the station does not start; ConfigError for more parts than
    wait to be explained.
    """
    if parts > MOST_WAITING:
        raise ConfigError("At most {count} parts wait to be explained.", remedy="Give a smaller number.", count=MOST_WAITING)
    with temporary_folder() as name:
        bundle, pictures = name / network, frames(parts)
        make(bundle, network, size=size)
        with BenchLine(bundle, engine, Source(CAMERA)) as line:
            line.rate(seconds)  # caches and clocks warm up
            maps = []
            with _Maps(bundle, engine, pictures) as explained:
                for done in range(rounds):
                    progress(done, 2 * rounds)
                    maps.append(explained.round(line, seconds))
                alone, made = explained.rest(), explained.made
            with _Report(name, bundle, pictures) as report:
                reports = []
                for done in range(rounds):
                    progress(rounds + done, 2 * rounds)
                    reports.append(report.round(line, seconds))
                niceness, group = report.priority()
    return Explaining(
        parts=parts,
        alone_fps=median([row[0] for row in maps] + [row[0] for row in reports]),
        maps_fps=median(row[1] for row in maps),
        maps_lost=1 - median(row[1] / row[0] for row in maps),
        maps_beside=median(row[2] for row in maps),
        maps_alone=alone,
        maps_made=made,
        report_fps=median(row[1] for row in reports),
        report_lost=1 - median(row[1] / row[0] for row in reports),
        niceness=niceness,
        group_niceness=group,
    )


class _Maps:
    """NG parts that are handed over to be explained, as a line does."""

    def __init__(self, bundle: Path, engine: str, pictures: list[Picture]) -> None:
        self._bundle, self._pictures, self._asked = bundle, pictures, 0
        recipe = recipe_for([bundle], "bench", engine=engine)
        self._sink = HeatSink([lambda inspection, maps: None], base=bundle.parent)
        self._sink.open(StationStatus(recipe=recipe.model_copy(update={"archive": ArchiveModel(heat=True)})))

    @property
    def made(self) -> int:
        return self._sink.made

    def round(self, line: BenchLine, seconds: float) -> tuple[float, float, float]:
        """Return the line's parts a second alone and while parts are explained, and maps a second then."""
        if not self._asked:
            self._ask(1)
            self._finish()  # its worker has started
        alone, before, stop = line.rate(seconds), self.made, threading.Event()
        feeder = threading.Thread(target=self._feed, args=(stop,), name="bench-feeder")
        feeder.start()
        try:
            beside = line.rate(seconds)
            during = self.made - before
        finally:
            stop.set()
            feeder.join()
        self._finish()
        return alone, beside, during / seconds

    def rest(self) -> float:
        """Have the rest explained while the line rests, and return maps a second."""
        began, before = time.monotonic(), self.made
        self._ask(max(_AHEAD, len(self._pictures) - self._asked))
        self._finish()
        return (self.made - before) / (time.monotonic() - began)

    def _feed(self, stop: threading.Event) -> None:
        """Hand parts over as fast as they are explained."""
        while not stop.wait(_LOOK_S):
            self._ask(max(0, _AHEAD - (self._asked - self.made)))

    def _ask(self, count: int) -> None:
        for _ in range(count):
            pixels = self._pictures[self._asked % len(self._pictures)]
            self._asked += 1
            frame = Frame(pixels, CAMERA, self._asked, time.monotonic(), datetime.now(UTC))
            where = Region(0, 0, frame.width, frame.height)
            judged = Judgement(0, str(self._bundle), CAMERA, where, "class", "-", 1.0, "above", 0.5, Verdict.NG)
            number = self._asked
            part = Inspection(f"P{number}", number, Verdict.NG, (), {CAMERA: frame}, (), "bench", 1, 1.0, judgements=(judged,))
            self._sink.take(part)

    def _finish(self) -> None:
        """Wait until every part is explained. Raises what keeps one from it."""

        def done() -> bool:
            if self._sink.problem is not None:
                raise self._sink.problem
            return self._sink.made + self._sink.missed >= self._asked

        _until(done)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._sink.give_up()


class _Report:
    """`inspector explain FOLDER --report`, as the window starts it, which can be paused."""

    def __init__(self, folder: Path, bundle: Path, pictures: list[Picture]) -> None:
        classes = read_card(bundle).classes
        for number, pixels in enumerate(pictures):
            place = folder / "parts" / classes[number % len(classes)]
            place.mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(place / f"{number:04}.jpg"), pixels)
        options = ["--most", str(len(pictures)), "--background"]
        command = program_command(
            "explain", str(folder / "parts"), "--model", str(bundle), "--report", str(folder / "report"), *options
        )
        self._process = psutil.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        try:
            _until(lambda: self._busy() >= _BUSY)
        except BaseException:
            self._end()
            raise

    def round(self, line: BenchLine, seconds: float) -> tuple[float, float]:
        """Return the line's parts a second while the report rests and while it is made."""
        for process in self._all():
            with suppress(psutil.NoSuchProcess):
                process.suspend()
        alone = line.rate(seconds)
        for process in self._all():
            with suppress(psutil.NoSuchProcess):
                process.resume()
        beside = line.rate(seconds)
        if self._process.poll() is not None:
            raise _over()
        return alone, beside

    def priority(self) -> tuple[int, int | None]:
        """Return the niceness of the process that makes the maps, and that of its group."""
        workers = self._workers()
        if not workers:
            raise _over()
        worker = workers[0]
        group = Path(f"/proc/{worker.pid}/autogroup")
        said = group.read_text("ascii").split() if group.exists() else []
        return worker.nice(), int(said[-1]) if said else None

    def _workers(self) -> list[psutil.Process]:
        if self._process.poll() is None:
            with suppress(psutil.NoSuchProcess):
                found: list[psutil.Process] = self._process.children(recursive=True)
                return found
        return []

    def _all(self) -> list[psutil.Process]:
        return [] if self._process.poll() is not None else [self._process, *self._workers()]

    def _busy(self) -> float:
        """Return the seconds of the processor that it has used, 0 until it has a worker. Raises JobError if it has ended."""
        if self._process.poll() is not None:
            said = self._process.stderr.read().decode("utf-8", "replace") if self._process.stderr is not None else ""
            raise JobError("The report cannot be made: {detail}", detail=(said.strip().splitlines() or ["it said nothing"])[-1])
        with suppress(psutil.NoSuchProcess):
            if self._workers():
                return float(sum(sum(process.cpu_times()[:2]) for process in self._all()))
        return 0.0

    def _end(self) -> None:
        for process in reversed(self._all()):
            with suppress(psutil.NoSuchProcess):
                process.kill()
        self._process.wait()
        if self._process.stderr is not None:
            self._process.stderr.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._end()


def _over() -> JobError:
    return JobError("The report ended before the measurement did.", remedy="Give more parts, or less time.")


def _until(found: Callable[[], bool]) -> None:
    """Wait. Raises JobError."""
    end = time.monotonic() + _PATIENCE
    while not found():
        if time.monotonic() > end:
            raise JobError("No heat map was made in {seconds:.0f} s.", seconds=_PATIENCE)
        time.sleep(_LOOK_S)
