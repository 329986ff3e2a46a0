"""What a program computes, draws and writes depends on no locale, time zone, hash seed, folder or number of threads."""

import os
import shutil
import subprocess
import sys

import numpy as np
import pytest

PROGRAM = """
import hashlib, locale, pathlib, sys, warnings
locale.setlocale(locale.LC_ALL, "")
warnings.simplefilter("ignore", EncodingWarning)
warnings.filterwarnings("error", category=EncodingWarning, module="nodegraph")

import numpy as np
from nodegraph import History, Recurrent, nn, optim, save, seed
from nodegraph.models import lstm
from nodegraph.viz import draw, schedule, summary, walkthrough

seed(3)
cell = lstm.lstm(20, 64, 2, 0.1)
network = Recurrent(cell)
rng = np.random.default_rng(0)
x, target = rng.integers(0, 20, (10, 32)), rng.integers(0, 20, 320)
states = [np.zeros((32, 64)) for _ in range(4)]
optimizer, criterion, history = optim.RMSprop(network, 2e-3), nn.ClassNLLCriterion(), History()
for step in range(1, 4):
    network.zero_grad_parameters()
    y, *_ = network.forward([x, *states])
    loss = criterion.forward(y.reshape(320, 20), target)
    gradient = criterion.backward(y.reshape(320, 20), target).reshape(y.shape)
    network.backward([x, *states], [gradient, *[None] * 4])
    optimizer.step()
    history.add(step, loss=loss)

parameters = np.concatenate([p.ravel() for p in network.parameters()[0]])
np.save(sys.argv[1] + "/parameters.npy", parameters)
shapes = [(32,), *[(32, 64)] * 4]
pictures = [draw(cell, input_shapes=shapes).dot, summary(cell, shapes), str(schedule(network))]
small = lstm.create(3, 2)
pictures.append(walkthrough(small, [np.ones((1, 3)), np.ones((1, 2)), np.ones((1, 2))]).html)
history.save(sys.argv[1] + "/history.csv")
save(cell, sys.argv[1] + "/cell.t7")
files = [pathlib.Path(sys.argv[1], name).read_bytes() for name in ("history.csv", "cell.t7")]
parts = [parameters.tobytes(), *[text.encode() for text in pictures], *files]
print(*[hashlib.sha256(part).hexdigest() for part in parts])
"""

THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
USUAL = {"PYTHONHASHSEED": "1", "TZ": "UTC", "LC_ALL": "C.UTF-8", **dict.fromkeys(THREADS, "1")}


def run(folder, **changes):
    """The digests of all that the program made, and its parameters."""
    folder.mkdir()
    environment = {**os.environ, **USUAL, **changes}
    command = [sys.executable, "-X", "warn_default_encoding", "-c", PROGRAM, str(folder)]
    done = subprocess.run(command, env=environment, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0 and not done.stderr, done.stderr
    return done.stdout.split(), np.load(folder / "parameters.npy")


@pytest.fixture(scope="module")
def usual(tmp_path_factory):
    return run(tmp_path_factory.mktemp("usual") / "run")


def turkish(folder):
    """The variables of a locale with a comma for the decimal point, a dotless i and an encoding of its own."""
    if shutil.which("localedef"):
        command = ["localedef", "-i", "tr_TR", "-f", "ISO-8859-9", str(folder / "tr_TR")]
        subprocess.run(command, capture_output=True, check=False)
    if not (folder / "tr_TR" / "LC_CTYPE").exists():  # without the locales' sources there is at least plain ASCII
        return {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}
    return {"LC_ALL": "tr_TR", "LOCPATH": str(folder), "PYTHONUTF8": "0"}


def test_locale_time_zone_and_hash_seed_change_no_bit(usual, tmp_path):
    changes = {**turkish(tmp_path), "TZ": "Pacific/Chatham", "PYTHONHASHSEED": "4711"}
    assert run(tmp_path / "run", **changes)[0] == usual[0]


def test_stripped_code_and_folders_with_odd_names_change_no_bit(usual, tmp_path):
    """`python -OO` takes out docstrings and assertions."""
    folder = tmp_path / "Größe 漢, 'und' mehr"
    folder.mkdir()
    assert run(folder / "run", PYTHONOPTIMIZE="2", TMPDIR=str(folder))[0] == usual[0]


def test_the_number_of_threads_changes_rounding_at_most(usual, tmp_path):
    _, parameters = run(tmp_path / "run", **dict.fromkeys(THREADS, "2"))
    np.testing.assert_allclose(parameters, usual[1], rtol=1e-7, atol=1e-10)
