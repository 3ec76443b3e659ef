"""The child's end of a worker process: its channel to the parent, and what it can do.

Importing this costs nothing: torch is imported by the work itself, after `hello`.
"""

import logging
import math
import os
import queue
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import psutil

from inspector import __version__
from inspector.core.bundle import Bundle
from inspector.core.errors import InspectorError
from inspector.core.protocol import VERSION, LineDecoder, Packet

log = logging.getLogger(__name__)

ORPHAN_GRACE_S = 10.0
LOW_PRIORITY = 10  # niceness of training


class Cancelled(Exception):
    """The parent asked to stop, or is gone."""


class Channel:
    """Messages to and from the parent, on private copies of stdin and stdout.

    File descriptor 1 is pointed at stderr and 0 at nothing, so no library's print gets between the messages and no child of
    this process holds them open.
    """

    def __init__(self, *, serving: bool = False) -> None:
        """`serving`: nothing of the work outlives it, so the process ends at once when the parent cancels or is gone."""
        self._serving = serving
        self._out = os.dup(1)
        self._in = os.dup(0)
        os.dup2(2, 1)
        nothing = os.open(os.devnull, os.O_RDONLY)
        os.dup2(nothing, 0)
        os.close(nothing)
        self._lock = threading.Lock()
        self._finished = False
        self._cancel = threading.Event()
        self._requests: queue.SimpleQueue[Packet | None] = queue.SimpleQueue()
        threading.Thread(target=self._listen, name="parent", daemon=True).start()

    def send(self, kind: str, /, **fields: object) -> None:
        """Send one message. Raises Cancelled if the parent is gone."""
        line = Packet(kind, {key: _plain(value) for key, value in fields.items()}).line()
        with self._lock:
            if self._finished:
                raise RuntimeError(f"{kind} after the last message")
            self._finished = kind in ("done", "failed")
            try:
                while line:
                    line = line[os.write(self._out, line) :]
            except OSError as error:
                self.cancel()
                raise Cancelled from error

    def cancel(self) -> None:
        """Ask the work to stop; also what SIGTERM does."""
        if self._serving:
            os._exit(0)  # an orderly end would take the seconds in which torch is imported, or taken down
        self._cancel.set()
        self._requests.put(None)

    def cancelled(self) -> bool:
        return self._cancel.is_set()

    def requests(self) -> Iterator[Packet]:
        """What the parent asks of a serving worker, until it cancels or is gone."""
        while (packet := self._requests.get()) is not None and not self.cancelled():
            yield packet

    def _listen(self) -> None:
        decoder = LineDecoder()
        try:
            while piece := os.read(self._in, 65536):
                for packet in decoder.feed(piece):
                    if packet.type == "cancel":
                        self.cancel()
                    else:
                        self._requests.put(packet)
        except (OSError, InspectorError):
            log.debug("the parent's messages ended", exc_info=True)
        self.cancel()
        # The parent is gone. Work that does not notice by itself must not go on for hours with nobody to take the result.
        time.sleep(ORPHAN_GRACE_S)
        os._exit(1)


class Report:
    """How work tells its progress and learns that it should stop."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel

    def progress(self, **fields: object) -> None:
        """How far it is: epoch, epochs, step, steps, seconds_left, ... Numbers that are not finite arrive as null."""
        self._channel.send("progress", **fields)

    def metric(self, **fields: object) -> None:
        """Measured numbers of one epoch: loss, accuracy, ..."""
        self._channel.send("metric", **fields)

    def log(self, text: str) -> None:
        """A line for a person."""
        self._channel.send("log", text=text)

    def artifact(self, path: Path) -> None:
        """A file or folder was written."""
        self._channel.send("artifact", path=path)

    def cancelled(self) -> bool:
        """Whether to stop; then raise Cancelled, or return."""
        return self._channel.cancelled()


Work = Callable[[Mapping[str, Any], Channel], Mapping[str, object]]


def run(kind: str, job: Mapping[str, Any]) -> int:
    """Do the work called `kind` and return the exit code. Says hello first and exactly one `done` or `failed` last."""
    channel = Channel(serving=kind in SERVING)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's; it cancels
    signal.signal(signal.SIGTERM, lambda number, frame: channel.cancel())
    if job.get("low_priority"):
        _be_nice()
    try:
        channel.send("hello", v=VERSION, software=__version__, pid=os.getpid())
        return _run(WORK[kind], job, channel)
    except Cancelled:
        log.debug("the parent is gone", exc_info=True)
        return 1


def _run(work: Work, job: Mapping[str, Any], channel: Channel) -> int:
    try:
        result = work(job, channel)
    except Cancelled:
        channel.send("done", status="cancelled")
        return 0
    except InspectorError as error:
        remedy = error.remedy
        channel.send(
            "failed",
            kind=type(error).__name__,
            problem=error.problem.template,
            remedy=remedy.template if remedy else "",
            values=dict(error.problem.values),
            traceback="",
        )
        return 1
    except BaseException as error:  # noqa: BLE001 - process boundary: whatever went wrong is told to the parent
        text = traceback.format_exc()
        log.debug("%s", text)
        detail = (str(error).strip().splitlines() or [""])[0][:300]
        channel.send(
            "failed",
            kind="JobError",
            problem="The work stopped with an internal error ({name}: {detail}).",
            remedy=_remedy(error),
            values={"name": type(error).__name__, "detail": detail},
            traceback=text,
        )
        return 1
    channel.send("done", status="ok", **result)
    return 0


def _remedy(error: BaseException) -> str:
    if isinstance(error, MemoryError) or "memory" in str(error).lower():
        return "Use smaller batches, a smaller input or a smaller network."
    return "Please report it with the details."


def _train(job: Mapping[str, Any], channel: Channel) -> Mapping[str, object]:
    from inspector.core.registry import TRAINER
    from inspector.core.training import train_settings

    bundle: Bundle = TRAINER.load()(train_settings(job["settings"]), Report(channel))
    return {"bundle": bundle.folder}


def _export(job: Mapping[str, Any], channel: Channel) -> Mapping[str, object]:
    source = Bundle.open(Path(job["bundle"]))  # a wrong folder is told before the seconds that torch takes
    from inspector.ml.export import DIFFERENCE, export_bundle

    bundle = export_bundle(source, Path(job["out"]))
    channel.send("artifact", path=bundle.folder)
    return {"bundle": bundle.folder, "difference": bundle.card.training[DIFFERENCE]}


def _infer(job: Mapping[str, Any], channel: Channel) -> Mapping[str, object]:
    from inspector.ml.serve import serve_engine

    return serve_engine(job, channel)


def _explain(job: Mapping[str, Any], channel: Channel) -> Mapping[str, object]:
    from inspector.ml.serve import serve_explain

    return serve_explain(job, channel)


SERVING = ("infer", "explain")
WORK: Mapping[str, Work] = MappingProxyType({"train": _train, "infer": _infer, "explain": _explain, "export": _export})


def _be_nice() -> None:
    """Let the line go first: training shares the processor with a running inspection."""
    try:
        if sys.platform == "win32":
            psutil.Process().nice(psutil.BELOW_NORMAL_PRIORITY_CLASS)
        else:
            process = psutil.Process()
            process.nice(max(process.nice(), LOW_PRIORITY))
    except (psutil.Error, OSError):
        log.debug("the priority stays as it is", exc_info=True)


def _plain(value: object) -> object:
    """JSON values: paths as text, numpy scalars as numbers, numbers that are not finite as null."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if hasattr(value, "item") and getattr(value, "ndim", 0) == 0:
        value = value.item()
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if value is None or isinstance(value, str | int | bool) else str(value)
