"""The interface of a sink for verdicts: a record, a line, an archive, a display.

The station gives each a thread and an edge.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar, Literal

from inspector.core.errors import StorageError
from inspector.core.types import Inspection
from inspector.inspection.status import StationStatus


class NotRecorded(StorageError):
    """A sink that records could not write an inspection in time. `instead`: what the sinks after it receive."""

    def __init__(self, problem: str, instead: Inspection, *, remedy: str = "", **values: object) -> None:
        super().__init__(problem, remedy=remedy, **values)
        self.instead = instead


class Sink(ABC):
    """Receives every inspection, in order. Its methods are called by one thread at a time.

    `name`: name of its thread, and location of its Faults. `stage`: stage that its time per part is counted for, "" for none.
    `records`: other sinks receive an inspection only after this one has written it. `drop`: behaviour when it is slower than
    the line: a display skips inspections, a record makes the line wait. `spare`: a part that is due does not wait for it; what
    it then has no room for is lost and reported. `size`: most inspections that may wait for it. `place`: where its records
    lie; a part is looked up there after its process was killed (registry's RECORDS).
    """

    name: ClassVar[str]
    stage: ClassVar[str] = ""
    records: ClassVar[bool] = False
    drop: ClassVar[Literal["oldest", "never"]] = "never"
    spare: ClassVar[bool] = False
    size: ClassVar[int] = 64
    place: Path | None = None

    def open(self, status: StationStatus) -> None:  # noqa: B027 - most have nothing to open
        """Prepare for a run; the line starts when every sink is ready. Raises InspectorError; then the line does not start."""

    def part_opened(self, sequence: int, part: str) -> None:  # noqa: B027 - only a record of parts under way needs it
        """Note that a part is under way. Called on the thread that opened it; must not block."""

    def part_forgotten(self, sequence: int) -> None:  # noqa: B027 - as above
        """Note that a part gets no verdict, because a newer one took its place. Must not block."""

    def expect(self, inspections: Sequence[Inspection]) -> None:  # noqa: B027 - only some gain by it
        """Begin with inspections that `take` receives next, in this order, so that they may be written together."""

    @abstractmethod
    def take(self, inspection: Inspection) -> None:
        """Process one inspection. Raises InspectorError for a loss, which is a Fault at `name` until a later call succeeds.

        A sink that records raises NotRecorded for an inspection that must not wait for it any longer.
        """

    def close(self, status: StationStatus) -> None:  # noqa: B027 - as above
        """Finish, after all inspections were taken. `status`: the station's final status. Raises InspectorError for a loss."""
