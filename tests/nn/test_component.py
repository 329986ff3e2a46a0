"""What modules and criterions have in common: conversion between types, arguments, how they read."""

import sys
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pytest

from nodegraph import nn
from nodegraph.errors import ArgumentError, StateError


class Keeping(nn.Identity):
    """Has arrays of several kinds, one of them at two places."""

    def __init__(self):
        self.real, self.indices, self.mask = np.ones(2), np.arange(3), np.ones(2, bool)
        self.listed, self.pair, self.mixed = [np.ones(2), self.real], (np.ones(1), np.ones(1)), [self.real, 3]
        self.words, self.version = ["real", "indices"], sys.version_info


def test_float_converts_real_arrays_wherever_they_are_kept():
    module = Keeping()
    words, version = module.words, module.version
    assert module.float() is module and module.words is words and module.version is version
    assert module.real.dtype == module.listed[0].dtype == module.pair[1].dtype == np.float32
    assert module.listed[1] is module.mixed[0] is module.real and module.mixed[1] == 3
    assert isinstance(module.pair, tuple)
    assert module.indices.dtype == int and module.mask.dtype == bool


class Pair(NamedTuple):
    mean: np.ndarray
    count: int


def test_float_converts_arrays_in_lists_within_lists_and_in_named_tuples():
    module = Keeping()
    module.deep, module.named = [[np.ones(2), [module.real]], 3], Pair(np.ones(2), 3)
    module.float()
    assert module.deep[0][0].dtype == np.float32 and module.deep[0][1][0] is module.real and module.deep[1] == 3
    assert module.named.mean.dtype == np.float32 and module.named.count == 3


@pytest.mark.parametrize("as_dataclass", [False, True])
def test_slots_are_refused_where_the_class_is_made(as_dataclass):
    """A run works on a copy of the module, which would lack them."""
    with pytest.raises(ArgumentError, match="Scaled: a module has no __slots__"):
        if as_dataclass:

            @dataclass(slots=True)
            class Scaled(nn.Module):
                factor: float

        else:

            class Scaled(nn.Module):
                __slots__ = ("factor",)


def test_arrays_of_the_type_already_stay_the_arrays_they_are():
    module = Keeping()
    real, listed = module.real, module.listed[0]
    assert module.double() is module and module.real is real and module.listed[0] is listed


def test_modules_that_are_shared_at_every_level_are_listed_once():
    module = nn.Tanh()
    for _ in range(60):
        module = nn.Sequential(module, module)
    assert len(module.list_modules()) == 61


def test_a_conversion_forgets_the_last_run():
    module = nn.Linear(3, 2)
    module.forward(np.ones((4, 3)))
    module.float()
    assert module.output is None
    with pytest.raises(StateError, match="needs a forward"):
        module.backward(np.ones((4, 3)), np.ones((4, 2)))


@pytest.mark.parametrize("make", [lambda: nn.Tanh(3), lambda: nn.Tanh(inplace=True), lambda: nn.Identity(3, inplace=1)])
def test_arguments_where_there_are_none(make):
    with pytest.raises(ArgumentError, match="takes no arguments, got"):
        make()


def test_arguments_read_as_they_were_given_and_arrays_by_their_shape():
    assert repr(nn.Linear(3, output_size=2)) == "Linear(3, output_size=2)"
    assert repr(nn.Constant(np.zeros((2, 3)))) == "Constant(array(2, 3))"


def test_a_clone_shares_arrays_and_nothing_else():
    net = nn.Sequential(nn.Linear(2, 2, bias=False))
    twin = net.clone("weight", "bias", "modules")
    assert twin.modules is not net.modules and twin.modules[0] is not net.modules[0]
    assert twin.modules[0].weight is net.modules[0].weight


@pytest.mark.parametrize("name", ["wieght", "gradWeight", 3])
def test_a_name_that_no_module_has_is_refused(name):
    """Else nothing would be shared, without a word."""
    net = nn.Sequential(nn.Tanh(), nn.CMul(2))
    for refused in (lambda: net.clone("weight", name), lambda: net.share(net.clone(), name)):
        with pytest.raises(ArgumentError, match=f"no module has an array {name!r}"):
            refused()
    assert net.clone("weight", "bias", "grad_weight", "grad_bias")[1].grad_weight is net[1].grad_weight


@pytest.mark.parametrize("dtype", [int, "float16", bool, complex, None, "no type", [1, 2]])
def test_numbers_of_another_type_than_float32_and_float64_are_refused(dtype):
    net = nn.Linear(2, 2)
    with pytest.raises(ArgumentError, match="numbers are float32 or float64"):
        net.astype(dtype)
    assert net.weight.dtype == float


@pytest.mark.parametrize("dtype", [np.float32, "float32", np.dtype("float32"), "f4"])
def test_a_type_may_be_given_as_numpy_takes_it(dtype):
    assert nn.Linear(2, 2).astype(dtype).weight.dtype == np.float32
    assert nn.Linear(2, 2).float().astype(float).weight.dtype == np.float64


def test_a_parameter_at_several_places_has_the_name_of_the_first():
    layer = nn.Linear(2, 2)
    assert list(nn.Sequential(layer, nn.Tanh(), layer).named_parameters()) == ["0.weight", "0.bias"]
