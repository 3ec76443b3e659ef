"""The canvas: a widget that shows a frame with overlays, used by the live view, the review and every tab."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from PySide6.QtCore import QEvent, QObject, QPointF, QRect, QRectF, QSizeF, Qt, Signal
from PySide6.QtGui import (
    QImage,
    QKeyEvent,
    QMouseEvent,
    QNativeGestureEvent,
    QPainter,
    QPaintEvent,
    QResizeEvent,
    QWheelEvent,
)
from PySide6.QtWidgets import QGestureEvent, QPinchGesture, QSizePolicy, QWidget

from inspector.core.types import Frame
from inspector.imaging.colormaps import Table, TemperatureUnit, temperature_text
from inspector.ui.canvas import painting, rendering
from inspector.ui.canvas.interaction import (
    FIT,
    Placement,
    Viewport,
    fit_scale,
    held,
    hit_box,
    hit_spot,
    look_at,
    panned,
    pixel_at,
    place,
    visible,
    zoomed,
)
from inspector.ui.canvas.overlays import NOTHING, HeatLayer, Overlays
from inspector.ui.canvas.rendering import Display
from inspector.ui.shell import theme
from inspector.ui.widgets.themed import Themed

STEP: Final = 1.25  # zoom of one key press or wheel notch
SIMULATION_HEIGHT: Final = theme.SPACING * 3  # of the mark of a rendered frame,
SIMULATION_SHARE: Final = 0.05  # or this share of the picture, if that is more


@dataclass(frozen=True, slots=True, eq=False)
class _Patch:
    """A picture ready to be drawn at `offset` (view pixels) from the corner of the visible area.

    `words` is the image's memory, which Qt does not keep alive.
    """

    image: QImage
    words: rendering.Words
    offset: QPointF


class ViewLink(QObject):
    """Shared state of canvases that move in step: the viewport of each camera, and the selection.

    A selection is (key, index): the owner of the marks and the index of the mark; None if nothing is selected.
    """

    viewport_changed = Signal(str)
    selection_changed = Signal()

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._viewports: dict[str, Viewport] = {}
        self._selection: tuple[str, int] | None = None

    def viewport(self, camera: str) -> Viewport:
        return self._viewports.get(camera, FIT)

    def set_viewport(self, camera: str, viewport: Viewport) -> None:
        if viewport != self.viewport(camera):
            self._viewports[camera] = viewport
            self.viewport_changed.emit(camera)

    def selection(self, key: str) -> int | None:
        """Return the index of the selected mark if the selection belongs to `key`."""
        return self._selection[1] if self._selection is not None and self._selection[0] == key else None

    def select(self, key: str, index: int | None) -> None:
        selection = None if index is None else (key, index)
        if selection != self._selection:
            self._selection = selection
            self.selection_changed.emit()


class Canvas(Themed, QWidget):
    """Shows a frame at its native depth with overlays; wheel, keys, pinch and mouse move the view.

    The picture is rendered again only when frame, view or display change, and only for visible pixels. `hovered(x, y)`: the
    pixel under the cursor, (-1, -1) for none. `clicked(x, y)`: a press without a drag.
    """

    hovered = Signal(int, int)
    clicked = Signal(int, int)

    def __init__(self, parent: QWidget | None = None, *, link: ViewLink | None = None) -> None:
        super().__init__(parent)
        self.link = link or ViewLink(self)
        self._frame: Frame | None = None
        self._display = Display()
        self._overlays = NOTHING
        self._plain = False
        self._opacity = 0.5
        self._unit: TemperatureUnit = "C"
        self._key = ""
        self._hint = ("", "")
        self._scale_shown = False
        self._scale_marks: tuple[float, ...] = ()
        self._cursor: tuple[int, int] | None = None
        self._press: QPointF | None = None
        self._drag: QPointF | None = None
        self._patches: list[_Patch] | None = None
        self._origin = (0.0, 0.0)
        self.setMouseTracking(True)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setAttribute(Qt.WidgetAttribute.WA_OpaquePaintEvent)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setMinimumSize(theme.SPACING * 20, theme.SPACING * 15)
        self.grabGesture(Qt.GestureType.PinchGesture)
        self.link.viewport_changed.connect(self._on_viewport)
        self.link.selection_changed.connect(self.update)
        self.retranslate()

    # Display

    def show_frame(self, frame: Frame | None) -> None:
        """Show this frame; the overlays stay until they are replaced."""
        if frame is not self._frame:
            self._frame = frame
            self._stale()
            self._hover(self._cursor)

    @property
    def frame(self) -> Frame | None:
        return self._frame

    def set_overlays(self, overlays: Overlays, *, key: str = "") -> None:
        """Draw these over the frame. `key` names them in the link's selection."""
        layers_changed = overlays.layers != self._overlays.layers
        self._overlays, self._key = overlays, key
        if layers_changed:
            self._stale()
        self.update()

    @property
    def overlays(self) -> Overlays:
        return self._overlays

    def set_plain(self, plain: bool) -> None:
        """Hide the overlays on the screen to save processor time; they are kept."""
        if plain != self._plain:
            self._plain = plain
            self._stale()

    @property
    def plain(self) -> bool:
        return self._plain

    def set_display(self, display: Display) -> None:
        """Set the window/level and the palette."""
        if display != self._display:
            self._display = display
            self._stale()

    @property
    def display(self) -> Display:
        return self._display

    def set_opacity(self, opacity: float) -> None:
        """Set the opacity of area overlays, 0..1."""
        self._opacity = min(max(opacity, 0.0), 1.0)
        self.update()

    @property
    def opacity(self) -> float:
        return self._opacity

    def set_unit(self, unit: TemperatureUnit) -> None:
        """Set the temperature unit of the read-out."""
        self._unit = unit
        self.update()

    def set_scale_shown(self, shown: bool) -> None:
        """Show a bar with the temperatures of the colours beside thermal frames."""
        self._scale_shown = shown
        self.update()

    def set_scale_marks(self, kelvin: tuple[float, ...]) -> None:
        """Mark these temperatures, limits of rules, on the bar."""
        if kelvin != self._scale_marks:
            self._scale_marks = kelvin
            self.update()

    def set_hint(self, title: str, text: str = "") -> None:
        """Set the text of an empty canvas."""
        self._hint = (title, text)
        self.update()

    # Viewport

    def placement(self) -> Placement:
        """Return the current placement of the frame in this widget."""
        size = (self._frame.width, self._frame.height) if self._frame else (1, 1)
        return place(self.link.viewport(self._camera), size, self._view())

    def fit(self) -> None:
        """Show the whole frame, and keep showing it whole."""
        self.link.set_viewport(self._camera, FIT)

    def one_to_one(self) -> None:
        """Show one frame pixel on one screen pixel."""
        self._zoom((1.0 / self.devicePixelRatioF()) / self.placement().scale, self._middle())

    def zoom_in(self) -> None:
        self._zoom(STEP, self._middle())

    def zoom_out(self) -> None:
        self._zoom(1 / STEP, self._middle())

    def readout(self) -> str:
        """Return position and value under the cursor: "x 12 y 7 grey 130", with RGB or a temperature if the frame has them."""
        if self._frame is None or self._cursor is None:
            return ""
        x, y = self._cursor
        value = self._frame.pixels[y, x]
        if self._frame.unit == "kelvin":
            shown = temperature_text(float(value), self._unit)
        elif self._frame.pixels.ndim == 3:
            shown = "RGB " + " ".join(str(int(part)) for part in value)
        else:
            shown = f"{self.tr('grey')} {int(value)}"
        return f"x {x}   y {y}   {shown}"

    def render_whole(self, scale: int = 1) -> QImage:
        """Return the whole frame with its overlays, `scale` pixels a frame pixel (for export); empty without a frame."""
        if self._frame is None:
            return QImage()
        crop = (0, 0, self._frame.width, self._frame.height)
        width, height = self._frame.width * scale, self._frame.height * scale
        image = QImage(width, height, QImage.Format.Format_RGB32)
        painter = QPainter(image)
        placement = Placement(float(scale), 0.0, 0.0)
        patches = self._render(self._frame, placement, crop, 1.0, self._overlays)
        self._paint(painter, placement, QSizeF(width, height), (0.0, 0.0), patches, self._overlays)
        painter.end()
        return image

    # Painting

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.fillRect(self.rect(), theme.current().color("canvas"))
        if self._frame is None:
            painting.draw_hint(painter, QSizeF(self.size()), *self._hint)
        else:
            placement = self.placement()
            overlays = NOTHING if self._plain else self._overlays
            patches = self._refresh(self._frame, placement, overlays)
            self._paint(painter, placement, QSizeF(self.size()), self._origin, patches, overlays)
            if self._has_scale:
                low, high = rendering.window(self._frame, self._display)
                scale = painting.Scale(low, high, self._display.palette or "iron", self._unit, self._scale_marks)
                painting.draw_scale(painter, QSizeF(self.size()), scale)
            if self._frame.is_simulated:
                self._paint_simulation(painter)
            self._paint_readout(painter)
        if self.hasFocus():
            painter.setPen(theme.current().color("accent"))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawRect(QRect(0, 0, self.width() - 1, self.height() - 1))
        painter.end()

    def _refresh(self, frame: Frame, placement: Placement, overlays: Overlays) -> list[_Patch]:
        """Return the visible patches; stale patches are rendered again."""
        if self._patches is None:
            crop = visible(placement, (frame.width, frame.height), self._view())
            self._origin = placement.to_view(crop[0], crop[1]) if crop else (0.0, 0.0)
            self._patches = self._render(frame, placement, crop, self.devicePixelRatioF(), overlays) if crop else []
        return self._patches

    def _render(
        self, frame: Frame, placement: Placement, crop: rendering.Crop, ratio: float, overlays: Overlays
    ) -> list[_Patch]:
        """Return the frame and its area overlays, clipped to `crop`."""
        size = _scaled(crop, placement.scale * ratio)
        patches = [_patch(rendering.picture(frame, self._display, crop, size), QPointF(), ratio, opaque=True)]
        for layer in overlays.layers:
            region = layer.region
            left, top = max(crop[0], region.x), max(crop[1], region.y)
            right, bottom = min(crop[2], region.right), min(crop[3], region.bottom)
            if left >= right or top >= bottom:
                continue
            size = _scaled((left, top, right, bottom), placement.scale * ratio)
            inner = (left - region.x, top - region.y, right - region.x, bottom - region.y)
            if isinstance(layer, HeatLayer):
                words = rendering.heat(layer.values, inner, size)
            else:
                words = rendering.classes(layer.class_map, _class_colors(int(layer.class_map.max(initial=0))), inner, size)
            offset = QPointF((left - crop[0]) * placement.scale, (top - crop[1]) * placement.scale)
            patches.append(_patch(words, offset, ratio))
        return patches

    def _paint(
        self,
        painter: QPainter,
        placement: Placement,
        view: QSizeF,
        origin: tuple[float, float],
        patches: list[_Patch],
        overlays: Overlays,
    ) -> None:
        for number, patch in enumerate(patches):
            painter.setOpacity(self._opacity if number else 1.0)  # the first patch is the frame
            painter.drawImage(QPointF(*origin) + patch.offset, patch.image)
        painter.setOpacity(1.0)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        selected = self.link.selection(self._key)
        painting.draw_marks(painter, placement, overlays, selected, view)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)

    def _paint_simulation(self, painter: QPainter) -> None:
        height = max(SIMULATION_HEIGHT, self.height() * SIMULATION_SHARE)
        painting.draw_simulation(painter, QRectF(0, 0, self.width(), height), self.tr("SIMULATION"))

    def _paint_readout(self, painter: QPainter) -> None:
        text = self.readout()
        if text:
            painter.setFont(theme.font("small"))
            width = painter.fontMetrics().horizontalAdvance(text) + 2 * theme.SPACING
            height = painter.fontMetrics().height() + theme.SPACING
            plate = QRect(0, self.height() - height, width, height)
            painter.fillRect(plate, painting.halo())
            painter.setPen(theme.DARK.color("text"))
            painter.drawText(plate, Qt.AlignmentFlag.AlignCenter, text)

    # Events

    def wheelEvent(self, event: QWheelEvent) -> None:
        notches = event.angleDelta().y() / 120.0
        if notches:
            self._zoom(STEP**notches, event.position())
        event.accept()

    def mousePressEvent(self, event: QMouseEvent) -> None:
        if event.button() in (Qt.MouseButton.LeftButton, Qt.MouseButton.MiddleButton):
            self._press = self._drag = event.position()

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        if self._press is not None and self._drag is not None and self._frame is not None:
            if (event.position() - self._press).manhattanLength() >= theme.SPACING / 2:
                self.setCursor(Qt.CursorShape.ClosedHandCursor)
            if self.cursor().shape() == Qt.CursorShape.ClosedHandCursor:
                moved = event.position() - self._drag
                self._look(panned(self.placement(), moved.x(), moved.y()))
                self._drag = event.position()
        self._hover(self._pixel(event.position()))

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        dragged = self.cursor().shape() == Qt.CursorShape.ClosedHandCursor
        pressed, self._press, self._drag = self._press, None, None
        self.unsetCursor()
        if pressed is not None and not dragged and event.button() == Qt.MouseButton.LeftButton:
            self._click(event.position())

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        self.fit()

    def leaveEvent(self, event: QEvent) -> None:
        self._hover(None)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        actions = {
            Qt.Key.Key_F: self.fit,
            Qt.Key.Key_0: self.fit,
            Qt.Key.Key_1: self.one_to_one,
            Qt.Key.Key_Plus: self.zoom_in,
            Qt.Key.Key_Equal: self.zoom_in,
            Qt.Key.Key_Minus: self.zoom_out,
        }
        far = theme.SPACING * 8.0
        moves = {
            Qt.Key.Key_Left: (far, 0.0),
            Qt.Key.Key_Right: (-far, 0.0),
            Qt.Key.Key_Up: (0.0, far),
            Qt.Key.Key_Down: (0.0, -far),
        }
        key = Qt.Key(event.key())
        if key in actions and not event.modifiers() & Qt.KeyboardModifier.ControlModifier:
            actions[key]()
        elif key in moves and event.modifiers() & Qt.KeyboardModifier.ShiftModifier:
            self._look(panned(self.placement(), *moves[key]))
        else:
            super().keyPressEvent(event)

    def event(self, event: QEvent) -> bool:
        if isinstance(event, QGestureEvent):
            pinch = event.gesture(Qt.GestureType.PinchGesture)
            if isinstance(pinch, QPinchGesture):
                self._zoom(pinch.scaleFactor(), QPointF(self.mapFromGlobal(pinch.centerPoint().toPoint())))
                return True
        if isinstance(event, QNativeGestureEvent) and event.gestureType() == Qt.NativeGestureType.ZoomNativeGesture:
            self._zoom(1.0 + event.value(), event.position())
            return True
        return super().event(event)

    def resizeEvent(self, event: QResizeEvent) -> None:
        self._stale()

    def restyle(self) -> None:
        self._stale()

    def retranslate(self) -> None:
        self.setAccessibleName(self.tr("Picture"))
        self.setAccessibleDescription(self.tr("Wheel or + and - zoom, F fits, 1 shows single pixels, Shift and arrows move."))
        self.update()

    # Helpers

    @property
    def _camera(self) -> str:
        return self._frame.camera if self._frame else ""

    def _view(self) -> tuple[float, float]:
        scale = painting.SCALE_WIDTH if self._has_scale else 0.0
        return max(self.width() - scale, 1.0), float(self.height())

    @property
    def _has_scale(self) -> bool:
        return self._scale_shown and self._frame is not None and self._frame.unit == "kelvin"

    def _middle(self) -> QPointF:
        return QPointF(self.width() / 2, self.height() / 2)

    def _pixel(self, at: QPointF) -> tuple[int, int] | None:
        if self._frame is None:
            return None
        return pixel_at(self.placement(), (at.x(), at.y()), (self._frame.width, self._frame.height))

    def _zoom(self, factor: float, at: QPointF) -> None:
        if self._frame is not None and factor > 0:
            smallest = fit_scale((self._frame.width, self._frame.height), self._view()) / 2
            self._look(zoomed(self.placement(), factor, (at.x(), at.y()), min(smallest, 1.0)))

    def _look(self, placement: Placement) -> None:
        if self._frame is not None:
            viewport = held(look_at(placement, self._view()), (self._frame.width, self._frame.height))
            self.link.set_viewport(self._camera, viewport)

    def _hover(self, pixel: tuple[int, int] | None) -> None:
        if pixel is not None and (self._frame is None or pixel[0] >= self._frame.width or pixel[1] >= self._frame.height):
            pixel = None
        self._cursor = pixel
        self.hovered.emit(*(pixel or (-1, -1)))
        self.update()

    def _click(self, at: QPointF) -> None:
        placement, pixel = self.placement(), self._pixel(at)
        x, y = placement.to_frame(at.x(), at.y())
        near = theme.SPACING / placement.scale
        spot = hit_spot([mark.spot for mark in self._overlays.spots], x, y, 2 * near)
        box = hit_box([mark.xyxy for mark in self._overlays.boxes], x, y, near / 2)
        if self._key:
            self.link.select(self._key, spot if spot is not None else None if box is None else self._overlays.boxes[box].index)
        if pixel is not None:
            self.clicked.emit(*pixel)

    def _on_viewport(self, camera: str) -> None:
        if camera == self._camera:
            self._stale()

    def _stale(self) -> None:
        """Mark the picture as stale, so that the next paint renders it again."""
        self._patches = None
        self.update()


def _scaled(crop: rendering.Crop, scale: float) -> rendering.Size:
    return max(1, round((crop[2] - crop[0]) * scale)), max(1, round((crop[3] - crop[1]) * scale))


def _patch(words: rendering.Words, offset: QPointF, ratio: float, *, opaque: bool = False) -> _Patch:
    words = np.ascontiguousarray(words)
    height, width = words.shape
    form = QImage.Format.Format_RGB32 if opaque else QImage.Format.Format_ARGB32_Premultiplied
    image = QImage(words.data, width, height, width * 4, form)
    image.setDevicePixelRatio(ratio)
    return _Patch(image, words, offset)


def _class_colors(count: int) -> Table:
    colors = [theme.current().class_color(index) for index in range(count)]
    return np.array([(color.red(), color.green(), color.blue()) for color in colors], np.uint8).reshape(-1, 3)
