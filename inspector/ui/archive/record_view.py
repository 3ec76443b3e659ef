"""An opened part: its picture in the analysis tabs, every judgement, where the verdict came from, and what people said."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

from PySide6.QtCore import QCoreApplication, QSize, Qt, Signal
from PySide6.QtWidgets import (
    QFormLayout,
    QFrame,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QSizePolicy,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from inspector.archive.reading import ReadPart
from inspector.archive.store.query import shown_time
from inspector.core.types import Judgement, Verdict
from inspector.recipes.locate import own_recipes
from inspector.recipes.quantities import QUANTITIES
from inspector.ui.archive.gallery import time_of
from inspector.ui.inspect.panels.readouts import Badge
from inspector.ui.shell import theme
from inspector.ui.shell.strings import class_name, translate, verdict_word
from inspector.ui.tabs.tabs import AnalysisTabs
from inspector.ui.widgets.boxes import plain, scrolled
from inspector.ui.widgets.inputs import TabWidget
from inspector.ui.widgets.tables import Cell, Row, ValueTable
from inspector.ui.widgets.themed import Themed
from inspector.ui.widgets.tips import plain_tip

FACTS_WIDTH: Final = theme.SPACING * 46
STEPS: Final = {"gallery": "unfold", "previous_ng": "previous-ng", "previous": "previous", "next": "next", "next_ng": "next-ng"}


class RecordView(Themed, QWidget):
    """`wanted` carries a name of STEPS."""

    wanted = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._read: ReadPart | None = None
        self._gap = ""
        self._name = ""
        self.buttons = {name: QPushButton() for name in STEPS}
        self.badge = Badge(Verdict.OK)
        self.badge.setFixedSize(theme.ICON, theme.ICON)
        self.word, self.part, self.when = QLabel(), QLabel(), QLabel()
        self.reason, self.gap, self.hint = QLabel(), QLabel(), QLabel()
        self.analysis = AnalysisTabs(apart=True)
        self.analysis.set_frozen(True)
        self.analysis.tabBar().setDrawBase(False)
        self.picture = QStackedWidget()
        self.judgements = ValueTable()
        self.facts = QFormLayout()
        self.history = QLabel()
        self.titles = {name: QLabel() for name in ("judgements", "provenance", "history")}
        self.side = TabWidget()
        self._arrange()
        self.retranslate()

    def _arrange(self) -> None:
        self.word.setProperty("role", "strong")
        self.when.setProperty("role", "muted")
        self.gap.setProperty("role", "error")
        self.hint.setProperty("role", "muted")
        self.hint.setAlignment(Qt.AlignmentFlag.AlignCenter)
        for label in (self.reason, self.gap, self.hint, self.history):
            label.setWordWrap(True)
            label.setTextFormat(Qt.TextFormat.PlainText)
        self.part.setTextFormat(Qt.TextFormat.PlainText)
        self.part.setMinimumWidth(1)
        self.part.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        head = plain(QHBoxLayout())
        for name, button in self.buttons.items():
            button.setObjectName(f"record_{name}")
            button.setMinimumHeight(theme.TOUCH)
            button.setIconSize(QSize(theme.ICON, theme.ICON))
            button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
            button.clicked.connect(lambda _=False, name=name: self.wanted.emit(name))
            head.addWidget(button)
        for widget in (self.badge, self.word):
            head.addWidget(widget)
        head.addWidget(self.part, 1)
        head.addWidget(self.when)
        self.picture.addWidget(self.analysis)
        self.picture.addWidget(self.hint)
        body = plain(QHBoxLayout())
        body.addWidget(self.picture, 1)
        body.addWidget(self._side())
        whole = plain(QVBoxLayout(self))
        whole.addLayout(head)
        whole.addWidget(self.gap)
        whole.addLayout(body, 1)

    def _side(self) -> QWidget:
        self.judgements.set_whole()
        self.facts.setRowWrapPolicy(QFormLayout.RowWrapPolicy.WrapLongRows)
        inside = QWidget()
        column = plain(QVBoxLayout(inside))
        column.setContentsMargins(theme.SPACING, theme.SPACING, theme.SPACING * 2, 0)
        column.addWidget(self.reason)
        for name, content in (("judgements", self.judgements), ("history", self.history), ("provenance", self.facts)):
            self.titles[name].setProperty("role", "strong")
            column.addWidget(self.titles[name])
            if isinstance(content, QWidget):
                column.addWidget(content)
            else:
                column.addLayout(content)
        column.addStretch(1)
        self.side.setFixedWidth(FACTS_WIDTH)
        self.side.setDocumentMode(True)
        self.side.tabBar().setDrawBase(False)
        self.side.addTab(scrolled(inside), "")
        views = QFrame()
        plain(QVBoxLayout(views)).addWidget(self.analysis.panels)
        self.analysis.panels.show()
        self.side.addTab(views, "")
        return self.side

    @property
    def read(self) -> ReadPart | None:
        """The part on display."""
        return self._read

    def show_part(self, read: ReadPart, *, name: str, gap: str) -> None:
        """Show a part. `name`: its result id; `gap`: what is missing before it."""
        self._read, self._name, self._gap = read, name, gap
        if read.inspection.frames:
            self.picture.setCurrentWidget(self.analysis)
            recipe = read.recipe if read.inspection.predictions else None
            self.analysis.set_inspection(read.inspection, recipe, base=own_recipes(), heat=read.heat)
        else:
            self.picture.setCurrentWidget(self.hint)
        self._show()

    def _show(self) -> None:
        self.gap.setText(self._gap)
        self.gap.setVisible(bool(self._gap))
        read = self._read
        if read is None:
            return
        inspection, row = read.inspection, read.found
        self.badge.set_verdict(inspection.verdict)
        self.word.setText(verdict_word(inspection.verdict))
        self.part.setText(inspection.part)
        self.part.setToolTip(plain_tip(inspection.part))
        self.when.setText(time_of(row))
        said = [translate(reason) for reason in inspection.reasons] or ([row["reason"]] if row["reason"] else [])
        problems = [translate(problem) for problem in read.problems]
        self.hint.setText("\n".join(problems))
        self.reason.setText("\n".join([*said, *problems]))
        self._show_judgements(inspection.judgements)
        self._show_provenance(row)
        self.history.setText("\n".join(self._history(row["corrections"])) or self.tr("Nobody has corrected this part."))
        self.setAccessibleDescription(f"{self.word.text()} {inspection.part} {self.reason.text()}")

    def _show_judgements(self, judgements: Sequence[Judgement]) -> None:
        rows = []
        for number, one in enumerate(judgements):
            quantity = QUANTITIES.get(one.quantity)
            label = (
                QCoreApplication.translate("settings", quantity.label or one.quantity) if quantity is not None else one.quantity
            )
            what = label if one.name in ("", "-") else f"{label}\n{class_name(one.name)}"
            known = math.isfinite(one.compared)  # else it could not be measured, or there was nothing to compare with
            sign = ">" if one.when == "above" else "<"
            cells = (
                Cell(what),
                Cell(f"{one.compared:.4g}" if known else "–", one.compared if known else None),
                Cell(f"{sign} {one.limit:g}", one.limit),
                Cell(verdict_word(one.verdict)),
            )
            rows.append(Row(number, cells))
        self.judgements.set_rows(rows)

    def _show_provenance(self, row: Mapping[str, Any]) -> None:
        while self.facts.rowCount():
            self.facts.removeRow(0)
        for title, text in self._provenance(row):
            if not text:
                continue
            value = QLabel(text)
            value.setTextFormat(Qt.TextFormat.PlainText)
            value.setWordWrap(True)
            longest = max(value.fontMetrics().horizontalAdvance(word) for word in text.split())
            value.setMinimumWidth(min(longest, FACTS_WIDTH - theme.SPACING * 5))  # what is wider than its place goes below
            value.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
            caption = QLabel(title)
            caption.setProperty("role", "small")
            self.facts.addRow(caption, value)

    def _provenance(self, row: Mapping[str, Any]) -> list[tuple[str, str]]:
        record = row["record"]
        bundles = record.get("internal_configuration_id", {})
        engines = {f"{one.get('engine')} {one.get('precision')}" for one in record.get("predictions", ()) if one.get("engine")}
        times = record.get("processing_times", {})
        told = row["told"]
        return [
            (self.tr("Recipe"), f"{row['product_id']} r{row['recipe_version']}  {row['internal_recipe_id'][:12]}"),
            (self.tr("Bundles"), "\n".join(f"{name}  {digest[:12]}" for name, digest in bundles.items())),
            (self.tr("Engine"), ", ".join(sorted(engines))),
            (self.tr("Lot"), row["lot"]),
            (self.tr("Order"), row["job_id"]),
            (self.tr("Station"), " / ".join(text for text in (row["station"], row["line"]) if text)),
            (self.tr("Shift, operator"), ", ".join(text for text in (row["shift"], row["operator"]) if text)),
            (self.tr("Time"), f"{time_of(row)} {shown_time(row['creation_time'], row['utc_offset'])[-6:]}"),
            (self.tr("Times in ms"), ", ".join(f"{name} {value:.1f}" for name, value in times.items() if value is not None)),
            (self.tr("The line was told"), verdict_word(Verdict(told)) if told else ""),
            (self.tr("Simulated"), self.tr("yes") if row["is_simulated"] else ""),
            (self.tr("Source"), str(record.get("source", ""))),
            (self.tr("Software"), str(record.get("software", ""))),
            (self.tr("Record"), self._name),
        ]

    def _history(self, corrections: Sequence[Mapping[str, Any]]) -> list[str]:
        lines = []
        for said in sorted(corrections, key=lambda one: one["creation_time"]):
            truth = verdict_word(Verdict(said["verdict"])) if said["verdict"] else ""
            words = " ".join(text for text in (truth, class_name(said["class_name"]), said["reason"], said["note"]) if text)
            line = f"{shown_time(said['creation_time'])[:16].replace('T', ' ')} UTC  {said['who']}: {words}"
            lines.append(f"{line} {self.tr('(taken back)')}" if said["undone"] else line)
        return lines

    def close_workers(self) -> None:
        """End the background threads."""
        self.analysis.close_workers()

    def retranslate(self) -> None:
        texts = {
            "gallery": (self.tr("Gallery"), self.tr("Back to the gallery (Esc)")),
            "previous_ng": ("", self.tr("Previous NG (Shift+N)")),
            "previous": ("", self.tr("Previous (Left)")),
            "next": ("", self.tr("Next (Right)")),
            "next_ng": ("", self.tr("Next NG (N)")),
        }
        for name, button in self.buttons.items():
            text, tip = texts[name]
            button.setText(text)
            button.setToolTip(tip)
            button.setAccessibleName(tip)
        self.judgements.set_titles([self.tr("Rule"), self.tr("Value"), self.tr("Limit"), self.tr("Verdict")])
        self.judgements.setAccessibleName(self.tr("Judgements"))
        for name, text in (
            ("judgements", self.tr("Judgements")),
            ("provenance", self.tr("Where the verdict came from")),
            ("history", self.tr("Corrections")),
        ):
            self.titles[name].setText(text)
        self.side.setTabText(0, self.tr("Record"))
        self.side.setTabText(1, self.tr("View"))
        self._show()
        self.restyle()

    def restyle(self) -> None:
        for name, button in self.buttons.items():
            button.setIcon(theme.icon(STEPS[name]))
