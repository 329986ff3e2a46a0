"""The character model in HIPS autograd: NumPy, with gradients found by following what was computed."""

from __future__ import annotations

import autograd.numpy as np
from autograd import value_and_grad

from character_model import VOCABULARY, Arrays, Case, characters, weights


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def lstm(p: Arrays, x: np.ndarray, h: np.ndarray, c: np.ndarray) -> tuple[np.ndarray, ...]:
    i, f, o, g = np.split(np.dot(x, p["W"].T) + np.dot(h, p["U"].T) + (p["b"] + p["c"]), 4, 1)
    c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
    return sigmoid(o) * np.tanh(c), c


def peephole_lstm(p: Arrays, x: np.ndarray, h: np.ndarray, c: np.ndarray) -> tuple[np.ndarray, ...]:
    i, f, o, z = np.split(np.dot(x, p["W"].T) + np.dot(h, p["U"].T) + p["b"], 4, 1)
    next_c = sigmoid(f + p["p_f"] * c) * c + sigmoid(i + p["p_i"] * c) * np.tanh(z)
    return sigmoid(o + p["p_o"] * next_c) * np.tanh(next_c), next_c


def gru(p: Arrays, x: np.ndarray, h: np.ndarray) -> tuple[np.ndarray, ...]:
    n = h.shape[1]
    of_x_z, of_x_r, of_x_n = np.split(np.dot(x, p["W"].T) + (p["b"] + p["c"]), 3, 1)
    gates, new = np.split(p["U"], [2 * n], 0)
    of_z, of_r = np.split(np.dot(h, gates.T), 2, 1)
    z, r = sigmoid(of_x_z + of_z), sigmoid(of_x_r + of_r)
    return (z * np.tanh(of_x_n + np.dot(r * h, new.T)) + (1 - z) * h,)


def gru_after(p: Arrays, x: np.ndarray, h: np.ndarray) -> tuple[np.ndarray, ...]:
    z, r, n = np.split(np.dot(x, p["W"].T) + p["b"], 3, 1)
    of_z, of_r, of_n = np.split(np.dot(h, p["U"].T), 3, 1)
    z, r = sigmoid(z + of_z), sigmoid(r + of_r)
    return (z * h + (1 - z) * np.tanh(n + r * (of_n + p["c"])),)


CELLS = {"lstm": lstm, "peephole-lstm": peephole_lstm, "gru": gru, "gru-after": gru_after}


class TrainingStep:
    """The cells above, step by step."""

    def __init__(self, *sizes: str | int) -> None:
        self.case = case = Case(*sizes)
        self.parameters = weights(case)
        x, self.y = characters(case)
        self.x = np.eye(VOCABULARY, dtype=np.float32)[x]
        self.value_and_grad = value_and_grad(self.forward)

    def forward(self, parameters: Arrays) -> float:
        case, cell = self.case, CELLS[self.case.cell]
        layers = [
            {name.split(".")[1]: parameters[name] for name in parameters if name.startswith(f"{layer}.")}
            for layer in range(case.layers)
        ]
        zeros = np.zeros((case.batch, case.hidden), np.float32)
        states = [(zeros,) * (2 if "lstm" in case.cell else 1) for _ in layers]
        loss = 0.0
        for x, y in zip(self.x, self.y):
            for layer, p in enumerate(layers):
                states[layer] = cell(p, x, *states[layer])
                x = states[layer][0]
            logits = np.dot(x, parameters["decoder.W"].T) + parameters["decoder.b"]
            logits = logits - np.max(logits, 1, keepdims=True)
            log_probabilities = logits - np.log(np.sum(np.exp(logits), 1, keepdims=True))
            loss = loss - np.mean(log_probabilities[np.arange(case.batch), y])
        return loss / case.steps

    def __call__(self) -> None:
        self.loss, self.gradients = self.value_and_grad(self.parameters)

    def result(self) -> tuple[float, Arrays]:
        """The loss and the gradients of the last step."""
        return float(self.loss), self.gradients
