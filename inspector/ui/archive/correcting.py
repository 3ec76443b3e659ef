"""Correcting in two taps: right or wrong, then what the part truly is. The machine's verdict stays beside it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from PySide6.QtCore import QSize, Qt, Signal
from PySide6.QtWidgets import QComboBox, QFrame, QHBoxLayout, QLabel, QLineEdit, QPushButton, QSizePolicy, QWidget

from inspector.core.types import Verdict
from inspector.ui.inspect.panels.readouts import Badge
from inspector.ui.shell import theme
from inspector.ui.shell.strings import class_name, verdict_word
from inspector.ui.widgets.boxes import plain
from inspector.ui.widgets.inputs import ComboBox
from inspector.ui.widgets.themed import Themed
from inspector.ui.widgets.tips import plain_tip

_MOST_BUTTONS: Final = 4  # classes with a button of their own; the others are in a list
_WIDEST: Final = theme.SPACING * 12  # of the text on such a button


@dataclass(frozen=True, slots=True)
class Truth:
    """What a person said of parts. `verdict` None: what the machine said of each is right."""

    verdict: Verdict | None
    class_name: str = ""
    reason: str = ""
    note: str = ""


class CorrectionBar(Themed, QFrame):
    """The buttons for the current part, or for those that are picked. `said` carries a Truth, `undone`: take it back."""

    said = Signal(object)
    undone = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("correction")
        self.setProperty("role", "card")
        self._machine: Verdict | None = None
        self._truth: Verdict | None = None
        self._classes: Sequence[str] = ()
        self._choosing = False
        self._count = 0
        self.machine, self.truly = Badge(Verdict.OK), Badge(Verdict.OK)
        self.part = QLabel()
        self.right, self.wrong, self.undo, self.back = QPushButton(), QPushButton(), QPushButton(), QPushButton()
        self.others = ComboBox()
        self.who, self.note, self.reason = QLineEdit(), QLineEdit(), ComboBox()
        self.truths: list[QPushButton] = []
        self._row = plain(QHBoxLayout())
        self._arrange()
        self.right.clicked.connect(lambda: self._say(None))
        self.wrong.clicked.connect(lambda: self._choose(True))
        self.back.clicked.connect(lambda: self._choose(False))
        self.undo.clicked.connect(self.undone)
        self.others.activated.connect(lambda index: self._say(Verdict.NG, self.others.itemData(index)) if index else None)
        self.retranslate()

    def _arrange(self) -> None:
        row = QHBoxLayout(self)
        row.setContentsMargins(*(theme.SPACING,) * 4)
        row.setSpacing(theme.SPACING)
        for badge in (self.machine, self.truly):
            badge.setFixedSize(theme.ICON, theme.ICON)
            row.addWidget(badge)
        self.part.setMinimumWidth(theme.SPACING * 5)
        self.part.setWordWrap(True)
        self.part.setTextFormat(Qt.TextFormat.PlainText)
        self.part.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        row.addWidget(self.part, 2)
        row.addLayout(self._row)
        for button, name in ((self.right, "right"), (self.wrong, "wrong"), (self.back, "back"), (self.undo, "undo")):
            button.setObjectName(f"correct_{name}")
            button.setMinimumSize(theme.TOUCH * 2, theme.TOUCH)
            button.setIconSize(QSize(theme.ICON, theme.ICON))
        for button in (self.right, self.wrong):
            self._row.addWidget(button)
        self._row.addWidget(self.others)
        self._row.addWidget(self.back)
        row.addWidget(self.undo)
        self.reason.setEditable(True)
        self.reason.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        for field, stretch in ((self.reason, 2), (self.note, 2), (self.who, 1)):
            field.setMinimumHeight(theme.TOUCH)
            field.setMinimumWidth(theme.SPACING * (13 if field is self.who else 11))
            row.addWidget(field, stretch)

    def show_part(
        self, part: str, *, machine: Verdict | None, truth: Verdict | None, classes: Sequence[str], count: int = 1
    ) -> None:
        """Offer what can be said of a part. `machine` None: parts with different verdicts. `classes`: that are NG.

        `count`: how many parts are meant.
        """
        self.part.setText(part)
        self.part.setToolTip(plain_tip(part))
        self._machine, self._truth, self._classes, self._count = machine, truth, classes, count
        self._choose(False)

    def clear(self) -> None:
        """There is no part."""
        self.show_part("", machine=None, truth=None, classes=(), count=0)

    def set_reasons(self, reasons: Sequence[str]) -> None:
        """Offer reasons that were given before."""
        text = self.reason.currentText()
        self.reason.clear()
        self.reason.addItems(list(reasons))
        self.reason.setEditText(text)

    def _choose(self, choosing: bool) -> None:
        """Show what a part can truly be, or first whether the machine is right."""
        judged = self._machine in (Verdict.OK, Verdict.NG) or (self._machine is None and self._count > 1)
        self._choosing = choosing or (not judged and self._count > 0)
        for button in self.truths:
            self._row.removeWidget(button)
            button.hide()
            button.deleteLater()
        self.truths = []
        if self._choosing:
            for widget in (self.right, self.wrong, self.undo, *((self.reason, self.note, self.who) if judged else ())):
                widget.hide()  # first, for the room; what was written in them is kept
            self._offer(_MOST_BUTTONS if judged else 0)
        self.others.setVisible(self._choosing and self.others.count() > 1)
        self.back.setVisible(self._choosing and judged)
        for button in (self.right, self.wrong):
            button.setVisible(not self._choosing)
            button.setEnabled(self._count > 0)
        for field in (self.reason, self.note, self.who):
            field.setVisible(not self._choosing or not judged)
        self.undo.setVisible(not self._choosing)
        self.undo.setEnabled(self._truth is not None and self._count == 1)
        self._mark()

    def _offer(self, most: int) -> None:
        """Make a button for OK, for NG and for the first classes."""
        offered: list[tuple[Verdict, str]] = [] if self._machine is Verdict.OK else [(Verdict.OK, "")]
        offered += [(Verdict.NG, name) for name in self._classes[:most]]
        if self._machine is not Verdict.NG or not self._classes[:most]:
            offered.append((Verdict.NG, ""))
        for place, (verdict, name) in enumerate(offered):
            words = class_name(name) if name else verdict_word(verdict)
            button = QPushButton(self.fontMetrics().elidedText(words, Qt.TextElideMode.ElideMiddle, _WIDEST))
            button.setToolTip(plain_tip(words))
            button.setObjectName(f"truth_{name or verdict.value}")
            button.setAccessibleName(self.tr("Truly {what}").format(what=words))
            button.setMinimumSize(theme.TOUCH * 2, theme.TOUCH)
            button.setProperty("role", "primary" if verdict is Verdict.OK else "")
            button.clicked.connect(lambda _=False, verdict=verdict, name=name: self._say(verdict, name))
            self._row.insertWidget(2 + place, button)
            button.show()
            self.truths.append(button)
        self.others.clear()
        self.others.addItem(self.tr("Another class"), "")
        for name in self._classes[most:]:
            self.others.addItem(class_name(name), name)

    def _say(self, verdict: Verdict | None, name: str = "") -> None:
        if not self.who.text().strip():
            self._choose(False)
            self.who.setFocus(Qt.FocusReason.OtherFocusReason)
        self.said.emit(Truth(verdict, name, self.reason.currentText().strip(), self.note.text().strip()))

    def _mark(self) -> None:
        self.machine.setVisible(self._machine is not None)
        self.truly.setVisible(self._truth is not None)
        if self._machine is not None:
            self.machine.set_verdict(self._machine)
            self.machine.setToolTip(self.tr("The machine: {verdict}").format(verdict=verdict_word(self._machine)))
        if self._truth is not None:
            self.truly.set_verdict(self._truth)
            self.truly.setToolTip(self.tr("Truly: {verdict}").format(verdict=verdict_word(self._truth)))

    def retranslate(self) -> None:
        self.setAccessibleName(self.tr("Correction"))
        texts = {
            self.right: (self.tr("Right"), self.tr("The machine is right (R)")),
            self.wrong: (self.tr("Wrong"), self.tr("The machine is wrong (W)")),
            self.back: (self.tr("Back"), self.tr("Say nothing")),
            self.undo: (self.tr("Undo"), self.tr("Take the newest correction of this part back (U)")),
        }
        for button, (text, tip) in texts.items():
            button.setText(text)
            button.setAccessibleName(text)
            button.setToolTip(tip)
        fields = {
            self.who: self.tr("Your name"),
            self.note: self.tr("Note"),
        }
        for field, text in fields.items():
            field.setPlaceholderText(text)
            field.setAccessibleName(text)
        self.reason.setAccessibleName(self.tr("Reason"))
        line = self.reason.lineEdit()
        if line is not None:
            line.setPlaceholderText(self.tr("Reason"))
        self.others.setAccessibleName(self.tr("Another class"))
        self._choose(self._choosing)
        self.restyle()

    def restyle(self) -> None:
        for button, icon in ((self.right, "done"), (self.wrong, "close"), (self.undo, "undo"), (self.back, "previous")):
            button.setIcon(theme.icon(icon))
