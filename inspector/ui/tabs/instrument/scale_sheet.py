"""The sheet that says what the grey values of a thermal source are in degrees, tried on a point whose temperature is known."""

from typing import Final, cast

from PySide6.QtCore import QSignalBlocker, QSize, Qt, Signal
from PySide6.QtGui import QPainter, QPaintEvent, QResizeEvent
from PySide6.QtWidgets import QBoxLayout, QCheckBox, QFrame, QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from inspector.core.types import KELVIN_AT_0_C, Frame
from inspector.imaging.image import AS_IT_SAYS, Reading, TemperatureUnit
from inspector.imaging.known_scales import KNOWN_SCALES, ScaledFrame, formula, scaled_frame
from inspector.imaging.temperature import declares
from inspector.imaging.thermography import Spot
from inspector.ui.canvas.canvas import Canvas
from inspector.ui.canvas.overlays import Overlays, ToolMark
from inspector.ui.shell import theme
from inspector.ui.shell.strings import translate
from inspector.ui.tabs.base import headed
from inspector.ui.tabs.controls import NumberField
from inspector.ui.tabs.instrument.declared import is_grey
from inspector.ui.widgets.boxes import plain, scrolled
from inspector.ui.widgets.cover import Cover
from inspector.ui.widgets.inputs import ComboBox, DoubleSpinBox
from inspector.ui.widgets.tables import Cell, Row, ValueTable
from inspector.ui.widgets.themed import Themed

_NARROW: Final = theme.SPACING * 110  # width of the sheet
_UNITS: Final[tuple[TemperatureUnit, ...]] = ("kelvin", "celsius", "fahrenheit")
_HOTTEST: Final = 4000.0
_DIGITS: Final = 6


class ScaleSheet(Themed, Cover):
    """Chooses a scale. `used` carries it as a Reading, `left`: without a choice; `next_wanted`: another frame is to be shown.

    Nothing is chosen by the pixels: the table says what each known scale would mean, and a person decides.
    """

    used = Signal(object)
    left = Signal()
    next_wanted = Signal()

    def __init__(self, over: QWidget) -> None:
        super().__init__(over)
        self.setObjectName("scale_sheet")
        self._frame: Frame | None = None
        self._at: tuple[int, int] | None = None
        self._camera = ""
        self._title, self._hint, self.says, self.document = QLabel(), QLabel(), QLabel(), QLabel()
        self._title.setProperty("role", "title")
        self.says.setObjectName("scale_says")
        self.says.setProperty("role", "strong")
        for label in (self._hint, self.says, self.document):
            label.setWordWrap(True)
            label.setTextFormat(Qt.TextFormat.PlainText)
        self.preview = Canvas()
        self.table = ValueTable()
        self.table.set_whole()
        self.unit = ComboBox()
        self.unit.setMinimumHeight(theme.TOUCH)
        for unit in _UNITS:
            self.unit.addItem(unit, unit)
        self.scale, self.offset = (NumberField(low, high, field=_fine()) for low, high in ((1e-6, 1000.0), (-1e5, 1e5)))
        self.scale.setValue(1.0)
        self.known = QCheckBox()
        self.known.setMinimumHeight(theme.TOUCH)
        self.celsius = NumberField(-KELVIN_AT_0_C, _HOTTEST)
        self.celsius.setValue(20.0)
        self.labels = {name: QLabel() for name in ("unit", "scale", "offset")}
        self.cancel, self.next, self.use = QPushButton(), QPushButton(), QPushButton()
        self.use.setProperty("role", "primary")
        self._arrange()
        self._connect()
        self.retranslate()

    def _arrange(self) -> None:
        fields = QWidget()
        column = plain(QVBoxLayout(fields))
        column.addWidget(self._hint)
        column.addLayout(headed(self.known, self.celsius))
        column.addWidget(self.table)
        self.table.set_whole()
        column.addWidget(self.document)
        for name, field in (("unit", self.unit), ("scale", self.scale), ("offset", self.offset)):
            self.labels[name].setBuddy(field)
            column.addLayout(headed(self.labels[name], field))
        column.addStretch(1)
        self._beside = plain(QBoxLayout(QBoxLayout.Direction.LeftToRight), theme.SPACING * 2)
        self._beside.addWidget(self.preview, 1)
        self._beside.addWidget(scrolled(fields), 2)
        foot = plain(QHBoxLayout())
        foot.addWidget(self.cancel)
        foot.addWidget(self.says, 1)
        foot.addWidget(self.next)
        foot.addWidget(self.use)
        for button, name in ((self.cancel, "scale_cancel"), (self.next, "scale_next"), (self.use, "scale_use")):
            button.setObjectName(name)
            button.setIconSize(QSize(theme.ICON, theme.ICON))
        card = QFrame()
        card.setProperty("role", "card")
        box = QVBoxLayout(card)
        box.setContentsMargins(*(theme.SPACING * 3,) * 4)
        box.setSpacing(theme.SPACING * 2)
        box.addWidget(self._title)
        box.addLayout(self._beside, 1)
        box.addLayout(foot)
        whole = QVBoxLayout(self)
        whole.setContentsMargins(*(theme.SPACING * 2,) * 4)
        whole.addWidget(card)

    def _connect(self) -> None:
        self.cancel.clicked.connect(self.leave)
        self.next.clicked.connect(self.next_wanted)
        self.use.clicked.connect(self._use)
        self.table.picked.connect(self._on_picked)
        self.preview.clicked.connect(self._on_clicked)
        self.unit.currentIndexChanged.connect(self._on_own)
        self.scale.valueChanged.connect(self._on_own)
        self.offset.valueChanged.connect(self._on_own)
        self.known.toggled.connect(self._show)
        self.celsius.valueChanged.connect(self._show)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Put the fields below the picture where there is no room beside it."""
        super().resizeEvent(event)
        direction = QBoxLayout.Direction.TopToBottom if self.width() < _NARROW else QBoxLayout.Direction.LeftToRight
        self._beside.setDirection(direction)

    # Use

    def open(self, frame: Frame | None, how: Reading = AS_IT_SAYS, *, steps: bool, camera: str = "") -> None:
        """Show the sheet for a source that is declared so far as `how`.

        `steps`: it has further frames to show. `camera`: its name, where there are others.
        """
        self._camera = camera
        self._show_title()
        self.next.setVisible(steps)
        with QSignalBlocker(self.unit):
            self.unit.setCurrentIndex(self.unit.findData(how.unit) if how.unit in _UNITS else -1)
        for field, value in ((self.scale, how.scale), (self.offset, how.offset)):
            with QSignalBlocker(field), QSignalBlocker(field.field):
                field.setValue((1.0 if field is self.scale else 0.0) if value is None else value)
        self._at = None
        self.show_frame(frame)
        self.table.select_key(self._alike() if declares(how) else None)
        self._show()
        self.uncover(True)
        self.table.setFocus()

    def show_frame(self, frame: Frame | None) -> None:
        """Show the grey values of a frame; one without grey values of 16 bits needs no scale."""
        self._frame = frame if frame is not None and is_grey(frame) else None
        self.preview.show_frame(frame)
        self.preview.set_hint(self.tr("No frame yet"), self.tr("The source is being opened."))
        if frame is not None and (self._at is None or not (self._at[0] < frame.width and self._at[1] < frame.height)):
            self._at = frame.width // 2, frame.height // 2
        self._show()

    def show_problem(self, text: str) -> None:
        """Say why there is no frame."""
        self.preview.set_hint(self.tr("No frame yet"), text)

    def reading(self) -> Reading | None:
        """Return the scale that the fields say; None while no unit is chosen."""
        unit = self.unit.currentData()
        if unit is None:
            return None
        return Reading(unit=unit, scale=self.scale.value(), offset=self.offset.value())

    def leave(self) -> None:
        """Hide the sheet, as its Cancel button does."""
        self.uncover(False)
        self.left.emit()

    def _use(self) -> None:
        self.uncover(False)
        self.used.emit(self.reading())

    def _on_clicked(self, x: int, y: int) -> None:
        self._at = x, y
        self._show()

    def _on_picked(self, key: object) -> None:
        """Take the numbers of the chosen scale over into the fields."""
        if not isinstance(key, int):
            return
        one = KNOWN_SCALES[key]
        with QSignalBlocker(self.unit):
            self.unit.setCurrentIndex(self.unit.findData(one.unit))
        for field, value in ((self.scale, one.scale), (self.offset, one.offset)):
            with QSignalBlocker(field), QSignalBlocker(field.field):
                field.setValue(value)
        self._show()

    def _on_own(self) -> None:
        self.table.select_key(self._alike())
        self._show()

    def _alike(self) -> int | None:
        """Return the position of the known scale that the fields say, if they say one."""
        how = self.reading()
        for number, one in enumerate(KNOWN_SCALES):
            same = how is not None and (how.unit, how.offset) == (one.unit, one.offset)
            if same and how is not None and round(one.scale, _DIGITS) == round(how.scale or 0.0, _DIGITS):
                return number
        return None

    # Showing

    def _seen(self, how: Reading) -> ScaledFrame | None:
        if self._frame is None or self._at is None:
            return None
        return scaled_frame(self._frame.pixels, how, x=self._at[0], y=self._at[1])

    def _show(self) -> None:
        known = self.known.isChecked()
        self.celsius.setVisible(known)
        self.table.set_titles(
            [self.tr("Camera or program"), self.tr("Point, °C"), self.tr("Frame, °C")] + ([self.tr("Off by")] if known else [])
        )
        self.table.set_rows([self._row(number, known=known) for number in range(len(KNOWN_SCALES))])
        self._show_document()
        self._say()
        if self._at is not None and self._frame is not None:
            value = int(self._frame.pixels[self._at[1], self._at[0]])
            self.preview.set_overlays(Overlays(tools=(ToolMark(Spot(*self._at), str(value)),)))
        else:
            self.preview.set_overlays(Overlays())

    def _row(self, number: int, *, known: bool) -> Row:
        one = KNOWN_SCALES[number]
        seen = self._seen(one.reading())
        cells = [Cell("–")] * (3 if known else 2)
        if seen is not None:
            point, low, high = (kelvin - KELVIN_AT_0_C for kelvin in (seen.point, seen.minimum, seen.maximum))
            off = point - self.celsius.value()
            cells = [Cell(f"{point:.1f}", point), Cell(f"{low:.1f} … {high:.1f}", low)]
            cells += [Cell(f"{off:+.1f}", abs(off))] if known else []
        return Row(number, (Cell(translate(one.name)), *cells))

    def _show_document(self) -> None:
        key = self.table.selected_key()
        one = None if key is None else KNOWN_SCALES[key]
        if one is None:
            self.document.setText(
                self.tr(
                    "Choose what wrote the values, or give unit, factor and offset as its manual says. Hikvision and HIKMICRO: "
                    "the camera sends factor and offset with each picture (jpegPicWithAppendData)."
                )
            )
        elif one.certain:
            self.document.setText(
                f"{translate(one.name)}: {one.formula}\n" + self.tr("Source: {text}").format(text=one.document)
            )
        else:
            doubt = self.tr("Found by users of these cameras, not published by their makers: check it at a known point.")
            self.document.setText(f"{translate(one.name)}: {one.formula}\n{doubt}")

    def _say(self) -> None:
        how = self.reading()
        seen = None if how is None else self._seen(how)
        self.use.setEnabled(how is not None and (seen is None or seen.plausible))
        theme.set_role(self.says, "strong")
        if self.preview.frame is None:
            self.says.clear()  # nothing is known of the source yet
            self.use.setEnabled(False)
        elif self._frame is None:
            self.says.setText(self.tr("This source gives no grey values of 16 bits, so it needs no scale."))
            self.use.setEnabled(False)
        elif how is None or seen is None or self._at is None:
            self.says.setText(self.tr("Press a point whose temperature you know."))
        elif not seen.plausible:
            theme.set_role(self.says, "error")
            text = self.tr("So the values would be {low:.0f} to {high:.0f} °C, which are no temperatures of a scene.")
            self.says.setText(text.format(low=seen.minimum - KELVIN_AT_0_C, high=seen.maximum - KELVIN_AT_0_C))
        else:
            unit = cast("TemperatureUnit", how.unit)
            text = self.tr("{formula}: the point is {point:.1f} °C, the frame {low:.1f} to {high:.1f} °C.")
            numbers = {"point": seen.point, "low": seen.minimum, "high": seen.maximum}
            self.says.setText(
                text.format(
                    formula=formula(unit, how.scale or 1.0, how.offset or 0.0),
                    **{name: kelvin - KELVIN_AT_0_C for name, kelvin in numbers.items()},
                )
            )

    # Texts

    def _show_title(self) -> None:
        title = self.tr("What the values are in degrees")
        self._title.setText(f"{title}: {self._camera}" if self._camera else title)
        self.setAccessibleName(self._title.text())

    def retranslate(self) -> None:
        self._show_title()
        self._hint.setText(
            self.tr(
                "Press a point in the picture whose temperature you know, and choose the line that gives it. "
                "Pixels alone do not tell."
            )
        )
        self.known.setText(self.tr("A thermometer says there, °C"))
        self.known.setAccessibleName(self.known.text())
        less, more = self.tr("less"), self.tr("more")
        self.celsius.set_texts(self.known.text(), less, more)
        self.table.setAccessibleName(self.tr("Scales of common cameras"))
        texts = {"unit": self.tr("Unit"), "scale": self.tr("Factor"), "offset": self.tr("Offset")}
        for name, text in texts.items():
            self.labels[name].setText(text)
        self.unit.setAccessibleName(texts["unit"])
        for index, text in enumerate((self.tr("Kelvin"), self.tr("Degrees Celsius"), self.tr("Degrees Fahrenheit"))):
            self.unit.setItemText(index, text)
        self.scale.set_texts(texts["scale"], less, more)
        self.offset.set_texts(texts["offset"], less, more)
        for button, text in (
            (self.cancel, self.tr("Cancel")),
            (self.next, self.tr("Next frame")),
            (self.use, self.tr("Use it")),
        ):
            button.setText(text)
            button.setAccessibleName(text)
        self.show_frame(self.preview.frame)
        self.restyle()

    def restyle(self) -> None:
        self.cancel.setIcon(theme.icon("close"))
        self.next.setIcon(theme.icon("next"))
        self.use.setIcon(theme.icon("start", "on_accent"))

    def paintEvent(self, event: QPaintEvent) -> None:
        QPainter(self).fillRect(self.rect(), theme.current().color("veil"))


def _fine() -> DoubleSpinBox:
    box = DoubleSpinBox()
    box.setDecimals(_DIGITS)
    box.setSingleStep(0.01)
    return box
