"""The actions of the window, each with its keys."""

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from PySide6.QtGui import QAction, QKeySequence

from inspector.ui.shell.rail import PAGES
from inspector.ui.shell.shortcuts import SHORTCUTS

if TYPE_CHECKING:
    from inspector.ui.shell.main_window import MainWindow


def make_actions(window: "MainWindow") -> dict[str, QAction]:
    """Add an action for every shortcut to the window; return them by name."""
    slots = _slots(window)
    made: dict[str, QAction] = {}
    for shortcut in SHORTCUTS:
        action = QAction(window)
        action.setObjectName(f"action_{shortcut.name}")
        action.setShortcut(QKeySequence(shortcut.keys))
        action.setAutoRepeat(shortcut.repeats)
        action.triggered.connect(lambda _checked=False, slot=slots[shortcut.name]: slot())
        window.addAction(action)
        made[shortcut.name] = action
    return made


def _slots(window: "MainWindow") -> dict[str, Callable[[], object]]:
    """Return what each action does. Pages are made when they are needed first, so none is asked for here."""
    return {
        "start": lambda: window.inspect.start_button.click(),
        "stop": lambda: window.inspect.stop_button.click(),
        "trigger": lambda: window.inspect.trigger_button.click(),
        "live": lambda: window.inspect.back_to_live(),
        "older_ng": lambda: window.inspect.step_ng(1),
        "newer_ng": lambda: window.inspect.step_ng(-1),
        **{f"page_{page}": partial(window.show_page, page) for page in PAGES},
        "next_tab": lambda: window.step_tab(1),
        "previous_tab": lambda: window.step_tab(-1),
        "open_image": lambda: window.browse("image"),
        "open_folder": lambda: window.browse("folder"),
        "open_video": lambda: window.browse("video"),
        "open_recipe": lambda: window.inspect.browse_recipe(),
        "fullscreen": window.toggle_operator_view,
        "leave": window.leave,
        "help": lambda: window.help.toggle(),
        "quit": window.close,
    }
