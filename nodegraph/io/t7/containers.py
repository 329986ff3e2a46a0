"""The translations of modules that hold modules: containers, decorators, criterions as modules."""

from __future__ import annotations

from typing import Any

import numpy as np

from nodegraph import nn
from nodegraph.errors import ArgumentError, T7Error
from nodegraph.io.t7.exporting import Exporter
from nodegraph.io.t7.importing import Fields
from nodegraph.io.t7.parts import TABLE_IN, TABLE_OUT, Part, axis, component, long_storage, pair_of_empty, same
from nodegraph.io.t7.parts import row as plain_row
from nodegraph.io.t7.translation import BY_CLASS, TRANSLATIONS, Translation, register
from nodegraph.io.t7.values import DTYPES, KINDS, Record, Table


def container(torch: str, ours: type, *parts: Part) -> None:
    """Register a container: the parts are its own fields, the modules come after them."""

    def build(fields: Fields) -> Any:
        module = ours(*[part.read(fields) for part in parts if part.read])
        for child in fields.components():
            module.add(child)
        return module

    def give(module: Any, exporter: Exporter) -> dict[str, Any]:
        own = {name: value for part in parts for name, value in part.give(module, exporter).items()}
        return {**own, "modules": exporter.records(module.modules)}

    register(torch, build, ours, give)


def decorator(torch: str, ours: type, *parts: Part) -> None:
    """Register a container of one module, which its constructor takes first."""

    def build(fields: Fields) -> Any:
        children = fields.components()
        if len(children) != 1:
            raise ArgumentError(f"it holds one module, not {len(children)}")
        return ours(children[0], *[part.read(fields) for part in parts if part.read])

    def give(module: Any, exporter: Exporter) -> dict[str, Any]:
        own = {name: value for part in parts for name, value in part.give(module, exporter).items()}
        return {**own, "modules": exporter.records(module.modules)}

    register(torch, build, ours, give)


OUTPUT_SIZE = Part(give=lambda module, exporter: {"outputSize": long_storage([])})

container("nn.Sequential", nn.Sequential)
container("nn.ConcatTable", nn.ConcatTable, TABLE_OUT)
container("nn.ParallelTable", nn.ParallelTable, TABLE_OUT, TABLE_IN)
container("nn.Concat", nn.Concat, axis(), OUTPUT_SIZE)
container("nn.DepthConcat", nn.DepthConcat, axis(), OUTPUT_SIZE)
container("nn.Parallel", nn.Parallel, axis("inputDimension", "input_axis"), axis("outputDimension", "output_axis"))
decorator("nn.Decorator", nn.Decorator)
decorator("nn.NaN", nn.NaN, same("id"))
decorator("nn.MaskZero", nn.MaskZero, same("nInputDim", "n_input_dim"))
register("nn.TrimZero", TRANSLATIONS["nn.MaskZero"].build)  # a MaskZero that runs its module without those samples


def _bottle_shapes(module: nn.Bottle, exporter: Exporter) -> dict[str, Any]:
    counts = module.n_input_dim, module.n_output_dim
    shapes = {name: np.zeros(n, exporter.dtype) for name, n in zip(("inShape", "outShape"), counts)}
    return {**shapes, "dimDelta": counts[0] - counts[1]}


decorator(
    "nn.Bottle",
    nn.Bottle,
    same("nInputDim", default=2),
    same("nOutputDim"),
    Part(give=_bottle_shapes),
)


def _module_type(fields: Fields) -> Any:
    name = fields.get("moduleType")
    return None if name is None else DTYPES[name[len("torch.") : -len("Tensor")]]


decorator(
    "nn.DontCast",
    nn.DontCast,
    same("castin", "cast_in", default=False),
    same("castout", "cast_out"),
    Part(_module_type, lambda module, _: {"moduleType": f"torch.{KINDS[module.module_type]}Tensor"}),
)


def _map_table(fields: Fields) -> nn.MapTable:
    shared = fields.get("shared", True)
    module = nn.MapTable(None if fields.get("module") is None else fields.component("module"), shared)
    if not shared:
        module.modules += fields.components()[1:]
    return module


def _give_map_table(module: nn.MapTable, exporter: Exporter) -> dict[str, Any]:
    tables = {"output": Table(), "gradInput": Table(), "modules": exporter.records(module.modules)}
    shared = Table(["weight", "bias", "gradWeight", "gradBias"])
    return {**tables, "module": tables["modules"].get(1), "shared": module.shared, "sharedparams": shared}


register("nn.MapTable", _map_table, nn.MapTable, _give_map_table)


def _give_stack(module: nn.StackTable, exporter: Exporter) -> dict[str, Any]:
    if module.axis < 0:
        raise T7Error(f"Torch7 cannot count the new axis from the end, as {module!r} does")
    return {"modules": exporter.records([nn.MapTable(nn.Unsqueeze(module.axis)), nn.JoinTable(module.axis)])}


# Torch7 has no such class, but others that do the same; what was unrolled ends with it.
BY_CLASS[nn.StackTable] = Translation("nn.Sequential", TRANSLATIONS["nn.Sequential"].build, _give_stack)


def _only_module(fields: Fields) -> Any:
    """A class that only says where or how its module runs, or how it was made: the module itself."""
    return fields.components()[0]


for _name in "GPU DataParallelTable Serial Inception FireModule BiSequencer SeqBRNN".split():
    register(f"nn.{_name}", _only_module)


def _profile(fields: Fields) -> nn.Profile:
    return nn.Profile(_only_module(fields), fields.get("print_interval", 100), fields.get("name"))


def _give_profile(module: nn.Profile, exporter: Exporter) -> dict[str, Any]:
    modules, passes, seconds = exporter.records(module.modules), module.passes, module.seconds
    return {
        **{"modules": modules, "module": modules.get(1), "timer": Record("torch.Timer", b"")},
        **{"print_interval": module.print_interval, "name": module.name},
        **{"numFwds": passes["forward"], "summedFwdTime": seconds["forward"]},
        **{"numBwds": passes["backward"], "summedBwdTime": seconds["backward"]},
    }


register("nn.Profile", _profile, nn.Profile, _give_profile)

# Sequentials with a class of their own


def _maxout(fields: Fields) -> nn.Maxout:
    children = fields.components()
    linear, view = children[:2]
    pieces, outputs = view.sizes
    if not isinstance(linear, nn.Linear) or linear.output_size != pieces * outputs:
        raise ArgumentError("its first module is no Linear for all pieces")
    module = nn.Maxout(linear.input_size, outputs, pieces)
    module.modules = children
    return module


def _crelu(fields: Fields) -> nn.CReLU:
    return nn.CReLU(fields.get("nInputDims"), fields.get("inplace", False))


def _give_crelu(module: nn.CReLU, exporter: Exporter) -> dict[str, Any]:
    steps = [nn.ConcatTable(nn.Identity(), nn.MulConstant(-1)), nn.JoinTable(1)]
    modules = exporter.records([*steps, nn.ReLU(module.inplace)])
    return {"nInputDims": module.n_input_dims, "inplace": module.inplace, "modules": modules}


register("nn.Maxout", _maxout, nn.Maxout, lambda module, exporter: {"modules": exporter.records(module.modules)})
register("nn.CReLU", _crelu, nn.CReLU, _give_crelu)

# Weight normalisation


def _weight_norm(fields: Fields) -> nn.WeightNorm:
    child, v = fields.get("modules").get(1), fields.array("v")
    if child.fields.get("weight") is None:  # Torch7 does not save it, since it follows from v and g
        sizes = fields.integers("weightSize")
        fields.elements("v", *sizes)
        child.fields["weight"] = np.zeros(sizes, v.dtype)
    return nn.WeightNorm(fields.importer.component(child), fields.get("outputDim", 1) - 1)


def _give_weight_norm(module: nn.WeightNorm, exporter: Exporter) -> dict[str, Any]:
    child, weight = exporter.record(module.modules[0]), module.modules[0].weight
    rows, columns = module.v.shape
    fields: dict[str, Any] = {"modules": Table([child]), "outputDim": module.output_axis % weight.ndim + 1}
    fields |= {"viewIn": long_storage([rows, columns]), "weightSize": long_storage(weight.shape)}
    fields |= {"viewOut": long_storage(np.moveaxis(weight, module.output_axis, 0).shape), "otherDims": columns}
    fields |= {name: np.zeros((rows, 1), exporter.dtype) for name in ("_norm", "_scale")}
    return {**fields, **{name: child.fields.get(name) for name in ("bias", "gradBias")}}


register("nn.WeightNorm", _weight_norm, nn.WeightNorm, _give_weight_norm)

# Criterions as modules

plain_row(
    "nn.ModuleFromCriterion",
    nn.ModuleFromCriterion,
    component("criterion"),
    pair_of_empty(),
    Part(give=lambda module, exporter: {"output": np.zeros(1, exporter.dtype)}),  # where Torch7 puts the loss
)
plain_row("nn.CriterionTable", nn.CriterionTable, component("criterion"), TABLE_IN)
