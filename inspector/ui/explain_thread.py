"""The thread that asks for Grad-CAM heat maps: one question at a time, and only the newest is kept."""

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from PySide6.QtCore import QObject, QThread, Signal

from inspector.core.bundle import Bundle
from inspector.core.errors import InspectorError
from inspector.core.message import Message, message
from inspector.core.types import Frame, Region
from inspector.engines.explainer import Explainer, HeatMap
from inspector.ui.interaction import Rect

log = logging.getLogger(__name__)

IDLE_S: Final = 90.0  # after so long without a question the worker process is ended, for its memory


@dataclass(frozen=True, slots=True, eq=False)
class Question:
    """What to explain. `layer` and `class_index` None: the default layer, the class the network names."""

    folder: Path
    frame: Frame
    region: Region
    layer: str | None = None
    class_index: int | None = None
    box: Rect | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Answer:
    """A heat map, and the layers there are to choose from."""

    question: Question
    heat: HeatMap
    layers: tuple[str, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Refusal:
    """Why there is no heat map."""

    question: Question
    problem: Message
    remedy: Message | None = None


class Explains(Protocol):
    """What the thread needs of `engines.explainer.Explainer`."""

    def layers(self) -> list[str]: ...
    def explain(
        self,
        frame: Frame,
        *,
        region: Region | None = None,
        layer: str | None = None,
        class_index: int | None = None,
        box: Rect | None = None,
    ) -> HeatMap: ...
    def abort(self) -> None: ...
    def close(self) -> None: ...


def open_explainer(folder: Path) -> Explains:
    """Verify the bundle and prepare to explain it. Raises ConfigError."""
    return Explainer(Bundle.open(folder))


class ExplainThread(QThread):
    """Answers questions in the background. `answered(Answer)` and `refused(Refusal)` come only for the newest question."""

    answered = Signal(object)
    refused = Signal(object)

    def __init__(self, parent: QObject | None = None, *, make: Callable[[Path], Explains] = open_explainer) -> None:
        super().__init__(parent)
        self._make = make
        self._wake = threading.Condition()
        self._next: Question | None = None
        self._newest: Question | None = None
        self._stop = False
        self._rest = False
        self._explainer: Explains | None = None
        self._folder: Path | None = None

    def ask(self, question: Question) -> None:
        """Ask this instead of whatever was asked before. Returns at once."""
        with self._wake:
            self._next = self._newest = question
            self._stop = False
            self._wake.notify()
        if not self.isRunning():
            self.start()

    def forget(self) -> None:
        """Want no answer any more."""
        with self._wake:
            self._next = self._newest = None

    def rest(self) -> None:
        """Give up the answer under way and end the worker process now; the next question starts another. Returns at once."""
        with self._wake:
            self._next = self._newest = None
            self._rest = True
            self._wake.notify()
            explainer = self._explainer
        if explainer is not None:
            explainer.abort()

    def end(self) -> None:
        """End the thread and its worker process; an answer under way is given up."""
        with self._wake:
            self._next = self._newest = None
            self._stop = True
            self._wake.notify()
            explainer = self._explainer
        if explainer is not None:
            explainer.abort()
        self.wait()

    def run(self) -> None:
        try:
            while True:
                question = self._take()
                if question is None:
                    return
                self._answer(question)
        finally:
            self._close()

    def _take(self) -> Question | None:
        """The next question, or None to end. Without questions for a while, the worker process ends first."""
        while True:
            with self._wake:
                if self._next is None and not self._stop and not self._rest:
                    self._wake.wait(IDLE_S)
                if self._stop:
                    return None
                question, self._next = (None, self._next) if self._rest else (self._next, None)
                self._rest = False
            if question is not None:
                return question
            self._close()

    def _answer(self, question: Question) -> None:
        try:
            if self._explainer is None or self._folder != question.folder:
                self._close()
                made = self._make(question.folder)
                with self._wake:
                    self._explainer, self._folder = made, question.folder
                    if self._stop or self._rest:
                        return
            layers = tuple(self._explainer.layers())
            heat = self._explainer.explain(
                question.frame,
                region=question.region,
                layer=question.layer if question.layer in layers else None,
                class_index=question.class_index,
                box=question.box,
            )
        except InspectorError as error:
            self._tell(question, Refusal(question, error.problem, error.remedy))
        except Exception as error:
            log.exception("explaining failed")
            problem = message("The explanation failed ({detail}).", detail=f"{type(error).__name__}: {error}")
            self._tell(question, Refusal(question, problem))
        else:
            self._tell(question, Answer(question, heat, layers))

    def _tell(self, question: Question, reply: Answer | Refusal) -> None:
        with self._wake:
            wanted = question is self._newest
        if wanted:
            (self.answered if isinstance(reply, Answer) else self.refused).emit(reply)

    def _close(self) -> None:
        if self._explainer is not None:
            self._explainer.close()
            self._explainer = None
