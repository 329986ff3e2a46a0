"""The options of training, each with its default and its meaning; the command line is made from them."""

from __future__ import annotations

import math
from dataclasses import dataclass

from nodegraph.errors import ArgumentError
from nodegraph.models.options import Checked, option
from nodegraph.models.variants import CELLS


@dataclass
class Options(Checked):
    """char-rnn's options, with char-rnn's defaults. ArgumentError for a value that makes no sense.

    >>> Options(model="gru", rnn_size=64).num_layers
    2
    """

    rnn_size: int = option(128, "size of the hidden state of each layer", least=1, most=1_000_000)
    num_layers: int = option(2, "number of layers", least=1, most=10_000)
    model: str = option("lstm", "the kind of layer", choices=("lstm", "gru", "rnn", *CELLS))
    learning_rate: float = option(2e-3, "learning rate", least=0, below=math.inf)
    schedule: str = option(
        "step",
        "how the learning rate falls, in steps after epochs, or along a cosine to 0 at the end of --max-epochs, "
        "wherever --iterations and --minutes stop",
        choices=("step", "cosine"),
    )
    learning_rate_decay: float = option(0.97, "factor on the learning rate after each epoch", least=0, most=1)
    learning_rate_decay_after: int = option(10, "number of epochs after which the learning rate decays", least=0)
    decay_rate: float = option(0.95, "decay rate of RMSprop's running mean of squares", least=0, below=1)
    dropout: float = option(0.0, "dropout after each layer, in training; 0 for none", least=0, most=0.99)
    seq_length: int = option(50, "number of time steps of truncated backpropagation", least=1)
    batch_size: int = option(50, "number of sequences trained on in parallel", least=1)
    max_epochs: int = option(50, "number of passes through the training text", least=1)
    grad_clip: float = option(5.0, "each element of the gradient is clipped at this value", above=0)
    grad_clip_norm: float = option(0.0, "before that the norm of the whole is clipped at this; 0 for never", least=0)
    train_frac: float = option(0.95, "fraction of the text to train on", above=0, most=1)
    val_frac: float = option(0.05, "fraction of the text to validate on; the rest is left for testing", least=0, most=1)
    seed: int = option(123, "seed of the random numbers", least=0)
    eval_val_every: int = option(1000, "number of iterations between validations, each of which saves", least=1)
    patience: int = option(0, "stop after so many validations without a better loss; 0 for never", least=0)
    sample_every: int = option(500, "number of iterations between samples of text; 0 for none", least=0)
    dtype: str = option("float32", "precision of the arithmetic", choices=("float32", "float64"))

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.train_frac + self.val_frac > 1 + 1e-9:
            raise ArgumentError(f"train_frac and val_frac add up to {self.train_frac + self.val_frac:g}, more than 1")
