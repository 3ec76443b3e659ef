"""The topics of the manual: one short text a job, in each language."""

from types import MappingProxyType
from typing import Final

from PySide6.QtCore import QCoreApplication
from PySide6.QtGui import QKeySequence

from inspector.core.storage.paths import resources
from inspector.ui.shell.shortcuts import ARCHIVE_KEYS, PICTURE_KEYS, REVIEW_KEYS, SHORTCUTS, Shortcut
from inspector.ui.shell.strings import current_language

KEYS: Final = "keys"
ABOUT: Final = "about"
TEXTS: Final = (
    "start",
    "inspect",
    "not-inspected",
    "judge",
    "archive",
    "train",
    "limit",
    "recipe",
    "camera",
    "settings",
    "changes",
)
TOPICS: Final = (*TEXTS, KEYS, ABOUT)
# The topic that F1 opens on a page.
OF_PAGE: Final = MappingProxyType(
    {
        "inspect": "inspect",
        "review": "judge",
        "archive": "archive",
        "train": "train",
        "recipes": "recipe",
        "settings": "settings",
    }
)


def text_of(topic: str) -> str:
    """Return a topic as Markdown, in the window's language."""
    if topic == KEYS:
        return _keys()
    return (resources() / "manual" / current_language() / f"{topic}.md").read_text(encoding="utf-8")


def title_of(topic: str) -> str:
    """Return the heading of a topic."""
    if topic == ABOUT:
        return QCoreApplication.translate("Manual", "About this program")
    return text_of(topic).partition("\n")[0].removeprefix("# ")


def _keys() -> str:
    title = QCoreApplication.translate("Manual", "Keys")
    lines = [f"# {title}", "", *_table(SHORTCUTS)]
    groups = (
        (QCoreApplication.translate("Manual", "On the review page"), REVIEW_KEYS),
        (QCoreApplication.translate("Manual", "On the archive page"), ARCHIVE_KEYS),
        (QCoreApplication.translate("Manual", "In a picture"), PICTURE_KEYS),
    )
    for heading, keys in groups:
        lines += ["", f"## {heading}", "", *_table(keys)]
    lines += [
        "",
        QCoreApplication.translate(
            "Manual", "In a picture the wheel and two fingers zoom, dragging moves, a double click shows all of it."
        ),
    ]
    return "\n".join(lines)


def _table(shortcuts: tuple[Shortcut, ...]) -> list[str]:
    key, effect = QCoreApplication.translate("Manual", "key"), QCoreApplication.translate("Manual", "effect")
    rows = [f"| {key} | {effect} |", "|---|---|"]
    for one in shortcuts:
        native = QKeySequence(one.keys).toString(QKeySequence.SequenceFormat.NativeText) if one.name else one.keys
        words = QCoreApplication.translate("Shortcuts", one.words)
        rows.append(f"| **{native}** | {words} |")
    return rows
