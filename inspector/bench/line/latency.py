"""How long a part waits for its verdict while the line runs at a given share of the engine's throughput."""

from dataclasses import dataclass
from statistics import median
from typing import NamedTuple

import numpy as np

from inspector.bench.line.pipeline import SIZES, Progress, silent
from inspector.bench.making import exported, make
from inspector.bench.sides import EngineAlone, Naive, Ours
from inspector.core.storage.temporary import temporary_folder
from inspector.core.types import Precision
from inspector.recipes.automatic import recipe_for

LOAD = 0.7


@dataclass(frozen=True, slots=True)
class Latency:
    """Medians over the rounds, in ms; each ratio is the median of ratios within one round.

    `engine_ms`: the engine alone on one ready frame. `rate`: parts a second, `load` times the engine's own rate. `p50_ms`,
    `p99_ms`: from the moment a frame is due to its verdict; `ratio`: p99 over `engine_ms`. `paced_p99_ms`, `paced_ratio`: the
    same for the engine alone, given each ready frame when it is due; they show the pauses of the machine, which affect any
    pipeline. The naive pipeline has the same figures, at `load` times its own rate.
    """

    network: str
    precision: Precision
    load: float
    engine_ms: float
    rate: float
    p50_ms: float
    p99_ms: float
    ratio: float
    paced_p99_ms: float
    paced_ratio: float
    naive_rate: float
    naive_p50_ms: float
    naive_p99_ms: float
    naive_ratio: float


class _Round(NamedTuple):
    """Measurements of one round, as in `Latency`."""

    engine_ms: float
    rate: float
    p50_ms: float
    p99_ms: float
    paced_p99_ms: float
    naive_rate: float
    naive_p50_ms: float
    naive_p99_ms: float


def bench_latency(
    network: str = "simple_cnn",
    *,
    precision: Precision = "fp32",
    engine: str = "openvino",
    size: int | None = None,
    load: float = LOAD,
    rounds: int = 5,
    count: int = 200,
    progress: Progress = silent,
) -> Latency:
    """Measure `rounds` rounds of `count` parts each. Raises JobError, or the error of an export."""
    with temporary_folder() as name:
        plain = name / network
        make(plain, network, size=size or SIZES.get(network, 224))
        variant = exported(plain, engine, precision, out=name / "variant")
        recipe = recipe_for([variant], "bench", engine=engine, precision=precision)
        measured: list[_Round] = []
        with Naive(plain, batch=8) as naive, Ours(recipe) as ours, EngineAlone(variant, engine, precision, 1) as alone:
            for done in range(rounds + 1):
                progress(done, rounds + 1)
                alone_ms = 1000 / alone.round(max(8, count // 4))
                rate = load * 1000 / alone_ms
                paced = alone.paced(count, rate)
                latencies = [inspection.latency_ms for inspection in ours.round(count, rate=rate)[1]]
                naive_rate = load * naive.round(max(16, count // 4))["fps"]
                theirs = naive.round(max(16, count // 4), rate=naive_rate)["latency_ms"]
                measured.append(
                    _Round(
                        alone_ms,
                        rate,
                        *_percentiles(latencies),
                        _percentiles(paced)[1],
                        naive_rate,
                        *_percentiles(theirs),
                    )
                )
    del measured[0]
    middle = _Round(*(median(column) for column in zip(*measured, strict=True)))
    return Latency(
        network=network,
        precision=precision,
        load=load,
        engine_ms=middle.engine_ms,
        rate=middle.rate,
        p50_ms=middle.p50_ms,
        p99_ms=middle.p99_ms,
        ratio=median(one.p99_ms / one.engine_ms for one in measured),
        paced_p99_ms=middle.paced_p99_ms,
        paced_ratio=median(one.paced_p99_ms / one.engine_ms for one in measured),
        naive_rate=middle.naive_rate,
        naive_p50_ms=middle.naive_p50_ms,
        naive_p99_ms=middle.naive_p99_ms,
        naive_ratio=median(one.naive_p99_ms / one.engine_ms for one in measured),
    )


def _percentiles(values: list[float]) -> tuple[float, float]:
    p50, p99 = np.percentile(values, (50, 99)).tolist()
    return float(p50), float(p99)
