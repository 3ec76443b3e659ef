"""The last step: a name, a summary, and the problems that would stop the run."""

from collections.abc import Sequence

from PySide6.QtCore import QCoreApplication, QSignalBlocker, Qt, Signal
from PySide6.QtWidgets import (
    QFrame,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from inspector.core.message import Message, fill
from inspector.core.registry import NETWORKS, TASKS
from inspector.runs.settings import TrainSettings, shown_settings
from inspector.ui.shell import theme
from inspector.ui.shell.strings import translate
from inspector.ui.training.labels import minutes_text, task_word
from inspector.ui.training.new.draft import Draft
from inspector.ui.widgets.boxes import plain, scrolled
from inspector.ui.widgets.setting_fields import in_words, number_text
from inspector.ui.widgets.themed import Themed


class StartPage(Themed, QWidget):
    """The start page. `renamed` carries the typed name; `setting_wanted` the setting whose problem was pressed."""

    renamed = Signal(str)
    setting_wanted = Signal(str)

    def __init__(self, draft: Draft, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._draft = draft
        self._minutes: float | None = None
        self._images = 0
        self._title = QLabel()
        self.name = QLineEdit()
        self.name.setObjectName("run_name")
        self.name.setMinimumHeight(theme.TOUCH)
        self.name.setMaxLength(next(item.max_length for item in TrainSettings.model_fields["name"].metadata))
        self.name.textEdited.connect(self.renamed)
        self._title.setBuddy(self.name)
        self._name_error = QLabel()
        self._name_error.setProperty("role", "error")
        self._name_error.setWordWrap(True)
        self._facts = QGridLayout()
        self._facts.setHorizontalSpacing(theme.SPACING * 3)
        self._facts.setVerticalSpacing(theme.SPACING)
        self._facts.setColumnStretch(1, 1)
        self._problem_title = QLabel()
        self._problem_title.setProperty("role", "strong")
        self.problems = QVBoxLayout()
        self._sentences: list[str] = []
        self._arrange()
        self.retranslate()

    def _arrange(self) -> None:
        card = QFrame()
        card.setProperty("role", "card")
        card.setMaximumWidth(theme.SPACING * 130)
        box = QVBoxLayout(card)
        box.setContentsMargins(*(theme.SPACING * 3,) * 4)
        box.setSpacing(theme.SPACING * 2)
        row = plain(QHBoxLayout(), theme.SPACING * 3)
        row.addWidget(self._title)
        row.addWidget(self.name, 1)
        box.addLayout(row)
        box.addWidget(self._name_error)
        box.addLayout(self._facts)
        box.addWidget(self._problem_title)
        box.addLayout(self.problems)
        inside = QWidget()
        outer = plain(QVBoxLayout(inside))
        outer.addWidget(card)
        outer.addStretch(1)
        area = scrolled(inside)
        plain(QVBoxLayout(self)).addWidget(area)

    def show_name(self, name: str, error: str) -> None:
        """Show the name, and its error."""
        if name != self.name.text():
            with QSignalBlocker(self.name):
                self.name.setText(name)
        self._name_error.setText(error)
        self._name_error.setVisible(bool(error))

    def show_facts(self, *, images: int, minutes: float | None) -> None:
        """Show the summary."""
        self._images, self._minutes = images, minutes
        self._fill()

    def show_problems(self, problems: Sequence[Message], errors: dict[str, str]) -> None:
        """Show the problems: sentences, and settings with errors."""
        while (item := self.problems.takeAt(0)) is not None:
            widget = item.widget()
            if widget is not None:
                widget.hide()
                widget.deleteLater()
        self._sentences = [translate(problem) for problem in problems]
        for text in self._sentences:
            label = QLabel(text)
            label.setProperty("role", "error")
            label.setWordWrap(True)
            label.setTextFormat(Qt.TextFormat.PlainText)
            label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
            self.problems.addWidget(label)
        shown = shown_settings()
        for name, text in errors.items():
            label_text = in_words(shown[name].label) if name in shown else name
            button = QPushButton(f"{label_text}: {text}" if label_text else text)
            button.setObjectName(f"problem_{name}")
            button.setAccessibleName(button.text())
            button.clicked.connect(lambda _=False, name=name: self.setting_wanted.emit(name))
            self._sentences.append(button.text())
            self.problems.addWidget(button)
        self._problem_title.setVisible(bool(self._sentences))

    @property
    def sentences(self) -> list[str]:
        """The problems on display."""
        return list(self._sentences)

    def _fill(self) -> None:
        while (item := self._facts.takeAt(0)) is not None:
            widget = item.widget()
            if widget is not None:
                widget.hide()
                widget.deleteLater()
        for row, (caption, text) in enumerate(self._rows()):
            left, right = QLabel(caption), QLabel(text)
            left.setProperty("role", "muted")
            right.setWordWrap(True)
            right.setTextFormat(Qt.TextFormat.PlainText)
            right.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
            self._facts.addWidget(left, row, 0, Qt.AlignmentFlag.AlignTop)
            self._facts.addWidget(right, row, 1)

    def _rows(self) -> list[tuple[str, str]]:
        draft = self._draft
        if draft.task is None:
            return []
        network = str(draft.value("network"))
        label = QCoreApplication.translate("networks", NETWORKS[network].label) if network in NETWORKS else network
        size = f"{draft.value('width')} × {draft.value('height')} px"
        rows = [
            (self.tr("Data"), f"{draft.folder}\n" + fill(self.tr("{count} {count:|image|images}"), count=f"{self._images:,}")),
            (self.tr("What is learnt"), task_word(draft.task)),
            (self.tr("Network"), f"{label}, {size}"),
            (self.tr("Epochs"), str(draft.value("epochs"))),
        ]
        if TASKS[draft.task].labels == "label":
            rows.insert(2, (self.tr("Good parts"), _text(draft.value("ok_classes")) or self.tr("none: every part will be NG")))
        changed = [name for name in draft.own if name in shown_settings() and name != "ok_classes"]
        if changed:
            texts = [f"{in_words(shown_settings()[name].label)}: {_text(draft.value(name))}" for name in changed]
            rows.append((self.tr("Changed"), "\n".join(texts)))
        if self._minutes is not None:
            rows.append((self.tr("Estimated time"), minutes_text(self._minutes)))
        return rows

    def retranslate(self) -> None:
        self.setAccessibleName(self.tr("Start"))
        self._title.setText(self.tr("Name"))
        self.name.setAccessibleName(self.tr("Name of the bundle"))
        self._problem_title.setText(self.tr("Before it can start"))
        self._problem_title.setVisible(bool(self._sentences))
        self._fill()


def _text(value: object) -> str:
    if isinstance(value, bool) or value is None:
        return str(value)
    if isinstance(value, int | float):
        return number_text(value)
    return ", ".join(map(str, value)) if isinstance(value, tuple) else in_words(str(value))
