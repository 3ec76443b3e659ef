"""A tool tip shows a foreign name as it is."""

from PySide6.QtGui import QTextDocument
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from inspector.station.tally import Tally
from inspector.ui.inspect.panels.readouts import Counters
from inspector.ui.widgets.tips import plain_tip

NAME = '<img src="//elsewhere/share/a.png">part & <b>one</b>\nline two.png'


def test_a_name_with_tags_is_shown_with_them_and_opens_nothing(qapp: QApplication) -> None:
    shown = QTextDocument()
    shown.setHtml(plain_tip(NAME))
    assert shown.toPlainText() == NAME
    shown.setHtml(plain_tip("part 1 < 2 & 3.png"))
    assert shown.toPlainText() == "part 1 < 2 & 3.png"
    assert plain_tip("part & one") == "part & one"


def test_the_counters_show_the_name_of_a_lot_as_it_is(qtbot: QtBot) -> None:
    counters, shown = Counters(), QTextDocument()
    qtbot.addWidget(counters)
    counters.set_tally(Tally(lot="<b>A</b> 4711"))
    shown.setHtml(counters.since.toolTip())
    assert shown.toPlainText() == counters.since.text()
    assert "<b>A</b> 4711" in counters.since.text()
