"""The table of keys, from which the actions and the help page are made."""

from dataclasses import dataclass
from typing import Final, Literal

from inspector.ui.shell.strings import later


@dataclass(frozen=True, slots=True)
class Shortcut:
    """`name` of the action, its keys, and its effect in words.

    `operator`: how the keys act in the operator view: not at all, when they are pressed, or when they are held. `repeats`: they
    act again while they are held.
    """

    name: str
    keys: str
    words: str
    operator: Literal["", "press", "hold"] = ""
    repeats: bool = False


SHORTCUTS: Final = (
    Shortcut("start", "F5", later("Shortcuts", "Start inspecting"), operator="press"),
    Shortcut("stop", "Shift+F5", later("Shortcuts", "Stop inspecting"), operator="hold"),
    Shortcut("trigger", "F8", later("Shortcuts", "Inspect one part now"), operator="press"),
    Shortcut("live", "Ctrl+L", later("Shortcuts", "Back to live"), operator="press"),
    Shortcut("older_ng", "Ctrl+Right", later("Shortcuts", "Hold the next older NG part"), operator="press", repeats=True),
    Shortcut("newer_ng", "Ctrl+Left", later("Shortcuts", "Hold the next newer NG part"), operator="press", repeats=True),
    Shortcut("page_inspect", "Ctrl+1", later("Shortcuts", "Inspect page")),
    Shortcut("page_review", "Ctrl+2", later("Shortcuts", "Review page")),
    Shortcut("page_archive", "Ctrl+3", later("Shortcuts", "Archive page")),
    Shortcut("page_train", "Ctrl+4", later("Shortcuts", "Train page")),
    Shortcut("page_recipes", "Ctrl+5", later("Shortcuts", "Recipes page")),
    Shortcut("page_settings", "Ctrl+6", later("Shortcuts", "Settings page")),
    Shortcut("next_tab", "Ctrl+Tab", later("Shortcuts", "Next view"), repeats=True),
    Shortcut("previous_tab", "Ctrl+Shift+Tab", later("Shortcuts", "Previous view"), repeats=True),
    Shortcut("open_image", "Ctrl+O", later("Shortcuts", "Review an image")),
    Shortcut("open_folder", "Ctrl+Shift+O", later("Shortcuts", "Review a folder of images")),
    Shortcut("open_video", "Ctrl+Alt+O", later("Shortcuts", "Review a video")),
    Shortcut("open_recipe", "Ctrl+R", later("Shortcuts", "Open a recipe")),
    Shortcut("fullscreen", "F11", later("Shortcuts", "Operator view on the full screen; held: leave it"), operator="hold"),
    Shortcut(
        "leave",
        "Esc",
        later("Shortcuts", "Leave the held part or the help; held: the full screen"),
        operator="hold",
    ),
    Shortcut("help", "F1", later("Shortcuts", "Help for this page"), operator="press"),
    Shortcut("quit", "Ctrl+Q", later("Shortcuts", "Quit"), operator="press"),
)


# Keys that a widget handles itself, listed for the help page only.
REVIEW_KEYS: Final = (
    Shortcut("", "Left / Right", later("Shortcuts", "Previous, next part")),
    Shortcut("", "Home / End", later("Shortcuts", "First, last part")),
    Shortcut("", "Space", later("Shortcuts", "Play and pause")),
    Shortcut("", "N / Shift+N", later("Shortcuts", "Next, previous NG part")),
)
ARCHIVE_KEYS: Final = (
    Shortcut("", "← ↑ → ↓", later("Shortcuts", "The part beside, above, below")),
    Shortcut("", "Enter / Esc", later("Shortcuts", "Open the part, back to the gallery")),
    Shortcut("", "N / Shift+N", later("Shortcuts", "Next, previous NG part")),
    Shortcut("", "R / W / U", later("Shortcuts", "The machine is right, wrong; undo")),
    Shortcut("", "Space", later("Shortcuts", "Pick the part, or not")),
)
PICTURE_KEYS: Final = (
    Shortcut("", "F / 0", later("Shortcuts", "The whole frame")),
    Shortcut("", "1", later("Shortcuts", "One pixel of the frame on one of the screen")),
    Shortcut("", "+ / −", later("Shortcuts", "Zoom in, zoom out")),
    Shortcut("", "Shift+← ↑ → ↓", later("Shortcuts", "Move the view")),
)
