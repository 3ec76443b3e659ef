"""An engine opens a bundle and turns batches into raw outputs. Three methods, so that a new one is a short file."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from types import TracebackType
from typing import Self

from inspector.bundles.bundle import Bundle
from inspector.bundles.status import barred
from inspector.core.errors import BundleError, ConfigError
from inspector.core.images import Prepared
from inspector.core.registry import ENGINES, ISOLATED, find
from inspector.core.types import Floats, Precision


class Engine(ABC):
    """Runs one bundle. Used by one thread at a time; opened and closed by the thread that uses it."""

    def __init__(self, bundle: Bundle, *, precision: Precision = "fp32", threads: int = 0) -> None:
        """Open the bundle's graph. `threads`: how many CPU threads to use, 0 for the engine's own choice.

        Whether the variant may judge parts is not asked here; `open_engine` does. Raises EngineError if the graph cannot be
        run here.
        """
        self.ensure_here(precision)
        self.bundle = bundle
        self.precision = precision

    @classmethod  # noqa: B027 - most run anywhere
    def ensure_here(cls, precision: Precision) -> None:
        """Raise EngineError if this machine cannot compute so."""

    @abstractmethod
    def infer(self, batch: Prepared) -> Floats:
        """[N, height, width, channels] of the input spec's dtype -> the graph's output [N, ...] float32.

        Any N from 1 to the card's `max_batch`. Raises EngineError.
        """

    def side_by_side(self) -> int:
        """Get ready for batches under way at the same time; how many others there may be, 0 where the engine takes one."""
        return 0

    def start(self, batch: Prepared, *, beside: bool = False) -> Callable[[], Floats]:
        """Begin with a batch; what is returned waits for its outputs. Both are as in `infer`, and raise as it does.

        The batch must stay as it is until then. `beside`: it is one of several under way, so how many there are in a second
        counts, and not how soon this one is done; only after `side_by_side`.
        """
        del beside
        outputs = self.infer(batch)
        return lambda: outputs

    def interrupt(self) -> bool:
        """End an `infer` that hangs on another thread, which then raises EngineError. False where nothing can end it."""
        return False

    @abstractmethod
    def close(self) -> None:
        """Release memory and processes; may be called twice."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


def open_engine(name: str, bundle: Bundle, *, precision: Precision = "fp32", threads: int = 0) -> Engine:
    """Open `bundle` with the engine called `name`, in a worker process where the registry says so.

    Every variant but the trained network and its ONNX graph must have agreed with them before (`inspector export`).
    Raises ConfigError (no such engine, package missing) or EngineError.
    """
    entry = find(ENGINES, name, "engine")
    if precision not in entry.precisions:
        raise ConfigError(
            "{engine} does not run bundles in {precision}.",
            remedy="Use one of: {names}.",
            engine=entry.label,
            precision=precision,
            names=", ".join(entry.precisions),
        )
    check_active(bundle, name, precision)
    if entry.isolate:
        remote: Engine = ISOLATED.load()(bundle, engine=name, precision=precision, threads=threads)
        return remote
    engine: Engine = entry.load()(bundle, precision=precision, threads=threads)
    return engine


def check_active(bundle: Bundle, name: str, precision: Precision) -> None:
    """Raise BundleError unless this variant of the bundle may judge parts: the parity gate."""
    problem = barred(bundle, name, precision)
    if problem is not None:
        raise BundleError(
            problem.template,
            remedy="Export it: inspector export --model {folder} --engine {engine} --precision {precision}.",
            **{**problem.values, "folder": bundle.folder, "engine": name, "precision": precision},
        )
