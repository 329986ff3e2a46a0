"""Values in .t7 files: numbers, strings, tables, tensors, functions, in every encoding that Torch7 writes."""

import json
import math
import pathlib
import struct

import numpy as np
import pytest

from nodegraph.errors import T7Error
from nodegraph.io import t7
from nodegraph.io.t7 import Function, Key, Record
from nodegraph.io.t7.reader import read
from nodegraph.io.t7.values import DTYPES, Storage, Table, plain
from nodegraph.io.t7.writer import BinaryOutput, Writer, write

import oracle

FILES = oracle.DATA / "t7"
EXPECTED = json.loads((FILES / "expected.json").read_text())
ALL_FILES = sorted(path for path in FILES.rglob("*.t7") if path.stem != "table_holes")
"""All but the one with a table whose keys come in an order that is Lua's own."""

BEYOND_4_BYTES = {"tensor_long_big", "lstm"}
"""Files with longs that need 8 bytes, the second in memory that was never set."""
NUMERIC = {"double": "f8", "float": "f4", "long": "i8", "int": "i4", "short": "i2", "char": "i1", "byte": "u1"}


class Comparison:
    """Compares a value with its description in expected.json, objects and storages by identity."""

    def __init__(self):
        self.objects, self.storages = {}, {}

    def same(self, value, expected):
        if not isinstance(expected, dict):
            assert value == expected and isinstance(value, bool) == isinstance(expected, bool)
        elif "ref" in expected:
            assert value is self.objects[expected["ref"]]
        elif "function" in expected:
            assert isinstance(value, Function)
        elif "storageObject" in expected:
            assert value.tolist() == expected["data"]
            self.one_storage(value, expected["storageObject"])
        elif "shape" in expected:
            self.objects[expected["id"]] = value
            self.tensor(value, expected)
        else:
            self.objects[expected["id"]] = value
            self.table(value, expected)

    def one_storage(self, array, number):
        owner = array if array.base is None else array.base
        assert self.storages.setdefault(number, owner) is owner

    def tensor(self, value, expected):
        assert isinstance(value, np.ndarray) and value.dtype == NUMERIC[expected["type"]]
        assert list(value.shape) == expected["shape"]
        np.testing.assert_array_equal(value.ravel(), np.array(expected["data"], value.dtype))
        if "stride" in expected:
            assert [stride // value.itemsize for stride in value.strides] == expected["stride"]
            self.one_storage(value, expected["storage"])
            assert value.base.size == expected["storageSize"]
            offset = value.__array_interface__["data"][0] - value.base.__array_interface__["data"][0]
            assert offset // value.itemsize + 1 == expected["storageOffset"]

    def table(self, value, expected):
        if "class" in expected:
            assert isinstance(value, Record) and value.name == expected["class"]
            value = value.fields
        assert len(value) == len(expected["kv"])
        for key, part in expected["kv"]:
            if isinstance(value, list):
                self.same(value[key - 1], part)
            else:
                self.same(value[Key(key) if isinstance(key, bool) else key], part)


@pytest.mark.parametrize("name", EXPECTED)
def test_a_file_holds_what_torch_wrote(name):
    Comparison().same(t7.read(FILES / name), EXPECTED[name]["value"])


@pytest.mark.parametrize("path", ALL_FILES, ids=lambda path: path.stem)
def test_a_file_written_again_is_the_same_byte_for_byte(path):
    content = path.read_bytes()
    assert write(read(content), ascii=content[:1].isdigit()) == content


class OtherOutput(BinaryOutput):
    """What a machine of another byte order or with longs of 4 bytes writes."""

    def __init__(self, order, long_size):
        super().__init__()
        self.order, self.long_size = order, long_size

    def integer(self, value):
        self.parts.append(struct.pack(self.order + "i", value))

    def double(self, value):
        self.parts.append(struct.pack(self.order + "d", value))

    def numbers(self, array):
        dtype = f"i{self.long_size}" if array.dtype == np.int64 else array.dtype.str[1:]
        self.parts.append(array.astype(self.order + dtype).tobytes())


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("long_size", [4, 8])
@pytest.mark.parametrize("path", ALL_FILES, ids=lambda path: path.stem)
def test_every_byte_order_and_size_of_longs_is_read(path, order, long_size):
    content = path.read_bytes()
    if path.stem in BEYOND_4_BYTES and long_size == 4:
        return
    output = OtherOutput(order, long_size)
    Writer(output).write(read(content))
    assert write(read(b"".join(output.parts)), ascii=content[:1].isdigit()) == content


def renamed(content, old, new):
    """The content of a file with a class called otherwise."""

    def text(name):
        return struct.pack("<i", len(name)) + name.encode()

    assert text(old) in content
    return content.replace(text(old), text(new))


@pytest.mark.parametrize("kind", sorted(DTYPES))
def test_tensors_of_every_type_are_arrays(kind):
    array = np.array([[1, 2, 3], [4, 5, 6]]).astype(DTYPES[kind])[:, ::2]
    content = write([array, Storage(array.base)])
    own = {dtype: name for name, dtype in reversed(DTYPES.items()) if name[:2] not in ("Cu", "Cl")}[DTYPES[kind]]
    for what in ("Tensor", "Storage"):
        content = renamed(content, f"torch.{own}{what}", f"torch.{kind}{what}")
    tensor, storage = plain(read(content))
    np.testing.assert_array_equal(tensor, array)
    assert tensor.dtype == storage.dtype == DTYPES[kind]
    assert np.shares_memory(tensor, storage)


def test_arrays_that_share_memory_share_a_storage():
    whole = np.arange(12.0).reshape(3, 4)
    a, b, c, d = plain(read(write([whole, whole[1:, ::2], whole.T, whole.copy()])))
    np.testing.assert_array_equal(b, whole[1:, ::2])
    assert np.shares_memory(a, b) and np.shares_memory(a, c) and not np.shares_memory(a, d)
    a[2, 0] = 99
    assert b[1, 0] == c[0, 2] == 99


@pytest.mark.parametrize(
    "array",
    [
        np.arange(6.0)[::-1],
        np.arange(6, dtype=np.uint8)[::-1],
        np.asfortranarray(np.arange(6.0).reshape(2, 3)),
        np.arange(3, dtype=">f8"),
        np.array(2.5),
        np.array([True, False]),
        np.broadcast_to(np.float32(3), (2, 2)),
        np.zeros((0, 3)),
        np.array([math.nan, math.inf, -math.inf, -0.0]),
    ],
    ids=lambda array: f"{array.dtype.str}{array.shape}{array.strides}",
)
@pytest.mark.parametrize("ascii", [False, True])
def test_arrays_of_any_layout_are_written(array, ascii):
    again = plain(read(write(array, ascii)))
    np.testing.assert_array_equal(again, np.atleast_1d(array) if array.size else np.empty(0))


@pytest.mark.parametrize("ascii", [False, True])
def test_plain_values_come_back(ascii, tmp_path):
    value = {
        "list": [1, 2.5, "x", ""],
        3: True,
        "none": None,
        "nested": {"é": [[]]},
        Key(True): "t",
        "bytes": b"\xff\0",
    }
    again = t7.read(t7.save(value, tmp_path / "value.t7", ascii))
    del value["none"]  # as nil it is not in a Lua table
    assert again == value | {"bytes": "\udcff\0"}


def test_masks_are_written_each_for_itself_also_after_an_empty_one(tmp_path):
    masks = [np.zeros(0, bool), np.ones(2, bool)] * 5
    assert [mask.tolist() for mask in t7.read(t7.save(masks, tmp_path / "masks.t7"))] == [[], [1, 1]] * 5


def test_cycles_and_shared_tables_come_back(tmp_path):
    shared = ["x"]
    value = {"a": shared, "b": shared}
    value["self"] = value
    again = t7.read(t7.save(value, tmp_path / "value.t7"))
    assert again["self"] is again and again["a"] is again["b"] and again["a"] == ["x"]


def test_integral_numbers_are_ints_and_minus_zero_is_kept():
    values = plain(read(write([1.0, -3, 2.0**53, 2.0**60, -0.0, math.inf])))
    assert [type(v) for v in values] == [int, int, int, float, float, float]
    assert math.copysign(1, values[4]) == -1


def test_a_function_is_opaque_and_written_as_it_was():
    function = t7.read(FILES / "function.t7")["f"]
    assert isinstance(function, Function) and function.code
    assert repr(function) == f"<Lua function of {len(function.code)} bytes>"
    again = plain(read(write([function, function])))
    assert again[0].code == function.code and again[1] is again[0]


def test_an_unknown_class_is_a_record_with_its_fields():
    record = t7.read(FILES / "module_table.t7")["model"]
    assert repr(record) == "<nn.Linear with _type, bias, gradBias, gradInput, gradWeight, output, weight>"
    again = plain(read(write({"object": Record("my.Class", Table(hash={"x": 1}), 3)})))["object"]
    assert (again.name, again.version, again.fields) == ("my.Class", 3, {"x": 1})


def test_a_key_shows_what_it_holds():
    key, value = next(iter(plain(read(write({Key(True): 1, "x": 2}))).items()))
    assert repr(key) == "Key(True)" and value == 1


def test_a_tensor_of_no_axes_is_empty_even_on_numbers():
    """Torch7 keeps the storage of a tensor that was resized to nothing."""
    storage = struct.pack("<ii", 4, 2) + write(Storage(np.ones(3)))[8:]
    nothing = write(np.empty(0))
    array = read(nothing[: -len(write(None))] + storage)
    assert array.shape == (0,) and array.dtype == float


def test_an_object_from_before_versions_is_read():
    version = struct.pack("<i", 3) + b"V 1"
    content = write(Record("my.Class", Table(hash={"x": 1})))
    assert version in content
    record = plain(read(content.replace(version, b"")))
    assert (record.name, record.version, record.fields) == ("my.Class", 0, {"x": 1})


def test_tables_of_tds_are_read():
    numbers = struct.pack("<q", 2)
    head = struct.pack("<ii", 4, 1) + struct.pack("<i", 3) + b"V 0"
    vector = head + struct.pack("<i", 7) + b"tds.Vec" + numbers + write("a") + write(5)
    hashed = head + struct.pack("<i", 8) + b"tds.Hash" + numbers + write("a") + write(5) + write("b") + write(True)
    assert plain(read(vector)) == ["a", 5]
    assert plain(read(hashed)) == {"a": 5, "b": True}


@pytest.mark.parametrize(
    "value",
    [
        object(),
        {1, 2},
        2**60,
        Record("tds.Hash", Table()),
        np.zeros(2, complex),
        "\ud800",
        [lambda: 0],
        np.array(["x"]),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_lua_does_not_have_is_refused(value, tmp_path):
    with pytest.raises(T7Error):
        t7.save(value, tmp_path / "value.t7")
    assert not list(tmp_path.iterdir())


def test_files_that_cannot_be_opened_are_told(tmp_path):
    with pytest.raises(T7Error, match="there is no file"):
        t7.load(tmp_path / "none.t7")
    with pytest.raises(T7Error, match="cannot read"):
        t7.load(pathlib.Path(tmp_path))
    with pytest.raises(T7Error, match="does not begin like one of Torch7 .at byte 0."):
        (tmp_path / "text.t7").write_text("hello")
        t7.load(tmp_path / "text.t7")
