"""The .t7 reader against many random files, files that were found to be trouble, and files built to take much memory.

The search is short here. NODEGRAPH_FUZZ=100000 in the environment makes it so many files long.
"""

import os
import random
import re
import struct
import time
import tracemalloc

import pytest

from nodegraph.errors import T7Error
from nodegraph.io import t7
from nodegraph.io.t7.files import translated
from nodegraph.io.t7.reader import read
from nodegraph.io.t7.writer import write

import oracle

FILES = int(os.environ.get("NODEGRAPH_FUZZ", "0"))
SEEDS = [path.read_bytes() for path in sorted((oracle.DATA / "t7").rglob("*.t7"))]
FOUND = sorted((oracle.DATA / "damaged").glob("*.t7"))

INTEGERS = [*range(10), 255, -1, -2, 65536, 10**6, 2**31 - 1, -(2**31)]
LONGS = [0, 1, 2**31, 2**32 - 1, 2**40, 2**62, 2**63 - 1, -1, -(2**63)]
DOUBLES = [0.0, -0.0, -1.0, 3.5, 1e6, 2.0**31, 2.0**53, 2.0**63, 1e300, 1e-320, float("nan"), float("inf")]
NAMES = [
    b"nn.Sequential", b"nn.gModule", b"nngraph.Node", b"nn.Linear", b"nn.View", b"nn.LookupTable", b"nn.GPU",
    b"tds.Hash", b"tds.Vec", b"torch.DoubleTensor", b"torch.FloatTensor", b"torch.CharTensor", b"torch.LongStorage",
    b"torch.CudaTensor", b"graph.Graph", b"V 1", b"V 2", b"weight", b"bias", b"modules", b"size", b"mapindex", b"data",
]  # fmt: skip


def integer(value):
    return struct.pack("<i", value)


def with_another_byte(content, place, generator):
    content[place] = generator.randrange(256)


def with_another_number(content, place, generator):
    kinds = [("<i", INTEGERS), (">i", INTEGERS), ("<q", LONGS), ("<d", DOUBLES)]
    form, values = generator.choice(kinds)
    part = struct.pack(form, generator.choice(values))
    content[place : place + len(part)] = part


def with_something_missing(content, place, generator):
    del content[place : place + generator.choice([1, 4, 8, 12, 100])]


def cut_off(content, place, generator):
    del content[max(1, place) :]


def with_a_part_twice(content, place, generator):
    other = generator.randrange(len(content))
    content[place:place] = content[other : other + generator.choice([4, 12, 20, 1000])]


def spliced_with_another_file(content, place, generator):
    other = generator.choice(SEEDS)
    content[place:] = other[generator.randrange(len(other)) :][:20_000]


def with_another_name(content, place, generator):
    old, new = generator.sample(NAMES, 2)
    found = content.find(old, place)
    if found >= 4:
        content[found - 4 : found + len(old)] = integer(len(new)) + new


def with_another_kind_of_value(content, place, generator):
    found = content.find(integer(generator.choice([1, 2, 3, 4, 5])), place)
    if found >= 0:
        content[found : found + 4] = integer(generator.randrange(9))


def with_another_object(content, place, generator):
    found = content.find(integer(generator.choice([3, 4])), place)
    if found >= 0:
        content[found + 4 : found + 8] = integer(generator.choice([0, 1, 2, 3, 5, 8, 13, 100, -1]))


def with_another_word(content, place, generator):
    """For files in ascii: another number where one is written out."""
    words = list(re.finditer(rb"\S+", bytes(content[place : place + 200])))
    if words:
        start, end = generator.choice(words).span()
        content[place + start : place + end] = str(generator.choice(INTEGERS + LONGS + DOUBLES)).encode()


CHANGES = [
    with_another_byte, with_another_number, with_something_missing, cut_off, with_a_part_twice,
    spliced_with_another_file, with_another_name, with_another_kind_of_value, with_another_object, with_another_word,
]  # fmt: skip


def changed(generator):
    """One of the files with one or a few changes."""
    content = bytearray(generator.choice(SEEDS))
    for _ in range(generator.choice([1, 1, 2, 3, 5])):
        if content:
            generator.choice(CHANGES)(content, generator.randrange(len(content)), generator)
    return bytes(content)


def attempt(content):
    """Read it as `load` does; T7Error, in a sentence with the byte, is the only way to fail."""
    start = time.process_time()
    try:
        translated(read(content))
    except T7Error as error:
        assert str(error).isprintable() and len(str(error)) < 600
    assert time.process_time() - start < 5


def test_whatever_is_changed_it_is_read_or_refused():
    generator = random.Random(FILES)
    for _ in range(max(400, FILES)):
        attempt(changed(generator))


@pytest.mark.parametrize("path", FOUND, ids=lambda path: path.stem)
def test_what_was_found_is_refused_with_the_byte(path):
    with pytest.raises(T7Error, match=rf"{re.escape(str(path))}: .* \(at byte \d+\)$"):
        t7.load(path)


# Files built to take much memory for their size


def table(index, entries):
    return struct.pack("<3i", 3, index, entries)


def key(value):
    return struct.pack("<id", 1, value)


COUNT = 8_000
NIL, FUNCTION = struct.pack("<i", 0), struct.pack("<2i", 6, 0)
EMPTY_TEXT, TRUE = struct.pack("<2i", 2, 0), struct.pack("<2i", 5, 1)


def array_of(part, count=COUNT):
    """A table of so many values, each of which is an object of its own."""
    return table(1, count) + b"".join(key(i + 1) + part(i + 2) for i in range(count))


def array_of_chains(head, tail, count=COUNT, depth=100):
    """The same where each value is inside the one before it, a hundred deep."""
    links = (tail(i) + key(i // depth + 2) + head(i) if i % depth == 0 else head(i) for i in range(2, count))
    parts = count // depth + (1 if count % depth > 2 else 0)
    return table(1, parts) + key(1) + head(count) + b"".join(links) + tail(count + 1)


LARGE = {
    "empty tables": lambda: array_of(lambda i: table(i, 0)),
    "tables of one value": lambda: array_of(lambda i: table(i, 1) + key(1) + TRUE),
    "tables of one name": lambda: array_of(lambda i: table(i, 1) + EMPTY_TEXT + TRUE),
    "objects": lambda: array_of(lambda i: struct.pack("<4i", 4, i, 0, 0)),
    "functions": lambda: array_of(lambda i: FUNCTION + NIL),
    "numbered at random": lambda: array_of(lambda i: table(-i, 0)),
    "tables in tables": lambda: array_of_chains(lambda i: table(i, 1) + key(1), lambda i: table(-i, 0)),
    "names in tables": lambda: array_of_chains(lambda i: table(i, 1) + EMPTY_TEXT, lambda i: table(-i, 0)),
    "functions in functions": lambda: array_of_chains(
        lambda i: struct.pack("<2i", 6, 0), lambda i: struct.pack("<i", 0)
    ),
    "ascii tables": lambda: b"3 1 8000 " + b"".join(b"1 %d 3 %d 1 1 1 5 1 " % (i, i + 1) for i in range(1, 8_001)),
    "ascii names": lambda: b"3 1 8000 " + b"".join(b"1 %d 3 %d 1 2 0 5 1 " % (i, i + 1) for i in range(1, 8_001)),
}


@pytest.mark.parametrize("make", LARGE.values(), ids=LARGE)
def test_what_is_in_a_file_takes_no_more_than_ten_times_its_size(make, monkeypatch):
    monkeypatch.setattr("nodegraph.io.t7.reader.MEMORY_ALLOWED", 100_000)
    content = make()
    tracemalloc.start()
    try:
        translated(read(content))
    except T7Error as error:
        assert "more than 10 times the memory of the file" in str(error)
    assert tracemalloc.get_traced_memory()[1] < 10 * len(content) + 2e6
    tracemalloc.stop()


def test_a_file_whose_objects_would_take_more_is_refused(monkeypatch):
    monkeypatch.setattr("nodegraph.io.t7.reader.MEMORY_ALLOWED", 0)
    for name in "names in tables", "functions in functions", "ascii names":
        with pytest.raises(T7Error, match="its objects take more than 10 times the memory of the file"):
            read(LARGE[name]())


def test_what_people_save_is_never_too_much(monkeypatch):
    monkeypatch.setattr("nodegraph.io.t7.reader.MEMORY_ALLOWED", 100_000)
    for value in (
        [{"x": i} for i in range(5_000)],
        [[] for _ in range(5_000)],
        {f"word{i}": i for i in range(5_000)},
        [[i, True, "text"] for i in range(5_000)],
        {i: {"name": str(i)} for i in range(2, 5_000)},
    ):
        assert translated(read(write(value))) == value


def seconds(action, *arguments):
    start = time.process_time()
    action(*arguments)
    return time.process_time() - start


def test_ten_times_as_large_a_table_takes_about_ten_times_as_long():
    small, large = ([{"x": i + 0.5} for i in range(n)] for n in (2_000, 20_000))
    small, large = write(small), write(large)
    quickest = min(seconds(read, small) for _ in range(3))
    assert min(seconds(read, large) for _ in range(3)) < 40 * quickest + 0.05
