"""The chart of a tuning as an SVG file: latency against accuracy, with the Pareto front marked."""

from html import escape

from inspector.tuning.plan import Plan, Tuning, pareto

_WIDTH, _HEIGHT = 900, 520
_LEFT, _RIGHT, _TOP, _BOTTOM = 80, 40, 60, 70
_COLOURS = {
    "plan": "#56b4e9",
    "front": "#0072b2",
    "chosen": "#d55e00",
    "limit": "#555555",
    "text": "#1b1b1b",
    "grid": "#dddddd",
}


def draw(tuning: Tuning) -> str:
    """Return the SVG file as text."""
    plans, front = list(tuning.plans), pareto(tuning.plans)
    slowest = max([plan.p99_ms for plan in plans] + [tuning.takt_ms]) * 1.1
    worst = min([plan.accuracy for plan in plans] + [0.99]) - 0.002
    span = max(1.002 - worst, 1e-6)

    def place(plan: Plan) -> tuple[float, float]:
        return _x(plan.p99_ms, slowest), _TOP + (1.002 - plan.accuracy) / span * (_HEIGHT - _TOP - _BOTTOM)

    lines = [*_frame(tuning, slowest, worst, span)]
    points = [place(plan) for plan in front]
    if len(points) > 1:
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        lines.append(f'<polyline points="{path}" fill="none" stroke="{_COLOURS["front"]}" stroke-width="2"/>')
    for plan in plans:
        x, y = place(plan)
        kind = "chosen" if plan == tuning.chosen else "front" if plan in front else "plan"
        size = 9 if kind == "chosen" else 6
        title = f"{plan.words}, {plan.threads} threads: p99 {plan.p99_ms:.1f} ms, accuracy {plan.accuracy:.2%}"
        circle = f'cx="{x:.1f}" cy="{y:.1f}" r="{size}" fill="{_COLOURS[kind]}" stroke="#fff"'
        lines.append(f"<circle {circle}><title>{escape(title)}</title></circle>")
        if kind != "plan":
            words = f"{plan.words}, {plan.threads} threads" + (" (chosen)" if kind == "chosen" else "")
            anchor = "end" if x > _WIDTH * 0.6 else "start"
            lines.append(_text(x, y - 14, words, anchor=anchor))
    body = "\n".join(lines)
    extent = f'width="{_WIDTH}" height="{_HEIGHT}"'
    return f'<svg xmlns="http://www.w3.org/2000/svg" {extent} font-family="sans-serif">\n{body}\n</svg>\n'


def _frame(tuning: Tuning, slowest: float, worst: float, span: float) -> list[str]:
    """Return the background, title, axes with units, the takt and the limit."""
    bottom, right = _HEIGHT - _BOTTOM, _WIDTH - _RIGHT
    lines = [
        f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="#fff"/>',
        _text(
            _LEFT,
            32,
            f"{tuning.recipe}: latency against accuracy on {tuning.machine.processor}, {tuning.machine.cores} cores",
            16,
        ),
        _text((_LEFT + right) / 2, _HEIGHT - 20, "p99 of a part, ms", anchor="middle"),
        f'<text transform="translate(24 {(_TOP + bottom) / 2}) rotate(-90)" text-anchor="middle" font-size="13" '
        f'fill="{_COLOURS["text"]}">share of the accuracy kept</text>',
    ]
    for number in range(6):
        value, level = slowest * number / 5, worst + span * number / 5
        x, y = _x(value, slowest), bottom - (bottom - _TOP) * number / 5
        lines.append(f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{_TOP}" y2="{bottom}" stroke="{_COLOURS["grid"]}"/>')
        lines.append(f'<line x1="{_LEFT}" x2="{right}" y1="{y:.1f}" y2="{y:.1f}" stroke="{_COLOURS["grid"]}"/>')
        lines.append(_text(x, bottom + 18, f"{value:.0f}" if slowest > 20 else f"{value:.1f}", anchor="middle"))
        lines.append(_text(_LEFT - 8, y + 4, f"{level:.1%}", anchor="end"))
    for value, words in ((tuning.takt_ms, f"takt {tuning.takt_ms:g} ms"), (tuning.limit_ms, f"limit {tuning.limit_ms:.4g} ms")):
        x = _x(value, slowest)
        lines.append(
            f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{_TOP}" y2="{bottom}" stroke="{_COLOURS["limit"]}" stroke-dasharray="6 4"/>'
        )
        lines.append(_text(x, _TOP - 8 if value == tuning.takt_ms else bottom + 36, words, anchor="middle"))
    return lines


def _x(value: float, slowest: float) -> float:
    return _LEFT + value / slowest * (_WIDTH - _LEFT - _RIGHT)


def _text(x: float, y: float, words: str, size: int = 13, *, anchor: str = "start") -> str:
    place = f'x="{x:.1f}" y="{y:.1f}" font-size="{size}" text-anchor="{anchor}"'
    return f'<text {place} fill="{_COLOURS["text"]}">{escape(words)}</text>'
