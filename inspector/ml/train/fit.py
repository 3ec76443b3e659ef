"""The training loop: epochs of batches, each followed by validation.

The best epoch's weights are kept in memory, the last state on disk.
"""

import math
import time
from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from inspector.bundles.bundle import Card
from inspector.core.errors import ConfigError, JobError
from inspector.core.message import Message, message
from inspector.core.registry import TASKS
from inspector.ml.channel import Cancelled
from inspector.ml.evaluate import measure, rounded
from inspector.ml.graph import Graph
from inspector.ml.networks.base import Network
from inspector.ml.train.checkpoint import Best, Checkpoint, identity, load_checkpoint, save_checkpoint
from inspector.ml.train.diagnosis import is_better, learnt, look_after, narrow_side, nothing_learnt
from inspector.ml.train.loading.dataset import Inputs, balanced_weights, batch_count, batches
from inspector.ml.train.loading.sample_images import Pace, chosen, sample_pictures
from inspector.ml.train.loading.transforms import augmentation_for
from inspector.ml.train.machine.accelerator import Accelerator
from inspector.ml.train.machine.distributed import Lockstep, check_company, lost
from inspector.ml.train.machine.threads import Threads
from inspector.ml.train.optimisation import Average, Thaw, learning_rate, optimizer_for, set_rate
from inspector.ml.train.run_folder import RunFolder
from inspector.ml.train.validation import Judge, epochs_a_check
from inspector.runs.settings import TrainSettings, areas_of
from inspector.tasks.base import Metrics, task_of
from inspector.workers.messages import EpochDone, Progress, Report

_GRADIENT_NORM = 10.0  # gradient norms above are clipped; ordinary steps stay below
_TELL_S = 0.5
_GO, _STOP, _CANCEL, _LAST = range(4)  # words from the first process to the others; _LAST: the epoch ends with this step


class _Stopped(Exception):
    """The training ends early; the best epoch so far counts."""


class Fit:
    """One training by gradient descent.

    After `run()`, `best` holds the best epoch, and `load_best()` loads it into the graph.
    """

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
        """`folder`: where the curves and the state after each epoch are saved; None: nowhere."""
        assert isinstance(network, Network)
        self.settings, self.card, self.inputs, self.report, self.folder = settings, card, inputs, report, folder
        self.accelerator = Accelerator(settings.precision)
        self._steady = Lockstep(self.accelerator)
        # Distributed processes share the cores by their own plan (`together.company`).
        self._threads = Threads(settings.threads or (torch.get_num_threads() if self._steady.count > 1 else 0))
        # What a step learns from: pieces of the input, or all of it.
        self._shown = piece_card(card, settings)
        self.graph = Graph(network.to(memory_format=torch.channels_last), card)
        self.optimizer = optimizer_for(settings, network)
        self.best: Best | None = None
        self._warned = False
        self.epochs_done = 0
        self.curve: list[dict[str, Any]] = []
        self._who = identity(settings, str(card.dataset["fingerprint"]))
        self._thaw = Thaw(network, settings.freeze_epochs, settings.freeze_stages if settings.pretrained else 0)
        self._average: Average | None = None
        self._started = time.monotonic()
        self._told = 0.0
        self._pace = Pace()
        self._steps = batch_count(len(inputs["train"]), settings.batch, self._steady.count)
        self._clock = 0.0
        self._checking = 0.0  # seconds of the last validation
        sampler = TASKS[settings.task].labels == "label" and settings.balance == "sampler"
        self._weights = balanced_weights(inputs["train"].samples) if sampler else None

    @property
    def seconds(self) -> float:
        """Seconds since the first epoch began, without pauses, including those of an interrupted run."""
        return time.monotonic() - self._started

    def run(self, *, resume: bool = False) -> None:
        """Train all epochs, or as many as the time limit and the patience allow. `resume`: continue from the state on disk.

        Raises Cancelled, JobError, StorageError, or ConfigError if there is no state to resume from.
        """
        self.accelerator.take(self.graph)
        if self.settings.ema:
            self._average = Average(self.graph.network, self.settings.ema)
        saved = load_checkpoint(self.folder.checkpoint, self._who) if resume and self.folder is not None else None
        try:
            self._train(self._steady.same(saved))
        except RuntimeError as error:
            if self._steady.count > 1 and self.report.cancelled():
                raise Cancelled from error  # another process was ended, which was suspended
            problem = lost(error)
            if problem is None:
                raise
            raise problem from error

    def _train(self, saved: Checkpoint | None) -> None:
        """Train in lockstep with the other processes until the first process ends the training."""
        first = self._steady.first
        if saved is not None:
            self._restore(saved)
            if first and self.curve:  # a process that was killed may have saved an epoch and not told of it
                self.report.metric(EpochDone.model_validate(self.curve[-1]))
        try:
            while not first or not self._over():
                self._meet(_GO)
                self._one(self.epochs_done)
            self._meet(_STOP)
        except _Stopped:
            if first:
                self._meet(_STOP)
        except Cancelled:
            if first:
                self._meet(_CANCEL)
            raise

    def _meet(self, word: int) -> int:
        """Exchange `word` with the other processes, act on the first process's word and return it."""
        word, self._clock = self._steady.meet(word, self.seconds)
        if not self._steady.first:
            if word == _STOP:
                raise _Stopped
            if word == _CANCEL:
                raise Cancelled
        return word

    def load_best(self) -> Graph:
        """Return the graph with the best epoch's weights, on the CPU. Raises JobError if there is no usable epoch."""
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
        return bool(done) and "value" in self.curve[-1] and self._out_of_time()  # what was not validated cannot be the best

    def _out_of_time(self) -> bool:
        """Return whether the time limit leaves no more time than a validation takes."""
        limit = self.settings.time_limit
        return bool(limit) and self.seconds + self._checking >= limit

    def _one(self, epoch: int) -> None:
        """Train one epoch, validate, report and save."""
        began = self.seconds
        # Random numbers of an epoch depend on its number only, so that a resumed training continues identically.
        torch.manual_seed(self.settings.seed * 100_003 + epoch + 1)
        self._thaw.before(epoch)
        loss = self._epoch(epoch)
        if not self._steady.first:
            self.epochs_done = epoch + 1
            return
        judge = self._judge() if self._to_validate(epoch) else None
        checked = {} if judge is None else self._check(epoch, judge)
        self.epochs_done = epoch + 1
        row = {
            "epoch": epoch + 1,
            "epochs": self.settings.epochs,
            "loss": loss,
            "lr": float(self.optimizer.param_groups[-1]["lr"]),
            "seconds": self.seconds - began,
            **checked,
        }
        self.curve.append(row)
        self._save()
        self.report.metric(EpochDone.model_validate(row))
        self._warn()
        if judge is not None:
            self._show(judge, self.seconds - began)

    def _to_validate(self, epoch: int) -> bool:
        """Return whether this epoch (from 0) is validated: the last one, and of the others every one or some."""
        settings, whole, piece = self.settings, self.card.input, self._shown.input
        pixels = whole.width * whole.height / (piece.width * piece.height)
        every = epochs_a_check(settings, pixels * len(self.inputs["val"]) / len(self.inputs["train"]))
        return epoch % every == 0 or epoch + 1 == settings.epochs or self._out_of_time()

    def _check(self, epoch: int, judge: Judge) -> dict[str, Any]:
        """Validate, keep the epoch if it is the best so far, and return its numbers for the curve."""
        began = self.seconds
        metrics = self._validated(judge)
        self._checking = self.seconds - began
        primary, numbers = metrics.primary, metrics.compute()
        value = numbers[primary] if math.isfinite(numbers[primary]) else -math.inf
        better = is_better(value, judge.loss(), self.best, metrics.chance())
        if better:
            self._keep(epoch + 1, value, rounded(numbers), judge.loss(), metrics.chance())
        return {
            "val_loss": judge.loss(),
            "best": better,
            "name": primary,
            "value": value,
            "val": {key: number for key, number in rounded(numbers).items() if "/" not in key},
        }

    def _keep(self, epoch: int, value: float, numbers: dict[str, float], loss: float, chance: float) -> None:
        """Keep this epoch as the best so far."""
        source = self.graph.network if self._average is None else self._average.module
        state = {key: tensor.detach().cpu().clone() for key, tensor in source.state_dict().items()}
        self.best = Best(epoch, value, numbers, state, loss, chance)

    def _warn(self) -> None:
        """Report once that nothing was learnt in the first epochs, and later, if so, that learning has begun."""
        if self.folder is None or self.best is None:
            return
        begun, done = learnt(self.best.value, self.best.chance), self.epochs_done
        if begun and self._warned:
            self._warned = False
            self._log([message("In epoch {epoch} it has begun to learn.", epoch=done)])
        elif not begun and done == look_after(self.settings.epochs):
            self._warned = True
            self._log(self._nothing(self.best.chance))

    def nothing_learnt(self) -> Sequence[Message]:
        """Return the messages if the best epoch is no better than answers that ignore the image; empty otherwise."""
        if self.best is None or learnt(self.best.value, self.best.chance):
            return ()
        return self._nothing(self.best.chance)

    def _nothing(self, chance: float) -> Sequence[Message]:
        validated = [row for row in self.curve if "value" in row]
        return nothing_learnt(self.card, self.settings, validated, chance, narrow_side(self.inputs["train"]))

    def _epoch(self, epoch: int) -> float:
        """Train on all samples once, or on as many as the time limit allows, and return the mean loss."""
        settings, task = self.settings, task_of(self.card.task)
        how = augmentation_for(settings.task, settings.augment, cover=areas_of(settings.cover))
        total, count = 0.0, 0
        self.graph.train()
        loader = batches(
            self.inputs["train"],
            size=settings.batch,
            seed=settings.seed,
            epoch=epoch,
            how=how,
            weights=self._weights,
            piece=(self._shown.input.width, self._shown.input.height) if settings.piece else None,
            shard=self._steady.shard,
            pin=self.accelerator.device.type == "cuda",
        )
        parameters = list(self.graph.parameters())
        self.optimizer.zero_grad()
        for step, (frames, target) in enumerate(loader):
            if self._steady.first:
                self._pause_point()
            first = step - step % settings.accumulate
            together = min(settings.accumulate, self._steps - first)
            last = step + 1 == first + together
            word = self._meet(_LAST if last and self._out_of_time() else _GO)
            self._threads.adapt()
            frames = frames.to(self.accelerator.device, non_blocking=True)
            target = {name: tensor.to(self.accelerator.device, non_blocking=True) for name, tensor in target.items()}
            with self.accelerator.accumulating(not last):
                loss = task.loss(self.accelerator.raw(frames), target, self._shown)
                value = float(loss.detach())
                if not math.isfinite(value) and self._steady.first:  # averaging would spread it to the other processes
                    raise _diverged(epoch + 1)
                self.accelerator.backward(loss / together)
            if last:
                set_rate(self.optimizer, settings.lr * learning_rate(settings, epoch + first / self._steps, self._clock))
                self.accelerator.step(self.optimizer, parameters, norm=_GRADIENT_NORM)
                if self._average is not None:
                    self._average.update(self.graph.network)
            total, count = total + value * len(frames), count + len(frames)
            self._tell(epoch, step + 1, total / count)
            if word == _LAST:
                break
        self._log(self.inputs["train"].take_problems())
        return self._steady.mean(total, count)

    def _judge(self) -> Judge:
        """Return the network under validation. Called by the first process alone."""
        device = self.accelerator.device
        graph = self.graph if self._average is None else Graph(self._average.module, self.card).to(device)
        graph.eval()
        return Judge(graph.raw, self.card, device=device, autocast=self.accelerator.autocast, tick=self._pause_point)

    def _validated(self, judge: Judge) -> Metrics:
        """Return the metrics on the validation part, at the input's size."""
        metrics: Metrics = measure(judge, self.card, judge.items(self.inputs["val"]), batch=self.settings.batch)
        self._log(self.inputs["val"].take_problems())
        return metrics

    def _show(self, judge: Judge, epoch_s: float) -> None:
        """Save pictures of predictions for some validation samples from time to time."""
        if self.folder is None or not self._pace.due(epoch_s):
            return
        began = time.monotonic()
        inputs = self.inputs["val"]
        items = list(judge.items(inputs, chosen(inputs.samples)))
        files = self.folder.save_samples(self.epochs_done, sample_pictures(judge, self.card, items))
        self.report.artifact(files[0], what="samples")
        self._pace.done(time.monotonic() - began)

    def _pause_point(self) -> None:
        check_company()
        self._started += self.report.pause_point()
        if self.best is not None and self.report.stopping():
            raise _Stopped

    def _save(self) -> None:
        if self.folder is None:
            return
        last = self.curve[-1]
        told = {name: last.get(name, math.nan) for name in ("epoch", "loss", "val_loss", "lr", "seconds")}
        self.folder.append_curve({**told, **last.get("val", {})})
        done = Checkpoint(
            epochs=self.epochs_done,
            seconds=self.seconds,
            network=self.graph.network.state_dict(),
            optimizer=self.optimizer.state_dict(),
            average={} if self._average is None else self._average.state_dict(),
            precision=self.accelerator.state_dict(),
            best=self.best,
            curve=self.curve,
        )
        save_checkpoint(self.folder.checkpoint, done, self._who)

    def _restore(self, state: Checkpoint) -> None:
        self.graph.network.load_state_dict(state.network)
        self.optimizer.load_state_dict(state.optimizer)
        if self._average is not None:
            self._average.load_state_dict(state.average)
        self.accelerator.load_state_dict(state.precision)
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
            Progress(
                phase="train",
                epoch=epoch + 1,
                epochs=self.settings.epochs,
                step=step,
                steps=self._steps,
                loss=loss,
                eta_s=round(eta, 1),
            )
        )

    def _log(self, problems: Sequence[Message]) -> None:
        for problem in problems:
            self.report.log(problem.text)


def piece_card(card: Card, settings: TrainSettings) -> Card:
    """Return the card with the input that a step learns from: the whole, or a piece of `settings.piece` pixels a side.

    Raises ConfigError if the task's labels belong to whole images.
    """
    if not settings.piece:
        return card
    if not task_of(card.task).tiled:
        raise ConfigError(
            "{task} learns from whole images, not from pieces.", remedy="Leave out --piece.", task=TASKS[card.task].label
        )
    width, height = (min(settings.piece, side) for side in (card.input.width, card.input.height))
    return card.model_copy(update={"input": card.input.model_copy(update={"width": width, "height": height})})


def _diverged(epoch: int) -> JobError:
    return JobError(
        "The training went astray in epoch {epoch}: the loss is no longer a number.",
        remedy="Use a smaller learning rate, and check the labels for impossible values.",
        epoch=epoch,
    )
