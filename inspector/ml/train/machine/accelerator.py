"""Device and precision of a training: a single device, or one of several processes with DistributedDataParallel."""

import os
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from datetime import timedelta
from typing import Any, Literal

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from inspector.ml.graph import Graph
from inspector.workers.process import rank, world_size

Precision = Literal["32", "bf16", "16"]

# how long the other processes wait while the first one is paused
_PATIENCE = {"gloo": timedelta(days=1), "nccl": timedelta(hours=1)}


class _Raw(nn.Module):
    """A module whose `forward` is `Graph.raw`, because DistributedDataParallel averages gradients only behind `forward`."""

    def __init__(self, graph: Graph) -> None:
        super().__init__()
        self.graph = graph

    def forward(self, frames: Tensor) -> Tensor:
        return self.graph.raw(frames)


class Accelerator:
    """The device, precision and, in distributed training, rank of this process.

    `precision`: "32", or mixed precision with "bf16" or "16" (float16; on a CPU, which has no float16 kernels, bfloat16).
    """

    def __init__(self, precision: Precision) -> None:
        """Waits until all processes of the training are connected."""
        self.count, self.rank = world_size(), rank()
        local = int(os.environ.get("LOCAL_WORLD_SIZE", self.count)) if self.count > 1 else 1
        gpu = torch.cuda.is_available() and torch.cuda.device_count() >= local
        self.device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")) if self.count > 1 else 0) if gpu else _CPU
        if gpu:
            torch.cuda.set_device(self.device)
        half = torch.float16 if precision == "16" and gpu else torch.bfloat16
        self._mixed = None if precision == "32" else half
        self._scaler = torch.amp.GradScaler(self.device.type, enabled=self._mixed == torch.float16)
        self._step: _Raw | DistributedDataParallel | None = None
        if self.count > 1:
            backend = "nccl" if gpu else "gloo"
            dist.init_process_group(backend, timeout=_PATIENCE[backend])

    def take(self, graph: Graph) -> None:
        """Move the graph to the device and use it in `raw`."""
        module = _Raw(graph.to(self.device))
        self._step = module
        if self.count > 1:
            # Stages that are frozen for some epochs have no gradients during these epochs.
            self._step = DistributedDataParallel(module, find_unused_parameters=True)

    def raw(self, frames: Tensor) -> Tensor:
        """Return the network's own output [N, ...] of a training step, float32."""
        assert self._step is not None
        with self.autocast():
            out: Tensor = self._step(frames)
        return out.float()

    def autocast(self) -> AbstractContextManager[object]:
        """Return the autocast context of a forward pass."""
        return nullcontext() if self._mixed is None else torch.autocast(self.device.type, self._mixed)

    def accumulating(self, enabled: bool) -> AbstractContextManager[object]:
        """Return a context in which, if enabled, gradients stay in this process.

        The next backward pass averages them with its own.
        """
        if not enabled or not isinstance(self._step, DistributedDataParallel):
            return nullcontext()
        context: AbstractContextManager[object] = self._step.no_sync()
        return context

    def backward(self, loss: Tensor) -> None:
        """Add the gradients of this loss to the existing ones."""
        scaled: Tensor = self._scaler.scale(loss)
        scaled.backward()  # type: ignore[no-untyped-call]

    def step(self, optimizer: torch.optim.Optimizer, parameters: list[nn.Parameter], *, norm: float) -> None:
        """Clip the norm of the gradients, update the weights and reset the gradients."""
        self._scaler.unscale_(optimizer)
        nn.utils.clip_grad_norm_(parameters, norm)
        self._scaler.step(optimizer)
        self._scaler.update()
        optimizer.zero_grad()

    def state_dict(self) -> dict[str, Any]:
        """Return the scaling state of 16-bit gradients for a checkpoint; empty if there is none."""
        return dict(self._scaler.state_dict())

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore the scaling state from a checkpoint."""
        if state and self._scaler.is_enabled():
            self._scaler.load_state_dict(dict(state))


_CPU = torch.device("cpu")
