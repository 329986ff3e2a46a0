"""write_whole: a file that is there as a whole, or not at all."""

from __future__ import annotations

import contextlib
import os
import pathlib
import tempfile
import time

from nodegraph.errors import CheckpointError

UNFINISHED = ".unfinished"
"""What the name of a file ends in that is being written."""

LEFT_AFTER = 3600
"""The seconds after which a file that nothing was added to is the leftover of a process that was killed."""


def write_whole(path: str | os.PathLike[str], content: bytes, what: str = "") -> pathlib.Path:
    """Write a file, and the folder that it is to stand in; returns the path.

    It is written beside its place and moved there when it is complete, so that at any moment, even after a kill or a
    power cut, the old file or the new one is there and whole. A link stays one: what it names is written.
    CheckpointError when it cannot be written; `what` is put before the path in the message.
    """
    path, temporary = pathlib.Path(path), None
    try:
        place = pathlib.Path(os.path.realpath(path))
        place.parent.mkdir(parents=True, exist_ok=True)
        beside = {"dir": place.parent, "prefix": f".{place.name}.", "suffix": UNFINISHED}
        with tempfile.NamedTemporaryFile(**beside, delete=False) as file:
            temporary = file.name
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o666 & ~_umask())
        os.replace(temporary, place)
        temporary = None
        _sync_folder(place.parent)
    except OSError as error:
        raise CheckpointError(f"cannot write {what}{path}: {error.strerror or error}") from error
    finally:
        if temporary is not None:
            with contextlib.suppress(OSError):
                os.unlink(temporary)
    return path


def remove_leftovers(folder: str | os.PathLike[str]) -> None:
    """Remove the unfinished files of processes that were killed; those that others are writing now stay."""
    for file in pathlib.Path(folder).glob(f".*{UNFINISHED}"):
        with contextlib.suppress(OSError):
            if time.time() - file.stat().st_mtime > LEFT_AFTER:
                file.unlink()


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _sync_folder(folder: pathlib.Path) -> None:
    """Make the renaming itself durable, where the system lets one open a folder."""
    if hasattr(os, "O_DIRECTORY"):
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
