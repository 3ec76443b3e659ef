"""The strip above the feed while one part is held on screen and the line goes on."""

from PySide6.QtCore import QSize, Qt, QTimer, Signal
from PySide6.QtGui import QResizeEvent, QShowEvent
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QPushButton, QSizePolicy, QWidget

from inspector.core.types import Inspection, Verdict
from inspector.ui.inspect.panels.readouts import Badge
from inspector.ui.shell import theme
from inspector.ui.shell.strings import translate, verdict_word
from inspector.ui.widgets.themed import Themed
from inspector.ui.widgets.tips import plain_tip


class HoldStrip(Themed, QFrame):
    """Shows the held part, its verdict and the reasons. `released`: back to live."""

    released = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("hold")
        self.setProperty("role", "card")
        self._inspection: Inspection | None = None
        self._whole = ""
        self._badge = Badge(Verdict.NG)
        self._text = QLabel()
        self._text.setTextFormat(Qt.TextFormat.PlainText)
        self._text.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self.button = QPushButton()
        self.button.setObjectName("back_to_live")
        self.button.setProperty("role", "primary")
        self.button.setIconSize(QSize(theme.ICON, theme.ICON))
        self.button.clicked.connect(self.released)
        row = QHBoxLayout(self)
        row.setContentsMargins(theme.SPACING * 2, theme.SPACING, theme.SPACING, theme.SPACING)
        row.setSpacing(theme.SPACING)
        row.addWidget(self._badge)
        row.addWidget(self._text, 1)
        row.addWidget(self.button)
        self.retranslate()
        self.hide()

    @property
    def text(self) -> str:
        return self._whole

    def show_part(self, inspection: Inspection | None) -> None:
        """Show that this part is held; None: no part is held."""
        self._inspection = inspection
        if inspection is not None:
            self._badge.set_verdict(inspection.verdict)
            self.retranslate()
        self.setVisible(inspection is not None)

    def retranslate(self) -> None:
        self.button.setText(self.tr("Back to live"))
        self.button.setAccessibleName(self.tr("Back to live"))
        self.button.setIcon(theme.icon("live", "on_accent"))
        item = self._inspection
        if item is None:
            return
        held = self.tr("Held: {part}, {verdict}").format(part=item.part, verdict=verdict_word(item.verdict))
        reasons = "  ·  ".join(translate(reason) for reason in item.reasons)
        self._whole = f"{held}  ·  {reasons}" if reasons else held
        self._text.setToolTip(plain_tip(self._whole))
        self._elide()
        self.setAccessibleName(held)

    def _elide(self) -> None:
        room = self._text.contentsRect().width()
        self._text.setText(self._text.fontMetrics().elidedText(self._whole, Qt.TextElideMode.ElideRight, room))

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._elide()

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        QTimer.singleShot(0, self, self._elide)  # after the layout has set the label's width

    def restyle(self) -> None:
        self.button.setIcon(theme.icon("live", "on_accent"))
