"""The station and the naive pipeline, compared on the same frames, weights and machine."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import mean, median

from inspector.bench.frames import demo_frames
from inspector.bench.making import exported, make, shipped
from inspector.bench.sides import EngineAlone, Naive, Ours
from inspector.core.registry import NETWORKS
from inspector.core.storage.temporary import temporary_folder
from inspector.core.types import Precision, TaskName, Verdict
from inspector.recipes.automatic import recipe_for

SIZES = {"simple_yolo": 448, "unet": 256}  # pixels a side; others: 224
SEED = 20  # seed of the demo line for the verdicts; no training used it


Progress = Callable[[int, int], None]  # called with (done, total)


def silent(done: int, total: int) -> None:
    """Ignore the progress."""
    del done, total


@dataclass(frozen=True, slots=True)
class Verdicts:
    """Verdicts of the shipped bundle of the network's task on `parts` parts of the demo line that it was not trained on.

    `equal`: share of parts on which the station, in the measured precision, and the naive pipeline agree. `naive`, `fp32`,
    `accuracy`: share of correct verdicts of the naive pipeline, of the station in fp32, and of the station in the measured
    precision. `drop`: `fp32` minus `accuracy`, in percentage points.
    """

    bundle: str
    parts: int
    equal: float
    naive: float
    fp32: float
    accuracy: float
    drop: float


@dataclass(frozen=True, slots=True)
class Result:
    """Medians over the rounds; each ratio or share is the median of values within one round.

    `ratio`: the station over the naive pipeline. `share`: the station over the engine alone, one batch after the other;
    `overhead` is the rest. `side_by_side_share`: the station over the engine alone with as many batches in flight as the engine
    takes. `reading`: share of the naive pipeline's time spent on reading the network's outputs.
    """

    network: str
    precision: Precision
    baseline_fps: float
    ours_fps: float
    ratio: float
    engine_only_fps: float
    share: float
    overhead: float
    side_by_side_fps: float
    side_by_side_share: float
    reading: float
    verdicts: Verdicts | None


def bench_pipeline(
    network: str = "simple_cnn",
    *,
    precision: Precision = "fp32",
    engine: str = "openvino",
    size: int | None = None,
    batch: int = 8,
    rounds: int = 5,
    count: int = 256,
    parts: int = 400,
    progress: Progress = silent,
) -> Result:
    """Measure `rounds` rounds of `count` frames each through both pipelines and through the engine alone.

    The three take turns, so that a busy machine slows all of them equally. Both pipelines get batches of up to `batch` frames
    of 640 x 480 pixels as fast as they take them. Afterwards both judge `parts` parts of the demo line (0: none). Raises
    JobError if the naive pipeline's process fails, or the error of an export.
    """
    with temporary_folder() as name:
        plain = name / network
        make(plain, network, size=size or SIZES.get(network, 224))
        variant = exported(plain, engine, precision, out=name / "variant")
        recipe = recipe_for([variant], "bench", engine=engine, precision=precision).model_copy(update={"max_batch": batch})
        measured = []
        with Naive(plain, batch=batch) as naive, Ours(recipe) as ours, EngineAlone(variant, engine, precision, batch) as alone:
            for done in range(rounds + 1):
                progress(done, rounds + 2)
                first = naive.round(count)
                rates = ours.round(count)[0], alone.round(count), alone.side_by_side(count)
                measured.append((first["fps"], *rates, first["reading"]))
        progress(rounds + 1, rounds + 2)
        task = NETWORKS[network].tasks[0]
        verdicts = _verdicts(task, engine, precision, parts, name / "shipped") if parts else None
    del measured[0]  # caches and clocks warm up
    return Result(
        network=network,
        precision=precision,
        baseline_fps=median(row[0] for row in measured),
        ours_fps=median(row[1] for row in measured),
        ratio=median(row[1] / row[0] for row in measured),
        engine_only_fps=median(row[2] for row in measured),
        share=median(row[1] / row[2] for row in measured),
        overhead=median(1 - row[1] / row[2] for row in measured),
        side_by_side_fps=median(row[3] for row in measured),
        side_by_side_share=median(row[1] / row[3] for row in measured),
        reading=median(row[4] for row in measured),
        verdicts=verdicts,
    )


def _verdicts(task: TaskName, engine: str, precision: Precision, parts: int, out: Path) -> Verdicts:
    bundle = shipped(task)
    pictures, good = demo_frames(task, parts, seed=SEED)

    def ours(folder: Path, wanted: Precision) -> list[bool]:
        with Ours(recipe_for([folder], "bench", engine=engine, precision=wanted), pictures) as station:
            return [inspection.verdict is Verdict.OK for inspection in station.round(parts)[1]]

    def right(verdicts: list[bool]) -> float:
        return mean(one == other for one, other in zip(verdicts, good, strict=True))

    plain = ours(bundle, "fp32")
    wanted = plain if precision == "fp32" else ours(exported(bundle, engine, precision, out=out), precision)
    with Naive(bundle, batch=8) as pipeline:
        naive = pipeline.demo(parts, SEED)
    return Verdicts(
        bundle=bundle.name,
        parts=parts,
        equal=mean(one == other for one, other in zip(wanted, naive, strict=True)),
        naive=right(naive),
        fp32=right(plain),
        accuracy=right(wanted),
        drop=100 * (right(plain) - right(wanted)),
    )
