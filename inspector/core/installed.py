"""The installed program: started by its own launcher, with the record of what was installed beside it."""

import json
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

RECORD: Final = "installation.json"


@dataclass(frozen=True, slots=True)
class Installation:
    """The folder of the launcher, and what was installed there: `system` is "linux" or "windows"."""

    folder: Path
    version: str
    commit: str
    system: str

    @property
    def training_pack(self) -> str:
        """The file that adds training to this installation."""
        if self.system == "windows":
            return f"inspector-training-{self.version}-setup.exe"
        packaged = self.folder.is_relative_to("/usr")
        return (
            f"inspector-training_{self.version} (.deb or .rpm)" if packaged else f"inspector-training-{self.version}-linux.run"
        )


@cache
def installation() -> Installation | None:
    """Return the installation that this process runs from; None for a source tree or a Python environment."""
    return read_installation(Path(sys.executable).parent)


def read_installation(folder: Path) -> Installation | None:
    """Return what is installed in a folder; None if it holds no readable record of an installation."""
    try:
        record = json.loads((folder / RECORD).read_text("utf-8"))
        return Installation(folder, str(record["version"]), str(record["commit"]), str(record["system"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def training_pack() -> str:
    """Return the name of the file that adds training to this program; empty where it was not installed by an installer."""
    installed = installation()
    return "" if installed is None else installed.training_pack


def program_command(*arguments: str) -> list[str]:
    """Return the command line that starts this program again with these arguments."""
    if installation() is not None:
        return [sys.executable, *arguments]  # the launcher runs the program by itself
    # -P: a file called torch.py or numpy.py in the current folder must not be imported.
    return [sys.executable, "-P", "-m", "inspector", *arguments]
