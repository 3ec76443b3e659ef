"""The table of faults: each is provoked for real, and must cost nothing."""

import signal
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from inspector.bench.faults import processes, stations
from inspector.bench.faults.outcome import FaultCost
from inspector.core.errors import ConfigError
from inspector.core.storage.temporary import temporary_folder

Provoke = Callable[[Path, Path], FaultCost]  # from an empty folder and a bundle


@dataclass(frozen=True, slots=True)
class FaultRow:
    """One fault with its cost, and how long it took to find out."""

    fault: str
    cost: FaultCost
    seconds: float


def _stream(damage: stations.Damage) -> Provoke:
    return lambda folder, bundle: stations.damaged_stream(bundle, damage)


FAULTS: Mapping[str, Provoke] = {
    "MJPEG frames cut in half": _stream(stations.cut),
    "MJPEG frames garbled": _stream(stations.garbled),
    "10,000 frames damaged at random": lambda folder, bundle: stations.damaged_at_random(bundle),
    "camera sends another size": _stream(stations.resized),
    "camera repeats its last frame": _stream(stations.stale),
    "camera alternates between old frames": _stream(stations.alternating),
    "connection to the camera lost": lambda folder, bundle: stations.lost_connections(bundle),
    "engine hangs": lambda folder, bundle: stations.hung_engine(bundle),
    "worker process killed": lambda folder, bundle: stations.killed_worker(bundle, signal.SIGKILL),
    "worker process frozen": lambda folder, bundle: stations.killed_worker(bundle, signal.SIGSTOP),
    "recipe changed while the line runs": lambda folder, bundle: stations.changed_recipe(bundle),
    "process killed": processes.killed_process,
    "process asked to stop": processes.asked_to_stop,
    "disk full": processes.full_disk,
    "disk hangs": processes.hung_disk,
    "two processes save into one folder": processes.two_writers,
    "two processes watch one folder": processes.two_watchers,
    "process killed while it watches a folder": processes.killed_watching,
}


def provoke(name: str, bundle: Path) -> FaultRow:
    """Provoke one fault. Raises InspectorError if it cannot be provoked; a package that is missing only skips it."""
    began = time.monotonic()
    with temporary_folder() as folder:
        try:
            cost = FAULTS[name](folder, bundle)
        except ConfigError as error:
            if "package" not in error.problem.values:
                raise
            cost = replace(FaultCost(), skipped=error.problem.text)
    return FaultRow(name, cost, time.monotonic() - began)
