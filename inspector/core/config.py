"""Reading and writing settings files: strict, atomic, and with errors a person can act on."""

import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from types import MappingProxyType, NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import InitErrorDetails, PydanticCustomError

from inspector.core.errors import StorageError
from inspector.core.storage.durable import replace_durably
from inspector.core.untrusted import LARGEST_INTEGER

Count = Annotated[int, Field(ge=0, le=2**31 - 1)]
Option = (
    str
    | bool
    | Annotated[int, Field(ge=-LARGEST_INTEGER, le=LARGEST_INTEGER)]
    | Annotated[float, Field(ge=-LARGEST_INTEGER, le=LARGEST_INTEGER)]
)


class FiniteModel(BaseModel):
    """Base of every model read from files or other processes: immutable, and every number is finite and a number.

    A limit of NaN is never exceeded, so every part would be OK; nor is one of true, which Python takes for 1. Integers get
    their bounds where they are declared.
    """

    model_config = ConfigDict(frozen=True, allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _refuse_truth_for_numbers(cls, data: object) -> object:
        if isinstance(data, _TABLES):
            given = [name for name, value in data.items() if isinstance(value, _MAY_HOLD_TRUTH) and _holds_truth(value)]
            wrong = [name for name in given if name in cls.model_fields and _is_number(cls, name)]
            if wrong:
                kind = PydanticCustomError("number_type", "Input should be a number, not true or false")
                errors = [InitErrorDetails(type=kind, loc=(name,), input=data[name]) for name in wrong]
                raise ValidationError.from_exception_data(cls.__name__, errors)
        return data


_TABLES = (dict, MappingProxyType)  # every value is looked at, and an abstract class takes three times as long
_MAY_HOLD_TRUTH = (bool, *_TABLES, list, tuple)


def _holds_truth(value: object) -> bool:
    if isinstance(value, _TABLES):
        return any(map(_holds_truth, value.values()))
    if isinstance(value, list | tuple):
        return any(map(_holds_truth, value))
    return isinstance(value, bool)


@cache
def _is_number(model: type[BaseModel], name: str) -> bool:
    """Return whether the values of a field are numbers, perhaps beside text and nothing, in whatever lists and tables."""
    kinds = set(_inner_kinds(model.model_fields[name].annotation))
    return bool(kinds & {int, float}) and kinds <= {int, float, str, NoneType, Ellipsis}


def _inner_kinds(annotation: Any) -> Iterator[Any]:  # noqa: ANN401 - any annotation
    if get_origin(annotation) is Annotated:
        yield from _inner_kinds(get_args(annotation)[0])
    elif get_origin(annotation) is Literal:
        yield from map(type, get_args(annotation))
    elif inner := get_args(annotation):
        for one in inner:
            yield from _inner_kinds(one)
    else:
        yield annotation


@dataclass(frozen=True, slots=True)
class FormField:
    """How a form shows a field of a model: a short label, its section of the page, its unit, its choices as value: label.

    Written into the field's annotation: `Annotated[float, FormField("Rate", unit="fps")]`. An empty label: the field's name.
    """

    label: str = ""
    group: str = ""
    unit: str = ""
    choices: Callable[[], Mapping[str, str]] | None = None


def bare_type(annotation: Any) -> Any:  # noqa: ANN401 - any annotation
    """Return the annotation without "or None"; unchanged if it is no such union."""
    if get_origin(annotation) not in (Union, UnionType):
        return annotation
    kinds = [kind for kind in get_args(annotation) if kind is not NoneType]
    return kinds[0] if len(kinds) == 1 else annotation


def form_fields(model: type[BaseModel]) -> dict[str, FormField]:
    """Return how each field is shown that a form can edit (numbers, text, choices), in the order of declaration."""
    fields = {}
    for name, info in model.model_fields.items():
        if _is_editable(bare_type(info.annotation)):
            shown = next((item for item in info.metadata if isinstance(item, FormField)), FormField())
            fields[name] = replace(shown, label=shown.label or name.replace("_", " ").capitalize())
    return fields


def _is_editable(kind: Any) -> bool:  # noqa: ANN401 - any annotation
    if get_origin(kind) is Literal:
        return len(get_args(kind)) > 1
    if get_origin(kind) is tuple:
        return set(get_args(kind)) <= {int, float, str, Ellipsis}
    return kind in (bool, int, float, str)


def describe_validation(error: ValidationError) -> str:
    """Return one phrase per problem: "cameras.0.source: Field required; rules.1.limit: ..."; at most four are spelt out."""
    problems = error.errors(include_url=False)
    phrases = [
        f"{'.'.join(str(key) for key in problem['loc']) or 'file'}: {problem['msg'].removesuffix('.')}" for problem in problems
    ]
    more = f"; and {len(phrases) - 4} more" if len(phrases) > 4 else ""
    return "; ".join(phrases[:4]) + more


def write_atomically(path: Path, data: bytes) -> None:
    """Replace the file `path` by `data` so that a crash, a power cut or a full disk leaves the old or the new file intact.

    Raises StorageError.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        temporary = Path(name)
        try:
            with os.fdopen(handle, "wb") as stream:
                stream.write(data)
            replace_durably(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        raise StorageError(
            "{file} cannot be written ({detail}).",
            remedy="Free some space on that disk or choose another folder.",
            file=path,
            detail=error.strerror or error,
        ) from error
