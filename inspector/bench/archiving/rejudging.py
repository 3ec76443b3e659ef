"""How soon an archive is judged again by a bundle: beside `predict` on the same images, and on two workers beside one."""

import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Final

import cv2
import psutil

from inspector.archive.archive import Archive, opened_archive
from inspector.archive.filters import Filters
from inspector.archive.recording.sinks import archive_sinks
from inspector.archive.rejudging.job import rejudge
from inspector.archive.store import rejudgements
from inspector.bench.frames import demo_frames
from inspector.cameras.sequence import open_sequence
from inspector.core.errors import JobError
from inspector.core.storage.temporary import temporary_folder
from inspector.core.types import Frame
from inspector.inspection.status import StationStatus
from inspector.recipes.automatic import CAMERA, recipe_for
from inspector.recipes.recipe import ArchiveModel, Recipe
from inspector.station.counters import Counters
from inspector.station.ledgers import Ledgers
from inspector.station.outputs import Outputs
from inspector.station.part_inspector import PartInspector

_START_S: Final = 120.0  # until a scheduler or a worker is there
Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class RejudgeSpeed:
    """Archived images judged again here and `predict`'s way from PNG files, in turns; engines are open before.

    `ratio`: images a second of the first over the second, median of the rounds. `cpu_ms`, `predict_cpu_ms`: processor time of
    an image, which other programs change less than the clock; `cpu_ratio`: of the second over the first.
    """

    images: int
    rejudge_per_s: float
    predict_per_s: float
    ratio: float
    cpu_ms: float
    predict_cpu_ms: float
    cpu_ratio: float


@dataclass(frozen=True, slots=True)
class ClusterSpeed:
    """Two dask workers and one, in turns, each pinned to a core of its own. `ratio`: median of the rounds."""

    images: int
    one_per_s: float
    two_per_s: float
    ratio: float


def bench_rejudging(
    bundle: Path, *, images: int, rounds: int, cluster: bool, progress: Progress = lambda _: None
) -> tuple[RejudgeSpeed, ClusterSpeed | None]:
    """Measure on an archive with so many images of the demo line. Raises InspectorError, also without dask for `cluster`."""
    recipe = recipe_for([bundle.resolve()], "simulated").model_copy(update={"archive": ArchiveModel(ok_every=1)})
    with temporary_folder() as place:
        progress("images are made")
        record_demo_parts(place / "archive", recipe, images, pictures=place / "pictures")
        with opened_archive(place / "archive") as archive:
            here = _beside_predict(archive, recipe, place / "pictures", images, rounds, progress)
            there = _on_workers(archive, recipe, place, images, rounds, progress) if cluster else None
    return here, there


def record_demo_parts(folder: Path, recipe: Recipe, count: int, *, pictures: Path | None = None) -> None:
    """Record parts of the demo line, P0, P1, ..., with every image. `pictures`: a folder for the images as PNG files too."""
    shown, _ = demo_frames("classification", count, seed=3)
    if pictures is not None:
        pictures.mkdir()
    status = StationStatus(recipe=recipe)
    outputs = Outputs(archive_sinks(folder=folder), Counters(), lambda *_: None, Ledgers())
    outputs.open(status)
    with PartInspector(recipe) as inspector:
        for number, pixels in enumerate(shown):
            if pictures is not None:
                cv2.imwrite(str(pictures / f"{number:06d}.png"), pixels[..., ::-1])
            frame = Frame(pixels, CAMERA, number, time.monotonic(), datetime.now(UTC))
            made = inspector.inspect({CAMERA: frame}, name=f"P{number}")
            outputs.part_opened(made.sequence, made.part)
            outputs.put([made], wait=True)
    outputs.close(lambda: status)


def _beside_predict(
    archive: Archive, recipe: Recipe, pictures: Path, images: int, rounds: int, progress: Progress
) -> RejudgeSpeed:
    speeds: list[tuple[float, float]] = []
    cpu: list[tuple[float, float]] = []
    for number in range(rounds + 1):
        progress(f"here, round {number} of {rounds}")
        began = time.process_time()
        ours, between = _again(archive, recipe), time.process_time()
        theirs, seconds = _predicted(recipe, pictures)
        if number:  # the first finds cold caches
            speeds.append((images / ours, images / theirs))
            cpu.append((seconds / images * 1000, (between - began) / images * 1000))
    predict_cpu, ours_cpu, cpu_ratio = _medians(cpu)
    return RejudgeSpeed(images, *_medians(speeds), ours_cpu, predict_cpu, cpu_ratio)


def _predicted(recipe: Recipe, pictures: Path) -> tuple[float, float]:
    """Return the seconds and the processor time that `predict` takes for a folder, without opening its engine and printing."""
    with PartInspector(recipe) as inspector:
        began, used = time.perf_counter(), time.process_time()
        sequence = open_sequence(pictures)
        for _, item in sequence.each():
            if isinstance(item, Frame):
                inspector.inspect({CAMERA: item})
        sequence.close()
        return time.perf_counter() - began, time.process_time() - used


def _again(archive: Archive, recipe: Recipe, cluster: str = "") -> float:
    """Return the seconds from the first chunk that is asked for to the last verdict that is stored."""
    began = time.perf_counter()
    made = rejudge(archive, Filters(), recipe, cluster=cluster)
    seconds = time.perf_counter() - began
    rejudgements.forget(archive.database, made.name)
    return seconds


def _on_workers(archive: Archive, recipe: Recipe, place: Path, images: int, rounds: int, progress: Progress) -> ClusterSpeed:
    cores = sorted(psutil.Process().cpu_affinity() or [0])
    with ExitStack() as stack:
        addresses = [stack.enter_context(dask_cluster(place / f"dask-{count}", workers=count, cores=cores)) for count in (2, 1)]
        speeds: list[tuple[float, float]] = []
        for number in range(rounds + 1):
            progress(f"on workers, round {number} of {rounds}")
            two, one = (images / _again(archive, recipe, address) for address in addresses)
            if number:  # the first opens the engines
                speeds.append((two, one))
    two, one, ratio = _medians(speeds)
    return ClusterSpeed(images, one, two, ratio)


def _medians(speeds: Sequence[tuple[float, float]]) -> tuple[float, float, float]:
    first, second = zip(*speeds, strict=True)
    return median(first), median(second), median(one / two for one, two in speeds)


@contextmanager
def dask_cluster(folder: Path, *, workers: int, cores: Sequence[int] = ()) -> Iterator[str]:
    """Run a scheduler and workers with one thread each on this computer, and give its address. Raises JobError.

    `cores`: each worker runs on the next of them alone; () for on all.
    """
    folder.mkdir()
    address_file = folder / "scheduler.json"
    common = ["--scheduler-file", str(address_file), "--no-dashboard"]
    commands = [["distributed.cli.dask_scheduler", "--host", "127.0.0.1", "--port", "0", *common]]
    options = ["--nthreads", "1", "--no-nanny", "--local-directory", str(folder)]
    commands += [["distributed.cli.dask_worker", *common, *options]] * workers
    started: list[subprocess.Popen[bytes]] = []
    try:
        for number, command in enumerate(commands):
            with (folder / f"{number}.log").open("wb") as log:
                started.append(subprocess.Popen([sys.executable, "-m", *command], stdout=log, stderr=log, cwd=folder))
            if number and cores:
                psutil.Process(started[-1].pid).cpu_affinity([cores[(number - 1) % len(cores)]])
            if not number:
                _wait_for(address_file, started[0])
        yield _address(address_file, workers)
    finally:
        for process in reversed(started):
            process.kill()
            process.wait()


def _wait_for(file: Path, process: "subprocess.Popen[bytes]") -> None:
    due = time.monotonic() + _START_S
    while not file.exists():
        if process.poll() is not None or time.monotonic() > due:
            raise JobError("The dask scheduler does not start.", remedy='Install it: uv pip install "inspector[cluster]".')
        time.sleep(0.05)


def _address(file: Path, workers: int) -> str:
    """Return the address once all workers are there."""
    import distributed

    with distributed.Client(scheduler_file=str(file), set_as_default=False) as client:  # type: ignore[no-untyped-call]
        client.wait_for_workers(workers, timeout=_START_S)
        return str(client.scheduler.address)
