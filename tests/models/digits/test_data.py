"""Where the digits come from: scikit-learn, or four files like MNIST's."""

import gzip
import struct

import numpy as np
import pytest

from nodegraph.errors import DataError
from nodegraph.models.digits.data import Digits, mnist_digits, scikit_learn_digits

NAMES = "train-images-idx3-ubyte train-labels-idx1-ubyte t10k-images-idx3-ubyte t10k-labels-idx1-ubyte".split()


def idx(array):
    return (
        bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.astype(np.uint8).tobytes()
    )


@pytest.fixture
def mnist(tmp_path):
    """A folder of MNIST's four files, the numbers in them, and a function that writes one of them anew."""
    generator = np.random.default_rng(0)
    arrays = {}
    for name, n in zip(NAMES, (7, 7, 3, 3)):
        arrays[name] = generator.integers(0, 256, (n, 5, 4)) if "images" in name else generator.integers(0, 10, n)
        (tmp_path / name).write_bytes(idx(arrays[name]))
    return tmp_path, arrays, lambda name, array: (tmp_path / name).write_bytes(idx(array))


def test_scikit_learns_digits_are_split_the_same_way_each_time():
    pytest.importorskip("sklearn", reason="needs the extra nodegraph[examples]")
    digits, again = scikit_learn_digits(), scikit_learn_digits()
    assert digits.images.shape == (1348, 8, 8) and digits.test_images.shape == (449, 8, 8)
    assert digits.images.dtype == np.float32 and digits.images.min() == 0 and digits.images.max() == 1
    np.testing.assert_array_equal(digits.test_images, again.test_images)
    np.testing.assert_array_equal(digits.labels, again.labels)
    both = {image.tobytes() for image in digits.images} & {image.tobytes() for image in digits.test_images}
    assert not both, "an image is in both parts"


def test_the_part_to_choose_options_by_comes_from_the_images_to_train_on():
    generator = np.random.default_rng(0)
    images = generator.random((40, 5, 4))
    digits = Digits(images, np.arange(40) % 10, images[:3] + 1, np.arange(3))
    chosen = digits.to_choose_by()
    assert len(chosen.images) == len(chosen.labels) == 34 and len(chosen.test_images) == len(chosen.test_labels) == 6
    found = np.concatenate([chosen.images, chosen.test_images])
    assert {image.tobytes() for image in found} == {image.tobytes() for image in images}
    for image, label in zip(found, np.concatenate([chosen.labels, chosen.test_labels])):
        np.testing.assert_array_equal(images[label::10][(images[label::10] == image).all((1, 2))], [image])
    np.testing.assert_array_equal(digits.to_choose_by().test_images, chosen.test_images)


def test_of_few_images_none_can_be_held_back():
    images = np.zeros((3, 5, 4))
    with pytest.raises(DataError, match="3 images are too few to hold back 15% of them"):
        Digits(images, np.arange(3), images, np.arange(3)).to_choose_by()


def test_without_scikit_learn_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "sklearn.datasets", None)
    with pytest.raises(DataError, match=r"pip install 'nodegraph\[examples\]'"):
        scikit_learn_digits()


def test_mnists_files(mnist):
    folder, arrays, _ = mnist
    digits = mnist_digits(folder)
    np.testing.assert_allclose(digits.images, arrays[NAMES[0]] / 255, rtol=1e-6)
    np.testing.assert_array_equal(digits.labels, arrays[NAMES[1]])
    assert digits.images.dtype == np.float32 and digits.test_images.shape == (3, 5, 4)


def test_files_with_other_names_and_gzipped(mnist):
    folder, _, _ = mnist
    expected = mnist_digits(folder)
    for name, other in zip(NAMES, (".gz", "", ".gz", "")):
        path = folder / name
        content = path.read_bytes()
        path.unlink()
        path = folder / (name.replace("-idx", ".idx") + other)
        path.write_bytes(gzip.compress(content) if other else content)
    found = mnist_digits(folder)
    np.testing.assert_array_equal(found.test_images, expected.test_images)
    np.testing.assert_array_equal(found.labels, expected.labels)


@pytest.mark.parametrize(
    "name, array, words",
    [
        (NAMES[1], np.zeros(6), "images-idx3-ubyte has 7 images, but .*labels-idx1-ubyte 6 labels.* byte 4"),
        (NAMES[3], np.array([1, 12, 3]), "t10k-labels-idx1-ubyte: the label at byte 9 is 12; digits are 0 to 9"),
        (NAMES[2], np.zeros((3, 5, 5)), "differ in size: 5 x 4 and 5 x 5"),
        (NAMES[0], np.zeros(7), "must begin with 00 00 08 03"),
    ],
)
def test_files_that_do_not_fit_together(mnist, name, array, words):
    folder, _, write = mnist
    write(name, array)
    with pytest.raises(DataError, match=words):
        mnist_digits(folder)


def test_a_folder_and_a_file_that_must_not_be_read(unprivileged):
    for name in NAMES:
        (unprivileged / name).touch(0o200)
    with pytest.raises(DataError, match=f"^cannot read .*{NAMES[0]}: Permission denied$"):
        mnist_digits(unprivileged)
    unprivileged.chmod(0o600)
    with pytest.raises(DataError, match="^cannot read the files in .*: Permission denied$"):
        mnist_digits(unprivileged)


def test_what_is_missing(mnist, tmp_path):
    folder, _, _ = mnist
    with pytest.raises(DataError, match="there is no folder"):
        mnist_digits(tmp_path / "nothing")
    (folder / NAMES[3]).unlink()
    with pytest.raises(DataError, match="neither t10k-labels-idx1-ubyte nor t10k-labels-idx1-ubyte.gz in"):
        mnist_digits(folder)
