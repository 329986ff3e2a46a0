"""Several processes that train together, started by PyTorch's own launcher, the one behind torchrun."""

from __future__ import annotations

import logging
import os
import signal
import sys
import uuid
from collections.abc import Sequence
from typing import NoReturn

from nodegraph.errors import ArgumentError
from nodegraph.models.char_rnn.engine import Engine
from nodegraph.models.char_rnn.loop import TrainingStopped


def engine_named(name: str) -> type[Engine]:
    """The class of an engine; ExportError if PyTorch is asked for and is not installed."""
    if name == "torch":
        from nodegraph.export import to_torch  # noqa: F401, which says what to install
        from nodegraph.models.char_rnn.torch_engine import TorchEngine

        return TorchEngine
    return Engine


def launched() -> bool:
    """Whether this process was started by the launcher, ours or the user's own torchrun."""
    return "TORCHELASTIC_RUN_ID" in os.environ


def is_main() -> bool:
    """Whether this process is the only one, or the first of those that train together."""
    return not launched() or os.environ.get("RANK") == "0"


def leave(status: int) -> NoReturn:
    """End a launched process, whose work is done and written, at once.

    Taking down Python and PyTorch's threads in order, as `sys.exit` does, has been seen to abort a process now and then
    on a busy machine, and the launcher would take that for a training that failed.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


def launch(arguments: Sequence[str], engine: str, processes: int) -> int:
    """Run the command with these arguments in so many processes; returns the exit status that they end with."""
    if processes < 1:
        raise ArgumentError(f"--nproc must be at least 1, got {processes}")
    if engine != "torch":
        raise ArgumentError("--nproc is for --engine torch; nodegraph's own engine trains in one process")
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // processes)))
    from torch.distributed.elastic.multiprocessing.api import SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.launcher.api import LaunchConfig, elastic_launch

    # What goes wrong in a process that process says itself.
    logging.getLogger("torch.distributed.elastic.multiprocessing.api").setLevel(logging.CRITICAL)
    here = {"rdzv_backend": "c10d", "rdzv_endpoint": "localhost:0", "run_id": uuid.uuid4().hex, "max_restarts": 0}
    config = LaunchConfig(min_nodes=1, max_nodes=1, nproc_per_node=processes, **here)
    try:
        elastic_launch(config, sys.executable)("-m", "nodegraph", *arguments)
    except ChildFailedError as error:
        for rank, failure in error.failures.items():
            if failure.exitcode < 0:
                number = signal.Signals(-failure.exitcode).name
                raise TrainingStopped(f"process {rank} was ended by {number}, and the others with it") from None
        return max(failure.exitcode for failure in error.failures.values())
    except SignalException as error:
        raise KeyboardInterrupt(error.sigval) from None
    return 0
