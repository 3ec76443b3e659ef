"""Where verdicts go: a record, a line, an archive, a display. One class each; the station gives each a thread and an edge."""

from abc import ABC, abstractmethod
from typing import ClassVar, Literal

from inspector.core.types import Inspection
from inspector.inspection.status import StationStatus


class Sink(ABC):
    """Takes every inspection, in order. Its methods are called by one thread at a time.

    `name`: of its thread, and where a Fault about it is. `stage`: what its time per part is counted as, "" for not at all.
    `records`: it writes down what others are told, so they are told after it has. `drop`: what happens when it is slower than
    the line: a display skips inspections, a record makes the line wait. `size`: how many may wait for it.
    """

    name: ClassVar[str]
    stage: ClassVar[str] = ""
    records: ClassVar[bool] = False
    drop: ClassVar[Literal["oldest", "never"]] = "never"
    size: ClassVar[int] = 64

    def open(self, status: StationStatus) -> None:  # noqa: B027 - most have nothing to open
        """Get ready; the line starts when every sink is. Raises InspectorError, and then the line does not start."""

    @abstractmethod
    def take(self, inspection: Inspection) -> None:
        """Take one inspection. Raises InspectorError for a loss, which becomes a Fault at `name` until one succeeds."""

    def close(self, status: StationStatus) -> None:  # noqa: B027 - as above
        """Finish: everything has been taken. `status`: the station's at the end. Raises InspectorError for a loss."""
