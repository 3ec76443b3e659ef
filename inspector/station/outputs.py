"""The output stage: every verdict goes to every sink, each on its own thread behind its own edge.

Sinks that record come first, one after the other: no other sink receives a verdict before it is written. The ledger of a
watched folder is written before the first of them and after the last one. The other sinks run in parallel, so that slow
pictures delay neither the line nor the display.
"""

import logging
import threading
import time
from collections.abc import Callable, Sequence
from itertools import groupby

from inspector.core.errors import InspectorError, defect
from inspector.core.message import Message, message
from inspector.core.types import Inspection
from inspector.inspection.parts import weight_of
from inspector.inspection.pulse import Pulse
from inspector.inspection.status import StageStats, StationStatus
from inspector.results.sink import NotRecorded, Sink
from inspector.station.counters import Counters
from inspector.station.edge import Edge
from inspector.station.ledgers import Ledgers, LedgerSink

log = logging.getLogger(__name__)

CAPACITY = 256 * 1024 * 1024  # most bytes of waiting frames
NAMED_S = 4.0  # time in seconds per inspection after which a sink is named
PATIENCE = 10.0  # longest time before a sink counts as hanging, so that nothing waits for it any more
_REMEDY = "Check the disk, or what else it is written to."
_TAKEN = 16  # most inspections that a sink's thread takes at once

Report = Callable[[str, Message | None, Message | None], None]


class Outputs:
    """Distributes every inspection to the sinks. `put` may be called from any thread."""

    def __init__(self, sinks: Sequence[Sink], counters: Counters, report: Report, ledgers: Ledgers) -> None:
        """`report(name, problem, remedy)` receives losses and hangs of a sink; problem None: it works again."""
        self._ledgers = ledgers
        others = [_Lane(sink, counters, report, ()) for sink in sinks if not sink.records]
        recording = [sink for sink in sinks if sink.records]
        first: list[_Lane] = others
        records: list[_Lane] = []
        for sink in reversed(recording or [LedgerSink()]):
            lane = _Lane(sink, counters, report, first)
            records.insert(0, lane)
            first = [lane]
        if recording:
            records[0].before = lambda inspection: ledgers.begin(
                inspection, next((sink.place for sink in recording if sink.place is not None), None)
            )
        records[-1].after = ledgers.done
        self._first = first if recording else others
        self._ledger_first = first
        self._lanes = [*records, *others]  # in the order in which they are closed

    def open(self, status: StationStatus) -> None:
        """Open every sink and start its thread, or none if one raises InspectorError."""
        opened: list[_Lane] = []
        try:
            for lane in self._lanes:
                lane.sink.open(status)
                opened.append(lane)
        except BaseException:
            for lane in opened:
                lane.finish(status)
            raise
        for lane in self._lanes:
            lane.start()

    def part_opened(self, sequence: int, part: str) -> None:
        """Let every sink note a part that is under way."""
        for lane in self._lanes:
            lane.sink.part_opened(sequence, part)

    def part_forgotten(self, sequence: int) -> None:
        """Let every sink note a part that gets no verdict."""
        for lane in self._lanes:
            lane.sink.part_forgotten(sequence)

    def put(self, inspections: Sequence[Inspection], wait: bool) -> None:
        """Distribute verdicts, in order.

        Waits for room in sinks that never drop, unless `wait` is False: then the verdicts are accepted regardless.
        """
        for inspection in inspections:
            self._ledgers.claim(inspection)
        for watched, group in groupby(inspections, lambda inspection: bool(inspection.origins)):
            together = list(group)
            for lane in self._ledger_first if watched else self._first:
                lane.put(together, wait)

    def close(self, status: Callable[[], StationStatus]) -> None:
        """Let every sink take its waiting items, then close it. A sink that hangs is abandoned and reported.

        `status` is asked when a sink has taken everything: what the last parts are told may differ from what was judged.
        """
        for lane in self._lanes:
            lane.close(status)

    @property
    def idle(self) -> bool:
        """Whether every sink that does not hang has taken everything."""
        return all(lane.idle for lane in self._lanes)

    def edges(self) -> dict[str, StageStats]:
        """Return the depth and drops of each sink's edge, by the sink's name."""
        return {f"to {lane.sink.name}": lane.edge_stats() for lane in self._lanes}

    def look(self, now: float) -> None:
        """Report the sinks that hang."""
        for lane in self._lanes:
            lane.look(now)


class _Lane:
    """One sink with its edge and thread, and the lanes that follow it."""

    def __init__(self, sink: Sink, counters: Counters, report: Report, then: "Sequence[_Lane]") -> None:
        self.sink = sink
        self._counters = counters
        self._report = report
        self._then = then
        self.before: Callable[[Inspection], None] | None = None
        self.after: Callable[[Inspection], None] | None = None
        self._edge: Edge[Inspection] = Edge(sink.size, drop=sink.drop, capacity=CAPACITY, weigh=weight_of)
        self._pulse = Pulse()
        self._problem: Message | None = None
        self._remedy: Message | None = None
        self._hung = False
        self._named = False
        self._said = 0  # number of lost parts that was reported
        self._left = False  # the thread hangs, and is not waited for any more
        self._status: Callable[[], StationStatus] | None = None
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        self._thread = threading.Thread(target=self._run, name=f"sink-{self.sink.name}", daemon=True)
        self._thread.start()

    def put(self, inspections: Sequence[Inspection], wait: bool) -> None:
        """Queue inspections. Waits for room, but no longer than a part may wait for a sink that others need not wait for."""
        dues = [inspection.due for inspection in inspections if inspection.due is not None] if self.sink.spare else []
        timeout = max(0.0, min(dues) - time.monotonic()) if dues else None
        self._edge.put_all(inspections, timeout=timeout, over=not wait)
        if not self._named:
            self._say_lost()

    def _say_lost(self) -> None:
        """Report parts that the sink should have received and had no room for, unless that is said already."""
        count = 0 if self.sink.drop == "oldest" else self._edge.drops
        if count > self._said:
            self._said = count
            problem = message(
                "{count} {count:|part has|parts have} not reached {what}, which is too slow.", count=count, what=self.sink.name
            )
            self._note(problem, message(_REMEDY))

    def edge_stats(self) -> StageStats:
        return StageStats(depth=len(self._edge), drops=self._edge.drops)

    def close(self, status: Callable[[], StationStatus]) -> None:
        self._status = status
        self._edge.close()
        thread = self._thread
        while thread is not None and thread.is_alive():
            thread.join(0.2)
            self._look_along(time.monotonic())
            if self._hung:
                self._left = True
                return
        self._said = 0
        self._say_lost()  # the last word

    def _look_along(self, now: float) -> None:
        """Look at this lane and all that follow it, so that at the end none waits for room at one that hangs."""
        self.look(now)
        for lane in self._then:
            lane._look_along(now)
            if lane._hung:
                lane._edge.stick(True)

    @property
    def idle(self) -> bool:
        return self._hung or self._edge.idle

    def look(self, now: float) -> None:
        doing = self._pulse.doing
        silent = 0.0 if doing is None else now - doing.since
        hung = silent > PATIENCE
        if hung != self._hung:
            self._hung = hung
            self._edge.stick(hung and not self.sink.records)
        named = silent > min(NAMED_S, PATIENCE)
        if named == self._named:
            return
        self._named = named
        if doing is None or not self._named:
            self._report(self.sink.name, self._problem, self._remedy)
            self._say_lost()
            return
        problem = message("{what} has not been done with one part for {seconds:.0f} s.", what=doing.what, seconds=silent)
        self._report(self.sink.name, problem, message(_REMEDY))

    def finish(self, status: StationStatus) -> None:
        """Close the sink."""
        try:
            self.sink.close(status)
        except InspectorError as error:
            self._report(self.sink.name, error.problem, error.remedy)
        except Exception as error:
            log.exception("The sink %s cannot be closed", self.sink.name)
            problem = defect(error)
            self._report(self.sink.name, problem.problem, problem.remedy)

    def _run(self) -> None:
        while inspections := self._edge.take(_TAKEN):
            early = [self._prepare(inspection) for inspection in inspections]
            with self._pulse.during(self.sink.name, PATIENCE):
                self._do(lambda inspections=inspections: self.sink.expect(inspections))  # type: ignore[misc]
            for inspection, failed in zip(inspections, early, strict=True):
                if self._left and not self.sink.records:
                    continue  # the station has stopped meanwhile: nothing is told any more
                with self._pulse.during(self.sink.name, PATIENCE):
                    taken = self._take(inspection, failed)
                for lane in self._then:
                    lane.put([taken], wait=True)
            self._edge.settle(len(inspections))
        if self._status is not None:
            with self._pulse.during(self.sink.name, PATIENCE):
                self.finish(self._status())

    def _take(self, inspection: Inspection, early: Exception | None) -> Inspection:
        """Give the sink an inspection; return what the lanes after it receive. `early`: why the ledger could not be written."""
        began, after = time.monotonic(), self.after
        error = self._do(lambda: self.sink.take(inspection))
        late = None if after is None or error is not None else self._do(lambda: after(inspection))
        if error is None and late is None and early is None:
            self._note(None, None)
        if self.sink.stage:
            self._counters.spent(self.sink.stage, (time.monotonic() - began) * 1000)
        if not isinstance(error, NotRecorded):
            return inspection
        self._counters.told(inspection.verdict, error.instead.verdict)
        return error.instead

    def _prepare(self, inspection: Inspection) -> Exception | None:
        """Write the ledger before the sink can begin with the record; return why that failed."""
        before = self.before
        if before is None:
            return None
        with self._pulse.during(self.sink.name, PATIENCE):
            return self._do(lambda: before(inspection))

    def _do(self, work: Callable[[], None]) -> Exception | None:
        """Let the sink work; report and return its error."""
        try:
            work()
        except InspectorError as error:
            self._note(error.problem, error.remedy)
            return error
        except Exception as error:  # thread boundary: the next inspection must have its chance
            log.exception("The sink %s failed", self.sink.name)
            problem = defect(error)
            self._note(problem.problem, problem.remedy)
            return error
        return None

    def _note(self, problem: Message | None, remedy: Message | None) -> None:
        if problem != self._problem:
            self._problem, self._remedy = problem, remedy
            self._report(self.sink.name, problem, remedy)
