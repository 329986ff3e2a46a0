"""Damaged and hostile .t7 files: one sentence with the byte; no crash, no hang, no memory that no file has earned."""

import random
import struct
import time
import tracemalloc

import numpy as np
import pytest

from nodegraph import GModule, nn
from nodegraph.errors import T7Error
from nodegraph.io import t7
from nodegraph.io.t7.files import recorded, translated
from nodegraph.io.t7.reader import read
from nodegraph.io.t7.values import Key, Record, Table, plain
from nodegraph.io.t7.writer import write
from nodegraph.viz import draw

import oracle

FILES = sorted((oracle.DATA / "t7").rglob("*.t7"))
MUTATIONS = 25
NUMBERS = [0.0, -1.0, 1e300, float("nan"), float("inf"), 3.5, 1e6, 1e9, 2.0**31]


def ints(*values):
    return struct.pack(f"<{len(values)}i", *values)


def longs(*values):
    return struct.pack(f"<{len(values)}q", *values)


def text(value):
    return ints(len(value)) + value


def number(value):
    return ints(1) + struct.pack("<d", value)


def tensor(shape, strides, offset, storage):
    return ints(4, 1) + text(b"torch.DoubleTensor") + ints(len(shape)) + longs(*shape, *strides, offset) + storage


ONE = ints(4, 2) + text(b"torch.DoubleStorage") + longs(1) + struct.pack("<d", 1)
SEQUENTIAL = text(b"nn.Sequential")

HOSTILE = {
    "an empty file": b"",
    "one byte": b"\0",
    "another kind of file": b"PK\3\4and so on",
    "a kind of value that is none": ints(7 + 2),
    "a string longer than the file": ints(2, 2**31 - 1) + b"x",
    "a string of negative length": ints(2, -1),
    "a table larger than the file": ints(3, 1, 2**31 - 1) + number(1) * 2,
    "a storage larger than the file": ints(4, 1) + text(b"torch.DoubleStorage") + longs(2**40 + 1),
    "a storage of negative size": ints(4, 1) + text(b"torch.DoubleStorage") + longs(-1),
    "a tensor of 33 dimensions": tensor([1] * 33, [1] * 33, 1, ONE),
    "a tensor of a million dimensions": ints(4, 1) + text(b"torch.DoubleTensor") + ints(10**6),
    "a tensor beyond its storage": tensor([2], [1], 1, ONE),
    "a tensor before its storage": tensor([1], [1], 0, ONE),
    "a tensor that goes backwards": tensor([1], [-1], 1, ONE),
    "a tensor of negative size": tensor([-1], [1], 1, ONE),
    "a tensor larger than any array": tensor([2**62, 2**62], [0, 0], 1, ONE),
    "a tensor that is its own storage": tensor([1], [1], 1, ints(4, 1)),
    "a tensor on a number": tensor([1], [1], 1, number(1)),
    "a tensor on another type": tensor([1], [1], 1, ONE.replace(b"Double", b"Float\0")),
    "a tensor without storage": tensor([3], [1], 1, ints(0)),
    "a type that Torch7 has not": ints(4, 1) + text(b"torch.QuadStorage") + longs(0),
    "nil as a key": ints(3, 1, 1) + ints(0) + number(1),
    "no number as a key": ints(3, 1, 1) + number(float("nan")) + number(1),
    "an end too early": ints(3, 1, 1) + number(1) + ints(1),
    "tables nested without end": b"".join(ints(3, i, 1) for i in range(1, 100_001)),
    "objects nested without end": b"".join(ints(4, i) + text(b"x") for i in range(1, 100_001)),
    "functions nested without end": b"".join(ints(8, i, 0) for i in range(1, 100_001)),
    "ascii without numbers": b"3 one two",
    "ascii with a long word": b"1\n" + b"x" * 10**6,
    "ascii with a storage larger than the file": b"4 1 3\nV 1\n19\ntorch.DoubleStorage\n1000000000\n1 2 3",
    "ascii with a number that is too large": b"4 1 3\nV 1\n18\ntorch.ShortStorage\n1\n99999\n",
}


@pytest.mark.parametrize("content", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_file_gives_one_sentence_with_the_byte(content):
    tracemalloc.start()
    with pytest.raises(T7Error, match=r"\(at byte \d+\)$") as caught:
        read(content)
    assert tracemalloc.get_traced_memory()[1] < 10 * len(content) + 60e6
    tracemalloc.stop()
    assert 0 <= caught.value.offset <= len(content)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 600


@pytest.mark.parametrize(
    "content, said",
    [
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n", "pointer of Git LFS.*git lfs pull"),
        (b"PK\3\4model/data.pkl", "archive of PyTorch's"),
        (b"\x80\2}q\0.", "pickle, such as PyTorch writes"),
        (b"\x89HDF\r\n\x1a\n", "HDF5 file"),
        (b"\x1f\x8b\x08", "packed by gzip"),
    ],
    ids=["git lfs", "zip", "pickle", "hdf5", "gzip"],
)
def test_a_file_of_another_kind_is_named(content, said):
    with pytest.raises(T7Error, match=rf"the file is .*{said}.* \(at byte 0\)$"):
        read(content)


@pytest.mark.parametrize("content", [b"\x09\0\0\0", b"\0\0\0\x09", b"\xff\0\0\0"])
def test_a_file_that_begins_with_a_number_that_stands_for_no_kind_of_value(content):
    with pytest.raises(T7Error, match=r"^the file does not begin like one of Torch7 \(at byte 0\)$"):
        read(content + bytes(8))


def test_the_path_is_told(tmp_path):
    (tmp_path / "model.t7").write_bytes(ints(2, 100))
    with pytest.raises(T7Error, match=r"model.t7: a string of 100 bytes .* \(at byte 8\)"):
        t7.load(tmp_path / "model.t7")


def module(name, **fields):
    return Record(name, Table(hash=fields))


def repeated(n, shape):
    """A tensor that seems large: one number repeated."""
    return np.broadcast_to(np.ones(n), shape)


def nested(depth):
    inner = module("nn.Tanh")
    for _ in range(depth):
        inner = module("nn.Sequential", modules=Table([inner]))
    return inner


def doubled(depth):
    inner = module("nn.Tanh")
    for _ in range(depth):
        inner = module("nn.Sequential", modules=Table([inner, inner]))
    return inner


def inside_itself():
    outer = module("nn.Sequential", modules=Table())
    outer.fields["modules"].array.append(outer)
    return outer


CONVOLUTION = {"nInputPlane": 10**6, "nOutputPlane": 10**6, "kW": 9, "kH": 9, "dW": 1, "dH": 1}
HOSTILE_MODULES = {
    "a weight that repeats one number": module("nn.Linear", weight=repeated(1, (10**6, 10**6))),
    "a weight that is a string": module("nn.Linear", weight="large"),
    "a weight of whole numbers": module("nn.Linear", weight=np.zeros((2, 2), int)),
    "no weight": module("nn.Linear"),
    "a bias of another size": module("nn.Linear", weight=np.zeros((2, 2)), bias=np.zeros(3)),
    "a second weight that is missing": module("nn.WeightedEuclidean", weight=np.zeros((2, 2))),
    "planes that the weight has not": module("nn.SpatialConvolution", weight=np.zeros(4), **CONVOLUTION),
    "locations that the weight has not": module("nn.SpatialConvolutionLocal", weight=np.zeros(4), iW=9, **CONVOLUTION),
    "connections to planes that are not": module(
        "nn.SpatialConvolutionMap", connTable=np.full((1, 2), 1e12), bias=np.zeros(1), weight=np.zeros(1), kW=1, kH=1
    ),
    "a simplex that is not there": module("nn.ClassSimplexCriterion", nClasses=10**6, simplex=np.zeros((2, 2))),
    "a table of modules that is a number": module("nn.Sequential", modules=1),
    "a dimension that is 0": module("nn.Select", dimension=0, index=1),
    "pieces of something else than a Linear": module(
        "nn.Maxout",
        modules=Table([module("nn.Tanh"), module("nn.View", size=Table([3, 2])), module("nn.Max", dimension=1)]),
    ),
    "a size that is a table": module("nn.PixelShuffle", upscaleFactor=Table()),
    "sizes without end": module("nn.View", size=Table([2] * 10**4)),
    "modules that are none": module("nn.Sequential", modules=Table([1, 2])),
    "modules inside themselves": inside_itself(),
    "modules nested without end": nested(10**4),
    "modules that double at each level": doubled(90),
    "a graph without nodes": module("nn.gModule"),
    "a graph of something else": module("nn.gModule", forwardnodes=Table([1]), innode=1, outnode=2),
}


@pytest.mark.parametrize("value", HOSTILE_MODULES.values(), ids=HOSTILE_MODULES)
def test_a_hostile_network_is_refused(value):
    tracemalloc.start()
    with pytest.raises(T7Error):
        translated(value)
    assert tracemalloc.get_traced_memory()[1] < 60e6
    tracemalloc.stop()


def test_a_split_into_more_parts_than_there_are_nodes_is_refused():
    path = oracle.DATA / "t7" / "graphs" / "split_used_after.t7"
    value = read(path.read_bytes())
    for node in value.fields["forwardnodes"].array:
        data = node.fields["data"]
        if data.get("nSplitOutputs"):
            data.set("nSplitOutputs", 10**9)
    with pytest.raises(T7Error, match="parts"):
        translated(value)


def graph_data(network):
    """The Torch object of a GModule, and what its nodes hold, in forward order."""
    record = recorded(network)
    return record, [node.fields["data"] for node in record.fields["forwardnodes"].array]


def two_inputs():
    x, y = nn.Identity()(), nn.Identity()()
    return GModule([x, y], nn.CSubTable()([x, y]))


def test_a_part_that_its_split_does_not_have_is_refused():
    for part in (0, 3, 1.5):
        x = nn.Identity()()
        record, data = graph_data(GModule(x, nn.CSubTable()(list(nn.SplitTable(0)(x).split(2)))))
        chosen = [d for d in data if d.get("selectindex") == 2]
        chosen[-1].set("selectindex", part)
        with pytest.raises(T7Error, match=f"there is no part {part} of what is no such split"):
            translated(record)


def test_an_input_of_the_graph_beside_others_is_refused():
    record, data = graph_data(two_inputs())
    first, second = (d for d in data if isinstance(d.get("module"), Record) and d.get("module").name == "nn.Identity")
    first.get("mapindex").array.extend(second.get("mapindex").array)
    with pytest.raises(T7Error, match="an input of the graph is used beside others, or twice"):
        translated(record)


def test_an_input_of_the_graph_that_is_not_there_is_refused():
    record, data = graph_data(two_inputs())
    for d in data:
        if d.get("selectindex") == 1:
            d.set("selectindex", 7)
    with pytest.raises(T7Error, match=r"of its inputs only those at \[2, 7\] are there"):
        translated(record)


def test_a_graph_without_its_outputs_is_refused():
    record, _ = graph_data(two_inputs())
    record.fields["forwardnodes"].array.pop()
    with pytest.raises(T7Error, match="GModule outputs at .* got an empty list"):
        translated(record)


def test_nodes_in_an_order_that_does_not_run_are_refused():
    record, _ = graph_data(two_inputs())
    record.fields["forwardnodes"].array.reverse()
    with pytest.raises(T7Error, match="takes its input from one that does not come before it"):
        translated(record)


def test_annotations_that_make_no_sense_are_left_out():
    x = nn.Identity()()
    record, data = graph_data(GModule(x, nn.Tanh()(x)))
    notes = Table(hash={"_debugLabel": "somewhere", "name": "y", 3: "three"})
    data[-2].set("annotations", notes)
    node = translated(record).outputs[0]
    assert node.annotations == {"name": "y"} and isinstance(node.module, nn.Tanh)
    for note in (Table([1]), True, Table(hash={"x": 1})):
        notes = Table(hash={"_debugLabel": note, "name": note, "description": note, "step": note})
        data[-2].set("annotations", notes)
        network = translated(record)
        assert set(network.outputs[0].annotations) == {"step"}
        draw(network).svg()
    data[-2].set("annotations", Table(hash={"name": 5, "description": 0.5, "graphAttributes": Table([1])}))
    assert translated(record).outputs[0].annotations == {"name": "5", "description": "0.5"}


def test_an_unknown_class_is_named_with_what_to_do(tmp_path):
    path = tmp_path / "net.t7"
    path.write_bytes(write(module("nn.Sequential", modules=Table([module("nn.Swish", beta=2)]))))
    with pytest.raises(T7Error, match=r"nn.Swish; teach it with nodegraph.io.t7.register\('nn.Swish', build\)"):
        t7.load(path)
    t7.register("nn.Swish", lambda fields: nn.SoftPlus(fields.get("beta")))
    assert t7.load(path)[0].beta == 2


def test_an_unknown_module_is_named_at_the_top_too():
    with pytest.raises(T7Error, match="nn.Mystery; teach it"):
        translated(Record("nn.Mystery", Table(hash={"output": np.empty(0), "gradInput": np.empty(0), "train": True})))


def test_a_name_in_a_file_cannot_write_to_the_terminal(tmp_path):
    path = tmp_path / "net.t7"
    swish = module("nn.\x1b[2JSwish\r\n", beta=2)
    path.write_bytes(write(module("nn.Sequential", modules=Table([swish]))))
    with pytest.raises(T7Error, match=r"nn\. \[2JSwish"):
        t7.load(path)
    with pytest.raises(T7Error) as error:
        t7.load(path)
    assert str(error.value).isprintable()


def mutated(content, generator):
    """The content with one or a few random changes."""
    content = bytearray(content)
    for _ in range(generator.choice([1, 1, 2, 5])):
        if not content:
            break
        place, other = generator.randrange(len(content)), generator.randrange(len(content))
        kind = generator.randrange(7)
        if kind == 0:
            content[place] = generator.randrange(256)
        elif kind == 1:
            content[place : place + 4] = struct.pack("<i", generator.choice([0, 1, 3, 4, 8, 255, -1, 2**31 - 1]))
        elif kind == 2:
            content[place : place + 8] = struct.pack("<q", generator.choice([0, 2**31, 2**40, 2**62, -1]))
        elif kind == 3:
            del content[place : place + generator.choice([1, 4, 8])]
        elif kind == 4:
            content[place : place + 12] = content[other : other + 12]
        elif kind == 5 and (tag := content.find(ints(1), place)) >= 0:
            content[tag + 4 : tag + 12] = struct.pack("<d", generator.choice(NUMBERS))
        elif kind == 6 and len(content) > 1:
            del content[place or 1 :]
    return bytes(content)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_damaged_file_is_read_or_refused_at_once(path):
    generator = random.Random(path.stem)
    content = path.read_bytes()
    for _ in range(MUTATIONS):
        damaged = mutated(content, generator)
        start = time.process_time()
        try:
            translated(read(damaged))
        except T7Error as error:
            assert "\n" not in str(error)
        assert time.process_time() - start < 5


def test_damaged_files_take_no_more_memory_than_they_earn():
    generator = random.Random(0)
    for path in FILES[::3]:
        damaged = mutated(path.read_bytes(), generator)
        tracemalloc.start()
        try:
            translated(read(damaged))
        except T7Error:
            pass
        assert tracemalloc.get_traced_memory()[1] < 10 * len(damaged) + 20e6
        tracemalloc.stop()


def test_many_objects_as_keys_are_refused(monkeypatch):
    monkeypatch.setattr("nodegraph.io.t7.reader.MAX_OBJECT_KEYS", 2)
    entries = [(Key(Table()), i) for i in range(3)]
    content = write(Table(hash=dict(entries[:2])))
    assert len(read(content)) == 2
    with pytest.raises(T7Error, match="more than 2 keys are objects"):
        read(write(Table(hash=dict(entries))))


def test_a_file_with_bytes_after_its_end_is_read_to_the_same_value():
    content = write({"a": [1, True], "b": "x"})
    assert plain(read(content + b"\0")) == plain(read(content)) == {"a": [1, True], "b": "x"}
