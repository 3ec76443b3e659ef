"""Painting of overlays from data and a placement. Lines and letters keep their size at any zoom."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import assert_never

from PySide6.QtCore import QLineF, QPointF, QRectF, QSizeF, Qt
from PySide6.QtGui import QColor, QFontMetricsF, QLinearGradient, QPainter, QPainterPath, QPen, QPolygonF

from inspector.imaging.colormaps import PALETTES, Palette, Table, TemperatureUnit, kelvin, sign, temperature, ticks
from inspector.imaging.thermography import Ellipse, Line, Polygon, Rectangle, Spot, Tool
from inspector.ui.canvas.interaction import Placement, Rect, place_labels
from inspector.ui.canvas.overlays import BoxMark, Overlays, RegionMark, SpotMark, ToolMark
from inspector.ui.shell import theme

LINE = theme.SPACING / 4
PAD = theme.SPACING / 2
SCALE_WIDTH = theme.SPACING * 7.0  # of the bar beside a thermal frame, with its numbers
SIMULATION_LETTERS = 0.62  # size of the letters, in heights of the strip


def contrast(color: QColor) -> QColor:
    """Return the dark or the light text colour, whichever has more contrast to `color` (relative luminance as in WCAG 2)."""
    parts = [color.redF(), color.greenF(), color.blueF()]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    luminance = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
    return theme.LIGHT.color("text") if luminance > 0.18 else theme.DARK.color("text")


def halo() -> QColor:
    """Return the colour painted under every coloured line, which keeps the line visible on bright and dark frames."""
    color = theme.DARK.color("canvas")
    color.setAlphaF(0.75)
    return color


def draw_marks(painter: QPainter, placement: Placement, overlays: Overlays, selected: int | None, view: QSizeF) -> None:
    """Draw the regions, boxes, tools and hot spots of a frame; `selected` is the index of a box, a tool or a spot."""
    draw_regions(painter, placement, overlays.regions, view)
    draw_boxes(painter, placement, overlays.boxes, selected, view)
    draw_tools(painter, placement, overlays.tools, view)
    draw_spots(painter, placement, overlays.spots, selected, view)


def draw_boxes(painter: QPainter, placement: Placement, marks: Sequence[BoxMark], selected: int | None, view: QSizeF) -> None:
    """Draw boxes with labels. The selected box has a thick line and corner handles, and its label lies on top of the others."""
    rects = [placement.rect(mark.xyxy) for mark in marks]
    for mark, rect in zip(marks, rects, strict=True):
        _outline(painter, rect, theme.current().class_color(mark.class_index), mark.index == selected)
    metrics = QFontMetricsF(theme.font("small", bold=True))
    seen = [
        (mark, rect)
        for mark, rect in zip(marks, rects, strict=True)
        if mark.label and rect[2] > 0 and rect[3] > 0 and rect[0] < view.width() and rect[1] < view.height()
    ]
    sizes = [(metrics.horizontalAdvance(mark.label) + 2 * PAD, metrics.height() + PAD) for mark, _ in seen]
    places = place_labels([rect for _, rect in seen], sizes, (view.width(), view.height()))
    ordered = sorted(zip(seen, places, strict=True), key=lambda item: item[0][0].index == selected)
    for (mark, _), place in ordered:
        draw_label(painter, place, mark.label, theme.current().class_color(mark.class_index))


def draw_spots(painter: QPainter, placement: Placement, marks: Sequence[SpotMark], selected: int | None, view: QSizeF) -> None:
    """Draw a ring with a cross at each hottest pixel, and its temperature."""
    color = theme.current().color("ng")
    metrics = QFontMetricsF(theme.font("small", bold=True))
    radius = theme.SPACING * 1.25
    centres = [placement.to_view(mark.spot.x + 0.5, mark.spot.y + 0.5) for mark in marks]
    gap = radius + PAD  # beside the ring, not on it
    anchors: list[Rect] = [(x - gap, y - gap, x + gap, y + gap) for x, y in centres]
    sizes = [(metrics.horizontalAdvance(mark.label) + 2 * PAD, metrics.height() + PAD) for mark in marks]
    for number, (x, y) in enumerate(centres):
        reach = radius * (1.6 if number == selected else 1.0)
        for pen in (QPen(halo(), LINE * 2.5), QPen(contrast(theme.DARK.color("canvas")), LINE)):
            painter.setPen(pen)
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawEllipse(QPointF(x, y), reach, reach)
            painter.drawLine(QLineF(x - reach / 2, y, x + reach / 2, y))
            painter.drawLine(QLineF(x, y - reach / 2, x, y + reach / 2))
    rings: list[Rect] = [(x - radius, y - radius, x + radius, y + radius) for x, y in centres]
    places = place_labels(anchors, sizes, (view.width(), view.height()), avoid=rings)
    for mark, place in zip(marks, places, strict=True):
        draw_label(painter, place, mark.label, color)


def draw_tools(painter: QPainter, placement: Placement, marks: Sequence[ToolMark], view: QSizeF) -> None:
    """Draw the outlines of measuring tools with their labels; one that is being drawn is dashed."""
    metrics = QFontMetricsF(theme.font("small", bold=True))
    bounds = []
    for mark in marks:
        path = _tool_path(placement, mark.tool)
        line = Qt.PenStyle.DashLine if mark.index is None else Qt.PenStyle.SolidLine
        painter.setBrush(Qt.BrushStyle.NoBrush)
        for pen in (QPen(halo(), LINE * 2), QPen(contrast(theme.DARK.color("canvas")), LINE * 0.75, line)):
            painter.setPen(pen)
            painter.drawPath(path)
        box = path.boundingRect()
        bounds.append((box.left(), box.top(), box.right(), box.bottom()))
    sizes = [(metrics.horizontalAdvance(mark.label) + 2 * PAD, metrics.height() + PAD) for mark in marks]
    for mark, place in zip(marks, place_labels(bounds, sizes, (view.width(), view.height())), strict=True):
        if mark.label:
            draw_label(painter, place, mark.label, theme.DARK.color("raised"))


def _tool_path(placement: Placement, tool: Tool) -> QPainterPath:
    path = QPainterPath()
    match tool:
        case Spot(x, y):
            at = QPointF(*placement.to_view(x + 0.5, y + 0.5))
            for step in (QPointF(theme.SPACING, 0), QPointF(0, theme.SPACING)):
                path.moveTo(at - step)
                path.lineTo(at + step)
        case Line(x1, y1, x2, y2):
            path.moveTo(*placement.to_view(x1 + 0.5, y1 + 0.5))
            path.lineTo(*placement.to_view(x2 + 0.5, y2 + 0.5))
        case Rectangle(x, y, width, height) | Ellipse(x, y, width, height):
            left, top, right, bottom = placement.rect((x, y, x + width, y + height))
            rect = QRectF(left, top, right - left, bottom - top)
            path.addRect(rect) if isinstance(tool, Rectangle) else path.addEllipse(rect)
        case Polygon(points):
            path.addPolygon(QPolygonF([QPointF(*placement.to_view(x + 0.5, y + 0.5)) for x, y in points]))
            path.closeSubpath()
        case _:
            assert_never(tool)
    return path


def draw_regions(painter: QPainter, placement: Placement, marks: Sequence[RegionMark], view: QSizeF) -> None:
    """Draw dashed outlines, with a label inside their upper left corner."""
    metrics = QFontMetricsF(theme.font("small", bold=True))
    for mark in marks:
        box = mark.region
        rect = placement.rect((box.x, box.y, box.right, box.bottom))
        line = QRectF(QPointF(rect[0], rect[1]), QPointF(rect[2], rect[3]))
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.setPen(QPen(halo(), LINE * 1.5))
        painter.drawRect(line)
        painter.setPen(QPen(contrast(theme.DARK.color("canvas")), LINE / 2, Qt.PenStyle.DashLine))
        painter.drawRect(line)
        if mark.label:
            size = (metrics.horizontalAdvance(mark.label) + 2 * PAD, metrics.height() + PAD)
            (place,) = place_labels([rect], [size], (view.width(), view.height()))
            draw_label(painter, place, mark.label, theme.DARK.color("raised"))


def draw_label(painter: QPainter, rect: Rect, text: str, color: QColor) -> None:
    """Draw text on a filled plate of `color`, with a thin dark edge."""
    painter.setFont(theme.font("small", bold=True))
    plate = QRectF(QPointF(rect[0], rect[1]), QPointF(rect[2], rect[3]))
    painter.setPen(QPen(halo(), 1))
    painter.setBrush(color)
    painter.drawRoundedRect(plate, PAD / 2, PAD / 2)
    painter.setPen(contrast(color))
    painter.drawText(plate, Qt.AlignmentFlag.AlignCenter, text)


def _outline(painter: QPainter, rect: Rect, color: QColor, selected: bool) -> None:
    line = QRectF(QPointF(rect[0], rect[1]), QPointF(rect[2], rect[3]))
    width = LINE * 2 if selected else LINE
    painter.setBrush(Qt.BrushStyle.NoBrush)
    painter.setPen(QPen(halo(), width + LINE))
    painter.drawRect(line)
    painter.setPen(QPen(color, width))
    painter.drawRect(line)
    if selected:
        painter.setBrush(contrast(theme.DARK.color("canvas")))
        painter.setPen(QPen(halo(), LINE / 2))
        side = theme.SPACING
        for corner in (line.topLeft(), line.topRight(), line.bottomLeft(), line.bottomRight()):
            painter.drawRect(QRectF(corner.x() - side / 2, corner.y() - side / 2, side, side))


def draw_simulation(painter: QPainter, rect: QRectF, text: str) -> None:
    """Fill a strip with slanted bars in two colours, and a plate with `text` in its middle."""
    dress = theme.current()
    painter.save()
    painter.setClipRect(rect, Qt.ClipOperation.IntersectClip)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.fillRect(rect, dress.color("simulation"))
    height = rect.height()
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(dress.color("on_simulation"))
    for number in range(int(rect.width() / height / 2) + 2):
        left = rect.left() + (2 * number - 1) * height
        foot = QPointF(left, rect.bottom()), QPointF(left + height, rect.bottom())
        top = QPointF(left + 2 * height, rect.top()), QPointF(left + height, rect.top())
        painter.drawPolygon(QPolygonF([*foot, *top]))
    font = theme.font("small", bold=True)
    font.setPixelSize(max(round(height * SIMULATION_LETTERS), theme.PIXELS["small"]))
    painter.setFont(font)
    width = QFontMetricsF(font).horizontalAdvance(text) + 4 * PAD
    plate = QRectF(rect.center().x() - width / 2, rect.top(), width, height)
    painter.fillRect(plate, dress.color("simulation"))
    painter.setPen(dress.color("on_simulation"))
    painter.drawText(plate, Qt.AlignmentFlag.AlignCenter, text)
    painter.restore()


@dataclass(frozen=True, slots=True)
class Scale:
    """The colours of a thermal frame: their ends and the limits to mark, in kelvin. `equal`: as `colormaps.equalised`."""

    low: float
    high: float
    palette: Palette
    unit: TemperatureUnit
    marks: tuple[float, ...] = ()
    equal: Table | None = None


def draw_scale(painter: QPainter, view: QSizeF, scale: Scale) -> None:
    """Draw the palette as an upright bar at the right edge, with temperatures and the limits of rules."""
    painter.setFont(theme.font("small", bold=True))
    metrics = painter.fontMetrics()
    span = max(scale.high - scale.low, 1e-6)
    numbers = ticks(temperature(scale.low, scale.unit), temperature(scale.high, scale.unit))
    texts = [f"{number:g}" for number in numbers]
    wide = max([metrics.horizontalAdvance(text) for text in texts], default=0)
    top = max(view.height() * 0.12, theme.SPACING * 3 + 2 * metrics.height())  # below the mark of a simulation
    bar = QRectF(view.width() - theme.SPACING * 2, top, theme.SPACING * 1.5, view.height() - top - metrics.height())
    painter.fillRect(QRectF(view.width() - SCALE_WIDTH, 0, SCALE_WIDTH, view.height()), theme.DARK.color("canvas"))
    colors = QLinearGradient(bar.bottomLeft(), bar.topLeft())
    table = PALETTES[scale.palette] if scale.equal is None else PALETTES[scale.palette][scale.equal]
    for step in range(0, 256, 5):
        colors.setColorAt(step / 255, QColor(*table[step].tolist()))
    painter.fillRect(bar, colors)
    painter.setPen(theme.DARK.color("text"))
    above = QRectF(view.width() - SCALE_WIDTH, bar.top() - 2 * metrics.height(), SCALE_WIDTH - PAD, metrics.height())
    painter.drawText(above, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter, sign(scale.unit))
    for number, text in zip(numbers, texts, strict=True):
        y = bar.bottom() - (kelvin(number, scale.unit) - scale.low) / span * bar.height()
        painter.drawLine(QLineF(bar.left() - PAD, y, bar.left(), y))
        room = QRectF(bar.left() - PAD * 1.5 - wide, y - metrics.height() / 2, wide, metrics.height())
        painter.drawText(room, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter, text)
    for mark in scale.marks:
        if scale.low <= mark <= scale.high:
            y = bar.bottom() - (mark - scale.low) / span * bar.height()
            painter.setPen(QPen(theme.DARK.color("canvas"), LINE * 2))
            painter.drawLine(QLineF(bar.left() - PAD, y, bar.right() + PAD, y))
            painter.setPen(QPen(theme.current().color("review"), LINE))
            painter.drawLine(QLineF(bar.left() - PAD, y, bar.right() + PAD, y))


def draw_hint(painter: QPainter, view: QSizeF, title: str, text: str) -> None:
    """Draw a title and a sentence in the middle of an empty view."""
    rect = QRectF(QPointF(0, 0), view).adjusted(theme.SPACING, theme.SPACING, -theme.SPACING, -theme.SPACING)
    middle = rect.center().y()
    painter.setPen(theme.current().color("text"))
    painter.setFont(theme.font("title", bold=True))
    upper = QRectF(rect.left(), rect.top(), rect.width(), middle - rect.top())
    flags = Qt.AlignmentFlag.AlignHCenter | Qt.TextFlag.TextWordWrap
    painter.drawText(upper, flags | Qt.AlignmentFlag.AlignBottom, title)
    painter.setPen(theme.current().color("muted"))
    painter.setFont(theme.font("body"))
    lower = QRectF(rect.left(), middle + theme.SPACING, rect.width(), rect.bottom() - middle - theme.SPACING)
    painter.drawText(lower, flags | Qt.AlignmentFlag.AlignTop, text)
