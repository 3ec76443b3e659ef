"""What the verdict tile may say now. Pure: from what is known of the line to words, so that nothing old is shown as current."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from PySide6.QtCore import QCoreApplication

from inspector.core.message import Message
from inspector.core.types import SEVERITY, Inspection, Verdict
from inspector.inspection.events import StationState
from inspector.ui.shell.strings import translate

# A free-running line that gives no verdict for this long is waiting, and what is seen is old.
QUIET_S: Final = 5.0


@dataclass(frozen=True, slots=True)
class Situation:
    """What is known of the line. `fresh`: `live` came after the last trouble. `quiet_s`: seconds since the last verdict."""

    state: StationState
    ready: bool = True
    triggered: bool = False
    finished: bool = False
    lost: Mapping[str, Message | None] = field(default_factory=dict)
    live: Inspection | None = None
    fresh: bool = False
    quiet_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Shown:
    """A verdict with its part, or (`verdict` None) `words`; reasons in words; and what the veil over the picture says."""

    verdict: Verdict | None
    words: str = ""
    part: str = ""
    reasons: tuple[str, ...] = ()
    veil: str = ""


def shown(now: Situation) -> Shown:
    """Return what to show in this situation."""
    if now.state is StationState.STOPPED:
        return _stopped(now)
    old = now.live is not None
    if now.state is StationState.STARTING:
        veil = QCoreApplication.translate("Situation", "Starting") if old else ""
        words = QCoreApplication.translate("Situation", "STARTING")
        reason = QCoreApplication.translate("Situation", "The bundles are being prepared for this computer.")
        return Shown(None, words, reasons=(reason,), veil=veil)
    if now.state is StationState.STOPPING:
        return Shown(None, QCoreApplication.translate("Situation", "STOPPING"), veil=_stopped_veil(old))
    if now.lost:
        return _lost(now)
    if now.live is None or not now.fresh:
        return _waiting(now, old)
    if now.quiet_s > QUIET_S and not now.triggered:
        return _waiting(now, old)
    reasons = tuple(translate(told) for told in (*now.live.reasons, *now.live.notes))
    return Shown(now.live.verdict, part=now.live.part, reasons=reasons)


def _stopped_veil(old: bool) -> str:
    return QCoreApplication.translate("Situation", "The line is not being inspected") if old else ""


def _stopped(now: Situation) -> Shown:
    veil = _stopped_veil(now.live is not None)
    if not now.ready:
        words = QCoreApplication.translate("Situation", "NO RECIPE")
        return Shown(None, words, reasons=(QCoreApplication.translate("Situation", "Open a recipe to begin."),), veil=veil)
    if now.finished:
        words = QCoreApplication.translate("Situation", "FINISHED")
        reason = QCoreApplication.translate("Situation", "Every frame of the source was inspected.")
        return Shown(None, words, reasons=(reason,), veil=veil)
    words = QCoreApplication.translate("Situation", "STOPPED")
    return Shown(None, words, reasons=(QCoreApplication.translate("Situation", "Press Start to inspect."),), veil=veil)


def _lost(now: Situation) -> Shown:
    """Return a defect seen stands; every other verdict needs all cameras."""
    reasons = tuple(translate(problem) for problem in now.lost.values() if problem is not None)
    names = ", ".join(now.lost)
    veil = QCoreApplication.translate("Situation", "No picture from {cameras}").format(cameras=names)
    live = now.live if now.fresh else None
    if live is not None and SEVERITY[live.verdict] > SEVERITY[Verdict.NOT_INSPECTED]:
        found = tuple(translate(told) for told in (*live.reasons, *live.notes))
        return Shown(live.verdict, part=live.part, reasons=(*found, *reasons), veil=veil)
    return Shown(Verdict.NOT_INSPECTED, reasons=reasons or (veil,), veil=veil)


def _waiting(now: Situation, old: bool) -> Shown:
    words = QCoreApplication.translate("Situation", "WAITING")
    if now.triggered:
        reason = QCoreApplication.translate("Situation", "Press Trigger to inspect one part.")
    else:
        reason = QCoreApplication.translate("Situation", "Waiting for the next part.")
    return Shown(None, words, reasons=(reason,), veil=QCoreApplication.translate("Situation", "Waiting") if old else "")
