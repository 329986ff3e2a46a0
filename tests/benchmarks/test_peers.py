"""All contestants of the benchmarks compute the same: loss, gradients of all weights, sampled characters."""

import importlib
import subprocess
import sys

import numpy as np
import pytest

import bench_training_step
import nodegraph_peer
import race
from character_model import GATES

CELLS = list(GATES)
PEERS = [
    ("torch", "Composed", CELLS),
    ("torch", "BuiltIn", ["lstm", "gru-after"]),
    ("jax", "TrainingStep", CELLS),
    ("autograd", "TrainingStep", CELLS),
]


def peer(package):
    pytest.importorskip(package)
    return importlib.import_module(f"{package}_peer")


def assert_same(step, case):
    """The second of two steps gives what it gives in nodegraph, run node by node."""
    ours = nodegraph_peer.EagerStep(*case)
    for _ in range(2):
        step()
        ours()
    (loss, gradients), (expected_loss, expected) = step.result(), ours.result()
    assert loss == pytest.approx(expected_loss, rel=1e-5)
    assert gradients.keys() == expected.keys()
    for name, gradient in gradients.items():
        assert gradient.dtype == np.float32, name
        np.testing.assert_allclose(gradient, expected[name], rtol=1e-3, atol=1e-6, err_msg=name)


@pytest.mark.parametrize("package, name, cell", [(p, name, cell) for p, name, cells in PEERS for cell in cells])
def test_the_same_loss_and_gradients(package, name, cell):
    case = (cell, 6, 2, 4, 3)
    assert_same(getattr(peer(package), name)(*case), case)


@pytest.mark.parametrize("cell", CELLS)
def test_compiled_it_is_the_same(cell):
    case = (cell, 6, 2, 4, 3)
    assert_same(nodegraph_peer.TrainingStep(*case), case)


@pytest.mark.parametrize(
    "name, cell", [("ComposedSampler", "lstm"), ("ComposedSampler", "gru"), ("BuiltInSampler", "lstm")]
)
def test_the_same_characters_are_sampled(name, cell):
    samplers = [kind(cell, 16, 2, 1, 1) for kind in (nodegraph_peer.Sampler, getattr(peer("torch"), name))]
    for sampler in samplers:
        sampler.argmax = True
    ours, theirs = (sampler.write(30) for sampler in samplers)
    assert ours == theirs and len(set(ours)) > 1


def test_a_race_prints_tables():
    pytest.importorskip("torch")
    command = [sys.executable, bench_training_step.__file__, "--case", "lstm,4,1,2,2", "--rounds", "1", "--only"]
    found = subprocess.run([*command, "nodegraph", "torch composed"], capture_output=True, text=True, check=True)
    lines = found.stdout.splitlines()
    assert lines[2].split() == ["lstm,4,1,2,2", "nodegraph", "/", "it"]
    assert lines[3].startswith("  nodegraph ") and " ms" in lines[3]
    assert lines[-1].startswith("nodegraph / torch composed  ")


def test_who_is_not_installed_is_left_out_with_a_word(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["bench", "--rounds", "0"])
    race.main(
        "bench.py", {"we": race.Contestant("numpy", "m:f"), "they": race.Contestant("no_such_package", "m:f")}, []
    )
    assert capsys.readouterr().out.startswith("they is left out: no_such_package is not installed")
