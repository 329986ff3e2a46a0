"""For each class a recipe: a module of it with random settings, and values in a growth that it can be put on."""

from __future__ import annotations

import math

import numpy as np

from nodegraph import Recurrent, nn
from nodegraph.models import lstm

from properties.growth import Growth
from properties.recipes_criterions import CRITERIONS
from properties.recipes_planes import PLANES


def on(make, *ranks):
    """A recipe: what `make` gives for an array of one of these ranks (any rank if none is named) and the growth."""

    def recipe(g: Growth):
        x = g.of_rank(*ranks) if ranks else g.any()
        return make(x.shape, g), x

    return recipe


def on_vectors(make):
    return on(lambda shape, g: make(shape[-1], g), 1, 2)


def plain(name):
    return on(lambda shape, g: getattr(nn, name)())


def positive(make):
    def recipe(g: Growth):
        return make(g), g.positive(g.any())

    return recipe


def alike(cls, n=None, last=None):
    """A recipe for arrays of one shape, `n` of them; the last one made by `last` of the growth and a value."""

    def recipe(g: Growth):
        x = g.any()
        given = [x] + [g.array(*x.shape) for _ in range((n or g.integer(1, 3)) - 1)]
        return cls(), [*given[:-1], last(g, given[-1])] if last else given

    return recipe


def pairs(make):
    def recipe(g: Growth):
        x = g.of_rank(1, 2)
        return make(g), [x, g.array(*x.shape)]

    return recipe


def axis(shape, g: Growth, new=0):
    n = len(shape) + new
    return g.integer(-n, n - 1)


def narrow(shape, g: Growth):
    along = axis(shape, g)
    length = g.integer(1, shape[along])
    return nn.Narrow(along, g.integer(0, shape[along] - length), length)


def select(shape, g: Growth):
    along = axis(shape, g)
    return nn.Select(along, g.integer(-shape[along], shape[along] - 1))


def reshape(shape, g: Growth):
    return nn.Reshape(*factors(math.prod(shape), g), batch_mode=False)


def view(shape, g: Growth):
    sizes = factors(math.prod(shape[1:]), g)
    return nn.View(-1) if g.integer(0, 1) else nn.View(*sizes).set_num_input_dims(max(len(shape) - 1, 1))


def factors(n, g: Growth):
    """Some sizes with this product."""
    divisors = [d for d in range(1, n + 1) if n % d == 0]
    first = g.choice(*divisors)
    return g.choice((n,), (first, n // first), (first, 1, n // first))


def transpose(shape, g: Growth):
    return nn.Transpose(*[(axis(shape, g), axis(shape, g)) for _ in range(g.integer(0, 2))])


def convert(shape, g: Growth):
    letters = {2: "bf", 3: "bdt", 4: "bdhw"}[len(shape)]
    order = g.choice(letters, letters[0] + letters[:0:-1], letters[1] + letters[0] + letters[2:], "bf")
    return nn.Convert(letters, order)


def split_table(shape, g: Growth):
    return nn.SplitTable(axis(shape, g))


def join(g: Growth):
    x = g.any()
    along = axis(x.shape, g)
    shapes = [[*x.shape] for _ in range(g.integer(0, 2))]
    for shape in shapes:
        shape[along] = g.size()
    return nn.JoinTable(along), [x, *[g.array(*shape) for shape in shapes]]


def stack(g: Growth):
    x = g.any()
    return nn.StackTable(axis(x.shape, g, new=1)), [x, *[g.array(*x.shape) for _ in range(g.integer(0, 2))]]


def of_table(make):
    def recipe(g: Growth):
        x = g.table()
        return make(len(x.shape), g), x

    return recipe


def narrow_table(n, g: Growth):
    length = g.integer(1, n)
    return nn.NarrowTable(g.integer(0, n - length), length)


def zip_table(g: Growth):
    columns = g.integer(1, 2)
    return nn.ZipTable(), [[g.any() for _ in range(columns)] for _ in range(g.integer(1, 3))]


def one_to_many(g: Growth):
    return nn.ZipTableOneToMany(), [g.any(), [g.any() for _ in range(g.integer(1, 2))]]


def add_tensor_table(g: Growth):
    x = g.any()
    return nn.CAddTensorTable(), [x, [g.array(*x.shape) for _ in range(g.integer(1, 2))]]


def mixture(g: Growth):
    x, n = g.of_rank(2, 3, 4), g.integer(1, 3)
    experts = g.array(x.shape[0], n, *x.shape[1:]) if g.integer(0, 1) else [g.array(*x.shape) for _ in range(n)]
    return nn.MixtureTable(), [g.array(x.shape[0], n), experts]


def mm(g: Growth):
    (m, n, p), batch, a, b = g.sizes(3), g.choice((), (2,)), g.choice(False, True), g.choice(False, True)
    left, right = (n, m) if a else (m, n), (p, n) if b else (n, p)
    return nn.MM(a, b), [g.array(*batch, *left), g.array(*batch, *right)]


def mv(g: Growth):
    (m, n), batch, trans = g.sizes(2), g.choice((), (2,)), g.choice(False, True)
    return nn.MV(trans), [g.array(*batch, *((n, m) if trans else (m, n))), g.array(*batch, n)]


def bilinear(g: Growth):
    batch, m, n = g.sizes(3)
    return nn.Bilinear(m, n, g.size()), [g.array(batch, m), g.array(batch, n)]


def lookup(make, low=0):
    def recipe(g: Growth):
        n, shape = g.size(), g.sizes(g.integer(1, 2))
        return make(n, g), g.input(lambda rng: rng.integers(low, n, shape))

    return recipe


def sparse_linear(g: Growth):
    n, batch, pairs = g.size(), g.size(), g.size()

    def make(rng):
        return np.stack([rng.integers(0, n, (batch, pairs)), rng.standard_normal((batch, pairs))], -1)

    return nn.SparseLinear(n, g.size(), g.choice(False, True)), g.input(make)


def index_linear(g: Growth):
    n, lengths = g.size(), [g.size() for _ in range(g.size())]

    def make(rng):
        return [[rng.integers(0, n, k) for k in lengths], [rng.standard_normal(k) for k in lengths]]

    return nn.IndexLinear(n, g.size(), g.choice(False, True)).reset(), g.input(make)


def index(g: Growth):
    x = g.any()
    along = axis(x.shape, g)
    return nn.Index(along), [x, g.indices(x.shape[along], g.size())]


def masked_select(g: Growth):
    x = g.any()
    return nn.MaskedSelect(), [x, g.input(lambda rng: rng.random(x.shape) < 0.5)]


def where(g: Growth):
    x = g.any()
    return nn.Where(), [g.indices(2, *x.shape), x, g.array(*x.shape)]


def over_steps(cls):
    def recipe(g: Growth):
        x, along = g.of_rank(2, 3), g.integer(0, 1)
        steps, batch = x.shape[along], x.shape[1 - along]
        return cls(along), [x, g.indices(steps + 1, batch)] if g.integer(0, 1) else x

    return recipe


def componentwise(cls):
    def make(shape, g: Growth):
        return cls(*g.choice(shape, shape[1:] or shape, (1,), [n if g.integer(0, 1) else 1 for n in shape]))

    return on(make)


def reduction(cls):
    return on(lambda shape, g: cls(axis(shape, g)))


def batch_norm(cls, ranks):
    def make(shape, g: Growth):
        return cls(shape[1], 1e-2, 0.1, g.choice(True, False))

    def recipe(g: Growth):
        shape = (g.integer(2, 3), g.size(), *g.sizes(ranks))
        return make(shape, g), g.array(*shape)

    return recipe


def constant(shape, g: Growth):
    return nn.Constant(np.arange(1.0, 1 + g.size()), g.choice(None, len(shape) - 1))


def parameters(g: Growth):
    return nn.Parameters(*g.sizes(g.integer(1, 3))), []


# Containers: around what other recipes give


def around(make):
    """A recipe: what `make` puts around the module of another one."""

    def recipe(g: Growth):
        module, given = g.choose()
        return make(module, g), given

    return recipe


def in_branches(cls, *arguments):
    def recipe(g: Growth):
        x = g.any()
        modules = [g.choice(nn.Tanh(), nn.Identity(), nn.Mul(), nn.Sequential(nn.Square())) for _ in range(2)]
        return cls(*(arguments and [axis(x.shape, g)]), *modules), x

    return recipe


def parallel_table(g: Growth):
    (one, x), (two, y) = g.choose(), g.choose()
    return nn.ParallelTable(one, two), [x, y]


def map_table(g: Growth):
    x = g.of_rank(1, 2)
    n = g.integer(1, 3)
    module = g.choice(nn.Linear(x.shape[-1], 2), nn.Tanh(), nn.CMul(x.shape[-1]))
    return nn.MapTable(module, g.choice(True, False)).resize(n), [x, *[g.array(*x.shape) for _ in range(n - 1)]]


def parallel(shape, g: Growth):
    along = g.integer(0, 1)
    modules = [nn.Linear(shape[2], 2) for _ in range(shape[along])]
    return nn.Parallel(along, g.integer(0, 1), *modules)


def sequential(module, g: Growth):
    after = [g.choice(nn.Identity, nn.JustTable)() for _ in range(g.integer(0, 2))]
    return nn.Sequential(nn.Identity(), module, *after)


def graph(g: Growth):
    """A whole graph, grown in the same way, on some values and whatever inputs it wants besides."""
    inner, given = g.inner()
    for _ in range(g.integer(1, 3)):
        inner.grow()
    grown = inner.close()
    values = [*given, *[g.input(make) for make in grown.makers[len(given) :]]]
    return grown.gmodule, values if len(values) > 1 else values[0]


def recurrent(g: Growth):
    steps, batch, n = g.sizes(3)
    return Recurrent(lstm.create(n, 2)), [g.array(steps, batch, n), g.array(batch, 2), g.array(batch, 2)]


def weight_norm(shape, g: Growth):
    return nn.WeightNorm(nn.Linear(shape[-1], 3), g.integer(0, 1))


def partial_linear(n, g: Growth):
    return nn.PartialLinear(n, 4).set_partition(g.choice([0], [3, 1], [0, 1, 2, 3]))


SIMPLE = """Abs Clamp ELU HardShrink HardTanh Identity LeakyReLU LogSigmoid ReLU ReLU6 RReLU Sigmoid SoftPlus SoftShrink
SoftSign Square Tanh TanhShrink Threshold Contiguous JustTable ZeroGrad GradientReversal Squeeze Mul Dropout WhiteNoise
Copy PrintSize""".split()

RECIPES = {
    **{name: plain(name) for name in SIMPLE},
    **{name: on(lambda shape, g, name=name: getattr(nn, name)(), 1, 2, 3, 4) for name in "SoftMax SoftMin".split()},
    "LogSoftMax": on(lambda shape, g: nn.LogSoftMax(), 1, 2, 3, 4),
    "PReLU": on(lambda shape, g: nn.PReLU(g.choice(0, shape[1])), 2, 3, 4),
    "CReLU": on(lambda shape, g: nn.CReLU(len(shape) - 1), 2, 3, 4),
    "GatedLinearUnit": lambda g: (nn.GatedLinearUnit(), g.array(*g.sizes(g.integer(0, 2)), 2 * g.size())),
    "Exp": lambda g: (nn.Exp(), g.bounded(g.any())),
    "Log": positive(lambda g: nn.Log()),
    "Sqrt": positive(lambda g: nn.Sqrt()),
    "Power": positive(lambda g: nn.Power(g.choice(0, 1, 2, -1, 0.5, 1.7))),
    "AddConstant": on(lambda shape, g: nn.AddConstant(g.choice(0, 1, -2.5))),
    "MulConstant": on(lambda shape, g: nn.MulConstant(g.choice(0, 1, -2.5))),
    # Linear layers and their relatives
    "Linear": on_vectors(lambda n, g: nn.Linear(n, g.size(), g.choice(True, False))),
    "Maxout": on_vectors(lambda n, g: nn.Maxout(n, g.size(), 2)),
    "PartialLinear": on_vectors(partial_linear),
    "LinearWeightNorm": on_vectors(lambda n, g: nn.LinearWeightNorm(n, g.size(), g.choice(True, False))),
    "WeightNorm": on(weight_norm, 1, 2),
    "Cosine": on_vectors(lambda n, g: nn.Cosine(n, g.size())),
    "Euclidean": on_vectors(lambda n, g: nn.Euclidean(n, g.size())),
    "WeightedEuclidean": on_vectors(lambda n, g: nn.WeightedEuclidean(n, g.size())),
    "Kmeans": on(lambda shape, g: nn.Kmeans(g.size(), shape[-1]), 2),
    "Add": on(lambda shape, g: nn.Add(math.prod(shape[1:])) if g.integer(0, 1) else nn.Add(1, True), 2, 3),
    "CAdd": componentwise(nn.CAdd),
    "CMul": componentwise(nn.CMul),
    "Bilinear": bilinear,
    "CosineDistance": pairs(lambda g: nn.CosineDistance()),
    "PairwiseDistance": pairs(lambda g: nn.PairwiseDistance(g.choice(1, 2, 3))),
    "DotProduct": pairs(lambda g: nn.DotProduct()),
    "MM": mm,
    "MV": mv,
    "LookupTable": lookup(lambda n, g: nn.LookupTable(n, g.size(), g.choice(None, 0), g.choice(None, 0.5))),
    "LookupTableMaskZero": lookup(lambda n, g: nn.LookupTableMaskZero(n, g.size()), low=-1),
    "OneHot": lookup(lambda n, g: nn.OneHot(n)),
    "SparseLinear": sparse_linear,
    "IndexLinear": index_linear,
    # Tables
    **{name: alike(getattr(nn, name)) for name in "CAddTable CMulTable CMaxTable CMinTable".split()},
    "CSubTable": alike(nn.CSubTable, 2),
    "CDivTable": alike(nn.CDivTable, 2, last=lambda g, x: g.positive(x)),
    "CAddTensorTable": add_tensor_table,
    "MixtureTable": mixture,
    "JoinTable": join,
    "SplitTable": on(split_table),
    "StackTable": stack,
    "SelectTable": of_table(lambda n, g: nn.SelectTable(g.integer(-n, n - 1))),
    "NarrowTable": of_table(narrow_table),
    "Part": of_table(lambda n, g: nn.Part(g.integer(0, n - 1), n)),
    "FlattenTable": of_table(lambda n, g: nn.FlattenTable()),
    "JustElement": lambda g: (nn.JustElement(), [g.any()]),
    "ZipTable": zip_table,
    "ZipTableOneToMany": one_to_many,
    "Index": index,
    "MaskedSelect": masked_select,
    "Where": where,
    "Reverse": over_steps(nn.Reverse),
    "Last": over_steps(nn.Last),
    # Shapes
    "Collapse": on(lambda shape, g: nn.Collapse(g.integer(1, len(shape)))),
    "Convert": on(convert, 2, 3, 4),
    "Narrow": on(narrow),
    "Padding": on(lambda shape, g: nn.Padding(axis(shape, g), g.integer(-2, 2), value=g.choice(0, 0.3))),
    "Replicate": on(lambda shape, g: nn.Replicate(g.size(), axis(shape, g, new=1)), 1, 2, 3),
    "Reshape": on(reshape),
    "Select": on(select, 2, 3, 4),
    "Transpose": on(transpose),
    "Unsqueeze": on(lambda shape, g: nn.Unsqueeze(axis(shape, g, new=1)), 1, 2, 3),
    "View": on(view),
    # Reductions and normalisation
    **{name: reduction(getattr(nn, name)) for name in "Max Min Mean Sum".split()},
    "Normalize": on(lambda shape, g: nn.Normalize(g.choice(1, 2, 3, math.inf)), 1, 2),
    "LayerNormalization": on_vectors(lambda n, g: nn.LayerNormalization(n, g.choice(0.0, 0.5), 1e-2)),
    "BatchNormalization": batch_norm(nn.BatchNormalization, 0),
    "SpatialBatchNormalization": batch_norm(nn.SpatialBatchNormalization, 2),
    "VolumetricBatchNormalization": batch_norm(nn.VolumetricBatchNormalization, 3),
    "L1Penalty": on(lambda shape, g: nn.L1Penalty(0.1, g.choice(True, False))),
    "Constant": on(constant),
    "Parameters": parameters,
    # Containers and decorators
    "Sequential": around(sequential),
    "Decorator": around(lambda module, g: nn.Decorator(module)),
    # Flat at zero, so that a sample of zeros, left out or not, has the gradient of central differences.
    "MaskZero": on(
        lambda shape, g: nn.MaskZero(nn.Sequential(nn.Square(), nn.Mul()), g.choice(len(shape), max(len(shape) - 1, 0)))
    ),
    "NaN": around(lambda module, g: nn.NaN(module)),
    "Profile": around(lambda module, g: nn.Profile(module, 10**6)),
    "DontCast": around(lambda module, g: nn.DontCast(module, g.choice(True, False))),
    "Concat": in_branches(nn.Concat, "axis"),
    "DepthConcat": in_branches(nn.DepthConcat, "axis"),
    "ConcatTable": in_branches(nn.ConcatTable),
    "ParallelTable": parallel_table,
    "MapTable": map_table,
    "Parallel": on(parallel, 3),
    "GModule": graph,
    "Recurrent": recurrent,
    "Bottle": on(lambda shape, g: nn.Bottle(nn.Linear(shape[-1], g.size())), 2, 3, 4),
    **PLANES,
    **CRITERIONS,
}
"""Class name -> function of a growth that gives a module and the values, nested in lists, to put it on."""
