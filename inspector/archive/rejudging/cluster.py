"""Chunks of parts on the workers of a dask cluster, each of which has this program and reaches the archive's folder."""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, Final

from inspector.archive.rejudging.chunk import Rejudged, RejudgeRequest, StoredPart, judge_chunk
from inspector.core.addresses import hide_secrets
from inspector.core.errors import ConfigError, InspectorError, JobError
from inspector.core.message import Message, message

_AHEAD: Final = 2  # chunks of each worker thread: one that it judges, one that waits for it
_CONNECT_S: Final = 10.0
_LOOK_S: Final = 5.0  # between two looks whether there are workers, while no chunk is done
_RETRIES: Final = 2  # of a chunk whose worker died
_SILENT_S: Final = 10.0  # workers are heard every half second, or every few if there are thousands


def judge_on_cluster(
    address: str, request: RejudgeRequest, chunks: Iterable[Sequence[StoredPart]], notice: Callable[[Message], None]
) -> Iterator[list[Rejudged]]:
    """Yield what is said of each chunk, in the order in which they are done. `notice` is told of workers that are silent.

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
    shown = hide_secrets(address)
    if shown != address:
        raise ConfigError(
            "The address of the cluster {address} may not hold a user, a password or a token.",
            remedy="Give it as tcp://HOST:PORT.",
            address=shown,
        )
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
        silence = _Silence(notice)
        while running:
            for future in _done(dask, client, running, address, silence):
                running.remove(future)
                yield _answer(future, address)
                running += submit(1)


class _Silence:
    """Names workers that are not heard any more, as when their process was suspended or their computer is gone."""

    def __init__(self, notice: Callable[[Message], None]) -> None:
        self._notice = notice
        # By worker: when by the scheduler's clock, and when that was seen here.
        self._heard: dict[str, tuple[float, float]] = {}
        self._named: set[str] = set()
        self._looked = time.monotonic()

    def look(self, client: Any, address: str) -> None:  # noqa: ANN401 - without annotations
        """Look again, if it is time to. Raises JobError."""
        now = time.monotonic()
        if now - self._looked < _LOOK_S:
            return
        self._looked = now
        for worker, facts in _ask(client.scheduler_info, address)["workers"].items():
            heard, since = self._heard.get(worker, (0.0, now))
            if facts["last_seen"] != heard:
                self._heard[worker] = (facts["last_seen"], now)
                self._named.discard(worker)
            elif now - since > _SILENT_S and worker not in self._named:
                self._named.add(worker)
                self._notice(
                    message(
                        "The worker {worker} of the cluster has not been heard for {seconds:.0f} s, and its parts wait. Let it "
                        "go on, or end it: then other workers judge them.",
                        worker=worker,
                        seconds=now - since,
                    )
                )


def _done(dask: Any, client: Any, running: Sequence[Any], address: str, silence: _Silence) -> list[Any]:  # noqa: ANN401
    """Wait for chunks that are done. Raises JobError if there is no worker any more that could do them."""

    def wait() -> list[Any]:
        try:
            with client.as_current():  # which `wait` looks for
                return list(dask.wait(running, timeout=_LOOK_S, return_when="FIRST_COMPLETED").done)
        except TimeoutError:
            return []

    while not (done := _ask(wait, address)):
        silence.look(client, address)
        if not _ask(client.nthreads, address):
            raise JobError(
                "The cluster {address} has no workers any more.",
                remedy="Start one, and judge again; what was judged is kept.",
                address=address,
            )
    silence.look(client, address)
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
