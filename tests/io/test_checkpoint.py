"""Checkpoints: whole or not there, plain data, and one clear sentence for anything that is no checkpoint."""

import json
import os
import pathlib
import signal
import struct
import subprocess
import sys

import numpy as np
import pytest
import safetensors.numpy

from nodegraph import GModule, annotate_nodes, nn
from nodegraph.errors import CheckpointError
from nodegraph.io import checkpoint


def model():
    x = nn.Identity()()
    hidden = nn.Linear(3, 4)(x)
    normal = nn.BatchNormalization(4)(hidden)
    annotate_nodes()
    return GModule(x, normal)


def test_what_is_saved_is_loaded(tmp_path):
    arrays = {"a": np.arange(6.0).reshape(2, 3), "b.c": np.ones(0, np.float32), "i": np.arange(3)}
    data = {"epoch": 1.5, "names": ["x", "é"], "nested": {"none": None}}
    path = checkpoint.save(tmp_path / "new" / "model.safetensors", arrays, data)
    loaded, loaded_data = checkpoint.load(path)
    assert loaded_data == data and loaded.keys() == arrays.keys()
    for name, array in arrays.items():
        np.testing.assert_array_equal(loaded[name], array)
        assert loaded[name].dtype == array.dtype
    assert os.listdir(path.parent) == ["model.safetensors"]


def test_state_of_a_module_has_parameters_and_buffers():
    a, b = model(), model()
    a.forward(np.random.default_rng(0).standard_normal((5, 3)))
    checkpoint.load_state(b, {name: array.copy() for name, array in checkpoint.state_of(a).items()})
    assert sorted(checkpoint.state_of(a)) == [
        "hidden.bias",
        "hidden.weight",
        "normal.bias",
        "normal.running_mean",
        "normal.running_var",
        "normal.weight",
    ]
    x = np.ones((2, 3))
    np.testing.assert_array_equal(a.evaluate().forward(x), b.evaluate().forward(x))


def test_state_that_does_not_fit_changes_nothing():
    net = model()
    before = net.get_parameters()[0].copy()
    state = {name: array + 1 for name, array in checkpoint.state_of(net).items()}
    with pytest.raises(CheckpointError, match=r"missing \['hidden.bias'\], unknown \['other'\]"):
        checkpoint.load_state(net, {**{k: v for k, v in state.items() if k != "hidden.bias"}, "other": np.ones(1)})
    with pytest.raises(CheckpointError, match=r"hidden.bias has shape \(9,\), the model's has \(4,\)"):
        checkpoint.load_state(net, {**state, "hidden.bias": np.ones(9)})
    with pytest.raises(CheckpointError, match="parameter hidden.bias holds complex128, the model's float64"):
        checkpoint.load_state(net, {**state, "hidden.bias": np.ones(4, complex)})
    np.testing.assert_array_equal(net.get_parameters()[0], before)


def bad_files(folder):
    good = checkpoint.save(folder / "good", {"a": np.ones(100)}, {})
    content = good.read_bytes()
    yield "empty", b""
    yield "text", b"hello"
    yield "short header", content[:20]
    yield "short data", content[:-10]
    yield "huge header", (2**62).to_bytes(8, "little") + content[8:]
    yield "not ours", safetensors.numpy.save({"a": np.ones(2)})
    yield "no data", safetensors.numpy.save({"a": np.ones(2)}, {"format": checkpoint.FORMAT})
    yield "broken data", safetensors.numpy.save({"a": np.ones(2)}, {"format": checkpoint.FORMAT, "data": "{"})


def test_damaged_and_foreign_files(tmp_path):
    for name, content in bad_files(tmp_path):
        path = tmp_path / name
        path.write_bytes(content)
        with pytest.raises(CheckpointError, match="not a checkpoint"):
            checkpoint.load(path)


def test_data_that_are_no_table(tmp_path):
    path = checkpoint.save(tmp_path / "list", {"a": np.ones(2)}, [1, 2])
    with pytest.raises(CheckpointError, match="list is not a checkpoint, or it is damaged .its data are no table."):
        checkpoint.load(path)


def test_a_changed_bit_anywhere_is_noticed(tmp_path):
    path = checkpoint.save(tmp_path / "c", {"a": np.arange(5.0), "b": np.ones(3, np.float32)}, {"epoch": 1})
    content = path.read_bytes()
    for place in range(8, len(content)):
        damaged = bytearray(content)
        damaged[place] ^= 1 << place % 8
        path.write_bytes(damaged)
        try:
            arrays, data = checkpoint.load(path)
        except CheckpointError:
            continue
        assert data == {"epoch": 1} and (arrays["a"] == np.arange(5.0)).all() and (arrays["b"] == 1).all()


def test_an_array_of_no_axes(tmp_path):
    arrays, _ = checkpoint.load(checkpoint.save(tmp_path / "c", {"a": np.array(3.0)}, {}))
    assert arrays["a"].shape == () and arrays["a"] == 3


def test_a_folder_for_checkpoints(tmp_path):
    checkpoint.make_folder(tmp_path / "a" / "b")
    checkpoint.make_folder(tmp_path / "a" / "b")
    assert os.listdir(tmp_path / "a" / "b") == []
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(CheckpointError, match="cannot write checkpoints into"):
        checkpoint.make_folder(tmp_path / "file")


def test_files_that_cannot_be_read(tmp_path):
    with pytest.raises(CheckpointError, match="there is no checkpoint"):
        checkpoint.load(tmp_path / "nothing")
    with pytest.raises(CheckpointError):
        checkpoint.load(tmp_path)


def test_files_that_must_not_be_read(unprivileged):
    path = checkpoint.save(unprivileged / "model", {"a": np.ones(2)}, {})
    path.chmod(0o200)
    with pytest.raises(CheckpointError, match="^cannot read the checkpoint .*model: Permission denied$"):
        checkpoint.load(path)
    path.chmod(0o600)
    unprivileged.chmod(0o600)
    with pytest.raises(CheckpointError, match="^cannot read the checkpoint .*model: Permission denied$"):
        checkpoint.load(path)


@pytest.mark.parametrize("name", ["\n\x1b[2J", "x" * 5000])
def test_what_a_stranger_calls_an_array_stays_a_short_line(tmp_path, name):
    header = json.dumps({name: {"dtype": "F64", "shape": [1], "data_offsets": [8, 0]}}).encode()
    (tmp_path / "model").write_bytes(struct.pack("<Q", len(header)) + header + bytes(8))
    with pytest.raises(CheckpointError, match="model is not a checkpoint, or it is damaged") as caught:
        checkpoint.load(tmp_path / "model")
    assert str(caught.value).isprintable() and len(str(caught.value)) < 500 + len(str(tmp_path))


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="named pipes are of Unix")
def test_what_is_no_file_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for name, words in (("pipe", "it is no file"), (".", "it is a folder")):
        with pytest.raises(CheckpointError, match=words):
            checkpoint.load(tmp_path / name)


def test_a_place_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(CheckpointError, match="cannot write"):
        checkpoint.save(tmp_path / "file" / "model", {}, {})
    assert (tmp_path / "file").read_text() == "in the way"


def test_a_failed_write_keeps_the_old_file(tmp_path, monkeypatch):
    path = checkpoint.save(tmp_path / "model", {"a": np.ones(2)}, {"epoch": 1})

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(CheckpointError, match="No space left on device"):
        checkpoint.save(path, {"a": np.zeros(2)}, {"epoch": 2})
    assert checkpoint.load(path)[1] == {"epoch": 1} and os.listdir(tmp_path) == ["model"]


def test_a_kill_in_the_middle_leaves_a_whole_file(tmp_path):
    path = tmp_path / "model"
    script = (
        "import itertools, sys, numpy as np\nfrom nodegraph.io import checkpoint\n"
        "for i in itertools.count():\n"
        "    checkpoint.save(sys.argv[1], {'a': np.full(200_000, float(i))}, {'i': i})\n"
        "    print(i, flush=True)\n"
    )
    for rounds in range(2):
        process = subprocess.Popen([sys.executable, "-c", script, str(path)], stdout=subprocess.PIPE)
        for _ in range(3 + 4 * rounds):
            process.stdout.readline()
        process.send_signal(signal.SIGKILL)
        process.communicate()
        arrays, data = checkpoint.load(path)
        assert (arrays["a"] == data["i"]).all()


def test_nothing_in_a_checkpoint_is_code(tmp_path):
    path = checkpoint.save(tmp_path / "model", {"a": np.ones(1)}, {"text": "__import__('os').system('false')"})
    assert checkpoint.load(path)[1]["text"].startswith("__import__")
    source = pathlib.Path(checkpoint.__file__).read_text()
    assert "pickle" not in source and "eval(" not in source


def test_a_safetensors_file_of_others_is_told_as_that(tmp_path):
    path = tmp_path / "others.safetensors"
    path.write_bytes(safetensors.numpy.save({"a": np.ones(2)}, {"format": "pt"}))
    with pytest.raises(CheckpointError) as caught:
        checkpoint.load(path)
    assert str(caught.value) == f"{path} is a safetensors file, but not a checkpoint of nodegraph"
