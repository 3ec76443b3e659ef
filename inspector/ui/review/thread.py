"""The thread that inspects reviewed parts: the current part first, then the following parts, until all are done."""

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from PySide6.QtCore import QObject, Signal

from inspector.core.errors import ConfigError, InspectorError
from inspector.core.message import Message, message
from inspector.core.types import Frame, Inspection, Masks, Scores, Verdict
from inspector.recipes.recipe import Recipe
from inspector.recipes.verdict import margin
from inspector.station.part_inspector import PartInspector
from inspector.ui.review.effect import Judged
from inspector.ui.review.source import Material, Parts, open_parts
from inspector.ui.widgets.work_thread import WorkThread

KEPT_BYTES: Final = 256 * 1024 * 1024  # size of the cache of inspected frames, for instant steps back
ANSWER_BYTES: Final = 128 * 1024 * 1024  # of the answers that are kept longer than their frames, to be judged again
NOT_YET: Final = message("Not inspected yet.")


@dataclass(frozen=True, slots=True)
class Opened:
    """The parts are ready, and part `first` is shown. `job` numbers the opened source; messages of older jobs are ignored.

    `truths`: what each part is, by its folder; "" if unknown. `recipe` None: the parts are not judged.
    """

    job: int
    names: tuple[str, ...]
    truths: tuple[str, ...]
    recipe: Recipe | None
    first: int = 0


@dataclass(frozen=True, slots=True)
class Line:
    """Summary of a part's outcome.

    `said`: the most likely class, if a single classifier looked at the part. `margin`: see `recipes.verdict.margin`.
    """

    job: int
    index: int
    verdict: Verdict
    reasons: tuple[Message, ...]
    latency_ms: float
    said: str = ""
    margin: float | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Shown:
    """The requested part. `final`: with its verdict; before that only its frames."""

    job: int
    index: int
    inspection: Inspection
    recipe: Recipe | None
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
        self._judged: dict[int, Judged] = {}
        self._judged_bytes = 0

    def open(self, material: Material, *, first: int = 0) -> int:
        """Review this source, this part first. Returns the job's number."""
        with self._telling():
            self._material, self._wanted, self._fresh = material, first, True
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

    def judged(self) -> list[Judged]:
        """Return the answers for the inspected parts, as many as are kept."""
        with self._wake:
            return list(self._judged.values())

    # On the thread

    def _take(self) -> tuple[Material, int] | None:
        material, self._material = self._material, None
        return (material, self._job) if material is not None else None

    def _do(self, work: tuple[Material, int]) -> None:
        material, job = work
        parts, recipe = open_parts(material)
        try:
            names = tuple(parts.name(index) for index in range(len(parts)))
            with self._wake:
                first = self._wanted = min(self._wanted, len(names) - 1)
            truths = tuple(parts.truth(index) for index in range(len(parts)))
            self.opened.emit(Opened(job, names, truths, recipe, first))
            self._preview(parts, recipe, job, verdict_follows=recipe is not None)
            if recipe is None:
                self._step_only(parts, recipe, job)
                return
            inspector = self._open_inspector(recipe, material, job)
            if inspector is None:
                self._step_only(parts, recipe, job)
                return
            with inspector:
                program = inspector.program
                self.judging.emit(Judge(job, program.variants, program.why, program.note))
                self._work(parts, inspector, job)
        finally:
            parts.close()

    def _failed(self, work: tuple[Material, int], error: InspectorError) -> None:
        self.troubled.emit(Trouble(work[1], error.problem, error.remedy))

    def _open_inspector(self, recipe: Recipe, material: Material, job: int) -> PartInspector | None:
        try:
            return PartInspector(recipe, material.base)
        except InspectorError as error:
            self._failed((material, job), error)
            return None

    def _step_only(self, parts: Parts, recipe: Recipe | None, job: int) -> None:
        """Show frames without inspecting them, because there is nothing to inspect them with."""
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
            self.lined.emit(_line(job, index, inspection))
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

    def _preview(self, parts: Parts, recipe: Recipe | None, job: int, *, verdict_follows: bool = False) -> None:
        """Show the requested part's frames while its verdict is pending."""
        with self._wake:
            index, self._fresh = self._wanted, False
            if job != self._job:
                return
        frames: Mapping[str, Frame] = {}
        reasons = (NOT_YET,) if recipe is not None else ()
        try:
            frames = parts.frames(index)
        except ConfigError as error:
            reasons = (error.problem,)
        name, revision = ("", 0) if recipe is None else (recipe.name, recipe.revision)
        inspection = Inspection(parts.name(index), index, Verdict.NOT_INSPECTED, reasons, frames, (), name, revision, 0.0)
        self.shown.emit(Shown(job, index, inspection, recipe, final=False))
        with self._wake:
            self._fresh = self._fresh or (verdict_follows and self._wanted == index)

    def _show(self, job: int, index: int, inspection: Inspection, recipe: Recipe | None, *, final: bool) -> None:
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
            size = sum(one.answer.planes.nbytes for one in inspection.predictions if isinstance(one.answer, Masks))
            if inspection.verdict is not Verdict.NOT_INSPECTED and self._judged_bytes + size <= ANSWER_BYTES:
                self._judged_bytes += size if index not in self._judged else 0
                self._judged[index] = Judged(inspection.verdict, inspection.predictions, inspection.judgements)
            self._kept[index] = inspection
            self._kept_bytes += _size(inspection)
            while self._kept_bytes > KEPT_BYTES and len(self._kept) > 1:
                self._kept_bytes -= _size(self._kept.popitem(last=False)[1])

    def _forget(self) -> None:
        self._kept.clear()
        self._judged.clear()
        self._kept_bytes = self._judged_bytes = 0


def _line(job: int, index: int, inspection: Inspection) -> Line:
    scored = [(one.classes, one.answer) for one in inspection.predictions if isinstance(one.answer, Scores)]
    said = scored[0][0][scored[0][1].best] if len(scored) == 1 == len(inspection.predictions) else ""
    near = margin(inspection.predictions, inspection.judgements)
    return Line(job, index, inspection.verdict, inspection.reasons, inspection.latency_ms, said, near)


def _next(done: bytearray, wanted: int) -> int:
    """Return the first part that is not done, from the requested part on and then from the beginning; -1 when all are done."""
    ahead = done.find(b"\0", wanted)
    return ahead if ahead >= 0 else done.find(b"\0")


def _size(inspection: Inspection) -> int:
    answers = (prediction.answer for prediction in inspection.predictions)
    masks = (answer.planes.nbytes for answer in answers if isinstance(answer, Masks))
    return sum(frame.pixels.nbytes for frame in inspection.frames.values()) + sum(masks)
