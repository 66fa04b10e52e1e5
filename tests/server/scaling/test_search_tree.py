"""Selection, expansion and backup of the search tree, against the slow obvious search."""

from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from server.scaling.search_tree import SearchTree
from tests.examples import examples
from tests.server.scaling.obvious_search import ObviousSearch

DYADIC = st.integers(0, 16).map(lambda value: value / 16)
"""Scores whose sums are exact in binary, so that both searches have the same ties."""


@settings(max_examples=examples(300))
@given(
    kinds=st.lists(st.tuples(DYADIC, st.booleans()), min_size=1, max_size=6),
    exploration=st.sampled_from([0.0, 0.5, 1.0, 3.0]),
    children=st.integers(1, 3),
    at_once=st.integers(1, 3),
    seed=st.integers(0, 2**16),
)
def test_selects_what_the_obvious_search_selects(
    kinds: list[tuple[float, bool]], exploration: float, children: int, at_once: int, seed: int
) -> None:
    draws = Random(seed)
    root: tuple[int, ...] = ()
    tree, obvious = SearchTree(root, exploration, key=tuple), ObviousSearch(exploration, kinds)
    for _ in range(12):
        chosen = tree.select(at_once, children)
        assert [node.state for node in chosen] == obvious.select(at_once, children)
        for node in chosen:
            grown = [draws.randrange(len(kinds)) for _ in range(children)]
            obvious.expand(node.state, grown)
            tree.expand(node, [((*node.state, kind), *kinds[kind]) for kind in grown])
        assert [node.state for node in tree.nodes[1:]] == list(dict.fromkeys(obvious.drawn))
        for node in tree.nodes:
            below = obvious.scores(node.state)
            assert (node.visits, node.total) == (len(below), sum(below))


def test_a_finished_chain_is_never_grown_on() -> None:
    tree = SearchTree("root", exploration=1.0)
    tree.expand(tree.root, [("finished", 1.0, True), ("open", 0.1, False)])
    for _ in range(20):
        (node,) = tree.select(1, 1)
        assert node.state != "finished"
        tree.expand(node, [("more", 0.0, False)])


def test_without_exploration_the_best_score_is_followed() -> None:
    tree = SearchTree("", exploration=0.0)
    tree.expand(tree.root, [("a", 0.2, False), ("b", 0.8, False)])
    assert [node.state for node in tree.select(1, 2)] == ["b"]


def test_where_all_that_grows_from_a_node_has_ended_it_is_widened() -> None:
    tree = SearchTree("root", exploration=1.0)
    tree.expand(tree.root, [("x", 0.9, True), ("y", 0.8, True)])
    assert tree.select(1, 2) == [tree.root]


def test_the_expansions_of_a_round_go_to_different_nodes() -> None:
    tree = SearchTree("root", exploration=1.0)
    tree.expand(tree.root, [("a", 0.5, False), ("b", 0.5, False), ("c", 0.5, False)])
    states = [node.state for node in tree.select(4, 1)]
    assert sorted(states) == ["a", "b", "c", "root"]


def test_the_scale_of_the_scores_changes_nothing() -> None:
    def states(scale: float) -> list[str]:
        tree = SearchTree("", exploration=1.0)
        tree.expand(tree.root, [("a", 0.25 * scale, False), ("b", 0.75 * scale, False)])
        seen = []
        for at in range(12):
            (node,) = tree.select(1, 1)
            seen.append(node.state)
            tree.expand(node, [(f"{node.state}{at}", (at % 4) / 4 * scale, False)])
        return seen

    assert states(1.0) == states(1024.0) == states(2.0**-10)
