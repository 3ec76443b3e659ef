"""The loop: epochs of batches, each followed by validation; the best epoch's weights are kept, the last one's on disk."""

import math
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal

import torch
from lightning_fabric import Fabric
from torch import nn

from inspector.core.bundle import Card
from inspector.core.errors import JobError
from inspector.core.images import Prepared
from inspector.core.message import Message
from inspector.core.training import TrainSettings
from inspector.core.types import Floats
from inspector.ml.checkpoint import Best, Checkpoint, identity, load_checkpoint, save_checkpoint
from inspector.ml.data import Inputs, balanced_weights, batch_count, batches
from inspector.ml.evaluate import Infer, Item, measure, rounded
from inspector.ml.graph import Graph
from inspector.ml.networks.base import Network
from inspector.ml.optimisation import Average, Thaw, learning_rate, optimizer_for, set_rate
from inspector.ml.run_folder import RunFolder
from inspector.ml.sample_pictures import Pace, chosen, sample_pictures
from inspector.ml.transforms import augmentation_for
from inspector.ml.worker import Report
from inspector.tasks.base import Metrics, task_of
from inspector.tasks.truth import input_frame, input_view, truth_of

_GRADIENT_NORM = 10.0  # clipped above; ordinary steps stay below
_TELL_S = 0.5
_PRECISIONS: Mapping[str, Literal["32-true", "bf16-mixed", "16-mixed"]] = {
    "32": "32-true",
    "bf16": "bf16-mixed",
    "16": "16-mixed",
}


class _Stopped(Exception):
    """The best epoch so far is enough."""


class Fit:
    """One training. After `run()`, `best` holds the best epoch, and `load_best()` puts it into the graph."""

    def __init__(
        self,
        settings: TrainSettings,
        card: Card,
        network: nn.Module,
        inputs: dict[str, Inputs],
        report: Report,
        *,
        folder: RunFolder | None = None,
    ) -> None:
        """`folder`: where curves and the state after each epoch are kept, if anywhere."""
        assert isinstance(network, Network)
        self.settings, self.card, self.inputs, self.report, self.folder = settings, card, inputs, report, folder
        self.fabric = Fabric(accelerator="auto", devices=1, precision=_PRECISIONS[settings.precision])
        self.graph = Graph(network.to(memory_format=torch.channels_last), card)
        self.optimizer = optimizer_for(settings, network)
        self.best: Best | None = None
        self.epochs_done = 0
        self.curve: list[dict[str, Any]] = []
        self._who = identity(settings, str(card.dataset["fingerprint"]))
        self._thaw = Thaw(network, settings.freeze_epochs)
        self._average: Average | None = None
        self._started = time.monotonic()
        self._told = 0.0
        self._pace = Pace()
        self._steps = batch_count(len(inputs["train"]), settings.batch)
        sampler = settings.task == "classification" and settings.balance == "sampler"
        self._weights = balanced_weights(inputs["train"].samples) if sampler else None

    @property
    def seconds(self) -> float:
        """Since the first epoch began, without pauses; that of an interrupted run included."""
        return time.monotonic() - self._started

    def run(self, *, resume: bool = False) -> None:
        """All epochs, or as many as the time limit and the patience allow. `resume`: from the state on disk.

        Raises Cancelled, JobError, StorageError, or ConfigError if there is no state to go on from.
        """
        model, optimizer = self.fabric.setup(self.graph, self.optimizer)
        model.mark_forward_method("raw")
        if self.settings.ema:
            self._average = Average(self.graph.network, self.settings.ema)
        if resume and self.folder is not None:
            self._restore(load_checkpoint(self.folder.checkpoint, self._who), optimizer)
        try:
            while not self._over():
                self._one(model, optimizer, self.epochs_done)
        except _Stopped:
            return

    def load_best(self) -> Graph:
        """The graph with the best epoch's weights, on the CPU. Raises JobError if no epoch was worth keeping."""
        if self.best is None:
            raise _diverged(self.epochs_done)
        self.graph.cpu()
        self.graph.network.load_state_dict(self.best.state)
        return self.graph

    def _over(self) -> bool:
        settings, done = self.settings, self.epochs_done
        if done >= settings.epochs:
            return True
        if settings.patience and self.best is not None and done - self.best.epoch >= settings.patience:
            return True
        lasted = float(self.curve[-1]["seconds"]) if self.curve else 0.0
        return bool(done and settings.time_limit and self.seconds + lasted / 2 > settings.time_limit)

    def _one(self, model: Any, optimizer: Any, epoch: int) -> None:  # noqa: ANN401 - Fabric's wrappers forward to ours
        """One epoch with its validation, told and saved."""
        began = self.seconds
        # What an epoch draws depends on its number only, so that an interrupted training goes on as it would have.
        torch.manual_seed(self.settings.seed * 100_003 + epoch + 1)
        self._thaw.before(epoch)
        loss = self._epoch(model, optimizer, epoch)
        infer = self._judge(model)
        primary, numbers = self._validated(infer)
        value = numbers[primary] if math.isfinite(numbers[primary]) else -math.inf
        better = self.best is None or value > self.best.value
        if better:
            source = self.graph.network if self._average is None else self._average.module
            state = {key: tensor.detach().cpu().clone() for key, tensor in source.state_dict().items()}
            self.best = Best(epoch + 1, value, rounded(numbers), state)
        self.epochs_done = epoch + 1
        row = {
            "epoch": epoch + 1,
            "epochs": self.settings.epochs,
            "loss": loss,
            "lr": float(self.optimizer.param_groups[-1]["lr"]),
            "seconds": self.seconds - began,
            "best": better,
            "name": primary,
            "value": value,
            "val": {key: number for key, number in rounded(numbers).items() if "/" not in key},
        }
        self.curve.append(row)
        self._save(optimizer)
        self.report.metric(**row)
        self._show(infer, self.seconds - began)

    def _epoch(self, model: Any, optimizer: Any, epoch: int) -> float:  # noqa: ANN401
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
        optimizer.zero_grad()
        for step, (frames, target) in enumerate(loader):
            self._pause_point()
            frames = frames.to(self.fabric.device, non_blocking=True)
            target = {name: tensor.to(self.fabric.device, non_blocking=True) for name, tensor in target.items()}
            loss = task.loss(model.raw(frames), target, self.card)
            value = float(loss.detach())
            if not math.isfinite(value):
                raise _diverged(epoch + 1)
            first = step - step % settings.accumulate
            together = min(settings.accumulate, self._steps - first)
            self.fabric.backward(loss / together)
            if step + 1 == first + together:
                set_rate(self.optimizer, settings.lr * learning_rate(settings, epoch + first / self._steps, self.seconds))
                self.fabric.clip_gradients(self.graph, optimizer, max_norm=_GRADIENT_NORM, error_if_nonfinite=False)
                optimizer.step()
                optimizer.zero_grad()
                if self._average is not None:
                    self._average.update(self.graph.network)
            total, count = total + value * len(frames), count + len(frames)
            self._tell(epoch, step + 1, total / count)
        self._log(self.inputs["train"].take_problems())
        return total / max(count, 1)

    def _judge(self, model: nn.Module) -> Infer:
        """The network that is validated, as a function of arrays."""
        judge = model if self._average is None else Graph(self._average.module, self.card).to(self.fabric.device)
        judge.eval()
        device = self.fabric.device

        def infer(frames: Prepared) -> Floats:
            self._pause_point()
            with torch.inference_mode():
                out: Floats = judge(torch.from_numpy(frames).to(device)).float().cpu().numpy()
            return out

        return infer

    def _validated(self, infer: Infer) -> tuple[str, dict[str, float]]:
        """The validation part, compared at the input's size: the primary number's name, and all of them."""
        metrics: Metrics = measure(infer, self.card, _input_items(self.inputs["val"], self.card), batch=self.settings.batch)
        self._log(self.inputs["val"].take_problems())
        return metrics.primary, metrics.compute()

    def _show(self, infer: Infer, epoch_s: float) -> None:
        """Pictures of what the network says of some validation samples, now and then."""
        if self.folder is None or not self._pace.due(epoch_s):
            return
        began = time.monotonic()
        inputs = self.inputs["val"]
        items = list(_input_items(inputs, self.card, chosen(inputs.samples)))
        files = self.folder.save_samples(self.epochs_done, sample_pictures(infer, self.card, items))
        self.report.artifact(files[0], what="samples")
        self._pace.done(time.monotonic() - began)

    def _pause_point(self) -> None:
        self._started += self.report.pause_point()
        if self.best is not None and self.report.stopping():
            raise _Stopped

    def _save(self, optimizer: Any) -> None:  # noqa: ANN401
        if self.folder is None:
            return
        last = self.curve[-1]
        numbers = {"loss": last["loss"], "lr": last["lr"], "seconds": last["seconds"], **last["val"]}
        finite = {key: value for key, value in numbers.items() if math.isfinite(value)}
        self.folder.append_curve({"epoch": last["epoch"], **finite})
        done = Checkpoint(
            epochs=self.epochs_done,
            seconds=self.seconds,
            network=self.graph.network.state_dict(),
            optimizer=optimizer.state_dict(),
            average={} if self._average is None else self._average.state_dict(),
            precision=self.fabric.strategy.precision.state_dict(),
            best=self.best,
            curve=self.curve,
        )
        save_checkpoint(self.folder.checkpoint, done, self._who)

    def _restore(self, state: Checkpoint, optimizer: Any) -> None:  # noqa: ANN401
        self.graph.network.load_state_dict(state.network)
        optimizer.load_state_dict(state.optimizer)
        if self._average is not None:
            self._average.load_state_dict(state.average)
        self.fabric.strategy.precision.load_state_dict(state.precision)
        self.best, self.curve, self.epochs_done = state.best, state.curve, state.epochs
        self._started = time.monotonic() - state.seconds

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

    def _log(self, problems: "list[Message]") -> None:
        for problem in problems:
            self.report.log(problem.text)


def _input_items(inputs: Inputs, card: Card, wanted: Sequence[int] | None = None) -> Iterator[Item]:
    """All samples, or those wanted, as frames of the input's size."""
    geometry = input_view(card.input)
    for index in range(len(inputs)) if wanted is None else wanted:
        sample = inputs.readable(index)
        frame = input_frame(sample.pixels, card.input, index)
        yield Item(sample.pixels, geometry, frame, truth_of(sample.target, card.input))


def _diverged(epoch: int) -> JobError:
    return JobError(
        "The training went astray in epoch {epoch}: the loss is no longer a number.",
        remedy="Use a smaller learning rate, and check the labels for impossible values.",
        epoch=epoch,
    )
