"""The options of `inspector train`, derived from the declarations of `TrainSettings`."""

import types
from collections.abc import Callable, Mapping
from typing import Any, Literal, Union, get_args, get_origin

import click
from pydantic.fields import FieldInfo

from inspector.core.config import FormField
from inspector.core.registry import TASKS
from inspector.runs.settings import TrainSettings, shown_settings

Command = Callable[..., Any]

# Handwritten options: a different name, or a single option for several settings.
_BY_HAND = ("width", "height", "ok_classes")
_METAVARS: Mapping[str, str] = {
    "group": "REGEX",
    "one_class": "NAME",
    "pretrained": "imagenet|FILE",
    "levels": "LOW HIGH",
    "cover": "X,Y,W,H",
}
_TASKS_OWN = ("loss", "network")  # if omitted, the task's default


def setting_options(command: Command) -> Command:
    """Add an option for each setting. An omitted option is not passed on, so the setting's own default applies."""
    for name, shown in reversed(list(shown_settings().items())):
        if name not in _BY_HAND:
            command = _option(name, TrainSettings.model_fields[name], shown)(command)
    return command


def chosen(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return option values as the settings expect them: "3" from a choice of numbers becomes 3."""
    fields = TrainSettings.model_fields
    result = dict(values)
    for name, value in values.items():
        if name in fields and isinstance(value, str):
            literals = get_args(fields[name].annotation) if get_origin(fields[name].annotation) is Literal else ()
            result[name] = next((literal for literal in literals if str(literal) == value), value)
    return result


def _option(name: str, field: FieldInfo, shown: FormField) -> Callable[[Command], Command]:
    flag = f"--{name.replace('_', '-')}"
    help_text = _help(name, field, shown)
    kind = field.annotation
    if kind is bool:
        return click.option(f"{flag}/--no-{flag[2:]}", name, default=None, help=help_text)
    if get_origin(kind) is Literal:
        choice = click.Choice([str(value) for value in get_args(kind)])
        return click.option(flag, name, type=choice, default=None, help=help_text)
    if get_origin(kind) in (Union, types.UnionType):  # two numbers, or nothing
        return click.option(flag, name, type=float, nargs=2, default=None, metavar=_METAVARS.get(name), help=help_text)
    assert kind in (int, float, str), name
    return click.option(flag, name, type=kind, default=None, metavar=_METAVARS.get(name), help=help_text)


def _help(name: str, field: FieldInfo, shown: FormField) -> str:
    text = field.description or shown.label
    text = f"{text[0].upper()}{text[1:]}"
    unit = f", in {shown.unit}" if shown.unit == "s" else ""  # other units are part of the help text
    return f"{text}{unit}.{_default(name, field)}"


def _default(name: str, field: FieldInfo) -> str:
    if name in _TASKS_OWN or (field.annotation is bool and field.default):
        return "  [default: the task's own]" if name in _TASKS_OWN else "  [default: yes]"
    by_value: dict[object, list[str]] = {}
    for task, entry in TASKS.items():
        if name in entry.defaults:
            by_value.setdefault(entry.defaults[name], []).append(task)
    phrases = [f"{value} for {', '.join(tasks)}" for value, tasks in by_value.items()]
    if field.is_required():
        return f"  [default: {'; '.join(phrases)}]"
    if field.default in ("", None, (), False):
        return ""
    return f"  [default: {'; '.join([str(field.default), *phrases])}]"
