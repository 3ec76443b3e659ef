"""The sheet on which a camera's source is chosen and tried before it is used."""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final

from PySide6.QtCore import QCoreApplication, QSize, Qt, Signal
from PySide6.QtGui import QPainter, QPaintEvent, QResizeEvent
from PySide6.QtWidgets import (
    QBoxLayout,
    QButtonGroup,
    QFrame,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from inspector.cameras.base import kind_of
from inspector.cameras.usb import found_cameras
from inspector.core.addresses import hide_secrets, with_login, without_login
from inspector.core.config import Option
from inspector.core.errors import ConfigError
from inspector.core.registry import CAMERAS
from inspector.core.types import Frame
from inspector.ui.canvas.canvas import Canvas
from inspector.ui.inspect.choosers import VIDEOS
from inspector.ui.recipes.frame_thread import FrameThread, NoFrame, Wanted
from inspector.ui.shell import theme
from inspector.ui.shell.strings import translate
from inspector.ui.widgets.boxes import plain, scrolled
from inspector.ui.widgets.cover import Cover
from inspector.ui.widgets.file_dialogs import ask_file, ask_folder
from inspector.ui.widgets.themed import Themed

_NARROW: Final = theme.SPACING * 110  # width of the sheet
_KINDS: Final = ("usb", "folder", "video", "rtsp", "simulated")
_FILES: Final = ("folder", "video")
_DEMO: Final = ("simulated:visible", "simulated:thermal")


class SourceSheet(Themed, Cover):
    """Chooses a source. `used` carries it, with its login; a login is never shown, only replaced. `left`: without a choice."""

    used = Signal(str)
    left = Signal()

    def __init__(self, over: QWidget) -> None:
        super().__init__(over)
        self.setObjectName("source_sheet")
        self._source, self._options = "", MappingProxyType[str, Option]({})
        self._tested = ""
        self.thread_ = FrameThread(self)
        self.thread_.framed.connect(self._on_frame)
        self.thread_.failed.connect(self._on_failure)
        self._title, self._state = QLabel(), QLabel()
        self._title.setProperty("role", "title")
        self._state.setObjectName("source_state")
        self._state.setWordWrap(True)
        self._state.setTextFormat(Qt.TextFormat.PlainText)
        self.preview = Canvas()
        self.kinds = self._make_kinds()
        self.stack = QStackedWidget()
        self.found, self.paths, self.demos = QVBoxLayout(), dict[str, QLineEdit](), dict[str, QPushButton]()
        self.browse = {kind: QPushButton() for kind in _FILES}
        self.address, self.user, self.password = QLineEdit(), QLineEdit(), QLineEdit()
        self.password.setEchoMode(QLineEdit.EchoMode.Password)
        self._captions = {name: QLabel() for name in ("address", "user", "password")}
        for page in (self._found_page(), self._file_page("folder"), self._file_page("video"), self._stream(), self._demo()):
            self.stack.addWidget(page)
        self.cancel, self.test, self.use = QPushButton(), QPushButton(), QPushButton()
        self.use.setProperty("role", "primary")
        self._arrange()
        self.retranslate()

    # Building

    def _make_kinds(self) -> dict[str, QPushButton]:
        group, made = QButtonGroup(self), {}
        for kind in _KINDS:
            button = QPushButton()
            button.setObjectName(f"source_{kind}")
            button.setCheckable(True)
            button.clicked.connect(lambda _=False, kind=kind: self.show_kind(kind))
            group.addButton(button)
            made[kind] = button
        return made

    def _found_page(self) -> QWidget:
        page = QWidget()
        plain(QVBoxLayout(page)).addLayout(self.found)
        self._none_found = QLabel()
        self._none_found.setWordWrap(True)
        layout = page.layout()
        assert isinstance(layout, QVBoxLayout)
        layout.addWidget(self._none_found)
        layout.addStretch(1)
        return page

    def _file_page(self, kind: str) -> QWidget:
        page, field = QWidget(), QLineEdit()
        field.setObjectName(f"{kind}_path")
        field.setMinimumHeight(theme.TOUCH)
        field.textChanged.connect(lambda _: self._changed())
        self.paths[kind] = field
        self.browse[kind].setObjectName(f"browse_{kind}")
        self.browse[kind].clicked.connect(lambda: self._browse(kind))
        box = plain(QVBoxLayout(page))
        row = plain(QHBoxLayout())
        row.addWidget(field, 1)
        row.addWidget(self.browse[kind])
        box.addLayout(row)
        box.addStretch(1)
        return page

    def _stream(self) -> QWidget:
        page = QWidget()
        grid = plain(QGridLayout(page))
        fields = {"address": self.address, "user": self.user, "password": self.password}
        for row, (name, field) in enumerate(fields.items()):
            field.setObjectName(f"stream_{name}")
            field.setMinimumHeight(theme.TOUCH)
            field.textChanged.connect(lambda _: self._changed())
            grid.addWidget(self._captions[name], row, 0)
            grid.addWidget(field, row, 1)
        self.address.editingFinished.connect(self._hide_login)
        grid.setRowStretch(len(fields), 1)
        return page

    def _demo(self) -> QWidget:
        page, group = QWidget(), QButtonGroup(self)
        box = plain(QVBoxLayout(page))
        for source in _DEMO:
            button = QPushButton()
            button.setObjectName(source.replace(":", "_"))
            button.setCheckable(True)
            button.clicked.connect(lambda: self._changed())
            group.addButton(button)
            self.demos[source] = button
            box.addWidget(button)
        self.demos[_DEMO[0]].setChecked(True)
        box.addStretch(1)
        return page

    def _arrange(self) -> None:
        card = QFrame()
        card.setProperty("role", "card")
        kinds = plain(QVBoxLayout())
        for button in self.kinds.values():
            kinds.addWidget(button)
        kinds.addStretch(1)
        body = plain(QHBoxLayout(), theme.SPACING * 2)
        body.addLayout(kinds)
        self._beside = plain(QBoxLayout(QBoxLayout.Direction.LeftToRight), theme.SPACING * 2)
        self._beside.addWidget(scrolled(self.stack), 3)
        self._beside.addWidget(self.preview, 2)
        body.addLayout(self._beside, 1)
        foot = plain(QHBoxLayout())
        foot.addWidget(self.cancel)
        foot.addWidget(self._state, 1)
        foot.addWidget(self.test)
        foot.addWidget(self.use)
        for button, name, act in (
            (self.cancel, "source_cancel", self.leave),
            (self.test, "source_test", self._test),
            (self.use, "source_use", self._use),
        ):
            button.setObjectName(name)
            button.setIconSize(QSize(theme.ICON, theme.ICON))
            button.clicked.connect(act)
        box = QVBoxLayout(card)
        box.setContentsMargins(*(theme.SPACING * 3,) * 4)
        box.setSpacing(theme.SPACING * 2)
        box.addWidget(self._title)
        box.addLayout(body, 1)
        box.addLayout(foot)
        whole = QVBoxLayout(self)
        whole.setContentsMargins(*(theme.SPACING * 4,) * 4)
        whole.addWidget(card)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Put the picture below the fields where there is no room beside them."""
        super().resizeEvent(event)
        direction = QBoxLayout.Direction.TopToBottom if self.width() < _NARROW else QBoxLayout.Direction.LeftToRight
        self._beside.setDirection(direction)

    # Use

    def open(self, source: str = "", options: Mapping[str, Option] = MappingProxyType({})) -> None:
        """Show the sheet for a camera with this source."""
        self._source, self._options = source, MappingProxyType(dict(options))
        self._tested = ""
        self._fill_found()
        try:
            kind, address = kind_of(source) if source else ("usb", "")
        except ConfigError:
            kind, address = "folder", source
        if kind in _FILES:
            self.paths[kind].setText(address)
        elif kind == "rtsp":
            self.address.setText(without_login(source)[0])
        self.user.clear()
        self.password.clear()
        self.preview.show_frame(None)
        self.show_kind(kind)
        self.retranslate()
        self.uncover(True)
        self.kinds[kind].setFocus()

    def show_kind(self, kind: str) -> None:
        """Show the fields of a kind of source."""
        self.kinds[kind].setChecked(True)
        self.stack.setCurrentIndex(_KINDS.index(kind))
        self._changed()

    @property
    def kind(self) -> str:
        return _KINDS[self.stack.currentIndex()]

    def source(self) -> str:
        """Return the source that the fields say; "" while they say none. Raises ValueError for a text that is no address."""
        kind = self.kind
        if kind == "usb":
            return next((str(button.property("source")) for button in self._found_buttons() if button.isChecked()), "")
        if kind in _FILES:
            path = self.paths[kind].text().strip()
            return f"{kind}:{Path(path).expanduser()}" if path else ""
        if kind == "simulated":
            return next(source for source, button in self.demos.items() if button.isChecked())
        address = self.address.text().strip()
        if not address:
            return ""
        bare, user, password = without_login(address)
        user, password = self.user.text() or user, self.password.text() or password
        before, before_user, before_password = without_login(self._source)
        if before == bare and not self.user.text() and not self.password.text():
            user, password = before_user, before_password  # the login that is kept is not shown
        return with_login(bare, user, password)

    def leave(self) -> None:
        """Hide the sheet, as its Cancel button does."""
        self.close_sheet()
        self.left.emit()

    def close_sheet(self) -> None:
        """Hide the sheet and close the source that was tested."""
        self.thread_.show_source(None)
        self.uncover(False)

    def close_workers(self) -> None:
        """End the thread."""
        self.thread_.end()

    def _found_buttons(self) -> list[QPushButton]:
        items = (self.found.itemAt(at) for at in range(self.found.count()))
        widgets = (item.widget() for item in items if item is not None)
        return [widget for widget in widgets if isinstance(widget, QPushButton)]

    def _fill_found(self) -> None:
        for button in self._found_buttons():
            self.found.removeWidget(button)
            button.deleteLater()
        for one in found_cameras():
            button = QPushButton(f"{one.name or one.source}")
            button.setProperty("source", one.source)
            button.setCheckable(True)
            button.setAutoExclusive(True)
            button.setChecked(one.source == self._source)
            button.clicked.connect(self._test)
            self.found.addWidget(button)
        self._none_found.setVisible(not self._found_buttons())

    def _browse(self, kind: str) -> None:
        def take(path: Path) -> None:
            self.paths[kind].setText(str(path))
            self._test()

        if kind == "folder":
            ask_folder(self, self.tr("Choose a folder of images"), take)
        else:
            ask_file(self, self.tr("Choose a video"), take, kinds=self.tr("Videos ({patterns})").format(patterns=VIDEOS))

    def _hide_login(self) -> None:
        """Move a login that was typed into the address to its own fields."""
        bare, user, password = without_login(self.address.text().strip())
        if user or password:
            self.user.setText(user)
            self.password.setText(password)
            self.address.setText(bare)

    def _changed(self) -> None:
        self.thread_.show_source(None)
        self.preview.show_frame(None)
        self._tested = ""
        self._say("")
        self._settle()

    def _chosen(self) -> str:
        try:
            return self.source()
        except ValueError:
            return ""

    def _settle(self) -> None:
        chosen = self._chosen()
        self.test.setEnabled(bool(chosen))
        self.use.setEnabled(bool(chosen) and chosen == self._tested)

    def _test(self) -> None:
        source = self._chosen()
        if source:
            self._hide_login()
            self._say(self.tr("Opening {source}…").format(source=hide_secrets(source)))
            kind = kind_of(source)[0]
            same = bool(self._source) and kind_of(self._source)[0] == kind
            self.thread_.show_source(Wanted("test", source, self._options if same else {}))

    def _on_frame(self, frame: Frame) -> None:
        self.preview.show_frame(frame)
        if not self._tested:
            self._tested = self._chosen()
            self._say(self.tr("It gives frames of {width} × {height} px.").format(width=frame.width, height=frame.height))
            self._settle()

    def _on_failure(self, failure: NoFrame) -> None:
        parts = (failure.problem, failure.remedy)
        self._say(" ".join(translate(part) for part in parts if part is not None), error=True)
        self._tested = self._chosen()  # tried: a camera may also be set up before it is there
        self._settle()

    def _say(self, text: str, *, error: bool = False) -> None:
        theme.set_role(self._state, "error" if error else "muted")
        self._state.setText(text)

    def _use(self) -> None:
        source = self._chosen()
        self.close_sheet()
        self.used.emit(source)

    # Texts

    def retranslate(self) -> None:
        self._title.setText(self.tr("Where the frames come from"))
        self.setAccessibleName(self._title.text())
        for kind, button in self.kinds.items():
            text = QCoreApplication.translate("cameras", CAMERAS[kind].label)
            button.setText(text)
            button.setAccessibleName(text)
        self._none_found.setText(self.tr("The computer lists no camera. Plug one in, and open this again."))
        captions = {"address": self.tr("Address"), "user": self.tr("User"), "password": self.tr("Password")}
        for name, text in captions.items():
            self._captions[name].setText(text)
        for field, text in zip((self.address, self.user, self.password), captions.values(), strict=True):
            field.setAccessibleName(text)
        self.address.setPlaceholderText("rtsp://192.168.0.10:554/stream")
        has_login = any(without_login(self._source)[1:])
        self.password.setPlaceholderText(self.tr("as before") if has_login else "")
        for kind in _FILES:
            self.paths[kind].setAccessibleName(self.tr("Folder") if kind == "folder" else self.tr("Video"))
            self.browse[kind].setText(self.tr("Browse…"))
        names = (self.tr("Plate and window"), self.tr("Pump set (thermal)"))
        for button, text in zip(self.demos.values(), names, strict=True):
            button.setText(text)
            button.setAccessibleName(text)
        for button, text in ((self.cancel, self.tr("Cancel")), (self.test, self.tr("Test")), (self.use, self.tr("Use it"))):
            button.setText(text)
            button.setAccessibleName(text)
        self.preview.set_hint(self.tr("Nothing to show yet"), self.tr("Press Test."))
        self.restyle()

    def restyle(self) -> None:
        self.cancel.setIcon(theme.icon("close"))
        self.test.setIcon(theme.icon("retry"))
        self.use.setIcon(theme.icon("start", "on_accent"))

    def paintEvent(self, event: QPaintEvent) -> None:
        QPainter(self).fillRect(self.rect(), theme.current().color("veil"))
