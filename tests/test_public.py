"""Every public name is there, listed, and tells what it is."""

import argparse
import importlib
import inspect
import pkgutil

import pytest

import nodegraph
import nodegraph.models
import nodegraph.viz
from nodegraph import cli

LISTED = [
    "nodegraph",
    "nodegraph.export.onnx",
    "nodegraph.export.torch",
    "nodegraph.io.t7",
    "nodegraph.models.variants",
    "nodegraph.nn",
    "nodegraph.optim",
    "nodegraph.viz",
    "nodegraph.viz.lessons",
    "nodegraph.viz.walkthrough",
]
OPEN = ["nodegraph.errors", "nodegraph.nn.init", "nodegraph.random", "nodegraph.table", "nodegraph.models.lstm"] + [
    f"nodegraph.models.{name}" for name in ("gru", "networks", "rnn", "layers")
]
"""Modules without a list, from which users take what they define."""

REACHED = {
    "nodegraph.checkpointed_tape": ["CheckpointedTape"],
    "nodegraph.gmodule": ["Watch"],
    "nodegraph.history": ["History"],
    "nodegraph.nn.module": ["Call"],
    "nodegraph.over_time": ["OverTime"],
    "nodegraph.recurrent_tape": ["RecurrentTape"],
    "nodegraph.tape": ["Tape"],
    "nodegraph.models.char_rnn.text": ["Vocabulary"],
    "nodegraph.models.char_rnn.training": ["CharacterModel", "Trainer"],
    "nodegraph.viz.chart": ["Chart"],
    "nodegraph.viz.schedule": ["Schedule"],
    "nodegraph.viz.summary": ["Summary"],
}
"""Classes that no package lists, of which users get objects from those that are listed."""

PACKAGES = [nodegraph, nodegraph.models, nodegraph.viz]
MODULES = sorted(
    {m.name for p in PACKAGES for m in pkgutil.walk_packages(p.__path__, p.__name__ + ".") if "__main__" not in m.name}
)


def imported(name):
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        pytest.skip(f"needs the extra that brings {error.name}")


def function_of(attribute):
    """The function behind a method, a property, a class method or a static method; None for other attributes."""
    function = getattr(attribute, "fget", None) or getattr(attribute, "__func__", attribute)
    return function if inspect.isfunction(function) else None


def undocumented(thing, name):
    """The names of a class or function, and of a class's public methods, that no docstring tells of."""
    if not inspect.getdoc(thing):
        yield name
    if inspect.isclass(thing) and thing.__module__.startswith("nodegraph"):
        for method in (a for a in dir(thing) if not a.startswith("_")):
            owners = [vars(base)[method] for base in thing.__mro__ if method in vars(base)]
            functions = [function_of(owner) for owner in owners]
            if functions[0] and not any(function and function.__doc__ for function in functions):
                yield f"{name}.{method}"


@pytest.mark.parametrize("name", LISTED)
def test_what_a_package_lists_is_there_and_documented(name):
    package = imported(name)
    assert len(set(package.__all__)) == len(package.__all__)
    things = {public: getattr(package, public) for public in package.__all__}
    callables = {
        public: thing for public, thing in things.items() if inspect.isclass(thing) or inspect.isroutine(thing)
    }
    assert [missing for public, thing in callables.items() for missing in undocumented(thing, public)] == []


@pytest.mark.parametrize("name", MODULES)
def test_a_module_tells_what_it_is_about(name):
    assert imported(name).__doc__


@pytest.mark.parametrize("name", OPEN)
def test_what_a_module_for_users_defines_is_documented(name):
    module = imported(name)
    own = {k: v for k, v in vars(module).items() if not k.startswith("_") and getattr(v, "__module__", None) == name}
    assert [missing for public, thing in own.items() for missing in undocumented(thing, public)] == []


@pytest.mark.parametrize(("name", "classes"), REACHED.items(), ids=REACHED)
def test_what_users_get_objects_of_is_documented(name, classes):
    module = imported(name)
    assert [missing for public in classes for missing in undocumented(getattr(module, public), public)] == []


def options_without_help(parser, name):
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            yield from (f"{name} {choice.dest}" for choice in action._choices_actions if not choice.help)
            for verb, inner in action.choices.items():
                yield from options_without_help(inner, f"{name} {verb}")
        elif not action.help:
            yield f"{name} {action.option_strings or action.dest}"


def test_every_command_and_option_tells_what_it_is():
    assert list(options_without_help(cli._parser(), "nodegraph")) == []


@pytest.mark.parametrize("name", ["nodegraph", "nodegraph.nn", "nodegraph.optim", "nodegraph.viz"])
def test_classes_and_functions_of_the_main_packages_are_all_listed(name):
    package = importlib.import_module(name)
    public = {
        k
        for k, v in vars(package).items()
        if not k.startswith("_")
        and (inspect.isclass(v) or inspect.isfunction(v))
        and v.__module__.startswith("nodegraph")
    }
    assert public <= set(package.__all__)
