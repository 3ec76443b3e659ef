"""The classes of the data as bars, so that rare classes are visible, and the question which classes are good parts."""

from collections.abc import Mapping, Sequence

from PySide6.QtCore import QSignalBlocker, Qt, Signal
from PySide6.QtWidgets import QCheckBox, QGridLayout, QLabel, QProgressBar, QSizePolicy, QVBoxLayout, QWidget

from inspector.core.message import fill
from inspector.ui.shell import theme
from inspector.ui.shell.strings import class_name
from inspector.ui.widgets.boxes import plain, scrolled
from inspector.ui.widgets.themed import Themed


class ClassList(Themed, QWidget):
    """One row for each class: its name, a bar, its images; and below, that none of them is good.

    `good_changed` carries the classes ticked as good, () if none of them is good, None while the question is open.
    """

    good_changed = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._title, self._hint = QLabel(), QLabel()
        self._title.setProperty("role", "strong")
        self._hint.setProperty("role", "small")
        self._hint.setWordWrap(True)
        self._hint.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Minimum)
        self._inside = QWidget()
        self._grid = QGridLayout(self._inside)
        self._grid.setContentsMargins(0, 0, theme.SPACING, 0)
        self._grid.setHorizontalSpacing(theme.SPACING)
        self._grid.setVerticalSpacing(0)
        self._grid.setColumnStretch(1, 1)
        self._scroll = scrolled(self._inside)
        self.none_good = QCheckBox()
        self.none_good.setObjectName("none_good")
        self.none_good.toggled.connect(self._on_none)
        self._guessed = self._answered = False
        box = plain(QVBoxLayout(self), theme.SPACING // 2)
        box.addWidget(self._title)
        box.addWidget(self._hint)
        box.addWidget(self._scroll, 1)
        box.addWidget(self.none_good)
        self.checks: dict[str, QCheckBox] = {}
        self.bars: dict[str, QProgressBar] = {}
        self._counts: Mapping[str, int] = {}
        self._selectable: tuple[str, ...] = ()
        self.retranslate()

    def show_counts(self, counts: Mapping[str, int], selectable: Sequence[str]) -> None:
        """Show images by class, the most frequent first. `selectable`: classes that can be ticked as good."""
        if dict(counts) == self._counts and tuple(selectable) == self._selectable:
            return
        self._counts, self._selectable = dict(counts), tuple(selectable)
        self._clear()
        most = max(counts.values(), default=0)
        for row, (name, count) in enumerate(sorted(counts.items(), key=lambda item: (-item[1], item[0]))):
            self._add(row, name, count, most)
        self._grid.setRowStretch(len(counts), 1)
        self.retranslate()

    def show_good(self, good: Sequence[str], *, answered: bool, guessed: bool) -> None:
        """Tick these classes without a signal. `answered`: the answer is known; `guessed`: from the names of the classes."""
        self._answered, self._guessed = answered, guessed
        for name, check in self.checks.items():
            with QSignalBlocker(check):
                check.setChecked(name in good)
        with QSignalBlocker(self.none_good):
            self.none_good.setChecked(answered and not good)
        self.retranslate()

    def _add(self, row: int, name: str, count: int, most: int) -> None:
        bar = QProgressBar()
        bar.setRange(0, max(1, most))
        bar.setValue(count)
        bar.setTextVisible(False)
        number = QLabel(f"{count:,}")
        number.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        if name in self._selectable:
            check = QCheckBox()
            check.toggled.connect(self._emit_good)
            self.checks[name] = check
            self._grid.addWidget(check, row, 0)
        else:
            label = QLabel(class_name(name))
            label.setMinimumHeight(theme.TOUCH)
            self._grid.addWidget(label, row, 0)
        self.bars[name] = bar
        self._grid.addWidget(bar, row, 1)
        self._grid.addWidget(number, row, 2)

    def _emit_good(self) -> None:
        good = tuple(name for name, check in self.checks.items() if check.isChecked())
        self.good_changed.emit(good or None)

    def _on_none(self, none: bool) -> None:
        self.good_changed.emit(() if none else None)

    def _clear(self) -> None:
        self.checks.clear()
        self.bars.clear()
        while (item := self._grid.takeAt(0)) is not None:
            widget = item.widget()
            if widget is not None:
                widget.hide()
                widget.deleteLater()
        for row in range(self._grid.rowCount()):
            self._grid.setRowStretch(row, 0)

    def _question(self) -> str:
        if not self._answered:
            return self.tr("Which classes show good parts? Tick them, or say that none does.")
        if self._guessed:
            return self.tr("Ticked classes are good parts, guessed from their names. Correct it here.")
        return self.tr("Ticked classes are good parts; all others are NG.")

    def retranslate(self) -> None:
        self._title.setText(self.tr("Classes"))
        self._hint.setText(self._question())
        theme.set_role(self._hint, "small" if self._answered else "error")
        self._hint.setVisible(bool(self._selectable))
        self.none_good.setVisible(bool(self._selectable))
        self.none_good.setText(self.tr("None: every part will be NG"))
        self.none_good.setAccessibleName(self.tr("No class shows good parts"))
        for name, check in self.checks.items():
            check.setText(class_name(name))
            check.setAccessibleName(self.tr("{name}: good part").format(name=class_name(name)))
        for name, bar in self.bars.items():
            count = self._counts[name]
            bar.setAccessibleName(
                fill(self.tr("{name}: {count} {count:|image|images}"), name=class_name(name), count=f"{count:,}")
            )
