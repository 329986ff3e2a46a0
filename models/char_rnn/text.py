"""Text to train on: where it comes from, its characters as indices, and its batches."""

from __future__ import annotations

import codecs
import os
import pathlib
import stat
import sysconfig
from collections.abc import Callable, Iterable, Iterator

import numpy as np

from nodegraph.errors import DataError

STANDARD_LIBRARY = (
    "argparse ast bdb calendar cmd code codecs codeop collections/__init__ configparser contextlib copy csv "
    "dataclasses difflib dis doctest enum filecmp fileinput fnmatch fractions ftplib functools gettext glob "
    "gzip heapq hmac imaplib inspect ipaddress locale lzma mailbox mimetypes netrc optparse os pdb pickle "
    "pickletools platform plistlib poplib posixpath pprint profile pstats pydoc queue quopri random reprlib "
    "runpy sched selectors shelve shlex shutil smtplib socket socketserver statistics string stringprep "
    "subprocess tabnanny tarfile tempfile textwrap threading timeit tokenize trace traceback turtle types "
    "typing uuid warnings wave weakref webbrowser zipapp"
).split()
"""Modules whose sources every Python brings along."""

STANDARD_LIBRARY_SIZE = 1_000_000


def read_text(path: str | os.PathLike[str] | None = None) -> str:
    """The text of a file, or of all text files in a folder and below, sorted by name.

    It is UTF-8; the mark of that at the beginning of a file is no part of the text, and every end of a line is "\\n".
    Files that hold no text are left out. Without a path: about 1 MB of the Python standard library's own source. Raises
    DataError if there is none, and for a file or a folder that must not be read.
    """
    if path is None:
        return _standard_library()
    if not os.fspath(path):
        raise DataError("the name of the file or folder to read is empty")
    path = pathlib.Path(path)
    if os.path.isdir(path):  # which, unlike pathlib's, is False for what can be no name of a folder
        texts = [text for file in sorted(_files(path)) if (text := _text_or_none(file))]
        if not texts:
            raise DataError(f"the folder {path} holds no text files")
        return "\n".join(texts)
    try:
        return path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise DataError(f"there is no file or folder {path}") from None
    except OSError as error:
        raise _unreadable(path, error) from error
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not UTF-8 text: byte {error.start} is {error.object[error.start]:#04x}") from None


def _files(folder: pathlib.Path) -> Iterator[pathlib.Path]:
    """All that lies in a folder and below, but for the folders; DataError for one that must not be read."""

    def refuse(error: OSError) -> None:
        raise _unreadable(error.filename, error) from error

    for place, _, names in os.walk(folder, onerror=refuse):
        yield from (pathlib.Path(place, name) for name in names)


def _text_or_none(file: pathlib.Path) -> str | None:
    """The text of a file; None for what is none, is missing, or is no file but, say, a pipe."""
    try:
        if not stat.S_ISREG(os.stat(file).st_mode):
            return None
        text = file.read_text(encoding="utf-8-sig")
    except (FileNotFoundError, NotADirectoryError, UnicodeDecodeError):
        return None
    except OSError as error:
        raise _unreadable(file, error) from error
    return None if "\0" in text else text


def _unreadable(path: str | os.PathLike[str], error: OSError) -> DataError:
    return DataError(f"cannot read {path}: {error.strerror}")


def _standard_library() -> str:
    folder = pathlib.Path(sysconfig.get_paths()["stdlib"])
    sources = [text for name in STANDARD_LIBRARY if (text := _text_or_none(folder / f"{name}.py"))]
    text = "\n".join(sources)[:STANDARD_LIBRARY_SIZE]
    if not text:
        raise DataError(f"this Python's library holds no sources in {folder}: name a text file with --data")
    return text


class Vocabulary:
    """The distinct characters of a text, sorted; a character's place is its index.

    >>> vocabulary = Vocabulary("hello")
    >>> vocabulary.encode("hole"), vocabulary.decode([1, 3])
    (array([1, 3, 2, 0]), 'ho')

    A vocabulary of bytes, as char-rnn has them, holds those of characters outside ASCII as lone surrogates. Text is
    taken byte by byte then, in UTF-8, and put together again.

    >>> of_bytes = Vocabulary.in_order(["a", "\\udcc3", "\\udca9"])
    >>> of_bytes.encode("aé"), of_bytes.decode([0, 1, 2])
    (array([0, 1, 2]), 'aé')
    """

    def __init__(self, characters: Iterable[str]) -> None:
        self._set(sorted(set(characters)))

    @classmethod
    def in_order(cls, characters: Iterable[str]) -> Vocabulary:
        """The vocabulary of these characters in this order; DataError if one comes twice."""
        vocabulary, characters = cls.__new__(cls), list(characters)
        vocabulary._set(characters)
        if len(vocabulary.index) < len(characters):
            raise DataError("a character comes twice in the vocabulary")
        return vocabulary

    def _set(self, characters: list[str]) -> None:
        self.characters = characters
        self.index = {character: i for i, character in enumerate(characters)}
        self.of_bytes = any("\udc80" <= character <= "\udcff" for character in characters)

    def __len__(self) -> int:
        return len(self.characters)

    def units(self, text: str) -> str:
        """The text in the characters of the vocabulary, or in its bytes."""
        return text.encode().decode("ascii", "surrogateescape") if self.of_bytes else text

    def encode(self, text: str) -> np.ndarray:
        """The indices of a text's characters; DataError for a character that is not in the vocabulary."""
        try:
            units = self.units(text)
            return np.fromiter(map(self.index.__getitem__, units), np.int64, len(units))
        except KeyError as error:
            raise DataError(f"the character {error.args[0]!r} is not among the {len(self)} of the vocabulary") from None

    def decode(self, indices: Iterable[int]) -> str:
        """The text that these indices stand for."""
        decode = self.decoder()
        return "".join(decode(i) for i in indices)

    def decoder(self) -> Callable[[int], str]:
        """A function that gives the text of one index after the other.

        In a vocabulary of bytes the text of a character comes with its last byte, and of the others is empty.
        """
        if not self.of_bytes:
            return self.characters.__getitem__
        incremental = codecs.getincrementaldecoder("utf-8")("replace")
        return lambda i: incremental.decode(self.characters[i].encode("utf-8", "surrogateescape"))


class Batches:
    """A text cut into batches of sequences, in order, for training, validation and testing.

    The text is laid out in `batch_size` rows, and each batch takes the next `seq_length` columns, so that the state
    after one batch is the state before the next. Targets are the characters one place further on. `train`,
    `validation` and `test` are the numbers of batches of the three parts.

    >>> batches = Batches(np.arange(20), batch_size=2, seq_length=2, train_frac=0.6, val_frac=0.4)
    >>> len(batches), batches.train, batches.validation
    (5, 3, 2)
    >>> batches[1]
    (array([[ 2, 12],
            [ 3, 13]]), array([[ 3, 13],
            [ 4, 14]]))

    Source: karpathy/char-rnn, util/CharSplitLMMinibatchLoader.lua.
    """

    def __init__(
        self, indices: np.ndarray, batch_size: int, seq_length: int, train_frac: float = 0.95, val_frac: float = 0.05
    ) -> None:
        columns = len(indices) // (batch_size * seq_length) * seq_length
        n = columns // seq_length
        self.train = int(n * train_frac)
        rest = max(0.0, 1 - (train_frac + val_frac))
        self.validation = n - self.train if rest < 1e-9 else int(n * val_frac)
        self.test = n - self.train - self.validation
        if self.train == 0:
            raise DataError(
                f"{len(indices)} characters are too few: a batch takes {batch_size} x {seq_length} = "
                f"{batch_size * seq_length}, and {train_frac:.4g} of the batches are for training"
            )
        used = np.asarray(indices[: columns * batch_size])
        self.seq_length = seq_length
        self._inputs = used.reshape(batch_size, columns)
        self._targets = np.roll(used, -1).reshape(batch_size, columns)

    def __len__(self) -> int:
        return self.train + self.validation + self.test

    def __getitem__(self, i: int) -> tuple[np.ndarray, np.ndarray]:
        """Inputs and targets of batch i, each (seq_length, batch_size)."""
        columns = slice(i * self.seq_length, (i + 1) * self.seq_length)
        return self._inputs[:, columns].T, self._targets[:, columns].T
