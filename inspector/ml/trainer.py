"""Training: one loop for the four tasks, from labelled files to a bundle."""

import json
import math
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from lightning_fabric import Fabric
from torch import nn

from inspector import __version__
from inspector.core.annotations import read_dataset
from inspector.core.bundle import Bundle, Card
from inspector.core.errors import ConfigError, JobError
from inspector.core.files import read_image
from inspector.core.images import InputSpec, Prepared
from inspector.core.message import Message
from inspector.core.samples import Dataset, Sample
from inspector.core.split import SPLIT, Split, split_samples
from inspector.core.training import NOT_YET, TrainSettings
from inspector.core.types import Floats, Frame
from inspector.ml.data import Inputs, balanced_weights, batch_count, batches, free_memory, input_view, truth_of
from inspector.ml.evaluate import Infer, Item, measure, rounded, sample_items
from inspector.ml.export import write_trained_bundle
from inspector.ml.graph import Graph, build_network
from inspector.ml.networks.base import Network, normalisation_for
from inspector.ml.spill import spill_folder
from inspector.ml.transforms import augmentation_for
from inspector.ml.worker import Cancelled, Report
from inspector.tasks.base import Metrics, task_of
from inspector.tasks.metrics import DetectionMetrics

_STEP_EPOCHS = 7  # the step schedule: a tenth of the learning rate after every so many epochs
_GRADIENT_NORM = 10.0  # clipped above; ordinary steps stay below
_HEAVIEST_CLASS = 10.0
_MARGIN_KELVIN = 10.0
_TELL_S = 0.5
_PRECISIONS: Mapping[str, Literal["32-true", "bf16-mixed", "16-mixed"]] = {
    "32": "32-true",
    "bf16": "bf16-mixed",
    "16": "16-mixed",
}


def train(settings: TrainSettings, report: Report) -> Bundle:
    """Train as told and write the bundle `settings.out`.

    Raises ConfigError (data, network, options), JobError (the loss is not a number), StorageError (no bundle was written), or
    Cancelled when `report.cancelled()`; then there is no bundle, unless `keep_best` and an epoch was finished.
    """
    _refuse(settings)
    if settings.threads:
        torch.set_num_threads(settings.threads)
    torch.manual_seed(settings.seed)
    dataset = read_dataset(settings.data, settings.task, group=settings.group, one_class=settings.one_class)
    _tell(report, dataset.problems)
    split = split_samples(dataset.samples, val=settings.val, test=settings.test, seed=settings.seed)
    card = _first_card(settings, dataset, split)
    inputs = _load(card, split, report, threads=settings.threads)
    network, card = _network(card, settings, inputs["train"])
    fit = _Fit(settings, card, network, inputs, report)
    try:
        fit.run()
    except Cancelled:
        if not (settings.keep_best and fit.best):
            raise
    return _finish(fit, split, report)


def _refuse(settings: TrainSettings) -> None:
    """Raise ConfigError for a setting that would not be followed."""
    for name in NOT_YET:
        if getattr(settings, name) != TrainSettings.model_fields[name].default:
            raise ConfigError("The setting {name} is not available yet.", remedy="Leave it at its default.", name=name)


def _first_card(settings: TrainSettings, dataset: Dataset, split: Split) -> Card:
    """The card as far as it is known before training."""
    options = dict(settings.options)
    if settings.pretrained:
        options["pretrained"] = settings.pretrained
    unknown = [name for name in settings.ok_classes if name not in dataset.classes]
    if unknown:
        raise ConfigError(
            "There is no class {name!r} in {folder}.",
            remedy="Choose the good classes among: {classes}.",
            name=unknown[0],
            folder=dataset.folder,
            classes=", ".join(dataset.classes),
        )
    spec = _input(settings, split.train)
    left_out = {"task", "network", "data", "out", "name", "options", "ok_classes", "keep_best", "balance", "run"}
    left_out |= {"width", "height", "channels", "fit", "levels"}  # all in the card's input
    training = {key: value for key, value in settings.model_dump(mode="json", exclude=left_out).items() if value != ""}
    if settings.pretrained:
        training["pretrained"] = Path(settings.pretrained).name  # a bundle goes to machines with other folders
    if settings.task == "classification" and settings.balance == "weights":
        training["class_weights"] = ",".join(f"{weight:g}" for weight in class_weights(split.train, len(dataset.classes)))
    return Card(
        name=settings.bundle_name,
        task=settings.task,
        network=settings.network,
        network_options=options,
        classes=dataset.classes,
        ok_classes=settings.ok_classes,
        input=spec,
        mean=(0.0,) * spec.channels,
        std=(1.0,) * spec.channels,
        thresholds={"score": settings.score or 0.5, "floor": 0.05, "nms_iou": 0.5, "mask": 0.5}
        if settings.task in ("detection", "segmentation")
        else {},
        dataset={"name": settings.data.resolve().name, "fingerprint": dataset.fingerprint(), "seed": settings.seed},
        training=training,
        created=datetime.now(UTC),
        software=__version__,
    )


def _input(settings: TrainSettings, samples: Sequence[Sample]) -> InputSpec:
    levels = settings.levels
    if settings.task == "thermal" and levels is None and read_image(samples[0].path).unit == "kelvin":
        known = [sample.truth.temperatures for sample in samples if sample.truth.temperatures is not None]
        low, high = min(low for _, _, low in known), max(high for high, _, _ in known)
        levels = (math.floor(low - _MARGIN_KELVIN), math.ceil(high + _MARGIN_KELVIN))
    return InputSpec(width=settings.width, height=settings.height, channels=settings.channels, fit=settings.fit, levels=levels)


def class_weights(samples: Sequence[Sample], classes: int) -> list[float]:
    """Weights that make rare classes count as much as frequent ones, at most 10 times the most frequent one's."""
    counts = Counter(sample.truth.label for sample in samples)
    most = max(counts.values())
    return [min(most / max(counts[index], 1), _HEAVIEST_CLASS) for index in range(classes)]


def _load(card: Card, split: Split, report: Report, *, threads: int) -> dict[str, Inputs]:
    """Read and prepare the training and validation samples. Raises ConfigError if a part has none that can be read."""
    task = task_of(card.task)
    total, done = len(split.train) + len(split.val), 0
    told = time.monotonic()

    def tick() -> None:
        nonlocal done, told
        done += 1
        if report.cancelled():
            raise Cancelled
        if time.monotonic() - told > _TELL_S or done == total:
            told = time.monotonic()
            report.progress(phase="prepare", step=done, steps=total)

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
    """Build the network, and complete the card with what it and the data say: normalisation and target scaling."""
    network = build_network(card)
    assert isinstance(network, Network)
    known: dict[str, object] = {}
    if card.task == "thermal":
        # These networks have no batch normalisation that would make up for another scale.
        pixels = np.stack([inputs[index].pixels for index in range(0, len(inputs), max(1, len(inputs) // 200))])
        temperatures = np.stack([inputs[index].target["temperatures"] for index in range(len(inputs))]).astype(np.float64)
        known["mean"] = tuple(float(value) for value in pixels.mean((0, 1, 2), dtype=np.float64))
        known["std"] = tuple(float(value) for value in np.maximum(pixels.std((0, 1, 2), dtype=np.float64), 1e-3))
        known["target_mean"] = tuple(float(value) for value in temperatures.mean(0))
        known["target_std"] = tuple(float(value) for value in np.maximum(temperatures.std(0), 0.1))
    else:
        known["mean"], known["std"] = normalisation_for(network, card.input)
    # Trained weights replace the ones it started from: the bundle must open where those are not installed.
    known["network_options"] = {key: value for key, value in card.network_options.items() if key != "pretrained"}
    return network, card.model_copy(update=known)


@dataclass(frozen=True, slots=True)
class _Best:
    """The best epoch so far."""

    epoch: int
    value: float
    numbers: dict[str, float]
    metrics: Metrics
    state: dict[str, torch.Tensor]


class _Fit:
    """The loop: epochs of batches, each epoch followed by validation, the best epoch's weights kept in memory."""

    def __init__(
        self, settings: TrainSettings, card: Card, network: nn.Module, inputs: dict[str, Inputs], report: Report
    ) -> None:
        self.settings, self.card, self.inputs, self.report = settings, card, inputs, report
        self.fabric = Fabric(accelerator="auto", devices=1, precision=_PRECISIONS[settings.precision])
        self.graph = Graph(network.to(memory_format=torch.channels_last), card)
        self.optimizer = _optimizer(settings, network)
        self.best: _Best | None = None
        self.epochs_done = 0
        self._started = time.monotonic()
        self._told = 0.0
        self._steps = batch_count(len(inputs["train"]), settings.batch)
        sampler = settings.task == "classification" and settings.balance == "sampler"
        self._weights = balanced_weights(inputs["train"].samples) if sampler else None

    @property
    def seconds(self) -> float:
        """Since the first epoch began."""
        return time.monotonic() - self._started

    def run(self) -> None:
        """All epochs, or as many as the time limit allows. Raises Cancelled or JobError."""
        model, optimizer = self.fabric.setup(self.graph, self.optimizer)
        model.mark_forward_method("raw")
        primary = task_of(self.card.task).metrics(self.card).primary
        for epoch in range(self.settings.epochs):
            began = time.monotonic()
            loss = self._epoch(model, optimizer, epoch)
            metrics = self._validate(model)
            numbers = metrics.compute()
            value = numbers[primary] if math.isfinite(numbers[primary]) else -math.inf
            better = self.best is None or value > self.best.value
            if better:
                state = {key: tensor.detach().cpu().clone() for key, tensor in self.graph.network.state_dict().items()}
                self.best = _Best(epoch + 1, value, rounded(numbers), metrics, state)
            self.epochs_done = epoch + 1
            lasted = time.monotonic() - began
            rate = float(self.optimizer.param_groups[0]["lr"])
            self.report.metric(
                epoch=epoch + 1,
                epochs=self.settings.epochs,
                loss=loss,
                lr=rate,
                seconds=lasted,
                best=better,
                name=primary,
                value=value,
                val={key: number for key, number in rounded(numbers).items() if "/" not in key},
            )
            if self.settings.time_limit and self.seconds + lasted / 2 > self.settings.time_limit:
                break

    def _epoch(self, model: Any, optimizer: Any, epoch: int) -> float:  # noqa: ANN401 - Fabric's wrappers forward to ours
        """One pass over the training samples; the mean loss."""
        settings, task = self.settings, task_of(self.card.task)
        how = augmentation_for(settings.task, settings.augment)
        total, count = 0.0, 0
        model.train()
        loader = batches(
            self.inputs["train"],
            size=settings.batch,
            seed=settings.seed,
            epoch=epoch,
            how=how,
            weights=self._weights,
            pin=self.fabric.device.type == "cuda",
        )
        for step, (frames, target) in enumerate(loader):
            if self.report.cancelled():
                raise Cancelled
            self._set_rate(epoch + step / self._steps)
            frames = frames.to(self.fabric.device, non_blocking=True)
            target = {name: tensor.to(self.fabric.device, non_blocking=True) for name, tensor in target.items()}
            optimizer.zero_grad()
            loss = task.loss(model.raw(frames), target, self.card)
            value = float(loss.detach())
            if not math.isfinite(value):
                raise _diverged(epoch + 1)
            self.fabric.backward(loss)
            self.fabric.clip_gradients(self.graph, optimizer, max_norm=_GRADIENT_NORM, error_if_nonfinite=False)
            optimizer.step()
            total, count = total + value * len(frames), count + len(frames)
            self._tell(epoch, step + 1, total / count)
        _tell(self.report, self.inputs["train"].take_problems())
        return total / max(count, 1)

    def _set_rate(self, epochs: float) -> None:
        factor = learning_rate(self.settings, epochs, self.seconds)
        for group in self.optimizer.param_groups:
            group["lr"] = self.settings.lr * factor

    def _tell(self, epoch: int, step: int, loss: float) -> None:
        now = time.monotonic()
        if now - self._told < _TELL_S and step < self._steps:
            return
        self._told = now
        share = (epoch + step / self._steps) / self.settings.epochs
        eta = self.seconds * (1 - share) / share
        if self.settings.time_limit:
            eta = min(eta, max(self.settings.time_limit - self.seconds, 0.0))
        self.report.progress(
            phase="train",
            epoch=epoch + 1,
            epochs=self.settings.epochs,
            step=step,
            steps=self._steps,
            loss=loss,
            eta_s=round(eta, 1),
        )

    def _validate(self, model: nn.Module) -> Metrics:
        """The validation part, compared at the input's size."""
        model.eval()
        device = self.fabric.device

        def infer(frames: Prepared) -> Floats:
            if self.report.cancelled():
                raise Cancelled
            with torch.inference_mode():
                out: Floats = model(torch.from_numpy(frames).to(device)).float().cpu().numpy()
            return out

        metrics = measure(infer, self.card, _input_items(self.inputs["val"], self.card), batch=self.settings.batch)
        _tell(self.report, self.inputs["val"].take_problems())
        return metrics


def _input_items(inputs: Inputs, card: Card) -> Iterator[Item]:
    geometry, now = input_view(card.input), datetime.now(UTC)
    for index in range(len(inputs)):
        sample = inputs.readable(index)
        pixels = sample.pixels[..., 0] if card.input.channels == 1 else sample.pixels
        frame = Frame(pixels, "data", index, 0.0, now, "kelvin" if card.input.kind == "kelvin" else "intensity")
        yield Item(sample.pixels, geometry, frame, truth_of(sample.target, card.input))


def _optimizer(settings: TrainSettings, network: nn.Module) -> torch.optim.Optimizer:
    """Adam or AdamW; weight decay pulls weights, not biases and the scales of batch normalisation."""
    trained = [parameter for parameter in network.parameters() if parameter.requires_grad]
    groups = [
        {"params": [parameter for parameter in trained if parameter.ndim > 1], "weight_decay": settings.weight_decay},
        {"params": [parameter for parameter in trained if parameter.ndim <= 1], "weight_decay": 0.0},
    ]
    if settings.optimizer == "sgd":
        return torch.optim.SGD(groups, lr=settings.lr, momentum=0.9, nesterov=True)
    kind = torch.optim.AdamW if settings.optimizer == "adamw" else torch.optim.Adam
    return kind(groups, lr=settings.lr)


def learning_rate(settings: TrainSettings, epochs: float, seconds: float = 0.0) -> float:
    """Factor of the learning rate after so many (fractional) epochs. The cosine also ends in time with a time limit."""
    warm = min(1.0, (epochs + 0.02) / settings.warmup) if settings.warmup else 1.0
    if settings.schedule == "constant":
        return warm
    if settings.schedule == "step":
        return warm * 0.1 ** (int(epochs) // _STEP_EPOCHS)
    share = epochs / settings.epochs
    if settings.time_limit:
        share = max(share, seconds / settings.time_limit)
    return warm * (0.01 + 0.99 * (1 + math.cos(math.pi * min(share, 1.0))) / 2)


def _diverged(epoch: int) -> JobError:
    return JobError(
        "The training went astray in epoch {epoch}: the loss is no longer a number.",
        remedy="Use a smaller learning rate, and check the labels for impossible values.",
        epoch=epoch,
    )


def _finish(fit: _Fit, split: Split, report: Report) -> Bundle:
    """Measure the best epoch on the test part at the frames' own size, and write the bundle."""
    best, card, settings = fit.best, fit.card, fit.settings
    if best is None:
        raise _diverged(fit.epochs_done)
    network = fit.graph.network.cpu()
    network.load_state_dict(best.state)
    if isinstance(best.metrics, DetectionMetrics) and not settings.score:
        score = float(np.clip(best.metrics.best_score(), 0.1, 0.9))
        card = card.model_copy(update={"thresholds": {**card.thresholds, "score": round(score, 2)}})
    report.progress(phase="test", step=0, steps=len(split.test))
    problems: list[Message] = []
    items = sample_items(split.test, card, problems=problems)
    tested = measure(torch_infer(Graph(network, card)), card, items, batch=settings.batch).compute()
    _tell(report, problems)
    counts = {"train": len(fit.inputs["train"]), "val": len(fit.inputs["val"]), "test": len(split.test) - len(problems)}
    done = {"best_epoch": best.epoch, "epochs_done": fit.epochs_done, "seconds": round(fit.seconds)}
    card = card.model_copy(
        update={
            "metrics": rounded(tested),
            "validation": best.numbers,
            "dataset": {**card.dataset, **counts},
            "training": {**card.training, **done},
        }
    )
    report.progress(phase="export", step=0, steps=1)
    names = json.dumps(split.names(), ensure_ascii=False, indent=0).encode()
    bundle = write_trained_bundle(settings.out, card, network, extra={SPLIT: names})
    report.artifact(bundle.folder)
    return bundle


def torch_infer(graph: Graph) -> Infer:
    """A graph on the CPU as a function of arrays."""
    graph.eval()

    def infer(frames: Prepared) -> Floats:
        with torch.inference_mode():
            out: Floats = graph(torch.from_numpy(frames)).numpy()
        return out

    return infer


def _tell(report: Report, problems: Sequence[Message]) -> None:
    for problem in problems:
        report.log(problem.text)
