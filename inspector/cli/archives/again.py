"""`inspector archive what-if | rejudge`."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from inspector.archive.filters import Filters
from inspector.cli.archives.keep import JSON, WHO, Opened
from inspector.cli.archives.selecting import selecting
from inspector.cli.support.lines import say, say_json, say_problem


@click.command("what-if")
@selecting
@click.option(
    "--rule-limit",
    "limits",
    multiple=True,
    required=True,
    metavar="RULE=LIMIT[,REVIEW]",
    help="Number of a rule in the recipe, from 0 on, and its other limits; may be repeated.",
)
@JSON
@click.pass_obj
def what_if(obj: Opened, *, filters: Filters, limits: tuple[str, ...], as_json: bool) -> int:
    """Judge stored values with other limits, and list the parts whose verdict flips."""
    from inspector.archive.store import whatif
    from inspector.archive.store.query import names_of

    others = [_other_limits(text) for text in limits]
    with obj() as opened:
        found = whatif.what_if(opened.database, filters, others)
        names = names_of(opened.database, (key for key, _, _ in found.flips))
    _say(found, names, {}, as_json=as_json)
    return 0


@click.command()
@selecting
@click.option("--to-recipe", "path", type=click.Path(path_type=Path), help="Recipe that judges.")
@click.option("--model", "models", multiple=True, metavar="BUNDLE", help="Bundle that judges by its card; may be repeated.")
@click.option("--cluster", default="", metavar="ADDRESS", help="Of a dask scheduler, like tcp://server:8786; by default here.")
@WHO
@JSON
@click.pass_obj
def rejudge(
    obj: Opened, *, filters: Filters, path: Path | None, models: tuple[str, ...], cluster: str, who: str, as_json: bool
) -> int:
    """Judge stored images again with another recipe or bundle, and list the parts whose verdict flips.

    A line beside it has priority. What was interrupted goes on; each part is judged once. The workers of a cluster have this
    program, and reach the folders of the archive and the bundles under the same names.
    """
    from inspector.archive.rejudging.job import rejudge as judge_again
    from inspector.archive.store.query import names_of
    from inspector.archive.store.rejudgements import reasons
    from inspector.inspection.run_request import resolve_recipe
    from inspector.workers.priority import be_nice

    if bool(models) == (path is not None):
        raise click.UsageError("Give either --to-recipe or --model.")
    be_nice()
    chosen = resolve_recipe(path, models, source="" if path is not None else "simulated")
    with obj() as opened:
        made = judge_again(opened, filters, chosen.recipe, chosen.base, who=who, cluster=cluster, notice=say_problem)
        keys = [key for key, _, _ in made.found.flips]
        names, why = names_of(opened.database, keys), reasons(opened.database, made.name, keys)
    told = {name: why[key] for name, key in zip(names, keys, strict=True)}
    if not as_json:
        say(f"{made.judged} judged now, {made.without_images} without images, {made.failed} could not be judged")
    counts = {"judged": made.judged, "without_images": made.without_images, "failed": made.failed}
    _say(made.found, names, told, as_json=as_json, **counts)
    return 0


def _say(found: Any, names: Sequence[str], why: Mapping[str, str], *, as_json: bool, **counts: int) -> None:  # noqa: ANN401 - of a module that is imported later
    """Print what flips."""
    flips = [(name, before, then) for name, (_, before, then) in zip(names, found.flips, strict=True)]
    if as_json:
        told = {"reasons": why} if why else {}
        say_json({**asdict(found), "flips": flips, **told, **counts})
        return
    flipped = sum(count for name, row in found.counts.items() for other, count in row.items() if other != name)
    say(f"{found.inspections} inspections, {flipped} flip")
    for name, before, then in flips:
        say(f"{before:<13} -> {then:<13} {name}  {why.get(name, '')}".rstrip())
    for what, (first, second) in (("misses", found.misses), ("false rejects", found.false_rejects)):
        interval = f"95 %: {second.low:.2%} to {second.high:.2%}"
        say(f"{what} among {first.of} corrected: {first.count} -> {second.count} ({interval})")


def _other_limits(text: str) -> Any:  # noqa: ANN401 - of a module that is imported later
    from inspector.archive.store.whatif import OtherLimits

    try:
        rule, _, rest = text.partition("=")
        limit, _, review = rest.partition(",")
        return OtherLimits(int(rule), float(limit), float(review) if review else None)
    except ValueError as error:
        raise click.BadParameter(f"{text!r} is not RULE=LIMIT or RULE=LIMIT,REVIEW") from error
