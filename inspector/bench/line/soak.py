"""A working day of the line in minutes: whether memory grows and parts get lost."""

import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import cv2
import numpy as np
import psutil

from inspector.archive.recording.sinks import archive_sinks
from inspector.bench.frames import Picture, demo_frames
from inspector.bench.line.pipeline import Progress, silent
from inspector.bench.sides import Ours
from inspector.bundles.bundle import Bundle
from inspector.core.errors import ConfigError
from inspector.core.storage.temporary import temporary_folder
from inspector.recipes.automatic import recipe_for
from inspector.results.saving import PICTURES, PictureSink, RecordSink, RunFolder
from inspector.results.sink import Sink

LINE = 10.0  # parts a second of the simulated line
_STEPS, _WARM = 100, 10  # number of steps, and of warm-up steps among them
_MB = 1e6


@dataclass(frozen=True, slots=True)
class Soak:
    """Outcome of `parts` parts.

    `line_hours`: time a line of 10 parts a second needs for them. `lost`: parts without a verdict; `dropped` and
    `not_inspected` as the station counts them. Process memory in MB is the median over a tenth of the parts: the second tenth,
    and the last. `growth`: relative growth between the two. `curve`: memory in MB after each hundredth of the parts.
    """

    parts: int
    lost: int
    dropped: int
    not_inspected: int
    seconds: float
    line_hours: float
    memory_mb: float
    memory_end_mb: float
    growth: float
    curve: tuple[float, ...]


def bench_soak(
    bundle: Path, *, parts: int = 100_000, engine: str = "openvino", save: bool = False, progress: Progress = silent
) -> Soak:
    """Let the station inspect `parts` frames at full speed through all its stages. Raises ConfigError for fewer than 100.

    `save`: frames of the demo line, of 160 x 120 px, one in 32 of a bad part, with a run folder and the archive in a temporary
    folder; the pictures are deleted as it goes on.
    """
    if parts < _STEPS:
        raise ConfigError("At least {count} parts are needed.", remedy="Give a larger number.", count=_STEPS)
    process, memory = psutil.Process(), list[float]()
    started = time.monotonic()
    with temporary_folder() as place:
        sinks, pictures = _saving(bundle, place) if save else ((), None)
        with Ours(recipe_for([bundle], "bench", engine=engine), pictures, sinks=sinks) as ours:
            for step in range(_STEPS):
                progress(step, _STEPS)
                ours.round(parts * (step + 1) // _STEPS - parts * step // _STEPS, keep=False)
                memory.append(process.memory_info().rss / _MB)
                for pattern in (f"*/{PICTURES}/*.png", "archive/**/*.jxl"):
                    for picture in place.glob(pattern):
                        picture.unlink(missing_ok=True)
            stats = ours.station.stats()
    before, after = median(memory[_WARM : 2 * _WARM]), median(memory[-_WARM:])
    return Soak(
        parts=parts,
        lost=parts - stats.parts,
        dropped=stats.dropped,
        not_inspected=stats.not_inspected,
        seconds=time.monotonic() - started,
        line_hours=parts / LINE / 3600,
        memory_mb=before,
        memory_end_mb=after,
        growth=after / before - 1,
        curve=tuple(round(value, 1) for value in memory),
    )


def _saving(bundle: Path, place: Path) -> tuple[list[Sink], list[Picture]]:
    """Return the sinks of a line that saves everything in `place`, and its frames: small, because writing them costs most."""
    folder = RunFolder(place)
    made, good = demo_frames(Bundle.open(bundle).card.task, 100, seed=20)
    small = [np.asarray(cv2.resize(frame, (160, 120), interpolation=cv2.INTER_AREA), np.uint8) for frame in made]
    bad = [frame for frame, is_good in zip(small, good, strict=True) if not is_good]
    frames = [frame for frame, is_good in zip(small, good, strict=True) if is_good][:62] + bad[:2]
    return [*archive_sinks(folder=place / "archive"), RecordSink(folder), PictureSink(folder)], frames
