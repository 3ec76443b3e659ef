"""A report for work that is done in the test's own process, and the export of one variant with it."""

from pathlib import Path
from typing import TYPE_CHECKING

from inspector.bundles.bundle import Bundle
from inspector.bundles.variants import Variant
from inspector.workers.messages import EpochDone, Progress, Report

if TYPE_CHECKING:
    from inspector.ml.export.variants import Order


class Quiet:
    """A `Report` that nobody stops; it keeps what it is told."""

    def __init__(self) -> None:
        self.progresses: list[dict[str, object]] = []
        self.metrics: list[dict[str, object]] = []
        self.logs: list[str] = []
        self.artifacts: list[Path] = []

    @property
    def phases(self) -> set[object]:
        return {progress["phase"] for progress in self.progresses}

    def progress(self, message: Progress) -> None:
        self.progresses.append(dict(message.fields()))

    def metric(self, message: EpochDone) -> None:
        self.metrics.append(dict(message.fields()))

    def log(self, text: str) -> None:
        self.logs.append(text)

    def artifact(self, path: Path, *, what: str = "bundle") -> None:
        self.artifacts.append(path)

    def cancelled(self) -> bool:
        return False

    def stopping(self) -> bool:
        return False

    def stopped(self) -> None:
        return None

    def pause_point(self) -> float:
        return 0.0


def export_variant(bundle: Bundle, order: "Order", report: Report, *, out: Path | None = None) -> tuple[Bundle, Variant]:
    """Make one variant of a bundle, or of a copy of it at `out`: the bundle that has it now, and the variant."""
    from inspector.ml.export.variants import Exporter

    exporter = Exporter(bundle, report, out=out)
    variant = exporter.make(order)
    return exporter.bundle, variant
