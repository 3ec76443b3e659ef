"""`inspector archive`: what the station remembers."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

import click

from inspector.archive.archive import Archive, opened_archive
from inspector.archive.filters import Filters
from inspector.archive.server import server_url
from inspector.cli.archives.again import rejudge, what_if
from inspector.cli.archives.improve import LOOP
from inspector.cli.archives.keep import JSON, KEEPING, Opened, keys_of
from inspector.cli.archives.selecting import LISTED, selecting, span_of
from inspector.cli.support.lines import say, say_json
from inspector.core.config import write_atomically
from inspector.core.spreadsheet import table_text
from inspector.core.text import utf8


@click.group()
@click.option("--folder", type=click.Path(path_type=Path, file_okay=False), help="Of the archive; by default this user's.")
@click.option(
    "--url", default=None, help='Of a database server that the archive is fed to; "" for none.  [default: that of the settings]'
)
@click.pass_context
def archive(context: click.Context, folder: Path | None, url: str | None) -> None:
    """Find, prove, correct and keep what was inspected."""
    if url is None:
        url = server_url() if folder is None else ""  # the server of the settings has this user's archive
    context.obj = lambda must_exist=True: opened_archive(folder, url=url, must_exist=must_exist)
    context.meta["folder"] = folder


@archive.command()
@selecting
@click.option(
    "--order",
    type=click.Choice(["newest", "oldest", "margin"]),
    default="newest",
    show_default=True,
    help="What is listed first; margin: what was nearest to a limit.",
)
@click.option("--limit", type=LISTED, default=50, show_default=True, help="Most inspections that are listed.")
@click.option("--counts", multiple=True, metavar="NAME", help="Count by verdict, rule, lot, ... instead; may be repeated.")
@JSON
@click.pass_obj
def query(
    obj: Opened,
    *,
    filters: Filters,
    order: Literal["newest", "oldest", "margin"],
    limit: int,
    counts: tuple[str, ...],
    as_json: bool,
) -> int:
    """List inspections, one a line, or count them."""
    from inspector.archive.reports.figures import facts_of
    from inspector.archive.store.query import count, facet, journal_names, page

    with obj() as opened:
        if counts:
            found = {name: facet(opened.database, filters, name) for name in counts}
            for name, values in found.items() if not as_json else ():
                for value, number in values.items():
                    say(f"{name:<16} {value or '-':<30} {number}")
            if as_json:
                say_json({"inspections": count(opened.database, filters), "counts": found})
            return 0
        names = journal_names(opened.database)
        for row in page(opened.database, filters, order=order, limit=limit).rows:
            facts = facts_of(row, names)
            if as_json:
                say_json(facts)
            else:
                say(_line(facts))
    return 0


@archive.command()
@click.argument("inspection")
@JSON
@click.pass_obj
def show(obj: Opened, *, inspection: str, as_json: bool) -> int:
    """Show one inspection: INSPECTION is its result id, or the id of its part (then the newest)."""
    from inspector.archive.store.query import result_of

    with obj() as opened:
        found = result_of(opened.database, keys_of(opened, inspection)[-1])
        if as_json:
            say_json({name: value for name, value in found.items() if name != "id"})
            return 0
        record = found["record"]
        say(f"part {found['part_id']}, {record.get('creation_time')}: {found['verdict']}  {found['reason']}")
        for judgement in record.get("judgements", ()):
            value = "-" if judgement["value"] is None else f"{judgement['value']:.4g}"
            limit = f"{'>' if judgement['when'] == 'above' else '<'} {judgement['limit']:g}"
            what = f"{judgement['quantity']} of {judgement['class']}"
            say(f"  {what} {value}; NG if {limit}: {judgement['verdict']}")
        for image in found["image_files"]:
            gone = " (deleted)" if image["deleted"] else ""
            say(f"  image {opened.folder / image['path']}{gone}")
        for said in found["corrections"]:
            undone = " (taken back)" if said["undone"] else ""
            say(f"  {said['who']} said {said['verdict']} {said['class_name']} {said['reason']} {said['note']}{undone}")
    return 0


@archive.command()
@selecting
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="File to write; default: standard output.")
@click.pass_obj
def export(obj: Opened, *, filters: Filters, out: Path | None) -> int:
    """Write inspections as a table (CSV), for example the hold list of a suspect lot."""
    from inspector.archive.reports.figures import table_rows

    with obj() as opened:
        text = table_text(table_rows(opened, filters))
    if out is None:
        click.echo(utf8(text), nl=False)
    else:
        write_atomically(out, utf8(text).encode("utf-8-sig"))  # the mark tells Excel that this is UTF-8
        say(f"Written to {out}")
    return 0


@archive.command()
@selecting
@click.option("--day", type=click.DateTime(["%Y-%m-%d"]), help="A day of this computer's calendar.")
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="File to write: .html, .pdf (A4) or .csv.")
@JSON
@click.pass_obj
def report(obj: Opened, *, filters: Filters, day: datetime | None, out: Path | None, as_json: bool) -> int:
    """Report a shift, a lot or a day: counts, yield with its interval, reasons, corrections, stops, images."""
    from inspector.archive.reports.figures import report_of

    write = None if out is None else _writer(out)
    if day is not None:
        since, until = span_of(day)
        filters = replace(filters, since=since, until=until)
    with obj() as opened:
        found = report_of(opened, filters)
        if out is not None and write is not None:
            write_atomically(out, write(opened, found))
    if as_json:
        say_json(asdict(found))
        return 0
    say(f"{found.parts} parts: " + ", ".join(f"{count} {verdict}" for verdict, count in found.verdicts.items()))
    if found.yield_ is not None:
        share, low, high = found.yield_
        say(f"yield {share:.2%}, 95 % interval {low:.2%} to {high:.2%}")
    for reason, count in found.reasons.items():
        say(f"{count:>8}  {reason}")
    return 0


@archive.command()
@click.option("--images", is_flag=True, help="Check every image file as well.")
@click.option("--key", default="", metavar="HEX", help="Public key of the station, from a trusted place.")
@JSON
@click.pass_obj
def verify(obj: Opened, *, images: bool, key: str, as_json: bool) -> int:
    """Prove that no record was changed, removed or inserted. Exit code 1 if one was."""
    from inspector.archive.store.query import gaps
    from inspector.archive.store.verify import verify as prove

    if key and (len(key) != 64 or not all(letter in "0123456789abcdef" for letter in key.lower())):
        raise click.BadParameter("the public key is 64 hexadecimal digits")
    with obj() as opened:
        proof, missing = prove(opened.database, opened.folder, trusted=key.lower(), images=images), gaps(opened.database)
    if as_json:
        facts = {"journals": proof.journals, "records": proof.records, "seals": proof.seals, "images": proof.images}
        problems = [problem.text for problem in proof.problems]
        say_json({**facts, "unsealed": proof.unsealed, "problems": problems, "gaps": [dict(gap) for gap in missing]})
    else:
        for problem in proof.problems:
            say(str(problem))
        for gap in missing:
            what = "damaged" if gap["damaged"] else "lost before they could be written"
            say(f"Journal {gap['name']}: records {gap['first']} to {gap['last']} are {what}.")
        checked = f"{proof.records} records, {proof.seals} seals, {proof.images} images"
        say(f"{checked}: {'sound' if proof.sound else f'{len(proof.problems)} problems'}")
    return 0 if proof.sound else 1


@archive.command()
@click.argument("inspections", nargs=-1, required=True)
@click.option("--who", required=True, help="Your name.")
@click.option("--verdict", type=click.Choice(["OK", "NG"]), help="What the parts truly are.")
@click.option("--class", "class_name", default="", help="The true class.")
@click.option("--reason", default="", help="In one word.")
@click.option("--note", default="", help="Anything else.")
@click.option("--undo", is_flag=True, help="Take the newest correction back.")
@click.pass_obj
def correct(
    obj: Opened,
    *,
    inspections: tuple[str, ...],
    who: str,
    verdict: str | None,
    class_name: str,
    reason: str,
    note: str,
    undo: bool,
) -> int:
    """Say what inspected parts truly are. The machine's verdict stays beside it."""
    from inspector.archive import corrections

    if undo == (verdict is not None):
        raise click.UsageError("Give either --verdict or --undo.")
    with obj() as opened:
        keys = [keys_of(opened, name)[-1] for name in inspections]
        if undo:
            for key in keys:
                corrections.undo(opened, key, who=who)
        else:
            correction = {"class_name": class_name, "reason": reason, "note": note}
            corrections.correct(opened, keys, who=who, verdict=verdict or "", **correction)
    say(f"{len(keys)} inspections")
    return 0


def _writer(out: Path) -> Callable[[Archive, Any], bytes]:
    """Return what makes a report of the kind that the file's name says."""
    from inspector.archive.reports.page import report_html
    from inspector.archive.reports.paper import report_pdf
    from inspector.archive.reports.sections import report_images
    from inspector.archive.reports.table import report_rows

    kinds: dict[str, Callable[[Archive, Any], bytes]] = {
        ".html": lambda archive, found: utf8(report_html(found, report_images(archive, found))).encode(),
        ".pdf": lambda archive, found: report_pdf(found, report_images(archive, found)),
        ".csv": lambda _, found: utf8(table_text(report_rows(found))).encode("utf-8-sig"),
    }
    if out.suffix.lower() not in kinds:
        raise click.BadParameter(f"the name of a report ends with {', '.join(kinds)}")
    return kinds[out.suffix.lower()]


def _line(facts: Mapping[str, Any]) -> str:
    truly = f" (truly {facts['human_verdict']})" if facts["human_verdict"] else ""
    told = f" (told {facts['told']})" if facts["told"] else ""
    verdict = f"{facts['verdict']:<13}{told}{truly}"
    return f"{facts['creation_time'][:19]} {verdict} {facts['part_id']}  {facts['reason']}  {facts['result_id']}"


for _command in (*KEEPING, what_if, rejudge, *LOOP):
    archive.add_command(_command)
