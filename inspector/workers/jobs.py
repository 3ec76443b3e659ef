"""What a worker process is told to do: one line of JSON on its standard input. And what it says of its result."""

from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, PositiveFloat, TypeAdapter

from inspector.core.config import Count, FiniteModel
from inspector.core.sentence import Sentence
from inspector.core.types import Precision
from inspector.workers.protocol import JsonLine, read_line

JsonObject = dict[str, Any]  # a model of a package above this one, which validates it


class Job(JsonLine):
    """A piece of work for a process of its own. `kind` is its key in the registry's WORK.

    `low_priority`: leave the processor to a running inspection. `serving`: nothing of the work outlives the process, so it
    ends at once when it is cancelled or its parent is gone.
    """

    serving: ClassVar[bool] = False

    kind: str
    low_priority: bool = False

    def model_post_init(self, context: Any) -> None:  # noqa: ANN401 - pydantic's signature
        self.model_fields_set.add("kind")


class TrainJob(Job):
    """Train a network. `settings`: `runs.settings.TrainSettings` as JSON. Result: `Trained`."""

    kind: Literal["train"] = "train"
    settings: JsonObject


class RankJob(Job):
    """Train along as one of several processes, not the first. `environment`: what `torchrun` would set."""

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
    """Run a bundle with an engine of the registry. `threads`: 0 for the engine's own choice."""

    kind: Literal["infer"] = "infer"
    engine: str
    precision: Precision = "fp32"
    threads: Count = 0


class ExplainJob(_ServingJob):
    """Explain predictions of a bundle."""

    kind: Literal["explain"] = "explain"


class VariantJob(Job):
    """Make one variant of a bundle, or of a copy of it at `out`. Fields as in `ml.export.variants.Order`, None: its default.

    Result: `bundles.variants.VariantMade`.
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
    """Try to make these variants of a bundle. Result: `VariantsTried`."""

    kind: Literal["variants"] = "variants"
    bundle: Path
    variants: tuple[tuple[str, Precision], ...]


class GraphJob(Job):
    """Write the ONNX graph anew from the weights, into the bundle or into a copy of it at `out`. Result: `GraphWritten`."""

    kind: Literal["graph"] = "graph"
    bundle: Path
    out: Path | None = None


class TuneJob(Job):
    """Measure the variants of a recipe's bundles and choose. Fields as in `tuning.job.Order`. Result: `tuning.plan.Tuned`.

    `recipe`: `recipes.recipe.Recipe` as JSON; `base`: the folder that its paths are relative to.
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


_JOB: TypeAdapter[Job] = TypeAdapter(
    Annotated[
        TrainJob | RankJob | InferJob | ExplainJob | VariantJob | VariantsJob | GraphJob | TuneJob,
        Field(discriminator="kind"),
    ]
)


def read_job(line: bytes) -> Job:
    """Return the job that a line asks for. Raises JobError if it is none."""
    return read_line(_JOB, line)


# ---- results --------------------


class Trained(FiniteModel):
    """Of a TrainJob: where the bundle is."""

    bundle: Path


class GraphWritten(FiniteModel):
    """Of a GraphJob: the bundle, and the largest difference between its graph and its weights."""

    bundle: Path
    difference: float


class Attempt(FiniteModel):
    """What became of one variant. `here`: this machine can compute so; `problem`: why there is none."""

    engine: str
    precision: Precision
    here: bool = False
    problem: Sentence | None = None


class VariantsTried(FiniteModel):
    """Of a VariantsJob."""

    bundle: Path
    made: tuple[Attempt, ...]
