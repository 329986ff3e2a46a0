"""The character model: text and batches, learning, going on bit by bit, sampling, and an orderly end."""

import itertools
import os
import signal

import numpy as np
import pytest

import nodegraph.random
from nodegraph.errors import ArgumentError, CheckpointError, DataError, TrainingStopped
from nodegraph.models.char_rnn import loop, text
from nodegraph.models.char_rnn.inspection import describe
from nodegraph.models.char_rnn.options import Options
from nodegraph.models.char_rnn.sampling import sample
from nodegraph.models.char_rnn.training import CharacterModel, Trainer

TEXT = "the quick brown fox jumps over the lazy dog. " * 60
SMALL = dict(rnn_size=12, num_layers=2, seq_length=10, batch_size=5, sample_every=0)


def trainer(**options):
    return Trainer(Options(**{**SMALL, **options}), TEXT)


# Text


def test_the_default_text_is_the_standard_librarys_source():
    default = text.read_text()
    assert default == text.read_text() and 0.9e6 < len(default) <= 1e6 and "def " in default


def test_a_file_and_a_folder(tmp_path):
    (tmp_path / "b.txt").write_text("second")
    (tmp_path / "a.txt").write_text("fürst")
    (tmp_path / "c.bin").write_bytes(b"\xff\xfe\x00binary")
    assert text.read_text(tmp_path / "a.txt") == "fürst"
    (tmp_path / "a.txt").write_bytes("\ufefffü\r\nrst".encode())
    assert text.read_text(tmp_path / "a.txt") == "fü\nrst"
    (tmp_path / "a.txt").write_text("fürst", encoding="utf-8")
    assert text.read_text(tmp_path) == "fürst\nsecond"


def test_text_that_cannot_be_read(tmp_path):
    (tmp_path / "latin").write_bytes("fürst".encode("latin-1"))
    (tmp_path / "empty").mkdir()
    for path, words in [
        ("nothing", "no file or folder"),
        ("latin", "byte 1 is 0xfc"),
        ("empty", "no text files"),
        ("x" * 300, "cannot read .*: File name too long"),
    ]:
        with pytest.raises(DataError, match=words):
            text.read_text(tmp_path / path)


def test_text_that_must_not_be_read_is_not_left_out(unprivileged):
    for path in ("a.txt", "sub/b.txt"):
        (unprivileged / path).parent.mkdir(exist_ok=True)
        (unprivileged / path).write_text("text")
    (unprivileged / "to nothing").symlink_to("nothing")
    assert text.read_text(unprivileged) == "text\ntext"
    for path, rights in (("a.txt", 0o200), ("sub", 0o300), ("sub/b.txt", 0o200), ("sub", 0o600), (".", 0o300)):
        before = (unprivileged / path).stat().st_mode
        (unprivileged / path).chmod(rights)
        with pytest.raises(DataError, match="^cannot read .*(a.txt|sub|b.txt|tmp[^/]*): Permission denied$"):
            text.read_text(unprivileged)
        (unprivileged / path).chmod(before)


def test_a_python_without_sources_asks_for_a_text(monkeypatch, tmp_path):
    monkeypatch.setattr(text.sysconfig, "get_paths", lambda: {"stdlib": str(tmp_path)})
    with pytest.raises(DataError, match="library holds no sources in .*: name a text file with --data"):
        text.read_text()


def test_batches_are_char_rnns():
    batches = text.Batches(np.arange(100), batch_size=3, seq_length=4, train_frac=0.5, val_frac=0.25)
    assert (batches.train, batches.validation, batches.test) == (4, 2, 2)
    x, y = batches[1]
    np.testing.assert_array_equal(x[:, 0], [4, 5, 6, 7])
    np.testing.assert_array_equal(x[0], [4, 36, 68])
    np.testing.assert_array_equal(y, x + 1)
    assert batches[7][1][-1, -1] == 0


def test_too_little_text():
    with pytest.raises(DataError, match="20 characters are too few: a batch takes 50 x 50"):
        text.Batches(np.zeros(20, int), 50, 50)


def test_a_character_that_was_never_seen():
    with pytest.raises(DataError, match="'é' is not among the 3"):
        text.Vocabulary("abc").encode("abé")


# Training


@pytest.mark.parametrize("model", ["lstm", "gru", "rnn"])
def test_it_learns(model):
    training = trainer(model=model, learning_rate=0.01, max_epochs=20)
    losses = [training.step() for _ in range(250)]
    assert losses[0] > 3 and np.mean(losses[-10:]) < 1.6
    assert training.validate() < 1.6


def test_initialisation_is_char_rnns():
    network = trainer().model.network
    bias = network.node("i2h_2").module.bias
    assert (bias[12:24] == 1).all() and (np.abs(bias[:12]) <= 0.08).all()
    assert (np.abs(network.node("h2h_1").module.weight) <= 0.08).all()


def test_the_same_seed_gives_the_same_losses():
    first, second, other = (trainer(seed=seed, dropout=0.3) for seed in (1, 1, 2))
    nodegraph.seed(1)
    a = [first.step() for _ in range(3)]
    nodegraph.seed(1)
    assert a == [second.step() for _ in range(3)] != [other.step() for _ in range(3)]


@pytest.mark.parametrize("options", [{}, {"model": "gru", "dropout": 0.4}, {"dtype": "float64"}])
def test_a_resumed_training_goes_on_to_the_same_bits(tmp_path, options):
    options = {**options, "learning_rate_decay_after": 0}
    straight = trainer(**options)
    for _ in range(80):
        straight.step()
    path = straight.save(tmp_path / "checkpoint")
    straight.validate()
    expected = [straight.step() for _ in range(60)]
    nodegraph.random.generator().random(100)
    resumed = Trainer.resume(path, TEXT)
    resumed.validate()
    assert [resumed.step() for _ in range(60)] == expected and resumed.losses == straight.losses
    np.testing.assert_array_equal(resumed.parameters, straight.parameters)
    assert resumed.optimizer.learning_rate == straight.optimizer.learning_rate < 2e-3


def test_samples_and_validation_do_not_change_the_training():
    plain, watched = trainer(dropout=0.2), trainer(dropout=0.2)
    state = nodegraph.random.get_state()
    expected = [plain.step() for _ in range(4)]
    nodegraph.random.set_state(state)
    losses = []
    for _ in range(4):
        losses.append(watched.step())
        loop._sample_text(watched)
        watched.validate()
    assert losses == expected


def test_learning_rate_decays_after_each_epoch():
    training = trainer(learning_rate_decay_after=2, learning_rate_decay=0.5)
    rates = []
    for _ in range(3):
        for _ in range(training.batches.train):
            training.step()
        rates.append(training.optimizer.learning_rate)
    assert rates == [2e-3, 1e-3, 5e-4]


def test_the_loop_saves_by_name_and_as_the_latest(tmp_path):
    said = []
    path = loop.train(trainer(eval_val_every=20, sample_every=30), tmp_path, "x", iterations=50, say=said.append)
    assert sorted(os.listdir(tmp_path))[:2] == ["best.safetensors", "latest.safetensors"]
    assert len(os.listdir(tmp_path)) == 5
    assert "epoch1.00" in path.name or "lm_x_epoch" in path.name
    assert sum("bits per character" in words for words in said) == 3
    assert sum("the model writes" in words for words in said) == 1
    assert Trainer.resume(tmp_path / "latest.safetensors", TEXT).iteration == 50


def test_the_bar_tells_batches_the_loss_of_late_speed_and_compiling(tmp_path, capsys, monkeypatch):
    seconds = iter([2.0, 5.0])
    monkeypatch.setattr(loop.compiling, "seconds", lambda: next(seconds))
    training = trainer()
    training.losses += [0.0] * 10 + [100.0] + [0.0] * 49
    loop.train(training, tmp_path, iterations=1)
    shown = capsys.readouterr().err.splitlines()[-1]
    loss = 0.98 * 2 + 0.02 * training.losses[-1]
    assert f"loss {loss:.3f}, {loss / np.log(2):.2f} bits/char, " in shown and "batch" in shown
    assert shown.endswith(" characters/s, 3 s of compiling]")


def test_ctrl_c_saves_and_says_where(tmp_path):
    training, said = trainer(), []
    step, count = training.step, itertools.count()

    def interrupted():
        if next(count) == 7:
            raise KeyboardInterrupt
        return step()

    training.step = interrupted
    with pytest.raises(KeyboardInterrupt):
        loop.train(training, tmp_path, say=said.append)
    assert str(tmp_path / "latest.safetensors") in said[-1] and "7 iterations" in said[-1]
    assert Trainer.resume(tmp_path / "latest.safetensors", TEXT).iteration == 7


def test_an_interrupt_waits_for_the_end_of_the_iteration(tmp_path):
    straight, training, said = trainer(dropout=0.3), trainer(dropout=0.3), []
    nodegraph.seed(1)
    expected = [straight.step() for _ in range(6)]
    nodegraph.seed(1)
    step, count = training.recurrent.forward, itertools.count()

    def forward(input):
        if next(count) == 2:
            signal.raise_signal(signal.SIGINT)
        return step(input)

    training.recurrent.forward = forward
    with pytest.raises(KeyboardInterrupt):
        loop.train(training, tmp_path, say=said.append)
    assert "after 3 iterations" in said[-1] and training.losses == expected[:3]
    resumed = Trainer.resume(tmp_path / "latest.safetensors", TEXT)
    assert [resumed.step() for _ in range(3)] == expected[3:]


def test_however_little_time_there_is_a_model_is_saved(tmp_path):
    assert loop.train(trainer(), tmp_path, minutes=1e-9, say=print).exists()


def test_a_folder_that_cannot_be_written_is_refused_before_training(tmp_path):
    (tmp_path / "file").write_text("in the way")
    training = trainer()
    with pytest.raises(CheckpointError, match="cannot write checkpoints into"):
        loop.train(training, tmp_path / "file", iterations=3)
    assert training.iteration == 0


@pytest.mark.parametrize("name", [loop.LATEST, loop.BEST])
def test_a_checkpoint_that_must_not_be_written_is_refused_before_training(unprivileged, name):
    (unprivileged / name).write_bytes(b"kept")
    (unprivileged / name).chmod(0o400)
    training = trainer()
    with pytest.raises(CheckpointError, match=f"^cannot write the checkpoint .*{name}: Permission denied$"):
        loop.train(training, unprivileged, iterations=2, say=str)
    assert training.iteration == 0 and (unprivileged / name).read_bytes() == b"kept"


def test_a_text_of_one_character(tmp_path):
    training = Trainer(Options(**SMALL), "a" * 2000)
    path = loop.train(training, tmp_path, iterations=5, say=print)
    model, _, _ = CharacterModel.load(path)
    assert "".join(sample(model, 3)) == "aaa"


def test_an_empty_text():
    with pytest.raises(DataError, match="the text is empty"):
        Trainer(Options(**SMALL), "")


@pytest.mark.parametrize("loss, words", [(float("nan"), "loss is nan at iteration"), (1e9, "explodes")])
def test_a_loss_that_goes_wrong_stops_with_advice_and_saves_nothing(tmp_path, loss, words):
    training = trainer()
    step, count = training.step, itertools.count()
    training.step = lambda: step() if next(count) < 3 else loss
    with pytest.raises(loop.TrainingStopped, match=f"{words}.*learning-rate"):
        loop.train(training, tmp_path, say=print)
    assert os.listdir(tmp_path) == []


def test_a_validation_that_goes_wrong_stops_too_and_saves_nothing(tmp_path):
    wrong = trainer()
    wrong.validate = lambda: float("nan")
    with pytest.raises(TrainingStopped, match="the validation loss is nan after 2 iterations"):
        loop.train(wrong, tmp_path, iterations=2, say=lambda text: None)
    assert not list(tmp_path.glob("lm_*"))


def test_text_without_a_validation_part(tmp_path):
    training = trainer(train_frac=1.0, val_frac=0.0)
    assert training.validate() is None
    said = []
    loop.train(training, tmp_path, iterations=2, say=said.append)
    assert "training loss" in said[-1]


def test_starting_from_another_models_parameters(tmp_path):
    first = trainer()
    first.step()
    model, _, _ = CharacterModel.load(first.save(tmp_path / "c"))
    second = Trainer(Options(**SMALL), TEXT, start=model)
    np.testing.assert_array_equal(second.parameters, first.parameters)
    with pytest.raises(DataError, match="the character .Q. is not among the 28"):
        Trainer(Options(**SMALL), TEXT.replace("q", "Q"), start=model)


def test_resuming_needs_the_same_text(tmp_path):
    path = trainer().save(tmp_path / "c")
    with pytest.raises(DataError, match="not the one"):
        Trainer.resume(path, TEXT[:-1])


def test_resuming_with_the_options_given_again_changes_nothing(tmp_path):
    options = dict(learning_rate=0.01, learning_rate_decay=0.5, learning_rate_decay_after=0)
    training = trainer(**options)
    for _ in range(training.batches.train):
        training.step()
    resumed = Trainer.resume(training.save(tmp_path / "c"), TEXT, **SMALL, **options)
    assert resumed.optimizer.learning_rate == training.optimizer.learning_rate == 0.005


def test_resuming_with_another_learning_rate(tmp_path):
    path = trainer().save(tmp_path / "c")
    resumed = Trainer.resume(path, TEXT, learning_rate=0.5, decay_rate=0.9, max_epochs=3, grad_clip=1.0)
    assert (resumed.optimizer.learning_rate, resumed.optimizer.alpha) == (0.5, 0.9)
    assert (resumed.options.learning_rate, resumed.options.max_epochs, resumed.options.grad_clip) == (0.5, 3, 1.0)


@pytest.mark.parametrize(
    "changed",
    [
        {"model": "gru"}, {"rnn_size": 16}, {"num_layers": 1}, {"dropout": 0.5}, {"dtype": "float64"},
        {"batch_size": 6}, {"seq_length": 9}, {"train_frac": 0.5}, {"seed": 4},
    ],
)  # fmt: skip
def test_what_makes_the_model_or_the_batches_cannot_change_when_resuming(tmp_path, changed):
    path = trainer().save(tmp_path / "c")
    with pytest.raises(ArgumentError, match=f"keeps its {next(iter(changed))}, .*--init-from"):
        Trainer.resume(path, TEXT, **changed)


def test_a_checkpoint_without_the_state_of_a_training(tmp_path):
    from nodegraph.io import checkpoint

    arrays, data = checkpoint.load(trainer().save(tmp_path / "c"))
    for without in ("iteration", "optimizer", "random", "validations"):
        path = checkpoint.save(tmp_path / "d", arrays, {key: data[key] for key in data if key != without})
        with pytest.raises(CheckpointError, match="does not hold all that a training needs"):
            Trainer.resume(path, TEXT)


def test_a_checkpoint_of_something_else(tmp_path):
    from nodegraph.io import checkpoint

    path = checkpoint.save(tmp_path / "c", {"a": np.ones(1)}, {})
    with pytest.raises(CheckpointError, match="not a checkpoint of a character model"):
        CharacterModel.load(path)


@pytest.mark.parametrize(
    "options",
    [
        {"rnn_size": 0}, {"num_layers": 0}, {"model": "transformer"}, {"learning_rate": -1}, {"dropout": 1.0},
        {"train_frac": 0.9, "val_frac": 0.2}, {"seq_length": 0}, {"dtype": "int8"}, {"learning_rate": float("nan")},
        {"grad_clip": 0.0},
    ],
)  # fmt: skip
def test_senseless_options(options):
    with pytest.raises(ArgumentError, match=next(iter(options))):
        Options(**options)


# Sampling


@pytest.fixture(scope="module")
def model():
    training = trainer(learning_rate=0.01, rnn_size=24)
    for _ in range(400):
        training.step()
    training.model.network.evaluate()
    return training.model


def test_sampling(model):
    written = "".join(sample(model, 50, prime="the q", generator=np.random.default_rng(0)))
    again = "".join(sample(model, 50, prime="the q", generator=np.random.default_rng(0)))
    assert written == again and written.startswith("the q") and len(written) == 55
    argmax = "".join(sample(model, 20, prime="the quick bro", argmax=True))
    assert argmax == "".join(sample(model, 20, prime="the quick bro", temperature=1e-6))
    assert argmax.startswith("the quick brown")
    assert argmax == "".join(sample(model, 20, prime="the quick bro", temperature=1e-320))
    assert len("".join(sample(model, 5))) == 5


def test_argmax_without_a_prime_begins_with_the_first_character(model):
    assert next(sample(model, 1, argmax=True)) == model.vocabulary.characters[0]


def test_sampling_refuses(model):
    with pytest.raises(ArgumentError, match="temperature"):
        sample(model, temperature=0)
    with pytest.raises(ArgumentError, match="length"):
        sample(model, length=-1)
    with pytest.raises(DataError, match="'é'"):
        sample(model, prime="é")


def test_inspection(tmp_path):
    training = trainer()
    training.step()
    training.validate()
    shown = describe(training.save(tmp_path / "c"))
    for words in ("rnn_size", "validation loss", "i2h_1", "weight 48 x 12", "total", f"{training.parameters.size:,}"):
        assert words in shown
