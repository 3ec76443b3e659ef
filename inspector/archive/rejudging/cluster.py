"""Chunks of parts on the workers of a dask cluster, each of which has this program and reaches the archive's folder."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, Final

from inspector.archive.rejudging.chunk import Rejudged, RejudgeRequest, StoredPart, judge_chunk
from inspector.core.errors import ConfigError, InspectorError, JobError

_AHEAD: Final = 2  # chunks of each worker thread: one that it judges, one that waits for it
_CONNECT_S: Final = 10.0
_LOOK_S: Final = 5.0  # between two looks whether there are workers, while no chunk is done
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

        running = submit(_AHEAD * threads)
        while running:
            for future in _done(dask, client, running, address):
                running.remove(future)
                yield _answer(future, address)
                running += submit(1)


def _done(dask: Any, client: Any, running: Sequence[Any], address: str) -> list[Any]:  # noqa: ANN401 - without annotations
    """Wait for chunks that are done. Raises JobError if there is no worker any more that could do them."""

    def look() -> list[Any]:
        try:
            with client.as_current():  # which `wait` looks for
                return list(dask.wait(running, timeout=_LOOK_S, return_when="FIRST_COMPLETED").done)
        except TimeoutError:
            return []

    while not (done := _ask(look, address)):
        if not _ask(client.nthreads, address):
            raise JobError(
                "The cluster {address} has no workers any more.",
                remedy="Start one, and judge again; what was judged is kept.",
                address=address,
            )
    found: list[Any] = done
    return found


def _answer(future: Any, address: str) -> list[Rejudged]:  # noqa: ANN401 - without annotations
    said: list[Rejudged] = _ask(future.result, address)
    return said


def _ask(question: Callable[[], Any], address: str) -> Any:  # noqa: ANN401 - whatever it answers
    """Return what the cluster answers. Raises JobError, and what `judge_chunk` raises."""
    try:
        return question()
    except InspectorError:
        raise
    except Exception as error:  # process boundary: a worker or the scheduler may end in any way
        raise JobError(
            "The cluster {address} failed: {detail}.",
            remedy="Start it again; what was judged is kept.",
            address=address,
            detail=f"{type(error).__name__} {error}".splitlines()[0],
        ) from error
