"""What the window inspects, kept while a line runs: after a crash or power cut the next start goes on with it."""

import json
import logging
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from inspector.core.addresses import hide_secrets
from inspector.core.config import write_atomically
from inspector.core.errors import StorageError
from inspector.core.storage.paths import user_data
from inspector.core.untrusted import parse_json, read_bounded
from inspector.inspection.status import Mode

log = logging.getLogger(__name__)

FILE: Final = "line.json"


@dataclass(frozen=True, slots=True)
class LastLine:
    """A running line. `recipe`: its file; `source`: chosen in place of the recipe's, "" for the recipe's own."""

    recipe: str
    source: str
    mode: Mode


class KeptLine:
    """The file of what runs, written by the window that runs it, and removed by no other one."""

    def __init__(self) -> None:
        self._kept = False

    def keep(self, line: LastLine) -> None:
        """Write what runs now. A failure is not told: it only matters after another one.

        A source with a login is not kept, so that no secret is on the disk; such a line does not go on by itself.
        """
        self._kept = True
        if hide_secrets(line.source) != line.source:
            self.forget()
            return
        try:
            write_atomically(user_data() / FILE, json.dumps(asdict(line)).encode())
        except StorageError as error:
            log.info("the running line is not kept: %s", error)

    def forget(self) -> None:
        """Note that no line runs."""
        if self._kept:
            self._kept = False
            with suppress(OSError):
                (user_data() / FILE).unlink(missing_ok=True)


def interrupted_line() -> LastLine | None:
    """Return the line that ran when the program ended without stopping it; None if there was none."""
    try:
        data = parse_json(read_bounded(user_data() / FILE))
        line = LastLine(str(data["recipe"]), str(data["source"]), "triggered" if data["mode"] == "triggered" else "free")
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return line if Path(line.recipe).is_file() else None
