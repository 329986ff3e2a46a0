"""What else a stranger's words and files can be: tables of losses, images of digits, and arguments `FILE.py:function`.

The search among random changes is short here. NODEGRAPH_FUZZ=100000 in the environment makes it so many files long.
"""

import gzip
import math
import os
import random
import struct
import sys
import tracemalloc

import pytest

from nodegraph.errors import ArgumentError, DataError, NodegraphError
from nodegraph.find_model import find_model
from nodegraph.history import read_table
from nodegraph.models.digits.idx import read_idx

FILES = int(os.environ.get("NODEGRAPH_FUZZ", "0"))


def changed(content, parts, generator):
    """The bytes with one or a few changes, some of which put in one of the parts given."""
    content = bytearray(content)
    for _ in range(generator.choice([1, 1, 2, 4])):
        place = generator.randrange(len(content) + 1)
        kind = generator.randrange(5)
        if kind == 0:
            content[place : place + 1] = bytes([generator.randrange(256)])
        elif kind == 1:
            content[place : place + generator.choice([0, 1, 4])] = generator.choice(parts)
        elif kind == 2:
            del content[place : place + generator.choice([1, 3, 8])]
        elif kind == 3:
            content[place:place] = content[: generator.choice([1, 10])]
        elif generator.random() < 0.3:
            del content[place:]
    return bytes(content)


def attempts(contents, parts, use, count):
    """Use so many files made from the contents; our own errors, in a sentence, are the only way to fail."""
    generator = random.Random(FILES)
    for _ in range(max(count, FILES)):
        try:
            use(changed(generator.choice(contents), parts, generator), generator)
        except NodegraphError as error:
            assert "\n" not in str(error) and len(str(error)) < 1000


# Tables

TABLES = [b"iteration,loss\n1,2.5\n2,2.25\n", b"run,iteration,loss,validation_loss\na,1,2,\nb,1,3,4\nb,2,,5\n"]
CELLS = [b"iteration", b"run", b"self", b'"', b",", b"\n", b"\r", b"\0", b"\xff", b"nan", b"1e999", b"9" * 5000, b"-1"]


def test_a_damaged_table_of_losses_is_read_or_refused(tmp_path):
    path = tmp_path / "losses.csv"

    def use(content, generator):
        path.write_bytes(content)
        for history in read_table(path).values():
            for name in history.names:
                history[name], history.smoothed(name)

    attempts(TABLES, [*CELLS, b"x" * 140_000], use, 400)


@pytest.mark.parametrize(
    "content, words",
    [
        (b"iteration,loss\n" + b"9" * 19 + b",1\n", "line 2: an iteration is a number of at most 63 bits"),
        (b"iteration,loss\n" + b"9" * 5000 + b",1\n", "line 2: "),
        (b"iteration,loss\n1," + b"x" * 5000 + b"\n", "line 2: loss at iteration 1 must be a number, got 'xxx"),
        (b'iteration,"a\nb"\n1,x\n', "line 2: a b at iteration 1 must be a number"),
        (b"iteration\n" + b"\n" * 10**6, "line 2: there is no iteration"),
    ],
)
def test_a_senseless_table_gives_one_short_sentence(tmp_path, content, words):
    path = tmp_path / "losses.csv"
    path.write_bytes(content)
    tracemalloc.start()
    with pytest.raises(DataError, match=words) as caught:
        read_table(path)
    assert tracemalloc.get_traced_memory()[1] < 10 * len(content) + 1e6
    tracemalloc.stop()
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 500 + len(str(path))


def test_a_column_may_have_any_name(tmp_path):
    (tmp_path / "losses.csv").write_text("iteration,self\n1,2.5\n")
    assert read_table(tmp_path / "losses.csv")[""]["self"][1].tolist() == [2.5]


# Images


def idx(*shape):
    """The content of an IDX file."""
    content = bytes(i % 10 for i in range(math.prod(shape)))
    return bytes([0, 0, 8, len(shape)]) + struct.pack(f">{len(shape)}I", *shape) + content


SIZES = [struct.pack(">I", size) for size in (0, 1, 2**16, 2**30, 2**31, 2**32 - 1)]


def test_a_damaged_file_of_digits_is_read_or_refused(tmp_path):
    path = tmp_path / "digits"

    def use(content, generator):
        path.write_bytes(content)
        assert read_idx(path, generator.choice([1, 3])).nbytes <= 1032 * len(content)

    images = [idx(5, 4, 4), idx(7)]
    assert [read_written(path, content, axes).size for content, axes in zip(images, (3, 1))] == [80, 7]
    attempts([*images, *map(gzip.compress, images)], SIZES, use, 600)


def read_written(path, content, axes):
    path.write_bytes(content)
    return read_idx(path, axes)


# Arguments

ARGUMENTS = [
    "", ":", ".", "/", "~", "-", ":make", ".py:make", "\0", "net.py:\0", "net.py\0:make", "\ud800", "\ud800.py:make",
    "net.py:", "net.py:make:make", "net.py:make\n", "net.py:__name__", "net.py:__builtins__", "net.py/x.py:make",
    "x" * 5000, "x" * 5000 + ".py:make", "x" * 300 + ".t7", "folder.py:make", "folder.py", "lstm:", os.devnull,
    f"{os.devnull}:make",
]  # fmt: skip


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder.py").mkdir()
    (tmp_path / "net.py").write_bytes(NET)
    yield tmp_path
    for name in [name for name in sys.modules if name.startswith("model_in_")]:
        del sys.modules[name]


@pytest.mark.parametrize("argument", ARGUMENTS, ids=range(len(ARGUMENTS)))
def test_an_argument_that_is_no_model_is_refused(folder, argument):
    with pytest.raises(ArgumentError):
        find_model(argument)


NET = b"from nodegraph import nn\ndef make():\n    return nn.Linear(3, 2)\n"
LINES = [
    b"raise Exception", b"raise SystemExit(3)", b"raise GeneratorExit", b"raise BaseException", b"(", b"(" * 3000,
    b"\0", b"return", b"make = None", b"1/0", b"raise ValueError('a\\nb')", b"raise ValueError('x' * 10**6)",
    b"import nothing", b"# coding: nothing", b"import sys; sys.path = None",
    b"del make", b"-" * 5000 + b"1", b"def make(): return make()",
    b"class Worse(Exception):\n    def __str__(self): raise self\nraise Worse",
    b"class make:\n    @property\n    def __signature__(self): 1/0",
    b"def __getattr__(name): raise 1", b"__builtins__ = None",
]  # fmt: skip


@pytest.mark.parametrize("line", LINES, ids=range(len(LINES)))
def test_whatever_a_file_does_it_gives_a_model_or_one_sentence(folder, line):
    path = list(sys.path)
    (folder / "net.py").write_bytes(NET + line + b"\n")
    try:
        assert find_model("net.py:make").module.named_parameters()["weight"].shape == (2, 3)
    except ArgumentError as error:
        assert "\n" not in str(error) and len(str(error)) < 500
    assert sys.path == path


def test_a_damaged_file_of_functions_gives_a_model_or_one_sentence(folder):
    def use(content, generator):
        (folder / "net.py").write_bytes(content)
        find_model("net.py:make")

    attempts([NET], [b"\n", b"\t", b" ", b"'", b'"""', b"(", b":", b"\xff"], use, 100)
