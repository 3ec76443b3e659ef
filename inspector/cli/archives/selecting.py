"""The options that choose inspections."""

from collections.abc import Callable
from dataclasses import fields
from datetime import UTC, datetime, timedelta
from functools import wraps
from typing import Any, Final

import click

from inspector.archive.filters import Filters
from inspector.core.verdict import Verdict

LISTED: Final = click.IntRange(1, 1_000_000)  # most that are listed; the database has no word for any number
_VERDICT = click.Choice([verdict.value for verdict in Verdict])


def _when(_context: click.Context, _option: click.Parameter, text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        return datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise click.BadParameter("give a time like 2026-11-30T06:00 or 2026-11-30T06:00+09:00") from error


def span_of(day: datetime) -> tuple[datetime, datetime]:
    """Return when a day of this computer's calendar begins and ends, in UTC."""
    try:
        return day.astimezone(UTC), (day + timedelta(days=1)).astimezone(UTC)
    except (ValueError, OverflowError) as error:  # the first and the last days of the calendar
        raise click.BadParameter("give a day like 2026-11-30") from error


def selecting(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that choose inspections; the command receives them as `filters`."""

    @wraps(command)
    def select(**options: Any) -> Any:  # noqa: ANN401 - whatever the command returns
        chosen = {field.name: options.pop(field.name) for field in fields(Filters) if field.name in options}
        filters = Filters(**{name: value for name, value in chosen.items() if value is not None})
        return command(filters=filters, **options)

    for option in (
        click.option("--corrected/--not-corrected", default=None, help="Only those that a person said something of, or not."),
        click.option("--simulated/--real", default=None, help="Only parts of the demo line, or only real ones."),
        click.option("--brightness-above", type=float, help="Only brighter frames."),
        click.option("--brightness-below", type=float, help="Only darker frames."),
        click.option("--score-above", type=float, help="Only those whose value nearest to its limit is above this."),
        click.option("--score-below", type=float, help="Only those whose value nearest to its limit is below this."),
        click.option("--margin-above", type=click.FloatRange(0), help="Only those farther from every limit than this share."),
        click.option("--margin-below", type=click.FloatRange(0), help="Only those nearer to a limit than this share of it."),
        click.option("--quantity", help="Only those in which a rule on this quantity fired."),
        click.option("--station", help="Name of the station."),
        click.option("--operator", help="Who ran the line."),
        click.option("--shift", help="Name of the shift."),
        click.option("--class-name", help="Class for which the rule decided."),
        click.option("--rule", help='Quantity and class of the rule that decided, for example "score scratch".'),
        click.option("--bundle", help="Fingerprint of a bundle that judged, or a piece of it."),
        click.option("--recipe", help="Name of the recipe."),
        click.option("--text", help="How the id of the part, or the name of the lot, begins."),
        click.option("--lot", help="Name of the lot."),
        click.option("--material", help="Number of the product that is written on the part."),
        click.option("--serial", help="Serial number that is written on the part."),
        click.option("--part", help="Id of the part."),
        click.option("--human-verdict", type=_VERDICT, help="What a person said."),
        click.option("--verdict", type=_VERDICT, help="What the machine said."),
        click.option("--until", callback=_when, help="Before this time."),
        click.option("--since", callback=_when, help="From this time on; local time unless it has an offset."),
    ):
        select = option(select)
    return select
