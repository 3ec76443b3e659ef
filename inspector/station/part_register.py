"""The register of parts that need an answer: open, decided, told. A single owner, so that no verdict is delivered twice."""

import logging
import time
from collections.abc import Iterable, Sequence
from threading import Condition, Lock
from typing import Protocol

from inspector.core.message import message
from inspector.core.types import Inspection
from inspector.inspection.parts import Life, Part, PartResult, conclude
from inspector.inspection.program import Program

log = logging.getLogger(__name__)

_TELLING_S = 10.0  # how long closing waits for verdicts that are being delivered


class Receiver(Protocol):
    """Receives what becomes of parts. `judged` must not block without `wait`, the others never."""

    def part_opened(self, sequence: int, part: str) -> None: ...
    def part_forgotten(self, sequence: int) -> None: ...
    def judged(self, inspections: Sequence[Inspection], wait: bool) -> None: ...


class PartRegister:
    """Opens, decides and tells parts. Every method may be called from any thread.

    The first thread to decide a part delivers its verdict; later ones are refused. After `close` no part is opened, decided or
    told.
    """

    def __init__(self, receiver: Receiver, *, limit: int | None = None) -> None:
        """`receiver` gets the verdicts. `limit`: most parts to answer."""
        self._receiver = receiver
        self._limit = limit
        lock = Lock()
        self._changed = Condition(lock)  # for the supervisor, which is not woken for every part
        self._idle = Condition(lock)  # for the thread that closes
        self._parts: dict[int, Part] = {}  # by sequence, in order of opening
        self._answered = 0
        self._telling = 0
        self._closed = False
        self._look_at = 0.0  # time when `wait` next looks by itself

    def open(self, part: Part) -> bool:
        """Register a part to be answered; return False if none can be (closed, or the limit is reached)."""
        with self._changed:
            if self._closed or (self._limit is not None and self._answered + len(self._parts) >= self._limit):
                return False
            self._parts[part.sequence] = part
            self._receiver.part_opened(part.sequence, part.name)
            if part.deadline_s is not None and time.monotonic() + part.deadline_s < self._look_at:
                self._changed.notify_all()
            return True

    def forget(self, parts: Iterable[Part]) -> None:
        """Remove these parts, whose frames were dropped for newer ones, without an answer."""
        with self._changed:
            for part in parts:
                if part.life is Life.OPEN and self._parts.pop(part.sequence, None) is not None:
                    self._receiver.part_forgotten(part.sequence)

    def decide(self, part: Part, result: PartResult, program: Program, *, wait: bool = True) -> bool:
        """Judge a part and deliver the verdict; return False if another thread already has. `wait`: see `Receiver`."""
        return self.decide_all([(part, result)], program, wait=wait) == 1

    def decide_all(self, found: Sequence[tuple[Part, PartResult]], program: Program, *, wait: bool = True) -> int:
        """Judge parts and deliver the verdicts together; return how many no other thread had decided before.

        No other thread can decide them until all are delivered: parts with a deadline are decided one by one.
        """
        with self._changed:
            mine = [
                (part, result)
                for part, result in found
                if not self._closed and part.life is Life.OPEN and part.sequence in self._parts
            ]
            for part, _ in mine:
                part.life = Life.DECIDED
            self._telling += len(mine)
        try:
            if mine:
                self._receiver.judged([_concluded(part, result, program) for part, result in mine], wait)
        finally:
            with self._changed:
                for part, _ in mine:
                    part.life = Life.TOLD
                    self._parts.pop(part.sequence, None)
                self._answered += len(mine)
                self._telling -= len(mine)
                if not self._telling:
                    self._idle.notify_all()
        return len(mine)

    def parts(self) -> list[Part]:
        """Return the undecided parts, oldest first."""
        with self._changed:
            return [part for part in self._parts.values() if part.life is Life.OPEN]

    def __len__(self) -> int:
        """Return the number of parts that need an answer or are being told."""
        return len(self._parts)

    def overdue(self, now: float) -> list[Part]:
        """Return the undecided parts whose deadline has passed."""
        return [part for part in self.parts() if (due := part.due()) is not None and due <= now]

    def wait(self, until: float) -> None:
        """Wait until a part may be overdue, but not beyond `until` (monotonic seconds)."""
        with self._changed:
            dues = [part.due() for part in self._parts.values() if part.life is Life.OPEN]
            self._look_at = min([until, *(due for due in dues if due is not None)])
            self._changed.wait(max(0.0, self._look_at - time.monotonic()))
            self._look_at = 0.0

    def wake(self) -> None:
        """End a `wait`."""
        with self._changed:
            self._changed.notify_all()

    @property
    def full(self) -> bool:
        """Whether as many parts as the limit have been answered."""
        return self._limit is not None and self._answered >= self._limit

    def close(self, program: Program) -> None:
        """Answer the remaining triggered parts and those in an engine, then close. Nothing is told after this returns."""
        with self._changed:
            left = [part for part in self._parts.values() if part.triggered or part.begun]
        for part in left:
            problem = message("The station was stopped before this part was inspected.")
            self.decide(part, PartResult(failures=[problem]), program, wait=False)
        with self._changed:
            # A trigger may have arrived meanwhile: answer it too. After closing no more can arrive.
            later = [part for part in self._parts.values() if part.triggered and part.life is Life.OPEN]
            self._closed = not later
            if self._closed:
                self._parts.clear()
                self._idle.wait_for(lambda: not self._telling, _TELLING_S)
        if later:
            self.close(program)


def _concluded(part: Part, result: PartResult, program: Program) -> Inspection:
    try:
        return conclude(part, result, program)
    except Exception as error:
        log.exception("The part %s could not be judged", part.name)
        problem = message("Internal error while inspecting: {detail}", detail=f"{type(error).__name__}: {error}")
        return conclude(part, PartResult(failures=[problem]), program)
