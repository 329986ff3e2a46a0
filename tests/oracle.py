"""Reference values computed with Torch7, read into Python's terms: arrays, tables, our modules with their arguments."""

from __future__ import annotations

import json
import pathlib

import numpy as np

import nodegraph
from nodegraph import nn, table

from torch_arguments import CALLS, CLASS_TARGETS, FIELDS, INDEX_FIELDS, INDEX_INPUTS, PATHS, TRANSLATE

DATA = pathlib.Path(__file__).parent / "data"


def cases(file, key=None):
    """The cases of a file, or those whose `key` is a class of nodegraph.nn."""
    found = json.loads((DATA / file).read_text())["cases"]
    return [case for case in found if key is None or hasattr(nn, case[key])]


def value(stored):
    """An array, a table, a dictionary or a plain value from its stored form."""
    if isinstance(stored, list):
        return [value(part) for part in stored]
    if not isinstance(stored, dict):
        return float("inf") if stored == "inf" else stored
    if "table" in stored:
        return [value(part) for part in stored["table"]]
    if "dict" in stored:
        return {k: value(v) for k, v in stored["dict"].items()}
    if "shape" in stored:
        return np.array(stored["data"], dtype=float).reshape(stored["shape"])
    return stored


def build(description):
    """The module for {"module", "args", "calls", "children"}."""
    name = description["module"]
    args = [argument(a) for a in description.get("args", [])]
    if name == "ModuleFromCriterion":
        module = nn.ModuleFromCriterion(*args)
    else:
        args, kwargs = TRANSLATE.get(name, lambda *a: (a, {}))(*args)
        module = getattr(nn, name)(*args, **kwargs)
    for call in description.get("calls", []):
        method = "".join("_" + c.lower() if c.isupper() else c for c in call["method"])
        translate = CALLS.get(call["method"], lambda a: a)
        getattr(module, method)(*[translate(argument(a)) for a in call["args"]])
    if not module.children():  # those given to the constructor are listed again
        for child in description.get("children", []):
            module.add(build(child))
            if "Unpooling" in child["module"]:
                module[-1].pooling = module[0]  # its stored arguments describe another one
    return module


def argument(stored):
    return build(stored) if isinstance(stored, dict) and "module" in stored else value(stored)


def graph(case):
    """The GModule of a case, and its modules by node; those inside the GModule of a node as `node/inner node`."""
    nodes, modules = {}, {}
    for record in case["nodes"]:
        name = record["id"]
        if "select" in record:
            parts = nodes[record["of"] + "/parts"]
            nodes[name] = parts[record["select"] - 1]
            continue
        if record["module"] == "nest":
            nodes[name] = nodegraph.nest(table.map(nodes.get, record["structure"]))
        else:
            if "shares" in record:
                module = modules[record["shares"]]
            elif "clones" in record:
                module = modules[record["clones"]].clone("weight", "bias", "grad_weight", "grad_bias")
            elif "graph" in record:
                module, inner = graph(record["graph"])
                modules.update({f"{name}/{i}": m for i, m in inner.items()})
            else:
                module = build(record)
            modules[name] = module
            parents = [nodes[i] for i in record["inputs"]]
            nodes[name] = module(parents) if parents else module()
        if "name" in record:
            nodes[name].annotate(name=record["name"])
        if "split" in record:
            parts = nodes[name].split(record["split"])
            nodes[name + "/parts"] = parts if isinstance(parts, list) else [parts]
    return nodegraph.GModule([nodes[i] for i in case["inputs"]], [nodes[i] for i in case["outputs"]]), modules


def prepared_graph(case):
    """The case's GModule with its parameters set, and the modules by node."""
    gmodule, modules = graph(case)
    for path, fields in case["params"].items():
        for field, stored in fields.items():
            set_array(modules[path], field, stored)
    gmodule.zero_grad_parameters()
    return gmodule, modules


def graph_input(case):
    """The input of a graph's case, with indices counted from 0 where a node takes indices."""
    given = value(case["input"])
    for i, name in enumerate(case["inputs"]):
        if any(_takes_indices(node, name) for node in case["nodes"]):
            given[i] = given[i] - 1
    return given


def _takes_indices(node, source):
    if node.get("module") == "ModuleFromCriterion":
        return node["args"][0]["module"] in CLASS_TARGETS and node["inputs"][1] == source
    return node.get("module") in INDEX_INPUTS and source in node["inputs"]


def criterion(case):
    """The criterion of a case with its fields and its children set."""
    made = build({"module": case["criterion"], "args": case["args"]})
    for field, stored in case.get("fields", {}).items():
        target, name = owner(made, field)
        setattr(target, name, stored)
    (weights,) = case.get("childWeights", {"none": []}).values()
    for child, weight in zip(case.get("children", []), weights, strict=True):
        made.add(build(child), weight)
    for path, stored in case["params"].items():
        if path.startswith("inputModule."):
            set_array(made.input_module, path.partition(".")[2], stored)
        else:
            assert_equal(getattr(made, path), stored, what=path)
    return made


def criterion_target(description, target):
    """The target with its class labels, if it has any, counted from 0."""
    name, children = description.get("criterion") or description["module"], description.get("children", [])
    if name in CLASS_TARGETS:
        return target - 1
    if name == "ParallelCriterion" and table.is_table(target):
        return [criterion_target(child, part) for child, part in zip(children, target, strict=True)]
    if name == "ModuleCriterion":
        return criterion_target(description["args"][0], target)
    return criterion_target(children[0], target) if children else target


def owner(module, path):
    """The module at a path such as `2.1.weight`, and the field's name here."""
    path = PATHS.get(type(module).__name__, {}).get(path, path)
    step, inside, rest = path.partition(".")
    if inside:
        return owner(module.children()[int(step) - 1], rest)
    return module, FIELDS.get(path, "".join("_" + c.lower() if c.isupper() else c for c in path))


def set_array(module, path, stored):
    target, field = owner(module, path)
    array = value(stored) - 1 if path.split(".")[-1] in INDEX_FIELDS else value(stored)
    current = getattr(target, field)
    current[...] = array.reshape(current.shape)


def assert_equal(actual, stored, tolerance=1e-10, what=""):
    """Same structure, same shapes, same numbers up to a relative and absolute tolerance."""
    expected = value(stored)
    if table.is_table(expected):
        assert table.is_table(actual) and len(actual) == len(expected), what
        for i, (a, e) in enumerate(zip(actual, stored["table"])):
            assert_equal(a, e, tolerance, f"{what}[{i}]")
    elif isinstance(expected, np.ndarray):
        assert np.shape(actual) == expected.shape, f"{what}: shape {np.shape(actual)}, not {expected.shape}"
        np.testing.assert_allclose(actual, expected, rtol=tolerance, atol=tolerance, err_msg=what)
    else:
        np.testing.assert_allclose(actual, expected, rtol=tolerance, atol=tolerance, err_msg=what)
