"""`inspector archive dataset | compare | approve | step-back`: from corrected parts to a better bundle, and back."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from inspector.archive.filters import Filters
from inspector.cli.archives.keep import JSON, WHO, Opened
from inspector.cli.archives.selecting import selecting
from inspector.cli.support.lines import say, say_json, say_problem
from inspector.core.config import write_atomically
from inspector.core.errors import ConfigError

_LAYOUTS = click.Choice(["folders", "coco", "yolo", "voc", "masks"])
_RECIPE = click.option(
    "--to-recipe", "path", type=click.Path(path_type=Path, dir_okay=False), required=True, help="Recipe that gets the bundle."
)
_BUNDLE = click.option("--model", required=True, metavar="BUNDLE", help="The new bundle.")
_INSTEAD = click.option("--instead-of", default="", metavar="BUNDLE", help="Bundle of the recipe whose place it takes.")
_CAMERA = click.option("--camera", default="", help="Camera that it looks at, where several would do.")
_NAME = click.option("--who", required=True, help="Your name, for the audit trail.")


@click.command()
@selecting
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), required=True, help="A new or empty folder.")
@click.option("--to", type=_LAYOUTS, default="folders", show_default=True, help="Layout: class folders, boxes or masks.")
@click.option("--keep-test", is_flag=True, help="Keep a fifth of the parts apart for testing, the same in every data set.")
@click.option(
    "--with",
    "data",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Also the images of this data set, with which the bundle of --trained was made; its test part stays.",
)
@click.option("--trained", metavar="BUNDLE", help="The bundle that was trained on --with.")
@WHO
@JSON
@click.pass_obj
def dataset(
    obj: Opened,
    *,
    filters: Filters,
    out: Path,
    to: Any,  # noqa: ANN401 - one of the layouts
    keep_test: bool,
    data: Path | None,
    trained: str | None,
    who: str,
    as_json: bool,
) -> int:
    """Write the images of corrected inspections with their labels, for `inspector train` or a labelling program.

    Boxes and masks start from what the bundles found.
    """
    from inspector.archive.exports.dataset import BaseData, write_corrected
    from inspector.recipes.locate import find_bundle

    if (data is None) != (trained is None):
        raise click.UsageError("Give both --with and --trained, or neither.")
    base = None if data is None or trained is None else BaseData(data, find_bundle(trained))
    with obj() as opened:
        written = write_corrected(opened, filters, out, to, who=who, base=base, keep_test=keep_test)
    if as_json:
        say_json(
            {
                "counts": written.counts,
                "images": written.images,
                "left_out": written.left_out,
                "test": written.test,
                "fingerprint": written.fingerprint,
            }
        )
        return 0
    for name, number in sorted(written.counts.items()):
        say(f"{number:>6}  {name}")
    if written.left_out:
        say(f"{written.left_out} NG images have nothing that a label could start from", err=True)
    return 0


@click.command()
@selecting
@_BUNDLE
@_RECIPE
@_INSTEAD
@_CAMERA
@click.option("--cluster", default="", metavar="ADDRESS", help="Of a dask scheduler, like tcp://server:8786; by default here.")
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), required=True, help="Report to write (.html).")
@_NAME
@JSON
@click.pass_obj
def compare(
    obj: Opened,
    *,
    filters: Filters,
    model: str,
    path: Path,
    instead_of: str,
    camera: str,
    cluster: str,
    out: Path,
    who: str,
    as_json: bool,
) -> int:
    """Judge the selection again with a new bundle in the recipe, and report what it does on the parts kept for testing.

    The report is what an approval refers to; the audit trail has its hash.
    """
    from inspector.archive import approval
    from inspector.archive.reports.comparison import LEARNT, comparison_page
    from inspector.recipes.locate import find_bundle
    from inspector.workers.priority import be_nice

    be_nice()
    with obj() as opened:
        candidate = approval.proposed(path, find_bundle(model), instead_of=instead_of, camera=camera)
        found = approval.compare(opened, filters, candidate, who=who, cluster=cluster, notice=say_problem)
        page = comparison_page(opened, found, who=who)
        write_atomically(out, page)
        approval.record_comparison(opened, found, page, who=who)
    if as_json:
        say_json(found.facts())
        return 0
    for title, what in (("Parts kept for testing", found.tested), ("All parts", found.whole)):
        say(f"{title}: {what.inspections} judged again")
        for name, (before, then) in (("misses", what.misses), ("false rejects", what.false_rejects)):
            interval = f"95 %: {then.low:.2%} to {then.high:.2%}"
            say(f"  {name} among {before.of} corrected: {before.count} -> {then.count} ({interval})")
    if not found.kept_apart:
        say(f"inspector: {LEARNT}", err=True)
    say(f"Written to {out}")
    return 0


@click.command()
@_BUNDLE
@_RECIPE
@_INSTEAD
@_CAMERA
@_NAME
@click.option("--without-comparison", is_flag=True, help="Approve a bundle of which no comparison is recorded.")
@JSON
@click.pass_obj
def approve(
    obj: Opened,
    *,
    model: str,
    path: Path,
    instead_of: str,
    camera: str,
    who: str,
    without_comparison: bool,
    as_json: bool,
) -> int:
    """Put a bundle into the recipe as its next revision. The line takes it over at its next start, or at once in the window."""
    from inspector.archive import approval
    from inspector.recipes.locate import find_bundle

    with obj() as opened:
        candidate = approval.proposed(path, find_bundle(model), instead_of=instead_of, camera=camera)
        if not without_comparison and approval.last_comparison(opened, candidate) is None:
            raise ConfigError(
                "No comparison of {bundle} with what the recipe has now is recorded.",
                remedy="Compare it first: inspector archive compare.",
                bundle=model,
            )
        facts = approval.approve(opened, candidate, who=who)
    _say(facts, as_json=as_json)
    return 0


@click.command("step-back")
@_RECIPE
@_NAME
@click.option("--reason", default="", help="Why.")
@JSON
@click.pass_obj
def step_back(obj: Opened, *, path: Path, who: str, reason: str, as_json: bool) -> int:
    """Write the recipe's previous revision again, with the bundle before."""
    from inspector.archive import approval

    with obj() as opened:
        facts = approval.step_back(opened, path, who=who, reason=reason)
    _say(facts, as_json=as_json)
    return 0


def _say(facts: Mapping[str, Any], *, as_json: bool) -> None:
    if as_json:
        say_json(facts)
        return
    say(f"{facts['recipe']}: revision {facts['revision_before']} -> {facts['revision']}")
    for name, digest in facts["bundles"].items():
        say(f"  {name}  {digest[:12]}")


LOOP = (dataset, compare, approve, step_back)
