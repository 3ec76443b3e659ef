"""Reading and writing settings files: strict, atomic, and with errors a person can act on."""

import os
import tempfile
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from inspector.core.durable import replace_durably
from inspector.core.errors import StorageError
from inspector.core.untrusted import LARGEST_INTEGER

Count = Annotated[int, Field(ge=0, le=2**31 - 1)]
Option = (
    str
    | bool
    | Annotated[int, Field(ge=-LARGEST_INTEGER, le=LARGEST_INTEGER)]
    | Annotated[float, Field(ge=-LARGEST_INTEGER, le=LARGEST_INTEGER)]
)


class FiniteModel(BaseModel):
    """Base of every model read from files or other processes: immutable, and every number is finite.

    A limit of NaN is never exceeded, so every part would be OK. Integers get their bounds where they are declared.
    """

    model_config = ConfigDict(frozen=True, allow_inf_nan=False)


def describe_validation(error: ValidationError) -> str:
    """Return one phrase per problem: "cameras.0.source: Field required; rules.1.limit: ..."; at most four are spelt out."""
    problems = error.errors(include_url=False)
    phrases = [f"{'.'.join(str(key) for key in problem['loc']) or 'file'}: {problem['msg']}" for problem in problems]
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
