"""Jobs for worker processes, each one line of JSON on standard input, and the results that they return."""

from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, PositiveFloat, TypeAdapter

from inspector.core.config import Count, FiniteModel
from inspector.core.errors import JobError
from inspector.core.sentence import Sentence
from inspector.core.types import Precision
from inspector.workers.priority import LOW_PRIORITY, LOWEST_PRIORITY
from inspector.workers.protocol import JsonLine, read_line

JsonObject = dict[str, Any]  # a model of a higher-level package, which validates it


class Job(JsonLine):
    """Work for a separate process.

    `kind` is its key in the registry's WORK. `low_priority`: leave the processor to a running inspection. `serving`: nothing of
    the work outlives the process, so it ends at once when it is cancelled or its parent is gone.
    """

    serving: ClassVar[bool] = False
    niceness: ClassVar[int] = LOW_PRIORITY  # with `low_priority`

    kind: str
    low_priority: bool = False

    def model_post_init(self, context: Any) -> None:  # noqa: ANN401 - pydantic's signature
        self.model_fields_set.add("kind")


class TrainJob(Job):
    """Train a network. `settings`: `runs.settings.TrainSettings` as JSON. Result: `Trained`."""

    kind: Literal["train"] = "train"
    settings: JsonObject


class RankJob(Job):
    """Take part in a training as one of several processes, but not the first.

    `environment`: the variables that `torchrun` would set.
    """

    kind: Literal["rank"] = "rank"
    settings: JsonObject
    environment: dict[str, str] = Field(default_factory=dict)


class _ServingJob(Job):
    """Answer requests about frames in `folder`, which is shared with the parent (see `workers.exchange`)."""

    serving: ClassVar[bool] = True

    bundle: Path
    folder: Path
    batch: Count = 1


class InferJob(_ServingJob):
    """Run a bundle with an engine of the registry. `threads`: 0 for the engine's default."""

    kind: Literal["infer"] = "infer"
    engine: str
    precision: Precision = "fp32"
    threads: Count = 0


class ExplainJob(_ServingJob):
    """Explain predictions of a bundle."""

    niceness: ClassVar[int] = LOWEST_PRIORITY

    kind: Literal["explain"] = "explain"


class VariantJob(Job):
    """Make one variant of a bundle, or of a copy of the bundle at `out`.

    Fields are as in `ml.export.variants.Order`; None means the default. Result: `bundles.variants.VariantMade`.
    """

    kind: Literal["variant"] = "variant"
    bundle: Path
    engine: str
    precision: Precision
    out: Path | None = None
    max_drop: float | None = None
    calibration: Path | None = None
    check: bool = False
    threads: Count = 0


class VariantsJob(Job):
    """Try to make several variants of a bundle. Result: `VariantsTried`."""

    kind: Literal["variants"] = "variants"
    bundle: Path
    variants: tuple[tuple[str, Precision], ...]


class GraphJob(Job):
    """Rewrite the ONNX graph from the weights, in the bundle or in a copy of the bundle at `out`. Result: `GraphWritten`."""

    kind: Literal["graph"] = "graph"
    bundle: Path
    out: Path | None = None


class TuneJob(Job):
    """Measure the variants of a recipe's bundles and choose among them.

    Fields are as in `tuning.job.Order`. Result: `tuning.plan.Tuned`. `recipe`: `recipes.recipe.Recipe` as JSON; `base`: the
    folder that its paths are relative to.
    """

    kind: Literal["tune"] = "tune"
    recipe: JsonObject
    base: Path | None = None
    takt_ms: PositiveFloat | None = None
    engines: tuple[str, ...] = ()
    precisions: tuple[Precision, ...] = ()
    threads: tuple[Count, ...] = ()
    batches: tuple[Count, ...] = ()
    budget_s: PositiveFloat | None = None
    export: bool = True


class FeedJob(Job):
    """Feed a database from the journals under `archive` until told to end, and let retention delete now and then.

    `url`: of a database server, "" for the database in that folder. `beside`: a folder in that of the archive; while it is not
    there, nothing is opened, made or deleted, because another disk is in its place. `first_keep_s`: seconds until retention
    runs first; `keep_s`: between two runs. With `low_priority` it is of the lowest once it has caught up, until it ends.
    """

    kind: Literal["feed"] = "feed"
    archive: Path
    url: str = Field("", repr=False)  # with the password
    beside: Path | None = None
    first_keep_s: PositiveFloat
    keep_s: PositiveFloat


_JOB: TypeAdapter[Job] = TypeAdapter(
    Annotated[
        TrainJob | RankJob | InferJob | ExplainJob | VariantJob | VariantsJob | GraphJob | TuneJob | FeedJob,
        Field(discriminator="kind"),
    ]
)


def read_job(line: bytes) -> Job:
    """Parse the job in a line. Raises JobError if the line holds none; nothing of it is in the error, for it may be secret."""
    try:
        return read_line(_JOB, line)
    except JobError:
        raise JobError(
            "The worker does not know the job that it was given.",
            remedy="Start the program again: it may have been updated while it ran.",
        ) from None


# ---- results --------------------


class Trained(FiniteModel):
    """The result of a TrainJob: the path of the bundle."""

    bundle: Path


class GraphWritten(FiniteModel):
    """The result of a GraphJob: the bundle, and the largest difference between the outputs of its graph and of its weights."""

    bundle: Path
    difference: float


class Attempt(FiniteModel):
    """The outcome for one variant. `here`: this machine can run it; `problem`: why there is no variant."""

    engine: str
    precision: Precision
    here: bool = False
    problem: Sentence | None = None


class VariantsTried(FiniteModel):
    """The result of a VariantsJob."""

    bundle: Path
    made: tuple[Attempt, ...]
