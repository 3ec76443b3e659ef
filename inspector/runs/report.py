"""The report of a training run: written by the trainer, shown by the window, printed as HTML."""

from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from inspector.core.config import describe_validation
from inspector.core.errors import ConfigError
from inspector.core.sentence import Sentence
from inspector.core.types import TaskName

NOTHING_LEARNT = "learnt_nothing"  # true in the card's training and in `done` if the bundle is no better than chance


class _Part(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True, allow_inf_nan=True)


class Interval(_Part):
    """A number measured on a sample of parts, with its 95 % confidence interval (equal to the value if unknown)."""

    value: float
    low: float
    high: float


class Confusion(_Part):
    """counts[i][j]: samples of class labels[i] that were predicted as labels[j].

    `unit` is the unit counted: frames, objects or pixels. Objects and pixels have a last label "(none)": not found, or nothing
    there.
    """

    labels: tuple[str, ...]
    counts: tuple[tuple[int, ...], ...]
    unit: Literal["images", "objects", "pixels"] = "images"


class Curve(_Part):
    """Precision over recall of one class, with the score at each point; `area` is the area under the curve."""

    name: str
    recall: tuple[float, ...]
    precision: tuple[float, ...]
    scores: tuple[float, ...]
    area: float


class ClassRow(_Part):
    """One class: the number of tested samples (or objects), and its metrics by name."""

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

    `bins`: (mean score, accuracy, samples) of each used bin, after scaling; `bins_before`: the same before scaling. `refused`:
    why the scores were left unchanged (the temperature is then 1). `chance`: the error of perfectly calibrated scores stays
    below this value in 95 of 100 sets of the same number of images. `likelihood`: mean negative log-likelihood, and `brier`:
    Brier score; smaller is better for both. `..._before`: their values before scaling; `gain`: improvement of the likelihood by
    scaling.
    """

    temperature: float
    before: float
    after: float
    bins: tuple[tuple[float, float, int], ...] = ()
    bins_before: tuple[tuple[float, float, int], ...] = ()
    refused: Sentence | None = None
    chance: float = 0.0
    likelihood: float = 0.0
    likelihood_before: float = 0.0
    brier: float = 0.0
    brier_before: float = 0.0
    gain: Interval | None = None


class Threshold(_Part):
    """The decision threshold and its costs on the test part.

    `refused`: why the data cannot support the requested limit. `false_reject`: share of the good images that would be NG.
    `miss`: share of the other images that would be OK. `review`: share of all images that would be REVIEW. Each is None if
    there is no such image. `good`, `bad`: number of good and other images. `how`: who chose the threshold. `needed`: minimum
    number of good validation images for the request.
    """

    score: float
    allowed: float = 0.0
    false_reject: Interval | None = None
    miss: Interval | None = None
    review: Interval | None = None
    refused: Sentence | None = None
    good: int = 0
    bad: int = 0
    needed: int = 0
    how: Literal["default", "given", "best_f1", "false_reject"] = "default"


class LearningPoint(_Part):
    """The primary metric on the test part after training on this number of samples."""

    samples: int
    result: Interval


class Learning(_Part):
    """The benefit of more images: measured points, and the forecast for `more` further samples, if one can be made.

    `forecast`: the primary metric then; `gain`: its increase over now. `curve`: (samples, value) of the fitted law. `refused`:
    why there is no forecast.
    """

    points: tuple[LearningPoint, ...]
    more: int = 0
    forecast: Interval | None = None
    gain: Interval | None = None
    curve: tuple[tuple[float, float], ...] = ()
    refused: Sentence | None = None


class Folds(_Part):
    """k-fold cross-validation: the primary metric on each fold, and on the predictions of all folds together.

    `planned`: the number of folds planned, if the validation was ended early.
    """

    values: tuple[float, ...]
    pooled: Interval
    planned: int = 0


class Epoch(_Part):
    """One epoch of the training: mean training and validation loss, and the primary metric on validation.

    A value is None if it was not a finite number.
    """

    epoch: int
    loss: float | None = None
    val_loss: float | None = None
    value: float | None = None


class TrainReport(_Part):
    """The results of a run, measured on the test part unless stated otherwise.

    `primary` names the most important of `metrics`. `part` was measured, with `images` of `groups` parts or lots. `data` is the
    name of the data folder; `fingerprint` identifies its contents. `summary`: the result in plain words; `trials`: the
    sentences of it that are about the folds and the learning curve. `course`: the epochs in order. `warnings`: why the bundle
    should not judge parts, which are the first sentences of the summary: nothing was learnt, or a class is never found.
    """

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
    cross_validation: Folds | None = None
    learning: Learning | None = None
    course: tuple[Epoch, ...] = ()
    problems: tuple[Sentence, ...] = ()
    warnings: tuple[Sentence, ...] = ()
    summary: tuple[Sentence, ...] = ()
    trials: tuple[Sentence, ...] = ()
    part: str = "test"
    images: int = 0
    groups: int = 0
    data: str = ""
    fingerprint: str = ""
    engine: str = ""
    software: str = ""
    settings: dict[str, Any] = {}


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
