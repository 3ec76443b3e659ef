"""Every setting of a training, generated from the declarations of `TrainSettings`, so that nothing is written twice."""

from PySide6.QtWidgets import (
    QCheckBox,
    QFrame,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from inspector.runs.settings import GROUPS, shown_settings
from inspector.ui.shell import theme
from inspector.ui.training.new.draft import Draft
from inspector.ui.widgets.boxes import plain, scrolled
from inspector.ui.widgets.setting_fields import SettingRow
from inspector.ui.widgets.settings_form import show_errors
from inspector.ui.widgets.themed import Themed


class AdvancedPage(Themed, QWidget):
    """The settings in sections, with a search. Changed settings are marked, and a single press resets all."""

    def __init__(self, draft: Draft, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._draft = draft
        self.search = QLineEdit()
        self.search.setObjectName("search_settings")
        self.search.setMinimumHeight(theme.TOUCH)
        self.search.setClearButtonEnabled(True)
        self.search.textChanged.connect(self._filter)
        self.only_changed = QCheckBox()
        self.only_changed.setObjectName("only_changed")
        self.only_changed.toggled.connect(self._filter)
        self.reset_all = QPushButton()
        self.reset_all.setObjectName("reset_all")
        self.reset_all.clicked.connect(lambda: draft.reset(list(self.rows)))
        self._whole = QLabel()  # errors that concern several settings
        self._whole.setProperty("role", "error")
        self._whole.setWordWrap(True)
        self._nothing = QLabel()
        self._nothing.setProperty("role", "muted")
        self.rows: dict[str, SettingRow] = {}
        self._useless: set[str] = set()
        self._sections: dict[str, tuple[QFrame, QLabel]] = {}
        self._arrange()
        draft.changed.connect(self._check)
        self.retranslate()

    def _arrange(self) -> None:
        inside = QWidget()
        sections = QVBoxLayout(inside)
        sections.setContentsMargins(0, 0, theme.SPACING, 0)
        sections.setSpacing(theme.SPACING * 2)
        shown = shown_settings()
        for group in GROUPS:
            frame, title = QFrame(), QLabel()
            frame.setProperty("role", "card")
            title.setProperty("role", "strong")
            box = QVBoxLayout(frame)
            box.setContentsMargins(theme.SPACING * 2, theme.SPACING, theme.SPACING * 2, theme.SPACING)
            box.setSpacing(theme.SPACING)
            box.addWidget(title)
            for name in (name for name, item in shown.items() if item.group == group):
                self.rows[name] = SettingRow(name, self._draft)
                box.addWidget(self.rows[name])
            sections.addWidget(frame)
            self._sections[group] = (frame, title)
        sections.addWidget(self._nothing)
        sections.addStretch(1)
        self.area = scrolled(inside)
        top = plain(QHBoxLayout(), theme.SPACING * 2)
        top.addWidget(self.search, 1)
        top.addWidget(self.only_changed)
        top.addWidget(self.reset_all)
        whole = plain(QVBoxLayout(self), theme.SPACING * 2)
        whole.addLayout(top)
        whole.addWidget(self._whole)
        whole.addWidget(self.area, 1)

    def offer(self, name: str, offered: bool) -> None:
        """Return whether a setting is useful on this computer."""
        (self._useless.discard if offered else self._useless.add)(name)
        self._filter()

    def show_setting(self, name: str) -> None:
        """Scroll to a setting and focus its field."""
        row = self.rows.get(name)
        if row is not None:
            self.search.clear()
            self.only_changed.setChecked(False)
            self.area.ensureWidgetVisible(row)
            row.editor.focus.setFocus()

    def errors(self) -> dict[str, str]:
        """Return the errors on display, by setting."""
        return {name: row.error.text() for name, row in self.rows.items() if row.error.text()}

    def _check(self) -> None:
        text = show_errors(self.rows, self._draft.errors())
        self._whole.setText(text)
        self._whole.setVisible(bool(text))
        changed = [row for row in self.rows.values() if row.is_changed]
        self.reset_all.setEnabled(bool(changed))
        self._filter()

    def _filter(self) -> None:
        """Show the settings that match the search; a setting with an error is always shown."""
        words = self.search.text().casefold().split()
        only = self.only_changed.isChecked()
        for name, row in self.rows.items():
            text = row.text.casefold()
            fits = all(word in text for word in words) and (row.is_changed or not only or row.editor.focus.hasFocus())
            row.setVisible((fits and (name not in self._useless or row.is_changed)) or bool(row.error.text()))
        groups = {name: item.group for name, item in shown_settings().items()}
        for group, (frame, _) in self._sections.items():
            frame.setVisible(any(not row.isHidden() for name, row in self.rows.items() if groups[name] == group))
        self._nothing.setVisible(all(frame.isHidden() for frame, _ in self._sections.values()))

    def retranslate(self) -> None:
        titles = {
            "data": self.tr("Data"),
            "network": self.tr("Network"),
            "learning": self.tr("Learning"),
            "images": self.tr("Images"),
            "quality": self.tr("Quality"),
            "machine": self.tr("Computer"),
        }
        for group, (frame, title) in self._sections.items():
            title.setText(titles[group])
            frame.setAccessibleName(titles[group])
        self.search.setPlaceholderText(self.tr("Search the settings"))
        self.search.setAccessibleName(self.tr("Search the settings"))
        self.only_changed.setText(self.tr("Only changed ones"))
        self.only_changed.setAccessibleName(self.tr("Only changed ones"))
        self.reset_all.setText(self.tr("Reset all"))
        self.reset_all.setAccessibleName(self.tr("Reset all"))
        self._nothing.setText(self.tr("No setting is called so."))
        self._check()
