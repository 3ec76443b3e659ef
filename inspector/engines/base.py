"""An engine opens a bundle and turns batches into raw outputs. Three methods, so that a new one is a short file."""

from abc import ABC, abstractmethod
from types import TracebackType
from typing import Self

from inspector.core.bundle import Bundle
from inspector.core.images import Prepared
from inspector.core.registry import ENGINES, find
from inspector.core.types import Floats


class Engine(ABC):
    """Runs one bundle. Used by one thread at a time; opened and closed by the thread that uses it."""

    def __init__(self, bundle: Bundle, *, threads: int = 0) -> None:
        """Open the bundle's graph. `threads`: how many CPU threads to use, 0 for the engine's own choice.

        Raises EngineError if the graph cannot be run here.
        """
        self.bundle = bundle

    @abstractmethod
    def infer(self, batch: Prepared) -> Floats:
        """[N, height, width, channels] of the input spec's dtype -> the graph's output [N, ...] float32.

        Any N from 1 to the card's `max_batch`. Raises EngineError.
        """

    @abstractmethod
    def close(self) -> None:
        """Release memory and processes; may be called twice."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


def open_engine(name: str, bundle: Bundle, *, threads: int = 0) -> Engine:
    """Open `bundle` with the engine called `name`, in a worker process where the registry says so.

    Raises ConfigError (no such engine, package missing) or EngineError.
    """
    entry = find(ENGINES, name, "engine")
    if entry.isolate:
        from inspector.engines.remote import RemoteEngine

        remote: Engine = RemoteEngine(bundle, engine=name, threads=threads)
        return remote
    engine: Engine = entry.load()(bundle, threads=threads)
    return engine
