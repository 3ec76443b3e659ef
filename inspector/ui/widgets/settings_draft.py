"""The values of a form under construction: the person's own values over the declared defaults."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final

from pydantic import ValidationError
from pydantic_core import ErrorDetails, PydanticUndefined
from PySide6.QtCore import QObject, Signal

from inspector.core.config import FiniteModel, form_fields
from inspector.core.message import Message, message
from inspector.ui.shell.strings import translate

_NUMBER: Final = message("Enter a number.")
_WHOLE: Final = message("Enter a whole number.")
_SENTENCES: Final = MappingProxyType(
    {
        "greater_than": message("It must be more than {limit:g}."),
        "greater_than_equal": message("It must be at least {limit:g}."),
        "less_than": message("It must be less than {limit:g}."),
        "less_than_equal": message("It must be at most {limit:g}."),
        "string_too_long": message("It may have at most {limit:g} letters."),
        "string_too_short": message("It must not be empty."),
        "string_pattern_mismatch": message("It is not written in the form that is asked for."),
        "float_parsing": _NUMBER,
        "float_type": _NUMBER,
        "finite_number": _NUMBER,
        "int_parsing": _WHOLE,
        "int_type": _WHOLE,
        "int_from_float": _WHOLE,
        "extra_forbidden": message("There is no such setting."),
        "missing": message("It must be given."),
        "string_type": message("It must be given."),
    }
)


def _sentence(problem: ErrorDetails) -> Message:
    """Return pydantic's error as a translatable sentence."""
    known, context = _SENTENCES.get(problem["type"]), problem.get("ctx", {})
    if known is not None:
        return Message(known.template, {"limit": next(iter(context.values()), None)})
    if problem["type"] == "value_error":
        return Message(str(context["error"]))  # an error raised by the model itself
    return message("This is not a value for it ({detail}).", detail=problem["msg"])


class SettingsDraft(QObject):
    """Values for the fields of a model that need not be valid yet.

    `changed` carries the names of the fields whose values changed. A value is the person's own if set, else the default.
    """

    changed = Signal(object)
    advised: Mapping[str, Any] = MappingProxyType({})  # recommended values, which stand in place of the defaults

    def __init__(
        self, model: type[FiniteModel], values: Mapping[str, Any] = MappingProxyType({}), parent: QObject | None = None
    ) -> None:
        super().__init__(parent)
        self.model = model
        self.fields = form_fields(model)
        self._own = dict(values)

    @property
    def own(self) -> Mapping[str, Any]:
        """The person's own values that differ from the defaults."""
        return {name: value for name, value in self._own.items() if value != self.default(name)}

    def value(self, name: str) -> Any:  # noqa: ANN401 - as different as the settings are
        """Return the value in use."""
        return self._own[name] if name in self._own else self.default(name)

    def default(self, name: str) -> Any:  # noqa: ANN401 - as different as the settings are
        """Return the value without the person's choice; None if one must be given."""
        return self.plain_default(name)

    def plain_default(self, name: str) -> Any:  # noqa: ANN401 - as different as the settings are
        """Return the declared default; None if there is none."""
        info = self.model.model_fields.get(name)  # None: a key that the model does not know, as its error says
        default = PydanticUndefined if info is None else info.get_default(call_default_factory=True)
        return None if default is PydanticUndefined else default

    def set(self, **values: Any) -> None:  # noqa: ANN401 - as different as the settings are
        """Set the person's own values."""
        self._edit({**self._own, **values})

    def reset(self, names: Sequence[str]) -> None:
        """Reset to the defaults."""
        self._edit({name: value for name, value in self._own.items() if name not in names})

    def replace(self, values: Mapping[str, Any]) -> None:
        """Set these values in place of all of the person's own."""
        self._edit(dict(values))

    def values(self) -> dict[str, Any]:
        """Return the arguments for the model."""
        return dict(self._own)

    def errors(self) -> Mapping[str, str]:
        """Return the errors in the window's language, by field; "" for errors that concern several."""
        return self.errors_of(self.values())

    def errors_of(self, values: Mapping[str, Any]) -> Mapping[str, str]:
        """Return the errors of these arguments for the model, as `errors` does."""
        try:
            self.model.model_validate(dict(values))
        except ValidationError as error:
            found: dict[str, str] = {}
            for problem in error.errors(include_url=False):
                found.setdefault(str(problem["loc"][0]) if problem["loc"] else "", translate(_sentence(problem)))
            return found
        return {}

    def _edit(self, own: dict[str, Any]) -> None:
        names = {*self._own, *own}
        before = {name: self.value(name) for name in names}
        self._own = own
        changed = frozenset(name for name, value in before.items() if value != self.value(name))
        if changed:
            self.changed.emit(changed)
