"""The character model in nodegraph: a training step, and sampling."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import numpy as np

from nodegraph import GModule, Recurrent, nn
from nodegraph.models.char_rnn.options import Options
from nodegraph.models.char_rnn.sampling import sample
from nodegraph.models.char_rnn.text import Vocabulary
from nodegraph.models.char_rnn.training import CharacterModel
from nodegraph.models.networks import MODELS, network_of
from nodegraph.models.variants import gru_cell

from character_model import GATES, VOCABULARY, WRITTEN, Arrays, Case, characters, weights


class TrainingStep:
    """Forward, loss and backward of the network over time."""

    compiled = True

    def __init__(self, *sizes: str | int) -> None:
        self.case = case = Case(*sizes)
        net = network(case)
        self.network, self.criterion = Recurrent(net, compiled=self.compiled), nn.ClassNLLCriterion()
        self.places = list(places(net, case))
        _, self.gradient = self.network.get_parameters()
        x, self.y = characters(case)
        n_states = len(net.inputs) - 1
        self.input = [x, *(np.zeros((case.batch, case.hidden), np.float32) for _ in range(n_states))]
        self.nothing = [None] * n_states

    def __call__(self) -> None:
        self.gradient.fill(0)
        output = self.network.forward(self.input)[0]
        rows, targets = output.reshape(-1, VOCABULARY), self.y.reshape(-1)
        self.loss = self.criterion.forward(rows, targets)
        grad_rows = self.criterion.backward(rows, targets)
        self.network.backward(self.input, [grad_rows.reshape(output.shape), *self.nothing])

    def result(self) -> tuple[float, Arrays]:
        """The loss and the gradients of the last step."""
        gradients = {name: np.zeros_like(array) for name, array in weights(self.case).items()}
        for name, rows, module, attribute in self.places:
            gradients[name][rows] = getattr(module, "grad_" + attribute)
        return float(self.loss), gradients


class EagerStep(TrainingStep):
    """The same, node by node."""

    compiled = False


def network(case: Case) -> GModule:
    """The network with the common weights, float32."""
    own = {"gru-after": network_of(partial(gru_cell, reset_after=True))}
    wire, _ = {**MODELS, **own}[case.cell]
    net, common = wire(VOCABULARY, case.hidden, case.layers).float(), weights(case)
    for name, rows, module, attribute in places(net, case):
        getattr(module, attribute)[...] = common[name][rows]
    return net


def places(net: GModule, case: Case) -> Iterator[tuple[str, slice, nn.Module, str]]:
    """Where the common weights lie: name, rows, and the module and the attribute that have them.

    char-rnn's LSTM has one matrix for all gates, the other cells one for each.
    """
    names = {"lstm": ["i2h", "h2h"], "gru": ["i2h_{}", "h2h_{}"]}.get(case.cell, ["W_{}", "U_{}"])
    words = {"z": "update", "r": "reset", "n": "candidate"} if case.cell == "gru" else {}
    for layer, _ in case.sizes():
        for k, gate in enumerate(GATES[case.cell] if case.cell != "lstm" else "*"):
            rows = slice(k * case.hidden, (k + 1) * case.hidden) if gate != "*" else slice(None)
            for name, (weight, bias) in zip(names, ["Wb", "Uc"]):
                module = net.node(f"{name.format(words.get(gate, gate))}_{layer + 1}").module
                yield f"{layer}.{weight}", rows, module, "weight"
                if module.bias is not None:
                    alone = case.cell == "gru-after" and bias == "c"
                    yield f"{layer}.{bias}", slice(None) if alone else rows, module, "bias"
        if case.cell == "peephole-lstm":
            for gate in "ifo":
                yield f"{layer}.p_{gate}", slice(None), net.node(f"p_{gate}_{layer + 1}").module, "weight"
    for name, attribute in (("W", "weight"), ("b", "bias")):
        yield f"decoder.{name}", slice(None), net.node("decoder").module, attribute


class Sampler:
    """Writes characters with the library's own sampling, or with `argmax` always the most probable one."""

    argmax = False

    def __init__(self, *sizes: str | int) -> None:
        case = Case(*sizes)
        vocabulary = Vocabulary.in_order([chr(ord("0") + i) for i in range(VOCABULARY)])
        options = Options(model=case.cell, rnn_size=case.hidden, num_layers=case.layers)
        self.model = CharacterModel.around(options, vocabulary, network(case).evaluate())
        self.generator = np.random.default_rng(0)

    def write(self, length: int) -> list[int]:
        """So many characters, as indices, after character 0."""
        vocabulary = self.model.vocabulary
        prime = vocabulary.decode([0])
        written = sample(self.model, length, prime, argmax=self.argmax, generator=self.generator)
        return vocabulary.encode("".join(written)[1:]).tolist()

    def __call__(self) -> None:
        self.write(WRITTEN)
