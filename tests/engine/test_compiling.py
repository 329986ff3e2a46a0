"""What goes with compiling."""

import gc

import pytest

from nodegraph.engine import compiling


@pytest.fixture(autouse=True)
def collector():
    enabled = gc.isenabled()
    yield
    (gc.enable if enabled else gc.disable)()


@pytest.mark.parametrize("enabled", [True, False])
def test_the_collector_pauses_and_is_as_before_also_after_an_error(enabled):
    (gc.enable if enabled else gc.disable)()
    with pytest.raises(KeyError):
        with compiling.without_collecting():
            assert not gc.isenabled()
            raise KeyError
    assert gc.isenabled() == enabled


def test_what_a_program_froze_stays_frozen():
    gc.enable()
    gc.freeze()
    frozen = gc.get_freeze_count()
    try:
        with compiling.without_collecting():
            pass
        assert gc.get_freeze_count() > frozen / 2
    finally:
        gc.unfreeze()


def test_announced_and_measured():
    said, before = [], compiling.seconds()
    with compiling.announced(lambda: said.append("now")):
        with compiling.measured():
            assert said == ["now"]
    with compiling.measured():
        pass
    assert said == ["now"] and compiling.seconds() > before
