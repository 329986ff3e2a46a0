"""write_whole: a file that is there as a whole, or not at all."""

from __future__ import annotations

import os
import pathlib
import tempfile

from nodegraph.errors import CheckpointError


def write_whole(path: str | os.PathLike, content: bytes, what: str = "") -> pathlib.Path:
    """Write a file, and the folder that it is to stand in; returns the path.

    It is written beside its place and moved there when it is complete, so that at any moment, even after a kill or a
    power cut, the old file or the new one is there and whole. CheckpointError when it cannot be written; `what` is put
    before the path in the message.
    """
    path, temporary = pathlib.Path(path), None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as file:
            temporary = file.name
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o666 & ~_umask())
        os.replace(temporary, path)
        temporary = None
        _sync_folder(path.parent)
    except OSError as error:
        raise CheckpointError(f"cannot write {what}{path}: {error.strerror or error}") from error
    finally:
        if temporary is not None:
            os.unlink(temporary)
    return path


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
