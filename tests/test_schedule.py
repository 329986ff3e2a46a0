"""stages: which nodes of a fed-back cell step, which run once for all steps, and in which order."""

from hypothesis import given
from hypothesis import strategies as st

from nodegraph.schedule import Stage, stages


def test_without_feedback_all_runs_at_once_in_the_order_of_the_graph():
    assert stages([[], [], [0], [1]], feedback=[]) == [Stage((0, 1, 2, 3), loop=False)]


def test_a_node_that_feeds_itself_is_a_loop():
    assert stages([[], []], feedback=[(1, 1)]) == [Stage((0,), loop=False), Stage((1,), loop=True)]


def test_a_state_that_nothing_it_feeds_comes_back_to_is_no_loop():
    assert stages([[], [], [0], [1]], feedback=[(2, 1)]) == [Stage((0, 2, 1, 3), loop=False)]


def test_loops_that_do_not_wait_for_each_other_run_in_the_order_of_their_first_nodes():
    parents = [[], [], [], [], [1], [0]]
    assert stages(parents, feedback=[(5, 0), (4, 1)]) == [
        Stage((0, 5), loop=True),
        Stage((1, 4), loop=True),
        Stage((2, 3), loop=False),
    ]


@given(st.data())
def test_whatever_is_wired_each_node_runs_once_after_what_it_reads_at_the_same_or_the_step_before(data):
    n = data.draw(st.integers(1, 8))
    parents = [sorted(data.draw(st.sets(st.integers(0, i - 1)))) if i else [] for i in range(n)]
    states = data.draw(st.lists(st.sampled_from([i for i in range(n) if not parents[i]]), unique=True))
    feedback = [(data.draw(st.integers(0, n - 1)), state) for state in states]
    found = stages(parents, feedback)
    assert sorted(place for stage in found for place in stage.places) == list(range(n))
    when = {place: i for i, stage in enumerate(found) for place in stage.places}
    assert all(when[parent] <= when[place] for place in range(n) for parent in parents[place])
    assert all(when[source] <= when[state] for source, state in feedback)
    for stage in found:
        order = {place: i for i, place in enumerate(stage.places)}
        inside = [(parent, place) for place in order for parent in parents[place] if parent in order]
        fed = [] if stage.loop else [(a, b) for a, b in feedback if a in order and b in order]
        assert all(order[a] < order[b] for a, b in inside + fed)
    assert not any(not a.loop and not b.loop for a, b in zip(found, found[1:]))
