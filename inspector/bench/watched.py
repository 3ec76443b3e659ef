"""How soon a file in a watched folder has its verdict, while the folder holds very many."""

import time
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from inspector.bench.line.pipeline import Progress, silent
from inspector.bench.sides import Taken
from inspector.cameras.demo.line import DemoLine
from inspector.core.errors import JobError
from inspector.core.storage.temporary import temporary_folder
from inspector.inspection.status import CameraState
from inspector.recipes.automatic import CAMERA, recipe_for
from inspector.recipes.recipe import CameraModel
from inspector.station.station import Station

SETTLE = 0.3  # seconds, the camera's default
LIMIT_MS = 500.0  # the verdict may come this much later than the settling time
_PERIOD = 0.1  # seconds between arriving files


@dataclass(frozen=True, slots=True)
class Watched:
    """Outcome of `arrivals` files that arrive in a folder of `files`. Times in ms from a file's arrival to its verdict.

    `over_p99_ms`: p99 beyond the settling time, which should be at most 500. `starting_s`: from the start until the first
    verdict of a file that came then.
    """

    files: int
    arrivals: int
    settle_ms: float
    p50_ms: float
    p99_ms: float
    max_ms: float
    over_p99_ms: float
    starting_s: float


def bench_watched(bundle: Path, *, files: int = 100_000, arrivals: int = 200, progress: Progress = silent) -> Watched:
    """Let files arrive, one every tenth of a second, in a folder of files that are not to be inspected. Raises JobError."""
    line = DemoLine(0)
    data = cv2.imencode(".jpg", line.visible(0)[0][..., ::-1])[1].tobytes()
    with temporary_folder() as folder:
        taken = Taken()
        for number in range(files):
            (folder / f"old-{number:06d}.jpg").write_bytes(b"not to be read")
        options = {"watch": True, "existing": False, "remember": False, "settle": SETTLE}
        recipe = recipe_for([bundle], f"folder:{folder}", name="watched")
        recipe = recipe.model_copy(update={"cameras": {CAMERA: CameraModel(source=f"folder:{folder}", options=options)}})
        station = Station(recipe, sinks=[taken])
        taken.want(1, keep=True)
        began = time.monotonic()
        station.start()
        try:
            starting = _first(folder, data, station, taken, began)
            came: dict[str, float] = {}
            for number in range(arrivals):
                path = folder / f"new-{number:06d}.jpg"
                path.write_bytes(data)
                came[str(path)] = time.time()
                progress(number, arrivals)
                time.sleep(_PERIOD)
            end = time.monotonic() + 60.0
            while sum(seen.source in came for seen in list(taken.seen)) < arrivals and time.monotonic() < end:
                time.sleep(_PERIOD)
        finally:
            station.stop()
        seen = [inspection for inspection in taken.seen if inspection.source in came]
        if len(seen) != arrivals:
            raise JobError("The station gave {count} of {wanted} verdicts.", count=len(seen), wanted=arrivals)
        # Measured from outside, not by the station.
        took = np.array([(inspection.utc.timestamp() - came[inspection.source]) * 1000 for inspection in seen])
    p50, p99 = np.percentile(took, (50, 99))
    return Watched(
        files, arrivals, SETTLE * 1000, float(p50), float(p99), float(took.max()), float(p99) - SETTLE * 1000, starting
    )


def _first(folder: Path, data: bytes, station: Station, taken: Taken, began: float) -> float:
    """Wait until the folder is watched and the first file is judged; return the seconds since the start."""
    end = began + 120.0
    while not any(camera.state is CameraState.CONNECTING for camera in station.status.cameras.values()):
        if time.monotonic() > end:
            raise JobError("The station did not start.")
        time.sleep(0.05)
    number = 0
    while not taken.count and time.monotonic() < end:
        # Until the first scan is through a file may count as one that was there already.
        (folder / f"first-{number:06d}.jpg").write_bytes(data)
        number += 1
        time.sleep(0.5)
    starting = time.monotonic() - began
    time.sleep(1.0)
    return starting
