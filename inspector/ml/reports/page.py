"""The self-contained report.html; its body comes from the template resources/report/report.html.

Names of classes, files and folders are untrusted: the template escapes all of them.
"""

import base64
from collections.abc import Mapping, Sequence
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from inspector.core.page import html_page
from inspector.core.registry import TASKS
from inspector.core.storage.paths import resources
from inspector.ml.reports.charts import SERIES, Axis, Series, bars, line_chart, whisker
from inspector.runs.measures import MEASURES, measure_of
from inspector.runs.report import ClassRow, Confusion, Curve, Interval, TrainReport

_PARTS = {"train": "training", "val": "validation", "test": "test", "all": "all"}
_METHODS = (
    "Intervals: shares by Wilson (1927), for frames of the same part or lot with the effective sample size of Korn and "
    "Graubard (1998); averages, F1, average precision and overlaps by bootstrap over parts or lots (Efron, 1979). Calibration: "
    "temperature scaling (Guo et al., 2017). Average precision as in COCO."
)
_LARGEST_TABLE = 40  # most classes of a confusion matrix that is shown


def page(report: TrainReport, folder: Path) -> str:
    """Return the HTML of a report. `folder` holds the pictures named by `report.worst`."""
    environment = Environment(
        loader=FileSystemLoader(resources() / "report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"number": _number, "percent": _percent, "duration": _duration}
    values: dict[str, object] = {
        "report": report,
        "parts": _PARTS,
        "measures": MEASURES,
        "primary": _primary(report),
        "metrics": [
            (known, number, whisker(number.value, number.low, number.high) if not known.unit else Markup(""))
            for name, number in report.metrics.items()
            if (known := measure_of(name)) is not None
        ],
        "kinds": _kinds(report.classes),
        "confusion": _confusion(report.confusion),
        "curves": _curve_chart(report),
        "curve_names": _curve_names(report),
        "calibration": _calibration_chart(report),
        "learning": _learning_chart(report),
        "folds": _folds_chart(report),
        "course": _course_charts(report),
        "pictures": [(worst, _picture(folder, worst.image), _picture(folder, worst.heat)) for worst in report.worst],
        "settings": [(key, _setting(value)) for key, value in report.settings.items() if value not in ("", None, [], {})],
        "whisker": whisker,
    }
    created = f"{report.created:%Y-%m-%d %H:%M UTC}"
    about = f"{TASKS[report.task].label} with {report.network}, {created}{f', data: {report.data}' if report.data else ''}"
    return html_page(
        report.name,
        environment.get_template("report.html").render(values),
        kicker="Training report",
        about=about,
        note=_METHODS,
        style=(resources() / "report" / "report.css").read_text("utf-8"),
    )


def _primary(report: TrainReport) -> tuple[str, Interval, str]:
    """Return (label, number, unit) of the primary number."""
    name = "mae_kelvin" if report.primary == "minus_mae_kelvin" else report.primary
    return MEASURES[name].label, report.metrics[name], MEASURES[name].unit


def _kinds(classes: Sequence[ClassRow]) -> list[str]:
    """Return the columns of the class table."""
    return list(dict.fromkeys(kind for row in classes for kind in row.numbers))


def _confusion(confusion: Confusion | None) -> dict[str, object] | None:
    """Return the rows of (count, share of the row); None if there is nothing to show."""
    if confusion is None or not any(map(any, confusion.counts)) or len(confusion.labels) > _LARGEST_TABLE:
        return None
    rows = [
        (label, sum(counts), [(count, count / max(sum(counts), 1)) for count in counts])
        for label, counts in zip(confusion.labels, confusion.counts, strict=True)
    ]
    return {"labels": confusion.labels, "rows": rows, "unit": confusion.unit}


def _shown_curves(report: TrainReport) -> list[Curve]:
    """Return the curves to show, worst first, at most one per colour."""
    known = [curve for curve in report.curves if len(curve.recall)]
    return sorted(known, key=lambda curve: curve.area)[:SERIES]


def _curve_chart(report: TrainReport) -> Markup:
    shown = _shown_curves(report)
    series = [
        Series(curve.name, tuple(zip(curve.recall, curve.precision, strict=True)), colour=index)
        for index, curve in enumerate(shown)
    ]
    share = {"low": 0.0, "high": 1.0}
    return line_chart(series, Axis("Recall", **share), Axis("Precision", **share), title="Precision over recall")


def _curve_names(report: TrainReport) -> list[tuple[int, str, float]]:
    return [(index, curve.name, curve.area) for index, curve in enumerate(_shown_curves(report))]


def _calibration_chart(report: TrainReport) -> Markup:
    known = report.calibration
    if known is None or not known.bins:
        return Markup("")
    return bars([(score, share) for score, share, _ in known.bins], title="Share of right answers over the score")


def _learning_chart(report: TrainReport) -> Markup:
    learning = report.learning
    if learning is None or not learning.points:
        return Markup("")
    sign = -1.0 if report.primary == "minus_mae_kelvin" else 1.0
    label = _primary(report)[0]
    series = [
        Series(
            "measured",
            tuple((float(point.samples), sign * point.result.value) for point in learning.points),
            dots=True,
            intervals=tuple((sign * point.result.low, sign * point.result.high) for point in learning.points),
        )
    ]
    if learning.curve:
        series.append(Series("law", tuple((at, sign * value) for at, value in learning.curve), colour=1, dashed=True))
    if learning.forecast is not None:
        at = float(learning.points[-1].samples + learning.more)
        ends = ((sign * learning.forecast.low, sign * learning.forecast.high),)
        series.append(Series("forecast", ((at, sign * learning.forecast.value),), colour=1, dots=True, intervals=ends))
    return line_chart(series, Axis("Training images", low=0.0), Axis(label), title="Result over training images")


def _folds_chart(report: TrainReport) -> Markup:
    """Return a chart with a dot per fold, and the pooled value with its interval at the right end."""
    folds = report.cross_validation
    if folds is None:
        return Markup("")
    sign = -1.0 if report.primary == "minus_mae_kelvin" else 1.0
    count, pooled = len(folds.values), folds.pooled
    series = [
        Series(
            "folds", tuple((float(at), sign * value) for at, value in enumerate(folds.values, start=1)), dots=True, joined=False
        ),
        Series(
            "all",
            ((count + 1.0, sign * pooled.value),),
            colour=1,
            dots=True,
            intervals=((sign * pooled.low, sign * pooled.high),),
        ),
    ]
    across = Axis("Fold; at the right end all together", low=0.0, high=count + 2.0)
    return line_chart(series, across, Axis(_primary(report)[0]), title="Result of each fold")


def _course_charts(report: TrainReport) -> list[tuple[str, Markup]]:
    """Return charts of the losses and of the validated number over the epochs, each with its title."""
    epochs, sign, name = Axis("Epoch"), -1.0 if report.primary.startswith("minus_") else 1.0, _primary(report)[0]
    training = tuple((float(one.epoch), one.loss) for one in report.course if one.loss is not None)
    validation = tuple((float(one.epoch), one.val_loss) for one in report.course if one.val_loss is not None)
    values = tuple((float(one.epoch), sign * one.value) for one in report.course if one.value is not None)
    losses = [Series("training", training), Series("validation", validation, colour=1, dashed=True)]
    charts = [
        ("Loss on training images (whole line) and on validation images (dashed)", losses, Axis("Loss")),
        (f"{name} on validation images", [Series(name, values)], Axis(name)),
    ]
    return [
        (title, line_chart(series, epochs, axis, title=f"{title}, over the epochs"))
        for title, series, axis in charts
        if any(one.points for one in series)
    ]


def _picture(folder: Path, name: str) -> str:
    """Return a picture as a data URL; "" if there is none."""
    path = folder / name
    if not name or not path.is_file():
        return ""
    return "data:image/jpeg;base64," + base64.b64encode(path.read_bytes()).decode("ascii")


def _number(value: float) -> str:
    """Format a number with three significant digits, but never round its integer part: 0.931, 12.3, 4520."""
    return f"{value:.0f}" if abs(value) >= 1000 else f"{value:.1f}" if abs(value) >= 10 else f"{value:.3f}"


def _percent(share: float) -> str:
    return f"{share * 100:.1f} %"


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes:02d} min"
    return f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"


def _setting(value: object) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{key}={_setting(item)}" for key, item in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(_setting(item) for item in value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:g}" if isinstance(value, float) else str(value)
