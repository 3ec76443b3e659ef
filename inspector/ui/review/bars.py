"""The rows of the review page: open buttons, player, outcome of the current part, and the empty page."""

from typing import Final

from PySide6.QtCore import QCoreApplication, QSize, Qt, Signal
from PySide6.QtWidgets import QHBoxLayout, QLabel, QPushButton, QToolButton, QVBoxLayout, QWidget

from inspector.core.message import Message
from inspector.core.types import Inspection, Verdict
from inspector.ui.inspect.panels.readouts import Badge
from inspector.ui.review.chooser import WithChooser
from inspector.ui.review.timeline import TimeLine
from inspector.ui.shell import theme
from inspector.ui.shell.strings import translate, verdict_word
from inspector.ui.widgets.inputs import ComboBox
from inspector.ui.widgets.themed import Themed
from inspector.ui.widgets.tips import plain_tip

SPEEDS: Final = (1, 2, 5, 10, 30)  # parts a second
OPENERS: Final = {"image": "open-image", "folder": "open", "video": "open-video", "demo": "inspect"}
STEPS: Final = {
    "previous_ng": "previous-ng",
    "previous": "previous",
    "play": "start",
    "next": "next",
    "next_ng": "next-ng",
}


class _Bar(Themed, QWidget):
    def retranslate(self) -> None:
        """Set all texts and icons."""

    def restyle(self) -> None:
        self.retranslate()


class OpenBar(_Bar):
    """Buttons to open a source, the chooser of the inspecting bundles, and the exports.

    `wanted` carries a name of `OPENERS`, "table" or "picture".
    """

    wanted = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.buttons = {name: QPushButton() for name in (*OPENERS, "table", "picture")}
        self.chooser = WithChooser()
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(theme.SPACING)
        for name, button in self.buttons.items():
            button.setObjectName(f"review_{name}")
            button.setMinimumHeight(theme.TOUCH)
            button.setIconSize(QSize(theme.ICON, theme.ICON))
            button.clicked.connect(lambda _=False, name=name: self.wanted.emit(name))
            row.addWidget(button)
            if name == "demo":
                row.addWidget(self.chooser, 1)
        self.set_opened(False)
        self.retranslate()

    def set_opened(self, opened: bool) -> None:
        """Set whether there is anything to save."""
        for name in ("table", "picture"):
            self.buttons[name].setEnabled(opened)

    def retranslate(self) -> None:
        texts = opener_texts() | {"table": self.tr("Save table"), "picture": self.tr("Save picture")}
        tips = {"table": self.tr("Save the list as CSV"), "picture": self.tr("Save the picture with its marks as PNG")}
        for name, button in self.buttons.items():
            button.setText(texts[name])
            button.setAccessibleName(texts[name])
            button.setToolTip(tips.get(name, ""))
            button.setIcon(theme.icon(OPENERS.get(name, "save")))


def opener_texts() -> dict[str, str]:
    """Return the texts of the buttons that open a source."""
    return {
        "image": QCoreApplication.translate("Openers", "Image"),
        "folder": QCoreApplication.translate("Openers", "Folder"),
        "video": QCoreApplication.translate("Openers", "Video"),
        "demo": QCoreApplication.translate("Openers", "Demo line"),
    }


class Player(_Bar):
    """Step, play, jump to NG, and the time line. `wanted` carries a name of `STEPS`; `jumped` a part number."""

    wanted = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._playing = False
        self.buttons = {name: QToolButton() for name in STEPS}
        self.speed = ComboBox()
        self.speed.setMinimumHeight(theme.TOUCH)
        for speed in SPEEDS:
            self.speed.addItem("", speed)
        self.time_line = TimeLine()
        self.position = QLabel()
        self.position.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        self.position.setMinimumWidth(theme.SPACING * 12)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(theme.SPACING)
        for name, button in self.buttons.items():
            button.setObjectName(f"review_{name}")
            button.setMinimumSize(theme.TOUCH, theme.TOUCH)
            button.setIconSize(QSize(theme.ICON, theme.ICON))
            button.setFocusPolicy(Qt.FocusPolicy.TabFocus)  # a press does not take the arrow keys from the page
            button.clicked.connect(lambda _=False, name=name: self.wanted.emit(name))
            row.addWidget(button)
        row.addWidget(self.speed)
        row.addWidget(self.time_line, 1)
        row.addWidget(self.position)
        self.retranslate()

    def parts_per_second(self) -> int:
        return int(self.speed.currentData())

    def set_playing(self, playing: bool) -> None:
        self._playing = playing
        self.retranslate()

    def set_judged(self, judged: bool) -> None:
        """Set whether parts get verdicts, so that there may be NG parts to look for."""
        for name in ("previous_ng", "next_ng"):
            self.buttons[name].setEnabled(judged)

    def set_position(self, index: int, count: int) -> None:
        self.position.setText(f"{index + 1} / {count}" if count else "")

    def retranslate(self) -> None:
        play = self.tr("Pause (Space)") if self._playing else self.tr("Play (Space)")
        texts = {
            "previous_ng": self.tr("Previous NG (Shift+N)"),
            "previous": self.tr("Previous (Left)"),
            "play": play,
            "next": self.tr("Next (Right)"),
            "next_ng": self.tr("Next NG (N)"),
        }
        for name, button in self.buttons.items():
            button.setToolTip(texts[name])
            button.setAccessibleName(texts[name])
            button.setIcon(theme.icon("pause" if name == "play" and self._playing else STEPS[name]))
        for index, speed in enumerate(SPEEDS):
            self.speed.setItemText(index, self.tr("{number}/s").format(number=speed))
        self.speed.setAccessibleName(self.tr("Speed"))
        self.speed.setToolTip(self.tr("Parts a second"))
        self.time_line.setAccessibleName(self.tr("Time line"))


class OutcomeBar(_Bar):
    """One line: the verdict's symbol and word, the part, and the reasons."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._shown: tuple[Inspection, bool] | None = None
        self._judged = True
        self._note = ""
        self._judge: tuple[str, Message | None] = ("", None)
        self.badge = Badge(Verdict.OK)
        self.badge.setFixedSize(theme.ICON, theme.ICON)
        self.word, self.part, self.reason, self.note = QLabel(), QLabel(), QLabel(), QLabel()
        self.word.setProperty("role", "strong")
        self.part.setProperty("role", "muted")
        self.note.setProperty("role", "muted")
        self.reason.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.reason.setMinimumWidth(1)  # a long reason must not widen the page; the tool tip shows it in full
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(theme.SPACING)
        for widget in (self.badge, self.word, self.part):
            row.addWidget(widget)
        row.addWidget(self.reason, 1)
        row.addWidget(self.note)
        self.setMinimumHeight(theme.SPACING * 4)
        self.retranslate()

    @property
    def inspection(self) -> Inspection | None:
        """The inspection on display."""
        return self._shown[0] if self._shown is not None else None

    def show_outcome(self, inspection: Inspection, *, final: bool, judged: bool) -> None:
        """Show an outcome. `final` False: the verdict is pending; `judged` False: there will be none."""
        self._shown, self._judged = (inspection, final and judged), judged
        self.retranslate()

    def set_note(self, note: str) -> None:
        """Set the note on the page's current activity, at the right."""
        self._note = note
        self.retranslate()

    def set_judge(self, variants: str, why: Message | None) -> None:
        """Set which variants judge and why, at the right while there is no note."""
        self._judge = (variants, why)
        self.retranslate()

    def retranslate(self) -> None:
        variants, why = self._judge
        self.note.setText(self._note or variants)
        self.note.setToolTip(plain_tip("" if why is None else translate(why)))
        self.badge.setVisible(self._shown is not None and self._shown[1])
        if self._shown is None:
            return
        inspection, final = self._shown
        self.badge.set_verdict(inspection.verdict)
        waiting = self.tr("Inspecting…") if self._judged else self.tr("Not judged")
        self.word.setText(verdict_word(inspection.verdict) if final else waiting)
        self.part.setText(inspection.part)
        reasons = "; ".join(translate(reason) for reason in inspection.reasons) if final or not self._judged else ""
        self.reason.setText(reasons)
        self.reason.setToolTip(plain_tip(reasons))
        self.setAccessibleName(f"{self.word.text()} {inspection.part} {reasons}")


class EmptyPage(_Bar):
    """Teaches the next step. `wanted` carries a name of `OPENERS`."""

    wanted = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.title, self.text = QLabel(), QLabel()
        self.title.setProperty("role", "title")
        self.text.setProperty("role", "muted")
        self.buttons = {name: QPushButton() for name in OPENERS}
        row = QHBoxLayout()
        row.setSpacing(theme.SPACING * 2)
        row.addStretch(1)
        for name, button in self.buttons.items():
            button.setObjectName(f"empty_{name}")
            button.setMinimumSize(theme.TOUCH * 4, theme.TOUCH * 2)
            button.setIconSize(QSize(theme.ICON, theme.ICON))
            button.clicked.connect(lambda _=False, name=name: self.wanted.emit(name))
            row.addWidget(button)
        row.addStretch(1)
        layout = QVBoxLayout(self)
        layout.setSpacing(theme.SPACING * 2)
        layout.addStretch(1)
        for label in (self.title, self.text):
            label.setAlignment(Qt.AlignmentFlag.AlignHCenter)
            label.setWordWrap(True)
            layout.addWidget(label)
        layout.addLayout(row)
        layout.addStretch(2)
        self.retranslate()

    def retranslate(self) -> None:
        self.title.setText(self.tr("Review parts at your own pace"))
        self.text.setText(
            self.tr(
                "Open an image, a folder of images or a video, or drop it here. Every part is inspected in the background "
                "while you step through."
            )
        )
        texts = opener_texts()
        for name, button in self.buttons.items():
            button.setText(texts[name])
            button.setAccessibleName(texts[name])
            button.setIcon(theme.icon(OPENERS[name]))
