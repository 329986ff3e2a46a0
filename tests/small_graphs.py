"""Small graphs that several tests run, and nodes to wire them from."""

from nodegraph import GModule, annotate_nodes, nn


def tanh(node):
    return nn.Tanh()(node)


def add(*nodes):
    return nn.CAddTable()(list(nodes))


def mlp():
    x = nn.Identity()()
    hidden = nn.Linear(4, 5)(x)
    squashed = nn.Tanh()(hidden)
    y = nn.Linear(5, 2)(squashed)
    annotate_nodes()
    return GModule(x, y)


def two_by_two():
    x, y = nn.Identity()(), nn.Identity()()
    return GModule([x, y], [nn.CAddTable()([x, y]), nn.Tanh()(x)])
