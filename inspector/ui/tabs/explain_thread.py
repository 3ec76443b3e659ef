"""The thread that requests Grad-CAM heat maps: one request at a time, and only the newest is kept."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol

from PySide6.QtCore import QObject, Signal

from inspector.bundles.bundle import Bundle
from inspector.core.errors import InspectorError
from inspector.core.types import Frame, Region
from inspector.ui.canvas.interaction import Rect
from inspector.ui.widgets.work_thread import WorkThread

if TYPE_CHECKING:  # what starts a worker is imported with the first question
    from inspector.engines.explainer import HeatMap
    from inspector.workers.messages import ExplainMethod

IDLE_S: Final = 90.0  # time without a request after which the worker process ends, to free its memory


@dataclass(frozen=True, slots=True, eq=False)
class Question:
    """A request to explain. `layer`, `class_index` and `method` None: the default ones, and the predicted class."""

    folder: Path
    frame: Frame
    region: Region
    layer: str | None = None
    class_index: int | None = None
    box: Rect | None = None
    method: "ExplainMethod | None" = None


@dataclass(frozen=True, slots=True, eq=False)
class Answer:
    """A heat map, and the layers that can be chosen."""

    question: Question
    heat: "HeatMap"
    layers: tuple[str, ...]


class Explains(Protocol):
    """The interface of `engines.explainer.Explainer` that the thread uses."""

    def layers(self) -> list[str]: ...
    def explain(
        self,
        frame: Frame,
        *,
        region: Region | None = None,
        layer: str | None = None,
        class_index: int | None = None,
        box: Rect | None = None,
        method: "ExplainMethod | None" = None,
    ) -> "HeatMap": ...
    def abort(self) -> None: ...
    def close(self) -> None: ...


def open_explainer(folder: Path) -> Explains:
    """Verify the bundle and prepare to explain it. Raises ConfigError."""
    from inspector.engines.explainer import Explainer

    return Explainer(Bundle.open(folder))


class ExplainThread(WorkThread[Question]):
    """Answers requests in the background, the newest only: `answered(Answer)`, or `refused(InspectorError)`."""

    answered = Signal(object)
    refused = Signal(object)

    def __init__(self, parent: QObject | None = None, *, make: Callable[[Path], Explains] = open_explainer) -> None:
        super().__init__(parent, idle_s=IDLE_S)
        self._make = make
        self._asked: Question | None = None
        self._newest: Question | None = None
        self._gave_up = False
        self._explainer: Explains | None = None
        self._folder: Path | None = None

    def ask(self, question: Question) -> None:
        """Queue this request in place of any earlier one. Returns at once."""
        with self._telling():
            self._asked = self._newest = question

    def forget(self) -> None:
        """Drop the pending request."""
        with self._telling(start=False):
            self._asked = self._newest = None

    def give_up(self) -> None:
        """End the worker process now, with its request in progress; the next request starts a new process. Returns at once."""
        with self._wake:
            self._asked = self._newest = None
            self._gave_up = True
            explainer = self._explainer
        if explainer is not None:
            explainer.abort()

    def end(self) -> None:
        """End the thread and its worker process; a request in progress is dropped."""
        with self._wake:
            self._asked = self._newest = None
            self._stop = True
            explainer = self._explainer
        if explainer is not None:
            explainer.abort()
        super().end()

    def _take(self) -> Question | None:
        question, self._asked = self._asked, None
        return question

    def _do(self, question: Question) -> None:
        with self._wake:
            gave_up, self._gave_up = self._gave_up, False
        if gave_up:
            self._rest()
        if self._explainer is None or self._folder != question.folder:
            self._rest()
            made = self._make(question.folder)
            with self._wake:
                self._explainer, self._folder = made, question.folder
                if self._stop or self._gave_up:
                    return
        layers = tuple(self._explainer.layers())
        heat = self._explainer.explain(
            question.frame,
            region=question.region,
            layer=question.layer if question.layer in layers else None,
            class_index=question.class_index,
            box=question.box,
            method=question.method,
        )
        if self._is_newest(question):
            self.answered.emit(Answer(question, heat, layers))

    def _failed(self, question: Question, error: InspectorError) -> None:
        if self._is_newest(question):
            self.refused.emit(error)

    def _is_newest(self, question: Question) -> bool:
        with self._wake:
            return question is self._newest

    def _rest(self) -> None:
        """End the worker process after a while without requests, to free its memory."""
        if self._explainer is not None:
            self._explainer.close()
            self._explainer = None
