"""Several processes that train together: how they begin, and what is told when one of them ends badly."""

import os
import signal
from types import SimpleNamespace

import pytest

from nodegraph.cli import main
from nodegraph.errors import ArgumentError, TrainingStopped
from nodegraph.models.char_rnn import launch
from nodegraph.models.char_rnn.options import Options
from nodegraph.models.char_rnn.training import Trainer

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

from torch.distributed import launcher  # noqa: E402
from torch.distributed.elastic.multiprocessing.api import SignalException  # noqa: E402
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError  # noqa: E402

from nodegraph.models.char_rnn import torch_engine  # noqa: E402

TEXT = "the quick brown fox jumps over the lazy dog. " * 60
SMALL = dict(rnn_size=8, num_layers=1, seq_length=6, batch_size=5, sample_every=0)


@pytest.fixture
def elastic(monkeypatch):
    """Stands for PyTorch's launcher; `elastic.error` is what it raises, `elastic.given` what it was given."""
    found = SimpleNamespace(error=None, given=None)

    def elastic_launch(config, program):
        def run(*arguments):
            found.given = config.nproc_per_node, program, arguments
            if found.error is not None:
                raise found.error

        return run

    monkeypatch.setattr(launcher.api, "elastic_launch", elastic_launch)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    return found


def test_the_command_runs_in_so_many_processes(elastic, monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS")
    assert launch.launch(["train", "--nproc", "3"], "torch", 3) == 0
    processes, _, arguments = elastic.given
    assert processes == 3 and arguments == ("-m", "nodegraph", "train", "--nproc", "3")
    assert int(os.environ["OMP_NUM_THREADS"]) == max(1, (os.cpu_count() or 1) // 3)


def test_more_processes_than_sequences_are_refused_before_any_starts(elastic, tmp_path, capsys):
    (tmp_path / "text.txt").write_text(TEXT)
    arguments = [
        "train",
        "--data",
        str(tmp_path / "text.txt"),
        "--engine",
        "torch",
        "--nproc",
        "6",
        "--batch-size",
        "5",
    ]
    assert main(arguments) == 2 and elastic.given is None
    assert "a batch of 5 cannot be shared by 6 processes" in capsys.readouterr().err


def ended(*codes):
    failures = {rank: SimpleNamespace(exitcode=code) for rank, code in enumerate(codes)}
    error = ChildFailedError.__new__(ChildFailedError)
    error.failures = failures
    return error


def test_the_status_is_that_of_the_processes(elastic):
    elastic.error = ended(1, 2)
    assert launch.launch(["train"], "torch", 2) == 2


def test_a_process_that_is_killed_is_named(elastic):
    elastic.error = ended(1, -signal.SIGKILL)
    with pytest.raises(TrainingStopped, match="process 1 was ended by SIGKILL, and the others with it"):
        launch.launch(["train"], "torch", 2)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_is_an_interrupt_here_too(elastic, number):
    elastic.error = SignalException("ended", number)
    with pytest.raises(KeyboardInterrupt) as ended:
        launch.launch(["train"], "torch", 2)
    assert ended.value.args == (number,)


@pytest.mark.parametrize(
    "engine, processes, words", [("torch", 0, "at least 1"), ("nodegraph", 2, "for --engine torch")]
)
def test_what_cannot_be_launched(engine, processes, words):
    with pytest.raises(ArgumentError, match=words):
        launch.launch(["train"], engine, processes)


def engine(**options):
    return Trainer(Options(**{**SMALL, **options}), TEXT, engine=torch_engine.TorchEngine).engine


def test_each_process_takes_the_gpu_of_its_number(monkeypatch):
    chosen, model = [], Trainer(Options(**SMALL), TEXT).model
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "set_device", chosen.append)
    monkeypatch.setenv("LOCAL_RANK", "1")
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "2")
    assert torch_engine.TorchEngine(model).device == torch.device("cuda", 1) and chosen == [1]
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "3")
    with pytest.raises(ArgumentError, match="3 processes need a GPU each, and there are 2"):
        torch_engine.TorchEngine(model)


@pytest.fixture
def two_processes(monkeypatch):
    """As in the second of two processes, each of which is told what the other has."""
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("RANK", "1")
    monkeypatch.setattr(torch_engine.dist, "is_initialized", lambda: True)
    others = []
    monkeypatch.setattr(torch_engine.dist, "all_reduce", lambda flags, *_: flags.copy_(flags | others.pop()))
    before = signal.getsignal(signal.SIGINT)
    yield others
    signal.signal(signal.SIGINT, before)


def test_all_stop_when_one_is_to_stop_or_is_interrupted(two_processes):
    here = engine()
    assert here.rows == slice(2, 5) and not here.main
    for other, stop, agreed in (([0, 0], False, False), ([1, 0], False, True), ([0, 0], True, True)):
        two_processes.append(torch.tensor(other, dtype=torch.int32))
        assert here.agreed(stop) is agreed
    two_processes.append(torch.tensor([0, 1], dtype=torch.int32))
    with pytest.raises(KeyboardInterrupt):
        here.agreed(False)
    signal.raise_signal(signal.SIGINT)  # which only notes it, so that the step ends first
    two_processes.append(torch.tensor([0, 0], dtype=torch.int32))
    with pytest.raises(KeyboardInterrupt):
        here.agreed(False)


def test_alone_a_process_agrees_with_itself():
    alone = engine()
    assert alone.agreed(True) is True and alone.agreed(False) is False
    alone.synchronise()  # before any step there is nothing to bring back
    assert alone.module is None


def test_a_model_may_be_validated_before_it_is_trained():
    options = Options(**SMALL, dtype="float64")
    ours, theirs = Trainer(options, TEXT), Trainer(options, TEXT, engine=torch_engine.TorchEngine)
    assert theirs.validate() == pytest.approx(ours.validate(), rel=1e-12)
