"""Notes about the files, shown before they are inspected."""

from pathlib import Path

from inspector.cli.support.lines import say
from inspector.imaging.files import image_files, label_masks


def say_masks_left_out(folder: Path, *, recursive: bool = False) -> None:
    """Report on stderr how many label masks of a folder are not inspected. A folder that cannot be listed is reported later."""
    try:
        count = len(label_masks(image_files(folder, recursive=recursive)))
    except OSError:
        return
    if count:
        say(f"inspector: {count} label masks in {folder} (a .png beside a photograph) are not inspected.", err=True)
