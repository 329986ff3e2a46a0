"""Text in pictures: whatever a user types is shown as typed, and never becomes markup."""

import pathlib
import xml.etree.ElementTree as xml

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nodegraph import GModule, nn
from nodegraph.viz import draw
from nodegraph.viz.labels import MOST_LINES, WIDEST
from nodegraph.viz.renderers import programs, render
from nodegraph.viz.svg import finished

from picture import tooltips, words

GALLERY = pathlib.Path(__file__).parents[2] / "viz" / "gallery"
HOSTILE = [
    "<b>x</b>", '"quoted"', "back\\slash\\", "\\N \\G \\n \\l", "two \\\\ of them", "a\\\"b", "&lt;&amp;&#65;",
    "x -> y; }", "<<TABLE>", "-->", "]]>", "<!-- c -->", "<script>alert(1)</script>", "σ(Δx) 日本語 🙂",
    "e\u0301 \u202e to the left", "{a|b}", "50%s {}", "node", "strict digraph", "'single'", "a  b", " lead and trail ",
    "tab\there", "nul\0bell\a", "\ud800 alone", "\ufffe",
]  # fmt: skip
"""Names that mean something to XML, to DOT, to HTML or to a terminal."""


def as_shown(name):
    """A line of a name as pictures show it: characters that XML cannot hold are written as in Python."""
    odd = ["\t", "\0", "\a", "\ud800", "\ufffe"]
    return "".join(repr(c)[1:-1] if c in odd else c for c in name)


def drawn(name, **annotations):
    x = nn.Identity()().annotate(name=name, **annotations)
    a, b = nn.SplitTable(0)(x).split(2)
    return draw(GModule(x, nn.CAddTable()([nn.Tanh()(a.annotate(name=name)), b]).annotate(name="y")))


@pytest.mark.parametrize("program", programs())
@pytest.mark.parametrize("name", HOSTILE, ids=ascii)
def test_hostile_names(name, program):
    diagram = drawn(name, description=name)
    svg = finished(render(diagram.dot, "svg", program).decode())
    shown = as_shown(name)
    assert words(svg).count(shown) == 2  # the name and the description
    assert f"[0] {shown}" in words(svg) and f"tanh({shown})" in words(svg)
    assert shown in tooltips(svg)[0].split("\n")


ATTRIBUTES = ["color", "fontname", "style", "label", "tooltip", "comment", "URL", "a b", '"', "id", "<b>"]
texts = st.text(st.characters(codec="utf-8", categories=["L", "N", "P", "S", "Zs"]), min_size=1, max_size=WIDEST)


@settings(max_examples=40, deadline=None)
@given(texts)
def test_any_name(name):
    svg = drawn(name).svg()
    assert name.replace("\xa0", " ") in words(svg)


@settings(max_examples=25, deadline=None)
@given(st.dictionaries(st.sampled_from(ATTRIBUTES), st.text(max_size=20)))
def test_any_attribute_leaves_a_picture_that_can_be_read(attributes):
    xml.fromstring(drawn("x", graph_attributes=attributes).svg())


@pytest.mark.parametrize("program", programs())
@pytest.mark.parametrize(
    "attributes",
    [
        {"URL": "javascript:alert(1)"},
        {"href": " JAVA\tscript:alert(1)"},
        {"URL": "data:text/html,<script>alert(1)</script>"},
        {"fontname": 'x" onclick="alert(1)'},
        {"fontcolor": 'red" onclick="alert(1)'},
        {"image": str(GALLERY / "lstm.svg")},
        {"shape": "custom", "shapefile": str(GALLERY / "lstm.svg")},
        {"id": "n0"},
        {"class": "edge"},
        {"peripheries": 1_000_000},
        {"shape": "polygon", "sides": "1e8"},
        {"width": "inf"},
        {"margin": "0.1,1e9"},
        {"fontsize": "large"},
    ],
    ids=str,
)
def test_an_attribute_changes_looks_and_nothing_else(attributes, program):
    """A file from somewhere has attributes, too: no code, no other file, no picture that fills the disk."""
    shape = {name: value for name, value in attributes.items() if name == "shape"}
    plain, other = (
        finished(render(drawn("x", graph_attributes=a).dot, "svg", program).decode()) for a in (shape, attributes)
    )
    assert other == plain


def test_attributes_that_are_taken_over():
    svg = drawn("x", graph_attributes={"URL": "https://a.b/c", "fontcolor": "red", "penwidth": 3, 4: 5}).svg()
    assert 'xlink:href="https://a.b/c"' in svg and 'fill="red"' in svg and 'stroke-width="3' in svg


def test_an_attribute_is_quoted_however_it_looks():
    diagram = drawn("x", graph_attributes={"label": "<<TABLE><TR><TD>a</TD></TR></TABLE>>", "comment": "a\\"})
    assert "<<TABLE><TR><TD>a</TD></TR></TABLE>>" in words(diagram.svg())


def test_lines_of_a_name_are_lines_of_the_label():
    assert {"first", "second"} <= set(words(drawn("first\nsecond").svg()))


def test_long_names_are_broken_and_at_last_cut():
    name = " ".join(f"word{i}" for i in range(20))
    found = words(drawn(name).svg())
    start = next(i for i, line in enumerate(found) if line.startswith("word0"))
    assert "".join(found[start : start + 4]).startswith(name) and all(len(line) <= WIDEST for line in found)
    found = words(drawn("x" * 10_000).svg())
    assert found[0] == "x" * WIDEST and found[MOST_LINES] == "…"
    assert tooltips(drawn("x" * 10_000).svg())[0].split("\n")[1] == "x" * 10_000


def test_a_name_that_is_empty_counts_as_none():
    assert words(drawn("").svg())[0] == "input"


def test_lines_are_centred_whatever_the_font():
    svg = drawn("x").svg()
    assert 'text-anchor="start"' not in svg and 'fill="none" stroke="none" points' not in svg
