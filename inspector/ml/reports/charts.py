"""Charts of a report as inline SVG: no scripts, no fonts, colours from the page's style (`.s0` to `.s7`, `.axis`, `.grid`)."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from markupsafe import Markup

SERIES = 8  # number of colours
_WIDTH, _HEIGHT = 520, 300
_LEFT, _RIGHT, _TOP, _BOTTOM = 56, 12, 12, 44


@dataclass(frozen=True, slots=True)
class Series:
    """Points (x, y), with intervals (low, high) where known.

    `colour`: index into the style's colours. `joined`: connect the points.
    """

    name: str
    points: tuple[tuple[float, float], ...]
    colour: int = 0
    dots: bool = False
    dashed: bool = False
    intervals: tuple[tuple[float, float], ...] = ()
    joined: bool = True


@dataclass(frozen=True, slots=True)
class Axis:
    """A label and a range; by default the range of the data."""

    label: str
    low: float | None = None
    high: float | None = None


def line_chart(series: Sequence[Series], x: Axis, y: Axis, *, title: str) -> Markup:
    """Return a line chart; empty without points.

    `title` is the text for screen readers. NaN and infinite values are left out.
    """
    drawn = [replace(one, points=_finite(one.points)) for one in series]
    points = [point for one in drawn for point in one.points]
    points += [(one.points[0][0], end) for one in drawn if one.points for pair in one.intervals for end in pair]
    if not points:
        return Markup("")
    x_low, x_high = _range([point[0] for point in points], x)
    y_low, y_high = _range([point[1] for point in points], y)

    def place(at: float, value: float) -> tuple[float, float]:
        across = _LEFT + (at - x_low) / (x_high - x_low) * (_WIDTH - _LEFT - _RIGHT)
        return across, _HEIGHT - _BOTTOM - (value - y_low) / (y_high - y_low) * (_HEIGHT - _TOP - _BOTTOM)

    parts = [
        Markup('<svg class="chart" viewBox="0 0 {} {}" role="img" aria-label="{}">').format(_WIDTH, _HEIGHT, title),
        *_grid(x_low, x_high, y_low, y_high, x.label, y.label),
    ]
    for one in drawn:
        parts.extend(_drawn(one, [place(*point) for point in one.points], place))
    parts.append(Markup("</svg>"))
    return Markup("").join(parts)


def bars(values: Sequence[tuple[float, float]], *, title: str) -> Markup:
    """Return bars (score, share right) over 0..1 with the ideal diagonal: the chart of a calibration."""
    width = (_WIDTH - _LEFT - _RIGHT) / 15 * 0.8
    parts = [
        Markup('<svg class="chart" viewBox="0 0 {} {}" role="img" aria-label="{}">').format(_WIDTH, _HEIGHT, title),
        *_grid(0.0, 1.0, 0.0, 1.0, "Score", "Share right"),
    ]
    high = _HEIGHT - _TOP - _BOTTOM
    for score, share in values:
        left = _LEFT + score * (_WIDTH - _LEFT - _RIGHT) - width / 2
        parts.append(
            Markup('<rect class="bar" x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}"/>').format(
                min(max(left, _LEFT), _WIDTH - _RIGHT - width), _HEIGHT - _BOTTOM - share * high, width, share * high
            )
        )
    parts.append(
        Markup('<line class="diagonal" x1="{}" y1="{}" x2="{}" y2="{}"/></svg>').format(
            _LEFT, _HEIGHT - _BOTTOM, _WIDTH - _RIGHT, _TOP
        )
    )
    return Markup("").join(parts)


def whisker(value: float, low: float, high: float) -> Markup:
    """Return a number between 0 and 1 and its interval, drawn at the size of a word."""
    at, first, last = (round(4 + min(max(number, 0.0), 1.0) * 112, 1) for number in (value, low, high))
    return Markup(
        '<svg class="whisker" viewBox="0 0 120 14" aria-hidden="true"><line class="track" x1="4" y1="7" x2="116" y2="7"/>'
        '<line class="range" x1="{}" y1="7" x2="{}" y2="7"/><circle class="dot" cx="{}" cy="7" r="4"/></svg>'
    ).format(first, last, at)


def _drawn(
    one: Series, places: Sequence[tuple[float, float]], place: Callable[[float, float], tuple[float, float]]
) -> list[Markup]:
    colour, parts = one.colour % SERIES, []
    if len(places) > 1 and one.joined:
        path = " ".join(f"{across:.1f},{down:.1f}" for across, down in places)
        dash = " dashed" if one.dashed else ""
        parts.append(Markup('<polyline class="line s{}{}" points="{}"/>').format(colour, dash, path))
    if one.dots or len(places) == 1:
        parts += [
            Markup('<circle class="dot s{}" cx="{:.1f}" cy="{:.1f}" r="4"/>').format(colour, across, down)
            for across, down in places
        ]
    for (at, _), (low, high) in zip(one.points, one.intervals, strict=False):
        (across, bottom), (_, top) = place(at, low), place(at, high)
        parts.append(
            Markup('<line class="line s{}" x1="{:.1f}" y1="{:.1f}" x2="{:.1f}" y2="{:.1f}"/>').format(
                colour, across, bottom, across, top
            )
        )
    return parts


def _grid(x_low: float, x_high: float, y_low: float, y_high: float, x_label: str, y_label: str) -> list[Markup]:
    line = Markup('<line class="grid" x1="{}" y1="{:.1f}" x2="{}" y2="{:.1f}"/>')
    tick = Markup('<text class="tick" x="{:.1f}" y="{:.1f}" text-anchor="{}">{:g}</text>')
    floor = _HEIGHT - _BOTTOM
    parts = []
    for value in ticks(y_low, y_high):
        down = floor - (value - y_low) / (y_high - y_low) * (floor - _TOP)
        parts += [line.format(_LEFT, down, _WIDTH - _RIGHT, down), tick.format(_LEFT - 6, down + 4, "end", value)]
    for value in ticks(x_low, x_high):
        across = _LEFT + (value - x_low) / (x_high - x_low) * (_WIDTH - _LEFT - _RIGHT)
        parts.append(tick.format(across, floor + 16, "middle", value))
    name = Markup('<text class="label" transform="translate({} {}) rotate({})" text-anchor="middle">{}</text>')
    parts.append(name.format((_LEFT + _WIDTH - _RIGHT) / 2, _HEIGHT - 8, 0, x_label))
    parts.append(name.format(14, (_TOP + floor) / 2, -90, y_label))
    return parts


def ticks(low: float, high: float) -> list[float]:
    """Return about five round numbers from `low` to `high`."""
    raw = (high - low) / 5
    power = 10 ** math.floor(math.log10(raw))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= raw * 0.999)
    first = math.ceil(low / step - 1e-9)
    last = math.floor(high / step + 1e-9)
    return [float(f"{number * step:.10g}") for number in range(first, last + 1)]


def _range(values: Sequence[float], axis: Axis) -> tuple[float, float]:
    low = min(values) if axis.low is None else axis.low
    high = max(values) if axis.high is None else axis.high
    if not high > low:
        low, high = low - 0.5, high + 0.5
    return low, high


def _finite(points: Sequence[tuple[float, float]]) -> tuple[tuple[float, float], ...]:
    return tuple(point for point in points if all(math.isfinite(number) for number in point))
