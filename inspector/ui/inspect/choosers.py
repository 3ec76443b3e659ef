"""The three choosers above the feed: recipe, source and camera."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from PySide6.QtCore import QCoreApplication, QSignalBlocker, Signal
from PySide6.QtWidgets import QComboBox, QCompleter, QWidget

from inspector.core.addresses import has_hidden, hide_secrets
from inspector.core.errors import ConfigError
from inspector.core.registry import CAMERAS
from inspector.core.untrusted import parse_toml, read_bounded
from inspector.inspection.run_request import RunRequest, on_source, resolve_recipe
from inspector.recipes.locate import demo_recipe, known_recipes
from inspector.ui.inspect.feed import ALL
from inspector.ui.shell import theme
from inspector.ui.widgets.file_dialogs import ask_file, ask_folder
from inspector.ui.widgets.inputs import ComboBox
from inspector.ui.widgets.themed import Themed

VIDEOS: Final = "*.mp4 *.avi *.mkv *.mov *.m4v *.mpg *.mpeg *.webm"
IMAGES: Final = "*.png *.jpg *.jpeg *.jpe *.jp2 *.bmp *.tif *.tiff *.webp *.gif *.pgm *.ppm *.pbm"
_BROWSE: Final = "browse"


def recipe_name(path: Path) -> str:
    """Return the name inside the recipe file, or the file's own name if it cannot be read.

    An invalid recipe is reported when chosen.
    """
    try:
        name = parse_toml(read_bounded(path)).get("name")
    except (OSError, ValueError):
        name = None
    return name if isinstance(name, str) and name else path.stem


def with_source(written: RunRequest, file: Path | None, source: str) -> RunRequest:
    """Return the recipe as written in `file` on the frames of this source; empty: its own. Raises ConfigError.

    The demo line's recipe fits only the demo line, so any other source gets its bundles on the whole frame.
    """
    if has_hidden(source):
        raise ConfigError("The password or key of {source} is not kept.", remedy="Type the whole address again.", source=source)
    if source and file == demo_recipe():
        return resolve_recipe(source=source)
    return RunRequest(on_source(written.recipe, source), written.base)


class _Chooser(Themed, ComboBox):
    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setMinimumHeight(theme.TOUCH)
        self.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.setMinimumContentsLength(14)
        self.view().setTextElideMode(self.view().textElideMode().ElideMiddle)

    def lock(self, locked: bool) -> None:
        """Refuse changes while a line runs, and give the reason."""
        if locked:
            self.hidePopup()
        self.setEnabled(not locked)
        self.name_tip()

    def name_tip(self) -> None:
        """Set the tool tip: the current choice, or why nothing can be chosen."""
        self.setToolTip(
            self.tip() if self.isEnabled() else QCoreApplication.translate("Choosers", "Stop inspecting to change it.")
        )

    def tip(self) -> str:
        """Return the description of the current choice."""
        raise NotImplementedError

    def retranslate(self) -> None:
        """Set all texts."""


class RecipeChooser(_Chooser):
    """The chooser of the recipe. `chosen` carries the path of a recipe."""

    chosen = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("recipe_chooser")
        self._current: Path | None = None
        self._fill()
        self.activated.connect(self._activate)
        self.retranslate()

    def _fill(self) -> None:
        for path in known_recipes():
            self.addItem(recipe_name(path), path)
        self.addItem("", _BROWSE)

    def showPopup(self) -> None:
        """List the recipes that there are now."""
        with QSignalBlocker(self):
            shown, named = self._current, self.currentText()
            self.clear()
            self._fill()
            self.retranslate()
            self.show_recipe(shown, named)
        super().showPopup()

    def show_recipe(self, path: Path | None, name: str) -> None:
        """Show the open recipe; an unlisted recipe is added. None: the recipe was made from bundles."""
        self._current = path
        with QSignalBlocker(self):
            index = self._find(path)
            if index < 0:
                self.insertItem(0, name, path)
                index = 0
            self.setItemText(index, name)
            self.setCurrentIndex(index)

    def _find(self, path: Path | None) -> int:
        data = [self.itemData(index) for index in range(self.count())]
        return next((index for index, item in enumerate(data) if item == path), -1)

    def browse(self) -> None:
        """Ask for a recipe file."""
        with QSignalBlocker(self):
            self.setCurrentIndex(self._find(self._current))
        ask_file(self, self.tr("Open a recipe"), self._offer, kinds=self.tr("Recipes (*.toml)"))

    def _offer(self, path: Path) -> None:
        if self.isEnabled():  # the line may have been started while the dialog was open
            self.chosen.emit(path)

    def _activate(self, index: int) -> None:
        data = self.itemData(index)
        if data == _BROWSE:
            self.browse()
        elif isinstance(data, Path):
            self.chosen.emit(data)

    def retranslate(self) -> None:
        self.setItemText(self.count() - 1, self.tr("Open a recipe…"))
        self.setAccessibleName(self.tr("Recipe"))
        self.name_tip()

    def tip(self) -> str:
        return self.tr("What is inspected: cameras, bundles and rules of one product")


class SourceChooser(_Chooser):
    """The chooser of the frame source.

    `chosen` carries a source string; empty: the recipe's own source. A kind that needs an address (stream) puts its prefix into
    the field, to be completed and confirmed with Enter or by starting. Start uses the field's text.
    """

    chosen = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("source_chooser")
        self.setEditable(True)
        self.setInsertPolicy(QComboBox.InsertPolicy.NoInsert)
        self.setCompleter(QCompleter(self))  # empty, so that typed text is not completed
        self._source = ""
        for data in ("", *CAMERAS):
            self.addItem("", data)
        self.activated.connect(self._activate)
        line = self.lineEdit()
        if line is not None:
            line.returnPressed.connect(self._typed)
        self.retranslate()

    def show_source(self, source: str) -> None:
        """Show the source in use without its password; empty: the recipe's own."""
        self._source = source
        with QSignalBlocker(self):
            if source in ("", "simulated"):
                self.setCurrentIndex(self.findData(source))
            else:
                self.setCurrentIndex(-1)
            self.setEditText(hide_secrets(source) or self.itemText(0))

    def show_refused(self, source: str) -> None:
        """Show a source that is not in use because it cannot be; Start refuses it."""
        self.show_source("")
        self.setEditText(source)

    def pending(self) -> str | None:
        """Return the source typed into the field if it differs from the one in use."""
        text = self.currentText().strip()
        named = {self.itemText(index): str(self.itemData(index)) for index in range(self.count())}
        source = named[text] if named.get(text) in ("", "simulated") else text
        return None if source in (self._source, hide_secrets(self._source)) else source

    def _typed(self) -> None:
        source = self.pending()
        if source is not None:
            self.chosen.emit(source)

    def _activate(self, index: int) -> None:
        kind = self.itemData(index)
        if kind in ("", "simulated"):
            self.chosen.emit(kind)
        elif kind == "folder":
            self.show_source(self._source)  # until one was chosen
            ask_folder(self, self.tr("Choose a folder of images"), lambda path: self._picked("folder", path))
        elif kind == "video":
            self.show_source(self._source)
            kinds = self.tr("Videos ({patterns})").format(patterns=VIDEOS)
            ask_file(self, self.tr("Choose a video"), lambda path: self._picked("video", path), kinds=kinds)
        else:
            self.setEditText("usb:0" if kind == "usb" else "rtsp://")
            line = self.lineEdit()
            if line is not None:
                line.setFocus()
                line.end(False)

    def _picked(self, kind: str, path: Path) -> None:
        if self.isEnabled():  # the line may have been started while the dialog was open
            self.chosen.emit(f"{kind}:{path}")

    def retranslate(self) -> None:
        self.setItemText(0, self.tr("As the recipe says"))
        for index in range(1, self.count()):
            entry = CAMERAS[str(self.itemData(index))]
            self.setItemText(index, QCoreApplication.translate("cameras", entry.label))
        self.setAccessibleName(self.tr("Source"))
        self.name_tip()
        self.show_source(self._source)

    def tip(self) -> str:
        return self.tr("Where frames come from. usb:0, rtsp://… and http://… can be typed; Enter or Start takes them.")


class CameraChooser(_Chooser):
    """The chooser of the visible camera, hidden if there is only one. `chosen` carries the camera's name, empty for all."""

    chosen = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("camera_chooser")
        self.activated.connect(lambda index: self.chosen.emit(self.itemData(index)))
        self.set_cameras(())

    def set_cameras(self, cameras: Sequence[str]) -> None:
        with QSignalBlocker(self):
            self.clear()
            self.addItem("", ALL)
            for camera in cameras:
                self.addItem(camera, camera)
        self.setVisible(len(cameras) > 1)
        self.retranslate()

    def show_camera(self, camera: str) -> None:
        self.setCurrentIndex(max(self.findData(camera), 0))

    def retranslate(self) -> None:
        self.setItemText(0, self.tr("All cameras"))
        self.setAccessibleName(self.tr("Camera"))
        self.name_tip()

    def tip(self) -> str:
        return self.tr("Which camera is shown")
