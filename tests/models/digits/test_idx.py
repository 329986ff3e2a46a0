"""IDX files: what they hold, and one sentence with the byte for each way in which they can be wrong."""

import gzip
import struct
import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodegraph.errors import DataError
from nodegraph.models.digits.idx import LARGEST, read_idx

ARRAY = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)


def idx(array, shape=None):
    shape = array.shape if shape is None else shape
    return bytes([0, 0, 8, len(shape)]) + struct.pack(f">{len(shape)}I", *shape) + array.tobytes()


def write(folder, content):
    path = folder / "file"
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzipped"])
def test_the_array_comes_back(tmp_path, pack):
    found = read_idx(write(tmp_path, pack(idx(ARRAY))), axes=3)
    assert found.dtype == np.uint8
    np.testing.assert_array_equal(found, ARRAY)


@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzipped"])
@pytest.mark.parametrize(
    "content, words",
    [
        (b"", "must begin with 00 00 08 03.*byte 0 and on are missing"),
        (b"\0\0", "byte 0 and on are 00 00"),
        (b"PNG image", "byte 0 and on are 50 4e 47 20"),
        (bytes([0, 0, 13, 3]) + bytes(40), "00 00 0d 03"),
        (idx(np.zeros(5, np.uint8)), "3 axes, but byte 0 and on are 00 00 08 01"),
        (idx(ARRAY)[:9], "ends at byte 9, within the header, which has 16 bytes"),
        (idx(ARRAY, (2, 0, 4)), "promises 2 x 0 x 4 numbers"),
        (idx(ARRAY, (2**32 - 1,) * 3), f"promises 4294967295 x 4294967295 x 4294967295 numbers; 1 to {LARGEST}"),
        (idx(ARRAY)[:-1], "byte 4 on, promises 2 x 3 x 4 numbers, but.* 23|ends at byte 39;.*end at byte 40"),
        (idx(ARRAY) + b"x", "goes on at byte 40"),
    ],
)
def test_another_file_gives_a_sentence_with_the_byte(tmp_path, pack, content, words):
    with pytest.raises(DataError, match=words) as caught:
        read_idx(write(tmp_path, pack(content)), axes=3)
    assert str(tmp_path) in str(caught.value) and "\n" not in str(caught.value)


def test_what_is_no_file(tmp_path):
    for path in (tmp_path, tmp_path / "nothing"):
        with pytest.raises(DataError, match="there is no file"):
            read_idx(path, axes=1)


def test_a_gzipped_file_that_was_cut_or_changed(tmp_path):
    packed = gzip.compress(idx(ARRAY))
    for damaged in (
        packed[:-9],
        packed[:12],
        packed[:-8] + bytes(4) + packed[-4:],
        packed[:10] + b"\xff" + packed[11:],
    ):
        with pytest.raises(DataError, match=r"damaged at byte \d+ or before"):
            read_idx(write(tmp_path, damaged), axes=3)


def peak_of_refusing(path):
    tracemalloc.start()
    try:
        with pytest.raises(DataError) as caught:
            read_idx(path, axes=3)
        return tracemalloc.get_traced_memory()[1], str(caught.value)
    finally:
        tracemalloc.stop()


def test_a_gzip_bomb_is_not_unpacked_beyond_what_its_header_says(tmp_path):
    bomb = gzip.compress(idx(ARRAY) + bytes(30_000_000))
    peak, message = peak_of_refusing(write(tmp_path, bomb))
    assert "goes on at byte 40" in message and peak < 1_000_000


@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzipped"])
def test_no_memory_is_taken_for_numbers_that_cannot_be_there(tmp_path, pack):
    peak, message = peak_of_refusing(write(tmp_path, pack(idx(ARRAY, (1000, 1000, 1000)))))
    assert "promises 1000 x 1000 x 1000 numbers" in message and peak < 1_000_000


@given(st.data())
def test_a_damaged_file_gives_an_array_or_our_error(tmp_path_factory, data):
    whole = bytearray(data.draw(st.sampled_from([idx(ARRAY), gzip.compress(idx(ARRAY), mtime=0)])))
    for _ in range(data.draw(st.integers(1, 4))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    cut = whole[: data.draw(st.integers(0, len(whole)))]
    try:
        assert read_idx(write(tmp_path_factory.getbasetemp(), bytes(cut)), axes=3).ndim == 3
    except DataError as error:
        assert "\n" not in str(error)
