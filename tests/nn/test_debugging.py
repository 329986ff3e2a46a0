"""Modules that print shapes, measure time and look for NaN."""

import re

import numpy as np
import pytest

import nodegraph
from nodegraph import nn
from nodegraph.check import check_gradients
from nodegraph.errors import ArgumentError, InputError, ShapeError

X = np.ones((2, 4))


@pytest.mark.parametrize("kind", [nn.Decorator, nn.NaN, nn.Profile])
class TestDecorators:
    def test_does_what_the_module_inside_does(self, kind):
        inside = nn.Linear(4, 3)
        module = kind(inside)
        np.testing.assert_array_equal(module.forward(X), inside.forward(X))
        assert module.parameters()[0][0] is inside.weight
        assert module.output_shape((5, 4)) == (5, 3) and module.rowwise((5, 4)) and not module.rowwise((4,))
        assert check_gradients(module, X) < 1e-6

    def test_float32(self, kind):
        assert kind(nn.Linear(4, 3)).float().forward(X.astype("f")).dtype == np.float32

    def test_errors_name_the_module_inside(self, kind):
        with pytest.raises(ShapeError, match=r"Linear\(4, 3\), module 0 of .* expected"):
            kind(nn.Linear(4, 3)).forward(np.ones((2, 5)))

    def test_takes_a_module(self, kind):
        with pytest.raises(ArgumentError):
            kind(3)


class TestPrintSize:
    def test_prints_shapes(self, capsys):
        module = nn.PrintSize("layer 1")
        np.testing.assert_array_equal(module.forward(X), X)
        np.testing.assert_array_equal(module.backward(X, X), X)
        assert capsys.readouterr().out == "layer 1:input (2, 4)\nlayer 1:grad_output (2, 4)\n"

    def test_tables(self, capsys):
        nn.PrintSize().forward([X, [X, 3.0]])
        assert capsys.readouterr().out == "PrintSize:input [(2, 4), [(2, 4), a number]]\n"


class TestProfile:
    def test_prints_after_each_interval(self, capsys):
        module = nn.Profile(nn.Linear(4, 3), 2, "lin")
        for _ in range(5):
            module.forward(X)
            module.backward(X, np.ones((2, 3)))
        took = r"lin took \d+\.\d{3} seconds for 2 %s passes\n"
        assert re.fullmatch((took % "forward" + took % "backward") * 2, capsys.readouterr().out)

    def test_counts_at_several_nodes(self, capsys):
        module, x = nn.Profile(nn.Tanh(), 4), nn.Identity()()
        graph = nodegraph.GModule([x], [module(module(x))])
        graph.forward(X)
        assert module.passes == {"forward": 2, "backward": 0} and capsys.readouterr().out == ""
        graph.forward(X)
        assert capsys.readouterr().out.startswith("Tanh took 0.0")

    def test_a_clone_counts_for_itself(self):
        module = nn.Profile(nn.Tanh())
        module.clone().forward(X)
        assert module.passes["forward"] == 0

    @pytest.mark.parametrize("interval", [0, -1, 1.5])
    def test_interval(self, interval):
        with pytest.raises(ArgumentError, match="print_interval"):
            nn.Profile(nn.Tanh(), interval)


class TestNaN:
    def refuses(self, what):
        return pytest.raises(InputError, match=f"NaN found in the {what} of")

    def test_input(self):
        with self.refuses("input"):
            nn.NaN(nn.Tanh()).forward(np.array([np.nan, 1]))

    def test_parameters(self):
        module = nn.NaN(nn.Linear(4, 3))
        module.parameters()[0][0][0, 0] = np.nan
        with self.refuses("parameters"):
            module.forward(X)

    def test_output(self):
        with self.refuses("output"):
            nn.NaN(nn.Log()).forward(-X)

    def test_a_nan_deep_in_a_table(self):
        with self.refuses("input"):
            nn.NaN(nn.Identity()).forward([X, [X, np.nan * X]])

    def test_grad_output(self):
        module = nn.NaN(nn.Tanh())
        module.forward(X)
        with self.refuses("grad_output"):
            module.backward(X, np.nan * X)

    def test_grad_input(self):
        module, x = nn.NaN(nn.Log()), np.zeros(1)
        module.forward(x)
        with self.refuses("grad_input"):
            module.backward(x, np.zeros(1))

    def test_gradients_of_the_parameters(self):
        inside = nn.Linear(4, 3)
        module = nn.NaN(inside)
        module.forward(X)
        inside.grad_weight[0, 0] = np.nan
        with self.refuses("gradients of the parameters"):
            module.backward(X, np.ones((2, 3)))

    def test_infinities_are_numbers(self):
        nn.NaN(nn.Identity()).forward(np.array([np.inf, -np.inf]))

    def test_names(self):
        first, second = nn.NaN(nn.Tanh()), nn.NaN(nn.Tanh())
        assert first.id != second.id and "NaN(here)" == nn.NaN(nn.Tanh(), "here").describe()
        assert nn.NaN(nn.Identity()).forward([]) == []
