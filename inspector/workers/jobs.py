"""One piece of long work (training, export) in a worker process, for the window and the command line alike."""

import threading
from collections.abc import Callable, Mapping
from typing import Any

from inspector.workers.process import Cause, End, Outcome, WorkerProcess
from inspector.workers.protocol import Packet

__all__ = ["Cause", "End", "Job", "Outcome"]


class Job:
    """A worker process that runs to its end. Made is started.

    `listener` gets `hello`, `progress`, `metric`, `log`, `artifact`, `paused` and `resumed` as they come; `ended` the outcome,
    once, last. Both are called on the job's own thread and must be quick.
    """

    def __init__(
        self,
        kind: str,
        fields: Mapping[str, Any],
        *,
        listener: Callable[[Packet], None] | None = None,
        ended: Callable[[Outcome], None] | None = None,
        low_priority: bool = True,
        grace: float = 5.0,
    ) -> None:
        """Start `inspector worker kind` with these job fields (JSON values). Raises JobError.

        `low_priority`: leave the processor to a running inspection. `grace`: seconds between cancelling, terminating and
        killing.
        """
        self._grace = grace
        self._lock = threading.Lock()
        self._canceller: threading.Thread | None = None
        self._process = WorkerProcess(
            kind,
            {**fields, "low_priority": low_priority},
            on_packet=listener or (lambda packet: None),
            on_end=ended,
        )

    @property
    def outcome(self) -> Outcome | None:
        """How it ended, or None while it runs."""
        return self._process.outcome

    def cancel(self) -> None:
        """Ask it to stop, terminate it after `grace` seconds and kill it after as many again. Returns at once."""
        with self._lock:
            if self._canceller is None and self.outcome is None:
                self._canceller = threading.Thread(
                    target=self._process.stop, kwargs={"grace": self._grace}, name="job-cancel", daemon=True
                )
                self._canceller.start()

    def pause(self) -> None:
        """Ask it to rest until `resume`; it uses no processor then, but keeps its memory. Returns at once."""
        self._process.send(Packet("pause"))

    def resume(self) -> None:
        """Go on after `pause`. Returns at once."""
        self._process.send(Packet("resume"))

    def stop(self) -> None:
        """Ask it to end now and keep the best so far: it is measured and a bundle is written. Returns at once."""
        self._process.send(Packet("stop"))

    def detach(self) -> bool:
        """Let training go on without this process; from now on its run folder tells of it and takes its commands.

        Returns whether it has let go; then there is nothing to close, `ended` is not called and there is no outcome.
        """
        return self._process.detach()

    def wait(self, timeout: float | None = None) -> Outcome | None:
        """Wait for the end; None if it still runs after `timeout` seconds."""
        return self._process.wait(timeout)

    def result(self) -> Mapping[str, Any]:
        """Wait for the end and return what the work says of it, for example {"bundle": folder}.

        Raises the error the work failed with, or JobError if it was cancelled or crashed.
        """
        outcome = self._process.wait()
        assert outcome is not None
        if outcome.end is not End.SUCCEEDED:
            raise outcome.error()
        return outcome.result

    def close(self) -> Outcome:
        """End it, if it still runs, and wait until the process and its threads are gone."""
        outcome = self._process.stop(grace=self._grace)
        with self._lock:
            canceller = self._canceller
        if canceller is not None:
            canceller.join()
        return outcome
