"""What a module of one's own may do with NumPy: function by function, onnxruntime comes to NumPy's numbers."""

import numpy as np
import pytest

from nodegraph.errors import ExportError

from module_examples import numbers
from onnx_judge import Own, assert_same, open_axes

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

from nodegraph.export.onnx import onnx_model  # noqa: E402

WEIGHT = numbers(4, 4)
CHOSEN = np.array([[0, 1], [3, 2]])


def places(x):
    """Whole numbers, which the graph has as int64."""
    return np.argmax(x, 1)


FUNCTIONS = {
    # Reductions
    "mean over the batch": lambda x: x.mean(0),
    "mean of all": lambda x: np.mean(x),
    "mean of conditions": lambda x: (x > 0).mean(1),
    "mean of whole numbers": lambda x: places(x).mean(keepdims=True),
    "sum over no axis": lambda x: np.sum(x, axis=()),
    "sum of conditions": lambda x: (x > 0).sum(1),
    "max": lambda x: x.max(1, keepdims=True),
    "min": lambda x: np.min(x, axis=-1),
    "amax over two axes": lambda x: np.amax(x, axis=(0, 1)),
    "prod": lambda x: x.prod(1),
    "argmax": lambda x: x + np.argmax(x, axis=1, keepdims=True),
    "argmin": lambda x: x.argmin(-1),
    "argmax of all": lambda x: np.argmax(x),
    "var": lambda x: x.var(1),
    "std": lambda x: np.std(x, axis=0),
    "cumsum": lambda x: np.cumsum(x, axis=1),
    "cumsum of all": lambda x: x.cumsum(),
    "norm": lambda x: np.linalg.norm(x, axis=1, keepdims=True),
    "norm of all": lambda x: np.linalg.norm(x),
    "norm of order 2": lambda x: np.linalg.norm(x, 2, axis=1),
    "norm of whole numbers": lambda x: np.linalg.norm((x > 0).astype(int), axis=1),
    # Products
    "matmul with a vector": lambda x: x @ WEIGHT[0],
    "matmul from a vector": lambda x: WEIGHT[0] @ x.T,
    "matmul with whole numbers": lambda x: x @ np.arange(4),
    "matmul of whole numbers": lambda x: (x > 0).astype(int) @ WEIGHT,
    "dot": lambda x: x.dot(WEIGHT),
    "dot with a number": lambda x: np.dot(x, 2.0),
    "dot with three axes": lambda x: np.dot(x, WEIGHT.reshape(2, 4, 2)),
    "vecdot": lambda x: np.vecdot(x, x),
    "einsum": lambda x: np.einsum("bi, ij -> bj", x, WEIGHT),
    "einsum with an ellipsis": lambda x: np.einsum("...i,ij->...j", x, WEIGHT),
    "einsum that broadcasts": lambda x: np.einsum("...i,...i->...", x, WEIGHT[:1]) * x[:, 0],
    "tensordot": lambda x: np.tensordot(x, WEIGHT, 1),
    "tensordot along axes": lambda x: np.tensordot(x, WEIGHT, ([1], [-1])),
    "tensordot along none": lambda x: np.tensordot(x, WEIGHT[0], axes=0),
    # Elements
    "power": lambda x: np.abs(x) ** 1.5 + 2**x,
    "square": np.square,
    "signs": lambda x: +x * np.sign(x) - (-np.fabs(x)),
    "roundings": lambda x: np.rint(x) + np.floor(x) * np.ceil(x),
    "periodic": lambda x: np.sin(x) * np.cos(x) + np.reciprocal(1 + x * x),
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "small exponents": np.expm1,
    "small logarithms": lambda x: np.log1p(x * x),
    "root of whole numbers": lambda x: np.sqrt(places(x)),
    "quotient of whole numbers": lambda x: places(x) / 3,
    "clip": lambda x: np.clip(x, -0.5, 0.5),
    "clip from below": lambda x: x.clip(0.25),
    "clip from above": lambda x: np.clip(x, None, 0.5),
    "clip between arrays": lambda x: np.clip(x, -np.arange(4.0), 1),
    "maximum and minimum": lambda x: np.minimum(np.maximum(x, -0.5), 0.5),
    "minimum of a maximum": lambda x: np.minimum(np.maximum(0.5, x), x + 1),
    "maximum of whole numbers": lambda x: np.maximum(places(x), 1),
    "maximum of arrays": lambda x: np.maximum(x, x[:, ::-1]),
    "where": lambda x: np.where(x > 0, x, -2 * x),
    "where of numbers": lambda x: np.where(x > 0, 1.0, -1.0),
    "where of an array": lambda x: np.where(np.array([True, False, True, False]), x, 0),
    "where a number is not 0": lambda x: np.where(np.floor(x), x, 1.0),
    "and, or, xor": lambda x: ((x > 0) & (x < 1)) | (x < -1) ^ (x <= -2),
    "logical_and, logical_or": lambda x: np.logical_or(x > 0.5, np.logical_and(np.floor(x), x >= -1)),
    "logical_xor, logical_not": lambda x: np.logical_xor(x > 0, np.logical_not(np.floor(x))),
    "not": lambda x: ~(x > 0) * x,
    "unequal": lambda x: places(x) != 2,
    "copy": lambda x: x.copy() + np.copy(x),
    "astype": lambda x: x.astype(np.float32).astype(int),
    "shapes": lambda x: x * np.shape(x)[1] * np.ndim(x) * np.size(x, 1) + np.size(x) / x.shape[0],
    "written into": lambda x: np.multiply(x * 2, 3, out=x * 1),
    # Selections
    "a column": lambda x: x[:, 1] * x[..., -1],
    "a row": lambda x: x[0] + x[np.int64(-1)],
    "slices": lambda x: x[:, 1:3] + x[:, -3:-1] + x[:, ::2],
    "backwards": lambda x: x[::-1] * x[:, ::-1],
    "backwards from the middle": lambda x: x[:, 2::-1],
    "ends of the batch": lambda x: x[1:] - x[:-1],
    "up to an open length": lambda x: x[: x.shape[0]] + x[: x.shape[0] - 1].sum(),
    "new axes": lambda x: x[:, None] * x[:, :, None] + x[None, 0],
    "a list": lambda x: x[:, [2, 0]],
    "an array": lambda x: x[:, CHOSEN],
    "an array and a new axis": lambda x: x[:, None, [1, 2]],
    "take": lambda x: np.take(x, [1, 0], axis=1) + x.take([2, 1]),
    "take_along_axis": lambda x: np.take_along_axis(x, np.argmax(x, 1, keepdims=True), 1),
    "columns one by one": lambda x: sum(column * i for i, column in enumerate(x.T)),
    # Arrangement
    "reshape": lambda x: x.reshape(-1, 2, 2) + np.reshape(x, (x.shape[0], 2, 2)),
    "ravel": lambda x: x.ravel() * x.flatten() + x.reshape(-1),
    "transpose": lambda x: np.transpose(x.reshape(-1, 2, 2), (2, 0, 1)) + x.transpose(0, 1)[0, 0],
    "moveaxis": lambda x: np.moveaxis(x.reshape(-1, 2, 1, 2), (0, 3), (2, 0)),
    "swapaxes": lambda x: x.swapaxes(0, -1),
    "expand_dims": lambda x: np.expand_dims(x, (0, -1)) * np.expand_dims(x, 1)[..., None],
    "squeeze": lambda x: x[:, :1].squeeze(1) * np.squeeze(x[0])[:1],
    "at least so many axes": lambda x: np.atleast_2d(x.sum(1)) + np.atleast_1d(x.sum()) + np.atleast_1d(x[:, 0]),
    "no fewer axes": np.atleast_2d,
    "broadcast_to": lambda x: np.broadcast_to(x[:, :1], x.shape) + np.broadcast_to(x, x.shape),
    "broadcast_to a length": lambda x: np.broadcast_to(x.sum(), 3),
    "broadcast_to more axes": lambda x: np.broadcast_to(x, (3, *x.shape)),
    "concatenate": lambda x: np.concatenate([x, 2 * x, WEIGHT]),
    "stack": lambda x: np.stack([x[0], WEIGHT[0]], -1),
    "split": lambda x: np.split(x, 2, 1)[1],
    "split at places": lambda x: np.split(x, [1, -1], axis=-1)[1],
    "uneven split": lambda x: np.array_split(x, 3, axis=1)[0],
    "pad": lambda x: np.pad(x, 1) + np.pad(x, (1, 1), constant_values=2.0),
    "pad each axis": lambda x: np.pad(x, ((0, 0), (2, 1)), mode="reflect"),
    "pad with the edge": lambda x: np.pad(x, ((0, 0), (1, 2)), "edge"),
    "flip": lambda x: np.flip(x) + np.flip(x, 1),
    "repeat": lambda x: np.repeat(x, 2, axis=1) + x.repeat(2, -1),
    "a constant": lambda x: WEIGHT[0],
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_gives_the_same_numbers(name):
    module = Own(FUNCTIONS[name])
    model = onnx_model(module, ("batch", 4))
    for batch in (3, 7):
        assert_same(module, model, numbers(batch, 4), 1e-12)


INEXACT = {
    "arcsin": lambda x: np.arcsin(np.tanh(x)),
    "arccos": lambda x: np.arccos(np.tanh(x)),
    "arctanh": lambda x: np.arctanh(np.tanh(x) / 2),
    "arccosh": lambda x: np.arccosh(1.5 + x * x),
    **{name: getattr(np, name) for name in ("arctan", "arcsinh", "sinh", "cosh")},
    "tan": lambda x: np.tan(np.tanh(x)),
}


@pytest.mark.parametrize("name", INEXACT)
def test_functions_that_onnxruntime_has_in_single_precision_alone(name):
    module = Own(INEXACT[name])
    assert_same(module, onnx_model(module, ("batch", 4)), numbers(5, 4), 1e-6)


def filled(x):
    y = np.empty(x.shape)
    np.multiply(x, 2, out=y)
    return y


def added(x):
    y = np.zeros((5, 4))
    y += x
    return y


def through_a_view(x):
    y = x * 1
    np.add(y[:, :2], 1, out=y[:, :2])
    return y


def one_row(x):
    x[0] = 1
    return x


REFUSED = {
    "made to be filled": [filled, added, lambda x: np.zeros_like(x) + x],
    "writing into an array of which there are views": [through_a_view],
    "assignment to elements": [one_row],
    "depends on the numbers": [
        *(lambda x: x[x > 0], lambda x: x[:, np.array([True, False, True, False])], lambda x: x * np.all(x > 0)),
        *(lambda x: x * float(x.sum()), lambda x: x if x.sum() > 0 else -x),
    ],
    "bits of whole numbers": [lambda x: places(x) & 1, lambda x: ~places(x)],
    "a look for NaN": [lambda x: np.where(np.isnan(x), 0, x)],
    "selection by several arrays": [lambda x: x[[0, 0], [1, 2]], lambda x: x[0, [1, 2]]],
    "np.linalg.norm of order 1": [lambda x: np.linalg.norm(x, 1, axis=1)],
    "np.linalg.norm of order 2": [lambda x: np.linalg.norm(x, 2), lambda x: np.linalg.norm(x, 2, axis=(0, 1))],
    "np.einsum without an arrow": [lambda x: np.einsum("bi,ij", x, WEIGHT)],
    "unexpected keyword argument 'optimize'": [lambda x: np.einsum("bi,ij->bj", x, WEIGHT, optimize=True)],
    "np.take_along_axis of arrays of different": [lambda x: np.take_along_axis(x, np.zeros((1, 1), int), 1)],
    "in the order 'F'": [lambda x: x.reshape(2, -1, order="F")],
    "np.pad in the mode 'symmetric'": [lambda x: np.pad(x, 1, mode="symmetric")],
    "np.repeat without an axis": [lambda x: np.repeat(x, 2), lambda x: x.repeat([1, 2, 0, 1], axis=1)],
    "np.median": [lambda x: np.median(x, 1)],
    "np.remainder": [lambda x: x % 1],
    "np.add.reduce": [lambda x: np.add.reduce(x, 1)],
    "no attribute 'real'": [lambda x: x.real],
    "IndexError: too many indices for an array of shape (5, 4)": [lambda x: x[0, 0, 0]],
    "IndexError: index 9 is out of bounds for axis 1 of length 4": [lambda x: np.take(x, 9, axis=1)],
    "TypeError: len() of an array without axes": [lambda x: x / len(x.sum())],
    "a value of the type str": [lambda x: "text"],
    "a value of the type NoneType": [lambda x: [x, None]],
}


@pytest.mark.parametrize("reason, function", [(reason, f) for reason, fs in REFUSED.items() for f in fs])
def test_what_onnx_cannot_express_is_refused_with_the_reason(reason, function):
    class Refused(Own):
        def output_shape(self, shape):
            return shape

    with pytest.raises(ExportError, match="ONNX cannot express Refused") as caught:
        onnx_model(Refused(function), (5, 4))
    assert reason in str(caught.value)


OPEN = {
    "a slice with steps along an open axis": lambda x: x[::2],
    "a slice whose ends depend on an open axis": lambda x: x[: x.shape[0] // 2],
    "whose ends depend on an open axis": lambda x: x[:, : x.shape[0]],
    "a length that is open, batch, as a number": lambda x: sum(row for row in x),
    "a split along an open axis": lambda x: np.array_split(x, 2)[0],
    "along an open one": lambda x: np.repeat(x, 2, axis=0),
}


@pytest.mark.parametrize("reason", OPEN)
def test_what_needs_a_length_leaves_no_axis_open(reason):
    module = Own(OPEN[reason])
    with pytest.raises(ExportError, match=reason):
        onnx_model(module, ("batch", 4))
    model = onnx_model(module, (6, 4))
    assert not any(open_axes(model))
    assert_same(module, model, numbers(6, 4))


def test_a_module_made_for_one_length_is_written_for_it():
    module = Own(lambda x: x * np.ones((5, 1)))
    model = onnx_model(module, (5, 4))
    assert not any(open_axes(model))
    assert_same(module, model, numbers(5, 4))
