"""The pictures that a run learnt from."""

from pathlib import Path

from inspector.core.storage.paths import user_data
from inspector.training.state import RunInfo
from inspector.ui.training.labels import DEMO_FOLDER


def own_pictures(info: RunInfo | None) -> Path | None:
    """Return the folder that a run learnt from; None if it is gone, or shows the demo line."""
    folder = Path(str(info.record.settings.get("data", ""))) if info is not None else Path()
    known = info is not None and folder.is_dir() and not folder.is_relative_to(user_data() / DEMO_FOLDER)
    return folder if known else None
