# mypy: warn-return-any
"""A file as a user writes it, for mypy --strict: every name is found, and a mistake would be."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from nodegraph import (
    GModule,
    History,
    Node,
    NodegraphError,
    Recurrent,
    annotate_nodes,
    check_gradients,
    debug,
    load,
    nest,
    nn,
    optim,
    pad_sequences,
    save,
    seed,
    sequence_lengths,
    sequence_mask,
    unroll,
)
from nodegraph.errors import ShapeError
from nodegraph.export import load_torch, to_onnx, to_torch
from nodegraph.models import gru, lstm, rnn
from nodegraph.models.variants import peephole_lstm
from nodegraph.viz import Diagram, Walkthrough, draw, loss_curves, print_graph, schedule, summary, walkthrough


class Softsign(nn.Pointwise):
    def formula(self, x: Any) -> Any:
        return x / (1 + np.abs(x))

    def derivative(self, x: Any, y: Any) -> Any:
        return (1 - np.abs(y)) ** 2


class Scale(nn.Module):
    def __init__(self, factor: float) -> None:
        self.factor = factor

    def update_output(self, input: np.ndarray) -> np.ndarray:
        return self.factor * input

    def update_grad_input(self, input: np.ndarray, grad_output: np.ndarray) -> np.ndarray:
        return self.factor * grad_output

    def output_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        return shape


def perceptron(inputs: int, hidden: int) -> GModule:
    x = nn.Identity()()
    h: Node = Softsign()(nn.Linear(inputs, hidden)(x))
    y = h - nn.Linear(hidden, 1) - Scale(2.0)
    annotate_nodes()
    return GModule(x, y.annotate(name="y", graph_attributes={"color": "red"}))


def train(network: GModule, steps: int) -> History:
    seed(1)
    history, criterion = History(), nn.MSECriterion()
    optimizer: optim.Optimizer = optim.Adam(network, learning_rate=0.1)
    schedule = optim.Schedule(optimizer, optim.exponential(0.99))
    x, target = np.ones((4, 3)), np.zeros((4, 1))

    def closure() -> float:
        network.zero_grad_parameters()
        loss = criterion.forward(network.forward(x), target)
        network.backward(x, criterion.backward(network.output, target))
        optim.clip_gradient_norm(network, 5.0)
        return loss

    for step in range(1, steps + 1):
        loss: float | None = optimizer.step(closure)
        history.add(step, loss=loss or 0.0, learning_rate=schedule(step))
    return history


def look(network: GModule, history: History) -> str:
    diagram: Diagram = draw(network, input_shapes=(4, 3))
    page: Walkthrough = walkthrough(network, np.ones((4, 3)))
    loss_curves(history).save("loss.svg")
    diagram.save("network.svg")
    page.save("page.html")
    print_graph(network)
    with debug(stop_at_nan=True), network.watch(forward=lambda node, call: print(node.name, call.output)):
        network.forward(np.ones((4, 3)))
    assert network.tape is not None
    return summary(network, (4, 3)) + str(network.tape["h"].output.shape)


def over_time(make: Callable[[int, int], GModule]) -> int:
    network: Recurrent = Recurrent(make(3, 2), masked=True).double().evaluate()
    indices: np.ndarray = pad_sequences([[1, 2], [1]])
    mask: np.ndarray = sequence_mask(sequence_lengths([[1, 2], [1]]), steps=2)
    print(schedule(network), indices.shape, mask.shape, unroll(lstm.create(3, 2), 2).nodes)
    return len(network.clone().list_modules())


def files(network: GModule) -> nn.Module:
    linear: nn.Linear = nn.Linear(3, 2).no_bias().float()
    print(linear.weight.mean(), linear.grad_weight.sum(), nest([nn.Identity()(), nn.Identity()()]).split(2))
    save(network, "network.t7")
    to_onnx(network, "network.onnx", ("batch", 3))
    load_torch(network, to_torch(network))
    loaded: nn.Module = load("network.t7")
    return loaded


def main() -> None:
    network = perceptron(3, 5)
    error: float = check_gradients(network, np.ones((4, 3)))
    try:
        print(error, look(network, train(network, 10)), files(network))
    except ShapeError as problem:
        print(problem.node, problem.picture)
    except NodegraphError as problem:
        print(problem)
    for make in (peephole_lstm, lstm.create):
        print(over_time(make))
    print(gru.gru(3, 2, 1), rnn.rnn(3, 2, 1))
