"""The draft of a training: the person's choices, over recommended values, over the task's defaults."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from PySide6.QtCore import QObject

from inspector.core.registry import TASKS
from inspector.core.types import TaskName
from inspector.runs.settings import TrainSettings, shown_settings, task_defaults
from inspector.ui.widgets.settings_draft import SettingsDraft

_PLACE: Final = Path("bundle")  # stands for `out` until a name is given; only to check the other settings


class Draft(SettingsDraft):
    """Settings of a training under construction.

    A value is the person's own if set, else the recommended one, else the default of the task or the declaration.
    """

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(TrainSettings, parent=parent)
        self._task: TaskName | None = None
        self._folder: Path | None = None
        self._guessed: tuple[str, ...] = ()  # classes whose names say that they are good

    @property
    def task(self) -> TaskName | None:
        return self._task

    @property
    def folder(self) -> Path | None:
        return self._folder

    def set_folder(self, folder: Path | None) -> None:
        """Set new data; good and merged classes of the old data are dropped."""
        if folder != self._folder:
            self._folder = folder
            self._forget(("ok_classes", "one_class", "levels", "group", "layout"))
            self.changed.emit({"data"})

    def set_task(self, task: TaskName | None) -> None:
        """Set another task, and drop recommended or own values whose meaning depends on the task."""
        if task != self._task:
            self._task, self.advised = task, {}
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
        if advised != self.advised:
            self.advised = advised
            self.changed.emit(frozenset(TrainSettings.model_fields))

    def default(self, name: str) -> Any:  # noqa: ANN401 - as different as the settings are
        """Return the value without the person's choice: recommended, suited to the task, or the declared default."""
        if name in self.advised:
            return self.advised[name]
        if name == "ok_classes":
            return self._guessed
        return self.plain_default(name)

    def plain_default(self, name: str) -> Any:  # noqa: ANN401 - as different as the settings are
        """Return the default without the recommendation."""
        by_task = task_defaults(self._task or next(iter(TASKS)))
        return by_task[name] if name in by_task else super().plain_default(name)

    def take(self, settings: TrainSettings) -> None:
        """Take over an earlier run: its folder and task, and its values as the person's own."""
        self._task, self._folder, self.advised = settings.task, settings.data, {}
        kept = (*shown_settings(), "network", "options", "layout")
        self._own = {name: getattr(settings, name) for name in kept}
        if not settings.ok_classes:  # an earlier run may not have been asked
            self._forget(("ok_classes",))
        self.changed.emit(frozenset(TrainSettings.model_fields))

    def values(self) -> dict[str, Any]:
        """Return the arguments for `TrainSettings`, without `out`."""
        given = {"ok_classes": self._guessed, **self.advised, **self._own}
        return {**given, "task": self._task, "data": self._folder or Path()}

    def errors(self) -> Mapping[str, str]:
        return self.errors_of({**self.values(), "task": self._task or next(iter(TASKS)), "out": _PLACE})

    def _forget(self, names: Sequence[str]) -> None:
        for name in names:
            self._own.pop(name, None)
