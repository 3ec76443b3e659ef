"""The report of a new bundle: what it would have said of archived parts, for the person who approves it."""

from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import islice
from typing import Final

from inspector.archive.approval import Comparison
from inspector.archive.archive import Archive
from inspector.archive.filters import Filters
from inspector.archive.reports.sections import images_of
from inspector.archive.store.query import every, names_of
from inspector.archive.store.rejudgements import reasons
from inspector.archive.store.whatif import Share, WhatIf
from inspector.core.page import LONG, card, embedded, escaped, figures, html_page, notes, table, table_of, verdict_text
from inspector.core.text import utf8
from inspector.runs.measures import measure_of

_MOST: Final = 500  # flips that are listed
_SHOWN: Final = 24  # of them with an image
_UNSEEN: Final = ": no training has learnt from them"
LEARNT: Final = (
    "The new bundle was trained with a data set that keeps no parts for testing: it may have learnt from all of these."
)


def comparison_page(archive: Archive, found: Comparison, *, who: str) -> bytes:
    """Return the page as the bytes of its file. Raises StorageError."""
    candidate = found.candidate
    new, old = candidate.bundle, candidate.wish.replaces
    body = (
        notes([] if found.kept_apart else [LEARNT])
        + card(table(("", "Before", "New"), _identities(found)), heading="Bundles")
        + card(_shares(found.tested), heading=f"Parts kept for testing{_UNSEEN if found.kept_apart else ''}")
        + card(_shares(found.whole), heading="All parts of the selection, also those it has learnt from")
        + card(_verdicts(found.whole), heading="Verdicts")
        + _flips(archive, found)
    )
    when = f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC"
    about = f"Recipe {candidate.file.recipe.name}, {when}{f', {who}' if who else ''}"
    page = html_page(f"{new.name} in place of {old}", body, kicker="Comparison on the archive", about=about)
    return utf8(page).encode()


def _identities(found: Comparison) -> Iterator[tuple[str, str, str]]:
    """Yield what tells the two bundles apart, and what each measured on the test part of its own data."""
    candidate = found.candidate
    before, new = candidate.cards[candidate.wish.replaces], candidate.bundle.card
    yield "Name", before.name, new.name
    yield "Fingerprint", found.before, candidate.bundle.fingerprint
    yield "Trained", f"{before.created:%Y-%m-%d %H:%M} UTC", f"{new.created:%Y-%m-%d %H:%M} UTC"
    yield "Data", str(before.dataset.get("fingerprint", "")), str(new.dataset.get("fingerprint", ""))
    for name in new.metrics:
        measure = measure_of(name)
        if measure is not None and "/" not in name:
            then = before.metrics.get(name)
            yield f"{measure.label}, own test part", "" if then is None else f"{then:.4g}", f"{new.metrics[name]:.4g}"


def _shares(found: WhatIf) -> str:
    rows = [
        (name, before.of, before.count, then.count, _interval(before), _interval(then))
        for name, (before, then) in (
            ("Misses: truly NG, passed as OK", found.misses),
            ("False rejects: truly OK, rejected", found.false_rejects),
        )
    ]
    head = ("Of the corrected parts", "Parts", "Before", "New", "Share before (95 %)", "Share new (95 %)")
    return f"<p>{found.inspections} parts were judged again.</p>" + table(head, rows)


def _interval(share: Share) -> str:
    return "-" if not share.of else f"{share.count / share.of:.2%} ({share.low:.2%} to {share.high:.2%})"


def _verdicts(found: WhatIf) -> str:
    names = list(found.counts)
    rows = [[verdict_text(before), *(str(found.counts[before][then]) for then in names)] for before in names]
    return table_of(("Before, New:", *map(verdict_text, names)), rows)


def _flips(archive: Archive, found: Comparison) -> str:
    """Return the parts whose verdict flips: a table, and images of the first."""
    flips = found.whole.flips[:_MOST]
    if not flips:
        return card("<p>No verdict flips.</p>", heading="Parts whose verdict flips")
    keys = [key for key, _, _ in flips]
    names, why = (
        dict(zip(keys, names_of(archive.database, keys), strict=True)),
        reasons(archive.database, found.made.name, keys),
    )
    rows = {row["id"]: row for row in every(archive.database, Filters(keys=tuple(keys)))}
    listed = [
        [
            escaped(rows[key]["part_id"]),
            verdict_text(before),
            verdict_text(then),
            escaped(rows[key]["human_verdict"] or ""),
            escaped(why.get(key, "")),
            escaped(names[key]),
        ]
        for key, before, then in flips
    ]
    head = ("Part", "Before", "New", "Truly", "Why now", "Record")
    shown = figures(
        (embedded(image.data, "jpeg", alt=image.caption), image.caption)
        for image in images_of(
            archive, [(key, f"{rows[key]['part_id']}: {before} → {then}") for key, before, then in islice(flips, _SHOWN)]
        )
    )
    return card(table_of(head, listed), heading="Parts whose verdict flips", long=len(listed) > LONG) + card(shown, long=True)
