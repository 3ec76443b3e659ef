"""What if a rule had another limit: the parts whose verdict flips, and what that does to misses and false rejects."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from PySide6.QtCore import QCoreApplication, QObject, QSize, Signal
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QLineEdit, QPushButton, QSizePolicy, QVBoxLayout, QWidget

from inspector.archive.archive import Archive
from inspector.archive.filters import Filters
from inspector.archive.reading import read_part
from inspector.archive.store.query import page
from inspector.archive.store.whatif import OtherLimits, Share, WhatIf, what_if
from inspector.core.message import fill
from inspector.core.types import Verdict
from inspector.recipes.quantities import QUANTITIES
from inspector.ui.archive.asking import ArchiveThread
from inspector.ui.archive.filtering.choice import number
from inspector.ui.shell import theme
from inspector.ui.shell.strings import later, verdict_word
from inspector.ui.widgets.boxes import plain
from inspector.ui.widgets.inputs import ComboBox
from inspector.ui.widgets.themed import Themed


@dataclass(frozen=True, slots=True)
class JudgingRule:
    """A rule of the newest part of a selection. `review`: where its warning band begins; None without one, or if unknown."""

    number: int
    quantity: str
    when: str
    limit: float
    review: float | None


def rules_of(archive: Archive, filters: Filters) -> list[JudgingRule]:
    """Return the rules that judged the newest part of a selection. Raises StorageError."""
    rows = page(archive.database, filters, limit=1).rows
    if not rows:
        return []
    read = read_part(archive, rows[0]["id"])
    rules = read.recipe.rules if read.recipe is not None else ()
    found: dict[int, JudgingRule] = {}
    for one in read.inspection.judgements:
        known = rules[one.rule] if one.rule < len(rules) else None
        limit = one.limit if known is None else known.limit
        review = None if known is None else known.review
        found.setdefault(one.rule, JudgingRule(one.rule, one.quantity, one.when, limit, review))
    return list(found.values())


class WhatIfPanel(Themed, QFrame):
    """`asked` carries OtherLimits; `closed`: show the whole list again; `shown`: it was opened."""

    asked = Signal(object)
    closed = Signal()
    shown = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("what_if")
        self.setProperty("role", "card")
        self._rules: Sequence[JudgingRule] = ()
        self._found: WhatIf | None = None
        self.rule = ComboBox()
        self.limit, self.review = QLineEdit(), QLineEdit()
        self.judge, self.close_button = QPushButton(), QPushButton()
        self.labels = {name: QLabel() for name in ("rule", "limit", "review")}
        self.answer = QLabel()
        self._arrange()
        self.rule.activated.connect(lambda _index: self._fill())
        self.judge.clicked.connect(self._ask)
        self.limit.returnPressed.connect(self._ask)
        self.close_button.clicked.connect(self.closed)
        self.hide()
        self.retranslate()

    def _arrange(self) -> None:
        row = plain(QHBoxLayout())
        for name, widget in (("rule", self.rule), ("limit", self.limit), ("review", self.review)):
            row.addWidget(self.labels[name])
            widget.setMinimumHeight(theme.TOUCH)
            row.addWidget(widget, 2 if name == "rule" else 1)
        for button, name in ((self.judge, "judge_again"), (self.close_button, "what_if_close")):
            button.setObjectName(name)
            button.setMinimumHeight(theme.TOUCH)
            button.setIconSize(QSize(theme.ICON, theme.ICON))
            row.addWidget(button)
        self.judge.setProperty("role", "primary")
        self.rule.setMinimumContentsLength(12)
        self.rule.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.answer.setWordWrap(True)
        whole = QVBoxLayout(self)
        whole.setContentsMargins(*(theme.SPACING,) * 4)
        whole.setSpacing(theme.SPACING // 2)
        whole.addLayout(row)
        whole.addWidget(self.answer)

    def show_rules(self, rules: Sequence[JudgingRule]) -> None:
        """Offer the rules of a selection."""
        self._rules, self._found = rules, None
        self.rule.clear()
        for one in rules:
            self.rule.addItem(self._name(one), one.number)
        self._fill()
        self._say()
        self.judge.setEnabled(bool(rules))
        self.show()
        self.shown.emit()

    def show_answer(self, found: WhatIf) -> None:
        """Say what would have been."""
        self._found = found
        self._say()

    def _ask(self) -> None:
        limit = number(self.limit.text())
        if limit is None or not self._rules:
            self.limit.setFocus()
            return
        self.asked.emit(OtherLimits(self.rule.currentData(), limit, number(self.review.text())))

    def _fill(self) -> None:
        place = self.rule.currentIndex()
        if 0 <= place < len(self._rules):
            rule = self._rules[place]
            self.limit.setText(f"{rule.limit:g}")
            self.review.setText("" if rule.review is None else f"{rule.review:g}")

    def _name(self, rule: JudgingRule) -> str:
        quantity = QUANTITIES.get(rule.quantity)
        label = rule.quantity if quantity is None else quantity.label or rule.quantity
        words = QCoreApplication.translate("settings", label)
        return f"{rule.number + 1}. {words} {'>' if rule.when == 'above' else '<'} {rule.limit:g}"

    def _say(self) -> None:
        found = self._found
        if found is None:
            hint = self.tr("Judges the stored values of all that is listed with another limit, without touching a picture.")
            self.answer.setText(hint if self._rules else self.tr("No rule judged the newest of these parts."))
            return
        flips = _flips(found.counts)
        texts = [
            fill(
                self.tr("{count} {count:|part|parts} judged again, {flips} {flips:|flips|flip}"),
                count=f"{found.inspections:,}",
                flips=f"{sum(flips.values()):,}",
            )
            + "".join(
                f"; {verdict_word(Verdict(before))} → {verdict_word(Verdict(then))}: {number:,}"
                for (before, then), number in flips.items()
            )
            + "."
        ]
        if sum(flips.values()) > len(found.flips):
            texts.append(self.tr("The first {count} of them are listed.").format(count=f"{len(found.flips):,}"))
        texts += share_lines(found)
        self.answer.setText("\n".join(texts))

    def retranslate(self) -> None:
        self.setAccessibleName(self.tr("What if"))
        texts = {"rule": self.tr("Rule"), "limit": self.tr("NG limit"), "review": self.tr("REVIEW from")}
        for name, label in self.labels.items():
            label.setText(texts[name])
        for widget, name in ((self.rule, "rule"), (self.limit, "limit"), (self.review, "review")):
            widget.setAccessibleName(texts[name])
        self.review.setPlaceholderText(self.tr("none"))
        for button, text in ((self.judge, self.tr("Judge again")), (self.close_button, self.tr("Close"))):
            button.setText(text)
            button.setAccessibleName(text if button is self.judge else self.tr("Close what if"))
        for place, rule in enumerate(self._rules):
            self.rule.setItemText(place, self._name(rule))
        self._say()
        self.restyle()

    def restyle(self) -> None:
        self.judge.setIcon(theme.icon("retry", "on_accent"))
        self.close_button.setIcon(theme.icon("close"))


class WhatIfs(QObject):
    """Carries out what the panel asks for.

    `flipped` carries the verdicts that flip, by the keys of the parts; None: show the whole list again. `failed` carries an
    InspectorError.
    """

    flipped = Signal(object)
    failed = Signal(object)

    def __init__(self, worker: ArchiveThread, meant: Callable[[], Filters]) -> None:
        """`meant`: returns which parts are judged again."""
        super().__init__(worker)
        self.panel = WhatIfPanel()
        self._worker, self._meant = worker, meant
        self._listed = False  # whether those that flip are listed
        self.panel.asked.connect(self._judge_again)
        self.panel.closed.connect(self.close)

    def offer(self) -> None:
        """Show the panel with the rules of what is listed."""
        filters = self._meant()
        self._worker.ask(
            "rules",
            lambda archive: rules_of(archive, filters),
            lambda rules: self.panel.show_rules(rules or []),
            self.failed.emit,
        )

    def forget(self) -> None:
        """Hide the panel; what it asked for is of no use any more."""
        for what in ("rules", "what if"):
            self._worker.forget(what)
        self.panel.hide()

    def close(self) -> None:
        """Hide the panel, and show the whole list again."""
        self.forget()
        if self._listed:
            self._listed = False
            self.flipped.emit(None)

    def _judge_again(self, other: OtherLimits) -> None:
        filters = self._meant()
        self._worker.ask(
            "what if", lambda archive: what_if(archive.database, filters, [other]), self._on_answer, self.failed.emit
        )

    def _on_answer(self, found: WhatIf | None) -> None:
        if found is not None:
            self.panel.show_answer(found)
            self._listed = True
            self.flipped.emit({key: then for key, _, then in found.flips})


def _flips(counts: Mapping[str, Mapping[str, int]]) -> dict[tuple[str, str], int]:
    pairs = {(before, then): number for before, row in counts.items() for then, number in row.items()}
    return {pair: number for pair, number in pairs.items() if number and pair[0] != pair[1]}


def share_lines(found: WhatIf) -> list[str]:
    """Return what is known of misses and false rejects among the corrected parts."""

    def tr(text: str) -> str:
        return QCoreApplication.translate("WhatIfPanel", text)

    sentences = (
        (
            later(
                "WhatIfPanel",
                "Misses among {of} {of:|part that is|parts that are} truly NG: {before} → {then} (95 %: {low} to {high}).",
            ),
            later("WhatIfPanel", "No part of these was corrected to NG, so nothing is known of misses."),
            found.misses,
        ),
        (
            later(
                "WhatIfPanel",
                "False rejects among {of} {of:|part that is|parts that are} truly OK: {before} → {then} (95 %: {low} to "
                "{high}).",
            ),
            later("WhatIfPanel", "No part of these was corrected to OK, so nothing is known of false rejects."),
            found.false_rejects,
        ),
    )
    return [_shares(tr(words), before, then) if before.of else tr(none) for words, none, (before, then) in sentences]


def _shares(words: str, before: Share, then: Share) -> str:
    return fill(
        words, of=f"{before.of:,}", before=before.count, then=then.count, low=f"{then.low:.1%}", high=f"{then.high:.1%}"
    )
