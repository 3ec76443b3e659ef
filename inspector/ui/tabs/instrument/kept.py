"""The tools of each recipe and camera, kept in one file in the user's folder. No Qt."""

import json
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from inspector.core.errors import ConfigError, StorageError
from inspector.core.storage.paths import user_config
from inspector.core.untrusted import parse_json, read_bounded
from inspector.imaging.image import Scene
from inspector.imaging.measuring import PlacedTool, parse_tool
from inspector.imaging.thermography import tool_text

log = logging.getLogger(__name__)

FILE: Final = "thermal-tools.json"
MOST_TOOLS: Final = 50  # of one recipe and camera


class KeptTools:
    """Reads and writes the file; one that is damaged counts as empty and is replaced at the next change."""

    def __init__(self, path: Path | None = None) -> None:
        """Use `path`; by default the user's file."""
        self._path = path or user_config() / FILE

    def read(self, recipe: str, camera: str) -> tuple[PlacedTool, ...]:
        """Return the tools of a recipe and camera; entries that are no tools are left out."""
        entries = self._all().get(_key(recipe, camera), [])
        tools = (_placed(entry) for entry in (entries if isinstance(entries, list) else []))
        return tuple(tool for tool in tools if tool is not None)[:MOST_TOOLS]

    def write(self, recipe: str, camera: str, tools: Sequence[PlacedTool]) -> None:
        """Keep these tools; a file that cannot be written is only noted, since the tools are on the screen."""
        from inspector.core.config import write_atomically  # with pydantic, which the window's first picture does not wait for

        kept = self._all()
        kept[_key(recipe, camera)] = [
            {"tool": tool_text(one.tool), **({} if one.emissivity is None else {"emissivity": one.emissivity})} for one in tools
        ]
        try:
            write_atomically(self._path, json.dumps({key: some for key, some in kept.items() if some}, indent=1).encode())
        except StorageError as error:
            log.info("tools not kept: %s", error)

    def _all(self) -> dict[str, object]:
        try:
            found = parse_json(read_bounded(self._path))
        except FileNotFoundError:
            return {}
        except (OSError, ValueError) as error:
            log.info("%s is not usable (%s)", self._path, error)
            return {}
        return dict(found) if isinstance(found, dict) else {}


def _key(recipe: str, camera: str) -> str:
    return f"{recipe}/{camera}"


def _placed(entry: object) -> PlacedTool | None:
    if not isinstance(entry, dict):
        return None
    emissivity = entry.get("emissivity")
    try:
        Scene(emissivity=emissivity)
        return PlacedTool(parse_tool(str(entry.get("tool", ""))), emissivity)
    except (ValueError, TypeError, ConfigError) as error:
        log.info("%s is no tool (%s)", entry, error)
        return None
