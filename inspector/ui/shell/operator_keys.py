"""The keys in the operator view: what lies on the keyboard for a moment neither leaves it nor stops the line."""

from collections.abc import Callable, Mapping

from PySide6.QtCore import QKeyCombination, Qt
from PySide6.QtGui import QAction, QKeyEvent, QKeySequence

from inspector.ui.shell.shortcuts import SHORTCUTS
from inspector.ui.widgets.hold_button import HoldButton


class OperatorKeys:
    """Turns actions off in the operator view, and holds a button down while the key of its action is held."""

    def __init__(
        self, actions: Mapping[str, QAction], buttons: Callable[[], Mapping[str, HoldButton]], *, leave: Callable[[], bool]
    ) -> None:
        """`buttons`: by the action that each stands for. `leave`: closes what is on top; returns False if nothing is."""
        self._actions, self._buttons, self._leave = actions, buttons, leave
        self._on = False
        self._held: tuple[int, HoldButton] | None = None  # the key that is down, and its button

    def use(self, on: bool) -> None:
        """Begin or end the operator view."""
        self._on = on
        self._end()
        for shortcut in SHORTCUTS:
            self._actions[shortcut.name].setEnabled(not on or shortcut.operator == "press")

    def press(self, event: QKeyEvent) -> bool:
        """Begin to hold the button of this key; return whether the key was one of the operator view's."""
        name = self._name(event.keyCombination()) if self._on else ""
        if not name:
            return False
        if not event.isAutoRepeat() and not (name == "leave" and self._leave()):
            self._end()  # of another key, which is still down
            button = self._buttons()[name]
            self._held = event.key(), button
            button.begin()
        return True

    def release(self, event: QKeyEvent) -> bool:
        """End what `press` began; return whether that was this key."""
        if self._held is None or event.key() != self._held[0]:
            return False
        if not event.isAutoRepeat():
            self._end()
        return True

    def _end(self) -> None:
        if self._held is not None:
            self._held[1].end()
            self._held = None

    @staticmethod
    def _name(pressed: QKeyCombination) -> str:
        keys = QKeySequence(QKeyCombination(pressed.keyboardModifiers() & ~Qt.KeyboardModifier.KeypadModifier, pressed.key()))
        held = (one.name for one in SHORTCUTS if one.operator == "hold" and QKeySequence(one.keys) == keys)
        return next(held, "")
