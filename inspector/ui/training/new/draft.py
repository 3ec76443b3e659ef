"""The draft of a training: the person's choices, over recommended values, over the task's defaults."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from pydantic import ValidationError
from pydantic_core import ErrorDetails, PydanticUndefined
from PySide6.QtCore import QObject, Signal

from inspector.core.message import Message, message
from inspector.core.registry import TASKS
from inspector.core.types import TaskName
from inspector.runs.settings import TrainSettings, shown_settings, task_defaults
from inspector.ui.shell.strings import translate

_PLACE: Final = Path("bundle")  # stands for `out` until a name is given; only to check the other settings
_LIMITS: Final = MappingProxyType(
    {
        "greater_than": message("It must be more than {limit:g}."),
        "greater_than_equal": message("It must be at least {limit:g}."),
        "less_than": message("It must be less than {limit:g}."),
        "less_than_equal": message("It must be at most {limit:g}."),
        "string_too_long": message("It may have at most {limit:g} letters."),
    }
)


def _sentence(problem: ErrorDetails) -> Message:
    """Return pydantic's error as a translatable sentence."""
    known, context = _LIMITS.get(problem["type"]), problem.get("ctx", {})
    if known is not None:
        return Message(known.template, {"limit": next(iter(context.values()))})
    if problem["type"] == "value_error":
        return Message(str(context["error"]))  # an error raised by TrainSettings itself
    return message("This is not a value for it ({detail}).", detail=problem["msg"])


class Draft(QObject):
    """Settings under construction.

    `changed` carries the names of the settings whose values changed. A value is the person's own if set, else the recommended
    one, else the default of the task or the declaration.
    """

    changed = Signal(object)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._task: TaskName | None = None
        self._folder: Path | None = None
        self._advised: dict[str, Any] = {}
        self._own: dict[str, Any] = {}
        self._guessed: tuple[str, ...] = ()  # classes whose names say that they are good

    @property
    def task(self) -> TaskName | None:
        return self._task

    @property
    def folder(self) -> Path | None:
        return self._folder

    @property
    def own(self) -> Mapping[str, Any]:
        """The person's own values that differ from the recommended ones."""
        return {name: value for name, value in self._own.items() if value != self.default(name)}

    def set_folder(self, folder: Path | None) -> None:
        """Set new data; good and merged classes of the old data are dropped."""
        if folder != self._folder:
            self._folder = folder
            self._forget(("ok_classes", "one_class", "levels", "group", "layout"))
            self.changed.emit({"data"})

    def set_task(self, task: TaskName | None) -> None:
        """Set another task, and drop recommended or own values whose meaning depends on the task."""
        if task != self._task:
            self._task, self._advised = task, {}
            self._forget(("network", "loss", "options", "pretrained", "width", "height", "batch", "lr", "channels"))
            self.changed.emit(frozenset(TrainSettings.model_fields))

    def guess_good(self, names: tuple[str, ...]) -> None:
        """Set the classes that count as good until the person says otherwise."""
        before = self.value("ok_classes")
        self._guessed = names
        if self.value("ok_classes") != before:
            self.changed.emit(frozenset({"ok_classes"}))

    def answer_good(self, names: tuple[str, ...] | None) -> None:
        """Set the person's answer which classes are good: () for none of them, None to take an answer or guess back."""
        if names is None:
            self._guessed = ()
            self._forget(("ok_classes",))
        else:
            self._own["ok_classes"] = names
        self.changed.emit(frozenset({"ok_classes"}))  # also where only the answer, not the value, is another

    @property
    def knows_good(self) -> bool:
        """Whether a person said, or the names of the classes say, which classes are good."""
        return "ok_classes" in self._own or bool(self._guessed)

    @property
    def good_is_guessed(self) -> bool:
        return "ok_classes" not in self._own and bool(self._guessed)

    def advise(self, values: Mapping[str, Any]) -> None:
        """Set the recommended values for this data and task."""
        advised = {name: value for name, value in values.items() if name in shown_settings() or name in ("network", "options")}
        if advised != self._advised:
            self._advised = advised
            self.changed.emit(frozenset(TrainSettings.model_fields))

    @property
    def advised(self) -> Mapping[str, Any]:
        return self._advised

    def value(self, name: str) -> Any:  # noqa: ANN401 - as different as the settings are
        """Return the value used for training."""
        return self._own[name] if name in self._own else self.default(name)

    def default(self, name: str) -> Any:  # noqa: ANN401 - as different as the settings are
        """Return the value without the person's choice: recommended, suited to the task, or the declared default."""
        if name in self._advised:
            return self._advised[name]
        if name == "ok_classes":
            return self._guessed
        return self.plain_default(name)

    def plain_default(self, name: str) -> Any:  # noqa: ANN401 - as different as the settings are
        """Return the default without the recommendation."""
        by_task = task_defaults(self._task or next(iter(TASKS)))
        if name in by_task:
            return by_task[name]
        default = TrainSettings.model_fields[name].default
        return None if default is PydanticUndefined else default

    def set(self, **values: Any) -> None:  # noqa: ANN401 - as different as the settings are
        """Set the person's own values."""
        before = {name: self.value(name) for name in values}
        self._own |= values
        names = frozenset(name for name, value in before.items() if value != self.value(name))
        if names:
            self.changed.emit(names)

    def reset(self, names: Sequence[str]) -> None:
        """Reset to the recommended values or the defaults."""
        before = {name: self.value(name) for name in names}
        self._forget(names)
        moved = frozenset(name for name, value in before.items() if value != self.value(name))
        if moved:
            self.changed.emit(moved)

    def take(self, settings: TrainSettings) -> None:
        """Take over an earlier run: its folder and task, and its values as the person's own."""
        self._task, self._folder, self._advised = settings.task, settings.data, {}
        kept = (*shown_settings(), "network", "options", "layout")
        self._own = {name: getattr(settings, name) for name in kept}
        if not settings.ok_classes:  # an earlier run may not have been asked
            self._forget(("ok_classes",))
        self.changed.emit(frozenset(TrainSettings.model_fields))

    def values(self) -> dict[str, Any]:
        """Return the arguments for `TrainSettings`, without `out`."""
        given = {"ok_classes": self._guessed, **self._advised, **self._own}
        return {**given, "task": self._task, "data": self._folder or Path()}

    def errors(self) -> Mapping[str, str]:
        """Return the errors in the window's language, by setting; "" for errors that concern several."""
        try:
            TrainSettings.model_validate({**self.values(), "task": self._task or next(iter(TASKS)), "out": _PLACE})
        except ValidationError as error:
            found: dict[str, str] = {}
            for problem in error.errors(include_url=False):
                found.setdefault(str(problem["loc"][0]) if problem["loc"] else "", translate(_sentence(problem)))
            return found
        return {}

    def _forget(self, names: Sequence[str]) -> None:
        for name in names:
            self._own.pop(name, None)
