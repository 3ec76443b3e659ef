"""The report on where bundles look: figures as JSON, what to do about them, and one HTML page. Needs no torch."""

import base64
import html
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from inspector import __version__
from inspector.core.config import write_atomically
from inspector.core.message import Message, message
from inspector.core.sentence import sentence
from inspector.ml.reports.trust import HotArea, Looked, area_text
from inspector.runs.trust import FIGURES, PAGE, Advice, Change, Trust, dump_trust, read_trust

_LITTLE = 0.5  # of the heat on the part, below which the surroundings are to be covered
_UNSTEADY = 0.1  # of the scores lost to other light or another position, from which these are to be varied
_MOST_NAMED = 10
_MOST_KEPT = 50  # bundles of earlier reports

_STYLE = """
body { font-family: system-ui, "Noto Sans CJK JP", sans-serif; margin: 32px; color: #1b1b1b; background: #fff; }
table { border-collapse: collapse; margin: 16px 0; }
td, th { padding: 6px 16px 6px 0; text-align: right; border-top: 1px solid #ccc; }
td:first-child, th:first-child { text-align: left; } .earlier { color: #555; } code { background: #eef1f4; padding: 2px 6px; }
pre { background: #eef1f4; padding: 8px; overflow-x: auto; } .pictures { display: flex; flex-wrap: wrap; gap: 16px; }
figure { margin: 0; } figure img { height: 160px; } figcaption { color: #555; font-size: 13px; }
"""


def figures(seen: Sequence[Looked]) -> dict[str, float | None]:
    """Return the means over images of the measures that they have."""
    return {
        "right": _mean([one.right for one in seen]),
        "inside_part": _mean([one.inside_part for one in seen]),
        "inside_truth": _mean([one.inside_truth for one in seen]),
        "lift": _mean([one.lift for one in seen]),
        "pointing": _mean([one.pointed for one in seen]),
        "insertion": _mean([one.insertion for one in seen]),
        "deletion": _mean([one.deletion for one in seen]),
        "road": _mean([one.road for one in seen]),
    }


def advice(
    seen: Sequence[Looked],
    hot: HotArea | None,
    *,
    inside_part: float | None,
    beside_part: str,
    light: float,
    place: float,
    augment: str,
) -> list[Advice]:
    """Return what to do, most important first. `beside_part`: all around the part, as `cover` takes it; "" if unknown."""
    found = []
    if hot is not None:
        why = message(
            "{share} of the heat for {name} lies at {area} (left, top, width and height in percent of the input), where no "
            "defect is. Covering it lowers the score by {effect}, covering as much elsewhere by {control}. Train with it "
            "covered.",
            share=f"{hot.share:.0%}",
            name=hot.class_name or "-",
            area=area_text([hot.area]),
            effect=f"{hot.effect:.0%}",
            control=f"{max(hot.control, 0.0):.0%}",
        )
        found.append(_advice("cover", why, {"cover": area_text([hot.area])}))
    if inside_part is not None and inside_part < _LITTLE and beside_part:
        why = message(
            "Only {share} of the heat lies on the part. Train with its surroundings covered.", share=f"{inside_part:.0%}"
        )
        found.append(_advice("part", why, {"cover": beside_part}))
    if light >= _UNSTEADY:
        why = message("Other light costs {share} of the scores. Train with more varied light.", share=f"{light:.0%}")
        found.append(_advice("light", why, {"augment": "window" if augment != "window" else "strong"}))
    if place >= _UNSTEADY:
        why = message("Another position costs {share} of the scores. Train with moved parts.", share=f"{place:.0%}")
        found.append(_advice("place", why, {"augment": "part" if augment != "part" else "strong"}))
    wrong = [one for one in seen if one.right is False and (one.lift is None or one.lift >= 1)]
    if wrong:
        named = ", ".join(one.sample for one in wrong[:_MOST_NAMED])
        why = message(
            "{count} answers are wrong though the network looks at the right place. Collect and label more images like these: "
            "{names}.",
            count=len(wrong),
            names=named,
        )
        found.append(_advice("collect", why, {}))
    return found


def helped(before: Trust, after: Trust) -> Message:
    """Return what became of the figures from one bundle to the next."""
    return message(
        "{after} compared with {before}: right answers {right}, heat on the defect {inside}, right answers for another reason "
        "{places}.",
        after=after.bundle,
        before=before.bundle,
        right=f"{_percent(before.right)} → {_percent(after.right)}",
        inside=f"{_percent(before.inside_truth)} → {_percent(after.inside_truth)}",
        places=f"{len(before.wrong_place)} → {len(after.wrong_place)}",
    )


def earlier(folder: Path, data: str, now: Sequence[Trust]) -> list[Trust]:
    """Return the figures of other bundles on the same data that a report in this folder has; none of a damaged file."""
    measured = {one.fingerprint for one in now}
    return [one for one in read_trust(folder) if one.data == data and one.fingerprint not in measured][-_MOST_KEPT:]


def write_trust(
    folder: Path, now: Sequence[Trust], before: Sequence[Trust], pictures: Mapping[str, Sequence[tuple[str, bytes]]]
) -> None:
    """Write the figures and the page. `pictures`: by bundle, (caption, JPEG) of images with their heat. Raises StorageError."""
    everything = [*before, *now]
    write_atomically(folder / FIGURES, dump_trust(everything))
    write_atomically(folder / PAGE, trust_page(now, before, pictures).encode())


def trust_page(now: Sequence[Trust], before: Sequence[Trust], pictures: Mapping[str, Sequence[tuple[str, bytes]]]) -> str:
    """Return the page: bundles side by side in their rank, then what to do and the pictures of each new one."""
    rows = sorted([*((one, "earlier") for one in before), *((one, "") for one in now)], key=lambda row: row[0].rank)
    heads = "".join(f"<th>{name}</th>" for name in _COLUMNS)
    body = "".join(f'<tr class="{kind}">{"".join(f"<td>{cell}</td>" for cell in _cells(one))}</tr>' for one, kind in rows)
    said = "".join(f"<p>{html.escape(helped(old, new).text)}</p>" for new in now for old in before if old.task == new.task)
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>Where the networks look</title>'
        f"<style>{_STYLE}</style></head><body><h1>Where the networks look</h1>"
        f"<table><tr>{heads}</tr>{body}</table>{said}"
        + "".join(_section(one, pictures.get(one.bundle, ())) for one in now)
        + f"<p>inspector {__version__}</p></body></html>\n"
    )


_COLUMNS = (
    "Bundle",
    "Images",
    "Right",
    "Heat on the part",
    "Heat on the defect",
    "Times chance",
    "Hottest on the defect",
    "Insertion",
    "Deletion",
    "ROAD",
    "Right answer, wrong place",
)


def _cells(one: Trust) -> list[str]:
    places = "–" if one.lift is None else str(len(one.wrong_place))
    return [
        html.escape(one.bundle),
        str(one.images),
        *(_percent(value) for value in (one.right, one.inside_part, one.inside_truth)),
        _number(one.lift),
        _percent(one.pointing),
        _number(one.insertion),
        _number(one.deletion),
        _number(one.road),
        places,
    ]


def _section(one: Trust, pictures: Sequence[tuple[str, bytes]]) -> str:
    advised = "".join(
        f"<li>{html.escape(advice.why.text)}"
        + (f"<pre>{html.escape(advice.command)}</pre>" if advice.command else "")
        + "</li>"
        for advice in one.advice
    )
    figures = "".join(
        f'<figure><img alt="" src="data:image/jpeg;base64,{base64.b64encode(jpeg).decode("ascii")}">'
        f"<figcaption>{html.escape(caption)}</figcaption></figure>"
        for caption, jpeg in pictures
    )
    what = f"<ol>{advised}</ol>" if advised else "<p>Nothing to do.</p>"
    return f'<h2>{html.escape(one.bundle)}</h2>{what}<div class="pictures">{figures}</div>'


def _advice(change: Change, why: Message, settings: Mapping[str, str]) -> Advice:
    return Advice(change=change, why=sentence(why), settings=settings)


def _mean(values: Sequence[float | bool | None]) -> float | None:
    known = [float(value) for value in values if value is not None]
    return float(np.mean(known)) if known else None


def _percent(value: float | None) -> str:
    return "–" if value is None else f"{value:.0%}"


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"
