"""Training: one procedure for the four tasks, from labelled files to a bundle."""

import json
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import torch
from torch import nn

from inspector import __version__
from inspector.bundles.bundle import Bundle, Card
from inspector.bundles.reference import REFERENCE
from inspector.core.errors import ConfigError, InspectorError
from inspector.core.message import ClassName, Message
from inspector.core.registry import TASKS
from inspector.core.types import Floats
from inspector.data.annotations import training_data
from inspector.data.duplicates import deduplicated
from inspector.data.samples import Dataset, Sample
from inspector.data.split import SPLIT, Split, split_samples
from inspector.data.tiles import tile_samples
from inspector.imaging.preprocessing import InputSpec, Prepared
from inspector.ml.channel import Cancelled
from inspector.ml.evaluate import Infer, measure, sample_items
from inspector.ml.export.network import write_trained_bundle
from inspector.ml.export.reference import make_reference
from inspector.ml.graph import Graph, build_network
from inspector.ml.heat import graph_heat
from inspector.ml.memory import keep_freed_memory
from inspector.ml.networks.base import Network, normalisation_for
from inspector.ml.reports.report import Facts, write_report
from inspector.ml.train.learner import Learner, learner_for
from inspector.ml.train.loading.dataset import Inputs, Subset, free_memory
from inspector.ml.train.loading.depth import choose_input
from inspector.ml.train.loading.disk_cache import spill_folder
from inspector.ml.train.machine.distributed import company
from inspector.ml.train.quality import examine, measured, settle
from inspector.ml.train.resampling import Trials, Tried
from inspector.ml.train.run_folder import RunFolder
from inspector.runs.folder import REPORT_HTML, read_curves
from inspector.runs.report import NOTHING_LEARNT
from inspector.runs.settings import TrainSettings
from inspector.tasks.base import Metrics, task_of
from inspector.workers.messages import Progress, Report, WorkerMessage
from inspector.workers.process import world_size

_HEAVIEST_CLASS = 10.0
# Boxes with lower scores are dropped. The precision-recall curve ends there: 0.05 cost 1.5 points of mAP on faint defects.
# Much lower, all the thousands of boxes of an untrained network would be compared.
_FLOOR = 0.02
_INPUT = ("width", "height", "channels", "fit")  # settings that the card has as its input
_TELL_S = 0.5


def train(
    settings: TrainSettings,
    report: Report,
    *,
    resume: bool = False,
    alone: Callable[[InspectorError], None] | None = None,
    others: Callable[[WorkerMessage], None] | None = None,
) -> Bundle:
    """Train with `settings`, write the bundle `settings.out`, and the run folder `settings.run` if given.

    `resume`: continue from the last whole epoch in `settings.run`. `alone` says, on another thread, why this process is about
    to end: it hangs, because another one that trained with it is lost. `others` gets, on another thread, that one of those was
    suspended, and that it goes on. Raises ConfigError (data, network, options, no state to
    resume from), JobError (the loss is not finite), StorageError (a file could not be written), or Cancelled if
    `report.cancelled()`. Then there is no bundle, unless `keep_best` is set and an epoch was finished.
    """
    keep_freed_memory()
    with company(settings, alone, others, report.cancelled):
        if world_size() > 1 and (settings.folds or settings.learning_curve):
            raise ConfigError(
                "Folds and the learning curve are trained on one device.", remedy="Set devices to 1, or leave them out."
            )
        return _train(settings, report, resume=resume)


def train_beside(settings: TrainSettings, report: Report) -> None:
    """Run one of the other processes of a distributed training (see `ml.train.distributed`)."""
    keep_freed_memory()
    if settings.threads or settings.devices > 1:
        torch.set_num_threads(settings.threads or max(1, torch.get_num_threads() // settings.devices))
    with company(settings):
        ready = _ready(settings, report)
        network, card = _network(ready.card, settings, ready.inputs["train"])
        learner_for(settings, card, network, ready.inputs, report).run()


@dataclass(frozen=True, slots=True)
class _Ready:
    """The starting point of a training: `found` is all data, `dataset` the part in use."""

    found: Dataset
    dataset: Dataset
    split: Split
    card: Card
    inputs: dict[str, Inputs]


def _ready(settings: TrainSettings, report: Report) -> _Ready:
    found = training_data(settings)
    dataset = _without_duplicates(found, report)
    _tell(report, dataset.problems)
    split = split_samples(dataset.samples, val=settings.val, test=settings.test, seed=settings.seed)
    card = _first_card(settings, found, split, choose_input(settings, split.train))
    if settings.mirrored and not task_of(card.task).may_mirror(card):
        raise ConfigError(
            "Answers to mirrored views cannot be averaged for {task} with this network and input.",
            remedy="Leave out --mirrored. Detection needs FPN on EfficientNet-Lite0, and sides that are multiples of 32 px.",
            task=TASKS[card.task].label,
        )
    learnt = _in_tiles(split, card, report, seed=settings.seed)
    return _Ready(found, dataset, split, card, _load(card, learnt, report, threads=settings.threads))


def _in_tiles(split: Split, card: Card, report: Report, *, seed: int) -> Split:
    """Return the split with the tiles of its images to learn from and to validate on, if the card names tiles.

    Raises ConfigError for a task that answers for whole images.
    """
    tiling = card.tiles
    if tiling is None:
        return split
    if not task_of(card.task).tiled:
        raise ConfigError(
            "{task} answers for whole images, not for tiles.", remedy="Leave out --tile.", task=TASKS[card.task].label
        )
    problems: list[Message] = []
    tick = _Tick(report, len(split.train) + len(split.val))
    parts = [tile_samples(part, tiling, seed=seed, problems=problems, tick=tick) for part in (split.train, split.val)]
    _tell(report, problems)
    if not all(parts):
        raise ConfigError(
            "No image is as large as a tile of {size} px.", remedy="Choose a smaller --tile, or leave it out.", size=tiling.size
        )
    return Split(tuple(parts[0]), tuple(parts[1]), split.test)


def _train(settings: TrainSettings, report: Report, *, resume: bool) -> Bundle:
    ready = _ready(settings, report)
    folder = None if settings.run is None else RunFolder(settings.run, resume=resume)
    try:
        if folder is not None:
            folder.save_split(ready.split)
        begun = resume and (folder is None or folder.checkpoint.is_file())
        tried = _trials(settings, ready, report, folder, resume=resume)
        network, card = _network(ready.card, settings, ready.inputs["train"])
        fit = learner_for(_final(settings, tried), card, network, ready.inputs, report, folder=folder)
        try:
            fit.run(resume=begun)
        except Cancelled:
            if not (settings.keep_best and fit.best):
                raise
        bundle = _finish(fit, ready.split, report, ready.dataset.problems, tried)
    finally:
        if folder is not None:
            folder.close()
    if folder is not None:
        folder.finish()
    return bundle


def _trials(settings: TrainSettings, ready: _Ready, report: Report, folder: RunFolder | None, *, resume: bool) -> Tried:
    """Run the trainings before the final one, if any."""

    inputs, split = tuple(ready.inputs.values()), ready.split

    def train_once(own: TrainSettings, part: Split, length: int, told: Report) -> tuple[Metrics, float]:
        parts = {
            "train": Subset(inputs, part.train, length=length),
            "val": Subset(inputs, part.val),
        }
        network, known = _network(_first_card(own, ready.found, part, ready.card.input), own, parts["train"])
        fit = learner_for(own, known, network, dict(parts), told)
        fit.run()

        def tick() -> None:
            told.pause_point()

        items = sample_items(part.test, known, problems=[], tick=tick)
        return measure(torch_infer(fit.load_best()), known, items, batch=own.batch), fit.seconds

    read = Split(tuple(ready.inputs["train"].samples), tuple(ready.inputs["val"].samples), split.test)
    return Trials(settings, ready.card, read, report, folder).run(train_once, resume=resume)


def _final(settings: TrainSettings, tried: Tried) -> TrainSettings:
    """Return the settings of the final training, with the remaining time."""
    left = max(settings.time_limit - tried.seconds, 1.0) if settings.time_limit else 0.0
    return settings.model_copy(update={"time_limit": left})


def _without_duplicates(dataset: Dataset, report: Report) -> Dataset:
    """Return the dataset without duplicates (see `deduplicated`). Raises Cancelled."""
    tick = _Tick(report, len(dataset.samples))
    result = deduplicated(dataset, tick=tick, cancelled=report.cancelled)
    if report.cancelled():
        raise Cancelled
    return result


class _Tick:
    """Counts the samples read and reports progress from time to time; raises Cancelled."""

    def __init__(self, report: Report, total: int) -> None:
        self._report, self._total, self._done, self._told = report, total, 0, time.monotonic()

    def __call__(self) -> None:
        self._done += 1
        self._report.pause_point()
        if time.monotonic() - self._told > _TELL_S or self._done == self._total:
            self._told = time.monotonic()
            self._report.progress(Progress(phase="prepare", step=self._done, steps=self._total))


def _first_card(settings: TrainSettings, dataset: Dataset, split: Split, spec: InputSpec) -> Card:
    """Return the card as far as it is known before training."""
    options = dict(settings.options)
    if settings.pretrained:
        options["pretrained"] = settings.pretrained
    unknown = [name for name in settings.ok_classes if name not in dataset.classes]
    if unknown:
        raise ConfigError(
            "There is no class {name!r} in {folder}.",
            remedy="Choose the good classes among: {classes}.",
            name=ClassName(unknown[0]),
            folder=dataset.folder,
            classes=ClassName(", ".join(dataset.classes)),
        )
    left_out = {"task", "network", "data", "out", "name", "options", "ok_classes", "keep_best", "balance", "run"}
    left_out |= {"width", "height", "channels", "fit", "levels", "depth", "tile", "tile_overlap"}  # in the card already
    training = {key: value for key, value in settings.model_dump(mode="json", exclude=left_out).items() if value != ""}
    if dataset.ignores:
        training["ignored"] = True  # encoded targets then include the regions to ignore
    if settings.pretrained:
        training["pretrained"] = Path(settings.pretrained).name  # a bundle goes to machines with other folders
    if TASKS[settings.task].labels == "label" and settings.balance == "weights":
        training["class_weights"] = ",".join(f"{weight:g}" for weight in class_weights(split.train, len(dataset.classes)))
    return Card(
        name=settings.bundle_name,
        task=settings.task,
        network=settings.network,
        network_options=options,
        classes=dataset.classes,
        ok_classes=settings.ok_classes,
        input=spec,
        tiles=settings.tiling(),
        mean=(0.0,) * spec.channels,
        std=(1.0,) * spec.channels,
        thresholds=_thresholds(settings),
        dataset={"name": settings.data.resolve().name, "fingerprint": dataset.fingerprint(), "seed": settings.seed},
        training=training,
        created=datetime.now(UTC),
        software=__version__,
    )


def _thresholds(settings: TrainSettings) -> dict[str, float]:
    """Return the task's initial thresholds, with the decision threshold replaced by a person's choice if there is one."""
    task = task_of(settings.task)
    found = dict(task.thresholds)
    if settings.score and task.threshold_key in found:
        found[task.threshold_key] = settings.score
    return found


def class_weights(samples: Sequence[Sample], classes: int) -> list[float]:
    """Return weights that balance the classes, at most 10 times the weight of the most frequent class."""
    counts = Counter(sample.truth.label for sample in samples)
    most = max(counts.values())
    return [min(most / max(counts[index], 1), _HEAVIEST_CLASS) for index in range(classes)]


def _load(card: Card, split: Split, report: Report, *, threads: int) -> dict[str, Inputs]:
    """Read and prepare the training and validation samples. Raises ConfigError if a part has no readable sample."""
    task = task_of(card.task)
    tick = _Tick(report, len(split.train) + len(split.val))
    parts: dict[str, Inputs] = {}
    memory = free_memory()
    for name, samples in (("train", split.train), ("val", split.val)):
        inputs = Inputs(samples, task, card, memory=memory, disk=spill_folder(), threads=threads)
        inputs.load(tick)
        memory = inputs.memory_left
        _tell(report, inputs.take_problems())
        if not len(inputs):
            raise ConfigError("None of the {count} samples for {part} can be read.", count=len(samples), part=name)
        parts[name] = inputs
    return parts


def _network(card: Card, settings: TrainSettings, inputs: Inputs) -> tuple[nn.Module, Card]:
    """Build the network, and complete the card with its normalisation and the target scaling of the data.

    The start weights depend on the seed only, whatever was trained before.
    """
    torch.manual_seed(settings.seed)
    network = build_network(card)
    assert isinstance(network, Network)
    known: dict[str, object] = dict(zip(("mean", "std"), normalisation_for(network, card.input), strict=True))
    task = task_of(card.task)
    if task.scaled:
        pixels = np.stack([inputs[index].pixels for index in range(0, len(inputs), max(1, len(inputs) // 200))])
        targets = [inputs[index].target for index in range(len(inputs))]
        known |= task.scaling(pixels, {name: np.stack([one[name] for one in targets]) for name in targets[0]})
    # Trained weights replace the start weights: the bundle must open on machines without the latter.
    known["network_options"] = {key: value for key, value in card.network_options.items() if key != "pretrained"}
    return network, card.model_copy(update=known)


def _finish(fit: Learner, split: Split, report: Report, problems: Sequence[Message], tried: Tried) -> Bundle:
    """Calibrate and choose the threshold on validation, measure on the test part, write the report and the bundle.

    Validation and test use the frames' own size.
    """
    settings, graph = fit.settings, fit.load_best()
    assert fit.best is not None
    report.progress(Progress(phase="test", step=0, steps=len(split.test)))
    settled = settle(
        torch_infer(graph),
        fit.card,
        split.val,
        score=settings.score,
        false_reject=settings.false_reject,
        calibrate=settings.calibrate,
        batch=settings.batch,
    )
    graph = Graph(graph.network, settled.card)
    examined = examine(torch_infer(graph), settled.card, split.test, settled=settled, batch=settings.batch)
    _tell(report, examined.problems)
    counts = {"train": len(fit.inputs["train"]), "val": len(fit.inputs["val"]), "test": examined.images}
    done = {"best_epoch": fit.best.epoch, "epochs_done": fit.epochs_done, "seconds": round(fit.seconds + tried.seconds)}
    nothing = fit.nothing_learnt()
    if nothing:
        done[NOTHING_LEARNT] = True
    card = measured(settled.card, examined).model_copy(
        update={
            "validation": fit.best.numbers,
            "dataset": {**settled.card.dataset, **counts},
            "training": {**settled.card.training, **done},
        }
    )
    if fit.folder is not None:
        report.progress(Progress(phase="report", step=0, steps=1))
        facts = Facts(
            counts=counts,
            seconds=fit.seconds + tried.seconds,
            epochs=fit.epochs_done,
            best_epoch=fit.best.epoch,
            settings={name: getattr(card.input, name) for name in _INPUT} | dict(card.training),
            history=read_curves(fit.folder.path),
            problems=problems,
            folds=tried.folds,
            learning=tried.learning,
            nothing_learnt=nothing,
        )
        written = write_report(fit.folder.path, card, examined, facts, heat=graph_heat(graph))
        for warning in written.warnings:
            report.log(warning.text)
        report.artifact(fit.folder.path / REPORT_HTML, what="report")
    report.progress(Progress(phase="export", step=0, steps=1))
    extra = {
        SPLIT: json.dumps(split.names(), ensure_ascii=False, indent=0).encode(),
        REFERENCE: make_reference(fit.inputs["train"], fit.inputs["val"]),
    }
    bundle = write_trained_bundle(settings.out, card, graph.network, extra=extra)
    report.artifact(bundle.folder)
    return bundle


def torch_infer(graph: Graph) -> Infer:
    """Return a function of arrays for a graph on the CPU."""
    graph.eval()

    def infer(frames: Prepared) -> Floats:
        with torch.inference_mode():
            out: Floats = graph(torch.from_numpy(frames)).numpy()
        return out

    return infer


def _tell(report: Report, problems: Sequence[Message]) -> None:
    for problem in problems:
        report.log(problem.text)
