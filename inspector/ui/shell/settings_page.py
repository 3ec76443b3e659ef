"""The settings page: every choice with its value, its default, and a reason to change it."""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from PySide6.QtCore import QCoreApplication, QSignalBlocker, Qt, Signal
from PySide6.QtGui import QShowEvent
from PySide6.QtWidgets import QComboBox, QFrame, QGridLayout, QLabel, QScrollArea, QVBoxLayout, QWidget

from inspector.core.errors import StorageError
from inspector.recipes.locate import known_recipes
from inspector.ui.inspect.choosers import recipe_name
from inspector.ui.shell import theme
from inspector.ui.shell.server_form import ServerForm
from inspector.ui.shell.settings import Preferences, Settings
from inspector.ui.shell.strings import LANGUAGES, later
from inspector.ui.widgets.file_dialogs import ask_folder
from inspector.ui.widgets.inputs import ComboBox
from inspector.ui.widgets.themed import Themed

_CONTEXT: Final = "SettingsPage"
_BROWSE: Final = "?"  # the value of the choice that asks for a folder


@dataclass(frozen=True, slots=True)
class Setting:
    """One row: the field of `Preferences`, its caption, a reason to change it, and the choices as (value, words)."""

    field: str
    caption: str
    why: str
    values: tuple[tuple[str, str], ...]


SETTINGS: Final = (
    Setting(
        "language",
        later("SettingsPage", "Language"),
        later("SettingsPage", "The language of the window. It changes at once; the line goes on."),
        (("", later("SettingsPage", "As this computer")), *LANGUAGES.items()),
    ),
    Setting(
        "theme",
        later("SettingsPage", "Colours"),
        later("SettingsPage", "Light for a bright hall, dark for a dim booth. Verdict colours stay the same."),
        (
            ("system", later("SettingsPage", "As this computer")),
            ("light", later("SettingsPage", "Light")),
            ("dark", later("SettingsPage", "Dark")),
        ),
    ),
    Setting(
        "temperature",
        later("SettingsPage", "Temperature unit"),
        later("SettingsPage", "How temperatures are shown. Recipes and records keep their own unit."),
        (
            ("C", later("SettingsPage", "Degrees Celsius (°C)")),
            ("K", later("SettingsPage", "Kelvin (K)")),
        ),
    ),
    Setting(
        "recipe",
        later("SettingsPage", "Recipe at the start"),
        later("SettingsPage", "The recipe the window opens with, so that Start is the only key to press."),
        (("", later("SettingsPage", "What was open last")),),
    ),
    Setting(
        "save_to",
        later("SettingsPage", "Save what is inspected"),
        later("SettingsPage", "Every start makes a folder in it with the records, the pictures and a report of the run."),
        (("", later("SettingsPage", "Nowhere")), (_BROWSE, later("SettingsPage", "Choose a folder…"))),
    ),
    Setting(
        "archive",
        later("SettingsPage", "Archive"),
        later("SettingsPage", "Every part is recorded before its verdict is told. Images of NG and REVIEW parts are kept."),
        (("on", later("SettingsPage", "Record every part")), ("off", later("SettingsPage", "Record nothing"))),
    ),
)


class SettingsPage(Themed, QWidget):
    """Shows and changes `Settings`. `failed` carries the StorageError of a choice that could not be written."""

    failed = Signal(object)

    def __init__(
        self, settings: Settings, parent: QWidget | None = None, *, unheeded: Callable[[], Collection[str]] = lambda: ()
    ) -> None:
        """Create the page. `unheeded`: returns the settings that the running line was not started with."""
        super().__init__(parent)
        self.setObjectName("page")
        self._settings, self._unheeded = settings, unheeded
        self._title = QLabel()
        self._title.setProperty("role", "title")
        self.choosers: dict[str, QComboBox] = {}
        self.server = ServerForm()
        self._texts: dict[str, tuple[QLabel, QLabel, QLabel]] = {}
        self.notes: dict[str, QLabel] = {}
        card = QFrame()
        card.setProperty("role", "card")
        grid = QGridLayout(card)
        grid.setContentsMargins(*(theme.SPACING * 3,) * 4)
        grid.setHorizontalSpacing(theme.SPACING * 4)
        grid.setVerticalSpacing(theme.SPACING * 3)
        grid.setColumnStretch(2, 1)
        for row, setting in enumerate(SETTINGS):
            self._add(grid, row, setting)
        inside = QWidget()
        # Not the cards: a layout asks how high they are in all its width, in which their texts need fewer lines.
        inside.setMaximumWidth(theme.SPACING * 138)
        box = QVBoxLayout(inside)
        box.setContentsMargins(*(theme.SPACING * 4,) * 4)
        box.setSpacing(theme.SPACING * 3)
        box.addWidget(self._title)
        box.addWidget(card)
        box.addWidget(self.server)
        box.addStretch(1)
        scroll = QScrollArea()
        scroll.setWidget(inside)
        scroll.setWidgetResizable(True)
        scroll.setFrameShape(QFrame.Shape.NoFrame)
        whole = QVBoxLayout(self)
        whole.setContentsMargins(0, 0, 0, 0)
        whole.addWidget(scroll)
        self.retranslate()

    def _add(self, grid: QGridLayout, row: int, setting: Setting) -> None:
        caption, why, default = QLabel(), QLabel(), QLabel()
        caption.setProperty("role", "strong")
        why.setWordWrap(True)
        default.setProperty("role", "small")
        chooser = ComboBox()
        chooser.setObjectName(f"setting_{setting.field}")
        chooser.setMinimumSize(theme.SPACING * 32, theme.TOUCH)
        caption.setBuddy(chooser)
        if setting.field == "save_to":  # a path may be longer than the page is wide
            chooser.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        for value in self._values(setting):
            chooser.addItem("", value)
        chooser.activated.connect(lambda index: self._choose(setting.field, chooser.itemData(index)))
        words = QVBoxLayout()
        words.setSpacing(theme.SPACING // 2)
        note = QLabel()
        note.setWordWrap(True)
        note.setProperty("role", "error")
        note.hide()
        for label in (why, default, note):
            words.addWidget(label)
        grid.addWidget(caption, row, 0, Qt.AlignmentFlag.AlignTop)
        grid.addWidget(chooser, row, 1, Qt.AlignmentFlag.AlignTop)
        grid.addLayout(words, row, 2)
        self.choosers[setting.field] = chooser
        self._texts[setting.field] = (caption, why, default)
        self.notes[setting.field] = note

    def _values(self, setting: Setting) -> list[str]:
        values = [value for value, _ in setting.values]
        if setting.field == "recipe":
            values += [str(path) for path in known_recipes()]
        chosen = str(getattr(self._settings.preferences, setting.field))
        if setting.field in ("recipe", "save_to") and chosen not in values:
            values.insert(len(values) if setting.field == "recipe" else 1, chosen)
        return values

    def showEvent(self, event: QShowEvent) -> None:
        """List the recipes that there are now."""
        super().showEvent(event)
        chooser = self.choosers["recipe"]
        with QSignalBlocker(chooser):
            chooser.clear()
            for value in self._values(next(setting for setting in SETTINGS if setting.field == "recipe")):
                chooser.addItem("", value)
        self.retranslate()

    def _choose(self, field: str, value: str) -> None:
        if value == _BROWSE:
            before = str(getattr(self._settings.preferences, field))
            self._show_value(field, before)  # until a folder was chosen
            ask_folder(self, self.tr("Folder to save in"), lambda folder: self._choose(field, str(folder)), start=before)
            return
        self._show_value(field, value)
        try:
            self._settings.choose(**{field: value})
        except StorageError as error:
            self.failed.emit(error)
        self.show_notes()

    def show_notes(self) -> None:
        """Say of each setting whether the running line follows it."""
        unheeded = self._unheeded()
        for field, note in self.notes.items():
            note.setVisible(field in unheeded)

    def _show_value(self, field: str, value: str) -> None:
        """Show a value, which is added if it is not listed."""
        chooser = self.choosers[field]
        with QSignalBlocker(chooser):
            if chooser.findData(value) < 0:
                chooser.insertItem(1, value, value)
            chooser.setCurrentIndex(chooser.findData(value))

    def close_workers(self) -> None:
        """End the background thread."""
        self.server.end()

    def retranslate(self) -> None:
        self._title.setText(self.tr("Settings"))
        for setting in SETTINGS:
            caption, why, default = self._texts[setting.field]
            chooser = self.choosers[setting.field]
            name = QCoreApplication.translate(_CONTEXT, setting.caption)
            caption.setText(name)
            chooser.setAccessibleName(name)
            why.setText(QCoreApplication.translate(_CONTEXT, setting.why))
            self.notes[setting.field].setText(
                self.tr("The line that runs was started otherwise, and goes on so. This holds from its next start.")
            )
            words = {value: _words(value, text) for value, text in setting.values}
            for index in range(chooser.count()):
                value = str(chooser.itemData(index))
                named = _recipe(value) if setting.field == "recipe" else value
                chooser.setItemText(index, words.get(value) or named)
            first = words[str(getattr(Preferences(), setting.field))]
            default.setText(self.tr("Default: {value}").format(value=first))
            with QSignalBlocker(chooser):
                chooser.setCurrentIndex(chooser.findData(getattr(self._settings.preferences, setting.field)))
        self.show_notes()


def _words(value: str, text: str) -> str:
    return text if value in LANGUAGES else QCoreApplication.translate(_CONTEXT, text)


def _recipe(value: str) -> str:
    return recipe_name(Path(value))
