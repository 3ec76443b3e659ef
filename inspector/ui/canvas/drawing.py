"""Drawing of measuring tools on a canvas, with mouse, finger or keys."""

from typing import Final, Literal, assert_never, get_args

from PySide6.QtCore import QEvent, QObject, QPointF, Qt, Signal
from PySide6.QtGui import QKeyEvent, QMouseEvent

from inspector.imaging.thermography import Ellipse, Line, Polygon, Rectangle, Spot, Tool
from inspector.ui.canvas.canvas import Canvas
from inspector.ui.canvas.interaction import pixel_at
from inspector.ui.shell import theme

ToolKind = Literal["spot", "line", "rectangle", "ellipse", "polygon"]
KINDS: Final[tuple[ToolKind, ...]] = get_args(ToolKind)
FAR: Final = 10  # pixels of the frame that Shift and an arrow key move

_STEPS: Final = {
    Qt.Key.Key_Left: (-1, 0),
    Qt.Key.Key_Right: (1, 0),
    Qt.Key.Key_Up: (0, -1),
    Qt.Key.Key_Down: (0, 1),
}
_SET: Final = (Qt.Key.Key_Return, Qt.Key.Key_Enter, Qt.Key.Key_Space)

Point = tuple[int, int]


class ToolDrawing(QObject):
    """Takes the events of a canvas while a tool is being drawn; otherwise the canvas moves its view as ever.

    A spot is a click. A line, rectangle or ellipse is dragged, or made of two clicks. The corners of a polygon are clicked; a
    double click, or a click on the first corner, closes it. With keys: the arrows move the point, with Shift by 10 pixels,
    Enter sets it, Backspace takes it back and Escape gives up. `drawn(Tool)`: a tool is finished. `changed`: what `draft`
    returns, or `kind`, has changed.
    """

    drawn = Signal(object)
    changed = Signal()

    def __init__(self, canvas: Canvas) -> None:
        super().__init__(canvas)
        self._canvas = canvas
        self._kind: ToolKind | None = None
        self._points: list[Point] = []
        self._at: Point | None = None
        self._pressed: QPointF | None = None
        canvas.installEventFilter(self)

    @property
    def kind(self) -> ToolKind | None:
        """The kind of tool that is being drawn."""
        return self._kind

    @property
    def draft(self) -> Tool | None:
        """The tool as far as it is drawn."""
        if self._kind is None or self._at is None:
            return None
        return _tool(self._kind, [*self._points, self._at])

    def start(self, kind: ToolKind | None) -> None:
        """Begin to draw a tool of this kind; None gives up what is being drawn."""
        self._kind, self._points, self._at, self._pressed = kind, [], None, None
        if kind is None:
            self._canvas.unsetCursor()
        else:
            self._canvas.setCursor(Qt.CursorShape.CrossCursor)
            self._canvas.setFocus()
        self.changed.emit()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if self._kind is None or self._canvas.frame is None:
            return False
        if isinstance(event, QMouseEvent):
            return self._on_mouse(event)
        if isinstance(event, QKeyEvent) and event.type() == QEvent.Type.KeyPress:
            return self._on_key(event)
        # Keys that are shortcuts elsewhere in the window belong to the drawing.
        if isinstance(event, QKeyEvent) and event.type() == QEvent.Type.ShortcutOverride:
            taken = event.key() in (*_STEPS, *_SET, Qt.Key.Key_Escape, Qt.Key.Key_Backspace)
            event.setAccepted(taken)
            return taken
        return False

    def _on_mouse(self, event: QMouseEvent) -> bool:
        at = self._pixel(event.position())
        match event.type():
            case QEvent.Type.MouseButtonPress if event.button() == Qt.MouseButton.LeftButton:
                self._pressed = event.position()
                self._move(at)
                self._set()
                return True
            case QEvent.Type.MouseMove:
                self._move(at)
                return False  # the canvas shows the value under the cursor
            case QEvent.Type.MouseButtonRelease if event.button() == Qt.MouseButton.LeftButton:
                pressed, self._pressed = self._pressed, None
                far = pressed is not None and (event.position() - pressed).manhattanLength() >= theme.SPACING
                self._move(at)
                if far and self._kind in ("line", "rectangle", "ellipse"):
                    self._set()
                return True
            case QEvent.Type.MouseButtonDblClick:
                self._close()
                return True
            case _:
                return False

    def _on_key(self, event: QKeyEvent) -> bool:
        frame = self._canvas.frame
        key = Qt.Key(event.key())
        if frame is None:
            return False
        if key in _STEPS:
            far = FAR if event.modifiers() & Qt.KeyboardModifier.ShiftModifier else 1
            x, y = self._at or (frame.width // 2, frame.height // 2)
            dx, dy = _STEPS[key]
            self._move((min(max(x + dx * far, 0), frame.width - 1), min(max(y + dy * far, 0), frame.height - 1)))
        elif key in _SET:
            again = self._kind == "polygon" and self._points and self._at == self._points[-1]
            self._move(self._at or (frame.width // 2, frame.height // 2))
            self._close() if again else self._set()
        elif key == Qt.Key.Key_Backspace:
            del self._points[-1:]
            self.changed.emit()
        elif key == Qt.Key.Key_Escape:
            self.start(None)
        else:
            return False
        return True

    def _move(self, at: Point) -> None:
        self._at = at
        self.changed.emit()

    def _set(self) -> None:
        """Set the point; the tool is finished if it needs no more."""
        assert self._at is not None
        polygon = self._kind == "polygon"
        if polygon and len(self._points) > 2 and self._near(self._points[0], self._at):
            self._close()
            return
        self._points.append(self._at)
        if not polygon and len(self._points) == (1 if self._kind == "spot" else 2):
            self._finish()
        else:
            self.changed.emit()

    def _close(self) -> None:
        if self._kind == "polygon" and len(set(self._points)) > 2:
            self._finish()

    def _finish(self) -> None:
        tool = None if self._kind is None else _tool(self._kind, self._points)
        self.start(None)
        if tool is not None:
            self.drawn.emit(tool)

    def _near(self, one: Point, other: Point) -> bool:
        reach = theme.TOUCH / 2 / self._canvas.placement().scale
        return max(abs(one[0] - other[0]), abs(one[1] - other[1])) <= min(reach, FAR)

    def _pixel(self, position: QPointF) -> Point:
        """Return the pixel under a point of the view; the nearest one beside the frame."""
        frame = self._canvas.frame
        assert frame is not None
        placement, size = self._canvas.placement(), (frame.width, frame.height)
        inside = pixel_at(placement, (position.x(), position.y()), size)
        if inside is not None:
            return inside
        x, y = placement.to_frame(position.x(), position.y())
        return min(max(int(x), 0), size[0] - 1), min(max(int(y), 0), size[1] - 1)


def _tool(kind: ToolKind, points: list[Point]) -> Tool | None:
    """Return the tool of these points; None if they are too few."""
    (x1, y1), (x2, y2) = points[0], points[-1]
    left, top, width, height = min(x1, x2), min(y1, y2), abs(x2 - x1) + 1, abs(y2 - y1) + 1
    match kind:
        case "spot":
            return Spot(x2, y2)
        case "line":
            return Line(x1, y1, x2, y2)
        case "rectangle":
            return Rectangle(left, top, width, height)
        case "ellipse":
            return Ellipse(left, top, width, height)
        case "polygon":
            return Polygon(tuple(points)) if len(points) > 2 else Line(x1, y1, x2, y2)
        case _:
            assert_never(kind)
