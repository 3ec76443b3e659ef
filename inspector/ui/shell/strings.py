"""Texts on the screen: the language, and translated sentences of the core.

A widget's own strings go through `self.tr()` in a `retranslate()` method that is called again on `is_language_change`.
Sentences of the core arrive as `Message` and are looked up by template in the context "messages".
"""

from datetime import datetime
from pathlib import Path
from typing import Final, Literal

from PySide6.QtCore import QCoreApplication, QEvent, QLibraryInfo, QLocale, QTranslator

from inspector.core.message import ClassName, Message, fill
from inspector.core.storage.paths import resources
from inspector.core.verdict import Verdict

Language = Literal["en", "ja"]

# Each language by its own name, so that its speakers find it.
LANGUAGES: Final[dict[Language, str]] = {"en": "English", "ja": "日本語"}

_installed: list[QTranslator] = []
_texts: dict[Path, bytes] = {}  # of the files; a translator keeps no copy


def system_language() -> Language:
    """Return the desktop's language if it is supported, else English."""
    return "ja" if QLocale.system().language() == QLocale.Language.Japanese else "en"


def current_language() -> Language:
    """Return the language of the window."""
    return "ja" if _installed else "en"


def set_language(language: Language) -> None:
    """Switch the whole program to a language. Every widget then gets an event for which `is_language_change` is true."""
    app = QCoreApplication.instance()
    if app is None:
        raise RuntimeError("set_language needs the application")
    if bool(_installed) == (language != "en"):
        return
    for translator in _installed:
        app.removeTranslator(translator)
    _installed.clear()
    QLocale.setDefault(QLocale(language))
    if language == "en":
        return
    ours = resources() / "translations" / f"inspector_{language}.qm"
    qt = Path(QLibraryInfo.path(QLibraryInfo.LibraryPath.TranslationsPath)) / f"qtbase_{language}.qm"
    for path in (qt, ours):
        translator = QTranslator(app)
        try:
            # Read, because Qt maps the file of a name: an update that writes over it would end the process.
            texts = _texts.setdefault(path, path.read_bytes())
        except OSError:
            continue
        if translator.load(texts):
            app.installTranslator(translator)
            _installed.append(translator)


def time_text(moment: datetime) -> str:
    """Return a moment in local time, as every page shows it in every language."""
    return f"{moment.astimezone():%Y-%m-%d %H:%M}"


def is_language_change(event: QEvent) -> bool:
    """Return whether a `changeEvent` requires all texts to be set again."""
    return event.type() == QEvent.Type.LanguageChange


def later(context: str, text: str) -> str:
    """Mark a text of a table for translation in `context`; the code that shows the text translates it."""
    del context
    return text


def translate(message: Message) -> str:
    """Return a sentence of the core in the window's language; messages among its values are translated as well."""
    template = QCoreApplication.translate("messages", message.template)
    values = {key: _value(value) for key, value in message.values.items()}
    try:
        return fill(template, **values)
    except (KeyError, IndexError, ValueError):  # a translation that lost a value must not hide the sentence
        return message.text


def _value(value: object) -> object:
    if isinstance(value, Message):
        return translate(value)
    if isinstance(value, Verdict):
        return verdict_word(value)
    if isinstance(value, ClassName):
        return ", ".join(class_name(part) for part in value.split(", "))
    return value


def verdict_word(verdict: Verdict) -> str:
    """Return the word or two that the verdict tile shows."""
    words = {
        Verdict.OK: QCoreApplication.translate("verdicts", "OK"),
        Verdict.NG: QCoreApplication.translate("verdicts", "NG"),
        Verdict.REVIEW: QCoreApplication.translate("verdicts", "REVIEW"),
        Verdict.NOT_INSPECTED: QCoreApplication.translate("verdicts", "NOT INSPECTED"),
    }
    return words[verdict]


def class_name(name: str) -> str:
    """Return a class of the shipped bundles in the window's language; any other name unchanged."""
    return QCoreApplication.translate("classes", name) if name else name
