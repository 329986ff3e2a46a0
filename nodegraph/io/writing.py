"""write_whole: a file that is there as a whole, or not at all."""

from __future__ import annotations

import contextlib
import errno
import os
import pathlib
import tempfile
import time

from nodegraph.errors import CheckpointError

UNFINISHED = ".unfinished"
"""What the name of a file ends in that is being written."""

LEFT_AFTER = 3600
"""The seconds after which a file that nothing was added to is the leftover of a process that was killed."""


def write_whole(
    path: str | os.PathLike[str], content: bytes, what: str = "", *, new_folder: bool = True
) -> pathlib.Path:
    """Write a file and, unless `new_folder` is False, the folder that it is to stand in; returns the path.

    It is written beside its place and moved there when it is complete, so that at any moment, even after a kill or a
    power cut, the old file or the new one is there and whole. A link stays one: what it names is written. The rights
    of the old file stay, and one that must not be written to is not replaced. CheckpointError when the file cannot be
    written; `what` is put before the path in the message.
    """
    path, temporary = pathlib.Path(path), None
    try:
        place = pathlib.Path(os.path.realpath(path))
        if new_folder:
            place.parent.mkdir(parents=True, exist_ok=True)
        beside = {"dir": place.parent, "prefix": f".{place.name}.", "suffix": UNFINISHED}
        with tempfile.NamedTemporaryFile(**beside, delete=False) as file:
            temporary = file.name
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, _rights(place))
        os.replace(temporary, place)
        temporary = None
        _sync_folder(place.parent)
    except OSError as error:
        raise CheckpointError(_cannot_write(path, what, error)) from error
    finally:
        if temporary is not None:
            with contextlib.suppress(OSError):
                os.unlink(temporary)
    return path


def check_writable(path: str | os.PathLike[str], what: str = "") -> None:
    """The CheckpointError with which `write_whole` would end for a file, so that it comes before long work."""
    path = pathlib.Path(path)
    try:
        place = pathlib.Path(os.path.realpath(path))
        with tempfile.TemporaryFile(dir=place.parent):
            _rights(place)
    except OSError as error:
        raise CheckpointError(_cannot_write(path, what, error)) from error


def remove_leftovers(folder: str | os.PathLike[str]) -> None:
    """Remove the unfinished files of processes that were killed; those that others are writing now stay."""
    for file in pathlib.Path(folder).glob(f".*{UNFINISHED}"):
        with contextlib.suppress(OSError):
            if time.time() - file.stat().st_mtime > LEFT_AFTER:
                file.unlink()


def _cannot_write(path: pathlib.Path, what: str, error: OSError) -> str:
    no_folder = isinstance(error, (FileNotFoundError, NotADirectoryError, FileExistsError))
    reason = f"there is no folder {path.parent}" if no_folder else error.strerror or error
    return f"cannot write {what}{path}: {reason}"


def _rights(place: pathlib.Path) -> int:
    """Those of the file that is there, else those of any new file; PermissionError if it must not be written to."""
    if not os.path.exists(place):
        mask = os.umask(0)
        os.umask(mask)
        return 0o666 & ~mask
    if not os.access(place, os.W_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    return os.stat(place).st_mode & 0o777


def _sync_folder(folder: pathlib.Path) -> None:
    """Make the renaming itself durable, where the system lets one open a folder."""
    if hasattr(os, "O_DIRECTORY"):
        try:
            descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        except PermissionError:  # Of a folder that may be written, not read; the file is in its place.
            return
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
