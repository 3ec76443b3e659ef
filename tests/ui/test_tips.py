"""A tool tip shows a foreign name as it is."""

from PySide6.QtGui import QTextDocument
from PySide6.QtWidgets import QApplication

from inspector.ui.widgets.tips import plain_tip

NAME = '<img src="//elsewhere/share/a.png">part & <b>one</b>\nline two.png'


def test_a_name_with_tags_is_shown_with_them_and_opens_nothing(qapp: QApplication) -> None:
    shown = QTextDocument()
    shown.setHtml(plain_tip(NAME))
    assert shown.toPlainText() == NAME
    shown.setHtml(plain_tip("part 1 < 2 & 3.png"))
    assert shown.toPlainText() == "part 1 < 2 & 3.png"
    assert plain_tip("part & one") == "part & one"
