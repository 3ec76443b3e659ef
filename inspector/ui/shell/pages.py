"""The pages of the window, each made when it is first needed.

The imports of the pages (numpy, OpenCV, pydantic, the station) take several times as long as showing the window itself. A
thread therefore imports them after the window has been painted (`load`). Until a page can be made, `Opening` takes its place.
"""

import importlib
import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final

from PySide6.QtCore import QObject, QTimer, Signal
from PySide6.QtWidgets import QStackedWidget, QWidget

from inspector.core.errors import InspectorError
from inspector.ui.shell.opening import Opening
from inspector.ui.widgets.work_thread import WorkThread

log = logging.getLogger(__name__)

MODULES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "inspect": "inspector.ui.inspect.page",
        "review": "inspector.ui.review.page",
        "archive": "inspector.ui.archive.page",
        "train": "inspector.ui.training.page",
        "recipes": "inspector.ui.recipes.page",
        "settings": "inspector.ui.shell.settings_page",
    }
)
UNSEEN_MS: Final = 500  # an invisible window is not painted, so its pages load after this time
PATIENCE_MS: Final = 2000  # time during which a page that is showing a file has the processor for itself


class Loader(WorkThread[str]):
    """Imports a page's modules. `loaded` carries the page's name as soon as the page can be made without waiting."""

    loaded = Signal(str)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._name = ""

    def load(self, name: str) -> None:
        """Import the modules of this page next."""
        with self._telling():
            self._name = name

    def _take(self) -> str | None:
        name, self._name = self._name, ""
        return name or None

    def _do(self, work: str) -> None:
        importlib.import_module(MODULES[work])
        self.loaded.emit(work)

    def _failed(self, work: str, error: InspectorError) -> None:
        self.loaded.emit(work)  # making the page raises the same error


class Pages(QStackedWidget):
    """The pages by name.

    Without `load`, a page is made as soon as it is to be shown. `loaded` carries the name of a page that can be made without
    waiting from now on.
    """

    loaded = Signal(str)

    def __init__(self, makers: Mapping[str, Callable[[], QWidget]], parent: QWidget | None = None) -> None:
        """Set up the pages. `makers`: functions that make a page and add it here, or return the existing page."""
        super().__init__(parent)
        self.opening = Opening()
        self.addWidget(self.opening)
        self._makers = makers
        self._name = next(iter(makers))
        self._missing: set[str] = set()  # names of the pages whose modules are not imported yet
        self._loading = ""  # the page for which it is being imported
        self._waiting = ""  # the page that does not show yet what it was opened for
        self._begun = self._closed = False
        self._loader = Loader(self)
        self._loader.loaded.connect(self._on_loaded)

    @property
    def name(self) -> str:
        """Name of the current page, or of the page that will be shown as soon as it can be made."""
        return self._name

    def has(self, name: str) -> bool:
        """Return whether the modules of this page are imported, so that the page can be made without waiting."""
        return name not in self._missing

    def want(self, name: str) -> None:
        """Show this page as soon as the window is visible. Raises KeyError."""
        if name not in self._makers:
            raise KeyError(name)
        self._name = name

    def settle(self) -> None:
        """Show the requested page, or the placeholder while it is being opened."""
        ready = self.has(self._name)
        page = self._makers[self._name]() if ready else self.opening
        self.setCurrentWidget(self.opening if self._name == self._waiting else page)
        if not ready and self._begun:
            self._go_on()

    def load(self) -> None:
        """Import the pages' modules once the window has been painted: the requested page's first, and the others' when that
        page shows what it was opened for.
        """
        self._missing = set(self._makers)
        self.opening.painted.connect(lambda: QTimer.singleShot(0, self, self._begin))
        QTimer.singleShot(UNSEEN_MS, self, self._begin)

    def _begin(self) -> None:
        if not self._begun:
            self._begun = True
            self._go_on()

    def _go_on(self) -> None:
        """Import the modules of one more page."""
        if self._missing and not self._loading and not self._closed:
            wanted = (self._name, *self._makers)
            self._loading = next(name for name in wanted if name in self._missing)
            self._loader.load(self._loading)

    def look_at(self, path: Path, *, until: str) -> None:
        """Show the picture in this file, where that can be done at once, until the page of this name has `arrived`."""
        self.opening.look_at(path)
        self._waiting = until if self.opening.picture is not None else ""

    def arrived(self, wholly: bool) -> None:
        """Note that the awaited page shows what it was opened for. `wholly`: and no longer needs the processor for it."""
        if self._waiting:
            self._waiting = ""
            self.opening.look_at(None)
            self.settle()
        if wholly and self._begun:
            QTimer.singleShot(0, self, self._go_on)

    def _on_loaded(self, name: str) -> None:
        if self._closed:
            return
        self._loading = ""
        self._missing.discard(name)
        if name == self._name:
            self.settle()
        self.loaded.emit(name)
        QTimer.singleShot(PATIENCE_MS if self._waiting else 0, self, self._go_on)

    def close_workers(self) -> None:
        """End the thread; wait for its import in progress."""
        self._closed = True
        self._loader.end()
