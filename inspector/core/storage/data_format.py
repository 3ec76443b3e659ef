"""The mark of the program in the data folder: a version never works on data of a newer one that it cannot read."""

import json
import logging
import os
from contextlib import suppress
from pathlib import Path
from typing import Final

from inspector.core.errors import ConfigError
from inspector.core.installed import installation
from inspector.core.storage.durable import replace_durably
from inspector.core.storage.paths import user_data

log = logging.getLogger(__name__)

FORMAT: Final = 1  # raised when an older version could not read, or would spoil, what this one writes
MARK: Final = "format.json"


def claim_user_data() -> None:
    """Mark the data folder with the newest format and version that used it.

    Raises ConfigError if a later version has changed the format; nothing is written then.
    """
    folder = user_data()
    if not folder.is_dir():
        return  # nothing to protect yet
    file = folder / MARK
    number, version = _marked(file) if file.exists() else (0, "")
    if number > FORMAT:
        raise ConfigError(
            "The data in {folder} belong to version {version}, and this version cannot read them.",
            remedy="Start that version or a newer one. Nothing was changed.",
            folder=folder,
            version=version,
        )
    installed = installation()
    own = "" if installed is None else installed.version
    if number < FORMAT or (own and own != version):
        new = file.with_name(f"{MARK}.{os.getpid()}")
        try:
            new.write_text(json.dumps({"format": FORMAT, "version": own}) + "\n", "utf-8")
            replace_durably(new, file)
        except OSError:  # a data folder that is only read is no reason to stop
            log.debug("%s cannot be written", file, exc_info=True)
            with suppress(OSError):
                new.unlink(missing_ok=True)


def _marked(file: Path) -> tuple[int, str]:
    """Return the format and the version of a mark; those of none if it cannot be read."""
    try:
        mark = json.loads(file.read_text("utf-8"))
        return int(mark["format"]), str(mark["version"])
    except (OSError, ValueError, KeyError, TypeError):
        log.debug("%s cannot be read", file, exc_info=True)
        return 0, ""
