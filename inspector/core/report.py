"""What a training run reports: written by the trainer, shown by the window, printed as HTML."""

from datetime import datetime
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from inspector.core.config import describe_validation
from inspector.core.errors import ConfigError
from inspector.core.types import TaskName


class _Part(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True, allow_inf_nan=True)


class Interval(_Part):
    """A number measured on a sample of parts, with its 95 % confidence interval (equal to the value where none is known)."""

    value: float
    low: float
    high: float


class Sentence(_Part):
    """A `Message` as data, so that the window can translate it."""

    template: str
    values: dict[str, Any] = {}


class Confusion(_Part):
    """counts[i][j]: samples of class labels[i] that were said to be labels[j]. Detection adds a last label "(none)"."""

    labels: tuple[str, ...]
    counts: tuple[tuple[int, ...], ...]


class Curve(_Part):
    """Precision over recall of one class, with the score at each point; `area` is what it is summed up to."""

    name: str
    recall: tuple[float, ...]
    precision: tuple[float, ...]
    scores: tuple[float, ...]
    area: float


class ClassRow(_Part):
    """One class: how many samples (or objects) of it were tested, and its numbers by name."""

    name: str
    support: int
    numbers: dict[str, Interval]


class Worst(_Part):
    """A wrong prediction. `image` and `heat` (Grad-CAM; "" if there is none): files relative to the run folder."""

    sample: str
    truth: str
    said: str
    score: float
    image: str
    heat: str = ""


class Calibration(_Part):
    """Temperature scaling (Guo et al., ICML 2017): expected calibration error before and after, on the test part.

    `bins`: (mean score, share right, samples) of each used bin, after scaling.
    """

    temperature: float
    before: float
    after: float
    bins: tuple[tuple[float, float, int], ...] = ()


class Threshold(_Part):
    """The decision threshold and what it costs on the test part. `refused`: why the data cannot support the wish."""

    score: float
    allowed: float = 0.0
    false_reject: Interval | None = None
    miss: Interval | None = None
    refused: Sentence | None = None


class LearningPoint(_Part):
    """The primary metric on the test part after training on so many samples."""

    samples: int
    result: Interval


class Learning(_Part):
    """What more images would bring: measured points, and the forecast for `more` further samples, if one can be made."""

    points: tuple[LearningPoint, ...]
    more: int = 0
    forecast: Interval | None = None


class TrainReport(_Part):
    """Everything that came of a run, measured on the test part unless said otherwise."""

    v: int = 1
    task: TaskName
    network: str
    name: str
    created: datetime
    seconds: float
    epochs: int
    best_epoch: int
    counts: dict[str, int]
    primary: str
    metrics: dict[str, Interval]
    classes: tuple[ClassRow, ...] = ()
    confusion: Confusion | None = None
    curves: tuple[Curve, ...] = ()
    worst: tuple[Worst, ...] = ()
    calibration: Calibration | None = None
    threshold: Threshold | None = None
    folds: tuple[float, ...] = ()
    learning: Learning | None = None
    problems: tuple[Sentence, ...] = ()


def read_report(path: Path) -> TrainReport:
    """Read a report.json. Raises ConfigError."""
    try:
        return TrainReport.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        raise ConfigError("There is no report {file}.", remedy="Finish the training first.", file=path) from None
    except ValidationError as error:
        raise ConfigError("{file} is not a report ({detail}).", file=path, detail=describe_validation(error)) from error
    except (OSError, ValueError) as error:
        raise ConfigError("{file} cannot be read ({detail}).", file=path, detail=error) from error
