"""IDX, the file format of MNIST: a header that tells type and sizes, then the numbers."""

from __future__ import annotations

import gzip
import math
import os
import pathlib
import struct
import zlib
from typing import IO

import numpy as np

from nodegraph.errors import DataError

UNSIGNED_BYTES = 8
LARGEST = 1 << 30
"""The most bytes that are read from one file; all of MNIST has 47 million."""

GZIP_EXPANSION = 1032
"""No byte of a gzipped file can stand for more than this many."""


def read_idx(path: str | os.PathLike[str], axes: int) -> np.ndarray:
    """The array of unsigned bytes in an IDX file, gzipped or not, which must have so many axes.

    The file is two zero bytes, 8 for the type, the number of axes, the size along each as four bytes with the highest
    first, and the numbers. What the header says is checked before memory is taken for it, and no more is unpacked than
    it says. DataError, with the byte where it was noticed, for any other file; in a gzipped one the bytes are those of
    its content.

    Source: Y. LeCun, C. Cortes and C. Burges, "The MNIST database of handwritten digits".
    """
    path = pathlib.Path(path)
    if os.path.exists(path) and not os.path.isfile(path):  # Such as a pipe, which would be waited for.
        raise DataError(f"there is no file {path}")
    try:
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            zipped = file.read(2) == b"\x1f\x8b"
            file.seek(0)
            if not zipped:
                return _array(file, size, axes, path)
            try:
                with gzip.GzipFile(fileobj=file) as content:
                    return _array(content, size * GZIP_EXPANSION, axes, path)
            except (EOFError, zlib.error, gzip.BadGzipFile) as error:
                raise DataError(
                    f"{path} is damaged at byte {file.tell()} or before, as gzip has it: {error}"
                ) from error
    except FileNotFoundError:
        raise DataError(f"there is no file {path}") from None
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror or error}") from error


def _array(file: IO[bytes] | gzip.GzipFile, available: int, axes: int, path: pathlib.Path) -> np.ndarray:
    """The array from an open file, which has at most `available` bytes."""
    start = 4 + 4 * axes
    magic = file.read(4)
    if magic != bytes([0, 0, UNSIGNED_BYTES, axes]):
        expected = f"00 00 {UNSIGNED_BYTES:02x} {axes:02x}, unsigned bytes with {axes} axes"
        raise DataError(f"{path} must begin with {expected}, but byte 0 and on are {magic.hex(' ') or 'missing'}")
    sizes = file.read(4 * axes)
    if len(sizes) < 4 * axes:
        raise DataError(f"{path} ends at byte {4 + len(sizes)}, within the header, which has {start} bytes")
    shape = struct.unpack(f">{axes}I", sizes)
    wanted, described = math.prod(shape), " x ".join(map(str, shape))
    if not 0 < wanted <= LARGEST:
        raise DataError(f"{path}: the header, from byte 4 on, promises {described} numbers; 1 to {LARGEST} can be read")
    if start + wanted > available:
        raise DataError(
            f"{path}: the header, from byte 4 on, promises {described} numbers, but there are at most "
            f"{max(0, available - start)} bytes after it"
        )
    data = file.read(wanted)
    if len(data) < wanted:
        raise DataError(f"{path} ends at byte {start + len(data)}; {described} numbers end at byte {start + wanted}")
    if file.read(1):
        raise DataError(f"{path} goes on at byte {start + wanted}, where its {described} numbers end")
    return np.frombuffer(data, np.uint8).reshape(shape)
