"""What `nodegraph.export` offers without importing a framework, and what it says where one is missing."""

import subprocess
import sys

import pytest

import nodegraph.export
from nodegraph.cli import main
from nodegraph.errors import ExportError


def test_no_framework_is_imported_before_it_is_asked_for():
    code = "import sys, nodegraph, nodegraph.export; sys.exit(bool({'torch', 'onnx'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


@pytest.mark.parametrize("name, package", [("to_torch", "torch"), ("load_torch", "torch"), ("to_onnx", "onnx")])
def test_a_missing_framework_is_named_with_what_to_install(monkeypatch, name, package):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ExportError, match=rf"{name} needs the package {package}: pip install 'nodegraph\[{package}\]'"):
        getattr(nodegraph.export, name)


def test_what_there_is_not():
    with pytest.raises(AttributeError, match="no attribute 'to_caffe'"):
        _ = nodegraph.export.to_caffe
    assert {"to_torch", "load_torch", "to_onnx"} <= set(dir(nodegraph.export))


def test_training_by_pytorch_without_pytorch(monkeypatch, capsys, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, "torch", None)
    assert main(["train", "--engine", "torch"]) == 2
    assert capsys.readouterr().err == "nodegraph: to_torch needs the package torch: pip install 'nodegraph[torch]'\n"
