"""Training by PyTorch: the same network and the same steps, on a GPU if there is one, alone or data-parallel by DDP.

Started by torchrun, each process trains on its own columns of every batch; gradients are averaged by
DistributedDataParallel, over nccl between GPUs, over gloo between CPUs.
"""

from __future__ import annotations

import atexit
import os
import signal
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor
from torch.nn import functional as F
from torch.nn.parallel import DistributedDataParallel

from nodegraph.errors import ArgumentError
from nodegraph.export import load_torch, to_torch
from nodegraph.models.char_rnn.engine import Engine

if TYPE_CHECKING:
    from nodegraph.models.char_rnn.training import CharacterModel


class TorchEngine(Engine):
    """Trains a model by PyTorch; on the CPU, or if PyTorch finds GPUs on the one of this process's number.

    States are tensors with the rows of this process. The optimiser is torch.optim.RMSprop, which computes what ours
    does; its settings are those of `optimizer`. Dropout draws PyTorch's random numbers.
    """

    def __init__(self, model: CharacterModel) -> None:
        super().__init__(model)
        self.model = model
        self.processes, self.rank = int(os.environ.get("WORLD_SIZE", 1)), int(os.environ.get("RANK", 0))
        self.main, self.interrupted, self.module = self.rank == 0, False, None
        self.device = self._device()
        n = self.options.batch_size
        if n < self.processes:
            raise ArgumentError(f"{self.processes} processes need a batch_size of at least as many, got {n}")
        self.rows = slice(self.rank * n // self.processes, (self.rank + 1) * n // self.processes)
        if self.processes > 1:
            if not dist.is_initialized():
                dist.init_process_group("nccl" if self.device.type == "cuda" else "gloo")
                atexit.register(dist.destroy_process_group)
            # Whoever is interrupted goes on to the end of the step, where all agree to stop.
            signal.signal(signal.SIGINT, lambda number, frame: setattr(self, "interrupted", True))

    def _device(self) -> torch.device:
        if not torch.cuda.is_available():
            return torch.device("cpu")
        number, here = int(os.environ.get("LOCAL_RANK", 0)), int(os.environ.get("LOCAL_WORLD_SIZE", 1))
        if here > torch.cuda.device_count():
            raise ArgumentError(f"{here} processes need a GPU each, and there are {torch.cuda.device_count()}")
        torch.cuda.set_device(number)
        return torch.device("cuda", number)

    def _start(self) -> None:
        """Make PyTorch's module and optimiser, with the numbers that ours have now."""
        torch.manual_seed(self.options.seed + self.rank)
        self.module = to_torch(self.recurrent).to(self.device)
        self.parallel = self.module
        if self.processes > 1:
            devices = [self.device.index] if self.device.type == "cuda" else None
            self.parallel = DistributedDataParallel(self.module, device_ids=devices)
        self.torch_optimizer = torch.optim.RMSprop(self.module.parameters(), eps=self.optimizer.epsilon)
        if "mean_squares" in self.optimizer.arrays:
            start = 0
            memory = torch.from_numpy(self.optimizer.arrays["mean_squares"][0])
            for parameter in self.module.parameters():
                squares = memory[start : start + parameter.numel()].reshape(parameter.shape)
                start += parameter.numel()
                state = {"step": torch.tensor(0.0), "square_avg": squares.clone().to(self.device)}
                self.torch_optimizer.state[parameter] = state

    def train(self, x: np.ndarray, targets: np.ndarray, states: list[Tensor]) -> tuple[float, float, list[Tensor]]:
        if self.module is None:
            self._start()
        self.module.train()
        self.torch_optimizer.zero_grad()
        total, following = self._run(self.parallel, x, targets, states)
        # DDP averages over the processes what is here each one's share of the sum over the steps.
        (total * (self.processes / x.shape[1])).backward()
        norms = [torch.linalg.vector_norm(parameter.grad) for parameter in self.module.parameters()]
        norm = torch.linalg.vector_norm(torch.stack(norms))
        if self.options.grad_clip_norm and norm.isfinite():
            for parameter in self.module.parameters():
                parameter.grad *= min(1, self.options.grad_clip_norm / float(norm))
        torch.nn.utils.clip_grad_value_(self.module.parameters(), self.options.grad_clip)
        for group in self.torch_optimizer.param_groups:
            group["lr"], group["alpha"] = self.optimizer.learning_rate, self.optimizer.alpha
        self.torch_optimizer.step()
        self.optimizer.evaluations += 1
        return self._mean(total, x), float(norm), [state.detach() for state in following]

    def evaluate(self, x: np.ndarray, targets: np.ndarray, states: list[Tensor]) -> tuple[float, list[Tensor]]:
        if self.module is None:
            self._start()
        self.module.eval()
        with torch.no_grad():
            total, following = self._run(self.module, x, targets, states)
        return self._mean(total, x), following

    def _run(
        self, module: torch.nn.Module, x: np.ndarray, targets: np.ndarray, states: list[Tensor]
    ) -> tuple[Any, ...]:
        """The sum of the losses of this process's rows, and their next states."""
        x, targets = (torch.tensor(part[:, self.rows], device=self.device) for part in (x, targets))
        log_probabilities, *following = module(x, *states)
        return F.nll_loss(log_probabilities.flatten(0, 1), targets.flatten(), reduction="sum"), following

    def _mean(self, total: Tensor, x: np.ndarray) -> float:
        total = total.detach().double()
        if self.processes > 1:
            dist.all_reduce(total)
        return float(total) / x.size

    def share(self, states: list[np.ndarray]) -> list[Tensor]:
        return [torch.tensor(state[self.rows], device=self.device) for state in states]

    def whole(self, states: list[Tensor]) -> list[np.ndarray]:
        gathered = []
        for state in states:
            full = state.new_zeros(self.options.batch_size, *state.shape[1:])
            full[self.rows] = state
            if self.processes > 1:
                dist.all_reduce(full)
            gathered.append(full.cpu().numpy())
        return gathered

    def synchronise(self) -> None:
        if self.module is None:
            return
        load_torch(self.recurrent, self.module)
        squares = [self.torch_optimizer.state[p].get("square_avg") for p in self.module.parameters()]
        if all(s is not None for s in squares):
            memory = torch.cat([s.reshape(-1) for s in squares]).cpu().numpy()
            self.optimizer.arrays["mean_squares"] = [memory]

    def agreed(self, stop: bool) -> bool:
        """The same in all processes; KeyboardInterrupt in all of them if one was interrupted."""
        if self.processes == 1:
            return stop
        flags = torch.tensor([stop, self.interrupted], dtype=torch.int32, device=self.device)
        dist.all_reduce(flags, dist.ReduceOp.MAX)
        if flags[1]:
            raise KeyboardInterrupt
        return bool(flags[0])
