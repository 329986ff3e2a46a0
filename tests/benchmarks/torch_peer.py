"""The character model in PyTorch: composed of its operations, or with its built-in recurrent layers."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import torch
from torch.nn.functional import linear, nll_loss, one_hot

from character_model import GATES, VOCABULARY, WRITTEN, Arrays, Case, characters, reordered, weights

Tensors = dict[str, torch.Tensor]

BUILT_IN = {"lstm": (torch.nn.LSTM, "ifgo"), "gru": (torch.nn.GRU, "rzn"), "gru-after": (torch.nn.GRU, "rzn")}
"""Cell -> built-in layers with as much arithmetic, and the order of their gates. `gru` itself PyTorch does not have."""


def lstm(p: Tensors, x: torch.Tensor, h: torch.Tensor, c: torch.Tensor) -> tuple[torch.Tensor, ...]:
    i, f, o, g = (linear(x, p["W"], p["b"]) + linear(h, p["U"], p["c"])).chunk(4, 1)
    c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
    return torch.sigmoid(o) * torch.tanh(c), c


def peephole_lstm(p: Tensors, x: torch.Tensor, h: torch.Tensor, c: torch.Tensor) -> tuple[torch.Tensor, ...]:
    i, f, o, z = (linear(x, p["W"], p["b"]) + linear(h, p["U"])).chunk(4, 1)
    next_c = torch.sigmoid(f + p["p_f"] * c) * c + torch.sigmoid(i + p["p_i"] * c) * torch.tanh(z)
    return torch.sigmoid(o + p["p_o"] * next_c) * torch.tanh(next_c), next_c


def gru(p: Tensors, x: torch.Tensor, h: torch.Tensor) -> tuple[torch.Tensor, ...]:
    n = h.shape[1]
    of_x = linear(x, p["W"], p["b"])
    z, r = torch.sigmoid(of_x[:, : 2 * n] + linear(h, p["U"][: 2 * n], p["c"][: 2 * n])).chunk(2, 1)
    new = torch.tanh(of_x[:, 2 * n :] + linear(r * h, p["U"][2 * n :], p["c"][2 * n :]))
    return (z * new + (1 - z) * h,)


def gru_after(p: Tensors, x: torch.Tensor, h: torch.Tensor) -> tuple[torch.Tensor, ...]:
    z, r, n = linear(x, p["W"], p["b"]).chunk(3, 1)
    of_z, of_r, of_n = linear(h, p["U"]).chunk(3, 1)
    z, r = torch.sigmoid(z + of_z), torch.sigmoid(r + of_r)
    return (z * h + (1 - z) * torch.tanh(n + r * (of_n + p["c"])),)


CELLS = {"lstm": lstm, "peephole-lstm": peephole_lstm, "gru": gru, "gru-after": gru_after}


class Composed:
    """The cells above, step by step, as one writes them: all gates in one product of the input, one of the state."""

    def __init__(self, *sizes: str | int) -> None:
        self.case = case = Case(*sizes)
        torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", torch.get_num_threads())))
        self.parameters = {name: torch.from_numpy(a).requires_grad_() for name, a in weights(case).items()}
        self.cell = CELLS[case.cell]
        self.layers = [
            {name.split(".")[1]: p for name, p in self.parameters.items() if name.startswith(f"{layer}.")}
            for layer in range(case.layers)
        ]
        self.x, self.y = map(torch.from_numpy, characters(case))

    def states(self, batch: int) -> list[tuple[torch.Tensor, ...]]:
        n = 2 if "lstm" in self.case.cell else 1
        return [tuple(torch.zeros(batch, self.case.hidden) for _ in range(n)) for _ in self.layers]

    def step(self, x: torch.Tensor, states: list[tuple[torch.Tensor, ...]]) -> torch.Tensor:
        """The log-probabilities after one step's characters; the new states take the places of the old ones."""
        value = one_hot(x, VOCABULARY).float()
        for layer, p in enumerate(self.layers):
            states[layer] = self.cell(p, value, *states[layer])
            value = states[layer][0]
        return torch.log_softmax(linear(value, self.parameters["decoder.W"], self.parameters["decoder.b"]), -1)

    def forward(self) -> torch.Tensor:
        states = self.states(self.case.batch)
        return sum(nll_loss(self.step(x, states), y) for x, y in zip(self.x, self.y)) / self.case.steps

    def __call__(self) -> None:
        for parameter in self.parameters.values():
            parameter.grad = None
        self.loss = self.forward()
        self.loss.backward()

    def result(self) -> tuple[float, Arrays]:
        """The loss and the gradients of the last step."""
        return self.loss.item(), {name: p.grad.numpy() for name, p in self.parameters.items()}


class BuiltIn(Composed):
    """nn.LSTM or nn.GRU, all steps and layers in one call."""

    def __init__(self, *sizes: str | int) -> None:
        super().__init__(*sizes)
        case = self.case
        kind, self.gates = BUILT_IN[case.cell]
        self.module = kind(VOCABULARY, case.hidden, case.layers)
        common = weights(case)
        with torch.no_grad():
            for name, parameter in self.module.named_parameters():
                array = common[self.common_name(name)]
                if len(array) < len(parameter):
                    array = np.concatenate([np.zeros(len(parameter) - len(array), np.float32), array])
                parameter.copy_(torch.from_numpy(reordered(array, GATES[case.cell], self.gates)))
        decoder = {name: p for name, p in self.parameters.items() if name.startswith("decoder")}
        self.parameters = {**dict(self.module.named_parameters()), **decoder}

    @staticmethod
    def common_name(name: str) -> str:
        """PyTorch's name for an array, such as `bias_hh_l0`, as it is here."""
        kind, side, layer = name.split("_")
        letters = {"weight": "WU", "bias": "bc"}[kind]
        return f"{layer[1:]}.{letters[('ih', 'hh').index(side)]}"

    def output(self, x: torch.Tensor, *states: Any) -> tuple[torch.Tensor, list[Any]]:
        """The log-probabilities (steps, batch, VOCABULARY), and the states after them."""
        hs, following = self.module(one_hot(x, VOCABULARY).float(), *states)
        logits = linear(hs, self.parameters["decoder.W"], self.parameters["decoder.b"])
        return torch.log_softmax(logits, -1), [following]

    def forward(self) -> torch.Tensor:
        return nll_loss(self.output(self.x)[0].flatten(0, 1), self.y.flatten())

    def result(self) -> tuple[float, Arrays]:
        loss, found = super().result()
        gradients = {name: array for name, array in found.items() if name.startswith("decoder")}
        for name, _ in self.module.named_parameters():
            gradients[self.common_name(name)] = reordered(found[name], self.gates, GATES[self.case.cell])
        if self.case.cell == "gru-after":
            gradients |= {name: a[-self.case.hidden :] for name, a in gradients.items() if name.endswith(".c")}
        return loss, gradients


class ComposedSampler(Composed):
    """Writes characters one after the other, each drawn by its probability, or with `argmax` the most probable one."""

    argmax = False

    def write(self, length: int) -> list[int]:
        """So many characters, as indices, after character 0."""
        written, states, x = [], self.states(1), torch.zeros(1, dtype=torch.long)
        with torch.inference_mode():
            for _ in range(length):
                log_probabilities = self.step(x, states)[0]
                x = log_probabilities.argmax(0, True) if self.argmax else torch.multinomial(log_probabilities.exp(), 1)
                written.append(x.item())
        return written

    def __call__(self) -> None:
        self.write(WRITTEN)


class BuiltInSampler(ComposedSampler, BuiltIn):
    """The same with nn.LSTM or nn.GRU, called for one step at a time."""

    def states(self, batch: int) -> list:
        return []

    def step(self, x: torch.Tensor, states: list) -> torch.Tensor:
        output, states[:] = self.output(x[None], *states)
        return output[0]
