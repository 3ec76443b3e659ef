"""Chunks of parts on the workers of a dask cluster, each of which has this program and reaches the archive's folder."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, Final

from inspector.archive.rejudging.chunk import Rejudged, RejudgeRequest, StoredPart, judge_chunk
from inspector.core.errors import ConfigError, InspectorError, JobError

_AHEAD: Final = 2  # chunks of each worker thread: one that it judges, one that waits for it
_CONNECT_S: Final = 10.0
_RETRIES: Final = 2  # of a chunk whose worker died


def judge_on_cluster(address: str, request: RejudgeRequest, chunks: Iterable[Sequence[StoredPart]]) -> Iterator[list[Rejudged]]:
    """Yield what is said of each chunk, in the order in which they are done.

    Raises ConfigError if the cluster is not there, JobError if it fails, and what `judge_chunk` raises.
    """
    try:
        import distributed
    except ModuleNotFoundError as error:
        raise ConfigError(
            "Judging on several computers needs the package distributed.",
            remedy='Install it: uv pip install "inspector[cluster]".',
        ) from error
    dask: Any = distributed  # its functions have no annotations
    try:
        client = dask.Client(address, timeout=_CONNECT_S, set_as_default=False)
    except (OSError, ValueError) as error:
        raise ConfigError(
            "The cluster {address} does not answer: {detail}.",
            remedy="Start it with: dask scheduler, and dask worker, on a network that you trust.",
            address=address,
            detail=str(error) or type(error).__name__,
        ) from error
    with client:
        waiting = iter(chunks)
        threads = sum(client.nthreads().values())
        if not threads:
            raise ConfigError("The cluster {address} has no workers.", remedy="Start one with: dask worker.", address=address)

        def submit(count: int) -> list[Any]:
            return [
                client.submit(judge_chunk, request, chunk, pure=False, retries=_RETRIES) for chunk in islice(waiting, count)
            ]

        running = dask.as_completed(submit(_AHEAD * threads), loop=client.loop)
        for future in running:
            try:
                said = future.result()
            except InspectorError:
                raise
            except Exception as error:  # process boundary: a worker or the scheduler may end in any way
                raise JobError(
                    "The cluster {address} failed: {detail}.",
                    remedy="Start it again; what was judged is kept.",
                    address=address,
                    detail=f"{type(error).__name__} {error}".splitlines()[0],
                ) from error
            yield said
            for more in submit(1):
                running.add(more)
