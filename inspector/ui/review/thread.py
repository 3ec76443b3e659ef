"""The thread that inspects reviewed parts: the current part first, then the following parts, until all are done."""

import logging
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from PySide6.QtCore import QObject, Signal

from inspector.core.errors import ConfigError, InspectorError
from inspector.core.message import Message, message
from inspector.core.types import Frame, Inspection, Masks, Verdict
from inspector.recipes.recipe import Recipe
from inspector.station.part_inspector import PartInspector
from inspector.ui.review.source import Material, Parts, open_parts
from inspector.ui.widgets.work_thread import WorkThread

log = logging.getLogger(__name__)

KEPT_BYTES: Final = 256 * 1024 * 1024  # size of the cache of inspected frames, for instant steps back
NOT_YET: Final = message("Not inspected yet.")


@dataclass(frozen=True, slots=True)
class Opened:
    """The parts are ready. `job` numbers the opened source; messages of older jobs are ignored."""

    job: int
    names: tuple[str, ...]
    recipe: Recipe


@dataclass(frozen=True, slots=True)
class Line:
    """Summary of a part's outcome."""

    job: int
    index: int
    verdict: Verdict
    reasons: tuple[Message, ...]
    latency_ms: float


@dataclass(frozen=True, slots=True, eq=False)
class Shown:
    """The requested part. `final`: with its verdict; before that only its frames."""

    job: int
    index: int
    inspection: Inspection
    recipe: Recipe
    final: bool


@dataclass(frozen=True, slots=True)
class Judge:
    """Which variants judge, in words, and why; `note`: what the operator must know about them."""

    job: int
    variants: str
    why: Message | None
    note: Message | None


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why nothing, or nothing but pictures, can be shown."""

    job: int
    problem: Message
    remedy: Message | None


class ReviewThread(WorkThread[tuple[Material, int]]):
    """Reads and inspects parts.

    `opened`, `judging`, `lined`, `shown` and `troubled` carry the classes above. Every method returns at once.
    """

    opened = Signal(object)
    judging = Signal(object)
    lined = Signal(object)
    shown = Signal(object)
    troubled = Signal(object)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._material: Material | None = None
        self._job = 0
        self._wanted = 0
        self._fresh = False  # True: the requested part is not shown yet
        self._kept: OrderedDict[int, Inspection] = OrderedDict()
        self._kept_bytes = 0

    def open(self, material: Material) -> int:
        """Review this source from its first part on. Returns the job's number."""
        with self._telling():
            self._material, self._wanted, self._fresh = material, 0, True
            self._job += 1
            self._forget()
            return self._job

    def want(self, index: int, *, shown: bool = False) -> None:
        """Show this part next; `shown`: the part is on the screen already, so only continue from there."""
        with self._telling(start=False):
            self._wanted, self._fresh = index, not shown

    def kept(self, index: int) -> Inspection | None:
        """Return the inspection of a part, if it is still in memory."""
        with self._wake:
            return self._kept.get(index)

    # On the thread

    def _take(self) -> tuple[Material, int] | None:
        material, self._material = self._material, None
        return (material, self._job) if material is not None else None

    def _do(self, work: tuple[Material, int]) -> None:
        material, job = work
        try:
            self._review(material, job)
        except InspectorError as error:
            self.troubled.emit(Trouble(job, error.problem, error.remedy))
        except Exception as error:
            log.exception("review failed")
            detail = f"{type(error).__name__}: {error}"
            self.troubled.emit(Trouble(job, message("The review failed ({detail}).", detail=detail), None))

    def _review(self, material: Material, job: int) -> None:
        parts, recipe = open_parts(material)
        try:
            names = tuple(parts.name(index) for index in range(len(parts)))
            self.opened.emit(Opened(job, names, recipe))
            self._preview(parts, recipe, job, verdict_follows=True)
            inspector = self._open_inspector(recipe, material.base, job)
            if inspector is None:
                self._step_only(parts, recipe, job)
                return
            with inspector:
                program = inspector.program
                self.judging.emit(Judge(job, program.variants, program.why, program.note))
                self._work(parts, inspector, job)
        finally:
            parts.close()

    def _open_inspector(self, recipe: Recipe, base: Path | None, job: int) -> PartInspector | None:
        try:
            return PartInspector(recipe, base)
        except InspectorError as error:
            self.troubled.emit(Trouble(job, error.problem, error.remedy))
            return None

    def _step_only(self, parts: Parts, recipe: Recipe, job: int) -> None:
        """Show frames without inspecting them, because there are no bundles."""
        while self._wait_for_wish(job):
            self._preview(parts, recipe, job)

    def _work(self, parts: Parts, inspector: PartInspector, job: int) -> None:
        done = bytearray(len(parts))
        while True:
            with self._wake:
                if self._stop or job != self._job:
                    return
                wanted, fresh = self._wanted, self._fresh
            index = wanted if fresh else _next(done, wanted)
            if index < 0:
                if not self._wait_for_wish(job):
                    return
                continue
            inspection = self._inspect(parts, inspector, index)
            self._keep(job, index, inspection)
            done[index] = 1
            self.lined.emit(Line(job, index, inspection.verdict, inspection.reasons, inspection.latency_ms))
            self._show(job, index, inspection, inspector.recipe, final=True)

    def _inspect(self, parts: Parts, inspector: PartInspector, index: int) -> Inspection:
        kept = self.kept(index)
        if kept is not None:
            return kept
        try:
            frames = parts.frames(index)
        except ConfigError as error:
            return inspector.uninspected(error.problem, source=parts.source(index), name=parts.name(index))
        return inspector.inspect(frames, name=parts.name(index))

    def _preview(self, parts: Parts, recipe: Recipe, job: int, *, verdict_follows: bool = False) -> None:
        """Show the requested part's frames while its verdict is pending."""
        with self._wake:
            index, self._fresh = self._wanted, False
            if job != self._job:
                return
        frames: Mapping[str, Frame] = {}
        reason = NOT_YET
        try:
            frames = parts.frames(index)
        except ConfigError as error:
            reason = error.problem
        inspection = Inspection(
            parts.name(index), index, Verdict.NOT_INSPECTED, (reason,), frames, (), recipe.name, recipe.revision, 0.0
        )
        self.shown.emit(Shown(job, index, inspection, recipe, final=False))
        with self._wake:
            self._fresh = self._fresh or (verdict_follows and self._wanted == index)

    def _show(self, job: int, index: int, inspection: Inspection, recipe: Recipe, *, final: bool) -> None:
        with self._wake:
            if index != self._wanted or not self._fresh:
                return
            self._fresh = False
        self.shown.emit(Shown(job, index, inspection, recipe, final))

    def _wait_for_wish(self, job: int) -> bool:
        """Wait until another part is requested; return False when the job is over."""
        with self._wake:
            while not self._fresh and not self._stop and job == self._job:
                self._wake.wait()
            return not self._stop and job == self._job

    def _keep(self, job: int, index: int, inspection: Inspection) -> None:
        with self._wake:
            if job != self._job or index in self._kept:
                return
            self._kept[index] = inspection
            self._kept_bytes += _size(inspection)
            while self._kept_bytes > KEPT_BYTES and len(self._kept) > 1:
                self._kept_bytes -= _size(self._kept.popitem(last=False)[1])

    def _forget(self) -> None:
        self._kept.clear()
        self._kept_bytes = 0


def _next(done: bytearray, wanted: int) -> int:
    """Return the first part that is not done, from the requested part on and then from the beginning; -1 when all are done."""
    ahead = done.find(b"\0", wanted)
    return ahead if ahead >= 0 else done.find(b"\0")


def _size(inspection: Inspection) -> int:
    answers = (prediction.answer for prediction in inspection.predictions)
    masks = (answer.planes.nbytes for answer in answers if isinstance(answer, Masks))
    return sum(frame.pixels.nbytes for frame in inspection.frames.values()) + sum(masks)
