"""The source of a module of one's own, as far as there is one to show."""

import numpy as np

from nodegraph import nn
from nodegraph.viz.walkthrough.explanations import MOST_LINES, source


class Doubled(nn.Module):
    def update_output(self, input):
        return 2 * input

    def update_grad_input(self, input, grad_output):
        return 2 * grad_output


def test_the_methods_of_its_own_in_the_order_of_a_run():
    assert source(Doubled()) == (
        "def update_output(self, input):\n    return 2 * input\n\n"
        "def update_grad_input(self, input, grad_output):\n    return 2 * grad_output"
    )
    tanh = source(nn.Tanh())
    assert tanh.startswith("def formula(") and "def derivative(" in tanh and "update_output" not in tanh


def test_a_class_that_is_in_no_file_has_no_source():
    """As one that was typed into an interpreter."""
    names = {"nn": nn, "np": np}
    exec("class Typed(nn.Module):\n    def update_output(self, input):\n        return np.sin(input)\n", names)
    assert source(names["Typed"]()) == ""


def test_a_long_source_ends_in_dots(tmp_path, monkeypatch):
    lines = [f"        input = input + {k}" for k in range(MOST_LINES)]
    text = "\n".join(
        ["from nodegraph import nn", "class Long(nn.Module):", "    def update_output(self, input):", *lines]
    )
    (tmp_path / "long_module.py").write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    from long_module import Long

    shown = source(Long()).splitlines()
    assert len(shown) == MOST_LINES + 1 and shown[-1] == "..." and shown[-2] == f"    input = input + {MOST_LINES - 2}"
