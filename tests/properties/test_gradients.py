"""Gradients of graphs of all smooth classes against central differences."""

import pytest
from hypothesis import assume, given

from nodegraph import check_gradients, table

from properties.graphs import RANDOM, graphs
from properties.recipes import RECIPES
from properties.recipes_criterions import CRITERIONS
from properties.runs import examples

BY_INTENTION = {"CriterionTable", "GradientReversal", "Kmeans", "L1Penalty", "LookupTable", "ModuleFromCriterion"} | {
    "IndexLinear",
    "SparseLinear",
    "ZeroGrad",
}
"""Classes whose gradient is not the derivative of their output, that have indices among the numbers, or that change
their weights in a forward."""

SOFTENED = {"Euclidean", "PairwiseDistance", "WeightedEuclidean"}
"""Classes that, like Torch7's, add a little to a distance before they divide by it."""

CLASSES = set(RECIPES) - set(CRITERIONS) - BY_INTENTION - RANDOM
LARGEST = 150


@pytest.mark.parametrize("name", sorted(CLASSES))
def test_gradients_agree_with_central_differences(name):
    @examples(1)
    @given(graphs(name, without=set(RECIPES) - CLASSES, most=3, largest=2))
    def check(grown):
        net, input = grown.gmodule.evaluate(), grown.input(1)
        arrays = [*net.parameters()[0], *table.leaves(input)]
        assume(sum(array.size for array in arrays) <= LARGEST)
        check_gradients(net, input, tolerance=1e-3 if grown.classes & SOFTENED else 2e-6)

    check()
