"""The filters beside the gallery, each with the number of parts that its values have."""

from collections.abc import Mapping, Sequence
from typing import Final

from PySide6.QtCore import QDateTime, QSignalBlocker, QSize, Qt, QTimer, Signal
from PySide6.QtWidgets import (
    QComboBox,
    QFrame,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from inspector.core.types import Verdict
from inspector.ui.archive.filtering.choice import COLUMNS, NUMBERS, PERIODS, Choice
from inspector.ui.archive.filtering.counting import Counts
from inspector.ui.shell import theme
from inspector.ui.shell.strings import class_name, verdict_word
from inspector.ui.widgets.boxes import plain, scrolled
from inspector.ui.widgets.inputs import ComboBox, DateTimeEdit
from inspector.ui.widgets.themed import Themed
from inspector.ui.widgets.tips import plain_tip

WIDTH: Final = theme.SPACING * 30
ORDER: Final = (
    "period",
    "verdict",
    "truth",
    "recipe",
    "rule",
    "class_name",
    "lot",
    "shift",
    "operator",
    "bundle",
    "simulated",
)
_TYPING_MS: Final = 400  # from the last letter to the search


class FilterPanel(Themed, QFrame):
    """`changed`: a person chose something else. `saved` carries the name under which the choice is to be kept, `removed` the
    name of a saved one that is to go."""

    changed = Signal()
    saved = Signal(str)
    removed = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("archive_filters")
        self.setFixedWidth(WIDTH)
        self._choice = Choice()
        self._counts: dict[str, Counts] = {}
        self.boxes = {name: self._combo(name) for name in ORDER}
        self.labels = {name: QLabel() for name in (*ORDER, "text", "score", "margin", "saved")}
        self.text = QLineEdit()
        self.text.setObjectName("filter_text")
        self.text.setClearButtonEnabled(True)
        self.numbers = {name: QLineEdit() for name in NUMBERS}
        self.dates = {name: DateTimeEdit() for name in ("since", "until")}
        self.known = ComboBox()
        self.known.setEditable(True)
        self.keep, self.remove, self.clear = QToolButton(), QToolButton(), QPushButton()
        self._typing = QTimer(self)
        self._typing.setSingleShot(True)
        self._typing.setInterval(_TYPING_MS)
        self._arrange()
        self._connect()
        self.retranslate()

    def _combo(self, name: str) -> ComboBox:
        box = ComboBox()
        box.setObjectName(f"filter_{name}")
        box.setMinimumHeight(theme.TOUCH)
        box.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        box.setMinimumContentsLength(8)
        box.activated.connect(lambda _index: self._choose(name, str(box.currentData() or "")))
        return box

    def _arrange(self) -> None:
        inside = QWidget()
        column = plain(QVBoxLayout(inside), theme.SPACING // 2)
        column.setContentsMargins(0, 0, theme.SPACING * 2, 0)
        for label in self.labels.values():
            label.setProperty("role", "small")
        self._add(column, "saved", self._row(self.known, self.keep, self.remove))
        self._add(column, "text", self.text)
        for name in ORDER:
            self._add(column, name, self.boxes[name])
            if name == "period":
                for date in self.dates.values():
                    column.addWidget(date)
        self._add(column, "score", self._row(self.numbers["score_above"], self.numbers["score_below"]))
        self._add(column, "margin", self._row(self.numbers["margin_above"], self.numbers["margin_below"]))
        column.addStretch(1)
        whole = plain(QVBoxLayout(self))
        whole.addWidget(self.clear)
        whole.addWidget(scrolled(inside), 1)
        for button in (self.keep, self.remove):
            button.setFixedSize(theme.TOUCH, theme.TOUCH)
            button.setIconSize(QSize(theme.ICON, theme.ICON))
        for date in self.dates.values():
            date.setMinimumHeight(theme.TOUCH)
            date.setCalendarPopup(True)
            date.setDisplayFormat("yyyy-MM-dd HH:mm")
            date.hide()
        self.known.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)

    def _add(self, column: QVBoxLayout, name: str, widget: QWidget) -> None:
        column.addWidget(self.labels[name])
        column.addWidget(widget)

    @staticmethod
    def _row(*widgets: QWidget) -> QWidget:
        row = QWidget()
        box = plain(QHBoxLayout(row), theme.SPACING // 2)
        for widget in widgets:
            box.addWidget(widget, 0 if isinstance(widget, QToolButton) else 1)
        return row

    def _connect(self) -> None:
        self.text.textChanged.connect(lambda _text: self._typing.start())
        for number in self.numbers.values():
            number.textChanged.connect(lambda _text: self._typing.start())
        for date in self.dates.values():
            date.dateTimeChanged.connect(lambda _date: self._typing.start())
        self._typing.timeout.connect(self._on_typed)
        self.clear.clicked.connect(lambda: self.show_choice(Choice(), tell=True))
        self.keep.clicked.connect(self._on_keep)
        self.remove.clicked.connect(lambda: self.removed.emit(self.known.currentText().strip()))

    @property
    def choice(self) -> Choice:
        return self._choice

    def show_choice(self, choice: Choice, *, tell: bool = False) -> None:
        """Show a choice. `tell`: as if a person had made it."""
        self._choice = choice
        blocked = [QSignalBlocker(one) for one in (self.text, *self.numbers.values(), *self.dates.values())]
        self.text.setText(choice.value("text"))
        for name, field in self.numbers.items():
            field.setText(choice.value(name))
        for name, date in self.dates.items():
            date.setVisible(choice.value("period") == "dates")
            if choice.value(name):
                date.setDateTime(QDateTime.fromString(choice.value(name), Qt.DateFormat.ISODate))
        del blocked
        self._typing.stop()
        self._fill()
        if tell:
            self.changed.emit()

    def set_counts(self, counts: Counts) -> None:
        """Show the numbers of one filter."""
        self._counts[counts.name] = counts
        self._fill_box(counts.name)

    def set_saved(self, names: Sequence[str]) -> None:
        """Offer these saved choices."""
        text = self.known.currentText()
        self.known.clear()
        self.known.addItems(list(names))
        self.known.setCurrentIndex(-1)
        self.known.setEditText(text)

    def _choose(self, name: str, value: str) -> None:
        self._choice = self._choice.with_value(name, value)
        if name == "period":
            now = QDateTime.currentDateTime()
            for key, date in self.dates.items():
                date.setVisible(value == "dates")
                if value != "dates":
                    self._choice = self._choice.with_value(key, "")
                else:
                    with QSignalBlocker(date):
                        date.setDateTime(now.addDays(-1) if key == "since" else now)
                    self._choice = self._choice.with_value(key, date.dateTime().toString(Qt.DateFormat.ISODate))
        self.changed.emit()

    def _on_typed(self) -> None:
        self._choice = self._choice.with_value("text", self.text.text().strip())
        for name, field in self.numbers.items():
            self._choice = self._choice.with_value(name, field.text().strip())
        if self._choice.value("period") == "dates":
            for name, date in self.dates.items():
                self._choice = self._choice.with_value(name, date.dateTime().toString(Qt.DateFormat.ISODate))
        self.changed.emit()

    def _on_keep(self) -> None:
        name = self.known.currentText().strip()
        if name:
            self.saved.emit(name)
        else:
            self.known.setFocus()

    # The words of the values

    def _fill(self) -> None:
        for name in ORDER:
            self._fill_box(name)

    def _fill_box(self, name: str) -> None:
        box, chosen = self.boxes[name], self._choice.value(name)
        values = self._values(name)
        if chosen not in values:
            values[chosen] = self._word(name, chosen)
        with QSignalBlocker(box):
            box.clear()
            for value, text in values.items():
                box.addItem(text, value)
            box.setCurrentIndex(box.findData(chosen))
            box.setToolTip(plain_tip(box.currentText()))

    def _values(self, name: str) -> dict[str, str]:
        """Return the texts of a filter's values, "" first."""
        counts = self._counts.get(name)
        numbers = {} if counts is None else dict(counts.numbers)
        if name == "period":
            return {one: self._numbered(self._word(name, one), numbers.get(one)) for one in PERIODS}
        if name == "truth":
            some = sum(number for value, number in numbers.items() if value)
            numbers = {"yes": some, "no": numbers.get("", 0), **{one: numbers.get(one, 0) for one in ("OK", "NG")}}
        shown = {value: number for value, number in numbers.items() if value}
        all_ = None if name in ("rule", "class_name") or counts is None else counts.total
        return {"": self._numbered(self.tr("All"), all_)} | {
            value: self._numbered(self._word(name, value), number if counts is not None else None)
            for value, number in shown.items()
        }

    @staticmethod
    def _numbered(word: str, number: int | None) -> str:
        return word if number is None else f"{word}  ({number:,})"

    def _word(self, name: str, value: str) -> str:
        if not value:
            return self.tr("All")
        if name == "verdict":
            return verdict_word(Verdict(value))
        if name == "class_name":
            return class_name(value)
        if name == "rule":
            quantity, _, kind = value.partition(" ")
            return f"{quantity} {class_name(kind)}"
        counts = self._counts.get(name)
        if name == "bundle" and counts is not None:
            return counts.words.get(value, value[:8])
        return self._fixed_words().get((name, value), value)

    def _fixed_words(self) -> Mapping[tuple[str, str], str]:
        return {
            ("period", "hour"): self.tr("Last hour"),
            ("period", "today"): self.tr("Today"),
            ("period", "yesterday"): self.tr("Yesterday"),
            ("period", "week"): self.tr("Last 7 days"),
            ("period", "month"): self.tr("Last 30 days"),
            ("period", "dates"): self.tr("From, to"),
            ("truth", "yes"): self.tr("Corrected"),
            ("truth", "no"): self.tr("Not corrected"),
            ("truth", "OK"): self.tr("Truly OK"),
            ("truth", "NG"): self.tr("Truly NG"),
            ("simulated", "no"): self.tr("Real parts"),
            ("simulated", "yes"): self.tr("Simulation"),
        }

    def retranslate(self) -> None:
        self.setAccessibleName(self.tr("Filters"))
        texts = {
            "saved": self.tr("Saved filters"),
            "text": self.tr("Part or lot begins with"),
            "period": self.tr("Time"),
            "verdict": self.tr("Verdict"),
            "truth": self.tr("Corrections"),
            "recipe": self.tr("Recipe"),
            "rule": self.tr("Rule that decided"),
            "class_name": self.tr("Class"),
            "lot": self.tr("Lot"),
            "shift": self.tr("Shift"),
            "operator": self.tr("Operator"),
            "bundle": self.tr("Bundle"),
            "simulated": self.tr("Simulated"),
            "score": self.tr("Score from, to"),
            "margin": self.tr("Margin from, to"),
        }
        for name, label in self.labels.items():
            label.setText(texts[name])
        for name, box in self.boxes.items():
            box.setAccessibleName(texts[name])
        self.text.setAccessibleName(texts["text"])
        self.known.setAccessibleName(texts["saved"])
        for name, field in self.numbers.items():
            kind = texts["score" if name.startswith("score") else "margin"]
            field.setAccessibleName(f"{kind} {name}")
            field.setPlaceholderText(self.tr("from") if name.endswith("above") else self.tr("to"))
        self.dates["since"].setAccessibleName(self.tr("From"))
        self.dates["until"].setAccessibleName(self.tr("To"))
        self.clear.setText(self.tr("All parts"))
        self.clear.setAccessibleName(self.tr("All parts"))
        for button, text in ((self.keep, self.tr("Save these filters")), (self.remove, self.tr("Remove saved filters"))):
            button.setToolTip(text)
            button.setAccessibleName(text)
        self._fill()
        self.restyle()

    def restyle(self) -> None:
        self.keep.setIcon(theme.icon("save"))
        self.remove.setIcon(theme.icon("trash"))


COUNTED: Final = ("verdict", "truth", "period", "simulated", *(name for name in COLUMNS if name not in ("verdict", "truth")))
