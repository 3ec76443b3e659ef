"""Commands run as on consoles with other code pages."""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

CONSOLES: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        "C": {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
        "cp1252": {"PYTHONIOENCODING": "cp1252"},
        "cp932": {"PYTHONIOENCODING": "cp932"},
        "utf-16": {"PYTHONIOENCODING": "utf-16"},
        "utf-8": {"LC_ALL": "C.UTF-8"},
    }
)


def on_console(environment: Mapping[str, str], *arguments: str | Path, **options: Any) -> "subprocess.CompletedProcess[bytes]":
    """Run a command with these variables and none of the user's own about languages."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("LC_", "LANG", "PYTHONIO", "PYTHONUTF8"))}
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options}
    command = [sys.executable, "-m", "inspector", *map(str, arguments)]
    return subprocess.run(command, env={**kept, **environment}, check=False, timeout=120, **streams)
