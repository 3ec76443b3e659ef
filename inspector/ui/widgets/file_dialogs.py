"""File dialogs that block nothing: while one is open the window, its verdict and its Stop button stay usable."""

from collections.abc import Callable
from pathlib import Path

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QFileDialog, QWidget

Chosen = Callable[[Path], object]


def ask_folder(over: QWidget, title: str, chosen: Chosen, *, start: str = "") -> None:
    """Ask for a folder. `chosen` is called with it, unless the person cancels."""
    dialog = QFileDialog(over.window(), title, start)
    dialog.setFileMode(QFileDialog.FileMode.Directory)
    dialog.setOption(QFileDialog.Option.ShowDirsOnly)
    _open(dialog, chosen)


def ask_file(over: QWidget, title: str, chosen: Chosen, *, kinds: str) -> None:
    """Ask for an existing file. `kinds`: as in Qt, "Tables (*.csv);;Pictures (*.png)"."""
    dialog = QFileDialog(over.window(), title, "", kinds)
    dialog.setFileMode(QFileDialog.FileMode.ExistingFile)
    _open(dialog, chosen)


def ask_new_file(over: QWidget, title: str, chosen: Chosen, *, kinds: str, name: str = "") -> None:
    """Ask where to save a file. `name`: proposed."""
    dialog = QFileDialog(over.window(), title, "", kinds)
    dialog.setAcceptMode(QFileDialog.AcceptMode.AcceptSave)
    dialog.selectFile(name)
    _open(dialog, chosen)


def _open(dialog: QFileDialog, chosen: Chosen) -> None:
    above = dialog.parentWidget()
    for other in [] if above is None else above.findChildren(QFileDialog):
        if other is not dialog:
            other.reject()  # one question at a time
    dialog.setWindowModality(Qt.WindowModality.NonModal)
    dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
    dialog.fileSelected.connect(lambda name: chosen(Path(name)))
    dialog.show()
