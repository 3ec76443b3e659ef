"""Some archived parts judged again: what one computer does at a time, by the same way as the line."""

import platform
import threading
import time
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from inspector.archive.images import read_kept
from inspector.core.errors import ConfigError, EngineError, InspectorError
from inspector.core.message import Message, message
from inspector.core.types import Frame, Unit
from inspector.inspection.batch_inference import BatchInference
from inspector.inspection.parts import Part, PartResult, capture_of, conclude
from inspector.inspection.program import load_program
from inspector.recipes.recipe import Recipe
from inspector.recipes.verdict import margin
from inspector.tuning.store import decide
from inspector.workers.process import usable_cores

CHUNK: Final = 32  # parts that one computer is given at a time; at the end the others wait for at most so many
_AHEAD: Final = 2  # groups of parts whose images are read while one group is judged


@dataclass(frozen=True, slots=True)
class RejudgeRequest:
    """What judges again: the recipe as JSON, the folder that its bundles are searched from, and the archive's folder.

    `bundles`: fingerprints that the bundles must have, on whichever computer.
    """

    archive: Path
    recipe: str
    base: Path | None = None
    bundles: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class StoredPart:
    """An archived part: its key, its name, its image files by camera, and what its record says of each frame."""

    key: int
    name: str
    files: Mapping[str, Mapping[str, Any]]
    frames: Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Rejudged:
    """What is said of a part now. `verdict` "": its images could not be judged, for `reason`."""

    key: int
    verdict: str
    reason: str = ""
    margin: float | None = None


_Read = Sequence[tuple[StoredPart, Part | Message]]  # parts with their images, or why they cannot be judged


class Rejudger:
    """Judges archived parts by a recipe, with the variants that are tuned for this computer. Used by one thread."""

    def __init__(self, request: RejudgeRequest) -> None:
        """Verify the bundles and open the engines. Raises ConfigError or EngineError."""
        self._archive = request.archive
        program = load_program(Recipe.model_validate_json(request.recipe), request.base)
        if request.bundles and sorted(set(program.judged_by.bundles.values())) != list(request.bundles):
            raise ConfigError("The bundles on {computer} are not those that were asked for.", computer=platform.node())
        self._program = decide(program, test_s=None).apply(program)
        self._problem: Message | None = None
        self._inference = BatchInference(self._program, report=self._report)
        self._inference.open()
        # Decoding an image takes longer than a small network does with it, and holds no lock of Python.
        self._reading = ThreadPoolExecutor(len(usable_cores()), thread_name_prefix="archive-reading")

    def judge(self, parts: Sequence[StoredPart]) -> list[Rejudged]:
        """Return what is said of each part. Raises EngineError if an engine fails, because then nothing is known of any."""
        return next(self.judge_all([parts]))

    def judge_all(self, chunks: Iterable[Sequence[StoredPart]]) -> Iterator[list[Rejudged]]:
        """Yield what is said of each chunk, as `judge` does; images of later parts, and chunks, are read meanwhile."""
        said: list[Rejudged] = []
        for read, is_last in self._read(chunks):
            said += self._judge(read)
            if is_last:
                yield said
                said = []

    def close(self) -> None:
        """Close the engines; may be called twice."""
        self._reading.shutdown(cancel_futures=True)
        self._inference.close()

    def _read(self, chunks: Iterable[Sequence[StoredPart]]) -> Iterator[tuple[_Read, bool]]:
        """Yield groups of parts with their images, and whether a group is the last of its chunk."""
        size = self._program.recipe.max_batch
        ahead: deque[tuple[list[tuple[StoredPart, Future[Part | Message]]], bool]] = deque()
        for parts in chunks:
            for start in range(0, max(1, len(parts)), size):
                group = [(one, self._reading.submit(self._opened, one)) for one in parts[start : start + size]]
                ahead.append((group, start + size >= len(parts)))
                if len(ahead) > _AHEAD:
                    yield _waited(*ahead.popleft())
        while ahead:
            yield _waited(*ahead.popleft())

    def _opened(self, stored: StoredPart) -> Part | Message:
        """Return the part with its frames, or why it cannot be judged."""
        part = Part(stored.name, 0, time.monotonic())
        cameras = tuple(self._program.recipe.cameras)
        for camera, file in stored.files.items():
            place = cameras[0] if len(cameras) == len(stored.files) == 1 else camera
            if place not in cameras:
                continue
            facts = stored.frames.get(camera, {})
            try:
                pixels = read_kept(self._archive, file)
                unit: Unit = facts.get("unit") or "intensity"
                now, bits = datetime.now(UTC), facts.get("bits")
                frame = Frame(pixels, place, 0, time.monotonic(), now, unit=unit, bits=bits)
                if facts.get("utc"):
                    then = datetime.fromisoformat(facts["utc"]).timestamp()
                    part.then = then if part.then is None else min(part.then, then)
            except InspectorError as error:
                return error.problem
            except ValueError as error:
                return message("{detail}.", detail=error)
            part.captures[place] = capture_of(frame, place, self._program)
        missing = next((camera for camera in self._program.cameras() if camera not in part.captures), None)
        return part if missing is None else message("The archive has no image of {camera}.", camera=missing)

    def _judge(self, read: _Read) -> list[Rejudged]:
        parts = [part for _, part in read if isinstance(part, Part)]
        results = iter(self._inference.analyse(parts))
        if self._problem is not None:
            raise EngineError("The engine failed while archived parts were judged: {why}", why=self._problem)
        return [
            Rejudged(stored.key, "", part.text) if isinstance(part, Message) else self._said(stored, part, next(results))
            for stored, part in read
        ]

    def _said(self, stored: StoredPart, part: Part, result: PartResult) -> Rejudged:
        inspection = conclude(part, result, self._program)
        reason = inspection.reasons[0].text if inspection.reasons else ""
        return Rejudged(stored.key, inspection.verdict.value, reason, margin(inspection.predictions, inspection.judgements))

    def _report(self, _where: str, problem: Message | None, _remedy: Message | None) -> None:
        self._problem = problem

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


def _waited(group: Sequence[tuple[StoredPart, Future[Part | Message]]], is_last: bool) -> tuple[_Read, bool]:
    return [(one, read.result()) for one, read in group], is_last


_opened: dict[RejudgeRequest, Rejudger] = {}  # of this process, for the chunks that a cluster sends it
_alone = threading.Lock()


def judge_chunk(request: RejudgeRequest, parts: Sequence[StoredPart]) -> list[Rejudged]:
    """Judge parts with engines that stay open for the next chunk of this request; raises as `Rejudger.judge`."""
    with _alone:
        if request not in _opened:
            close_opened()
            _opened[request] = Rejudger(request)
        return _opened[request].judge(parts)


def close_opened() -> None:
    """Close the engines of the request before."""
    while _opened:
        _opened.popitem()[1].close()
