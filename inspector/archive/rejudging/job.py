"""Judge a selection of the archive again with another recipe or bundle, and say what flips. May be ended and gone on with."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import chain
from pathlib import Path

from inspector.archive.archive import Archive
from inspector.archive.contents import document_content, event_content
from inspector.archive.filters import Filters
from inspector.archive.rejudging.chunk import Rejudged, Rejudger, RejudgeRequest, StoredPart
from inspector.archive.rejudging.cluster import judge_on_cluster
from inspector.archive.store import rejudgements
from inspector.archive.store.query import count
from inspector.archive.store.whatif import WhatIf
from inspector.core.message import Message
from inspector.inspection.program import load_program
from inspector.recipes.recipe import Recipe


@dataclass(frozen=True, slots=True)
class Rejudgement:
    """What another recipe says of a selection. `judged`: parts that were judged now, the others were judged before.

    `without_images`: parts of the selection whose images were not kept. `failed`: parts whose images could not be judged.
    """

    name: str
    judged: int
    without_images: int
    failed: int
    found: WhatIf


def rejudge(
    archive: Archive,
    filters: Filters,
    recipe: Recipe,
    base: Path | None = None,
    *,
    who: str = "",
    cluster: str = "",
    progress: Callable[[int], None] = lambda _: None,
    notice: Callable[[Message], None] = lambda _: None,
) -> Rejudgement:
    """Judge the images of a selection again; what was judged before by the same question is not judged again.

    `base`: the folder that the recipe's bundles are searched from. `cluster`: address of a dask scheduler, "" to judge here.
    `progress` is told how many parts were judged, `notice` what keeps the cluster from it. Raises ConfigError, EngineError and
    StorageError.
    """
    program = load_program(recipe, base)
    digest, bundles = program.judged_by.recipe_digest, sorted(set(program.judged_by.bundles.values()))
    name = rejudgements.begin(archive.database, filters, recipe=digest, bundles=bundles, who=who)
    request = RejudgeRequest(archive.folder.resolve(), recipe.without_secrets().model_dump_json(), base, tuple(bundles))
    chunks = rejudgements.pending(archive.database, name, filters)
    judged = 0
    for said in judge_on_cluster(cluster, request, chunks, notice) if cluster else _judge_here(request, chunks):
        rejudgements.store(archive.database, name, said)
        judged += len(said)
        progress(judged)
    rejudgements.end(archive.database, name)
    found, failed = rejudgements.flips(archive.database, name)
    if judged:
        flipped = sum(number for before, row in found.counts.items() for then, number in row.items() if then != before)
        facts = {"rejudgement": name, "recipe": digest, "bundles": bundles, "selection": filters.described()}
        shares = {"misses": asdict(found.misses[1]), "false_rejects": asdict(found.false_rejects[1])}
        event = event_content("rejudgement", who=who, **facts, judged=judged, flips=flipped, failed=failed, **shares)
        archive.write(document_content(digest, program.judged_by.documents[digest]), event)
    without = count(archive.database, filters) - found.inspections - failed
    return Rejudgement(name, judged, max(0, without), failed, found)


def _judge_here(request: RejudgeRequest, chunks: Iterator[Sequence[StoredPart]]) -> Iterator[list[Rejudged]]:
    first = next(chunks, None)
    if first is None:
        return
    with Rejudger(request) as rejudger:
        yield from rejudger.judge_all(chain([first], chunks))
