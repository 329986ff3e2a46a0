"""Diagrams as files and in notebooks, and the programs that render them."""

import importlib.metadata
import subprocess
import xml.etree.ElementTree as xml

import pytest

from nodegraph import GModule, nn
from nodegraph.errors import ArgumentError, DrawingError, NodegraphError
from nodegraph.models import lstm
from nodegraph.viz import draw, renderers
from nodegraph.viz.renderers import graphviz_pure, programs, render

from picture import words


@pytest.fixture
def diagram():
    return draw(lstm.create(3, 2))


@pytest.fixture
def without_dot(monkeypatch, tmp_path):
    """As where Graphviz is not installed, and scripts are not on the PATH."""
    monkeypatch.setenv("PATH", str(tmp_path))


def test_svg(diagram, tmp_path):
    path = diagram.save(tmp_path / "a.svg")
    assert path == tmp_path / "a.svg" and {"i2h", "W prev_h + b"} <= set(words(path.read_bytes()))


def test_png(diagram, tmp_path):
    content = diagram.save(str(tmp_path / "a.PNG")).read_bytes()
    assert content.startswith(b"\x89PNG") and len(content) > 10_000


@pytest.mark.parametrize("suffix", ["dot", "gv"])
def test_the_source(diagram, tmp_path, suffix):
    path = diagram.save(tmp_path / f"a.{suffix}")
    assert path.read_text(encoding="utf-8") == diagram.dot and diagram.dot.startswith("digraph {")


@pytest.mark.parametrize("name", ["a.jpg", "a", "svg"])
def test_other_suffixes_are_refused(diagram, tmp_path, name):
    with pytest.raises(ArgumentError, match="saved as .svg, .png, .pdf, .dot or .gv"):
        diagram.save(tmp_path / name)


def test_its_representation_is_short(diagram):
    assert repr(diagram) == f"Diagram of {len(diagram.dot):,} characters of DOT"


def test_where_edges_are_very_long_they_are_straight():
    nodes = [nn.Identity()()]
    for _ in range(35):
        nodes.append(nn.CAddTable()(nodes[:]))  # every node takes all before it
    dense = draw(GModule(nodes[0], nodes[-1]))
    assert "splines=line" in dense.dot.replace('"', "")
    assert "splines" not in draw(lstm.create(3, 2)).dot


def test_notebooks_show_it(diagram):
    assert diagram._repr_svg_() == diagram.svg() and xml.fromstring(diagram.svg()).tag.endswith("svg")


def test_view_opens_the_browser(diagram, monkeypatch):
    opened = []
    monkeypatch.setattr("webbrowser.open", opened.append)
    path = diagram.view()
    assert opened == [path.as_uri()] and "i2h" in words(path.read_bytes())
    path.unlink()


# Renderers


def test_without_graphviz_the_package_from_pypi_renders(diagram, tmp_path, without_dot):
    assert programs() == [graphviz_pure()]
    assert "i2h" in words(diagram.save(tmp_path / "a.svg").read_bytes())
    assert diagram.save(tmp_path / "a.png").stat().st_size > 10_000
    with pytest.raises(DrawingError, match="could not make pdf"):
        diagram.save(tmp_path / "a.pdf")
    assert not (tmp_path / "a.pdf").exists()


def test_graphvizs_own_program_comes_first(tmp_path, monkeypatch):
    (tmp_path / "dot").write_text('#!/bin/sh\necho "$@"\n')
    (tmp_path / "dot").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    assert programs() == [str(tmp_path / "dot"), graphviz_pure()]
    assert b"-Tpdf" in render("digraph {}", "pdf")


def test_no_renderer_at_all(diagram, monkeypatch):
    monkeypatch.setattr(renderers, "programs", lambda: [])
    with pytest.raises(DrawingError, match="pip install graphviz-pure"):
        diagram.svg()
    assert issubclass(DrawingError, NodegraphError)


def test_a_renderer_of_which_no_package_is_installed_is_looked_for_on_the_path(tmp_path, monkeypatch):
    def absent(name):
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "files", absent)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert graphviz_pure() is None and programs() == []
    (tmp_path / "graphviz-pure").write_text("#!/bin/sh\n")
    (tmp_path / "graphviz-pure").chmod(0o755)
    assert programs() == [str(tmp_path / "graphviz-pure")]


def test_what_the_renderer_says_is_told(diagram):
    with pytest.raises(DrawingError, match="could not make svg: .*syntax error"):
        render("digraph { -> }", "svg")
    with pytest.raises(DrawingError, match="could not be run"):
        render("digraph {}", "svg", "/nowhere/dot")


@pytest.mark.parametrize("program", programs())
def test_every_renderer_takes_the_source_without_complaint(program):
    for model in (lstm.create(3, 2), nn.Sequential(nn.Linear(3, 2), nn.Tanh())):
        run = subprocess.run([program, "-Tsvg"], input=draw(model).dot.encode(), capture_output=True)
        complaints = [line for line in run.stderr.decode().splitlines() if "width" not in line]
        assert run.returncode == 0 and not complaints
