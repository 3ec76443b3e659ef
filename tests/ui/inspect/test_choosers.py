"""The choosers above the live picture."""

from PySide6.QtCore import Qt
from pytestqt.qtbot import QtBot

from inspector.ui.inspect.choosers import SourceChooser


def test_the_source_in_use_is_shown_without_its_password(qtbot: QtBot) -> None:
    chooser = SourceChooser()
    qtbot.addWidget(chooser)
    chosen: list[str] = []
    chooser.chosen.connect(chosen.append)
    chooser.chosen.connect(chooser.show_source)  # as the page does that takes it
    line = chooser.lineEdit()
    assert line is not None
    source = "rtsp://operator:Se#cr/et@cam:554/live?channel=1&token=S3cr3t"
    line.setText(source)
    qtbot.keyClick(line, Qt.Key.Key_Return)
    assert chosen == [source]
    chooser.retranslate()
    assert line.text() == "rtsp://cam:554/live?channel=1&token=***"
    qtbot.keyClick(line, Qt.Key.Key_Return)  # the same as is in use
    assert chosen == [source]
    line.setText("usb:0")
    qtbot.keyClick(line, Qt.Key.Key_Return)
    assert chosen == [source, "usb:0"]
