"""Random graphs of many nodes: seconds to build, check, compile and run them.

    python tests/benchmarks/bench_graphs.py
    python tests/benchmarks/bench_graphs.py --nodes 1000 100000 --chain

Columns: build, wiring the nodes; check, closing them into a GModule and going through all shapes; compile, what the
first forward and backward after `compile()` take longer than the next; run, a forward and a backward, compiled; eager,
the same node by node.
"""

from __future__ import annotations

import argparse
import gc
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from nodegraph import GModule, Node, nn

SIZES = [1000, 3000, 10_000, 30_000, 100_000]
ROWS, WIDTH = 4, 8


def wire(n: int, chain: bool = False, seed: int = 0) -> tuple[Node, list[Node]]:
    """The input and the loose ends of a graph of `n` nodes: sums, products, linear maps, activations, forks.

    All values have the same shape. With `chain` each node takes the output of the one before.
    """
    choice = np.random.default_rng(seed)
    modules = [nn.Tanh, nn.Sigmoid, lambda: nn.AddConstant(0.5), lambda: nn.Linear(WIDTH, WIDTH)]
    recent = [x := nn.Identity()()]
    loose = {x: None}
    kinds, makes, picks = choice.integers(0, 1 if chain else 3, n), choice.integers(0, 4, n), choice.random((n, 2))
    for kind, make, (a, b) in zip(kinds.tolist(), makes.tolist(), picks.tolist()):
        if kind == 1:
            parents = [recent[int(a * len(recent))], next(iter(loose))]
            node = (nn.CAddTable() if make % 2 else nn.CMulTable())(parents)
        else:
            parents = [recent[-1] if chain else next(iter(loose)) if kind else recent[int(b * len(recent))]]
            node = modules[make]()(parents[0])
        for parent in parents:
            loose.pop(parent, None)
        loose[node] = None
        recent = [*recent[-20:], node]
    return x, list(loose)


def seconds(n: int, chain: bool) -> dict[str, float]:
    """What each part takes, for a graph of `n` nodes."""
    taken: dict[str, float] = {}

    def timed(name: str, work: Callable[[], Any]) -> Any:
        start = time.perf_counter()
        done = work()
        taken[name] = time.perf_counter() - start
        return done

    x = np.random.default_rng(0).standard_normal((ROWS, WIDTH))
    start, loose = timed("build", lambda: wire(n, chain))

    def check() -> GModule:
        net = GModule(start, loose)
        net.output_shape(x.shape)
        return net

    def run() -> None:
        output = net.forward(x)
        net.zero_grad_parameters()
        net.backward(x, output)

    net = timed("check", check)
    timed("eager", run)
    if hasattr(net, "compile"):
        net.compile()
        timed("compile", run)
        timed("run", run)
        taken["compile"] -= taken["run"]
    return taken


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--nodes", type=int, nargs="+", default=SIZES, metavar="N", help="the sizes of the graphs")
    parser.add_argument("--chain", action="store_true", help="all nodes in a row")
    given = parser.parse_args()
    columns = ["build", "check", "compile", "run", "eager"]
    print("".join(f"{name:>10}" for name in ["nodes", *columns]))
    for n in given.nodes:
        taken = seconds(n, given.chain)
        gc.collect()
        print(f"{n:>10,}" + "".join(f"{taken[name]:10.3f}" if name in taken else f"{'-':>10}" for name in columns))
