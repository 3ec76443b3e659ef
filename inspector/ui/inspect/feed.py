"""The feed: a canvas for each camera with every prediction, and a veil over frames that are not current."""

from collections.abc import Sequence
from typing import Final, assert_never

from PySide6.QtCore import QRectF, Qt
from PySide6.QtGui import QPainter, QPaintEvent
from PySide6.QtWidgets import QGridLayout, QWidget

from inspector.core.types import Boxes, Frame, Inspection, Masks, Prediction, Scores, Temperatures
from inspector.imaging.colormaps import TemperatureUnit
from inspector.recipes.recipe import Recipe
from inspector.tasks.masks import class_map
from inspector.ui.canvas.canvas import Canvas, ViewLink
from inspector.ui.canvas.overlays import NOTHING, ClassLayer, Overlays, box_marks, region_mark, spot_marks
from inspector.ui.canvas.rendering import Display
from inspector.ui.canvas.thermal_scale import ThermalScale, limits_of
from inspector.ui.shell import theme
from inspector.ui.widgets.cover import Cover
from inspector.ui.widgets.themed import Themed

ALL: Final = ""  # the choice of all cameras
DEFAULT_THRESHOLD: Final = 0.5


def overlays_of(predictions: Sequence[Prediction], recipe: Recipe | None, unit: TemperatureUnit) -> Overlays:
    """Return the overlays of all these predictions for their shared frame."""
    found = NOTHING
    for prediction in predictions:
        threshold = _threshold(prediction, recipe)
        answer = prediction.answer
        match answer:
            case Boxes():
                found += Overlays(boxes=box_marks(prediction, threshold))
            case Masks():
                found += Overlays(layers=(ClassLayer(prediction.region, class_map(prediction, threshold)),))
            case Temperatures():
                found += Overlays(spots=spot_marks(answer.hot_spots, unit))
            case Scores():
                found += Overlays(regions=(region_mark(prediction),))
            case _:
                assert_never(answer)
    return found


def _threshold(prediction: Prediction, recipe: Recipe | None) -> float:
    steps = recipe.inspect if recipe is not None else ()
    own = (step.threshold for step in steps if step.bundle == prediction.bundle and step.camera == prediction.camera)
    return next((value for value in own if value is not None), DEFAULT_THRESHOLD)


class Feed(Themed, QWidget):
    """The cameras of an inspection: one, or the first one large and the others at its side."""

    def __init__(self, link: ViewLink, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("feed")
        self._link = link
        self._cameras: tuple[str, ...] = ()
        self._camera = ALL
        self._unit: TemperatureUnit = "C"
        self._hint = ("", "")
        self._plain = False
        self._inspection: Inspection | None = None
        self._recipe: Recipe | None = None
        self._scales: dict[str, ThermalScale] = {}
        self.canvases: dict[str, Canvas] = {}
        self._grid = QGridLayout(self)
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setSpacing(theme.SPACING // 2)
        self.set_cameras(("",))

    @property
    def inspection(self) -> Inspection | None:
        """The inspection on the screen."""
        return self._inspection

    def set_cameras(self, cameras: Sequence[str]) -> None:
        """Set the cameras of the recipe; the first is shown large."""
        if tuple(cameras) == self._cameras:
            return
        self._cameras = tuple(cameras)
        for canvas in self.canvases.values():
            self._grid.removeWidget(canvas)
            canvas.hide()
            canvas.deleteLater()
        self.canvases = {}
        for camera in self._cameras:
            canvas = Canvas(self, link=self._link)
            canvas.setObjectName(f"canvas_{camera}")
            canvas.setAccessibleName(camera)
            canvas.set_unit(self._unit)
            canvas.set_scale_shown(True)
            self.canvases[camera] = canvas
        self._arrange()

    def choose_camera(self, camera: str) -> None:
        """Show one camera, or `ALL`."""
        self._camera = camera if camera in self._cameras else ALL
        self._arrange()

    def _arrange(self) -> None:
        shown = [self._camera] if self._camera != ALL else list(self._cameras)
        for camera, canvas in self.canvases.items():
            self._grid.removeWidget(canvas)
            canvas.setVisible(camera in shown)
        rest = shown[1:]
        self._grid.addWidget(self.canvases[shown[0]], 0, 0, max(len(rest), 1), 1)
        for row, camera in enumerate(rest):
            self._grid.addWidget(self.canvases[camera], row, 1)
        self._grid.setColumnStretch(0, 5)
        self._grid.setColumnStretch(1, 3 if rest else 0)
        for canvas in self.canvases.values():
            canvas.set_hint("")
        self.canvases[shown[0]].set_hint(*self._hint)
        self._show()

    def set_hint(self, title: str, text: str) -> None:
        """Set the text shown before the first frame."""
        self._hint = (title, text)
        self._arrange()

    def set_unit(self, unit: TemperatureUnit) -> None:
        self._unit = unit
        for canvas in self.canvases.values():
            canvas.set_unit(unit)
        self._show()

    def set_plain(self, plain: bool) -> None:
        """Hide the overlays to save processor time, from the next inspection on."""
        self._plain = plain

    def set_inspection(self, inspection: Inspection | None, recipe: Recipe | None) -> None:
        """Show the frames of this inspection with their overlays."""
        self._inspection, self._recipe = inspection, recipe
        self._show()

    def _show(self) -> None:
        inspection = self._inspection
        for camera, canvas in self.canvases.items():
            if inspection is None:
                canvas.show_frame(None)
                canvas.set_overlays(NOTHING)
                continue
            frame = inspection.frames.get(camera)
            if frame is None or canvas.isHidden():
                continue
            found = [prediction for prediction in inspection.predictions if prediction.camera == camera]
            if frame.unit == "kelvin":
                canvas.set_display(Display(*self.thermal_range(frame)))
                canvas.set_scale_marks(limits_of(self._recipe, camera))
            canvas.show_frame(frame)
            canvas.set_overlays(NOTHING if self._plain else overlays_of(found, self._recipe, self._unit), key=camera)

    def thermal_range(self, frame: Frame) -> tuple[float, float]:
        """Return the range of the thermal colours of this frame's camera, in kelvin."""
        scale = self._scales.setdefault(frame.camera, ThermalScale())
        return scale.range_for(frame, limits_of(self._recipe, frame.camera))

    def retranslate(self) -> None:
        self._show()


class _Shade(Cover):
    """A widget that greys what lies below."""

    def __init__(self, over: QWidget) -> None:
        super().__init__(over)
        self.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)

    def paintEvent(self, event: QPaintEvent) -> None:
        QPainter(self).fillRect(self.rect(), theme.current().color("veil"))


class Veil(Cover):
    """A grey cover with a text over everything that shows a frame which is not current.

    `also`: a second widget to grey, for the numbers that belong to the frame.
    """

    def __init__(self, over: QWidget, *, also: QWidget | None = None) -> None:
        super().__init__(over)
        self.shade = _Shade(also) if also is not None else None
        self.setObjectName("veil")
        self.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self._words = ""

    @property
    def words(self) -> str:
        return self._words

    def set_words(self, words: str) -> None:
        """Cover the frame and say why; empty: uncover it."""
        if words == self._words:
            return
        self._words = words
        self.setAccessibleName(words)
        self.uncover(bool(words))
        if self.shade is not None:
            self.shade.uncover(bool(words))
        self.update()

    def rise(self) -> None:
        """Raise the veil above widgets that have come to the front."""
        self.raise_()
        if self.shade is not None:
            self.shade.raise_()

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        dress = theme.current()
        painter.fillRect(self.rect(), dress.color("veil"))
        painter.setFont(theme.font("title", bold=True))
        width = painter.fontMetrics().horizontalAdvance(self._words) + theme.SPACING * 6
        plate = QRectF((self.width() - width) / 2, (self.height() - theme.SPACING * 7) / 2, width, theme.SPACING * 7)
        painter.setPen(dress.color("border"))
        painter.setBrush(dress.color("surface"))
        painter.drawRoundedRect(plate, theme.RADIUS, theme.RADIUS)
        painter.setPen(dress.color("text"))
        painter.drawText(plate, Qt.AlignmentFlag.AlignCenter, self._words)
