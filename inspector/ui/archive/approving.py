"""A new bundle in the place of the one in a recipe: compared on the archive, approved by a person, and taken back."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from PySide6.QtCore import QObject, QSize, Qt, QUrl, Signal
from PySide6.QtGui import QDesktopServices
from PySide6.QtWidgets import QComboBox, QFrame, QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from inspector.archive import approval
from inspector.archive.archive import Archive
from inspector.archive.filters import Filters
from inspector.archive.reports.comparison import comparison_page
from inspector.archive.store.query import count
from inspector.archive.store.whatif import WhatIf
from inspector.bundles.bundle import read_card
from inspector.core.config import write_atomically
from inspector.core.errors import InspectorError
from inspector.core.message import fill
from inspector.core.storage.paths import is_shipped, user_data
from inspector.recipes.locate import find_bundles, known_recipes
from inspector.runs.folder import find_runs, read_run, runs_folder
from inspector.ui.archive.asking import ArchiveThread
from inspector.ui.archive.handing_on import HandingOn
from inspector.ui.archive.what_if import share_lines
from inspector.ui.archive.work_strip import Step
from inspector.ui.inspect.choosers import recipe_name
from inspector.ui.shell import theme
from inspector.ui.shell.strings import time_text
from inspector.ui.widgets.boxes import plain
from inspector.ui.widgets.inputs import ComboBox
from inspector.ui.widgets.themed import Themed

BUTTONS: Final = ("compare", "approve", "step_back", "report", "close")


@dataclass(frozen=True, slots=True)
class Offered:
    """What can be chosen, each with its name: bundles, the newest first, and recipes."""

    bundles: Sequence[tuple[str, Path]]
    recipes: Sequence[tuple[str, Path]]


@dataclass(frozen=True, slots=True, eq=False)
class Compared:
    """A comparison, and where its report is."""

    found: approval.Comparison
    report: Path


def offered(current: Path | None) -> Offered:
    """Return the bundles of finished trainings and the user's own, and the recipes that may be changed."""
    places = []
    for run in find_runs(runs_folder()):
        with suppress(InspectorError):  # under way, or damaged
            places.append(read_run(run).train_settings().out)
    cards = {}
    for place in (*places, *find_bundles(user_data() / "bundles")):
        with suppress(InspectorError):
            cards[place] = read_card(place)
    newest = sorted(cards, key=lambda place: cards[place].created, reverse=True)
    bundles = [(f"{cards[place].name}  {time_text(cards[place].created)}", place) for place in newest]
    recipes = [path for path in known_recipes() if not is_shipped(path)]
    if current is not None and not is_shipped(current):
        recipes = [current, *(path for path in recipes if path != current)]
    return Offered(bundles, [(recipe_name(path), path) for path in recipes])


class ApprovalPanel(Themed, QFrame):
    """`wanted` carries a name of BUTTONS; `shown`: it was opened; `chosen`: another bundle or recipe was chosen."""

    wanted = Signal(str)
    shown = Signal()
    chosen = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("approval")
        self.setProperty("role", "card")
        self.bundle, self.recipe = ComboBox(), ComboBox()
        self.labels = {name: QLabel() for name in ("bundle", "recipe")}
        self.buttons = {name: QPushButton() for name in BUTTONS}
        self.answer = QLabel()
        self._compared: Compared | None = None
        self._said = ""
        self._arrange()
        for box in (self.bundle, self.recipe):
            box.activated.connect(lambda _index: self.chosen.emit())
        self.hide()
        self.retranslate()

    def _arrange(self) -> None:
        row = plain(QHBoxLayout())
        for name, box in (("bundle", self.bundle), ("recipe", self.recipe)):
            box.setObjectName(f"approval_{name}")
            box.setMinimumHeight(theme.TOUCH)
            box.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
            row.addWidget(self.labels[name])
            row.addWidget(box, 1)
        for name, button in self.buttons.items():
            button.setObjectName(f"approval_{name}")
            button.setMinimumHeight(theme.TOUCH)
            button.setIconSize(QSize(theme.ICON, theme.ICON))
            button.clicked.connect(lambda _=False, name=name: self.wanted.emit(name))
            row.addWidget(button)
        self.answer.setWordWrap(True)
        self.answer.setTextFormat(Qt.TextFormat.PlainText)
        whole = QVBoxLayout(self)
        whole.setContentsMargins(*(theme.SPACING,) * 4)
        whole.setSpacing(theme.SPACING // 2)
        whole.addLayout(row)
        whole.addWidget(self.answer)

    @property
    def compared(self) -> Compared | None:
        """The comparison on display."""
        return self._compared

    def offer(self, found: Offered) -> None:
        """Show the panel with what can be chosen; what was chosen stays if it is still there."""
        for box, known in ((self.bundle, found.bundles), (self.recipe, found.recipes)):
            before = box.currentData()
            box.clear()
            for name, path in known:
                box.addItem(name, path)
            box.setCurrentIndex(max(0, box.findData(before)))
        self.chosen.emit()
        self.show()
        self.shown.emit()

    def show_compared(self, compared: Compared | None) -> None:
        """Say what the new bundle would have said; None: nothing is known yet."""
        self._compared, self._said = compared, ""
        self._say()

    def say(self, text: str) -> None:
        """Say what was done."""
        self._said = text
        self._say()

    def _say(self) -> None:
        ready, compared = self.bundle.count() > 0 and self.recipe.count() > 0, self._compared
        self.buttons["compare"].setEnabled(ready)
        self.buttons["approve"].setEnabled(compared is not None and not self._said)
        self.buttons["step_back"].setEnabled(self.recipe.count() > 0)
        self.buttons["report"].setVisible(compared is not None)
        if self._said:
            self.answer.setText(self._said)
        elif compared is not None:
            self.answer.setText("\n".join(self._figures(compared.found)))
        elif ready:
            self.answer.setText(
                self.tr(
                    "Judges the kept images of all that is listed with the new bundle. Parts kept for testing, from which no "
                    "training learns, are counted by themselves."
                )
            )
        else:
            self.answer.setText(
                self.tr("There is no trained bundle yet.")
                if self.recipe.count()
                else self.tr("There is no recipe of your own yet.")
            )

    def _figures(self, found: approval.Comparison) -> list[str]:
        def lines(what: WhatIf) -> str:
            flips = sum(number for before, row in what.counts.items() for then, number in row.items() if then != before)
            said = fill(
                self.tr("{count} judged again, {flips} {flips:|flips|flip}."), count=f"{what.inspections:,}", flips=f"{flips:,}"
            )
            return " ".join([said, *share_lines(what)])

        texts = [
            self.tr("Kept for testing: {figures}").format(figures=lines(found.tested)),
            self.tr("All parts: {figures}").format(figures=lines(found.whole)),
        ]
        if found.made.without_images or found.made.failed:
            left = self.tr("{without} {without:|part has|parts have} no image any more, {failed} could not be judged.")
            texts.append(fill(left, without=f"{found.made.without_images:,}", failed=f"{found.made.failed:,}"))
        if not found.kept_apart:
            texts.append(
                self.tr(
                    "The new bundle was trained with a data set that keeps no parts for testing: it may have learnt from all "
                    "of these."
                )
            )
        return texts

    def retranslate(self) -> None:
        self.setAccessibleName(self.tr("New bundle"))
        for name, text in (("bundle", self.tr("New bundle")), ("recipe", self.tr("Recipe"))):
            self.labels[name].setText(text)
            (self.bundle if name == "bundle" else self.recipe).setAccessibleName(text)
        texts = {
            "compare": self.tr("Compare"),
            "approve": self.tr("Approve"),
            "step_back": self.tr("One step back"),
            "report": self.tr("Report"),
            "close": "",
        }
        for name, button in self.buttons.items():
            button.setText(texts[name])
            button.setAccessibleName(texts[name] or self.tr("Close the comparison"))
        self.buttons["approve"].setToolTip(self.tr("Put it into the recipe as its next revision, under your name"))
        self.buttons["step_back"].setToolTip(self.tr("Write the recipe as it was with the bundle before"))
        self._say()
        self.restyle()

    def restyle(self) -> None:
        icons = {"compare": "compare", "approve": "done", "step_back": "undo", "report": "open", "close": "close"}
        for name, button in self.buttons.items():
            button.setIcon(theme.icon(icons[name], "on_accent" if button.property("role") == "primary" else "text"))


class Approving(QObject):
    """Carries out what the panel asks for.

    `flipped` carries the verdicts that flip, by the keys of the parts; None: show the whole list again. `recipe_written`
    carries the file of a recipe that was changed, `failed` an InspectorError.
    """

    flipped = Signal(object)
    recipe_written = Signal(object)
    failed = Signal(object)

    def __init__(
        self,
        hand_on: HandingOn,
        worker: ArchiveThread,
        meant: Callable[[], Filters],
        who: Callable[[], str],
        *,
        recipe: Callable[[], Path | None] = lambda: None,
    ) -> None:
        """`worker`: does all but the comparison, which would be waited for. `meant`: returns which parts are compared.

        `recipe`: returns the file of the station's recipe.
        """
        super().__init__(hand_on)
        self.panel = ApprovalPanel()
        self._hand_on, self._meant, self._who, self._recipe = hand_on, meant, who, recipe
        self._worker = worker
        hand_on.compare_wanted.connect(self.offer)
        self.panel.wanted.connect(self._on_wanted)
        self.panel.chosen.connect(self._on_chosen)

    def offer(self) -> None:
        """Show the panel with what can be chosen now."""
        current = self._recipe()
        self._worker.ask("offered", lambda _archive: offered(current), self._on_offered, self.failed.emit)

    def _on_offered(self, found: Offered | None) -> None:
        if found is not None:
            self.panel.offer(found)

    def _on_wanted(self, name: str) -> None:
        bundle, recipe = self.panel.bundle.currentData(), self.panel.recipe.currentData()
        if name == "compare":
            self._compare(bundle, recipe)
        elif name == "approve":
            self._approve()
        elif name == "step_back":
            who = self._who()
            self._worker.ask(
                "step back", lambda archive: approval.step_back(archive, recipe, who=who), self._on_written, self.failed.emit
            )
        elif name == "report" and self.panel.compared is not None:
            QDesktopServices.openUrl(QUrl.fromLocalFile(str(self.panel.compared.report)))
        elif name == "close":
            self.close()

    def _on_chosen(self) -> None:
        """Forget the comparison of what was chosen before: it would be approved under the name of something else."""
        self._hand_on.stop("compare")
        if self.panel.compared is not None:
            self.flipped.emit(None)
        self.panel.show_compared(None)

    def forget(self) -> None:
        """Hide the panel; what it asked for is of no use any more."""
        self._worker.forget("offered")
        self._hand_on.stop("compare")
        self.panel.show_compared(None)
        self.panel.hide()

    def close(self) -> None:
        """Hide the panel, and show the whole list again."""
        flips = self.panel.compared is not None
        self.forget()
        if flips:
            self.flipped.emit(None)

    def _compare(self, bundle: Path, recipe: Path) -> None:
        filters, who = self._meant(), self._who()
        report = user_data() / "comparisons" / f"{datetime.now():%Y-%m-%d-%H%M%S}.html"

        def work(archive: Archive, step: Step) -> Compared:
            candidate, total = approval.proposed(recipe, bundle), count(archive.database, filters)
            found = approval.compare(
                archive, filters, candidate, who=who, progress=lambda judged: step(min(judged, total), total)
            )
            page = comparison_page(archive, found, who=who)
            write_atomically(report, page)
            approval.record_comparison(archive, found, page, who=who)
            return Compared(found, report)

        self._hand_on.do("compare", work, self._on_compared)

    def _on_compared(self, compared: Compared | None) -> None:
        self._hand_on.strip.hide()
        if compared is not None:
            self.panel.show_compared(compared)
            self.flipped.emit({key: then for key, _, then in compared.found.whole.flips})

    def _approve(self) -> None:
        compared, who = self.panel.compared, self._who()
        if compared is not None:
            candidate = compared.found.candidate
            self._worker.ask(
                "approve", lambda archive: approval.approve(archive, candidate, who=who), self._on_written, self.failed.emit
            )

    def _on_written(self, facts: Mapping[str, Any] | None) -> None:
        if facts is None:
            return
        text = self.tr("{recipe} has revision {revision} now, with {bundles}. It is in the audit trail under the name {who}.")
        bundles = ", ".join(f"{name} {digest[:8]}" for name, digest in facts["bundles"].items())
        self.panel.say(text.format(recipe=facts["recipe"], revision=facts["revision"], bundles=bundles, who=self._who()))
        self.recipe_written.emit(Path(facts["recipe_file"]))
