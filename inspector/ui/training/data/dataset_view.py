"""The contents of a data folder: figures on the left; images, problems and split on the right."""

from collections.abc import Mapping
from typing import Final

from PySide6.QtCore import QSignalBlocker, Qt, Signal
from PySide6.QtWidgets import (
    QButtonGroup,
    QFrame,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QProgressBar,
    QPushButton,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from inspector.core.message import fill
from inspector.core.registry import TASKS
from inspector.core.types import TaskName
from inspector.data.survey import Survey
from inspector.ui.shell import theme
from inspector.ui.shell.strings import translate
from inspector.ui.training.data.class_list import ClassList
from inspector.ui.training.data.problem_list import ProblemList
from inspector.ui.training.data.sample_view import SampleView
from inspector.ui.training.data.split_view import SplitView
from inspector.ui.training.labels import depth_word, task_sentence, task_word
from inspector.ui.training.new.draft import Draft
from inspector.ui.widgets.boxes import plain
from inspector.ui.widgets.inputs import ComboBox, TabWidget
from inspector.ui.widgets.themed import Themed
from inspector.ui.widgets.tips import plain_tip

_WHOLE_IMAGES: Final = ("folders", "table")  # layouts in which a person may give another label


class FoundView(Themed, QWidget):
    """Shows a survey.

    `task_chosen` carries the task that a person picks; `layout_chosen` the layout as which the folder is read. `label_wanted`:
    the images are to be sorted into classes by hand.
    """

    task_chosen = Signal(str)
    layout_chosen = Signal(str)
    label_wanted = Signal()

    def __init__(self, draft: Draft, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._draft = draft
        self._survey: Survey | None = None
        self._progress = (0, 0)
        self._layout, self._facts, self._learnt, self._blocked, self._busy = (QLabel() for _ in range(5))
        for label in (self._layout, self._facts, self._learnt, self._blocked, self._busy):
            label.setWordWrap(True)
            label.setTextFormat(Qt.TextFormat.PlainText)
            label.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Minimum)
        self._layout.setProperty("role", "strong")
        self._facts.setProperty("role", "muted")
        self._learnt.setProperty("role", "small")
        self._busy.setProperty("role", "small")
        self._blocked.setProperty("role", "error")
        self._blocked.setObjectName("blocked")
        self._task_title = QLabel()
        self._task_title.setProperty("role", "strong")
        self.bar = QProgressBar()
        self.bar.setTextVisible(False)
        self.layouts = ComboBox()
        self.layouts.setObjectName("layouts")
        self.layouts.setMinimumHeight(theme.TOUCH)
        self.layouts.activated.connect(lambda place: self.layout_chosen.emit(self.layouts.itemData(place)))
        self.label_button = QPushButton()
        self.label_button.setObjectName("label_by_hand")
        self.label_button.clicked.connect(self.label_wanted)
        self.tasks = self._make_tasks()
        self.classes = ClassList()
        self.classes.good_changed.connect(draft.answer_good)
        self.samples, self.problems, self.split = SampleView(), ProblemList(), SplitView(draft)
        self.tabs = TabWidget()
        self.tabs.tabBar().setDrawBase(False)
        for page in (self.samples, self.problems, self.split):
            self.tabs.addTab(_padded(page), "")
        row = plain(QHBoxLayout(self), theme.SPACING * 2)
        row.addWidget(self._make_left())
        row.addWidget(self.tabs, 1)
        draft.changed.connect(self._on_changed)
        self.retranslate()

    def _make_tasks(self) -> dict[TaskName, QPushButton]:
        group = QButtonGroup(self)
        made: dict[TaskName, QPushButton] = {}
        for name in TASKS:
            button = QPushButton()
            button.setObjectName(f"task_{name}")
            button.setCheckable(True)
            button.clicked.connect(lambda _=False, name=name: self.task_chosen.emit(name))
            group.addButton(button)
            made[name] = button
        return made

    def _make_left(self) -> QWidget:
        card = QFrame()
        card.setProperty("role", "card")
        card.setFixedWidth(theme.SPACING * 47)
        grid = plain(QGridLayout())
        for number, button in enumerate(self.tasks.values()):
            grid.addWidget(button, number // 2, number % 2)
        box = QVBoxLayout(card)
        box.setContentsMargins(*(theme.SPACING * 2,) * 4)
        box.setSpacing(theme.SPACING)
        box.addWidget(self._layout)
        box.addWidget(self.layouts)
        box.addWidget(self.label_button)
        box.addWidget(self._facts)
        box.addWidget(self._busy)
        box.addWidget(self.bar)
        box.addWidget(self._task_title)
        box.addLayout(grid)
        box.addWidget(self._learnt)
        box.addWidget(self._blocked)
        box.addWidget(self.classes, 1)
        return card

    # Display

    def show_survey(self, found: Survey) -> None:
        """Show the figures of a survey, quick or complete."""
        self._survey = found
        self._refresh()

    def show_progress(self, done: int, total: int) -> None:
        """Show how many images have been decoded."""
        self._progress = (done, total)
        self._show_busy()

    def show_problem_image(self) -> None:
        """Switch to the images tab, before a requested image is shown there."""
        self.tabs.setCurrentIndex(0)

    @property
    def blocked(self) -> str:
        """The reason why the chosen task cannot be trained on this data; empty if it can."""
        return "" if self._blocked.isHidden() else self._blocked.text()

    def _on_changed(self, names: frozenset[str]) -> None:
        if "task" in names:
            self._refresh()
        elif "ok_classes" in names:
            self._show_good()

    def _refresh(self) -> None:
        found, task = self._survey, self._draft.task
        if found is None:
            return
        self._layout.setText(translate(found.layout))
        self._show_layouts(found)
        used = found.layouts[0].name if found.layouts else ""
        self.label_button.setVisible(used in _WHOLE_IMAGES and list(found.tasks) == ["classification"])
        self._facts.setText(self._facts_text(found))
        for name, button in self.tasks.items():
            button.setEnabled(name in found.tasks)
            with QSignalBlocker(button):
                button.setChecked(name == task)
        offered = found.tasks.get(task) if task is not None else None
        self._learnt.setText(task_sentence(task) if task is not None else "")
        blocked = offered.blocked if offered is not None else None
        self._blocked.setText(translate(blocked) if blocked is not None else "")
        self._blocked.setVisible(blocked is not None)
        problems = (*found.problems, *(offered.problems if offered is not None else ()))
        self.problems.show_problems(problems, found.folder)
        if offered is not None:
            asked = TASKS[offered.task].labels == "label" and offered.blocked is None
            selectable = offered.classes if asked else ()
            self.classes.show_counts(offered.images, selectable)
            self._show_good()
        self._show_busy()
        self._name_tabs()

    def _show_good(self) -> None:
        draft = self._draft
        self.classes.show_good(draft.value("ok_classes"), answered=draft.knows_good, guessed=draft.good_is_guessed)

    def _show_layouts(self, found: Survey) -> None:
        """Show the other layouts that match the folder; hidden if only one matches."""
        self.layouts.setVisible(len(found.layouts) > 1)
        with QSignalBlocker(self.layouts):
            self.layouts.clear()
            for place, one in enumerate(found.layouts):
                self.layouts.addItem(f"{translate(one.title)}  ·  {one.sure:.0%}", one.name)
                self.layouts.setItemData(place, plain_tip(translate(one.why)), Qt.ItemDataRole.ToolTipRole)
            self.layouts.setToolTip(plain_tip(translate(found.layouts[0].why) if found.layouts else ""))

    def _facts_text(self, found: Survey) -> str:
        lines = [fill(self.tr("{count} {count:|image|images}"), count=f"{found.images:,}")]
        sizes = list(found.sizes)
        if len(sizes) == 1:
            lines[0] += f"  ·  {sizes[0][0]} × {sizes[0][1]} px"
        elif sizes:
            (width, height), most = sizes[0], found.sizes[sizes[0]]
            share = 100 * most / max(1, found.looked_at)
            text = self.tr("{count} sizes, most often {width} × {height} px ({share:.0f} %)")
            lines.append(text.format(count=len(sizes), width=width, height=height, share=share))
        depths: Mapping[str, int] = found.depths
        if depths:
            lines.append(", ".join(depth_word(depth) for depth in depths))
        if found.duplicates:
            lines.append(self.tr("Groups of duplicates: {count}").format(count=len(found.duplicates)))
        return "\n".join(lines)

    def _show_busy(self) -> None:
        done, total = self._progress
        busy = self._survey is not None and not self._survey.complete
        self._busy.setVisible(busy)
        self.bar.setVisible(busy)
        self.bar.setRange(0, max(1, total) if total else 0)
        self.bar.setValue(done)
        text = self.tr("Looking for damaged images and duplicates: {done} of {total}")
        self._busy.setText(text.format(done=f"{done:,}", total=f"{total:,}") if total else self.tr("Looking at the images"))

    def _name_tabs(self) -> None:
        names = [self.tr("Images"), self.tr("Problems ({count})").format(count=f"{self.problems.count:,}"), self.tr("Split")]
        for index, name in enumerate(names):
            self.tabs.setTabText(index, name)

    def retranslate(self) -> None:
        self._task_title.setText(self.tr("What is to be learnt"))
        for name, button in self.tasks.items():
            button.setText(task_word(name))
            button.setAccessibleName(task_word(name))
            button.setToolTip(task_sentence(name))
        self.label_button.setText(self.tr("Change labels by hand…"))
        self.label_button.setAccessibleName(self.tr("Change labels by hand"))
        self.bar.setAccessibleName(self.tr("Images looked at"))
        self.layouts.setAccessibleName(self.tr("Read the labels as"))
        self.tabs.setAccessibleName(self.tr("Images, problems and split"))
        self._name_tabs()
        self._refresh()


def _padded(page: QWidget) -> QWidget:
    made = QWidget()
    box = QVBoxLayout(made)
    box.setContentsMargins(0, theme.SPACING, 0, 0)
    box.addWidget(page)
    return made
