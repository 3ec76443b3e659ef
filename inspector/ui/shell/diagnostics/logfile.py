"""The program's log file, which a report of a fault needs."""

import logging
from logging.handlers import RotatingFileHandler
from pathlib import Path

from inspector.core.storage.paths import user_data

_BYTES, _EARLIER = 1_000_000, 3


def log_file() -> Path:
    """Return the file; it does not exist before the window has been opened once."""
    return user_data() / "log" / "inspector.log"


def begin_log() -> logging.Handler | None:
    """Write warnings and errors of this program to the file from now on; None if the file cannot be written."""
    path = log_file()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handler = RotatingFileHandler(path, maxBytes=_BYTES, backupCount=_EARLIER, encoding="utf-8", delay=True)
    except OSError:
        return None
    handler.setLevel(logging.WARNING)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logging.getLogger().addHandler(handler)
    return handler
