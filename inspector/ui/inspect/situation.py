"""What the verdict tile may show, as pure functions of the line's state, so that nothing outdated is shown as current."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from PySide6.QtCore import QCoreApplication

from inspector.core.message import Message
from inspector.core.types import SEVERITY, Inspection, Verdict
from inspector.inspection.status import Fault, StationState, StationStatus
from inspector.ui.shell.strings import translate

# A free-running line without a verdict for this long is waiting, and its picture is outdated.
QUIET_S: Final = 5.0
CAMERA, FAULT = "camera:", "fault:"  # prefixes of the keys of problems


@dataclass(frozen=True, slots=True)
class Shown:
    """A verdict with its part, or (`verdict` None) `words`; the reasons in words; and the text of the veil over the picture."""

    verdict: Verdict | None
    words: str = ""
    part: str = ""
    reasons: tuple[str, ...] = ()
    veil: str = ""


def shown(
    status: StationStatus, live: Inspection | None = None, *, live_at: float = 0.0, now: float = 0.0, ready: bool = True
) -> Shown:
    """Return what to show for this status.

    `live`: the newest inspection, which arrived at `live_at`. `ready`: there is a recipe.
    """
    old = live is not None
    if status.state is StationState.STOPPED:
        return _stopped(status, ready=ready, veil=_stopped_veil(old))
    if status.state is StationState.STARTING:
        veil = QCoreApplication.translate("Situation", "Starting") if old else ""
        words = QCoreApplication.translate("Situation", "STARTING")
        reason = QCoreApplication.translate("Situation", "The bundles are being prepared for this computer.")
        return Shown(None, words, reasons=(reason,), veil=veil)
    if status.state is StationState.STOPPING:
        return Shown(None, QCoreApplication.translate("Situation", "STOPPING"), veil=_stopped_veil(old))
    # An inspection from before a camera was lost is outdated, even after the camera has returned.
    fresh = live is not None and all(live_at >= camera.since for camera in status.cameras.values())
    if status.lost:
        return _lost(status, live if fresh else None)
    triggered = status.mode == "triggered"
    if live is None or not fresh or (now - live_at > QUIET_S and not triggered):
        return _waiting(old, triggered=triggered)
    reasons = tuple(translate(told) for told in (*live.reasons, *live.notes))
    return Shown(live.verdict, part=live.part, reasons=reasons)


def problems(status: StationStatus) -> Mapping[str, tuple[Message, Message | None]]:
    """Return the current problems with their remedies, by a key that stays the same while a problem lasts."""
    cameras = {CAMERA + name: (it.problem, it.remedy) for name, it in status.lost.items() if it.problem is not None}
    faults: Mapping[str, Fault] = status.faults
    return {**cameras, **{FAULT + where: (fault.problem, fault.remedy) for where, fault in faults.items()}}


def _stopped_veil(old: bool) -> str:
    return QCoreApplication.translate("Situation", "The line is not being inspected") if old else ""


def _stopped(status: StationStatus, *, ready: bool, veil: str) -> Shown:
    if not ready:
        words = QCoreApplication.translate("Situation", "NO RECIPE")
        return Shown(None, words, reasons=(QCoreApplication.translate("Situation", "Open a recipe to begin."),), veil=veil)
    if status.finished:
        words = QCoreApplication.translate("Situation", "FINISHED")
        reason = QCoreApplication.translate("Situation", "The source has no more frames.")
        return Shown(None, words, reasons=(reason,), veil=veil)
    words = QCoreApplication.translate("Situation", "STOPPED")
    return Shown(None, words, reasons=(QCoreApplication.translate("Situation", "Press Start to inspect."),), veil=veil)


def _lost(status: StationStatus, live: Inspection | None) -> Shown:
    """Return what to show while a camera is lost. A detected defect stands; every other verdict needs all cameras."""
    reasons = tuple(translate(camera.problem) for camera in status.lost.values() if camera.problem is not None)
    veil = QCoreApplication.translate("Situation", "No picture from {cameras}").format(cameras=", ".join(status.lost))
    if live is not None and SEVERITY[live.verdict] > SEVERITY[Verdict.NOT_INSPECTED]:
        found = tuple(translate(told) for told in (*live.reasons, *live.notes))
        return Shown(live.verdict, part=live.part, reasons=(*found, *reasons), veil=veil)
    return Shown(Verdict.NOT_INSPECTED, reasons=reasons or (veil,), veil=veil)


def _waiting(old: bool, *, triggered: bool) -> Shown:
    words = QCoreApplication.translate("Situation", "WAITING")
    if triggered:
        reason = QCoreApplication.translate("Situation", "Press Trigger to inspect one part.")
    else:
        reason = QCoreApplication.translate("Situation", "Waiting for the next part.")
    return Shown(None, words, reasons=(reason,), veil=QCoreApplication.translate("Situation", "Waiting") if old else "")
