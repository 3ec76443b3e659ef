"""The rules of a recipe, each with its result on the frame on display."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from PySide6.QtCore import QCoreApplication, QSignalBlocker, QSize
from PySide6.QtWidgets import QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from inspector.core.types import SEVERITY, Judgement
from inspector.recipes.automatic import as_rule, default_rules
from inspector.recipes.quantities import QUANTITIES, fitting
from inspector.recipes.recipe import Rule
from inspector.tasks.base import task_of
from inspector.ui.recipes.draft import RecipeDraft, Values
from inspector.ui.shell import theme
from inspector.ui.shell.strings import class_name, verdict_word
from inspector.ui.widgets.boxes import plain
from inspector.ui.widgets.inputs import ComboBox
from inspector.ui.widgets.settings_form import SettingsForm
from inspector.ui.widgets.tables import Cell, Row, ValueTable
from inspector.ui.widgets.themed import Themed

_FIELDS: Final = ("quantity", "class_name", "when", "limit", "review", "place", "baseline_parts", "minus", "rise_s")


class RulesPanel(Themed, QWidget):
    """Edits the rules of a draft. Without rules of its own a bundle is judged by the rules of its task, which are shown too."""

    def __init__(self, draft: RecipeDraft, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._draft = draft
        self._judgements: tuple[Judgement, ...] = ()
        self._place = -1  # of the rule in the form, among the draft's own
        self.table = ValueTable()
        self.table.set_whole()
        self.table.setSortingEnabled(False)
        self.table.horizontalHeader().setSectionsClickable(False)
        self.hint = QLabel()
        self.hint.setProperty("role", "small")
        self.hint.setWordWrap(True)
        self._bundle_title = QLabel()
        self.bundle = ComboBox()
        self.bundle.setMinimumHeight(theme.TOUCH)
        self.add, self.remove = QPushButton(), QPushButton()
        self._form_place = QVBoxLayout()
        self.form: SettingsForm | None = None
        self._arrange()
        self.table.picked.connect(self._on_picked)
        self.add.clicked.connect(self.add_rule)
        self.remove.clicked.connect(self._remove)
        self.bundle.activated.connect(lambda _: self._take())
        draft.changed.connect(self._refresh)
        self.retranslate()

    def _arrange(self) -> None:
        buttons = plain(QHBoxLayout())
        for button, name in ((self.add, "add_rule"), (self.remove, "remove_rule")):
            button.setObjectName(name)
            button.setIconSize(QSize(theme.ICON, theme.ICON))
            buttons.addWidget(button, 1)
        self._bundle_row = QWidget()
        row = plain(QHBoxLayout(self._bundle_row))
        row.addWidget(self._bundle_title)
        row.addWidget(self.bundle, 1)
        box = QVBoxLayout(self)
        box.setContentsMargins(0, theme.SPACING, theme.SPACING, theme.SPACING)
        box.setSpacing(theme.SPACING)
        for widget in (self.table, self.hint):
            box.addWidget(widget)
        box.addLayout(buttons)
        box.addWidget(self._bundle_row)
        box.addLayout(self._form_place)
        box.addStretch(1)

    def show_rule(self, place: int) -> None:
        """Show this rule in the form; -1: none."""
        self._place = place
        self._drop_form()  # it may hold a rule of an earlier recipe
        self._refresh()

    def show_judgements(self, judgements: Sequence[Judgement]) -> None:
        """Show how each rule judges the frame on display; empty while nothing is known of it."""
        self._judgements = tuple(judgements)
        self._fill_table()

    def add_rule(self) -> None:
        """Add a rule to the first bundle: the one that its task would have, else its first quantity."""
        check = self._draft.check
        if not self._draft.steps:
            return
        bundle = str(self._draft.steps[0]["bundle"])
        ruled = {rule.get("bundle") for rule in self._draft.rules}
        bundle = next((str(step["bundle"]) for step in self._draft.steps if step["bundle"] not in ruled), bundle)
        card = check.cards.get(bundle)
        values: Values = {"bundle": bundle, "quantity": "count", "limit": 0.0}
        if card is not None:
            step = next((one for one in check.complete.inspect if one.bundle == bundle), None) if check.complete else None
            usual = default_rules(step, card) if step is not None else ()
            proposal = task_of(card.task).proposal
            first = next(iter(usual), as_rule(proposal, bundle) if proposal is not None else None)
            if first is not None:
                values = first.model_dump(mode="json", exclude_defaults=True, exclude_none=True)
            else:
                values["quantity"] = fitting(task_of(card.task))[0]
        self._place = self._draft.add_rule(values)
        self._refresh()
        self.table.select_key(self._place)

    def _remove(self) -> None:
        if 0 <= self._place < len(self._draft.rules):
            place, self._place = self._place, -1
            self._draft.remove_rule(place)

    def _on_picked(self, key: object) -> None:
        self._place = key if isinstance(key, int) and key < len(self._draft.rules) else -1
        self._refresh()

    def _take(self) -> None:
        """Take over the rule in the form."""
        if self.form is not None and 0 <= self._place < len(self._draft.rules):
            self._draft.set_rule(self._place, {**self.form.values(), "bundle": str(self.bundle.currentData())})

    def _refresh(self) -> None:
        if self._place >= len(self._draft.rules):
            self._place = -1
        self._fill_table()
        self._fill_form()

    def _rules(self) -> list[Values]:
        """Return the draft's own rules, then those that follow from the tasks of bundles without one."""
        whole = self._draft.check.complete
        added = whole.rules[len(self._draft.rules) :] if whole is not None else ()
        return [*self._draft.rules, *(rule.model_dump(mode="json") for rule in added)]

    def _fill_table(self) -> None:
        rules = self._rules()
        self.table.set_rows([Row(place, self._cells(place, rule)) for place, rule in enumerate(rules)])
        self.table.select_key(self._place if self._place >= 0 else None)
        own = len(self._draft.rules)
        self.hint.setText(self.tr("The last {count} come with the bundles.").format(count=len(rules) - own))
        self.hint.setVisible(len(rules) > own)
        self.remove.setEnabled(self._place >= 0)
        self.add.setEnabled(bool(self._draft.steps))

    def _cells(self, place: int, rule: Values) -> tuple[Cell, ...]:
        name = str(rule.get("quantity", ""))
        quantity = QUANTITIES.get(name)
        label = QCoreApplication.translate("settings", quantity.label or name) if quantity is not None else name
        what = [class_name(str(rule["class_name"]))] if rule.get("class_name") else []
        found = [one for one in self._judgements if one.rule == place]
        worst = max(found, key=lambda one: SEVERITY[one.verdict], default=None)
        value = "" if worst is None or not math.isfinite(worst.compared) else f"{worst.compared:.4g}"
        verdict = "" if worst is None else verdict_word(worst.verdict)
        color = None if worst is None else theme.current().verdict(worst.verdict)
        sign = "<" if rule.get("when") == "below" else ">"
        return (
            Cell("\n".join((" ".join((label, *what)), Path(str(rule.get("bundle", ""))).name))),
            Cell(f"{sign} {rule.get('limit', '')}"),
            Cell(value),
            Cell(verdict, color=color),
        )

    def _fill_form(self) -> None:
        rule = self._draft.rules[self._place] if self._place >= 0 else None
        self._bundle_row.setVisible(rule is not None)
        values: Values = {name: rule[name] for name in _FIELDS if name in rule} if rule is not None else {}
        with QSignalBlocker(self.bundle):
            self.bundle.clear()
            for name in dict.fromkeys(str(step["bundle"]) for step in self._draft.steps):
                self.bundle.addItem(Path(name).name, name)
            self.bundle.setCurrentIndex(-1 if rule is None else self.bundle.findData(rule.get("bundle")))
        if self.form is not None and rule is not None and self.form.property("place") == self._place:
            return  # it is what changed the draft
        self._drop_form()
        if rule is not None:
            self.form = form = SettingsForm(Rule, {**values, "bundle": "-"}, names=_FIELDS, narrow=True)
            form.setProperty("place", self._place)
            form.changed.connect(self._take)
            self._form_place.addWidget(form)

    def _drop_form(self) -> None:
        if self.form is not None:
            self.form.hide()
            self.form.deleteLater()
            self.form = None

    def retranslate(self) -> None:
        self.table.set_titles([self.tr("Rule"), self.tr("Limit"), self.tr("Here"), self.tr("Verdict")])
        self.table.setAccessibleName(self.tr("Rules"))
        self._bundle_title.setText(self.tr("Bundle"))
        self.bundle.setAccessibleName(self.tr("Bundle of the rule"))
        for button, text in ((self.add, self.tr("Add a rule")), (self.remove, self.tr("Remove this rule"))):
            button.setText(text)
            button.setAccessibleName(text)
        self._refresh()
        self.restyle()

    def restyle(self) -> None:
        super().restyle()
        self.add.setIcon(theme.icon("plus"))
        self.remove.setIcon(theme.icon("trash"))
