"""to_onnx: a module as an ONNX file."""

from __future__ import annotations

import os
import pathlib
from collections.abc import Iterator
from typing import Any

import numpy as np
import onnx
from onnx import helper

from nodegraph import table
from nodegraph.errors import ArgumentError, ExportError
from nodegraph.export.onnx import activation, convolutions, lookup, pooling, products, recurrent, tables
from nodegraph.export.onnx.graph import Graph
from nodegraph.export.onnx.sizes import Size
from nodegraph.export.onnx.tidying import index_inputs
from nodegraph.io.writing import write_whole
from nodegraph.nn.module import Module
from nodegraph.recurrent import Recurrent

CONVERTED = (activation, convolutions, lookup, pooling, products, recurrent, tables)
"""The modules that fill in the converters when they are imported."""

OPSET, IR_VERSION = 18, 8
"""The newest set of operators for which onnxruntime can run the activation functions in float64."""

EXAMPLES = (11, 17, 23, 31, 41, 47, 59, 67), (13, 19, 29, 37, 43, 53, 61, 71)
"""Lengths with which open axes are tried: the graph must not depend on them."""

LARGEST = 2**31 - 2**20
"""What a file can hold, in bytes; the format counts in 32 bits."""


def to_onnx(
    module: Module, path: str | os.PathLike[str], input_shapes: Any, metadata: dict[str, str] | None = None
) -> pathlib.Path:
    """Write a module as an ONNX file that computes what the module computes in evaluation mode; returns the path.

    `input_shapes` is the shape of the input, or a list of shapes for a table, as for `output_shape`. An axis may have
    a name instead of a length, and is then open: `("batch", 3)`. In shapes without names the first axis is left open
    where the graph can be the same for all lengths, and of a Recurrent's sequences the first two. An array in the place
    of a shape stands for its shape and type. `metadata` is written into the file beside the graph.

    Inputs, outputs, operators and arrays have the names of annotated nodes and the paths of `named_parameters`; what is
    shared is written once. Numbers have the type of the module's parameters, float64 if there are none; an input that
    is used for indices alone is int64. The operators are those of opset 18, as far as onnxruntime 1.20 runs them; later
    versions come to the same numbers. In float32 a convolution, an average pooling and a cross-map normalisation are
    operators of their own; for float64 onnxruntime has none, so there they are spelled out as products of matrices, to
    the same numbers. A Recurrent becomes a Scan for each of its loops; what lies outside them runs once for all steps.
    In float64 onnxruntime before 1.31 turns x * sigmoid(x) into an operator that it lacks there; it loads such a graph
    with `InferenceSession(path, disabled_optimizers=["QuickGeluFusion"])`.

    A class of your own is written down, too, if its formula, its view or its `update_output` uses NumPy's functions
    alone; for others there is `nodegraph.export.onnx.converts`. ExportError names all modules that ONNX cannot express;
    nothing is written then.

    >>> import tempfile
    >>> from nodegraph import nn
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = to_onnx(nn.Sequential(nn.Linear(3, 2), nn.Tanh()), folder + "/net.onnx", (1, 3))
    ...     [operator.op_type for operator in onnx.load(path).graph.node]
    ['Gemm', 'Tanh']
    """
    model = onnx_model(module, input_shapes)
    helper.set_model_props(model, metadata or {})
    return write_whole(path, model.SerializeToString())


def onnx_model(module: Module, input_shapes: Any) -> onnx.ModelProto:
    """The same as a model in memory."""
    if not isinstance(module, Module):
        raise ArgumentError(f"to_onnx takes a module, got {module!r}")
    size = sum(array.nbytes for kind in ("parameter", "buffer") for array in module.named_parameters(kind).values())
    if size > LARGEST:
        raise ExportError(f"an ONNX file holds at most 2 GiB, the module's parameters have {size / 2**30:.1f} GiB")
    given = _specification(input_shapes)
    if any(isinstance(n, str) for shape, _ in _leaves(given) for n in shape):
        return _model(module, given)
    try:
        return _model(module, _opened(module, given), like=given)
    except Exception:  # a module of the user's, too, may be made for the lengths given
        return _model(module, given)  # what is wrong with that is told


# The shapes of the inputs


def _specification(given: Any) -> Any:
    """A pair (shape, type or None) for an array, a list of such for a table."""
    if isinstance(given, np.ndarray):
        return given.shape, given.dtype
    if isinstance(given, (list, tuple)) and all(_is_length(n) for n in given):
        return tuple(given), None
    if isinstance(given, (list, tuple)):
        return [_specification(part) for part in given]
    raise ArgumentError(
        f"a shape is a tuple of lengths and names, such as ('batch', 3), or a list of them for several, not {given!r}"
    )


def _is_length(n: Any) -> bool:
    is_whole = isinstance(n, (int, np.integer)) and not isinstance(n, bool) and n >= 0
    return is_whole or (isinstance(n, str) and n.isidentifier())


def _leaves(given: Any) -> Iterator[Any]:
    if isinstance(given, list):
        for part in given:
            yield from _leaves(part)
    else:
        yield given


def _opened(module: Module, given: Any) -> Any:
    """The shapes with names for the axes that list steps and samples."""
    batch = next((shape[0] for shape, _ in _leaves(given) if shape), None)
    over_time: set[int] = set()
    axes = ("batch",)
    if isinstance(module, Recurrent):
        xs, _, mask = module.wiring.given(given, module.masked)
        over_time = {id(part) for part in [*xs, mask] if part is not None and len(part[0]) > 1}
        axes = ("batch", "steps") if module.batch_first else ("steps", "batch")

    def open_axes(part: Any) -> Any:
        if isinstance(part, list):
            return [open_axes(p) for p in part]
        shape, dtype = part
        if id(part) in over_time:
            return (*axes, *shape[2:]), dtype
        is_batch = shape and (over_time or shape[0] == batch)
        return ("batch", *shape[1:]) if is_batch else shape, dtype

    return open_axes(given)


# The model


def _model(module: Module, given: Any, like: Any = None) -> onnx.ModelProto:
    """The model for shapes with names; `like` has numbers in the place of the names, to be compared with."""
    names = list(dict.fromkeys(n for shape, _ in _leaves(given) for n in shape if isinstance(n, str)))
    if len(names) > len(EXAMPLES[0]):
        raise ArgumentError(f"at most {len(EXAMPLES[0])} axes can be open, got {', '.join(names)}")
    sizes = [{name: Size.named(name, n) for name, n in zip(names, lengths)} for lengths in EXAMPLES]
    dtype = _dtype_of(module, given)
    graph = Graph(module, given, sizes[0], dtype, set())
    indices = index_inputs(graph.body)
    if indices:
        graph = Graph(module, given, sizes[0], dtype, indices)
    if names:
        if like is not None:
            _compare(graph.output, module, given, like)
        other = Graph(module, given, sizes[1], dtype, indices)
        if graph.proto != other.proto:
            raise ExportError(f"the graph is not the same for all lengths of {', '.join(names)}: give numbers instead")
    model = helper.make_model(
        graph.proto, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION, producer_name="nodegraph"
    )
    try:
        onnx.checker.check_model(model, full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        raise ExportError(f"the graph does not pass ONNX' check: {' '.join(str(error).split())}") from error
    return model


def _compare(output: Any, module: Module, given: Any, like: Any) -> None:
    """ExportError unless the open output shape, at the lengths that were given, is what the module tells."""
    lengths = {}
    for (shape, _), (numbers, _) in zip(_leaves(given), _leaves(like)):
        lengths.update({name: n for name, n in zip(shape, numbers) if isinstance(name, str)})
    try:
        expected = module.output_shape(_shapes(like))
    except NotImplementedError:
        return
    found = table.map(lambda x: tuple(n.at(lengths) if isinstance(n, Size) else n for n in x.shape), output)
    if _as_lists(found) != _as_lists(expected):
        raise ExportError("the batch that was given is a special case")


def _as_lists(shape: Any) -> Any:
    return [_as_lists(part) for part in shape] if isinstance(shape, list) else tuple(shape)


def _shapes(given: Any) -> Any:
    return [_shapes(part) for part in given] if isinstance(given, list) else given[0]


def _dtype_of(module: Module, given: Any) -> np.dtype:
    """The type of the first parameter, buffer or given input of floating-point numbers."""
    arrays = [array for kind in ("parameter", "buffer") for array in module.named_parameters(kind).values()]
    dtypes = [array.dtype for array in arrays] + [dtype for _, dtype in _leaves(given) if dtype is not None]
    return next((dtype for dtype in dtypes if dtype.kind == "f"), np.dtype(float))
