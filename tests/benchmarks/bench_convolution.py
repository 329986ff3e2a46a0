"""SpatialConvolution beside PyTorch's Conv2d: 3x3, 64 -> 64 planes, images 8 x 32 x 32, float32, forward and backward.

    python tests/benchmarks/bench_convolution.py

The case is (images, planes, size, kernel).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

import race


def arrays(batch: int, planes: int, size: int) -> tuple[np.ndarray, np.ndarray]:
    """An input, and a gradient of the output."""
    rng = np.random.default_rng(0)
    shape = (batch, planes, size, size)
    return rng.standard_normal(shape, np.float32), rng.standard_normal(shape, np.float32)


def nodegraph_step(batch: int, planes: int, size: int, kernel: int) -> Callable[[], None]:
    from nodegraph import nn

    module = nn.SpatialConvolution(planes, planes, kernel, kernel, 1, 1, kernel // 2).float()
    input, grad_output = arrays(batch, planes, size)

    def step() -> None:
        module.zero_grad_parameters()
        module.forward(input)
        module.backward(input, grad_output)

    return step


def torch_step(batch: int, planes: int, size: int, kernel: int) -> Callable[[], None]:
    import torch

    module = torch.nn.Conv2d(planes, planes, kernel, padding=kernel // 2)
    input, grad_output = (torch.from_numpy(array) for array in arrays(batch, planes, size))
    input.requires_grad_()

    def step() -> None:
        module.zero_grad()
        input.grad = None
        module(input).backward(grad_output)

    return step


CONTESTANTS: race.Contestants = {
    "nodegraph": race.Contestant("nodegraph", "bench_convolution:nodegraph_step"),
    "torch": race.Contestant("torch", "bench_convolution:torch_step"),
}

if __name__ == "__main__":
    race.main(__file__, CONTESTANTS, [(8, 64, 32, 3)])
