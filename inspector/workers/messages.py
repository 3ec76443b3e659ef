"""Typed messages between a worker process and its parent: one JSON object per line, with the same models at both ends.

The worker sends `Hello`, then `Progress`, `EpochDone`, `Log`, `Artifact`, `Paused` and `Resumed`, or `Ready` and an answer to
each request, or `Condition`s, and finally exactly one `Done` or `Failed`. The parent sends the job (`workers.jobs`), then
`Command`s, or requests to a serving worker. The end of the parent's stream means that it died, unless it sent "detach" before.

Numbers are finite. A number that may be measured as NaN or infinite (a loss that diverged) travels as null and arrives as None.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Protocol, Self, get_args

from pydantic import ConfigDict, Field, TypeAdapter, model_validator

from inspector.core.config import Count, Option
from inspector.core.message import Message
from inspector.core.sentence import Sentence
from inspector.workers.protocol import JsonLine, Number, read_line

VERSION = 1
BEAT_S = 2.0  # seconds between two signs of life
SILENT_S = 120.0  # without one for so long a worker counts as frozen: a library may hold all of its threads for a while
CamMethod = Literal["gradcam", "gradcam++", "layercam", "eigencam"]
BlackBoxMethod = Literal["occlusion", "rise"]  # need no layers and no gradients
ExplainMethod = Literal[CamMethod, BlackBoxMethod]
BLACK_BOX: Final = get_args(BlackBoxMethod)  # they stand in place of a layer's name too
Scalar = Option | None


class Packet(JsonLine):
    """Base of all messages; `type` tells them apart."""

    type: str

    def model_post_init(self, context: Any) -> None:  # noqa: ANN401 - pydantic's signature
        self.model_fields_set.add("type")

    def fields(self) -> Mapping[str, Any]:
        """Return all fields that were set, except `type`, as JSON values."""
        return self.model_dump(mode="json", exclude_unset=True, exclude={"type"})


# ---- from the worker --------------------


class Hello(Packet):
    """The first message. A training sends it again once it has its run folder."""

    type: Literal["hello"] = "hello"
    v: Count = VERSION
    software: str = ""
    pid: Count = 0


class Progress(Packet):
    """Progress of the work: `step` of `steps` in this phase; `what` names the current activity.

    A training adds its position, its mean `loss` so far and the seconds left; trainings before the final training add their
    number.
    """

    type: Literal["progress"] = "progress"
    phase: str
    step: Count = 0
    steps: Count = 0
    what: str = ""
    epoch: Count = 0
    epochs: Count = 0
    loss: Number = None
    eta_s: Number = None
    fold: Count = 0
    folds: Count = 0
    run: Count = 0
    runs: Count = 0


class EpochDone(Packet):
    """The numbers of one epoch. `name` and `value`: the metric that selects the best epoch; `val`: all validation metrics."""

    type: Literal["metric"] = "metric"
    epoch: Count
    epochs: Count = 0
    loss: Number = None
    val_loss: Number = None
    lr: Number = None
    seconds: Number = None
    best: bool = False
    name: str = ""
    value: Number = None
    val: dict[str, Number] = Field(default_factory=dict)


class Log(Packet):
    """A log line for a person."""

    type: Literal["log"] = "log"
    text: str = ""


class Artifact(Packet):
    """A file or folder was written: a "bundle", a "report", or "samples", images with predictions."""

    type: Literal["artifact"] = "artifact"
    path: Path
    what: str = "bundle"


class Paused(Packet):
    """The work is paused."""

    type: Literal["paused"] = "paused"


class Alive(Packet):
    """A sign of life, every `BEAT_S` seconds, of a worker that does a single job. No listener receives it."""

    type: Literal["alive"] = "alive"


class Resumed(Packet):
    """The work continues after a pause."""

    type: Literal["resumed"] = "resumed"


class Suspended(Packet):
    """Something outside has stopped the worker's process (SIGSTOP, a suspended process). The parent's end says this itself."""

    type: Literal["suspended"] = "suspended"
    pid: Count


class Continued(Packet):
    """A suspended worker goes on. The parent's end says this itself."""

    type: Literal["continued"] = "continued"


class Ready(Packet):
    """A serving worker has opened its bundle. `shape`: shape of the output; `layers`: layers that Grad-CAM can explain."""

    type: Literal["ready"] = "ready"
    shape: tuple[Count, ...]
    layers: tuple[str, ...] = ()


class Inferred(Packet):
    """The output holds this number of answers."""

    type: Literal["inferred"] = "inferred"
    count: Count


class Explained(Packet):
    """The output holds the heat map; the fields describe what it explains (see `ml.explain.Answer`)."""

    type: Literal["explained"] = "explained"
    layer: str
    class_index: Count | None = None
    target: Number = None


class Refused(Packet):
    """A request cannot be answered; the worker continues serving."""

    type: Literal["refused"] = "refused"
    problem: Sentence
    remedy: Sentence | None = None


class Condition(Packet):
    """What keeps work that lasts from being done at the moment; `problem` None: nothing. `current`: it is all done."""

    type: Literal["condition"] = "condition"
    problem: Sentence | None = None
    remedy: Sentence | None = None
    current: bool = False


class Done(Packet):
    """The last message of work that succeeded or was cancelled.

    Its extra fields are the result, which depends on the kind of job.
    """

    model_config = ConfigDict(frozen=True, extra="allow", allow_inf_nan=False)

    type: Literal["done"] = "done"
    status: Literal["ok", "cancelled"] = "ok"

    @property
    def result(self) -> Mapping[str, Any]:
        """The result fields, as JSON values."""
        return self.model_extra or {}


class Failed(Packet):
    """The last message of work that failed.

    Fields are as in `outcome.Outcome`. `values` belong to both sentences; `classes` are the keys of the values that are names
    of classes.
    """

    type: Literal["failed"] = "failed"
    kind: str = "JobError"
    cause: str = ""
    problem: str = "The worker failed."
    remedy: str = ""
    values: dict[str, Scalar] = Field(default_factory=dict)
    classes: tuple[str, ...] = ()
    traceback: str = ""
    crashed: bool = False
    signal: str = ""
    exit_code: Annotated[int, Field(ge=-(2**31), le=2**32)] = 0

    @model_validator(mode="after")
    def _can_be_read(self) -> Self:
        for template in (self.problem, self.remedy):
            try:
                Message(template, self.values).text.encode("utf-8", "replace")
            except (KeyError, IndexError, TypeError, AttributeError) as error:
                raise ValueError(f"{template!r} cannot be filled in ({error!r})") from error
        return self


WorkerMessage = (
    Hello
    | Alive
    | Progress
    | EpochDone
    | Log
    | Artifact
    | Paused
    | Resumed
    | Suspended
    | Continued
    | Ready
    | Inferred
    | Explained
    | Refused
    | Condition
    | Done
    | Failed
)

# ---- from the parent --------------------


Wish = Literal["cancel", "pause", "resume", "stop"]  # "stop": end now and keep the best so far


class Command(Packet):
    """A control command for the work. "detach": continue without the parent."""

    type: Wish | Literal["detach"]


class InferRequest(Packet):
    """The input holds this number of frames."""

    type: Literal["infer"] = "infer"
    count: Count


class ExplainRequest(Packet):
    """Explain the bundle's answer for the frame in the input.

    `layer`: None for the network's default. `class_index`: None for the predicted class. `box`: (left, top, right, bottom) in
    input pixels, detection only; explain this box rather than all of its class. `output`: thermal only; 0, 1, 2 for maximum,
    mean, minimum. `method`: None for LayerCAM with detectors, whose targets are small, and Grad-CAM otherwise; occlusion of a
    network without layers.
    """

    type: Literal["explain"] = "explain"
    layer: str | None = None
    class_index: Count | None = None
    box: tuple[float, float, float, float] | None = None
    output: Count | None = None
    method: ExplainMethod | None = None


Request = InferRequest | ExplainRequest
ParentMessage = Command | InferRequest | ExplainRequest

# ---- reading --------------------

_FROM_WORKER: TypeAdapter[WorkerMessage] = TypeAdapter(Annotated[WorkerMessage, Field(discriminator="type")])
_FROM_PARENT: TypeAdapter[ParentMessage] = TypeAdapter(Annotated[ParentMessage, Field(discriminator="type")])


def worker_message(line: bytes) -> WorkerMessage:
    """Parse a line from a worker. Raises JobError for anything but one whole message."""
    return read_line(_FROM_WORKER, line)


def parent_message(line: bytes) -> ParentMessage:
    """Parse a line from the parent. Raises JobError for anything but one whole message."""
    return read_line(_FROM_PARENT, line)


class Report(Protocol):
    """The interface by which work reports progress and learns that it should stop."""

    def progress(self, message: Progress) -> None:
        """Report progress (see `Progress`)."""

    def metric(self, message: EpochDone) -> None:
        """Report the numbers of an epoch (see `EpochDone`)."""

    def log(self, text: str) -> None:
        """Report a log line for a person."""

    def artifact(self, path: Path, *, what: str = "bundle") -> None:
        """Report that a file or folder was written (see `Artifact`)."""

    def cancelled(self) -> bool:
        """Return whether the work is cancelled; it should then raise Cancelled or return."""
        ...

    def stopping(self) -> bool:
        """Return whether to end now as if the last epoch were over; the best epoch is measured and kept."""
        ...

    def stopped(self) -> None:
        """Acknowledge that the phase asked to end has ended; the work continues until it is asked again."""

    def pause_point(self) -> float:
        """Block while the work is paused, and return the seconds spent waiting. Raises Cancelled if the work is cancelled."""
        ...


class Lasting(Protocol):
    """The interface of work that lasts until it is told to end."""

    def send(self, message: WorkerMessage) -> None:
        """Send one message."""

    def cancelled(self) -> bool:
        """Return whether to end."""
        ...

    def wait(self, seconds: float) -> None:
        """Wait, but no longer than until it is told to end."""
