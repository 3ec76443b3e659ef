"""What people say of inspections. The machine's verdict stays beside it, nothing is overwritten, and each step is recorded."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from inspector.archive.archive import Archive
from inspector.archive.contents import correction_content, undo_content
from inspector.archive.store.query import name_of, names_of, result_of
from inspector.core.errors import ConfigError
from inspector.core.verdict import Verdict

VERDICTS = (Verdict.OK, Verdict.NG)  # what a part can truly be


def correct(
    archive: Archive, keys: Sequence[int], *, who: str, verdict: str, class_name: str = "", reason: str = "", note: str = ""
) -> None:
    """Record the true verdict of inspections. Raises ConfigError for an unknown one, or another verdict than OK or NG."""
    if verdict not in VERDICTS:
        raise ConfigError(
            "A part is OK or NG, not {verdict}.", remedy="Say what the part truly is.", verdict=verdict or "undecided"
        )
    _check_name(who)
    archive.write(
        *(
            correction_content(
                name,
                who=who,
                verdict=Verdict(verdict),
                machine=result_of(archive.database, key)["verdict"],
                class_name=class_name,
                reason=reason,
                note=note,
            )
            for key, name in zip(keys, names_of(archive.database, keys), strict=True)
        )
    )


def undo(archive: Archive, key: int, *, who: str) -> None:
    """Take back the newest correction of an inspection. Raises ConfigError if there is none, or nobody takes it back."""
    _check_name(who)
    newest = newest_of(result_of(archive.database, key)["corrections"])
    if newest is None:
        raise ConfigError("Inspection {name} has no correction to take back.", name=name_of(archive.database, key))
    archive.write(undo_content(name_of(archive.database, key), name_of(archive.database, newest["id"]), who=who))


def newest_of(corrections: Iterable[Mapping[str, Any]]) -> Mapping[str, Any] | None:
    """Return the correction of an inspection that holds: the newest that was not taken back. None: there is none.

    Keys do not follow time: they begin with the journal, and each process has one of its own.
    """
    said = [one for one in corrections if one["undone"] is None]
    return max(said, key=lambda one: (one["creation_time"], one["id"]), default=None)


def _check_name(who: str) -> None:
    if not who.strip():
        raise ConfigError("A correction needs the name of the person who made it.")
