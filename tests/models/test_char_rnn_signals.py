"""Ctrl-C, SIGTERM and SIGHUP while a training runs: they wait while they must, and one is enough."""

import signal

import pytest

from nodegraph.models.char_rnn.signals import ENDING, Signals


@pytest.fixture(params=ENDING, ids=lambda number: number.name)
def number(request):
    before = signal.getsignal(request.param)
    yield request.param
    signal.signal(request.param, before)


def raising(number, frame):
    raise KeyboardInterrupt(number)


def test_a_signal_goes_to_whoever_handled_it_before(number):
    signal.signal(number, raising)
    with pytest.raises(KeyboardInterrupt), Signals():
        signal.raise_signal(number)
    assert signal.getsignal(number) is raising


def test_one_that_is_held_back_waits_for_the_end_of_the_block(number):
    signal.signal(number, raising)
    done = []
    with pytest.raises(KeyboardInterrupt), Signals() as signals:
        with signals.held_back():
            signal.raise_signal(number)
            done.append("the block")
        done.append("what follows")
    assert done == ["the block"]


def test_after_one_that_raised_the_others_disturb_no_more(number):
    signal.signal(number, raising)
    done = []
    with pytest.raises(KeyboardInterrupt), Signals() as signals:
        try:
            signal.raise_signal(number)
        except KeyboardInterrupt:
            signal.raise_signal(number)
            with signals.held_back():
                signal.raise_signal(number)
                done.append("saved")
    assert done == ["saved"]


def test_a_handler_that_raises_nothing_gets_all_of_them(number):
    came = []
    signal.signal(number, lambda *signalled: came.append(signalled[0]))
    with Signals() as signals:
        signal.raise_signal(number)
        with signals.held_back():
            signal.raise_signal(number)
            assert len(came) == 1
        signal.raise_signal(number)
    assert came == [number] * 3


def test_what_was_ignored_stays_so(number):
    signal.signal(number, signal.SIG_IGN)
    with Signals():
        signal.raise_signal(number)
        assert signal.getsignal(number) is signal.SIG_IGN
