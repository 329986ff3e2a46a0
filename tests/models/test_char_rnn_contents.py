"""Checkpoints that are whole but say senseless things, and damaged ones: one sentence, before any of it is used.

The search among random changes is short here. NODEGRAPH_FUZZ=100000 in the environment makes it so many files long.
"""

import copy
import os
import random
import struct
import tracemalloc
import zipfile

import numpy as np
import pytest
import safetensors.numpy

from nodegraph import load
from nodegraph.convert import convert
from nodegraph.errors import CheckpointError, NodegraphError
from nodegraph.io import checkpoint
from nodegraph.models.char_rnn import formats, loop
from nodegraph.models.char_rnn.contents import MEASURED
from nodegraph.models.char_rnn.history import read_histories
from nodegraph.models.char_rnn.inspection import describe
from nodegraph.models.char_rnn.options import Options
from nodegraph.models.char_rnn.sampling import sample
from nodegraph.models.char_rnn.training import CharacterModel, Trainer

FILES = int(os.environ.get("NODEGRAPH_FUZZ", "0"))
TEXT = "the quick brown fox jumps over the lazy dog. " * 12


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """The arrays and the data of a whole checkpoint."""
    training = Trainer(Options(rnn_size=4, num_layers=1, seq_length=5, batch_size=3), TEXT)
    for _ in range(2):
        training.step()
    training.validate()
    return checkpoint.load(training.save(tmp_path_factory.mktemp("saved") / "c.safetensors"))


def put(data, path, value):
    """A copy of nested data with one value changed; `path` are its keys with dots between."""
    data = copy.deepcopy(data)
    *outer, last = path.split(".")
    inside = data
    for key in outer:
        inside = inside[key]
    inside[last] = value
    return data


MODEL = "c.safetensors is not a checkpoint of a character model: "
SENSELESS = [
    ("options", None, MODEL + "its options are no table"),
    ("options", ["rnn_size"], MODEL + "its options are no table"),
    ("options.speed", 3, MODEL + "there is no option 'speed'"),
    ("options.rnn_size", "4", MODEL + "rnn_size must be a whole number, got '4'"),
    ("options.rnn_size", 4.0, MODEL + "rnn_size must be a whole number, got 4.0"),
    ("options.rnn_size", True, MODEL + "rnn_size must be a whole number, got True"),
    ("options.rnn_size", -4, MODEL + "rnn_size must be at least 1"),
    ("options.rnn_size", 10**6, MODEL + "1 layers of 1000000 and 28 characters need more than the 684 numbers"),
    ("options.num_layers", 10**9, MODEL + "num_layers must be at least 1 and at most 10000"),
    ("options.grad_clip", 10**400, MODEL + "grad_clip must be a number that a float can hold"),
    ("options.max_epochs", 10**400, MODEL + "max_epochs must be a number that a float can hold"),
    ("options.learning_rate", "fast", MODEL + "learning_rate must be a number, got 'fast'"),
    ("options.model", ["lstm"], MODEL + r"model must be a text, got \['lstm'\]"),
    ("options.dtype", "int8", MODEL + "dtype must be one of float32, float64"),
    ("vocabulary", "abc", MODEL + "its vocabulary is no list of characters"),
    ("vocabulary", [], MODEL + "its vocabulary is no list of characters"),
    ("vocabulary", [1, 2], MODEL + "its vocabulary is no list of characters"),
    ("vocabulary", ["a", ""], MODEL + "its vocabulary is no list of characters"),
    ("vocabulary", ["a", "a"], MODEL + "a character comes twice"),
    ("vocabulary", ["a", "b"], MODEL + "parameter .* has shape"),
    ("iteration", "2", MODEL + "its iteration is '2'"),
    ("iteration", 10**400, MODEL + "its iteration is 1000000"),
    ("epoch", float("nan"), MODEL + "its epoch is nan"),
    ("epoch", [1], MODEL + r"its epoch is \[1\]"),
    ("validations", 3, MODEL + "its validations are no pairs"),
    ("validations", [[2]], MODEL + "its validations are no pairs"),
    ("validations", [["2", 3.0]], MODEL + "its validations are no pairs"),
]


@pytest.mark.parametrize("path, value, words", SENSELESS)
def test_what_makes_no_sense_is_named(tmp_path, saved, path, value, words):
    arrays, data = saved
    file = checkpoint.save(tmp_path / "c.safetensors", arrays, put(data, path, value))
    for use in (CharacterModel.load, describe, lambda file: Trainer.resume(file, TEXT)):
        with pytest.raises(CheckpointError, match=words) as caught:
            use(file)
        assert "\n" not in str(caught.value)


SENSELESS_ARRAYS = [
    ("losses", np.ones((2, 2)), MODEL + r"its losses are float64 of shape \(2, 2\)"),
    ("seconds", np.array([True, False]), MODEL + "its seconds are bool"),
    ("model.decoder.weight", np.ones((28, 4), complex).view(float), MODEL + "parameter decoder.weight has shape"),
    ("model.other", np.ones(3), MODEL + r"the parameters do not fit the model: missing \[\], unknown \['other'\]"),
]


@pytest.mark.parametrize("name, array, words", SENSELESS_ARRAYS)
def test_arrays_that_make_no_sense_are_named(tmp_path, saved, name, array, words):
    arrays, data = saved
    file = checkpoint.save(tmp_path / "c.safetensors", {**arrays, name: array}, data)
    with pytest.raises(CheckpointError, match=words):
        CharacterModel.load(file)


RESUMED = "c.safetensors does not hold all that a training needs to go on: "
SENSELESS_TRAININGS = [
    ("iteration", 3, "it has 2 losses of 3 iterations"),
    ("options.batch_size", 5, r"its states are not float32 of shape \(5, 4\)"),
    ("random", 3, ""),
    ("random.state.state", -1, ""),
    ("random.state.state", 10**100, ""),
    ("optimizer", [], ""),
    ("optimizer.settings.alpha", "x", "RMSprop: the state does not fit: alpha"),
    ("optimizer.memory.mean_squares", {"array": ["x"]}, ""),
]


@pytest.mark.parametrize("path, value, words", SENSELESS_TRAININGS)
def test_a_state_of_training_that_makes_no_sense_is_refused(tmp_path, saved, path, value, words):
    arrays, data = saved
    file = checkpoint.save(tmp_path / "c.safetensors", arrays, put(data, path, value))
    CharacterModel.load(file)
    with pytest.raises(CheckpointError, match=RESUMED + words):
        Trainer.resume(file, TEXT)


def test_a_small_file_takes_little_memory(tmp_path):
    options = {"rnn_size": 20_000, "num_layers": 100, "model": "lstm"}
    data = {"options": options, "vocabulary": [chr(i) for i in range(32, 96)]}
    file = checkpoint.save(tmp_path / "c.safetensors", {"model.decoder.bias": np.zeros(64)}, data)
    tracemalloc.start()
    with pytest.raises(CheckpointError, match="need more than the 64 numbers"):
        CharacterModel.load(file)
    assert tracemalloc.get_traced_memory()[1] < 5e6
    tracemalloc.stop()


def test_iterations_without_losses_take_no_memory(tmp_path, saved):
    arrays, data = saved
    arrays = {name: array for name, array in arrays.items() if name not in MEASURED}
    file = checkpoint.save(tmp_path / "c.safetensors", arrays, put(data, "iteration", 2**53))
    with pytest.raises(CheckpointError, match=RESUMED + f"it has 0 losses of {2**53} iterations"):
        Trainer.resume(file, TEXT)


@pytest.mark.parametrize("path", ["optimizer.optimizer", "optimizer.settings.alpha"])
def test_what_a_stranger_says_stays_a_short_line(tmp_path, saved, path):
    arrays, data = saved
    file = checkpoint.save(tmp_path / "c.safetensors", arrays, put(data, path, "\n\x1b[2J" * 1000))
    with pytest.raises(CheckpointError, match=RESUMED) as caught:
        Trainer.resume(file, TEXT)
    assert str(caught.value).isprintable() and len(str(caught.value)) < 500 + len(str(tmp_path))


def test_data_that_are_no_table(tmp_path):
    file = checkpoint.save(tmp_path / "c.safetensors", {"a": np.ones(2)}, [1, 2])
    with pytest.raises(CheckpointError, match="its data are no table"):
        load(file)


def test_numbers_of_a_type_that_numpy_has_not(tmp_path, saved):
    content = checkpoint.save(tmp_path / "c.safetensors", *saved).read_bytes()
    for dtype in (b"F16", b"U32", b"I32"):
        (tmp_path / "d.safetensors").write_bytes(content.replace(b'"F32"', b'"' + dtype + b'"'))
        with pytest.raises(CheckpointError):
            load(tmp_path / "d.safetensors")
    header = b'{"a":{"dtype":"BF16","shape":[2],"data_offsets":[0,4]}}'
    (tmp_path / "b.safetensors").write_bytes(struct.pack("<Q", len(header)) + header + bytes(4))
    with pytest.raises(CheckpointError):
        load(tmp_path / "b.safetensors")


def test_a_converted_model_without_a_training_can_be_inspected(tmp_path, saved):
    arrays, data = saved
    kept = {name: data[name] for name in ("options", "vocabulary")}
    parameters = {name: array for name, array in arrays.items() if name.startswith("model.")}
    file = checkpoint.save(tmp_path / "c.safetensors", parameters, kept)
    assert "0 (0.00 epochs)" in describe(file)
    assert "0 (0.00 epochs)" in describe(convert(file, tmp_path / "d.safetensors"))
    with pytest.raises(NodegraphError, match="tells nothing of how"):
        read_histories([file])


# Files of PyTorch's


def test_an_archive_of_pytorchs_with_packed_parts_is_refused(tmp_path):
    pytest.importorskip("torch")
    path = tmp_path / "model.pt"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("model/data.pkl", bytes(50_000_000))
    assert path.stat().st_size < 100_000
    with pytest.raises(CheckpointError, match=r"model.pt is not a file of PyTorch's, or it is damaged"):
        formats.load_torch_file(path)


def test_an_archive_of_pytorchs_whose_parts_overlap_is_refused(tmp_path):
    """Its table of contents lists the same bytes again and again."""
    torch = pytest.importorskip("torch")
    path = tmp_path / "model.pt"
    torch.save({"x": torch.zeros(10_000)}, path)
    with zipfile.ZipFile(path, "a") as archive:
        large = max(archive.infolist(), key=lambda part: part.file_size)
        for i in range(3):
            again = copy.copy(large)
            again.filename = f"again/{i}"
            archive.filelist.append(again)
        archive._didModify = True
    with pytest.raises(CheckpointError, match="model.pt is not a file of PyTorch's") as caught:
        formats.load_torch_file(path)
    assert "larger than the whole" in str(caught.value.__cause__)


def test_a_file_of_pytorchs_that_must_not_be_read(unprivileged):
    pytest.importorskip("torch")
    (unprivileged / "model.pt").touch(0o200)
    with pytest.raises(CheckpointError, match="^cannot read .*model.pt: Permission denied$"):
        formats.load_torch_file(unprivileged / "model.pt")


def test_a_state_dict_that_is_none(tmp_path):
    torch = pytest.importorskip("torch")
    path = tmp_path / "model.pt"
    torch.save({"state_dict": [1, 2], "options": {}, "vocabulary": ["a"]}, path)
    with pytest.raises(CheckpointError, match="its state_dict is none"):
        formats.load_torch_file(path)


def test_a_tensor_that_repeats_a_few_numbers_makes_no_large_model(tmp_path):
    torch = pytest.importorskip("torch")
    path, described = tmp_path / "model.pt", {"options": {"rnn_size": 20_000}, "vocabulary": ["a", "b"]}
    state = {f"{i}": torch.zeros(1).expand(20_000, 20_000) for i in range(3)}
    torch.save({"state_dict": state, **described}, path)
    with pytest.raises(CheckpointError, match="2 layers of 20000 and 2 characters need more than the 3 numbers"):
        formats.load_torch_file(path)


def test_nothing_in_a_file_of_pytorchs_is_run(tmp_path):
    torch = pytest.importorskip("torch")

    class Hostile:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "run"),)

    torch.save({"state_dict": {}, "options": {}, "vocabulary": Hostile()}, tmp_path / "model.pt")
    with pytest.raises(CheckpointError, match="UnpicklingError"):
        formats.load_torch_file(tmp_path / "model.pt")
    assert not (tmp_path / "run").exists()


# Random changes

VALUES = [
    None, True, 0, -1, 1, 10**6, 10**18, 10**400, 1.5, -2.5, 1e308, float("nan"), float("inf"), "", "x", "é" * 50,
    [], {}, [[]], [1], [[1, 2]], {"array": "x"}, {"array": [1]}, "\ud800",
]  # fmt: skip
CHANGES = [
    lambda array: array.reshape(-1),
    lambda array: array[:-1] if array.ndim else array,
    lambda array: np.zeros_like(array),
    lambda array: np.zeros((2, 2, 2), array.dtype),
    lambda array: np.zeros((), array.dtype),
    lambda array: np.zeros((3, 0), array.dtype),
    *(lambda array, dtype=dtype: array.astype(dtype) for dtype in (np.int8, np.float16, bool, np.float64, np.uint64)),
]


def places(value, path=()):
    """The paths to everything in nested data."""
    yield path
    parts = value.items() if isinstance(value, dict) else enumerate(value[:5]) if isinstance(value, list) else ()
    for key, part in parts:
        yield from places(part, (*path, key))


def changed(generator, arrays, data):
    """The arrays and the data with one or a few changes."""
    arrays, data = dict(arrays), copy.deepcopy(data)
    for _ in range(generator.choice([1, 1, 2, 3])):
        *outer, last = generator.choice([path for path in places(data) if path])
        if generator.random() < 0.65:
            inside = data
            for key in outer:
                inside = inside[key]
            if generator.random() < 0.2:
                del inside[last]
            else:
                inside[last] = copy.deepcopy(generator.choice(VALUES))
        else:
            name = generator.choice(sorted(arrays))
            change = generator.choice(CHANGES)
            with np.errstate(all="ignore"):
                arrays[name] = change(arrays[name])
    return arrays, data


def uses(path, folder):
    """What one may do with a checkpoint."""
    yield lambda: load(path)
    yield lambda: describe(path)
    yield lambda: read_histories([path])
    yield lambda: "".join(sample(CharacterModel.load(path)[0], 2))
    yield lambda: convert(path, folder / "out.t7")
    yield lambda: convert(path, folder / "out.safetensors")
    yield lambda: loop.train(Trainer.resume(path, TEXT), folder / "cv", iterations=1, say=str)


@pytest.mark.filterwarnings("ignore:overflow:RuntimeWarning", "ignore:invalid:RuntimeWarning")
def test_whatever_is_changed_it_is_used_or_refused(tmp_path, saved):
    generator = random.Random(FILES)
    for _ in range(max(60, FILES)):
        arrays, data = changed(generator, *saved)
        path = checkpoint.save(tmp_path / "c.safetensors", arrays, data)
        for use in uses(path, tmp_path):
            try:
                use()
            except NodegraphError as error:
                assert "\n" not in str(error)


def test_whatever_byte_is_changed_it_is_noticed(tmp_path, saved):
    generator, path = random.Random(FILES), tmp_path / "c.safetensors"
    content = checkpoint.save(path, *saved).read_bytes()
    for _ in range(max(300, FILES)):
        damaged = bytearray(content)
        for _ in range(generator.choice([1, 2, 5])):
            place = generator.randrange(len(damaged)) if generator.random() < 0.5 else generator.randrange(2000)
            if generator.random() < 0.8:
                damaged[place] = generator.randrange(256)
            else:
                del damaged[place : place + generator.choice([1, 8, 100])]
        path.write_bytes(damaged)
        try:
            arrays, data = checkpoint.load(path)
        except CheckpointError as error:
            assert "\n" not in str(error)
        else:
            assert data == saved[1] and all(np.array_equal(arrays[n], saved[0][n]) for n in saved[0])


def test_a_file_of_others_is_no_checkpoint(tmp_path):
    (tmp_path / "c.safetensors").write_bytes(safetensors.numpy.save({"a": np.ones(2)}, {"format": "pt"}))
    with pytest.raises(CheckpointError, match="not a checkpoint of nodegraph"):
        load(tmp_path / "c.safetensors")
