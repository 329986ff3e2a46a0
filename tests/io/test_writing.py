"""Writing files: whole or not at all, on a full disk, in a folder that several processes write to, after a kill."""

import os
import subprocess
import sys
import time

import numpy as np
import pytest

from nodegraph import nn, save
from nodegraph.errors import CheckpointError, DataError
from nodegraph.history import History
from nodegraph.io import checkpoint
from nodegraph.io.writing import LEFT_AFTER, UNFINISHED, check_writable, remove_leftovers, write_whole


def run(script, *arguments):
    return subprocess.run([sys.executable, "-c", script, *map(str, arguments)], capture_output=True, text=True)


LIMITED = """
import resource, signal, sys
from nodegraph import nn, save
from nodegraph.errors import CheckpointError
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
try:
    save(nn.Linear(100, 100), sys.argv[1])
except CheckpointError as error:
    print(error)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="limits of file sizes are of Unix")
@pytest.mark.parametrize("name", ["model.t7", "model.safetensors"])
def test_no_room_gives_one_sentence_and_keeps_the_old_file(tmp_path, name):
    path = save(nn.Linear(2, 2), tmp_path / name)
    before = path.read_bytes()
    told = run(LIMITED, path)
    assert told.stderr == "" and told.stdout.count("\n") == 1
    assert str(path) in told.stdout and told.stdout.endswith(": File too large\n")
    assert path.read_bytes() == before and os.listdir(tmp_path) == [name]


def test_no_room_for_a_history_keeps_the_old_one(tmp_path, monkeypatch):
    path = History([1.0]).save(tmp_path / "history.csv")

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(DataError, match=r"cannot write .*history.csv: No space left on device$"):
        History([2.0, 3.0]).save(path)
    assert path.read_text().split() == ["iteration,loss,smoothed_loss", "1,1.0,1.0"]
    assert os.listdir(tmp_path) == ["history.csv"]


def test_a_folder_that_must_not_be_written(unprivileged):
    path = write_whole(unprivileged / "file", b"old")
    unprivileged.chmod(0o500)
    for use in (lambda: write_whole(path, b"new"), lambda: check_writable(path)):
        with pytest.raises(CheckpointError, match=r"^cannot write .*file: Permission denied$"):
            use()
    with pytest.raises(CheckpointError, match="^cannot write checkpoints into .*: Permission denied$"):
        checkpoint.make_folder(unprivileged)
    assert path.read_bytes() == b"old"


def test_a_file_that_must_not_be_written_is_not_replaced(unprivileged):
    path = write_whole(unprivileged / "file", b"old")
    check_writable(path)
    path.chmod(0o400)
    for use in (lambda: write_whole(path, b"new", "the "), lambda: check_writable(path, "the ")):
        with pytest.raises(CheckpointError, match=r"^cannot write the .*file: Permission denied$"):
            use()
    assert path.read_bytes() == b"old" and os.listdir(unprivileged) == ["file"]


def test_a_folder_that_may_be_written_but_not_read(unprivileged):
    unprivileged.chmod(0o300)
    path = write_whole(unprivileged / "file", b"new")
    assert path.read_bytes() == b"new"


def test_a_folder_that_must_not_be_looked_into(unprivileged):
    (unprivileged / "folder").mkdir()
    unprivileged.chmod(0o600)
    for new_folder in (True, False):
        with pytest.raises(CheckpointError, match=r"^cannot write .*file: Permission denied$"):
            write_whole(unprivileged / "folder" / "file", b"", new_folder=new_folder)
    with pytest.raises(DataError, match=r"^cannot write .*history.csv: Permission denied$"):
        History([1.0]).save(unprivileged / "folder" / "history.csv")


def test_a_folder_that_is_not_there(tmp_path):
    (tmp_path / "file").write_bytes(b"in the way")
    for folder in (tmp_path / "none", tmp_path / "file"):
        for use in (lambda path: write_whole(path, b"", new_folder=False), check_writable):
            with pytest.raises(CheckpointError, match=rf"^cannot write .*x: there is no folder {folder}$"):
                use(folder / "x")
    assert write_whole(tmp_path / "none" / "x", b"").is_file()


def test_an_interrupt_right_after_the_renaming_is_an_interrupt(tmp_path, monkeypatch):
    replace = os.replace

    def interrupted(*paths):
        replace(*paths)
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_whole(tmp_path / "file", b"new")
    assert (tmp_path / "file").read_bytes() == b"new" and os.listdir(tmp_path) == ["file"]


@pytest.mark.skipif(sys.platform == "win32", reason="links are of Unix")
def test_the_unfinished_file_stands_beside_its_place_and_goes_where_writing_fails(tmp_path, monkeypatch):
    seen = []

    def refuse(source, target):
        seen.append((os.path.dirname(source), source.endswith(UNFINISHED), os.path.exists(source)))
        raise OSError("no renaming here")

    monkeypatch.setattr(os, "replace", refuse)
    with pytest.raises(CheckpointError, match="cannot write .*file: no renaming here"):
        write_whole(tmp_path / "file", b"content")
    assert seen == [(str(tmp_path), True, True)] and not list(tmp_path.iterdir())


def test_a_file_has_the_rights_of_any_new_file(tmp_path):
    before = os.umask(0o027)
    try:
        path = write_whole(tmp_path / "file", b"content")
        assert path.stat().st_mode & 0o777 == 0o640 and os.umask(0o027) == 0o027
    finally:
        os.umask(before)


@pytest.mark.skipif(sys.platform == "win32", reason="rights of files are of Unix")
def test_a_file_that_is_replaced_keeps_its_rights(tmp_path):
    path = write_whole(tmp_path / "file", b"old")
    path.chmod(0o600)
    write_whole(path, b"new")
    assert path.stat().st_mode & 0o777 == 0o600 and path.read_bytes() == b"new"


def test_through_a_link_what_it_names_is_written(tmp_path):
    (tmp_path / "there").mkdir()
    for name in ("link", "link to nothing yet"):
        (tmp_path / name).symlink_to(tmp_path / "there" / f"file of {name}")
    write_whole(tmp_path / "there" / "file of link", b"old")
    for name in ("link", "link to nothing yet"):
        assert write_whole(tmp_path / name, b"new") == tmp_path / name
        assert (tmp_path / name).is_symlink() and (tmp_path / "there" / f"file of {name}").read_bytes() == b"new"
    assert len(os.listdir(tmp_path)) == 3 and len(os.listdir(tmp_path / "there")) == 2


def test_what_a_kill_left_behind_is_removed_when_it_is_old(tmp_path):
    old, new, other = (tmp_path / name for name in (f".a.1{UNFINISHED}", f".a.2{UNFINISHED}", ".a"))
    for file in (old, new, other):
        file.write_bytes(b"half")
    long_ago = time.time() - LEFT_AFTER - 10
    os.utime(old, (long_ago, long_ago))
    os.utime(other, (long_ago, long_ago))
    checkpoint.make_folder(tmp_path)
    assert sorted(os.listdir(tmp_path)) == [".a", f".a.2{UNFINISHED}"]
    remove_leftovers(tmp_path / "nowhere")


WRITER = """
import sys, numpy as np
from nodegraph.io import checkpoint
for i in range(60):
    checkpoint.save(sys.argv[1], {"a": np.full(20_000, float(sys.argv[2]) + i)}, {"i": float(sys.argv[2]) + i})
"""


def test_processes_that_write_the_same_file_do_not_tear_it(tmp_path):
    path = checkpoint.save(tmp_path / "model", {"a": np.zeros(1)}, {"i": 0.0})
    writers = [subprocess.Popen([sys.executable, "-c", WRITER, str(path), str(1000 * i)]) for i in range(2)]
    seen = set()
    while any(writer.poll() is None for writer in writers):
        arrays, data = checkpoint.load(path)
        assert (arrays["a"] == data["i"]).all()
        seen.add(data["i"])
    assert [writer.returncode for writer in writers] == [0, 0] and len(seen) > 2
    assert os.listdir(tmp_path) == ["model"]
