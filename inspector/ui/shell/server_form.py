"""Where the plant's database server is: entered, tried, and only then kept. The password is never shown."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from PySide6.QtCore import QObject, QSize, Qt, Signal
from PySide6.QtGui import QShowEvent
from PySide6.QtWidgets import QCheckBox, QFrame, QGridLayout, QHBoxLayout, QLabel, QLineEdit, QPushButton, QWidget

from inspector.archive.server import ServerSettings, load_server, save_server
from inspector.core.errors import InspectorError
from inspector.ui.shell import theme
from inspector.ui.shell.strings import translate
from inspector.ui.widgets.boxes import plain
from inspector.ui.widgets.themed import Themed
from inspector.ui.widgets.work_thread import WorkThread

FIELDS: Final = ("address", "user", "password")


@dataclass(frozen=True, slots=True, eq=False)
class Tried:
    """What a server said. `inspections` None: there is no archive on it yet."""

    settings: ServerSettings
    version: str = ""
    inspections: int | None = None
    error: InspectorError | None = None


class TryThread(WorkThread[ServerSettings]):
    """Asks a server, which may take seconds. `answered` carries Tried."""

    answered = Signal(object)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._wanted: ServerSettings | None = None

    def ask(self, settings: ServerSettings) -> None:
        """Ask this server; an earlier question that has not begun is dropped."""
        with self._telling():
            self._wanted = settings

    def _take(self) -> ServerSettings | None:
        wanted, self._wanted = self._wanted, None
        return wanted

    def _do(self, settings: ServerSettings) -> None:
        from inspector.archive.store.database import try_server

        found = try_server(settings.url)
        self.answered.emit(Tried(settings, found.version, found.inspections))

    def _failed(self, settings: ServerSettings, error: InspectorError) -> None:
        self.answered.emit(Tried(settings, error=error))


class ServerForm(Themed, QFrame):
    """`saved`: another server holds the archive from now on, or none."""

    saved = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("server")
        self.setProperty("role", "card")
        self._kept = ServerSettings()
        self._tried: ServerSettings | None = None  # which has answered, and may be saved
        self._asked: ServerSettings | None = None
        self._said: Callable[[], str] = lambda: ""
        self.thread_ = TryThread(self)
        self.title, self.why, self.said = QLabel(), QLabel(), QLabel()
        self.fields = {name: QLineEdit() for name in FIELDS}
        self.captions = {name: QLabel() for name in FIELDS}
        self.encrypted = QCheckBox()
        self.test, self.save, self.remove = QPushButton(), QPushButton(), QPushButton()
        self._arrange()
        for field in self.fields.values():
            field.textEdited.connect(lambda _: self._changed())
        self.encrypted.clicked.connect(lambda _: self._changed())
        self.test.clicked.connect(self._test)
        self.save.clicked.connect(lambda: self._keep(self._entered()))
        self.remove.clicked.connect(lambda: self._keep(ServerSettings()))
        self.thread_.answered.connect(self._on_answer, Qt.ConnectionType.QueuedConnection)
        self.retranslate()

    def _arrange(self) -> None:
        self.title.setProperty("role", "strong")
        for label in (self.why, self.said):
            label.setWordWrap(True)
            label.setTextFormat(Qt.TextFormat.PlainText)
        self.said.setObjectName("server_said")
        self.fields["password"].setEchoMode(QLineEdit.EchoMode.Password)
        grid = QGridLayout(self)
        grid.setContentsMargins(*(theme.SPACING * 3,) * 4)
        grid.setHorizontalSpacing(theme.SPACING * 2)
        grid.setVerticalSpacing(theme.SPACING)
        grid.setColumnStretch(1, 1)
        grid.addWidget(self.title, 0, 0, 1, 2)
        grid.addWidget(self.why, 1, 0, 1, 2)
        for row, name in enumerate(FIELDS, start=2):
            field = self.fields[name]
            field.setObjectName(f"server_{name}")
            field.setMinimumHeight(theme.TOUCH)
            self.captions[name].setBuddy(field)
            grid.addWidget(self.captions[name], row, 0)
            grid.addWidget(field, row, 1)
        self.encrypted.setMinimumHeight(theme.TOUCH)
        grid.addWidget(self.encrypted, 5, 1)
        row_of = plain(QHBoxLayout())
        for button, name in ((self.test, "test"), (self.save, "save"), (self.remove, "remove")):
            button.setObjectName(f"server_{name}_button")
            button.setMinimumSize(theme.TOUCH * 2, theme.TOUCH)
            button.setIconSize(QSize(theme.ICON, theme.ICON))
            row_of.addWidget(button)
        row_of.addStretch(1)
        grid.addLayout(row_of, 6, 0, 1, 2)
        grid.addWidget(self.said, 7, 0, 1, 2)

    def showEvent(self, event: QShowEvent) -> None:
        """Show the settings that are kept, but not over what is being entered when only the window comes back."""
        super().showEvent(event)
        if event.spontaneous():
            return
        self._tried = self._asked = None
        self._said = lambda: ""
        try:
            self._kept = load_server()
        except InspectorError as error:
            self._kept = ServerSettings()
            self._refuse(error)
        for name in ("address", "user"):
            self.fields[name].setText(getattr(self._kept, name))
        self.fields["password"].clear()
        self.encrypted.setChecked(self._kept.encrypted)
        self.retranslate()

    def _entered(self) -> ServerSettings:
        """Return what is entered; the password that is kept, if none is entered for the same server and user."""
        entered = ServerSettings(
            self.fields["address"].text().strip(),
            self.fields["user"].text().strip(),
            self.fields["password"].text(),
            self.encrypted.isChecked(),
        )
        if not entered.password and (entered.address, entered.user) == (self._kept.address, self._kept.user):
            return replace(entered, password=self._kept.password)
        return entered

    def _changed(self) -> None:
        self._tried = self._asked = None
        self._say(lambda: "")

    def _test(self) -> None:
        entered = self._entered()
        try:
            if not entered.url:
                self.fields["address"].setFocus()
                return
        except InspectorError as error:
            self._refuse(error)
            return
        self._asked = entered
        self._say(lambda: self.tr("Asking the server…"))
        self.thread_.ask(entered)

    def _on_answer(self, tried: Tried) -> None:
        if tried.settings != self._asked:
            return  # something else was entered meanwhile
        self._asked = None
        error = tried.error
        if error is not None:
            self._refuse(error)
            return
        self._tried = tried.settings
        self._say(lambda: self._found(tried))

    def _found(self, tried: Tried) -> str:
        if tried.inspections is None:
            return self.tr("PostgreSQL {version} answers. There is no archive on it yet; it is made at the next start.").format(
                version=tried.version
            )
        return self.tr("PostgreSQL {version} answers. Its archive holds {count} inspections.").format(
            version=tried.version, count=f"{tried.inspections:,}"
        )

    def _keep(self, settings: ServerSettings) -> None:
        try:
            save_server(settings)
        except InspectorError as error:
            self._refuse(error)
            return
        self._kept, self._tried = settings, None
        self.fields["password"].clear()
        if not settings.address:
            for field in self.fields.values():
                field.clear()
        kept = self.tr("Saved. The line feeds this server from its next start; what waits in the journal is fed as well.")
        none = self.tr("No server any more. The archive is on this computer alone from the next start of the line.")
        self._say(lambda: kept if settings.address else none)
        self.saved.emit()

    def _say(self, text: Callable[[], str], *, problem: bool = False) -> None:
        self._said = text
        theme.set_role(self.said, "error" if problem else "")
        self._show()

    def _refuse(self, error: InspectorError) -> None:
        self._say(lambda: " ".join(translate(part) for part in (error.problem, error.remedy) if part is not None), problem=True)

    def _show(self) -> None:
        self.said.setText(self._said())
        self.said.setVisible(bool(self.said.text()))
        self.test.setEnabled(self._asked is None)
        self.save.setEnabled(self._tried is not None)
        self.remove.setVisible(bool(self._kept.address))

    def end(self) -> None:
        """End the thread."""
        self.thread_.end()

    def retranslate(self) -> None:
        self.title.setText(self.tr("Server of the archive"))
        self.why.setText(
            self.tr(
                "A PostgreSQL server of the plant that holds the archive of several stations. Without one the archive is on "
                "this computer. A server that is away stops no line: records wait on this computer."
            )
        )
        texts = {"address": self.tr("Server and database"), "user": self.tr("User"), "password": self.tr("Password")}
        for name, text in texts.items():
            self.captions[name].setText(text)
            self.fields[name].setAccessibleName(text)
        self.fields["address"].setPlaceholderText("server:5432/archive")
        self.fields["password"].setPlaceholderText(self.tr("unchanged") if self._kept.password else "")
        self.encrypted.setText(self.tr("Only over an encrypted connection"))
        self.encrypted.setAccessibleName(self.encrypted.text())
        for button, text, icon in (
            (self.test, self.tr("Test"), "retry"),
            (self.save, self.tr("Save"), "save"),
            (self.remove, self.tr("Use no server"), "close"),
        ):
            button.setText(text)
            button.setAccessibleName(text if button is not self.test else self.tr("Test the server"))
            button.setIcon(theme.icon(icon))
        self.setAccessibleName(self.title.text())
        self._show()

    def restyle(self) -> None:
        self.retranslate()
