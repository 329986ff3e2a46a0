"""Every module class can be drawn, at every level of detail."""

import numpy as np
import pytest

from nodegraph import GModule, nn, table
from nodegraph.viz import draw

from module_examples import EXAMPLES
from picture import Picture


@pytest.mark.parametrize("name", EXAMPLES)
def test_drawn(name):
    module, input = EXAMPLES[name]()
    node = module(nn.Identity()()).annotate(name="node")
    net = GModule(node.parents[0], node)
    output = net.forward(input)
    net.backward(input, table.map(np.ones_like, output))
    for options in (
        {"depth": 0},
        {"detail": "shapes", "input_shapes": table.shape(input)},
        {"detail": "values"},
        {"detail": "values", "direction": "backward", "theme": "dark"},
    ):
        picture = Picture(draw(net, **options))
        assert ("node" in picture.boxes) == ("node" not in picture.frames)
        boxes = picture.boxes.values()
        assert not [box for box in boxes if box["penwidth"] == "2.4" and "inf" not in str(box["lines"])], options
