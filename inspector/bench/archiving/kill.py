"""Kill a station, or its feeder, at random instants, and ask the archive for every part that the line was told of."""

import contextlib
import multiprocessing
import os
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import count
from multiprocessing.context import ForkServerContext, SpawnContext
from pathlib import Path
from typing import Final

import numpy as np
import psutil

from inspector.archive.archive import opened_archive
from inspector.archive.contents import ABORTED
from inspector.archive.recording.sinks import archive_sinks
from inspector.archive.store.query import part_counts
from inspector.archive.store.verify import verify
from inspector.core.message import message
from inspector.core.types import Frame, Inspection, Judgement, Region, Verdict
from inspector.inspection.status import StationStatus
from inspector.results.sink import Sink
from inspector.station.counters import Counters
from inspector.station.ledgers import Ledgers
from inspector.station.outputs import Outputs

_AHEAD: Final = 4  # parts that are opened before the first of them is judged
_LONGEST_S: Final = 0.15  # from the first part that was told to the kill
_FEEDER_EVERY: Final = 10  # of the stations, whose feeder is killed first
_LONGEST_FEEDER_S: Final = 6.0  # from the start of that feeder to its end
_PATIENCE_S: Final = 60.0


@dataclass(frozen=True, slots=True)
class Kills:
    """Outcome of `kills` kills of a station, and of `feeders` more of the process that feeds its database.

    `told`: parts that the line was told of. `missing`: of these, those that the archive does not have. `doubled`: parts that it
    has more than once. `interrupted`: parts that were under way at a kill. `broken`: problems that the proof finds.
    """

    kills: int
    feeders: int
    told: int
    missing: int
    doubled: int
    interrupted: int
    broken: int
    seconds: float


def bench_kills(folder: Path, *, kills: int, seed: int = 0, progress: Callable[[int, int], None] = lambda *_: None) -> Kills:
    """Start a station on the archive in `folder`, kill it, and so on; then open the archive and count."""
    began, chance = time.monotonic(), random.Random(seed)
    folder.mkdir(parents=True, exist_ok=True)
    context: ForkServerContext | SpawnContext = multiprocessing.get_context("spawn")
    if "forkserver" in multiprocessing.get_all_start_methods():
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload([__name__])
    told: list[str] = []
    feeders = 0
    for number in range(kills):
        progress(number, kills)
        file = folder / f"told-{number}"
        file.touch()
        victim = context.Process(target=_victim, args=(folder, number, file), daemon=True)
        victim.start()
        _wait_for_some(file)
        if number % _FEEDER_EVERY == 0:
            feeders += _kill_feeder(victim.pid, chance)
        time.sleep(chance.random() * _LONGEST_S)
        victim.kill()
        victim.join()
        victim.close()
        told += [line for line in file.read_text("utf-8").split("\n")[:-1] if line]
        file.unlink()
    with opened_archive(folder) as archive:
        counts = part_counts(archive.database)
        proof = verify(archive.database, archive.folder)
    inspected = {part: number for (part, state), number in counts.items() if state != ABORTED}
    interrupted = {part: number for (part, state), number in counts.items() if state == ABORTED}
    return Kills(
        kills=kills,
        feeders=feeders,
        told=len(told),
        missing=sum(part not in inspected for part in told),
        doubled=sum(number > 1 for number in (inspected | interrupted).values())
        + sum(part in inspected for part in interrupted),
        interrupted=len(interrupted),
        broken=len(proof.problems),
        seconds=time.monotonic() - began,
    )


def _kill_feeder(station: int | None, chance: random.Random) -> int:
    """Kill the feeder of a station that lives on, at an instant from its start to long after it feeds; return how many."""
    until = time.monotonic() + _PATIENCE_S
    while not (children := psutil.Process(station).children()):
        if time.monotonic() > until:
            return 0
        time.sleep(0.01)
    time.sleep(chance.random() * _LONGEST_FEEDER_S)
    killed = 0
    for child in children:
        with contextlib.suppress(psutil.NoSuchProcess):
            child.kill()
            killed += 1
    return killed


class _Line(Sink):
    """The line: writes down which parts it was told of. What is in the file survives the process."""

    name = "line"

    def __init__(self, file: Path) -> None:
        self._file = os.open(file, os.O_WRONLY | os.O_APPEND)

    def take(self, inspection: Inspection) -> None:
        os.write(self._file, f"{inspection.part}\n".encode())


def _victim(folder: Path, number: int, file: Path) -> None:
    """Inspect until killed."""
    outputs = Outputs([*archive_sinks(folder=folder), _Line(file)], Counters(), lambda *_: None, Ledgers())
    outputs.open(StationStatus())
    for sequence in count():
        outputs.part_opened(sequence, f"{number}-{sequence}")
        if sequence >= _AHEAD:
            judged = sequence - _AHEAD
            outputs.put([made_inspection(judged, part=f"{number}-{judged}")], wait=True)
            time.sleep(0.0005)


def _wait_for_some(file: Path) -> None:
    until = time.monotonic() + _PATIENCE_S
    while not file.stat().st_size and time.monotonic() < until:
        time.sleep(0.001)


def made_inspection(number: int, *, part: str, size: tuple[int, int] = (48, 64)) -> Inspection:
    """Return an inspection as a station makes it, without a station; every seventh is NG, every eleventh REVIEW."""
    value = float(np.random.default_rng(number).random())
    verdict = Verdict.NG if number % 7 == 0 else Verdict.REVIEW if number % 11 == 0 else Verdict.OK
    score = 0.6 + 0.4 * value if verdict is Verdict.NG else 0.6 * value
    pixels = np.random.default_rng(number).integers(0, 256, (*size, 3)).astype(np.uint8)
    now = datetime.now(UTC)
    reasons = () if verdict is Verdict.OK else (message("{name} score {value} > {limit}", name="bad", value=score, limit=0.6),)
    judgement = Judgement(0, "states", "top", Region(0, 0, size[1], size[0]), "score", "bad", score, "above", 0.6, verdict)
    return Inspection(
        part=part,
        sequence=number,
        verdict=verdict,
        reasons=reasons,
        frames={"top": Frame(pixels, "top", number, time.monotonic(), now)},
        predictions=(),
        recipe="bench",
        revision=1,
        latency_ms=10.0,
        utc=now,
        source="bench",
        judgements=(judgement,),
    )
