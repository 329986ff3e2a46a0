"""The character model in JAX: compiled by XLA, each layer a lax.scan over time."""

from __future__ import annotations

import jax
import jax.numpy as jnp

from character_model import VOCABULARY, Arrays, Case, characters, weights

Parameters = dict[str, jax.Array]
State = tuple[jax.Array, ...]


def lstm(p: Parameters, of_x: jax.Array, h: jax.Array, c: jax.Array) -> State:
    i, f, o, g = jnp.split(of_x + h @ p["U"].T + p["c"], 4, 1)
    c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
    return jax.nn.sigmoid(o) * jnp.tanh(c), c


def peephole_lstm(p: Parameters, of_x: jax.Array, h: jax.Array, c: jax.Array) -> State:
    i, f, o, z = jnp.split(of_x + h @ p["U"].T, 4, 1)
    next_c = jax.nn.sigmoid(f + p["p_f"] * c) * c + jax.nn.sigmoid(i + p["p_i"] * c) * jnp.tanh(z)
    return jax.nn.sigmoid(o + p["p_o"] * next_c) * jnp.tanh(next_c), next_c


def gru(p: Parameters, of_x: jax.Array, h: jax.Array) -> State:
    n = h.shape[1]
    z, r = jnp.split(jax.nn.sigmoid(of_x[:, : 2 * n] + h @ p["U"][: 2 * n].T + p["c"][: 2 * n]), 2, 1)
    new = jnp.tanh(of_x[:, 2 * n :] + (r * h) @ p["U"][2 * n :].T + p["c"][2 * n :])
    return (z * new + (1 - z) * h,)


def gru_after(p: Parameters, of_x: jax.Array, h: jax.Array) -> State:
    z, r, n = jnp.split(of_x, 3, 1)
    of_z, of_r, of_n = jnp.split(h @ p["U"].T, 3, 1)
    z, r = jax.nn.sigmoid(z + of_z), jax.nn.sigmoid(r + of_r)
    return (z * h + (1 - z) * jnp.tanh(n + r * (of_n + p["c"])),)


CELLS = {"lstm": lstm, "peephole-lstm": peephole_lstm, "gru": gru, "gru-after": gru_after}


class TrainingStep:
    """The products of the inputs stand outside the scans, for all steps at once: XLA would leave them inside."""

    def __init__(self, *sizes: str | int) -> None:
        self.case = case = Case(*sizes)
        self.parameters = {name: jnp.asarray(array) for name, array in weights(case).items()}
        self.x, self.y = map(jnp.asarray, characters(case))
        self.value_and_grad = jax.jit(jax.value_and_grad(self.forward))

    def forward(self, parameters: Parameters, x: jax.Array, y: jax.Array) -> jax.Array:
        case, cell, xs = self.case, CELLS[self.case.cell], jax.nn.one_hot(x, VOCABULARY)
        state = (jnp.zeros((case.batch, case.hidden)),) * (2 if "lstm" in case.cell else 1)
        for layer in range(case.layers):
            p = {name.split(".")[1]: parameters[name] for name in parameters if name.startswith(f"{layer}.")}

            def step(state: State, of_x: jax.Array, p: Parameters = p) -> tuple[State, jax.Array]:
                state = cell(p, of_x, *state)
                return state, state[0]

            _, xs = jax.lax.scan(step, state, xs @ p["W"].T + p["b"])
        log_probabilities = jax.nn.log_softmax(xs @ parameters["decoder.W"].T + parameters["decoder.b"])
        return -jnp.take_along_axis(log_probabilities, y[..., None], -1).mean()

    def __call__(self) -> None:
        self.done = jax.block_until_ready(self.value_and_grad(self.parameters, self.x, self.y))

    def result(self) -> tuple[float, Arrays]:
        """The loss and the gradients of the last step."""
        loss, gradients = self.done
        return float(loss), {name: jax.device_get(array) for name, array in gradients.items()}
