"""The interface of an engine, which opens a bundle and turns batches into raw outputs. A new engine is a short file."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from types import TracebackType
from typing import Self

from inspector.bundles.bundle import Bundle
from inspector.bundles.status import barred
from inspector.core.errors import BundleError
from inspector.core.registry import ISOLATED, engine_for
from inspector.core.types import Floats, Precision
from inspector.imaging.preprocessing import Prepared


class Engine(ABC):
    """Runs one bundle. Opened, used and closed by the same thread."""

    def __init__(self, bundle: Bundle, *, precision: Precision = "fp32", threads: int = 0) -> None:
        """Open the bundle's graph. `threads`: number of CPU threads, 0 for the engine's own choice.

        `open_engine`, not this constructor, checks whether the variant may judge parts. Raises EngineError if the graph cannot
        run on this machine.
        """
        self.ensure_here(precision)
        self.bundle = bundle
        self.precision = precision

    @classmethod  # noqa: B027 - most run anywhere
    def ensure_here(cls, precision: Precision) -> None:
        """Raise EngineError if this machine does not support the precision."""

    @abstractmethod
    def infer(self, batch: Prepared) -> Floats:
        """Run [N, height, width, channels] of the input spec's dtype and return the graph's output [N, ...] float32.

        Any N from 1 to the card's `max_batch`. Raises EngineError.
        """

    def side_by_side(self) -> int:
        """Prepare for concurrent batches and return how many may run in addition to one; 0 if the engine runs one at a time."""
        return 0

    def start(self, batch: Prepared, *, beside: bool = False) -> Callable[[], Floats]:
        """Start a batch and return a function that waits for its outputs. Arguments, result and errors are as in `infer`.

        The batch must not change until then. `beside`: other batches run at the same time, so that throughput counts, not the
        latency of this one; only after `side_by_side`.
        """
        del beside
        outputs = self.infer(batch)
        return lambda: outputs

    def interrupt(self) -> bool:
        """End an `infer` that hangs on another thread, which then raises EngineError; return False if that is impossible."""
        return False

    @abstractmethod
    def close(self) -> None:
        """Release memory and processes; may be called twice."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


def open_engine(name: str, bundle: Bundle, *, precision: Precision = "fp32", threads: int = 0) -> Engine:
    """Open `bundle` with the engine called `name`, in a worker process if the registry requires one.

    Every variant except the trained network and its ONNX graph must have passed the parity gate (`inspector export`). Raises
    ConfigError (no such engine, package missing or damaged) or EngineError.
    """
    entry = engine_for(name, precision)
    check_active(bundle, name, precision)
    if entry.isolate:
        remote: Engine = ISOLATED.load()(bundle, engine=name, precision=precision, threads=threads)
        return remote
    with entry.packages():
        engine: Engine = entry.load()(bundle, precision=precision, threads=threads)
    return engine


def check_active(bundle: Bundle, name: str, precision: Precision) -> None:
    """Raise BundleError unless this variant of the bundle has passed the parity gate and may judge parts."""
    problem = barred(bundle, name, precision)
    if problem is not None:
        raise BundleError(
            problem.template,
            remedy="Export it: inspector export --model {folder} --engine {engine} --precision {precision}.",
            **{**problem.values, "folder": bundle.folder, "engine": name, "precision": precision},
        )
