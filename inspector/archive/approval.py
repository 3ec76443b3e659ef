"""A new bundle for a recipe: compared on the archive, approved by a person, and taken back. Each step is recorded."""

import hashlib
import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from inspector.archive.archive import Archive, record_in
from inspector.archive.contents import event_content
from inspector.archive.exports.dataset import is_test_part
from inspector.archive.filters import Filters
from inspector.archive.rejudging.job import Rejudgement, rejudge
from inspector.archive.store import rejudgements
from inspector.archive.store.query import events
from inspector.archive.store.whatif import Share, WhatIf
from inspector.bundles.bundle import Bundle, Card
from inspector.core.errors import ConfigError, StorageError
from inspector.core.message import Message
from inspector.core.storage.paths import is_shipped
from inspector.core.untrusted import parse_json
from inspector.inspection.program import load_program
from inspector.recipes import adopt
from inspector.recipes.automatic import cards_of
from inspector.recipes.locate import find_bundle

_MOST_EVENTS = 100_000  # of the audit trail that are searched

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Candidate:
    """A bundle that may take the place of another one in a recipe."""

    file: adopt.RecipeFile
    cards: dict[str, Card]
    bundle: Bundle
    wish: adopt.Wish

    @property
    def instead_of(self) -> Bundle:
        """The bundle that it would replace. Raises ConfigError."""
        return Bundle.open(find_bundle(self.wish.replaces, self.file.base))


@dataclass(frozen=True, slots=True)
class Comparison:
    """What a bundle would have said of archived parts.

    `tested`: of those that no training learns from (`dataset.is_test_part`); `whole`: of all, also those it has learnt from.
    `before`: fingerprint of the bundle in the recipe. `kept_apart`: False if the bundle was trained with a data set of the
    archive that does not keep the tested parts apart, so that it may have learnt from them.
    """

    candidate: Candidate
    before: str
    made: Rejudgement
    tested: WhatIf
    kept_apart: bool = True

    @property
    def whole(self) -> WhatIf:
        return self.made.found

    def facts(self) -> dict[str, Any]:
        """Return the figures, for the audit trail and for programs."""
        card = self.candidate.bundle.card
        return {
            **_identity(self.candidate),
            "bundle_before": self.before,
            "data": str(card.dataset.get("fingerprint", "")),
            "trained": card.created.isoformat(),
            "metrics": {name: value for name, value in card.metrics.items() if "/" not in name},
            "rejudgement": self.made.name,
            "without_images": self.made.without_images,
            "failed": self.made.failed,
            "kept_apart": self.kept_apart,
            "tested": figures(self.tested),
            "whole": figures(self.whole),
        }


def figures(found: WhatIf) -> dict[str, Any]:
    """Return counts, and the shares of misses and false rejects before and then."""
    shares: Mapping[str, tuple[Share, Share]] = {"misses": found.misses, "false_rejects": found.false_rejects}
    flips = sum(number for before, row in found.counts.items() for then, number in row.items() if then != before)
    return {
        "inspections": found.inspections,
        "flips": flips,
        **{name: [asdict(before), asdict(then)] for name, (before, then) in shares.items()},
    }


def proposed(path: Path, bundle: Path, *, instead_of: str = "", camera: str = "") -> Candidate:
    """Return a bundle in the place of the recipe's bundle for the same task.

    `instead_of`, `camera`: where the recipe has several. Raises ConfigError.
    """
    file, opened = adopt.open_recipe_file(path), Bundle.open(bundle)
    cards = cards_of(file.recipe, file.base)
    steps = [
        step
        for step in file.recipe.inspect
        if cards[step.bundle].task == opened.card.task
        and step.bundle == (instead_of or step.bundle)
        and step.camera == (camera or step.camera)
    ]
    if len(steps) != 1:
        raise ConfigError(
            "{bundle} could take the place of {count} bundles in the recipe {recipe}, not of one.",
            remedy="Say which: {names}." if steps else "Use it in the recipe on the Train page.",
            bundle=opened.name,
            count=len(steps),
            recipe=file.recipe.name,
            names=", ".join(f"{step.bundle} ({step.camera})" for step in steps),
        )
    step = steps[0].model_copy(update={"bundle": opened.name, "threshold": None})  # the limit was that of the other bundle
    return Candidate(file, cards, opened, adopt.Wish(step, (), steps[0].bundle))


def compare(
    archive: Archive,
    filters: Filters,
    candidate: Candidate,
    *,
    who: str,
    cluster: str = "",
    progress: Callable[[int], None] = lambda _: None,
    notice: Callable[[Message], None] = lambda _: None,
) -> Comparison:
    """Judge the images of a selection by the recipe with the candidate. May be interrupted, and goes on when asked again.

    Raises ConfigError, EngineError and StorageError.
    """
    name = str(candidate.bundle.folder.resolve())
    wish = replace(candidate.wish, step=candidate.wish.step.model_copy(update={"bundle": name}))
    recipe = adopt.adopt(candidate.file.recipe, candidate.cards, wish, candidate.bundle.card)
    made = rejudge(archive, filters, recipe, candidate.file.base, who=who, cluster=cluster, progress=progress, notice=notice)
    tested, _ = rejudgements.flips(archive.database, made.name, parts=is_test_part)
    return Comparison(candidate, candidate.instead_of.fingerprint, made, tested, _kept_apart(archive, candidate))


def _kept_apart(archive: Archive, candidate: Candidate) -> bool:
    """Return whether the data that the bundle was trained with keep the test part, as far as the audit trail knows them."""
    data = str(candidate.bundle.card.dataset.get("fingerprint", ""))
    known = (detail for _, detail in _recorded_of(archive, "dataset") if data and detail.get("fingerprint") == data)
    found = next(known, {"kept_apart": True})
    return bool(found.get("kept_apart", found.get("test")))


def record_comparison(archive: Archive, found: Comparison, page: bytes, *, who: str) -> None:
    """Record a comparison with the hash of its report, which an approval refers to. Raises StorageError."""
    facts = found.facts()
    archive.write(event_content("comparison", who=who, **facts, report=hashlib.sha256(page).hexdigest()))


def last_comparison(archive: Archive, candidate: Candidate) -> Mapping[str, Any] | None:
    """Return the newest recorded comparison of this bundle with what the recipe has now; None if there is none."""
    identity = {**_identity(candidate), "bundle_before": candidate.instead_of.fingerprint}
    for event, detail in _recorded_of(archive, "comparison"):
        if all(detail.get(name) == value for name, value in identity.items()):
            return {**detail, "who": event["who"], "creation_time": event["creation_time"]}
    return None


def _recorded_of(archive: Archive, what: str) -> Iterator[tuple[Mapping[str, Any], Mapping[str, Any]]]:
    """Yield the events of a kind with their details, newest first."""
    for event in events(archive.database, what, limit=_MOST_EVENTS):
        yield event, parse_json(event["detail"])


def approve(archive: Archive, candidate: Candidate, *, who: str, confirmed: bool = False) -> dict[str, Any]:
    """Put the candidate into the recipe as its next revision, and record it; return what is recorded.

    `confirmed`: in spite of its `doubt`. Raises ConfigError and StorageError; the recipe is then as it was.
    """
    _check_name(who)
    file = candidate.file
    if is_shipped(file.path):
        raise ConfigError(
            "The recipe {recipe} belongs to the program and stays as it is.",
            remedy="Save it under a name of your own on the Recipes page, and approve the bundle for that one.",
            recipe=file.recipe.name,
        )
    if Bundle.open(candidate.bundle.folder).fingerprint != candidate.bundle.fingerprint:
        raise ConfigError(
            "Another bundle is in {folder} now than the one that was looked at.",
            remedy="Compare it again.",
            folder=candidate.bundle.folder,
        )
    before = _bundles(file)
    compared = last_comparison(archive, candidate)
    said = {
        **_identity(candidate),
        "bundle_before": candidate.instead_of.fingerprint,
        "data": str(candidate.bundle.card.dataset.get("fingerprint", "")),
        "comparison": "" if compared is None else str(compared.get("report", "")),
    }
    written = adopt.apply(file, candidate.bundle.folder, candidate.cards, candidate.wish, file.path, confirmed=confirmed)
    return _recorded(archive, "approval", file, before, written, who=who, **said)


def step_back(archive: Archive, path: Path, *, who: str, reason: str = "") -> dict[str, Any]:
    """Write the newest revision with other bundles again, as the next one, and record it; return what is recorded.

    Raises ConfigError and StorageError; the recipe is then as it was.
    """
    _check_name(who)
    file = adopt.open_recipe_file(path)
    before = _bundles(file)
    written = adopt.step_back(path, other_bundles=True)
    return _recorded(archive, "step_back", file, before, written, who=who, reason=reason)


def record_recipe(folder: Path, path: Path, *, who: str) -> None:
    """Record in the archive in `folder` what a recipe is now, after a person has changed it; its database is fed later.

    Raises ConfigError and StorageError.
    """
    file = adopt.open_recipe_file(path)
    written = adopt.Written(path, file.recipe, file.stamp)
    record_in(folder, event_content("recipe", who=who, **_content(written)))


def _recorded(
    archive: Archive,
    what: str,
    file: adopt.RecipeFile,
    before: Mapping[str, str],
    written: adopt.Written,
    *,
    who: str,
    **said: object,
) -> dict[str, Any]:
    """Record a change of the recipe; what cannot be recorded is taken back.

    What is recorded stays, also where the database is away: it is fed later.
    """
    try:
        facts = {**_change(file, before, written), **said}
        archive.record(event_content(what, who=who, **facts))
    except BaseException:
        adopt.undo(written)
        raise
    try:
        archive.feeder.feed()
    except StorageError as error:
        log.debug("an event is fed later: %s", error)
    return facts


def _change(file: adopt.RecipeFile, before: Mapping[str, str], written: adopt.Written) -> dict[str, Any]:
    """Return a change of a recipe: what it was, and what it is."""
    was = {"revision_before": file.recipe.revision, "file_hash_before": file.stamp, "bundles_before": dict(before)}
    return {**_content(written), **was}


def _content(written: adopt.Written) -> dict[str, Any]:
    """Return a recipe, with what identifies it in the records of the parts that it judges."""
    program = load_program(written.recipe, written.path.resolve().parent)
    return {
        "recipe": written.recipe.name,
        "recipe_file": str(written.path),
        "revision": written.recipe.revision,
        "file_hash": written.stamp,
        "recipe_hash": program.judged_by.recipe_digest,
        "bundles": dict(program.judged_by.bundles),
    }


def _bundles(file: adopt.RecipeFile) -> dict[str, str]:
    """Return the fingerprints of a recipe's bundles by their names in it."""
    names = dict.fromkeys(step.bundle for step in file.recipe.inspect)
    return {name: Bundle.open(find_bundle(name, file.base)).fingerprint for name in names}


def _identity(candidate: Candidate) -> dict[str, Any]:
    return {
        "bundle": candidate.bundle.fingerprint,
        "bundle_name": candidate.bundle.name,
        "recipe": candidate.file.recipe.name,
    }


def _check_name(who: str) -> None:
    if not who.strip():
        raise ConfigError("An approval needs the name of the person who gives it.")
