"""Confirmation that the counters begin anew, so that a stray press loses no shift."""

from collections.abc import Callable
from typing import Final

from PySide6.QtCore import QObject

from inspector.core.message import fill
from inspector.station.tally import Tally
from inspector.ui.inspect.panels.readouts import since_text
from inspector.ui.widgets.question import Answer, Question

RESET: Final = "reset_counters"
KEEP: Final = "keep_counting"


class ShiftChange(QObject):
    """Begins a new shift or lot after a confirmation. `reset` is called with the name of the lot, "" for none."""

    def __init__(self, question: Question, reset: Callable[[str], None], parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.question = question
        self._reset = reset
        question.answered.connect(self._on_answer)

    def offer(self, tally: Tally) -> None:
        """Ask whether these counters shall begin anew."""
        text = self.tr(
            "{count} {count:|part was|parts were} counted. {since}. "
            "{count:|Its record and picture|Their records and pictures} stay."
        )
        self.question.ask(
            self.tr("Begin a new shift or lot?"),
            fill(text, count=f"{tally.parts:,}", since=since_text(tally)),
            (Answer(RESET, self.tr("Count from 0")), Answer(KEEP, self.tr("Go on counting"), leading=True)),
            field=self.tr("Lot, if there is one; it is recorded with every part"),
        )

    def _on_answer(self, answer: str) -> None:
        if answer == RESET:
            self._reset(self.question.field.text().strip())
