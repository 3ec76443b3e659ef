"""Hot spots over their surroundings, joined from frame to frame."""

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QCheckBox, QLabel, QVBoxLayout, QWidget

from inspector.core.types import Floats
from inspector.imaging.thermography import SpotEvent, SpotTracker, local_spots
from inspector.ui.shell import theme
from inspector.ui.tabs.base import headed
from inspector.ui.tabs.controls import NumberField
from inspector.ui.widgets.boxes import plain
from inspector.ui.widgets.themed import Themed

_RADIUS = 8  # pixels of the largest spot
_LEAST = 4  # pixels of the smallest spot


class HotSpotFinder(Themed, QWidget):
    """A check box and a limit in kelvin. `changed`: other hot spots are wanted."""

    changed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._tracker = SpotTracker(reach=2.0 * _RADIUS)
        self._asked: tuple[object, ...] = ()
        self._events: tuple[SpotEvent, ...] = ()
        self.on = QCheckBox()
        self.on.setMinimumHeight(theme.TOUCH)
        self.delta = NumberField(0.1, 1000.0)
        self.delta.setValue(5.0)
        self.label = QLabel()
        self.label.setBuddy(self.delta)
        self.label.setWordWrap(True)
        layout = plain(QVBoxLayout(self))
        layout.addWidget(self.on)
        layout.addLayout(headed(self.label, self.delta))
        self.on.toggled.connect(self._on_toggled)
        self.delta.valueChanged.connect(self.changed)
        self._on_toggled(False)
        self.retranslate()

    def look(
        self, pixels: Floats | None, frame: tuple[object, ...], conditions: tuple[object, ...]
    ) -> tuple[SpotEvent, ...] | None:
        """Return the hot spots of a frame, the hottest over its surroundings first; None if none are asked for.

        `frame` tells one frame from another: a frame that is shown again is no step in time. Under other `conditions`
        temperatures change without time, so spots are then followed anew.
        """
        if not self.on.isChecked() or pixels is None:
            return None
        asked = (frame, (conditions, self.delta.value()))
        if asked != self._asked:
            if not self._asked or self._asked[1] != asked[1]:
                self._tracker = SpotTracker(reach=2.0 * _RADIUS)
            self._asked = asked
            found = local_spots(pixels, delta=self.delta.value(), radius=_RADIUS, min_area=_LEAST)
            events = (event for event in self._tracker.step(found) if not event.missed)
            self._events = tuple(sorted(events, key=lambda event: -event.last.delta))
        return self._events

    def _on_toggled(self, on: bool) -> None:
        self.label.setVisible(on)
        self.delta.setVisible(on)
        self._asked = ()
        self.changed.emit()

    def retranslate(self) -> None:
        self.on.setText(self.tr("Hotter than around them"))
        self.on.setAccessibleName(self.tr("Hotter than around them"))
        self.on.setToolTip(self.tr("Find spots that are hotter than their surroundings, and follow them from frame to frame."))
        self.label.setText(self.tr("At least, K"))
        self.delta.set_texts(self.tr("Least difference to the surroundings in K"), self.tr("less"), self.tr("more"))
