"""Every text is collected, translated and compiled, and fits."""

import importlib.util
import re
import sys
from pathlib import Path
from types import ModuleType

import pytest
from PySide6.QtCore import QTranslator
from PySide6.QtGui import QFontMetricsF
from PySide6.QtWidgets import QAbstractButton, QLabel
from pytestqt.qtbot import QtBot

from inspector.core.message import ClassName, Message, message
from inspector.core.sentence import Sentence, sentence
from inspector.core.storage.paths import resources
from inspector.core.types import Verdict
from inspector.ui.shell import strings, theme
from inspector.ui.shell.main_window import MainWindow

ROOT = Path(__file__).resolve().parents[3]
TS = resources() / "translations" / "inspector_ja.ts"


@pytest.fixture(scope="module")
def tool() -> ModuleType:
    spec = importlib.util.spec_from_file_location("translate", ROOT / "packaging" / "translate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_nothing_is_stale_or_untranslated(tool: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    """To mend: python packaging/translate.py, then translate what it lists in the .ts file, and run it again."""
    stale = tool._check(TS, "ja")
    assert not stale, capsys.readouterr().err


def test_the_check_sees_a_missing_translation(tool: ModuleType, tmp_path: Path) -> None:
    damaged = tmp_path / TS.name
    damaged.write_text(TS.read_text(encoding="utf-8").replace("<translation>開始</translation>", "<translation></translation>"))
    assert tool._check(damaged, "ja")


def _values(text: str) -> tuple[list[str], set[str]]:
    """Return the values that a text shows, and all that it names: words that agree with a number are a language's own."""
    found = re.findall(r"\{[^}]*\}", text)
    return sorted(one for one in found if "|" not in one), {re.split(r"[:}]", one[1:])[0] for one in found}


def test_values_are_the_same_in_both_languages(tool: ModuleType) -> None:
    for (_, source), words in tool.entries(TS).items():
        assert _values(source) == _values(words), source


def test_the_compiled_file_is_of_this_source(tool: ModuleType, qapp: object) -> None:
    translator = QTranslator()
    assert translator.load(str(TS.with_suffix(".qm")))
    for (context, source), words in tool.entries(TS).items():
        assert translator.translate(context, source) == words


@pytest.mark.skipif(sys.platform != "linux", reason="the system tells which files are mapped")
def test_an_update_may_write_over_the_files_that_a_window_shows(qapp: object) -> None:
    """A file that is mapped ends the process when it is written over: that of a name, as Qt maps it, but not ours."""
    maps = Path("/proc/self/maps")
    named = QTranslator()
    assert named.load(str(TS.with_suffix(".qm")))
    assert ".qm" in maps.read_text()
    del named
    strings.set_language("ja")
    try:
        assert strings.translate(message("The disk of the journal is slow.")) == "ジャーナルのディスクが遅くなっています。"
        assert ".qm" not in maps.read_text()
    finally:
        strings.set_language("en")


def test_the_shipped_font_has_every_letter(tool: ModuleType, qapp: object) -> None:
    theme.load_fonts()
    metrics = QFontMetricsF(theme.font())
    letters = {letter for words in tool.entries(TS).values() for letter in words if not letter.isspace()}
    assert not [letter for letter in letters if not metrics.inFontUcs4(ord(letter))]


def test_a_camera_called_like_a_class_keeps_its_name(qtbot: QtBot) -> None:
    template = "The bundle {bundle} needs a picture, and {camera} gives temperatures."
    told = message(template, bundle="scratch", camera="dent, scratch")
    carried = sentence(message("{name} (score {score:.2f})", name=ClassName("scratch"), score=1.0))
    strings.set_language("ja")
    try:
        words = strings.translate(told)
        assert "scratch" in words
        assert "dent, scratch" in words
        assert "きず" not in words
        read = Sentence.model_validate_json(carried.model_dump_json())
        assert strings.translate(read.message).startswith("きず"), "a class stays one in a report"
    finally:
        strings.set_language("en")


def test_messages_are_translated_with_what_is_in_them(qtbot: QtBot) -> None:
    inner = message("There is no recipe {file}.", file=Path("a/b"))
    outer = message("{camera} gave no frame for this part: {problem}", camera="top", problem=inner)
    strings.set_language("ja")
    try:
        assert strings.translate(outer) == "top の画像がこの部品に届きませんでした：レシピ a/b がありません。"
        assert strings.translate(message("{name} (score {score:.2f})", name=ClassName("scratch, dent"), score=1.0)).startswith(
            "きず, へこみ"
        )
        assert strings.translate(Message("A sentence nobody knows: {x}", {"x": 1})) == "A sentence nobody knows: 1"
        assert strings.verdict_word(Verdict.NOT_INSPECTED) == "未検査"
    finally:
        strings.set_language("en")
    assert strings.translate(outer) == outer.text


@pytest.mark.parametrize("language", ["en", "ja"])
@pytest.mark.parametrize("page", ["inspect", "train", "settings"])
def test_no_text_is_clipped(window: MainWindow, qtbot: QtBot, language: str, page: str) -> None:
    window._settings.choose(language=language)
    qtbot.waitUntil(lambda: window.inspect.start_button.text() == {"en": "Start", "ja": "開始"}[language])
    window.show_page(page)
    for size in ((1366, 768), (1120, 680)):
        window.resize(*size)
        qtbot.wait(50)
        for widget in window.findChildren(QLabel):
            if widget.isVisible() and widget.text() and not widget.wordWrap():
                needed = widget.fontMetrics().horizontalAdvance(widget.text())
                assert needed <= widget.width() + 1, (size, widget.text())
        for button in window.findChildren(QAbstractButton):
            if button.isVisible() and button.text():
                assert button.fontMetrics().horizontalAdvance(button.text()) <= button.width() - 2 * theme.SPACING // 2, (
                    size,
                    button.text(),
                )
