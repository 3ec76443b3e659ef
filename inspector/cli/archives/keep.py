"""`inspector archive evidence | backup | restore | import | hold | release | retention | events | take-back`."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from inspector.archive.archive import Archive
from inspector.cli.archives.selecting import LISTED
from inspector.cli.support.lines import say, say_json
from inspector.core.errors import ConfigError

JSON = click.option("--json", "as_json", is_flag=True, help="JSON on stdout, and nothing else.")
WHO = click.option("--who", default="", help="Your name, for the audit trail.")

Opened = Callable[..., Any]


@click.command()
@click.argument("inspections", nargs=-1)
@click.option("--lot", default="", help="All inspections of a lot.")
@click.option("--out", type=click.Path(path_type=Path), required=True, help="A new folder.")
@WHO
@click.pass_obj
def evidence(obj: Opened, *, inspections: tuple[str, ...], lot: str, out: Path, who: str) -> int:
    """Write an evidence pack (BagIt): images, records, recipe and proof, readable without this program.

    INSPECTIONS are result ids, or ids of parts.
    """
    from inspector.archive.exports.evidence import MISSING, write_evidence
    from inspector.archive.filters import Filters
    from inspector.archive.store.query import every

    if bool(inspections) == bool(lot):
        raise click.UsageError("Give either inspections or --lot.")
    with obj() as opened:
        if lot:
            keys = [row["id"] for row in every(opened.database, Filters(lot=lot))]
        else:
            keys = [key for name in inspections for key in keys_of(opened, name)]
        keys = list(dict.fromkeys(keys))
        folder = write_evidence(opened, keys, out, who=who)
    say(f"{len(keys)} inspections written to {folder}")
    missing = sorted(folder.rglob(f"*{MISSING}"))
    for path in missing:
        say(f"inspector: {path.read_text('utf-8').splitlines()[0]}", err=True)
    return 1 if missing else 0


@click.command()
@click.argument("target", type=click.Path(path_type=Path, file_okay=False))
@WHO
@JSON
@click.pass_obj
def backup(obj: Opened, *, target: Path, who: str, as_json: bool) -> int:
    """Copy the archive to the folder TARGET, also while a line runs. A later copy adds what is new."""
    from inspector.archive.exports.transfer import back_up

    with obj() as opened:
        copied = back_up(opened, target, who=who)
    return _say_copied(copied, as_json)


@click.command()
@click.argument("source", type=click.Path(path_type=Path, file_okay=False))
@JSON
@click.pass_context
def restore(context: click.Context, *, source: Path, as_json: bool) -> int:
    """Copy a back-up from the folder SOURCE to where there is no archive."""
    from inspector.archive.exports.transfer import restore as copy_back
    from inspector.archive.recording.journal import archive_folder

    return _say_copied(copy_back(source, context.meta["folder"] or archive_folder()), as_json)


@click.command("import")
@click.argument("source", type=click.Path(path_type=Path, file_okay=False))
@WHO
@click.pass_obj
def import_(obj: Opened, *, source: Path, who: str) -> int:
    """Take over the inspections of another station's archive in the folder SOURCE, each once."""
    from inspector.archive.exports.transfer import import_archive

    with obj(must_exist=False) as opened:
        count, left_out = import_archive(opened, source, who=who)
    say(f"{count} records")
    for journal in left_out:
        say(f"inspector: Nothing of the journal {journal}: records between those here and those there were deleted.", err=True)
    return 1 if left_out else 0


@click.command()
@click.argument("lot")
@click.option("--who", required=True, help="Your name.")
@click.option("--reason", required=True, help="Why nothing of the lot may be deleted.")
@click.pass_obj
def hold(obj: Opened, *, lot: str, who: str, reason: str) -> int:
    """Delete nothing of a lot until it is released."""
    from inspector.archive.store import retention as job

    with obj() as opened:
        job.hold(opened, lot, who=who, reason=reason)
    return 0


@click.command()
@click.argument("lot")
@click.option("--who", required=True, help="Your name.")
@click.pass_obj
def release(obj: Opened, *, lot: str, who: str) -> int:
    """End the hold of a lot."""
    from inspector.archive.store import retention as job

    with obj() as opened:
        job.release(opened, lot, who=who)
    return 0


@click.command()
@click.option("--record-days", type=click.IntRange(0), help="Of records; 0: for ever.")
@click.option("--ng-image-days", type=click.IntRange(0), help="Of images of NG and REVIEW parts.")
@click.option("--ok-image-days", type=click.IntRange(0), help="Of images of other parts.")
@click.option("--image-bytes", type=click.IntRange(0), help="Most bytes of images; 0: no limit.")
@click.option("--free-bytes", type=click.IntRange(0), help="Free space below which images go before their time.")
@click.option("--run", "runs", is_flag=True, help="Delete now what is over its time; a running line does so every hour.")
@click.option("--clock-is-right", is_flag=True, help="With --run: also where it last ran long ago.")
@WHO
@JSON
@click.pass_obj
def retention(obj: Opened, /, *, runs: bool, clock_is_right: bool, who: str, as_json: bool, **changes: int | None) -> int:
    """Show or change for how long what is kept, or run the job that deletes."""
    from dataclasses import asdict

    from pydantic import ValidationError

    from inspector.archive.store import retention as job
    from inspector.archive.store.query import shown_time
    from inspector.core.config import describe_validation

    with obj() as opened:
        policy = job.load_policy(opened.folder)
        given = {name: value for name, value in changes.items() if value is not None}
        if given:
            try:
                policy = job.RetentionPolicy.model_validate({**policy.model_dump(), **given})
            except ValidationError as error:
                raise click.BadParameter(describe_validation(error)) from error
            job.save_policy(opened, policy, who=who)
        by, sure = who or "retention", clock_is_right
        deleted = job.run_retention(opened, policy, who=by, clock_is_right=sure) if runs else None
        last, held = job.last_success(opened), job.holds(opened)
    when = None if last is None else shown_time(last)
    if as_json:
        facts = {"policy": policy.model_dump(), "last_success": when, "holds": held}
        say_json({**facts, "deleted": None if deleted is None else asdict(deleted)})
        return 0
    for name, value in policy.model_dump().items():
        say(f"{name:<16} {value}")
    for lot in held:
        say(f"lot {lot['lot']} is on hold: {lot['reason']} ({lot['who']})")
    if deleted is not None:
        say(f"deleted: {deleted.images} images of {deleted.image_bytes} bytes, {deleted.records} records")
    say(f"last success: {when or 'never'}")
    return 0


@click.command()
@click.option("--limit", type=LISTED, default=100, show_default=True, help="Most events that are listed.")
@JSON
@click.pass_obj
def events(obj: Opened, *, limit: int, as_json: bool) -> int:
    """Show the audit trail: who did what, and when."""
    from inspector.archive.store.query import events as found
    from inspector.archive.store.query import shown_time
    from inspector.core.untrusted import parse_json

    with obj() as opened:
        rows = found(opened.database, limit=limit)
    for row in rows:
        when = shown_time(row["creation_time"])
        if as_json:
            say_json({"time": when, "what": row["what"], "who": row["who"], **parse_json(row["detail"])})
        else:
            say(f"{when[:19]} {row['what']:<16} {row['who']:<16} {row['detail']}")
    return 0


@click.command("take-back")
@click.argument("revision")
@click.pass_obj
def take_back(obj: Opened, *, revision: str) -> int:
    """Lead the tables back to an earlier REVISION, before an earlier version of this program is used again.

    Records, corrections and counts stay. The next command of this version leads them to the newest again.
    """
    from inspector.archive.store import database

    with obj() as opened:
        database.take_back(opened.database, revision)
    return 0


def keys_of(opened: Archive, name: str) -> list[int]:
    """Return the inspections with this result id, or of this part, oldest first. Raises ConfigError if there are none."""
    from inspector.archive.store.query import key_of_name, keys_of_part

    keys = keys_of_part(opened.database, name)
    if keys:
        return keys
    try:
        return [key_of_name(opened.database, name)]
    except ConfigError:
        raise ConfigError("There is no inspection {name} in the archive.", name=name) from None


def _say_copied(copied: Any, as_json: bool) -> int:  # noqa: ANN401 - of a module that is imported later
    proof = copied.proof
    problems = [problem.text for problem in proof.problems]
    if as_json:
        say_json({"images": copied.images, "records": proof.records, "problems": problems})
    else:
        for problem in problems:
            say(problem)
        say(f"{proof.records} records, {copied.images} new images: {'sound' if proof.sound else 'not sound'}")
    return 0 if proof.sound else 1


KEEPING = (evidence, backup, restore, import_, hold, release, retention, events, take_back)
