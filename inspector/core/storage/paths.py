"""Where shipped files and a user's own files lie: in a source tree, an installed wheel or an installed program."""

from contextlib import suppress
from pathlib import Path

import platformdirs

from inspector.core.errors import ConfigError

_PACKAGE = Path(__file__).resolve().parents[2]
if _PACKAGE.parent.suffix == ".zip":  # the modules of an installed program: its files are in the folder of that name
    _PACKAGE = _PACKAGE.parent.with_suffix("") / _PACKAGE.name


def _shipped(name: str) -> Path:
    for candidate in (_PACKAGE / f"_{name}", _PACKAGE.parent / name):
        if candidate.is_dir():
            return candidate
    raise ConfigError(
        "The folder {name} that belongs to this program is missing.", remedy="Install the program again.", name=name
    )


def resources() -> Path:
    """Return the folder of icons, fonts, translations and sample recipes."""
    return _shipped("resources")


def models() -> Path:
    """Return the folder of the shipped bundles."""
    return _shipped("models")


def is_shipped(path: Path) -> bool:
    """Return whether a file or folder belongs to the program, so that changes to it are kept elsewhere."""
    real = path.resolve()
    for root in (resources, models):
        with suppress(ConfigError):  # a missing folder is reported where it is needed
            if real.is_relative_to(root().resolve()):
                return True
    return False


def user_data() -> Path:
    """Return the folder of this user's bundles, runs and reports; it may not exist yet."""
    return Path(platformdirs.user_data_dir("inspector", appauthor=False))


def user_config() -> Path:
    """Return the folder of this user's settings; it may not exist yet."""
    return Path(platformdirs.user_config_dir("inspector", appauthor=False))
