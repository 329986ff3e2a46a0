"""Images of handwritten digits to learn from: scikit-learn's, or MNIST's files."""

from __future__ import annotations

import errno
import os
import pathlib
from dataclasses import dataclass

import numpy as np

from nodegraph.errors import DataError
from nodegraph.models.digits.idx import read_idx

SPLIT_SEED = 0
TEST_FRACTION = 0.25
VALIDATION_FRACTION = 0.15


@dataclass
class Digits:
    """Images (n, rows, columns) in float32, 0 for paper to 1 for ink, and the digits that they show (n,), in two parts.

    The part `test` is for seeing how well digits are read that were not trained on.
    """

    images: np.ndarray
    labels: np.ndarray
    test_images: np.ndarray
    test_labels: np.ndarray

    def to_choose_by(self) -> Digits:
        """The images to train on alone, of which a part, always the same, takes the place of the test part.

        Options are chosen by how well these are read, so that the test part tells something new.
        """
        return split(self.images, self.labels, VALIDATION_FRACTION)


def split(images: np.ndarray, labels: np.ndarray, fraction: float) -> Digits:
    """All the images with a fraction of them, always the same, as the part to test on; DataError for too few."""
    order = np.random.default_rng(SPLIT_SEED).permutation(len(labels))
    test, train = np.split(order, [round(fraction * len(order))])
    if not test.size:
        raise DataError(f"{len(labels)} images are too few to hold back {fraction:.0%} of them")
    return Digits(images[train], labels[train], images[test], labels[test])


def scikit_learn_digits() -> Digits:
    """The 1797 digits, 8 x 8, that come with scikit-learn; a quarter of them, always the same, is for testing.

    DataError where scikit-learn is not installed.
    """
    try:
        from sklearn.datasets import load_digits
    except ModuleNotFoundError as error:
        raise DataError(
            "the digits of scikit-learn need scikit-learn: pip install 'nodegraph[examples]'; or use MNIST's files"
        ) from error
    found = load_digits()
    return split((found.images / 16).astype(np.float32), found.target, TEST_FRACTION)


def mnist_digits(folder: str | os.PathLike[str]) -> Digits:
    """The digits of MNIST, or of files like MNIST's four, from a folder; gzipped or not.

    DataError, with file and byte, for files that are missing, damaged, or that do not fit together.
    """
    folder = pathlib.Path(folder)
    if not os.path.isdir(folder):
        raise DataError(f"there is no folder {folder}")
    if not os.access(folder, os.X_OK):
        raise DataError(f"cannot read the files in {folder}: {os.strerror(errno.EACCES)}")
    images, labels = _part(folder, "train")
    test_images, test_labels = _part(folder, "t10k")
    if images.shape[1:] != test_images.shape[1:]:
        sizes = " and ".join("{} x {}".format(*part.shape[1:]) for part in (images, test_images))
        raise DataError(f"the images to train on and to test on in {folder} differ in size: {sizes}")
    return Digits(images, labels, test_images, test_labels)


def _part(folder: pathlib.Path, part: str) -> tuple[np.ndarray, np.ndarray]:
    images_file, labels_file = _file(folder, f"{part}-images-idx3-ubyte"), _file(folder, f"{part}-labels-idx1-ubyte")
    images, labels = read_idx(images_file, axes=3), read_idx(labels_file, axes=1)
    if len(images) != len(labels):
        raise DataError(
            f"{images_file} has {len(images)} images, but {labels_file} {len(labels)} labels, as both say at byte 4"
        )
    wrong = np.flatnonzero(labels > 9)
    if wrong.size:
        raise DataError(f"{labels_file}: the label at byte {8 + wrong[0]} is {labels[wrong[0]]}; digits are 0 to 9")
    return images.astype(np.float32) / 255, labels


def _file(folder: pathlib.Path, name: str) -> pathlib.Path:
    """The file of that name, or what it is called where a dot comes before idx, or either of them gzipped."""
    names = [name, f"{name}.gz", name.replace("-idx", ".idx"), name.replace("-idx", ".idx") + ".gz"]
    for candidate in names:
        if os.path.isfile(folder / candidate):
            return folder / candidate
    raise DataError(f"there is neither {names[0]} nor {names[1]} in {folder}")
