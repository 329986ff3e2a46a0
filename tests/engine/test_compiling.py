"""What goes with compiling."""

import gc
import time
import weakref
from contextlib import ExitStack

import pytest

from nodegraph.engine import compiling


class Thing:
    """Something that refers to itself, as nodes of a graph do to each other."""


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


def test_what_was_made_meanwhile_is_as_young_as_ever():
    """A collector that took it for old would come by so rarely that graphs which nobody holds any more pile up."""
    gc.enable()
    gc.collect()
    with compiling.without_collecting():
        thing = Thing()
        thing.itself, gone = thing, weakref.ref(thing)
    gc.disable()
    del thing
    gc.collect(0)
    assert gone() is None


def old_at_once(share, monkeypatch, many=100):
    """Whether what is made meanwhile, as many things as this share of what there is, counts as old afterwards."""
    monkeypatch.setattr(compiling, "MANY_OBJECTS", many)
    gc.enable()
    gc.collect()
    count = int(share * len(gc.get_objects()))
    with compiling.without_collecting():
        made = [[] for _ in range(count)]
    gc.disable()
    return any(thing is made[0] for thing in gc.get_objects(generation=2))


def test_what_is_most_of_all_there_is_is_old_at_once(monkeypatch):
    """Else the collector would soon go through all of it; but only where these are many, and more than all others."""
    assert old_at_once(1.1, monkeypatch)
    assert not old_at_once(0.8, monkeypatch)
    assert not old_at_once(1.1, monkeypatch, many=10**9)


def test_what_somebody_has_put_aside_from_the_collector_stays_there(monkeypatch):
    gc.freeze()
    try:
        old_at_once(10, monkeypatch, many=0)
        assert gc.get_freeze_count()
    finally:
        gc.unfreeze()


def test_announced_and_measured():
    said, before, start = [], compiling.seconds(), time.perf_counter()
    with compiling.announced(lambda: said.append("now")):
        with compiling.measured():
            assert said == ["now"]
    with compiling.measured():
        pass
    assert said == ["now"] and before < compiling.seconds() <= before + time.perf_counter() - start


def test_whoever_is_told_may_stop_listening():
    """And the others are told all the same."""
    said = []
    with ExitStack() as first, compiling.announced(lambda: said.append("second")):
        first.enter_context(compiling.announced(first.close))
        first.enter_context(compiling.announced(lambda: said.append("last")))
        with compiling.measured():
            pass
        with compiling.measured():
            pass
    assert said == ["second", "last", "second"]


def test_the_time_counts_also_where_compiling_failed():
    before = compiling.seconds()
    with pytest.raises(KeyError), compiling.measured():
        time.sleep(0.002)
        raise KeyError
    assert compiling.seconds() >= before + 0.002
